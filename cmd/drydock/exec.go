package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/container"
	docker "github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func execCommand() *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run a command in a container of a task",
		ArgsUsage: "TASK|SERVICE -- COMMAND [ARGUMENT...]",
		Description: "For a service: in its first running task. Exits 1 if the command fails.\n\n" +
			"Example:\n  drydock exec user-service -- /app/server --version\n  drydock exec 3f2a9c --container app -- sh",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "container", EnvVars: twin("container"), Usage: "the `CONTAINER`; the task's first one by default"},
			&cli.StringFlag{Name: "cluster", EnvVars: twin("cluster"), Usage: "the service's `CLUSTER`, if its name is in several"},
			endpointFlag(),
		},
		Action: execAction,
	}
}

func execAction(c *cli.Context) error {
	name, command, err := execArguments(c.Args().Slice())
	if err != nil {
		return err
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	status, err := api.status(c.Context)
	if err != nil {
		return err
	}
	id, err := execContainer(status, c.String("cluster"), name, c.String("container"))
	if err != nil {
		return err
	}
	engine, err := docker.NewClientWithOpts(docker.FromEnv, docker.WithAPIVersionNegotiation())
	if err != nil {
		return fmt.Errorf("reach Docker: %w: check DOCKER_HOST", err)
	}
	defer engine.Close()
	return execIn(c.Context, engine, id, command, c.App.Writer, c.App.ErrWriter)
}

// execArguments splits NAME [--] COMMAND….
func execArguments(args []string) (name string, command []string, err error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) > 1 && args[1] == "--" {
		args = append([]string{args[0]}, args[2:]...)
	}
	if len(args) < 2 {
		return "", nil, usagef("exec needs a task or service and a command: `drydock exec user-service -- ls /`")
	}
	return args[0], args[1:], nil
}

// execContainer returns the id of the Docker container to run the command in.
func execContainer(s *Status, cluster, name, containerName string) (string, error) {
	tasks, err := findTasks(s, cluster, name)
	if err != nil {
		return "", err
	}
	for _, task := range tasks {
		if task.LastStatus == "RUNNING" {
			return runtimeID(task, containerName)
		}
	}
	return "", fmt.Errorf("%s has no running task (the newest is %s): `drydock status` shows them", name, tasks[0].LastStatus)
}

func runtimeID(task TaskStatus, name string) (string, error) {
	var names []string
	for _, c := range task.Containers {
		names = append(names, c.Name)
		if (name == "" || c.Name == name) && c.RuntimeID != "" {
			return c.RuntimeID, nil
		}
	}
	if name == "" {
		return "", fmt.Errorf("task %s has no running container", shortID(task.ID))
	}
	return "", fmt.Errorf("task %s has no container %s, only %s: choose one with --container", shortID(task.ID), name, strings.Join(names, ", "))
}

// execIn runs the command, on a terminal if there is one, and waits for it.
func execIn(ctx context.Context, engine *docker.Client, id string, command []string, stdout, stderr io.Writer) error {
	terminal := isTerminal(stdout) && isTerminal(os.Stdin)
	created, err := engine.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: command, Tty: terminal, AttachStdin: true, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return fmt.Errorf("exec in container %.12s: %w", id, err)
	}
	attached, err := engine.ContainerExecAttach(ctx, created.ID, container.ExecStartOptions{Tty: terminal})
	if err != nil {
		return fmt.Errorf("exec in container %.12s: %w", id, err)
	}
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)()
	go func() {
		io.Copy(attached.Conn, os.Stdin)
		attached.CloseWrite()
	}()
	if terminal {
		defer rawTerminal(int(os.Stdin.Fd()))()
		defer followSize(ctx, engine, created.ID)()
		io.Copy(stdout, attached.Reader)
	} else {
		stdcopy.StdCopy(stdout, stderr, attached.Reader)
	}
	return execExit(ctx, engine, created.ID, command)
}

func execExit(ctx context.Context, engine *docker.Client, exec string, command []string) error {
	done, err := engine.ContainerExecInspect(ctx, exec)
	if err != nil {
		return fmt.Errorf("learn how %s ended: %w", command[0], err)
	}
	if done.ExitCode != 0 {
		return fmt.Errorf("%s exited with code %d", command[0], done.ExitCode)
	}
	return nil
}

// rawTerminal passes every key to the command; the returned function undoes it.
func rawTerminal(fd int) func() {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	raw := *before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(fd, unix.TCSETS, &raw)
	return func() { unix.IoctlSetTermios(fd, unix.TCSETS, before) }
}

// followSize tells the command the terminal's size, now and when it changes.
func followSize(ctx context.Context, engine *docker.Client, exec string) (stop func()) {
	changed := make(chan os.Signal, 1)
	changed <- syscall.SIGWINCH
	signal.Notify(changed, syscall.SIGWINCH)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			if ws, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
				engine.ContainerExecResize(ctx, exec, container.ResizeOptions{Height: uint(ws.Row), Width: uint(ws.Col)})
			}
		}
	}()
	return func() { signal.Stop(changed); cancel() }
}
