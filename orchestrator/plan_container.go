package orchestrator

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"drydock/timeline"
)

func (p *planner) observeContainers(i int) {
	if p.tasks[i].Status == Stopped || p.tasks[i].Status == Provisioning {
		return
	}
	obs := p.in.Engine[p.tasks[i].ARN]
	for n := range p.tasks[i].Containers {
		c := p.tasks[i].Containers[n]
		o, found := findContainer(obs, c.Name)
		switch {
		case found:
			p.observeContainer(i, n, o)
		case c.Status == "RUNNING":
			p.containerVanished(i, n)
		}
	}
	p.pulled(i, obs)
	if obs.Disconnected {
		p.disconnected(i)
	}
}

func findContainer(obs TaskObservation, name string) (ContainerObservation, bool) {
	n := slices.IndexFunc(obs.Containers, func(o ContainerObservation) bool { return o.Name == name })
	if n < 0 {
		return ContainerObservation{}, false
	}
	return obs.Containers[n], true
}

// pulled notes when the last of the task's images was there: its container has been created.
func (p *planner) pulled(i int, obs TaskObservation) {
	if t := p.tasks[i]; t.PullStoppedAt.IsZero() && len(t.Containers) > 0 && len(obs.Containers) == len(t.Containers) {
		p.edit(i).PullStoppedAt = p.in.Now
	}
}

// observeContainer moves one container forward: PENDING, RUNNING, STOPPED.
func (p *planner) observeContainer(i, n int, o ContainerObservation) {
	c := p.tasks[i].Containers[n]
	if c.Status == "STOPPED" {
		p.outOfMemoryAfterAll(i, n, o)
		return
	}
	if o.RuntimeID != c.RuntimeID || o.ImageDigest != c.ImageDigest || o.RepoDigest != c.RepoDigest {
		t := p.edit(i)
		t.Containers[n].RuntimeID, t.Containers[n].ImageDigest, t.Containers[n].RepoDigest = o.RuntimeID, o.ImageDigest, o.RepoDigest
		p.pin(t, &t.Containers[n])
	}
	switch o.Status {
	case ContainerRunning:
		p.containerRuns(i, n, o)
	case ContainerStopped:
		p.containerStopped(i, n, o)
	}
	p.observePause(i, n, o)
	if health := p.containerHealth(i, n, o); health != p.tasks[i].Containers[n].Health {
		p.edit(i).Containers[n].Health = health
	}
}

// containerRuns notes a container's run: its first, one more by its restart policy, or one that
// somebody else has begun.
func (p *planner) containerRuns(i, n int, o ContainerObservation) {
	c := p.tasks[i].Containers[n]
	switch {
	case c.Status == "PENDING" || c.StartedAt.IsZero():
		t := p.edit(i)
		t.Containers[n].Status, t.Containers[n].StartedAt = "RUNNING", o.StartedAt
		t.Version++
	case c.StartedAt.Equal(o.StartedAt):
	case !c.Restarting.IsZero():
		p.restarted(i, n, o)
	default:
		p.restartedFromOutside(i, n, o)
	}
}

func (p *planner) containerStopped(i, n int, o ContainerObservation) {
	c := p.tasks[i].Containers[n]
	if !c.Restarting.IsZero() && !c.Restarting.Equal(o.StartedAt) {
		p.restarted(i, n, o) // and it has ended again
	}
	switch t := p.tasks[i]; {
	case p.awaitsRestart(t, t.Containers[n], o):
	case p.restarts(t, t.Containers[n], o):
		p.restart(i, n, o)
	default:
		p.containerExited(i, n, o)
	}
}

func (p *planner) containerExited(i, n int, o ContainerObservation) {
	t := p.edit(i)
	c := &t.Containers[n]
	c.Status, c.ExitCode, c.Restarting = "STOPPED", &o.ExitCode, time.Time{}
	t.Version++
	if o.OOMKilled {
		c.Reason = outOfMemory
	} else if o.Error != "" && c.Reason == "" {
		c.Reason = o.Error
	}
	p.sayExit(t, c, o, "")
}

// outOfMemory is the reason of a container that the kernel has killed (ECS-172).
const outOfMemory = "OutOfMemoryError: Container killed due to memory usage"

// outOfMemoryAfterAll corrects what was said of an exit: the engine hears from the kernel of the
// exit and of the reason on two ways, and the reason may come last.
func (p *planner) outOfMemoryAfterAll(i, n int, o ContainerObservation) {
	c := p.tasks[i].Containers[n]
	if !o.OOMKilled || o.Status != ContainerStopped || c.Reason != "" || c.ExitCode == nil || *c.ExitCode != o.ExitCode {
		return
	}
	t := p.edit(i)
	t.Containers[n].Reason = outOfMemory
	t.Version++
	p.sayExit(t, &t.Containers[n], o, "")
}

// sayExit puts a container's exit on the timeline, with what follows from it.
func (p *planner) sayExit(t *Task, c *TaskContainer, o ContainerObservation, then string) {
	data := map[string]string{"container": c.Name, "exitCode": strconv.Itoa(o.ExitCode)}
	if o.OOMKilled {
		data["oom"] = "true"
	}
	if !o.FinishedAt.IsZero() {
		data["finishedAt"] = o.FinishedAt.UTC().Format(time.RFC3339Nano)
	}
	if then != "" {
		data["restart"] = strconv.Itoa(c.RestartCount)
	}
	message := fmt.Sprintf("container %s of task %s exited with code %d%s%s", c.Name, t.ID, o.ExitCode, exitMeaning(t, o), then)
	t.Cause = p.event(timeline.Exit, t.ARN, t.Cause, message, taskData(t, data))
}

// exitMeaning says what an exit code tells: 128 and a signal's number, where the signal was not handled.
func exitMeaning(t *Task, o ContainerObservation) string {
	switch {
	case o.OOMKilled:
		return ": it was killed for using more memory than its limit"
	case o.ExitCode == 137 && t.live():
		return ": it was killed (SIGKILL) from outside, and not for its memory"
	case o.ExitCode == 137:
		return ": it was killed (SIGKILL), having not ended within its stopTimeout"
	case o.ExitCode == 139:
		return ": it was killed for a segmentation fault (SIGSEGV)"
	case o.ExitCode == 143 && t.live():
		return ": it was ended (SIGTERM) from outside"
	}
	return ""
}

func (p *planner) containerVanished(i, n int) {
	t := p.edit(i)
	c := &t.Containers[n]
	c.Status, c.Restarting = "STOPPED", time.Time{}
	if c.Reason == "" {
		c.Reason = "NoSuchContainerError: Container not found: " + c.RuntimeID
	}
	t.Version++
	t.Cause = p.event(timeline.Exit, t.ARN, t.Cause,
		fmt.Sprintf("container %s of task %s is gone: it was removed from outside", c.Name, t.ID),
		taskData(t, map[string]string{"container": c.Name, "outside": "remove"}))
}
