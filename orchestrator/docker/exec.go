package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// ExecOptions say what to run in a container. Nil streams are not attached.
type ExecOptions struct {
	Command        []string
	TTY            bool // output and error are one stream then
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Size           <-chan TerminalSize // of the terminal, whenever it changes; may be nil
}

// TerminalSize is in characters.
type TerminalSize struct{ Rows, Columns uint }

// Exec runs a command in a running container of a task and returns its exit code. The container's
// name may be empty for the task's first one. Stdin is read until the command ends; a read that is
// under way then is left to end by itself.
func (e *Engine) Exec(ctx context.Context, task, name string, o ExecOptions) (int, error) {
	code, err := e.exec(ctx, task, name, o)
	if err != nil {
		return code, fmt.Errorf("exec in task %s: %w", task, err)
	}
	return code, nil
}

func (e *Engine) exec(ctx context.Context, task, name string, o ExecOptions) (int, error) {
	c, err := e.locate(ctx, task, name)
	if err != nil {
		return -1, err
	}
	made, err := e.client.ContainerExecCreate(ctx, c.ID, container.ExecOptions{
		Cmd: o.Command, Tty: o.TTY, AttachStdin: o.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return -1, err
	}
	conn, err := e.client.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: o.TTY})
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	ended := make(chan struct{})
	defer close(ended)
	if o.Size != nil {
		go e.resize(ctx, made.ID, o.Size, ended)
	}
	if o.Stdin != nil {
		go feed(conn, o.Stdin)
	}
	if err := copyOutput(conn, o); err != nil {
		return -1, err
	}
	return e.exitCode(ctx, made.ID)
}

// exitCode waits for a command's end, which may come after the end of its output.
func (e *Engine) exitCode(ctx context.Context, id string) (int, error) {
	for {
		result, err := e.client.ContainerExecInspect(ctx, id)
		if err != nil || !result.Running {
			return result.ExitCode, err
		}
		if sleep(ctx, poll); ctx.Err() != nil {
			return -1, ctx.Err()
		}
	}
}

func feed(conn types.HijackedResponse, stdin io.Reader) {
	io.Copy(conn.Conn, stdin) // an error here shows in the output's end
	conn.CloseWrite()
}

func copyOutput(conn types.HijackedResponse, o ExecOptions) error {
	out, errs := orDiscard(o.Stdout), orDiscard(o.Stderr)
	if o.TTY {
		_, err := io.Copy(out, conn.Reader)
		return err
	}
	_, err := stdcopy.StdCopy(out, errs, conn.Reader)
	return err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// resize tells Docker the terminal's size until the command has ended.
func (e *Engine) resize(ctx context.Context, id string, sizes <-chan TerminalSize, ended <-chan struct{}) {
	for {
		select {
		case s, ok := <-sizes:
			if !ok {
				return
			}
			if err := e.client.ContainerExecResize(ctx, id, container.ResizeOptions{Height: s.Rows, Width: s.Columns}); err != nil {
				e.log.Debug("resize a terminal", "error", err)
			}
		case <-ended:
			return
		}
	}
}
