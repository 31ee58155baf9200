package orchestrator

import (
	"fmt"
	"slices"

	"drydock/timeline"
)

// service plans the next steps of one service.
func (p *planner) service(arn string) {
	p.count(arn)
	s := p.serviceNow(arn)
	if s.Status == ServiceInactive {
		p.forget(s)
		return
	}
	if !p.ticks(arn) {
		return
	}
	if s.Status == ServiceDraining && p.gone(arn) {
		p.inactive(arn)
		return
	}
	if len(s.Deployments) == 0 {
		return
	}
	p.obeyStop(arn)
	p.trip(arn)
	p.watchAlarms(arn)
	p.shift(arn)
	d := p.decide(arn)
	p.carryOut(arn, d)
	p.count(arn)
	p.complete(arn)
	p.record(arn)
}

// ticks reports whether the scheduler's period allows a decision now (ECS-001).
func (p *planner) ticks(arn string) bool {
	if p.in.Pace.Tick == 0 {
		return true
	}
	next := p.in.TickAt[arn]
	if !p.due(next) {
		return false
	}
	next = p.in.Now.Add(p.in.Pace.Tick)
	p.plan.TickAt[arn] = next
	p.wake(next)
	return true
}

// count brings the deployments' counters up to date.
func (p *planner) count(arn string) {
	s := p.serviceNow(arn)
	for n := range s.Deployments {
		old := s.Deployments[n]
		d := old
		d.PendingCount, d.RunningCount, d.HealthyCount = p.tally(arn, d.ID)
		d.DesiredCount = 0
		if d.Status == DeploymentPrimary {
			d.DesiredCount = s.DesiredCount
		}
		if d.Status == DeploymentActive && d.Keep < 0 {
			d.Keep = p.liveOf(arn, d.ID)
		}
		if d.Status == DeploymentActive {
			d.Keep, d.Grow = d.Keep+d.Grow, 0
		}
		if d.PendingCount != old.PendingCount || d.RunningCount != old.RunningCount || d.HealthyCount != old.HealthyCount ||
			d.DesiredCount != old.DesiredCount || d.Keep != old.Keep || d.Grow != old.Grow {
			d.UpdatedAt = p.in.Now
			s = p.editService(arn)
			s.Deployments[n] = d
		}
	}
}

func (p *planner) tally(arn, deployment string) (pending, running, healthy int) {
	for _, i := range p.of[arn] {
		t := p.tasks[i]
		if t.Deployment != deployment {
			continue
		}
		if t.pending() {
			pending++
		}
		if t.running() {
			running++
		}
		if p.healthy(i) {
			healthy++
		}
	}
	return pending, running, healthy
}

func (p *planner) liveOf(arn, deployment string) int {
	n := 0
	for _, i := range p.of[arn] {
		if t := p.tasks[i]; t.Deployment == deployment && t.live() {
			n++
		}
	}
	return n
}

// gone reports whether no task of a service that is being deleted is left running (ECS-065).
func (p *planner) gone(arn string) bool {
	return !slices.ContainsFunc(p.of[arn], func(i int) bool { return p.tasks[i].Status.before(Stopping) })
}

func (p *planner) inactive(arn string) {
	p.record(arn)
	s := p.editService(arn)
	s.Status, s.Deployments, s.InactiveAt = ServiceInactive, nil, p.in.Now
	p.event(timeline.Deployment, s.ARN, s.Cause, fmt.Sprintf("service %s is INACTIVE: its last task has stopped", s.Name),
		map[string]string{"service": s.Name, "cluster": s.Cluster})
}

// forget deletes an inactive service after a while.
func (p *planner) forget(s *Service) {
	if p.due(s.InactiveAt.Add(StoppedKept)) {
		p.plan.Gone = append(p.plan.Gone, s.ARN)
		delete(p.plan.Services, s.ARN)
		p.forgetRecords(s.ARN)
	}
}
