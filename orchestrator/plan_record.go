package orchestrator

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"drydock/timeline"
)

// Why service deployments are stopped that did not fail (assumed wording, ECS-413).
const (
	endSuperseded = "Service deployment was stopped because a newer one has begun."
	endDeleted    = "Service deployment was stopped because its service was deleted."
)

// record brings the service deployments of a service up to date: that of the primary deployment
// follows it; those of others that were not done are over (ECS-413).
func (p *planner) record(arn string) {
	s := p.serviceNow(arn)
	current := s.Primary()
	if current == nil {
		return
	}
	for n := range s.Deployments {
		if d := &s.Deployments[n]; d.Record != "" && d.Record != current.Record {
			p.recordEnd(s, d, endSuperseded)
		}
	}
	if s.Status != ServiceActive {
		p.recordEnd(s, current, endDeleted)
		return
	}
	p.recordProgress(s, current)
	p.recordImages(current)
}

// recordEnd stops a service deployment that is not over.
func (p *planner) recordEnd(s *Service, d *Deployment, reason string) {
	r := p.recordNow(d.Record)
	if r == nil || r.over() {
		return
	}
	r = p.editRecord(d.Record)
	r.Status, r.Reason, r.StoppedAt, r.FinishedAt, r.UpdatedAt = ServiceDeploymentStopped, reason, p.in.Now, p.in.Now, p.in.Now
	settleMonitors(r)
	p.event(timeline.Deployment, s.ARN, d.Cause, fmt.Sprintf("deployment %s of service %s: %s", d.ID, s.Name, reason), deploymentData(s, d))
}

// recordProgress writes how far the primary deployment has come.
func (p *planner) recordProgress(s *Service, d *Deployment) {
	old := p.recordNow(d.Record)
	if old == nil || old.over() {
		return
	}
	r := old.clone()
	if r.StartedAt.IsZero() {
		r.StartedAt = p.in.Now
	}
	r.Stage, r.Config = d.Stage, s.Config
	recordCounts(s, r)
	recordShift(s, d, r)
	recordMonitors(s, d, r)
	p.recordStatus(d, r)
	if !reflect.DeepEqual(old, r) {
		r.UpdatedAt = p.in.Now
		p.plan.Records[r.ARN] = r
	}
}

// recordStatus sets the status that follows from the deployment's rollout.
func (p *planner) recordStatus(d *Deployment, r *ServiceDeployment) {
	requested := d.Stop != ""
	switch {
	case d.RolloutState == RolloutInProgress && requested:
	case d.RolloutState == RolloutInProgress && d.Rollback:
		r.Status = ServiceDeploymentRollbackInProgress
	case d.RolloutState == RolloutInProgress:
		r.Status = ServiceDeploymentInProgress
	case d.RolloutState == RolloutCompleted && d.Rollback:
		r.Status = ServiceDeploymentRollbackSuccessful
	case d.RolloutState == RolloutCompleted:
		r.Status = ServiceDeploymentSuccessful
	case d.Rollback:
		r.Status = ServiceDeploymentRollbackFailed
	default:
		r.Status, r.StoppedAt = ServiceDeploymentStopped, p.in.Now
	}
	if d.RolloutState != RolloutInProgress {
		r.FinishedAt = p.in.Now
		settleMonitors(r)
	}
}

// recordCounts counts the tasks of every service revision that takes part.
func recordCounts(s *Service, r *ServiceDeployment) {
	for n := range r.Sources {
		countRevision(s, &r.Sources[n])
	}
	countRevision(s, &r.Target)
}

// recordShift shows the hooks and the traffic of a deployment that shifts it.
func recordShift(s *Service, d *Deployment, r *ServiceDeployment) {
	if d.Shift == nil {
		return
	}
	r.Hooks = d.Shift.Hooks
	weigh := func(c *RevisionCounts) { c.ProductionWeight, c.TestWeight = s.Traffic(c.ARN) }
	for n := range r.Sources {
		weigh(&r.Sources[n])
	}
	weigh(&r.Target)
}

// countRevision counts the tasks of one service revision.
func countRevision(s *Service, c *RevisionCounts) {
	c.Requested, c.Running, c.Pending = 0, 0, 0
	for _, d := range s.Deployments {
		if d.RevisionARN != c.ARN {
			continue
		}
		c.Running += d.RunningCount
		c.Pending += d.PendingCount
		c.Requested = min(s.DesiredCount, c.Requested+max(wanted(s, &d), 0))
	}
}

// recordMonitors shows the circuit breaker and the alarms; what has triggered stays so.
func recordMonitors(s *Service, d *Deployment, r *ServiceDeployment) {
	b, a := &r.Breaker, &r.Alarms
	a.Names = s.Config.Alarms.Names
	if !d.Rollback {
		b.Failures, b.Threshold = d.FailedTasks, s.Config.Threshold(s.DesiredCount)
	}
	if b.Status != MonitorTriggered {
		b.Status = monitor(s.Config.BreakerEnable, d.Proven && !s.Config.BreakerCumulative)
	}
	if a.Status != MonitorTriggered {
		a.Status = monitor(s.Config.Alarms.Enable && d.Watch != AlarmsIgnored, false)
	}
}

func monitor(enabled, done bool) string {
	switch {
	case !enabled:
		return MonitorDisabled
	case done:
		return MonitorComplete
	}
	return MonitorMonitoring
}

// settleMonitors ends what still watches a service deployment that is over.
func settleMonitors(r *ServiceDeployment) {
	for _, status := range []*string{&r.Breaker.Status, &r.Alarms.Status} {
		if *status == MonitorMonitoring {
			*status = MonitorComplete
		}
	}
}

// recordImages keeps in the service revision what the deployment's tags turned out to mean.
func (p *planner) recordImages(d *Deployment) {
	r := p.in.Revisions[d.RevisionARN]
	if r == nil || maps.Equal(r.Revision.Images, d.Revision.Images) {
		return
	}
	r = p.editRevision(r.ARN)
	r.Revision.Images, r.Revision.Digests = d.Revision.Images, d.Revision.Digests
}

// editRevision returns a service revision for changing: a copy, made once; nil if there is none.
func (p *planner) editRevision(arn string) *ServiceRevision {
	if r, ok := p.plan.Revisions[arn]; ok {
		return r
	}
	r := p.in.Revisions[arn]
	if r == nil {
		return nil
	}
	c := *r
	p.plan.Revisions[arn] = &c
	return &c
}

// recordNow returns a service deployment as planned so far, nil if there is none.
func (p *planner) recordNow(arn string) *ServiceDeployment {
	if r, ok := p.plan.Records[arn]; ok {
		return r
	}
	return p.in.Records[arn]
}

// editRecord returns a service deployment for changing: a copy, made once; nil if there is none.
func (p *planner) editRecord(arn string) *ServiceDeployment {
	if r, ok := p.plan.Records[arn]; ok {
		return r
	}
	r := p.in.Records[arn]
	if r == nil {
		return nil
	}
	r = r.clone()
	p.plan.Records[arn] = r
	return r
}

// forgetRecords deletes what a service that is forgotten leaves behind.
func (p *planner) forgetRecords(service string) {
	var gone []string
	for arn, r := range p.in.Records {
		if r.Service == service {
			gone = append(gone, arn)
		}
	}
	for arn, r := range p.in.Revisions {
		if r.Service == service {
			gone = append(gone, arn)
		}
	}
	slices.Sort(gone)
	p.plan.Gone = append(p.plan.Gone, gone...)
}
