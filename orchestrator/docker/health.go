package docker

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
)

var _ orchestrator.HealthReader = (*Engine)(nil)

// HealthDetail implements [orchestrator.HealthReader].
func (e *Engine) HealthDetail(ctx context.Context, task, name string) (orchestrator.HealthDetail, error) {
	all, err := e.containers(ctx, task)
	if err != nil {
		return orchestrator.HealthDetail{}, err
	}
	n := slices.IndexFunc(all, func(s container.Summary) bool { return s.Labels[labelContainer] == name })
	if n < 0 {
		return orchestrator.HealthDetail{}, &NotFoundError{Task: task, Container: name}
	}
	c, err := e.client.ContainerInspect(ctx, all[n].ID)
	if err != nil {
		return orchestrator.HealthDetail{}, fmt.Errorf("inspect container %s: %w", all[n].ID, err)
	}
	return healthDetail(c.State.Health), nil
}

// longestOutput is how much of a health check's output is kept, in bytes (ECS-446).
const longestOutput = 1024

// healthDetail reads Docker's log of the last checks, oldest first.
func healthDetail(h *container.Health) (d orchestrator.HealthDetail) {
	if h == nil || len(h.Log) == 0 {
		return d
	}
	last := h.Log[len(h.Log)-1]
	d.ExitCode, d.Output = last.ExitCode, last.Output[max(0, len(last.Output)-longestOutput):]
	for _, check := range slices.Backward(h.Log) {
		if (check.ExitCode == 0) != (last.ExitCode == 0) {
			break
		}
		d.Since = check.End
	}
	return d
}
