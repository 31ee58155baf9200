package main

import (
	"context"
	"fmt"
	"io"

	"drydock/orchestrator"
	"drydock/orchestrator/docker"
	"drydock/ssm"
)

// execSessions opens the sessions of ECS Exec.
type execSessions struct{ d *daemon }

// OpenSession implements [ecs.Exec].
func (e execSessions) OpenSession(task *orchestrator.Task, container, command string) (id, url, token string, err error) {
	words, err := ssm.Words(command)
	if err != nil {
		return "", "", "", err
	}
	if len(words) == 0 {
		return "", "", "", fmt.Errorf("the command is empty")
	}
	session := e.d.sessions.Open(func(ctx context.Context, stdin io.Reader, stdout io.Writer, sizes <-chan ssm.Terminal) error {
		return e.run(ctx, task.ARN, container, docker.ExecOptions{Command: words, TTY: true, Stdin: stdin, Stdout: stdout}, sizes)
	})
	return session.ID, fmt.Sprintf("ws://%s/_drydock/session/%s", e.d.Addr(), session.ID), session.Token, nil
}

func (e execSessions) run(ctx context.Context, task, container string, o docker.ExecOptions, sizes <-chan ssm.Terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	converted := make(chan docker.TerminalSize)
	o.Size = converted
	go func() {
		for {
			select {
			case s := <-sizes:
				select {
				case converted <- docker.TerminalSize(s):
				case <-ctx.Done():
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	_, err := e.d.engine.Exec(ctx, task, container, o)
	return err
}
