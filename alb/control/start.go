package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// logLimit is how long the process's log may be before it is put aside at the next start.
const logLimit = 8 << 20

// start starts a process in a session of its own, and waits until it answers.
func (k *keeper) start(ctx context.Context, args ...string) (State, error) {
	pid, err := k.launch(args)
	if err != nil {
		return State{}, fmt.Errorf("start the load balancer node: %w", err)
	}
	if k.child != 0 {
		k.children = append(k.children, k.child)
	}
	k.child = pid
	for end := time.Now().Add(startPatience); time.Now().Before(end); sleep(ctx, 3*time.Millisecond) {
		if ctx.Err() != nil {
			return State{}, ctx.Err()
		}
		if s, err := k.State(ctx); err == nil && s.PID == pid {
			return s, nil
		}
		if fate := k.waitFor(pid); fate != "" {
			k.child = 0
			return State{}, fmt.Errorf("the load balancer node did not start: %s: %s", fate, lastWords(k.config.StateDir))
		}
	}
	return State{}, fmt.Errorf("the load balancer node (pid %d) does not answer %s after its start: see %s", pid, startPatience, LogFile(k.config.StateDir))
}

// launch starts the process, which outlives this one.
func (k *keeper) launch(args []string) (pid int, err error) {
	if err := makeFolder(Folder(k.config.StateDir)); err != nil {
		return 0, err
	}
	log, err := openLog(LogFile(k.config.StateDir))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(k.config.Command[0], slices.Concat(k.config.Command[1:], args)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release() // waited for by its pid, if at all
}

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// waitFor returns how a child ended, or nothing if it runs.
func (k *keeper) waitFor(pid int) string {
	var status unix.WaitStatus
	got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
	switch {
	case errors.Is(err, unix.ECHILD):
		return "it was not ours to wait for"
	case err != nil || got != pid:
		return ""
	case status.Signaled():
		return "killed by " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// fate waits a moment for the end of a child and returns how it ended.
func (k *keeper) fate(pid int) string {
	if pid != k.child {
		return "it does not answer any more"
	}
	for range 100 {
		if fate := k.waitFor(pid); fate != "" {
			k.child = 0
			return fate
		}
		time.Sleep(5 * time.Millisecond)
	}
	return "it does not answer any more"
}

// reap waits for children that retired and have ended.
func (k *keeper) reap() {
	k.children = slices.DeleteFunc(k.children, func(pid int) bool { return k.waitFor(pid) != "" })
}
