package orchestrator

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"drydock/taskdefs"
	"drydock/timeline"
)

// restartAttemptPeriod is how long a container must have run to be restarted, unless its
// policy says otherwise (ECS-173).
const restartAttemptPeriod = 300 * time.Second

// restartPolicy is a container's policy, nil if it has none that is enabled.
func (p *planner) restartPolicy(t *Task, container string) *taskdefs.ContainerRestartPolicy {
	def := p.in.Definition(t.TaskDefinition)
	if def == nil {
		return nil
	}
	if c, ok := def.Container(container); ok && c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		return c.RestartPolicy
	}
	return nil
}

// restarts reports whether a container that has stopped is to be started again in place: its task
// is to run, its policy does not ignore the exit code, and it has run for long enough (ECS-173).
func (p *planner) restarts(t *Task, c TaskContainer, o ContainerObservation) bool {
	policy := p.restartPolicy(t, c.Name)
	if policy == nil || !t.live() || t.Status != Running && t.Status != Activating || c.Reason != "" {
		return false
	}
	period := time.Duration(policy.RestartAttemptPeriod) * time.Second
	if period == 0 {
		period = restartAttemptPeriod
	}
	return !slices.Contains(policy.IgnoredExitCodes, o.ExitCode) && o.FinishedAt.Sub(o.StartedAt) >= period
}

// awaitsRestart reports whether the run that has ended is the one that is being restarted.
func (p *planner) awaitsRestart(t *Task, c TaskContainer, o ContainerObservation) bool {
	return t.live() && !c.Restarting.IsZero() && c.Restarting.Equal(o.StartedAt)
}

// restart writes that a container is to be started again. The task stays RUNNING and its targets
// registered: on AWS nothing tells of it (ECS-173), here the timeline does.
func (p *planner) restart(i, n int, o ContainerObservation) {
	t := p.edit(i)
	c := &t.Containers[n]
	c.Restarting = o.StartedAt
	c.RestartCount++
	p.sayExit(t, c, o, "; its restart policy starts it again, while its targets stay registered")
}

// restarted notes that a container runs again by its restart policy.
func (p *planner) restarted(i, n int, o ContainerObservation) {
	t := p.edit(i)
	c := &t.Containers[n]
	c.Restarting, c.StartedAt, c.Health = time.Time{}, o.StartedAt, HealthUnknown
	t.Cause = p.event(timeline.Restart, t.ARN, t.Cause,
		fmt.Sprintf("container %s of task %s was started again by its restart policy: restart %d", c.Name, t.ID, c.RestartCount),
		taskData(t, map[string]string{"container": c.Name, "restart": strconv.Itoa(c.RestartCount)}))
}

// restartFailed gives a restart up: the container has stopped for good.
func (p *planner) restartFailed(i int, start *StartError) {
	t := p.edit(i)
	if c := t.container(start.Container); c != nil {
		c.Reason, c.Restarting = start.Error(), time.Time{}
	}
}

func (p *planner) awaitingRestart(t *Task) bool {
	return slices.ContainsFunc(t.Containers, func(c TaskContainer) bool { return !c.Restarting.IsZero() })
}
