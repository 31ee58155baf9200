package orchestrator

import (
	"fmt"
	"strings"
	"time"

	"drydock/timeline"
)

// becameHealthy notes that a task of a deployment was healthy: failures are no longer in a row.
func (p *planner) becameHealthy(t *Task) {
	d := p.deploymentOf(t)
	if d == nil || d.Proven && d.FailedTasks == 0 {
		return
	}
	d = p.editDeployment(t)
	d.Proven = true
	if !p.serviceNow(t.Service).Config.BreakerCumulative {
		d.FailedTasks = 0
	}
}

// startedWell notes that a task reached RUNNING: the start throttle ends (ECS-007).
func (p *planner) startedWell(t *Task) {
	if d := p.deploymentOf(t); d != nil && d.FailedStarts > 0 {
		d = p.editDeployment(t)
		d.FailedStarts = 0
	}
	if t.Service != "" && p.serviceNow(t.Service) != nil {
		p.settle(t.Service, complaintImpaired, complaintPlacement)
	}
}

// countFailure counts a task that failed before RUNNING or was stopped by a health check, until
// a task was healthy (ECS-031); for good where the breaker is not to reset (ECS-408).
func (p *planner) countFailure(t *Task) {
	d := p.deploymentOf(t)
	if d == nil || d.Proven && !p.serviceNow(t.Service).Config.BreakerCumulative {
		return
	}
	p.editDeployment(t).FailedTasks++
}

// countFailedStart slows starts down after failures in a row before RUNNING (ECS-007).
func (p *planner) countFailedStart(t *Task, reason string) {
	if p.deploymentOf(t) == nil {
		return
	}
	d := p.editDeployment(t)
	d.FailedStarts++
	d.NextStart = p.in.Now.Add(backoff(p.in.Pace.StartBackoff, p.in.Pace.StartBackoffMax, d.FailedStarts))
	p.sayNotPlaced(t, reason)
	if d.FailedStarts >= impairedAfter {
		name := p.serviceNow(t.Service).Name
		p.complain(t.Service, complaintImpaired, t.Cause, fmt.Sprintf("(service %s) is unable to consistently start tasks successfully.", name))
	}
}

// sayNotPlaced tells the service why a task of it can't be started, once a reason.
func (p *planner) sayNotPlaced(t *Task, reason string) {
	s := p.serviceNow(t.Service)
	if s == nil {
		return
	}
	p.complain(s.ARN, complaintPlacement+reason, t.Cause, fmt.Sprintf("(service %s) was unable to place a task. Reason: %s.", s.Name, strings.TrimSuffix(reason, ".")))
}

// soon is how short a task's run must be to slow its replacement down a little: a container
// that exits at once would keep the machine busy with starts.
const soon = 10 * time.Second

func (p *planner) countCrash(t *Task) {
	if p.deploymentOf(t) == nil {
		return
	}
	d := p.editDeployment(t)
	d.Cause = t.Cause
	if p.in.Now.Sub(t.StartedAt) > soon {
		d.Crashes = 0
		return
	}
	d.Crashes++
	if d.Crashes > 1 {
		d.NextStart = p.in.Now.Add(backoff(250*time.Millisecond, soon, d.Crashes-1))
	}
}

func (p *planner) deploymentOf(t *Task) *Deployment {
	s := p.serviceNow(t.Service)
	if s == nil {
		return nil
	}
	return s.Deployment(t.Deployment)
}

func (p *planner) editDeployment(t *Task) *Deployment {
	return p.editService(t.Service).Deployment(t.Deployment)
}

// complete marks the primary deployment completed once it has all its tasks, all healthy,
// and the older ones have none left (ECS-066).
func (p *planner) complete(arn string) {
	s := p.serviceNow(arn)
	if s.Status != ServiceActive {
		return
	}
	p.dropOld(arn)
	s = p.serviceNow(arn)
	d := s.Primary()
	if p.shifting(arn) && d.Shift.Stage != StageCleanUp || p.reclaiming(s) {
		return
	}
	if len(s.Deployments) > 1 || d.RunningCount != s.DesiredCount || d.HealthyCount != s.DesiredCount || d.PendingCount > 0 {
		return
	}
	// What was stopped belongs to a deployment: its end is part of it, that of its interface is not.
	// Later the service is steady as soon as the targets are out (ECS-431).
	for _, i := range p.of[arn] {
		if t := p.tasks[i]; !t.live() && t.Status.before(Deprovisioning) && t.Drain && (d.RolloutState == RolloutInProgress || !t.Deregistered) {
			return
		}
	}
	if d.RolloutState == RolloutInProgress {
		if d.Shift == nil && !p.baked(arn) {
			return
		}
		s = p.editService(arn)
		d = s.Primary()
		d.rollout(p.in.Now, RolloutCompleted, fmt.Sprintf("ECS deployment %s completed.", d.ID))
		d.Cause = p.sayRollout(s, d, d.Cause)
		revision := d.Revision
		s.LastCompleted, s.LastCompletedARN = &revision, d.RevisionARN
		p.say(s, d.Cause, fmt.Sprintf("(service %s) (deployment %s) deployment completed.", s.Name, d.ID))
		p.warnOfRollback(s, d)
	}
	if !s.Steady || p.due(s.SteadySaid.Add(steadyRepeat)) {
		s = p.editService(arn)
		s.Steady, s.SteadySaid = true, p.in.Now
		p.say(s, s.Primary().Cause, fmt.Sprintf("(service %s) has reached a steady state.", s.Name))
	}
}

// warnOfRollback says that the service is stable on what it ran before: the waiter does not see
// that (ECS-443).
func (p *planner) warnOfRollback(s *Service, d *Deployment) {
	if !d.Rollback {
		return
	}
	failed := ""
	if r := p.in.Records[d.Record]; r != nil {
		if v := p.in.Revisions[r.Target.ARN]; v != nil && v.Revision.TaskDefinition != d.Revision.TaskDefinition {
			failed = ", not " + lastPart(v.Revision.TaskDefinition)
		}
	}
	p.event(timeline.Warning, s.ARN, d.Cause,
		fmt.Sprintf("service %s is stable again, but on %s%s: the deployment was rolled back, and `aws ecs wait services-stable` succeeds all the same", s.Name, lastPart(d.Revision.TaskDefinition), failed),
		deploymentData(s, d))
}

// dropOld removes older deployments that have no task left.
func (p *planner) dropOld(arn string) {
	for n := len(p.serviceNow(arn).Deployments) - 1; n > 0; n-- {
		id := p.serviceNow(arn).Deployments[n].ID
		if p.left(arn, id) || p.keeps(arn, id) {
			continue
		}
		s := p.editService(arn)
		if d := &s.Deployments[n]; d.Record != s.Primary().Record {
			p.recordEnd(s, d, endSuperseded)
		}
		s.Deployments = append(s.Deployments[:n], s.Deployments[n+1:]...)
	}
}

// left reports whether a deployment has tasks whose containers have not ended, or that are still to be replaced.
func (p *planner) left(arn, deployment string) bool {
	for _, i := range p.of[arn] {
		if t := p.tasks[i]; t.Deployment == deployment && (t.Status.before(Deprovisioning) || unnoticed(t)) {
			return true
		}
	}
	return false
}

func (p *planner) sayRollout(s *Service, d *Deployment, cause int64) int64 {
	return p.event(timeline.Deployment, s.ARN, cause, fmt.Sprintf("deployment %s of service %s: %s", d.ID, s.Name, d.RolloutReason), deploymentData(s, d))
}

func deploymentData(s *Service, d *Deployment) map[string]string {
	return map[string]string{
		"service": s.Name, "cluster": s.Cluster, "deployment": d.ID,
		"taskDefinition": d.Revision.TaskDefinition, "rolloutState": d.RolloutState,
	}
}

// backoff returns the delay before the next start after n failures in a row.
func backoff(first, most time.Duration, n int) time.Duration {
	d := first
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}
