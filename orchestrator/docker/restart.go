package docker

import (
	"context"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"

	"drydock/orchestrator"
)

var _ orchestrator.Restarter = (*Engine)(nil)

// Restart implements [orchestrator.Restarter].
func (e *Engine) Restart(ctx context.Context, task, name string, run time.Time) error {
	release, err := e.claim(ctx, task)
	if err != nil {
		return err
	}
	defer release()
	id, err := e.idOf(ctx, task, name)
	if err != nil {
		return e.restartError(ctx, task, name, err)
	}
	c, err := e.client.ContainerInspect(ctx, id)
	if err != nil {
		return e.restartError(ctx, task, name, err)
	}
	if status(c.State.Status) != orchestrator.ContainerStopped || !parseTime(c.State.StartedAt).Equal(run) {
		return nil
	}
	if err := e.startCreated(ctx, id); err != nil {
		return e.restartError(ctx, task, name, err)
	}
	e.seen.forget(id)
	return nil
}

func (e *Engine) restartError(ctx context.Context, task, name string, err error) error {
	return fmt.Errorf("restart container %s of task %s: %w", name, task, e.startError(ctx, name, "CannotStartContainerError", err))
}

// idOf finds a container of a task.
func (e *Engine) idOf(ctx context.Context, task, name string) (string, error) {
	list, err := e.containers(ctx, task)
	if err != nil {
		return "", err
	}
	for _, s := range list {
		if s.Labels[labelContainer] == name {
			return s.ID, nil
		}
	}
	return "", cerrdefs.ErrNotFound.WithMessage("Container not found: " + name)
}
