package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// Remove implements [orchestrator.Engine]: containers, running or not, and the task's own volumes.
func (e *Engine) Remove(ctx context.Context, task string) error {
	err := e.removeContainers(ctx, task)
	if err == nil {
		err = errors.Join(e.removeVolumes(ctx, task), e.removeCgroup(task))
	}
	if err != nil {
		return fmt.Errorf("remove task %s: %w", task, err)
	}
	return nil
}

// Purge removes everything of the instance: containers, volumes, networks, and the pause image
// if no other instance uses it. Running containers are killed.
func (e *Engine) Purge(ctx context.Context) error {
	err := e.purge(ctx)
	for range 2 { // what a daemon that was killed had asked for may have come about meanwhile
		if left, listErr := e.containers(ctx, ""); err == nil && len(left) > 0 {
			err = e.purge(ctx)
		} else {
			err = errors.Join(err, listErr)
		}
	}
	err = errors.Join(err, e.removePauseImage(ctx), e.removeCgroups())
	if err != nil {
		return fmt.Errorf("purge instance %s: %w", e.config.Instance, err)
	}
	return nil
}

func (e *Engine) purge(ctx context.Context) error {
	return errors.Join(e.removeContainers(ctx, ""), e.removeVolumes(ctx, ""), e.removeNetworks(ctx))
}

// removeContainers removes what is ours, or a task's share of it; who joined a namespace goes before its owner.
func (e *Engine) removeContainers(ctx context.Context, task string) error {
	list, err := e.containers(ctx, task)
	if err != nil {
		return err
	}
	joined := slices.DeleteFunc(slices.Clone(list), isPause)
	owners := slices.DeleteFunc(list, func(s container.Summary) bool { return !isPause(s) })
	return errors.Join(e.removeEach(ctx, joined), e.removeEach(ctx, owners))
}

func isPause(s container.Summary) bool { return s.Labels[labelContainer] == pauseName }

// removeEach removes containers, a few at a time.
func (e *Engine) removeEach(ctx context.Context, list []container.Summary) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, s := range list {
		all.Go(func() {
			release, err := e.slot(ctx)
			if err != nil {
				errs[i] = err
				return
			}
			defer release()
			errs[i] = e.removeContainer(ctx, s.ID)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (e *Engine) removeContainer(ctx context.Context, id string) error {
	err := e.client.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsConflict(err) { // its removal is in progress
		wait, errs := e.client.ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case <-wait:
			return nil
		case err = <-errs:
		}
	}
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}

func (e *Engine) removeVolumes(ctx context.Context, task string) error {
	list, err := e.client.VolumeList(ctx, volume.ListOptions{Filters: e.ours(task)})
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range list.Volumes {
		if rmErr := e.client.VolumeRemove(ctx, v.Name, false); rmErr != nil && !cerrdefs.IsNotFound(rmErr) {
			err = errors.Join(err, fmt.Errorf("remove volume %s: %w", v.Name, rmErr))
		}
	}
	return err
}

func (e *Engine) removeNetworks(ctx context.Context) error {
	defer e.forgetNetworks()
	list, err := e.client.NetworkList(ctx, network.ListOptions{Filters: e.ours("")})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	for _, n := range list {
		err = errors.Join(err, e.removeNetwork(ctx, n))
	}
	return err
}

// networkPatience is how long a network may keep endpoints of containers that are gone:
// Docker is still taking them down.
const networkPatience = 5 * time.Second

func (e *Engine) removeNetwork(ctx context.Context, n network.Summary) error {
	for end := time.Now().Add(networkPatience); ; {
		err := e.client.NetworkRemove(ctx, n.ID)
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("remove network %s: %w; if no container is left in it, restart Docker and try again", n.Name, err)
		}
		e.disconnectAll(ctx, n.ID)
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// disconnectAll takes endpoints off a network whose containers are gone. What fails is
// seen when the network is removed.
func (e *Engine) disconnectAll(ctx context.Context, id string) {
	found, err := e.client.NetworkInspect(ctx, id, network.InspectOptions{})
	if err != nil {
		return
	}
	for container, endpoint := range found.Containers {
		err := e.client.NetworkDisconnect(ctx, id, container, true)
		if cerrdefs.IsNotFound(err) {
			e.client.NetworkDisconnect(ctx, id, endpoint.Name, true)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
