package orchestrator

import (
	"context"
	"fmt"
	"slices"

	"drydock/timeline"
)

var errServiceDeploymentNotFound = &Error{"ServiceDeploymentNotFoundException", "Service deployment not found."}

// ContinueServiceDeployment ends a pause of a service deployment: it goes on, or back to the
// revision before. An empty action continues (ECS-149).
func (c *Controller) ContinueServiceDeployment(ctx context.Context, deployment, hook, action string) error {
	if action == "" {
		action = HookContinue
	}
	if action != HookContinue && action != HookRollback {
		return invalid("The action %s is not valid. Valid values: CONTINUE, ROLLBACK.", action)
	}
	return c.update(ctx, func(x *change) error {
		old := c.services[serviceOf(deployment, "service-deployment")]
		if old == nil || c.records[deployment] == nil {
			return errServiceDeploymentNotFound
		}
		s := old.clone()
		h := pausedHook(s, deployment, hook)
		if h == nil {
			return invalid("The lifecycle hook %s of the service deployment %s is not waiting for an action.", hook, deployment)
		}
		h.Decision = action
		d := s.Primary()
		d.Cause = x.event(timeline.Deployment, s.ARN, fmt.Sprintf("deployment %s of service %s: the pause at %s was answered with %s", d.ID, s.Name, h.Stage, action), deploymentData(s, d))
		x.putService(s)
		return nil
	})
}

// pausedHook returns a hook run that waits for an action, for changing; nil if there is none.
func pausedHook(s *Service, deployment, hook string) *HookRun {
	d := s.Primary()
	if d == nil || d.Shift == nil || d.Record != deployment || d.RolloutState != RolloutInProgress {
		return nil
	}
	d.Shift = d.Shift.clone()
	n := slices.IndexFunc(d.Shift.Hooks, func(h HookRun) bool { return h.ID == hook && h.Status == HookAwaiting && h.Decision == "" })
	if n < 0 {
		return nil
	}
	return &d.Shift.Hooks[n]
}
