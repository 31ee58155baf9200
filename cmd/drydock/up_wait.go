package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// pollInterval is how often the live views look.
const pollInterval = 300 * time.Millisecond

// waitSteady waits until services have reached a steady state, showing how far they are.
func waitSteady(ctx context.Context, api *client, s *screen, cluster string, names []string, patience time.Duration) error {
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	shown := ""
	for {
		status, err := api.status(ctx)
		if err != nil {
			return slowOr(err, shown, patience)
		}
		services := chosenServices(status, cluster, names)
		if err := failedRollout(status, services); err != nil {
			return err
		}
		if steady(services, len(names)) {
			s.line("%s", s.paint(green, fmt.Sprintf("%s steady after %s", plural(len(names), "service"), duration(time.Since(started)))))
			return nil
		}
		shown = showProgress(s, status, services, shown, started)
		if err := pause(ctx, pollInterval); err != nil {
			return slowOr(err, shown, patience)
		}
	}
}

var errSlow = fmt.Errorf("not steady in time")

// slowOr words the end of the patience.
func slowOr(err error, shown string, patience time.Duration) error {
	if err != errSlow {
		return err
	}
	return fmt.Errorf("not steady after %s: %s: see `drydock status --stopped` and `drydock events`, or wait longer with --timeout", duration(patience), shown)
}

func chosenServices(status *Status, cluster string, names []string) []ServiceStatus {
	var chosen []ServiceStatus
	for _, s := range status.Services {
		if s.Cluster == cluster && slices.Contains(names, s.Name) && s.Status == "ACTIVE" {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

func steady(services []ServiceStatus, wanted int) bool {
	return len(services) == wanted && !slices.ContainsFunc(services, func(s ServiceStatus) bool { return !s.Steady })
}

// failedRollout returns why a deployment has failed or is stuck, if one has or is.
func failedRollout(status *Status, services []ServiceStatus) error {
	for _, s := range services {
		switch {
		case len(s.Deployments) == 0:
		case s.Deployments[0].RolloutState == "FAILED":
			return fmt.Errorf("the deployment of %s failed: %s%s", s.Name, s.Deployments[0].Reason, lastStop(status, s))
		case keepsFailing(s):
			return fmt.Errorf("the deployment of %s is stuck: %s; ECS goes on trying%s", s.Name, failedInARow(s.Deployments[0]), lastStop(status, s))
		}
	}
	return nil
}

// keepsFailing reports whether more tasks of a service's newest deployment failed in a row
// than a circuit breaker would let pass (ecs.md §4.3): so there is none.
func keepsFailing(s ServiceStatus) bool {
	d := s.Deployments[0]
	threshold := min(max((s.Desired+1)/2, 3), 200)
	return d.RolloutState == "IN_PROGRESS" && d.Failed > threshold
}

func failedInARow(d DeploymentStatus) string {
	return plural(d.Failed, "task") + " of " + d.TaskDefinition + " failed in a row"
}

// lastStop tells of the task of a service's newest deployment that stopped last; of one
// that was only scaled in, if none has more to tell.
func lastStop(status *Status, s ServiceStatus) string {
	var last *TaskStatus
	for i := range status.Tasks {
		t := &status.Tasks[i]
		mine := t.Service == s.Name && t.Cluster == s.Cluster && len(s.Deployments) > 0 && t.Deployment == s.Deployments[0].ID
		if !mine || t.LastStatus != "STOPPED" {
			continue
		}
		if last == nil || scaledIn(last) || !scaledIn(t) && t.StoppedAt.After(last.StoppedAt) {
			last = t
		}
	}
	if last == nil {
		return ""
	}
	told := fmt.Sprintf("\ntask %s stopped: %s", shortID(last.ID), stopReason(*last))
	if last.ran() {
		told += fmt.Sprintf("\nsee what it wrote with `drydock logs %s`", shortID(last.ID))
	}
	return told
}

// ran reports whether a container of the task was ever started.
func (t *TaskStatus) ran() bool {
	return !t.StartedAt.IsZero() || slices.ContainsFunc(t.Containers, func(c ContainerStatus) bool { return c.ExitCode != nil })
}

func scaledIn(t *TaskStatus) bool {
	return strings.HasPrefix(t.StoppedReason, "Scaling activity initiated by ")
}

// showProgress draws a table on a terminal; elsewhere it writes a line when something changed.
func showProgress(s *screen, status *Status, services []ServiceStatus, shown string, started time.Time) string {
	summary := progressSummary(services)
	if s.terminal {
		v := statusView{screen: s, now: time.Now()}
		s.draw(fmt.Sprintf("waiting for steady services, %s\n%s", duration(time.Since(started)), v.services(services)))
	} else if summary != shown {
		s.line("%s", summary)
	}
	return summary
}

func progressSummary(services []ServiceStatus) string {
	var parts []string
	for _, s := range services {
		part := fmt.Sprintf("%s %d/%d running", s.Name, s.Running, s.Desired)
		healthy := 0
		for _, g := range s.TargetGroups {
			healthy += g.States["healthy"]
		}
		if len(s.TargetGroups) > 0 {
			part += fmt.Sprintf(" %d healthy", healthy)
		}
		if len(s.Deployments) > 0 && s.Deployments[0].Failed > 0 {
			part += fmt.Sprintf(" %d failed", s.Deployments[0].Failed)
		}
		if len(s.Deployments) > 0 && !s.Steady {
			part = strings.TrimSpace(part + " " + stageWords(s.Deployments[0]))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " · ")
}
