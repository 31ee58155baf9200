package orchestrator

import (
	"fmt"
	"time"

	"drydock/taskdefs"
	"drydock/timeline"
)

// What somebody else than drydock does to a task's containers is noticed, named, and where the
// task is not what it was any more, the task is replaced.

// restartedFromOutside treats a run that drydock has not begun as the end of its own: what the
// task was is gone. A container that is not essential may go on.
func (p *planner) restartedFromOutside(i, n int, o ContainerObservation) {
	t := p.edit(i)
	c := &t.Containers[n]
	message := fmt.Sprintf("container %s of task %s was restarted from outside", c.Name, t.ID)
	c.StartedAt = o.StartedAt
	if c.Essential {
		c.Status, c.Reason = "STOPPED", "Container was restarted from outside at "+o.StartedAt.UTC().Format(time.RFC3339)
		message += ": it is not the run that its task was started with"
		t.Version++
	}
	t.Cause = p.event(timeline.Exit, t.ARN, t.Cause, message, taskData(t, map[string]string{"container": c.Name, "outside": "restart"}))
}

// disconnected ends a task whose network interface was taken away: nobody can reach it.
func (p *planner) disconnected(i int) {
	t := p.tasks[i]
	if !t.live() || t.Status == Pending {
		return
	}
	t = p.edit(i)
	reason := "Network interface was disconnected from outside"
	if t.Interface != nil {
		reason = fmt.Sprintf("Network interface %s was disconnected from outside", t.Interface.ID)
	}
	t.Cause = p.event(timeline.Network, t.ARN, t.Cause, fmt.Sprintf("task %s: %s", t.ID, reason),
		taskData(t, map[string]string{"outside": "disconnect"}))
	p.countCrash(t)
	p.stop(t, UserInitiated, reason, t.Cause, stopped)
}

// observePause notes that a container is frozen, or no longer. What is frozen fails health checks.
func (p *planner) observePause(i, n int, o ContainerObservation) {
	c := p.tasks[i].Containers[n]
	paused := o.Paused && o.Status == ContainerRunning
	if paused == !c.PausedAt.IsZero() {
		return
	}
	t := p.edit(i)
	message, outside := "was paused from outside: it answers nothing until it is unpaused", "pause"
	t.Containers[n].PausedAt = p.in.Now
	if !paused {
		message, outside, t.Containers[n].PausedAt = "goes on", "unpause", time.Time{}
	}
	if o.Status != ContainerRunning {
		return
	}
	t.Cause = p.event(timeline.Warning, t.ARN, t.Cause, fmt.Sprintf("container %s of task %s %s", c.Name, t.ID, message),
		taskData(t, map[string]string{"container": c.Name, "outside": outside}))
}

// containerHealth ignores a health check that is only baked into the image (ECS-043). The engine
// does not check a container that is paused; on AWS its checks would time out.
func (p *planner) containerHealth(i, n int, o ContainerObservation) string {
	t := p.tasks[i]
	c := t.Containers[n]
	if !c.Checked || o.Health == "" {
		return HealthUnknown
	}
	if c.PausedAt.IsZero() {
		return o.Health
	}
	if p.due(c.PausedAt.Add(patience(p.healthCheck(t, c.Name)))) {
		return HealthUnhealthy
	}
	return c.Health
}

func (p *planner) healthCheck(t *Task, container string) taskdefs.HealthCheck {
	if def := p.in.Definition(t.TaskDefinition); def != nil {
		if c, ok := def.Container(container); ok && c.HealthCheck != nil {
			return *c.HealthCheck
		}
	}
	return taskdefs.HealthCheck{}
}

// patience is how long checks that time out take to make a container UNHEALTHY (ECS-174).
func patience(h taskdefs.HealthCheck) time.Duration {
	interval, timeout, retries := h.Interval, h.Timeout, h.Retries
	if interval == 0 {
		interval = 30
	}
	if timeout == 0 {
		timeout = 5
	}
	if retries == 0 {
		retries = 3
	}
	return time.Duration(retries*(interval+timeout)) * time.Second
}

// warnClamped says that a task gets less CPU than it asks for: the machine has no more.
func (p *planner) warnClamped(t *Task) {
	if want := number(t.CPU); p.in.CPU > 0 && want > p.in.CPU {
		p.event(timeline.Warning, t.ARN, t.Cause,
			fmt.Sprintf("task %s asks for %d CPU units, this machine has %d: it runs with those", t.ID, want, p.in.CPU),
			taskData(t, map[string]string{"cpu": t.CPU}))
	}
}
