package orchestrator_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/timeline"
)

var statuses = []orchestrator.TaskStatus{
	orchestrator.Provisioning, orchestrator.Pending, orchestrator.Activating, orchestrator.Running,
	orchestrator.Deactivating, orchestrator.Stopping, orchestrator.Deprovisioning, orchestrator.Stopped,
}

func describe(t *orchestrator.Task) string {
	if t == nil {
		return "not there"
	}
	return fmt.Sprintf("%s, to be %s (%s)", t.Status, t.Desired, t.StopReason)
}

// check looks at a transaction before it is made. s.mu and l.mu are held.
func (s *rigRows) check(l *rigLife, rows map[string]any, events []timeline.Event) {
	s.checkEvents(events)
	x := transaction{s: s, l: l, events: events, before: map[string]*orchestrator.Task{}}
	services := false
	for key, row := range rows {
		kind, arn, _ := strings.Cut(key, "/")
		switch kind {
		case "task":
			t, _ := row.(*orchestrator.Task)
			x.checkTask(s.tasks[arn], t)
			x.before[arn] = s.tasks[arn]
			if s.tasks[arn] = t; t == nil {
				delete(s.tasks, arn)
			}
		case "service":
			after, _ := row.(*orchestrator.Service)
			x.checkService(s.services[arn], after)
			if s.services[arn] = after; after == nil {
				delete(s.services, arn)
			}
			services = true
		case "servicedeployment":
			after, _ := row.(*orchestrator.ServiceDeployment)
			x.checkRecord(s.rows[key], after)
		}
	}
	if !services && len(x.before) == 0 {
		return
	}
	s.checkOwners()
	for _, service := range s.services {
		x.checkBounds(service)
	}
}

// checkEvents: every event has a number of its own and, if it has a cause, one that has happened.
func (s *rigRows) checkEvents(events []timeline.Event) {
	for _, e := range events {
		if s.told[e.Seq] {
			s.r.broken("event %d is told twice: %s", e.Seq, e.Message)
		}
		s.told[e.Seq] = true
	}
	for _, e := range events {
		if e.Cause != 0 && (!s.told[e.Cause] || e.Cause >= e.Seq) {
			s.r.broken("event %d has the cause %d, which has not happened: %s", e.Seq, e.Cause, e.Message)
		}
	}
}

// checkOwners: a task that is to run belongs to a deployment of a service that is there.
func (s *rigRows) checkOwners() {
	for _, t := range s.tasks {
		if t.Service == "" || t.Desired != orchestrator.Running {
			continue
		}
		if service := s.services[t.Service]; service == nil || service.Deployment(t.Deployment) == nil {
			s.r.broken("task %s is to run, its deployment %s of %s is gone", t.ID, t.Deployment, t.Service)
		}
	}
}

// transaction is one that is being checked.
type transaction struct {
	s      *rigRows
	l      *rigLife
	events []timeline.Event
	before map[string]*orchestrator.Task // those that it changes
}

// told reports whether an event of the transaction tells something of a subject.
func (x transaction) told(kind timeline.Kind, subject string, data ...string) bool {
	return slices.ContainsFunc(x.events, func(e timeline.Event) bool {
		for n := 0; n < len(data); n += 2 {
			if e.Data[data[n]] != data[n+1] {
				return false
			}
		}
		return e.Kind == kind && e.Subject == subject
	})
}

// checkTask: a task only moves forward, is forgotten only an hour after it has stopped (I5), and
// every status has its event.
func (x transaction) checkTask(before, after *orchestrator.Task) {
	r := x.s.r
	switch {
	case after == nil && before == nil:
	case after == nil:
		if before.Status != orchestrator.Stopped || time.Since(before.StoppedAt) < orchestrator.StoppedKept {
			r.broken("I5: task %s was forgotten: %s", before.ID, describe(before))
		}
	case before == nil:
		if after.Status != orchestrator.Provisioning || !x.told(timeline.TaskState, after.ARN, "to", string(after.Status)) {
			r.broken("task %s begins without an event: %s", after.ID, describe(after))
		}
	case slices.Index(statuses, after.Status) < slices.Index(statuses, before.Status):
		r.broken("I5: task %s went from %s to %s", before.ID, before.Status, after.Status)
	case before.Desired == orchestrator.Stopped && after.Desired != orchestrator.Stopped:
		r.broken("I5: task %s was to stop and shall run again", before.ID)
	case before.Status != after.Status && !x.told(timeline.TaskState, after.ARN, "to", string(after.Status)):
		r.broken("task %s went from %s to %s without an event", before.ID, before.Status, after.Status)
	}
}

// checkService: one deployment is the primary, and what becomes of them has its events.
func (x transaction) checkService(before, after *orchestrator.Service) {
	r := x.s.r
	if after == nil {
		if before != nil && before.Status != orchestrator.ServiceInactive {
			r.broken("service %s was forgotten while %s", before.Name, before.Status)
		}
		return
	}
	if (after.Status == orchestrator.ServiceInactive) != (len(after.Deployments) == 0) {
		r.broken("service %s is %s with %d deployments", after.Name, after.Status, len(after.Deployments))
	}
	if before != nil && (before.Status != after.Status || before.DesiredCount != after.DesiredCount) && !x.told(timeline.Deployment, after.ARN) {
		r.broken("service %s went from %s, %d tasks, to %s, %d tasks, without an event", after.Name, before.Status, before.DesiredCount, after.Status, after.DesiredCount)
	}
	for n, d := range after.Deployments {
		if (n == 0) != (d.Status == orchestrator.DeploymentPrimary) {
			r.broken("deployment %d of service %s is %s", n, after.Name, d.Status)
		}
		x.checkDeployment(before, after, d)
	}
}

func (x transaction) checkDeployment(before, after *orchestrator.Service, d orchestrator.Deployment) {
	var old *orchestrator.Deployment
	if before != nil {
		old = before.Deployment(d.ID)
	}
	if (old == nil || old.RolloutState != d.RolloutState) && !x.told(timeline.Deployment, after.ARN, "deployment", d.ID, "rolloutState", d.RolloutState) {
		x.s.r.broken("deployment %s of service %s is %s without an event", d.ID, after.Name, d.RolloutState)
	}
	if old != nil && old.Stage != d.Stage && d.Status == orchestrator.DeploymentPrimary && !x.told(timeline.Deployment, after.ARN, "deployment", d.ID) {
		x.s.r.broken("deployment %s of service %s went from %q to %q without an event", d.ID, after.Name, old.Stage, d.Stage)
	}
}

// checkRecord: a service deployment that is over stays so.
func (x transaction) checkRecord(before any, after *orchestrator.ServiceDeployment) {
	old, _ := before.(*orchestrator.ServiceDeployment)
	if old == nil || after == nil || old.FinishedAt.IsZero() {
		return
	}
	if old.Status != after.Status || !old.FinishedAt.Equal(after.FinishedAt) {
		x.s.r.broken("the service deployment %s was %s and is %s", old.ARN, old.Status, after.Status)
	}
}

// checkBounds: what starts tasks stays below maximumPercent, and what stops healthy tasks leaves
// minimumHealthyPercent of them (I1): by what the scheduler saw.
func (x transaction) checkBounds(s *orchestrator.Service) {
	live, healthy, started, stopped := 0, 0, 0, 0
	good := map[string]int{} // live tasks that nothing condemns, by deployment
	shifts := s.Primary() != nil && s.Primary().Shift != nil
	for _, t := range x.s.tasks {
		if t.Service != s.ARN {
			continue
		}
		old, changed := x.before[t.ARN]
		if t.Desired == orchestrator.Running {
			live++
			if changed && old == nil {
				started++
			}
			if x.healthy(t, t) && (!shifts || x.serves(t)) {
				healthy++
			}
			if !x.condemned(t) {
				good[t.Deployment]++
			}
			continue
		}
		if changed && old != nil && old.Desired == orchestrator.Running && strings.HasPrefix(t.StopReason, "Scaling activity") && x.healthy(old, t) && (!shifts || x.serves(t)) {
			stopped++
		}
	}
	if most := s.Config.Maximum(s.DesiredCount); started > 0 && live > most && !shifts {
		x.s.r.broken("I1: %d tasks of %s are meant to run after %d were started, at most %d may", live, s.Name, started, most)
	}
	for id, n := range good {
		if started > 0 && n > s.DesiredCount && n > x.goodBefore(id) {
			x.s.r.broken("I1: %d tasks of deployment %s are meant to run after %d were started, %d are wanted", n, id, started, s.DesiredCount)
		}
	}
	byHand := x.s.r.balancer.changedByHand(ruleOf(rigService{name: s.Name}, "prod")) // then who serves is not the scheduler's doing
	if least := s.Config.Minimum(s.DesiredCount); stopped > 0 && healthy < least && !(shifts && byHand) {
		x.s.r.broken("I1: %d healthy tasks of %s are left after the scheduler stopped %d healthy ones, %d must be", healthy, s.Name, stopped, least)
	}
}

// goodBefore counts the live tasks of a deployment, before the transaction, that nothing condemned.
func (x transaction) goodBefore(deployment string) int {
	n := 0
	for arn, t := range x.s.tasks {
		if old, changed := x.before[arn]; changed {
			t = old
		}
		if t != nil && t.Deployment == deployment && t.Desired == orchestrator.Running && !x.condemned(t) {
			n++
		}
	}
	return n
}

// healthy reports whether a task was healthy when the scheduler looked: by the row that it had,
// and by the health in the one that it gets.
func (x transaction) healthy(old, t *orchestrator.Task) bool {
	if old.Status != orchestrator.Running {
		return false
	}
	checked := slices.ContainsFunc(t.Containers, func(c orchestrator.TaskContainer) bool { return c.Essential && c.Checked })
	if checked && t.Health != orchestrator.HealthHealthy {
		return false
	}
	for _, k := range t.TargetKeys() {
		if h := x.l.seen[k]; h.Target.Task != t.ARN || h.State != alb.Healthy {
			return false
		}
	}
	return checked || len(t.LoadBalancers) > 0 || time.Since(t.StartedAt) >= x.s.r.pace.UncheckedHealthy
}

func (x transaction) condemned(t *orchestrator.Task) bool {
	if t.Health == orchestrator.HealthUnhealthy {
		return true
	}
	return slices.ContainsFunc(t.TargetKeys(), func(k alb.TargetKey) bool {
		h := x.l.seen[k]
		return h.Target.Task == t.ARN && h.State == alb.Unhealthy
	})
}

// serves reports whether production traffic can reach a task.
func (x transaction) serves(t *orchestrator.Task) bool {
	return len(t.LoadBalancers) == 0 || slices.ContainsFunc(t.LoadBalancers, func(lb orchestrator.LoadBalancer) bool { return x.s.r.balancer.carries(lb.TargetGroupARN) })
}

// checkRun: what is run has a durable row, and an address that is its own and nobody else's (I4).
func (l *rigLife) checkRun(spec orchestrator.TaskSpec) {
	t := l.rows.task(spec.ARN)
	if t == nil || t.Interface == nil || t.Interface.Address != spec.Interface.Address {
		l.broken("%s is run with the address %s, its row is %s", spec.ARN, spec.Interface.Address, describe(t))
		return
	}
	if owner := l.network.owner(spec.Interface.Address); owner != spec.ARN && t.Desired == orchestrator.Running {
		l.broken("I4: %s is run with the address %s of %q", spec.ARN, spec.Interface.Address, owner)
	}
	list, _ := l.engine.List(l.t.Context())
	for _, o := range list {
		if o.Task != spec.ARN && o.Address == spec.Interface.Address && runs(o) {
			l.broken("I4: %s is run with the address %s, where %s runs", spec.ARN, spec.Interface.Address, o.Task)
		}
	}
}

func runs(o orchestrator.TaskObservation) bool {
	return slices.ContainsFunc(o.Containers, func(c orchestrator.ContainerObservation) bool { return c.Status == orchestrator.ContainerRunning })
}

// checkRegister: what is registered has the address that it is registered with (I4).
func (r *rig) checkRegister(t alb.Target) {
	row := r.rows.task(t.Task)
	if row == nil || row.Interface == nil || row.Interface.Address.String() != t.ID {
		r.broken("I4: %s is registered as %s, its row is %s", t.Task, t.ID, describe(row))
		return
	}
	if row.Drain && appRuns(row) && (row.Status == orchestrator.Stopping || row.Status == orchestrator.Deprovisioning || row.Status == orchestrator.Stopped) {
		r.broken("%s is registered after it was sent SIGTERM, its row is %s", t.Task, describe(row))
	}
	if owner := r.network.owner(row.Interface.Address); owner != t.Task && row.Desired == orchestrator.Running {
		r.broken("I4: %s is registered as %s, which is %q's", t.Task, t.ID, owner)
	}
}

// checkRelease: an address is released when the balancer cannot choose it any more, nothing runs
// there, and its task is past all that (I4).
func (l *rigLife) checkRelease(owner string) {
	if strings.HasPrefix(owner, network.WarmOwner) {
		return
	}
	if t := l.rows.task(owner); t != nil && t.Status != orchestrator.Deprovisioning && t.Status != orchestrator.Stopped {
		l.broken("I4: the address of %s is released, its row is %s", owner, describe(t))
	}
	list, _ := l.engine.List(l.t.Context())
	for _, o := range list {
		if o.Task == owner && runs(o) {
			l.broken("I4: the address of %s is released, and containers run there", owner)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, h := range l.seen {
		if h.Target.Task == owner && h.State != alb.Draining && h.State != alb.Unused {
			l.broken("I4: the address of %s is released, its target %s is %s", owner, k.ID, h.State)
		}
	}
}

// appRuns reports whether, by its row, the application runs that a task was started with.
func appRuns(t *orchestrator.Task) bool {
	return slices.ContainsFunc(t.Containers, func(c orchestrator.TaskContainer) bool { return c.Name == "app" && c.Status == "RUNNING" })
}

// checkSignal: SIGTERM is sent to what is to stop, and by the scheduler's own decision only when
// its targets are gone.
func (r *rig) checkSignal(task string) {
	t := r.rows.task(task)
	if t == nil || t.Desired != orchestrator.Stopped || t.Status != orchestrator.Stopping && t.Status != orchestrator.Deprovisioning {
		r.broken("SIGTERM was sent to %s, its row is %s", task, describe(t))
		return
	}
	if !t.Drain || !appRuns(t) { // or it is not the run that the task was started with
		return
	}
	for k, h := range r.balancer.snapshot() {
		if h.Target.Task == task {
			r.broken("SIGTERM was sent to %s, its target in %s is %s since %s; its row is %s: %+v", task, k.TargetGroup, h.State, h.Since.Format(time.StampMilli), describe(t), t)
		}
	}
}
