package orchestrator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/timeline"
)

// stopPath is the way in which a task is stopped (ECS-055).
type stopPath int

const (
	drain   stopPath = iota // the scheduler: deregister, wait until the targets are out, then signal
	signal                  // StopTask: signal at once, deregister when it is noticed
	stopped                 // it stopped by itself: deregister when it is noticed
)

// step moves the task's status forward by at most one, and reports whether it did.
func (p *planner) step(i int) bool {
	t := p.tasks[i]
	switch t.Status {
	case Provisioning:
		return p.stepProvisioning(i)
	case Pending:
		return p.stepPending(i)
	case Activating:
		return p.stepActivating(i)
	case Running:
		return p.stepRunning(i)
	case Deactivating:
		return p.stepDeactivating(i)
	case Stopping:
		return p.stepStopping(i)
	case Deprovisioning:
		return p.stepDeprovisioning(i)
	}
	return false
}

func (p *planner) stepProvisioning(i int) bool {
	t := p.tasks[i]
	if !t.live() {
		p.advance(i, Deprovisioning, "")
		return true
	}
	if !t.awsvpc() {
		return p.stepPlacing(i)
	}
	if t.Interface == nil || !p.due(t.AttachAt) {
		return false
	}
	t = p.advance(i, Pending, "with address "+t.Interface.Address.String())
	t.PullStartedAt = p.in.Now
	p.usePins(t)
	p.warnClamped(t)
	return true
}

func (p *planner) stepPending(i int) bool {
	t := p.tasks[i]
	if !t.live() {
		p.advance(i, Stopping, "")
		return true
	}
	if p.exited(i) {
		return true
	}
	if !allUp(t) {
		return false
	}
	// Targets of a service with several target groups are registered before RUNNING (ECS-045).
	if len(t.LoadBalancers) > 1 {
		p.advance(i, Activating, "")
		return true
	}
	p.nowRunning(i)
	return true
}

func (p *planner) stepActivating(i int) bool {
	t := p.tasks[i]
	if !t.live() {
		p.advance(i, Deactivating, "")
		return true
	}
	if p.exited(i) {
		return true
	}
	if !t.Registered {
		return false
	}
	p.nowRunning(i)
	return true
}

func (p *planner) nowRunning(i int) {
	t := p.advance(i, Running, "")
	t.StartedAt = p.in.Now
	p.startedWell(t)
}

// allUp reports whether every container has reached its steady state (ECS-046).
func allUp(t *Task) bool {
	return !slices.ContainsFunc(t.Containers, func(c TaskContainer) bool {
		return c.Status == "PENDING" || c.Status == "STOPPED" && c.Essential
	})
}

func (p *planner) stepRunning(i int) bool {
	if !p.tasks[i].live() {
		p.advance(i, Deactivating, "")
		return true
	}
	return p.exited(i)
}

// exited stops the task if one of its essential containers has stopped.
func (p *planner) exited(i int) bool {
	t := p.tasks[i]
	if !slices.ContainsFunc(t.Containers, func(c TaskContainer) bool { return c.Essential && c.Status == "STOPPED" }) {
		return false
	}
	t = p.edit(i)
	if t.Status == Running {
		p.countCrash(t)
	} else {
		p.countFailure(t)
		p.countFailedStart(t, "Essential container in task exited")
	}
	p.stop(t, EssentialContainerExited, "Essential container in task exited", t.Cause, stopped)
	return true
}

// stepDeactivating waits for the balancer where the scheduler stops the task.
func (p *planner) stepDeactivating(i int) bool {
	t := p.tasks[i]
	if t.Drain && !allStopped(t) && !(p.due(t.DeregisterAt) && p.standing(i).out() && !t.Registering) {
		return false
	}
	t = p.advance(i, Stopping, "")
	if allStopped(t) {
		return true
	}
	timeout := strconv.Itoa(int(p.stopTimeout(t) / time.Second))
	t.Cause = p.event(timeline.Signal, t.ARN, t.Cause,
		fmt.Sprintf("ECS sends SIGTERM to the containers of task %s; SIGKILL follows after %s s", t.ID, timeout),
		taskData(t, map[string]string{"signal": "SIGTERM", "stopTimeout": timeout}))
	return true
}

// stopTimeout returns the longest stopTimeout among the task's containers.
func (p *planner) stopTimeout(t *Task) time.Duration {
	longest := time.Duration(0)
	if def := p.in.Definition(t.TaskDefinition); def != nil {
		for _, c := range def.ContainerDefinitions {
			longest = max(longest, time.Duration(c.StopTimeout)*time.Second)
		}
	}
	if longest == 0 {
		return DefaultStopTimeout
	}
	return longest
}

func allStopped(t *Task) bool {
	return !slices.ContainsFunc(t.Containers, func(c TaskContainer) bool { return c.Status != "STOPPED" })
}

func (p *planner) stepStopping(i int) bool {
	t := p.tasks[i]
	if !p.in.EngineUp {
		return false
	}
	obs, seen := p.in.Engine[t.ARN]
	if seen && slices.ContainsFunc(obs.Containers, func(c ContainerObservation) bool { return c.Status == ContainerRunning }) {
		return false
	}
	if seen && !t.StartedAt.IsZero() && !allStopped(t) {
		return false
	}
	t = p.advance(i, Deprovisioning, "")
	t.ExecutionStoppedAt = lastFinished(obs, p.in.Now)
	if t.Interface != nil {
		t.DetachAt = p.in.Now.Add(p.in.Pace.Detach)
	}
	return true
}

// lastFinished is when the last of a task's containers ended; now if nobody knows.
func lastFinished(obs TaskObservation, now time.Time) time.Time {
	var last time.Time
	for _, c := range obs.Containers {
		if c.FinishedAt.After(last) {
			last = c.FinishedAt
		}
	}
	if last.IsZero() || last.After(now) {
		return now
	}
	return last
}

func (p *planner) stepDeprovisioning(i int) bool {
	t := p.tasks[i]
	if _, seen := p.in.Engine[t.ARN]; seen || !p.in.EngineUp || !t.Detached {
		return false
	}
	t = p.advance(i, Stopped, t.StopReason)
	for n := range t.Containers {
		t.Containers[n].Status = "STOPPED"
	}
	t.StoppedAt = p.in.Now
	return true
}

// advance is the one door through which a task's status goes.
func (p *planner) advance(i int, to TaskStatus, note string) *Task {
	t := p.edit(i)
	from := t.Status
	if err := t.advance(to); err != nil {
		panic(err)
	}
	message := fmt.Sprintf("task %s: %s → %s", t.ID, from, to)
	if note != "" {
		message += " " + parenthesised(note)
	}
	t.Cause = p.event(timeline.TaskState, t.ARN, t.Cause, message, taskData(t, map[string]string{
		"from": string(from), "to": string(to), "desiredStatus": string(t.Desired), "stopCode": t.StopCode, "reason": t.StopReason,
	}))
	return t
}

func parenthesised(note string) string {
	return "(" + strings.TrimSuffix(note, ".") + ")"
}

// stop asks for a task's end. It changes the row that it is given; the status follows in
// steps. Asking twice changes nothing.
func (p *planner) stop(t *Task, code, reason string, cause int64, path stopPath) {
	if !t.live() {
		return
	}
	requestStop(t, code, reason, cause, p.in.Now)
	switch path {
	case drain:
		t.Drain = true
		if t.Registered || t.Registering || p.stand(t).anyRegistered() {
			t.DeregisterAt = p.in.Now.Add(p.in.Pace.Deregister)
		}
	case signal:
		t.DeregisterAt = p.in.Now.Add(p.in.Pace.NoticeStop)
	case stopped:
		t.DeregisterAt = p.in.Now.Add(p.in.Pace.NoticeExit)
	}
}

// requestStop writes that a task is to stop: what the API does for StopTask.
func requestStop(t *Task, code, reason string, cause int64, now time.Time) {
	t.Desired, t.StopCode, t.StopReason = Stopped, code, reason
	t.StoppingAt = now
	if cause != 0 {
		t.Cause = cause
	}
}

// act plans what is to be done next for a task.
func (p *planner) act(i int) {
	if p.due(p.tasks[i].TargetsRetryAt) {
		p.actBalancer(i)
	}
	t := p.tasks[i]
	if !p.due(t.RetryAt) {
		return
	}
	switch t.Status {
	case Provisioning:
		if t.Interface == nil && t.awsvpc() {
			p.claimWarm(t)
			p.action(Attach, t)
		} else if !t.awsvpc() && t.Complaint == "" {
			p.wake(p.in.Now) // a task that was made in this pass is placed in the next
		}
	case Pending:
		if p.in.EngineUp {
			p.action(Run, t)
		}
	case Activating, Running:
		if p.in.EngineUp && p.awaitingRestart(t) {
			p.action(Restart, t)
		}
	case Stopping:
		if p.in.EngineUp {
			p.action(Stop, t)
		}
	case Deprovisioning:
		p.actDeprovisioning(t)
	case Stopped:
		p.expire(t)
	}
}

func (p *planner) actDeprovisioning(t *Task) {
	if !t.Closed && t.Interface != nil {
		p.action(Close, t)
	}
	if !p.in.EngineUp {
		return
	}
	// Also a task that shows no container may have left a namespace or volumes.
	if _, seen := p.in.Engine[t.ARN]; seen || !t.Removed {
		p.action(Remove, t)
		return
	}
	// The address goes only when no balancer may choose it any more.
	if !t.Detached && p.due(t.DetachAt) && !p.stand(t).anyRegistered() && !t.Registering {
		p.action(Detach, t)
	}
}

// actBalancer registers the targets of a task that runs and deregisters those of one that is to
// stop: also those that are on their way, whose registration ends before.
func (p *planner) actBalancer(i int) {
	t := p.tasks[i]
	if len(t.LoadBalancers) == 0 || !t.placed() {
		return
	}
	if t.live() {
		if !t.Registered && (t.Status == Running || t.Status == Activating) && !p.standing(i).allRegistered() {
			if !t.Registering {
				t = p.edit(i)
				t.Registering = true
			}
			p.action(Register, t)
		}
		return
	}
	if (t.Registering || p.stand(t).anyRegistered()) && p.due(t.DeregisterAt) {
		p.action(Deregister, t)
	}
}

func (p *planner) action(kind ActionKind, t *Task) {
	p.plan.Actions = append(p.plan.Actions, Action{Kind: kind, Task: t.ARN, Cause: t.Cause})
}

// expire forgets a stopped task after its time (ECS-010).
func (p *planner) expire(t *Task) {
	if p.due(t.StoppedAt.Add(StoppedKept)) && !p.stand(t).anyRegistered() && !t.Registering {
		p.plan.Gone = append(p.plan.Gone, t.ARN)
		delete(p.plan.Tasks, t.ARN)
	}
}
