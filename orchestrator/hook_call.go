package orchestrator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// execPrefix begins a hook target that is a command of this machine: exec:/path/to/hook args.
const execPrefix = "exec:"

// longestAnswer bounds what is read of a hook's answer, in bytes.
const longestAnswer = 1 << 20

// mayRun refuses commands outside of the directory of hooks: who may call the API must not
// thereby run any program of this machine as the daemon's user.
func (c *Controller) mayRun(target string) error {
	command, ok := strings.CutPrefix(target, execPrefix)
	if !ok {
		return nil
	}
	if c.config.HookDir == "" {
		return errors.New("commands run only from the directory that the daemon is started with: --hooks DIR; a URL needs no such leave")
	}
	path, _, _ := strings.Cut(command, " ")
	if filepath.Dir(filepath.Clean(path)) != filepath.Clean(c.config.HookDir) {
		return fmt.Errorf("commands run only from %s, the daemon's --hooks", c.config.HookDir)
	}
	return nil
}

// withoutPassword is a hook's target as people and events are told of it.
func withoutPassword(target string) string {
	u, err := url.Parse(target)
	if err == nil && u.User != nil {
		return u.Redacted()
	}
	if _, rest, ok := strings.Cut(target, "@"); ok && err != nil {
		return "…@" + rest
	}
	return target
}

// CallHookTarget calls a lifecycle hook: a URL with POST, a command with the event as its standard input.
// It returns the body, or the standard output. There is no Lambda here, so these two stand
// in for its functions (ECS-145).
func CallHookTarget(ctx context.Context, target string, event []byte) ([]byte, error) {
	if command, ok := strings.CutPrefix(target, execPrefix); ok {
		return runHook(ctx, strings.Fields(command), event)
	}
	return postHook(ctx, target, event)
}

func postHook(ctx context.Context, target string, event []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(event))
	if err != nil {
		return nil, fmt.Errorf("%s is not a valid URL", withoutPassword(target)) // the error has it whole
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer))
	if err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("it answered %s", res.Status)
	}
	return text, nil
}

// runHook runs a command. What it started ends with it.
func runHook(ctx context.Context, args []string, event []byte) ([]byte, error) {
	if len(args) == 0 {
		return nil, errors.New("it names no command")
	}
	var out, said bounded
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(event), &out, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nobody is left there, mostly
	}
	if err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text[:min(len(text), 200)])
		}
		return nil, err
	}
	return out.Bytes(), nil
}

// bounded keeps the first bytes that are written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, longestAnswer-b.Len()))])
	return len(p), nil
}
