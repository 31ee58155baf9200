package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// startAll starts a task's containers, each as soon as all that it waits for is so, and returns
// the first error: then those that still wait do so no longer, and starts under way are finished.
func (e *Engine) startAll(ctx context.Context, spec orchestrator.TaskSpec, start func(n int) (string, error)) error {
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	begun := map[string]*beginning{}
	for _, def := range spec.Containers {
		begun[def.Name] = &beginning{done: make(chan struct{})}
	}
	var all sync.WaitGroup
	for n, def := range spec.Containers {
		all.Go(func() {
			me := begun[def.Name]
			defer close(me.done)
			err := e.awaitAll(waiting, spec, def, begun)
			if err == nil {
				me.id, err = start(n)
			}
			if err != nil {
				giveUp(err) // the first cause stays
			}
		})
	}
	all.Wait()
	return context.Cause(waiting)
}

// beginning is a container's start: done is closed when it has been tried, id is empty if in vain.
type beginning struct {
	done chan struct{}
	id   string
}

func (e *Engine) awaitAll(ctx context.Context, spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition, begun map[string]*beginning) error {
	for _, dep := range orchestrator.Orderings(def) {
		on := begun[dep.ContainerName]
		if on == nil {
			return dependencyError(def, dep, errors.New("there is no such container"))
		}
		select {
		case <-on.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if on.id == "" {
			return dependencyError(def, dep, errors.New("it has not been started"))
		}
		if err := e.await(ctx, def, dep, on.id, spec); err != nil {
			return err
		}
	}
	return nil
}

// await waits until a dependency's condition holds (ECS-204), for no longer than the dependency's
// startTimeout from its start (ECS-205).
func (e *Engine) await(ctx context.Context, def taskdefs.ContainerDefinition, dep taskdefs.ContainerDependency, id string, spec orchestrator.TaskSpec) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		c, err := e.client.ContainerInspect(ctx, id)
		if err != nil {
			return e.startError(ctx, def.Name, "CannotInspectContainerError", err)
		}
		ok, err := satisfied(c.State, dep.Condition)
		if ok {
			return nil
		}
		if err == nil {
			err = overdue(c.State, startTimeout(spec, dep.ContainerName))
		}
		if err != nil {
			return dependencyError(def, dep, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// satisfied reports whether a dependency's condition holds, with an error if it never will.
func satisfied(s *container.State, condition string) (bool, error) {
	stopped := s.Status == container.StateExited || s.Status == container.StateDead
	switch condition {
	case "COMPLETE":
		return stopped, nil
	case "SUCCESS":
		if stopped && s.ExitCode != 0 {
			return false, fmt.Errorf("it exited with code %d", s.ExitCode)
		}
		return stopped, nil
	case "HEALTHY":
		if stopped {
			return false, errors.New("it stopped")
		}
		return s.Health != nil && s.Health.Status == container.Healthy, nil
	}
	return condition == "CREATE" || s.Status != container.StateCreated, nil
}

// overdue reports that a dependency has had its startTimeout since its start; it may have none.
func overdue(s *container.State, timeout time.Duration) error {
	if timeout > 0 && time.Since(parseTime(s.StartedAt)) > timeout {
		return fmt.Errorf("timed out after %s", timeout)
	}
	return nil
}

func startTimeout(spec orchestrator.TaskSpec, name string) time.Duration {
	for _, def := range spec.Containers {
		if def.Name == name {
			return time.Duration(def.StartTimeout) * time.Second
		}
	}
	return 0
}

func dependencyError(def taskdefs.ContainerDefinition, dep taskdefs.ContainerDependency, err error) error {
	return &orchestrator.StartError{
		Container: def.Name,
		Name:      "CannotStartContainerError",
		Err:       fmt.Errorf("dependency %s (%s): %w", dep.ContainerName, dep.Condition, err),
	}
}
