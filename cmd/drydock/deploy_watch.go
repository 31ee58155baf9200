package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"drydock/awsapi/ecs"
	"drydock/timeline"
)

// watcher watches one deployment until it has ended.
type watcher struct {
	api        *client
	screen     *screen
	cluster    string
	service    string
	deployment string // id
	definition string // family:revision
	started    time.Time

	shown      string          // the last summary
	eventIDs   map[string]bool // of the service events seen so far
	rolledBack string          // why, once the deployment was taken back
}

// stuckEvent is in the service event that ECS writes when it can neither start nor stop a
// task (ecs.md §3.5).
const stuckEvent = "was unable to stop or start tasks during a deployment because of the service deployment configuration"

// watch returns the verdict on a deployment that completed, or why it did not.
func (w *watcher) watch(ctx context.Context) (string, error) {
	for {
		status, err := w.api.status(ctx)
		if err != nil {
			return "", err
		}
		service, err := findService(status, w.cluster, w.service)
		if err != nil {
			return "", fmt.Errorf("service %s was deleted while it was deployed", w.service)
		}
		events, err := w.newEvents(ctx)
		if err != nil {
			return "", err
		}
		w.show(status, service, events)
		if done, verdict, err := w.judge(status, service, events); done {
			w.screen.keep()
			return verdict, err
		}
		if err := pause(ctx, pollInterval); err != nil {
			w.screen.keep()
			return "", err
		}
	}
}

// newEvents returns the service events since the last look, oldest first.
func (w *watcher) newEvents(ctx context.Context) ([]ecs.ServiceEvent, error) {
	service, err := describeService(ctx, w.api, w.cluster, w.service)
	if err != nil || service == nil {
		return nil, err
	}
	var fresh []ecs.ServiceEvent
	for _, e := range service.Events {
		id := deref(e.Id)
		if !w.eventIDs[id] {
			fresh = append(fresh, e)
		}
		w.eventIDs[id] = true
	}
	slices.Reverse(fresh)
	return fresh, nil
}

// judge says whether the deployment has ended, and how.
func (w *watcher) judge(status *Status, service *ServiceStatus, events []ecs.ServiceEvent) (done bool, verdict string, err error) {
	for _, e := range events {
		if strings.Contains(deref(e.Message), stuckEvent) {
			return true, "", fmt.Errorf("the deployment of %s is stuck: %s", w.definition, deref(e.Message))
		}
	}
	i := slices.IndexFunc(service.Deployments, func(d DeploymentStatus) bool { return d.ID == w.deployment })
	primary := i == 0
	switch {
	case primary && service.Deployments[0].RolloutState == "COMPLETED":
		return true, w.verdict(status, service), nil
	case primary && service.Deployments[0].RolloutState == "FAILED":
		return true, "", fmt.Errorf("the deployment of %s failed after %s: %s%s\nthe tasks that ran before still serve; go back with `drydock rollback %s`",
			w.definition, duration(time.Since(w.started)), service.Deployments[0].Reason, w.stopped(status), w.service)
	case primary && keepsFailing(*service):
		return true, "", fmt.Errorf("the deployment of %s is stuck: %s; ECS goes on trying%s\nthe tasks that ran before still serve; go back with `drydock rollback %s`",
			w.definition, failedInARow(service.Deployments[0]), w.stopped(status), w.service)
	case !primary && len(service.Deployments) > 0:
		return w.judgeReplaced(status, service.Deployments[0])
	}
	return false, "", nil
}

// judgeReplaced judges once another deployment is the primary one: the circuit breaker's,
// which is watched to its end, or somebody else's.
func (w *watcher) judgeReplaced(status *Status, by DeploymentStatus) (done bool, verdict string, err error) {
	if !strings.Contains(by.Reason, "rolling back") && w.rolledBack == "" {
		return true, "", fmt.Errorf("the deployment of %s was superseded by deployment %s of %s: watch that with `drydock status %s`", w.definition, by.ID, by.TaskDefinition, w.service)
	}
	if w.rolledBack == "" {
		w.rolledBack = by.Reason
	}
	if by.RolloutState == "IN_PROGRESS" {
		return false, "", nil
	}
	return true, "", fmt.Errorf("the deployment of %s failed and was rolled back to %s after %s: %s\nthe service is stable on %s: `aws ecs wait services-stable` does not tell that from a success",
		w.definition, by.TaskDefinition, duration(time.Since(w.started)), w.rolledBack+w.stopped(status), by.TaskDefinition)
}

func (w *watcher) stopped(status *Status) string {
	return lastStop(status, ServiceStatus{Name: w.service, Cluster: w.cluster, Deployments: []DeploymentStatus{{ID: w.deployment}}})
}

// verdict is the sentence at the end of a deployment that went well.
func (w *watcher) verdict(status *Status, service *ServiceStatus) string {
	state := "running"
	count := service.Deployments[0].Running
	if len(service.TargetGroups) > 0 {
		state, count = "healthy", healthyTargets(service)
	}
	text := fmt.Sprintf("deployed %s in %s: %s %s", w.definition, duration(time.Since(w.started)), plural(count, "task"), state)
	if requests, failed, err := w.requests(service); err == nil && requests > 0 {
		text += fmt.Sprintf(", %s of %s requests failed meanwhile", number(failed), number(requests))
		if failed > 0 {
			text += " (see `drydock why`)"
		}
	}
	return text
}

func healthyTargets(service *ServiceStatus) int {
	most := 0
	for _, g := range service.TargetGroups {
		most = max(most, g.States["healthy"])
	}
	return most
}

// requests counts what the service's target groups were asked since the deployment began.
func (w *watcher) requests(service *ServiceStatus) (requests, failed int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	groups := map[string]bool{}
	for _, g := range service.TargetGroups {
		groups[g.ARN] = true
	}
	if len(groups) == 0 {
		return 0, 0, nil
	}
	err = w.api.lines(ctx, http.MethodGet, "outcomes", sinceQuery(w.started, time.Now()), func(line json.RawMessage) error {
		var o timeline.Outcome
		if err := json.Unmarshal(line, &o); err != nil {
			return err
		}
		if groups[o.TargetGroup] {
			requests++
			if o.Failed() {
				failed++
			}
		}
		return nil
	})
	return requests, failed, err
}

// show redraws the tasks on a terminal; elsewhere it writes a line for each event, and one
// when the counts change.
func (w *watcher) show(status *Status, service *ServiceStatus, events []ecs.ServiceEvent) {
	for _, e := range events {
		w.screen.line("%s  %s", w.screen.paint(dim, deref(e.CreatedAt).Local().Format("15:04:05")), deref(e.Message))
	}
	summary := w.summary(service)
	if w.screen.terminal {
		w.screen.draw(w.drawing(status, service))
	} else if summary != w.shown {
		w.screen.line("%s  %s", duration(time.Since(w.started)), summary)
	}
	w.shown = summary
}

func (w *watcher) summary(service *ServiceStatus) string {
	var parts []string
	for _, d := range service.Deployments {
		part := fmt.Sprintf("%s %s: %d running", strings.ToLower(d.Status), d.TaskDefinition, d.Running)
		if d.Pending > 0 {
			part += fmt.Sprintf(", %d pending", d.Pending)
		}
		if len(service.TargetGroups) > 0 {
			part += fmt.Sprintf(", %d healthy", d.Healthy)
		}
		if d.Failed > 0 {
			part += fmt.Sprintf(", %d failed", d.Failed)
		}
		part += trafficWords(d)
		if d.Status == "PRIMARY" && d.Stage != "" {
			part += ", " + d.Stage
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " · ")
}

// drawing is the picture on a terminal: new and old tasks, their health, and how long the
// old ones still drain.
func (w *watcher) drawing(status *Status, service *ServiceStatus) string {
	now := time.Now()
	v := statusView{screen: w.screen, now: now}
	var t table
	t.add(w.screen.paint(bold, "DEPLOYMENT"), "TASK", "STATUS", "TARGET", "AGE")
	for _, task := range w.tasks(status) {
		name := "old " + task.TaskDefinition
		if task.Deployment == w.deployment {
			name = w.screen.paint(bold, "new "+task.TaskDefinition)
		}
		state := w.screen.paint(healthColor(task.LastStatus), task.LastStatus)
		t.add(name, shortID(task.ID), state, v.taskTargets(task), duration(now.Sub(task.CreatedAt)))
	}
	return fmt.Sprintf("deploying %s to %s, %s\n%s%s\n", w.definition, w.service, duration(now.Sub(w.started)), t.String(), w.summary(service))
}

// tasks returns the service's tasks that are not stopped, new ones first.
func (w *watcher) tasks(status *Status) []TaskStatus {
	tasks := slices.DeleteFunc(slices.Clone(status.Tasks), func(t TaskStatus) bool {
		return t.Service != w.service || t.Cluster != w.cluster || t.LastStatus == "STOPPED"
	})
	slices.SortStableFunc(tasks, func(a, b TaskStatus) int {
		if (a.Deployment == w.deployment) != (b.Deployment == w.deployment) {
			if a.Deployment == w.deployment {
				return -1
			}
			return 1
		}
		return a.CreatedAt.Compare(b.CreatedAt)
	})
	return tasks
}
