package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

const (
	// instanceLabel and warmLabel are on drydock's containers: whose they are, and that they
	// hold a network namespace that was made before its task.
	instanceLabel = "drydock.instance"
	warmLabel     = "drydock.warm"
	// poolTime is how long after Docker the daemon may see that an interface is ready.
	poolTime = 500 * time.Millisecond
)

// repool restarts the daemon with a pool of n warm task interfaces, and returns when just so
// many are ready. With ownPool it waits for none.
func (b *bench) repool(ctx context.Context, s *stack, n int) error {
	if s.pool != n {
		if err := s.stop(ctx); err != nil {
			return err
		}
		s.pool = n
		if _, err := s.start(ctx); err != nil {
			return err
		}
	}
	if n == ownPool {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		ready, err := b.docker.spare(ctx, s.instance)
		if err != nil {
			return err
		}
		if ready == n {
			pause(ctx, poolTime)
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("wait for a pool of %d interfaces, have %d: %w: %s", n, ready, ctx.Err(), s.lastWords())
		}
	}
}

// spare counts the warm namespaces of a daemon that no task has joined.
func (d *docker) spare(ctx context.Context, instance string) (int, error) {
	list, err := d.api.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", instanceLabel+"="+instance))})
	if err != nil {
		return 0, err
	}
	joined := map[string]bool{}
	for _, c := range list {
		if id, ok := strings.CutPrefix(c.HostConfig.NetworkMode, "container:"); ok {
			joined[id] = true
		}
	}
	n := 0
	for _, c := range list {
		if c.Labels[warmLabel] != "" && !joined[c.ID] {
			n++
		}
	}
	return n, nil
}
