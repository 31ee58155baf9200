package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/timeline"
)

var taskOrder = []orchestrator.TaskStatus{
	orchestrator.Provisioning, orchestrator.Pending, orchestrator.Activating, orchestrator.Running,
	orchestrator.Deactivating, orchestrator.Stopping, orchestrator.Deprovisioning, orchestrator.Stopped,
}

// checkCommit looks at a transaction before it is made: I1 and I5. The store is locked.
func (b *bubble) checkCommit(s *bubbleStore, rows map[string]any) {
	tasks := maps.Clone(s.tasks)
	for key, row := range rows {
		arn, ok := strings.CutPrefix(key, "task/")
		if !ok {
			if service, ok := row.(*orchestrator.Service); ok {
				s.services[service.ARN] = service
			}
			continue
		}
		t, _ := row.(*orchestrator.Task)
		b.checkForward(tasks[arn], t)
		if t == nil {
			delete(tasks, arn)
		} else {
			tasks[arn] = t
		}
	}
	b.checkPace(s, len(tasks)-len(s.tasks))
	for _, service := range s.services {
		b.checkBounds(service, s.tasks, tasks)
	}
	s.tasks = tasks
}

// checkPace: tasks are not started without end while time stands still, nor anything else done.
// Such a loop would never give time a chance to pass, so it is stopped.
func (b *bubble) checkPace(s *bubbleStore, made int) {
	if now := time.Now(); !now.Equal(s.moment) {
		s.moment, s.started, s.commits = now, 0, 0
	}
	s.started += max(0, made)
	s.commits++
	if (s.started > 100 || s.commits > 3000) && !s.runaway {
		s.runaway = true
		b.broken("%d tasks were made and %d transactions within a moment", s.started, s.commits)
	}
}

// checkForward: a task only moves forward, and is forgotten only when it has stopped (I5).
func (b *bubble) checkForward(before, after *orchestrator.Task) {
	switch {
	case before == nil:
	case after == nil:
		if before.Status != orchestrator.Stopped {
			b.broken("I5: task %s was forgotten while %s", before.ID, before.Status)
		}
	case slices.Index(taskOrder, after.Status) < slices.Index(taskOrder, before.Status):
		b.broken("I5: task %s went from %s to %s", before.ID, before.Status, after.Status)
	case before.Desired == orchestrator.Stopped && after.Desired != orchestrator.Stopped:
		b.broken("I5: task %s was to stop and shall run again", before.ID)
	}
}

// checkBounds: a transaction that starts tasks stays below maximumPercent, and one that
// stops healthy tasks leaves minimumHealthyPercent of them (I1).
func (b *bubble) checkBounds(s *orchestrator.Service, before, after map[string]*orchestrator.Task) {
	live, healthy, started, stopped := 0, 0, 0, 0
	for arn, t := range after {
		if t.Service != s.ARN {
			continue
		}
		old := before[arn]
		if t.Desired == orchestrator.Running {
			live++
			if old == nil {
				started++
			}
			if b.healthy(t) && b.serves(t) {
				healthy++
			}
			continue
		}
		if old != nil && old.Desired == orchestrator.Running && t.StopCode == orchestrator.ServiceSchedulerInitiated && b.healthy(old) && !b.fresh(old) && b.serves(old) {
			stopped++
		}
	}
	most := s.Config.Maximum(s.DesiredCount)
	if b.config.strategy.Strategy != "" {
		// Blue, green and what green has overtaken, each whole, and the replacements of unhealthy
		// tasks, of which all may be, whatever maximumPercent says (ECS-147).
		most = max(most, 2*len(s.Deployments)*s.DesiredCount)
	}
	if started > 0 && live > most {
		b.broken("I1: %d tasks are meant to run after %d were started, at most %d may", live, started, most)
	}
	if least := s.Config.Minimum(s.DesiredCount); stopped > 0 && healthy < least {
		b.broken("I1: %d healthy tasks are left after the scheduler stopped %d healthy ones, %d must be", healthy, stopped, least)
	}
}

// healthy reports whether a task counts as healthy, with the benefit of the doubt: what became
// unhealthy at this very moment was healthy when the scheduler looked.
func (b *bubble) healthy(t *orchestrator.Task) bool {
	if t.Status != orchestrator.Running {
		return false
	}
	h, ok := b.target(t)
	return ok && (h.State == alb.Healthy || h.Since.Equal(time.Now()))
}

// serves reports whether production traffic can reach a task: a deployment that shifts it keeps
// the tasks that answer it, and ends the others as it likes.
func (b *bubble) serves(t *orchestrator.Task) bool {
	l := b.life.Load()
	if b.advanced == nil || l == nil || l.balancer == nil || len(t.LoadBalancers) == 0 {
		return true
	}
	return l.balancer.ForwardWeights(b.advanced.ProductionListenerRule)[t.LoadBalancers[0].TargetGroupARN] > 0
}

// fresh reports whether the task's target has just changed: the scheduler may not have seen it.
func (b *bubble) fresh(t *orchestrator.Task) bool {
	h, _ := b.target(t)
	return h.Since.Equal(time.Now())
}

func (b *bubble) target(t *orchestrator.Task) (alb.TargetHealth, bool) {
	l := b.life.Load()
	if l == nil || l.balancer == nil || t.Interface == nil || len(t.LoadBalancers) == 0 {
		return alb.TargetHealth{}, false
	}
	h, ok := l.balancer.Targets()[alb.TargetKey{TargetGroup: t.LoadBalancers[0].TargetGroupARN, ID: t.Interface.Address.String(), Port: 80}]
	return h, ok && h.Target.Task == t.ARN
}

// arrived is called when a request of a client reaches an application: I3.
func (b *bubble) arrived(a *bubbleApp, path string) {
	if from, draining := b.store.drainFrom(a.task); draining && time.Now().After(from) {
		b.broken("I3: a request started on %s, whose target drains since %s ago", a.task, time.Since(from))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrivals[path] = a.task
}

// checkOutcome: a request reached the task that it was meant for, if any (I3), and no failure
// is without a reason (I9).
func (b *bubble) checkOutcome(o timeline.Outcome) {
	b.mu.Lock()
	b.outcomes = append(b.outcomes, o)
	reached := b.arrivals[o.URI]
	b.mu.Unlock()
	if reached != "" && reached != o.Target.Task {
		b.broken("I3: a request for %s reached %s", o.Target.Task, reached)
	}
	if o.Status >= 500 && o.Cause == timeline.CauseNone && o.TargetStatus < 500 {
		b.broken("I9: %s %s was answered with %d for no reason: %+v", o.Method, o.URI, o.Status, o)
	}
}

// checkStatuses: every request that a client saw answered has one outcome, with the same
// status (I8). One whose connection broke has at most one.
func (b *bubble) checkStatuses(g *bubbleLoad) {
	b.mu.Lock()
	outcomes := map[string][]int{}
	for _, o := range b.outcomes {
		outcomes[o.URI] = append(outcomes[o.URI], o.Status)
	}
	b.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	for path, status := range g.seen {
		got := outcomes[path]
		if len(got) > 1 || status != 0 && (len(got) == 0 || got[0] != status) {
			b.broken("I8: a client saw %d for %s, the outcomes say %v", status, path, got)
		}
	}
}

// watch looks now and then whether containers and rows belong together: I2.
func (b *bubble) watch(stop <-chan struct{}) {
	since := map[string]time.Time{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		odd := b.mismatches()
		for what := range since {
			if !odd[what] {
				delete(since, what)
			}
		}
		for what := range odd {
			if since[what].IsZero() {
				since[what] = time.Now()
			}
			if time.Since(since[what]) > 10*time.Second {
				b.broken("I2: for 10 s, %s", what)
			}
		}
	}
}

// mismatches compares containers with rows, unless something keeps the daemon from doing so.
func (b *bubble) mismatches() map[string]bool {
	odd := map[string]bool{}
	if b.life.Load() == nil || b.engine.down() {
		return odd
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	if b.store.full || b.store.runaway {
		return odd
	}
	runs := map[string]bool{}
	list, _ := b.engine.Fake.List(b.t.Context())
	for _, o := range list {
		t := b.store.tasks[o.Task]
		if t == nil || t.Status == orchestrator.Stopped {
			odd["containers exist for the finished task "+o.Task] = true
		}
		runs[o.Task] = slices.ContainsFunc(o.Containers, func(c orchestrator.ContainerObservation) bool { return c.Status == orchestrator.ContainerRunning })
	}
	for arn, t := range b.store.tasks {
		if t.Status == orchestrator.Running && !runs[arn] {
			odd["no container runs for the RUNNING task "+arn] = true
		}
	}
	return odd
}
