package orchestrator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/alb"
	"drydock/timeline"
)

// retryAfter is how long a failed action waits before it is tried again.
const retryAfter = time.Second

// result takes in what a runner reported.
func (p *planner) result(r Result) {
	if r.Action == Prepare || r.Action == Discard {
		p.warmResult(r)
		return
	}
	i := p.index(r.Task)
	if i < 0 {
		return
	}
	if r.Err == nil {
		p.succeeded(i, r)
		return
	}
	if r.Action == Run && p.portTaken(i, r.Err) {
		return
	}
	var start *StartError
	if r.Action == Run && errors.As(r.Err, &start) {
		p.failedToStart(i, start)
		return
	}
	if r.Action == Restart && errors.As(r.Err, &start) {
		p.restartFailed(i, start)
		return
	}
	if r.Action == Attach {
		p.attachFailed(r)
	}
	t := p.edit(i)
	*retryOf(t, r.Action) = p.in.Now.Add(retryAfter)
	if t.Complaint != r.Err.Error() {
		t.Complaint = r.Err.Error()
		p.event(timeline.Warning, t.ARN, t.Cause, fmt.Sprintf("%s task %s: %v; trying again", r.Action, t.ID, r.Err), taskData(t, nil))
		if t.Service != "" && t.Status == Provisioning {
			p.sayNotPlaced(t, t.Complaint)
		}
	}
}

// retryOf returns the deadline before which an action that failed is not tried again.
func retryOf(t *Task, a ActionKind) *time.Time {
	if a == Register || a == Deregister {
		return &t.TargetsRetryAt
	}
	return &t.RetryAt
}

func (p *planner) succeeded(i int, r Result) {
	t := p.tasks[i]
	if t.Complaint != "" && !retryOf(t, r.Action).IsZero() {
		t = p.edit(i)
		t.Complaint, *retryOf(t, r.Action) = "", time.Time{}
	}
	switch r.Action {
	case Attach:
		if t.Interface != nil { // attached twice: a pass did not know yet that it was
			return
		}
		t = p.edit(i)
		t.Interface = r.Interface
		t.AttachAt = p.in.Now.Add(p.in.Pace.Attach)
		p.attached(t)
	case Register, Deregister:
		if t.Registering { // what is there can be seen now
			p.edit(i).Registering = false
		}
	case Close:
		p.edit(i).Closed = true
	case Remove:
		if !t.Removed && t.Status == Deprovisioning {
			p.edit(i).Removed = true
		}
	case Detach:
		p.edit(i).Detached = true
	case Run:
		if t.PullStoppedAt.IsZero() {
			p.edit(i).PullStoppedAt = p.in.Now
		}
	}
}

// failedToStart stops a task one of whose containers could not be brought up (ECS-042).
func (p *planner) failedToStart(i int, start *StartError) {
	if !p.tasks[i].Status.before(Running) || !p.tasks[i].live() {
		return
	}
	t := p.edit(i)
	if c := t.container(start.Container); c != nil {
		c.Reason = start.Error()
	}
	if t.PullStoppedAt.IsZero() {
		t.PullStoppedAt = p.in.Now
	}
	reason := "Task failed to start"
	if start.Container == "" || start.Name == "ResourceInitializationError" || strings.HasPrefix(start.Name, "CannotPull") {
		reason = start.Error()
	}
	p.countFailure(t)
	p.countFailedStart(t, start.Error())
	p.stop(t, TaskFailedToStart, reason, t.Cause, stopped)
}

// observe brings a task's row up to what was observed, and its status forward as far as that goes.
func (p *planner) observe(i int) {
	if p.in.EngineUp {
		p.observeContainers(i)
	}
	p.observeRegistration(i)
	p.observeHealth(i)
	for p.step(i) {
	}
}

// observeRegistration notes when the task's targets have become registered, and when
// they have begun to leave. Tasks of a service that do so together are noted together,
// so that the service's events count them as AWS's do.
func (p *planner) observeRegistration(i int) {
	t := p.tasks[i]
	if len(t.LoadBalancers) == 0 || !t.placed() {
		return
	}
	if p.justRegistered(i) && p.underWay[t.Service].in == 0 {
		p.edit(i).Registered = true
		p.countRegistration(t, func(c *regCount) { c.in++ })
	}
	if t = p.tasks[i]; p.justDeregistered(i) && p.underWay[t.Service].out == 0 {
		p.edit(i).Deregistered = true
		p.countRegistration(t, func(c *regCount) { c.out++; c.old = t.Deployment })
	}
}

func (p *planner) justRegistered(i int) bool {
	return !p.tasks[i].Registered && p.standing(i).allRegistered()
}

func (p *planner) justDeregistered(i int) bool {
	t := p.tasks[i]
	return t.Registered && !t.Deregistered && !t.live() && !p.standing(i).anyRegistered()
}

// toRegister reports whether the task's registration is under way.
func (p *planner) toRegister(i int) bool {
	t := p.tasks[i]
	return t.live() && !t.Registered && t.Complaint == "" && (t.Status == Running || t.Status == Activating) && !p.standing(i).allRegistered()
}

// toDeregister reports whether the task's deregistration is under way.
func (p *planner) toDeregister(i int) bool {
	t := p.tasks[i]
	return !t.live() && t.Registered && !t.Deregistered && t.Complaint == "" && !t.DeregisterAt.After(p.in.Now) && p.standing(i).anyRegistered()
}

// countUnderWay counts the registrations and deregistrations under way, by service.
func (p *planner) countUnderWay() {
	for i, t := range p.tasks {
		if len(t.LoadBalancers) == 0 || !t.placed() {
			continue
		}
		c := p.underWay[t.Service]
		switch {
		case p.toRegister(i):
			c.in++
		case p.toDeregister(i):
			c.out++
		default:
			continue
		}
		p.underWay[t.Service] = c
	}
}

// targetKeys returns the keys of the task's targets.
func targetKeys(t *Task) []alb.TargetKey {
	keys := make([]alb.TargetKey, 0, len(t.LoadBalancers))
	for _, lb := range t.LoadBalancers {
		if id, port, ok := t.target(lb); ok {
			keys = append(keys, alb.TargetKey{TargetGroup: lb.TargetGroupARN, ID: id, Port: port})
		}
	}
	return keys
}

func (p *planner) countRegistration(t *Task, count func(*regCount)) {
	for _, lb := range t.LoadBalancers {
		k := regKey{t.Service, lb.TargetGroupARN}
		c := p.regs[k]
		count(&c)
		c.cause = t.Cause
		p.regs[k] = c
	}
}

// sayRegistrations tells the services in AWS's words, once a target group and pass.
func (p *planner) sayRegistrations() {
	keys := slices.SortedFunc(maps.Keys(p.regs), func(a, b regKey) int {
		return slices.Compare([]string{a.service, a.group}, []string{b.service, b.group})
	})
	for _, k := range keys {
		if p.in.Services[k.service] == nil {
			continue
		}
		s, c := p.editService(k.service), p.regs[k]
		if c.in > 0 {
			p.say(s, c.cause, fmt.Sprintf("(service %s) registered %d targets in (target-group %s)", s.Name, c.in, k.group))
		}
		if c.out > 0 {
			p.say(s, c.cause, fmt.Sprintf("(service %s) deregistered %d targets in (target-group %s)", s.Name, c.out, k.group))
			p.say(s, c.cause, fmt.Sprintf("(%s) has begun draining connections on %d tasks.", drainScope(s, c.old), c.out))
		}
	}
}

// drainScope names the deployment that drains, unless it is the service's own (ECS-051).
func drainScope(s *Service, deployment string) string {
	if d := s.Primary(); d == nil || d.ID == deployment {
		return "service " + s.Name
	}
	return fmt.Sprintf("service %s, taskSet %s", s.Name, deployment)
}

// observeHealth sets the task's health from its essential containers (ECS-044), and notes
// the first time that it counts as healthy.
func (p *planner) observeHealth(i int) {
	t := p.tasks[i]
	if health := taskHealth(t); health != t.Health {
		t = p.edit(i)
		t.Health = health
		t.Version++
	}
	if !t.WasHealthy && p.healthy(i) {
		t = p.edit(i)
		t.WasHealthy = true
		p.becameHealthy(t)
	}
}

func taskHealth(t *Task) string {
	health := HealthHealthy
	if !t.checked() {
		return HealthUnknown
	}
	for _, c := range t.Containers {
		if !c.Essential || !c.Checked {
			continue
		}
		if c.Health == HealthUnhealthy {
			return HealthUnhealthy
		}
		if c.Health != HealthHealthy {
			health = HealthUnknown
		}
	}
	return health
}

// healthy reports whether the task counts as healthy: RUNNING, healthy in every target group,
// and by its container health check, where there are such; with neither, after a while (ECS-052).
func (p *planner) healthy(i int) bool {
	t := p.tasks[i]
	if !t.live() || t.Status != Running {
		return false
	}
	if t.checked() && t.Health != HealthHealthy {
		return false
	}
	if !p.standing(i).allHealthy() {
		return false
	}
	if len(t.LoadBalancers) == 0 && !t.checked() {
		return p.due(t.StartedAt.Add(p.in.Pace.UncheckedHealthy))
	}
	return true
}

// unhealthy reports whether a health check condemns the task, and in whose words. Nothing
// does within the grace period (ECS-053).
func (p *planner) unhealthy(i int) (verdict, bool) {
	t := p.tasks[i]
	if !t.live() || t.Status != Running {
		return verdict{}, false
	}
	v, bad := p.verdict(i)
	if bad && !p.due(p.graceUntil(t)) {
		return verdict{}, false
	}
	return v, bad
}

// graceUntil returns the end of a running task's grace period: the service's, as it is now.
func (p *planner) graceUntil(t *Task) time.Time {
	s := p.serviceNow(t.Service)
	if s == nil {
		return t.StartedAt
	}
	return t.StartedAt.Add(time.Duration(s.GracePeriodSeconds) * time.Second)
}

// verdict says why a task is unhealthy, in ECS's words (ECS-054).
type verdict struct {
	reason string // stoppedReason
	event  string // service event
	probe  string // what the last health check saw, for people
}

func (p *planner) verdict(i int) (verdict, bool) {
	t := p.tasks[i]
	if t.checked() && t.Health == HealthUnhealthy {
		return verdict{reason: "Task failed container health checks",
			event: fmt.Sprintf("(task %s) failed container health checks.", t.ID)}, true
	}
	if p.standing(i).unhealthy == 0 {
		return verdict{}, false
	}
	for _, k := range targetKeys(t) {
		if h := p.in.Targets[k]; h.Target.Task == t.ARN && h.State == alb.Unhealthy {
			return verdict{probe: h.Detail, reason: fmt.Sprintf("Task failed ELB health checks in (target-group %s)", k.TargetGroup),
				event: fmt.Sprintf("(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s).", t.ID, k.Port, k.TargetGroup, h.Description)}, true
		}
	}
	return verdict{}, false
}

// taskData is the data of a task's event.
func taskData(t *Task, more map[string]string) map[string]string {
	data := map[string]string{"task": t.ARN, "taskDefinition": t.TaskDefinition}
	if t.Service != "" {
		data["service"], data["deployment"] = t.Service, t.Deployment
	}
	if t.Interface != nil {
		data["address"] = t.Interface.Address.String()
	}
	maps.Copy(data, more)
	return data
}
