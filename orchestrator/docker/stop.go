package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// Stop implements [orchestrator.Engine]. A container is stopped when every container that depends
// on it has stopped (ECS-214), the others at the same time; the pause container goes last.
func (e *Engine) Stop(ctx context.Context, task string) error {
	list, err := e.containers(ctx, task)
	if err != nil {
		return fmt.Errorf("stop task %s: %w", task, err)
	}
	var apps, pauses []container.Summary
	for _, s := range list {
		if s.Labels[labelContainer] == pauseName {
			pauses = append(pauses, s)
		} else {
			apps = append(apps, s)
		}
	}
	err = e.stopAll(ctx, apps)
	if err == nil {
		for _, s := range pauses {
			err = errors.Join(err, e.kill(ctx, s))
		}
	}
	if err != nil {
		return fmt.Errorf("stop task %s: %w", task, err)
	}
	return nil
}

// stopAll stops containers in reverse dependency order.
func (e *Engine) stopAll(ctx context.Context, apps []container.Summary) error {
	stopped := map[string]chan struct{}{}
	for _, s := range apps {
		stopped[s.Labels[labelContainer]] = make(chan struct{})
	}
	errs := make([]error, len(apps))
	var all sync.WaitGroup
	for i, s := range apps {
		all.Go(func() {
			defer close(stopped[s.Labels[labelContainer]])
			for _, name := range dependents(apps, s) {
				<-stopped[name]
			}
			errs[i] = e.stop(ctx, s)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// dependents are the containers that depend on s. In a circle, which no definition has, nobody
// does: that keeps a mistake from hanging.
func dependents(apps []container.Summary, s container.Summary) []string {
	needs := map[string][]string{}
	for _, a := range apps {
		if on := a.Labels[labelDependsOn]; on != "" {
			needs[a.Labels[labelContainer]] = strings.Split(on, ",")
		}
	}
	var names []string
	name := s.Labels[labelContainer]
	for _, other := range apps {
		other := other.Labels[labelContainer]
		if slices.Contains(needs[other], name) && !reaches(needs, name, other, map[string]bool{}) {
			names = append(names, other)
		}
	}
	return names
}

// reaches reports whether a container needs another one, itself or through others.
func reaches(needs map[string][]string, from, to string, seen map[string]bool) bool {
	seen[from] = true
	for _, n := range needs[from] {
		if n == to || !seen[n] && reaches(needs, n, to, seen) {
			return true
		}
	}
	return false
}

// stop has Docker send the image's stop signal or SIGTERM, wait the stopTimeout and kill.
func (e *Engine) stop(ctx context.Context, s container.Summary) error {
	if status(s.State) != "running" {
		return nil
	}
	timeout, err := strconv.Atoi(s.Labels[labelStopTimeout])
	if err != nil {
		timeout = defaultStopTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(timeout)*time.Second+stopGrace)
	defer cancel()
	err = e.client.ContainerStop(ctx, s.ID, container.StopOptions{Timeout: &timeout})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("stop container %s: %w", s.Labels[labelContainer], err)
	}
	return nil
}

// kill ends a container that has nothing to say: PID 1 of the pause image.
func (e *Engine) kill(ctx context.Context, s container.Summary) error {
	if status(s.State) != "running" {
		return nil
	}
	err := e.client.ContainerKill(ctx, s.ID, "SIGKILL")
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) { // conflict: it is not running
		return fmt.Errorf("kill container %s: %w", s.ID, err)
	}
	return nil
}
