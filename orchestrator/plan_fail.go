package orchestrator

import "fmt"

// failure is a way for a deployment to fail, in AWS's words.
type failure struct {
	reason   string // rolloutStateReason
	event    string // what the service event says after "deployment failed: "; empty: no such event
	back     string // what the rolloutStateReason of the rollback begins with
	why      string // why the service deployment was rolled back
	rollback bool   // whether to roll back, where there is what to roll back to
}

// byBreaker is the failure of a deployment by its circuit breaker (ECS-411).
func byBreaker(rollback bool) failure {
	return failure{
		reason: "ECS deployment circuit breaker: tasks failed to start.", event: "tasks failed to start", rollback: rollback,
		back: "ECS deployment circuit breaker", why: "Service deployment rolled back because the circuit breaker threshold was exceeded.",
	}
}

// trip fails a deployment whose tasks keep failing, where the circuit breaker is on.
func (p *planner) trip(arn string) {
	s := p.serviceNow(arn)
	d := s.Primary()
	if !s.Config.BreakerEnable || s.Status != ServiceActive || d.RolloutState != RolloutInProgress ||
		d.Proven && !s.Config.BreakerCumulative || d.FailedTasks < s.Config.Threshold(s.DesiredCount) {
		return
	}
	if r := p.editRecord(d.Record); r != nil {
		r.Breaker.Status, r.Breaker.Failures = MonitorTriggered, d.FailedTasks
	}
	p.fail(arn, byBreaker(s.Config.BreakerRollback))
}

// fail ends the primary deployment as FAILED and rolls back, where that is wanted and a
// deployment was completed before that is not itself what fails (ECS-412).
func (p *planner) fail(arn string, f failure) {
	s := p.editService(arn)
	d := s.Primary()
	d.rollout(p.in.Now, RolloutFailed, f.reason)
	d.Cause = p.sayRollout(s, d, d.Cause)
	if f.event != "" {
		p.say(s, d.Cause, fmt.Sprintf("(service %s) (deployment %s) deployment failed: %s.", s.Name, d.ID, f.event))
	}
	if r := p.editRecord(d.Record); r != nil && !d.Rollback {
		r.Reason = f.reason
	}
	if !f.rollback || d.Rollback || p.backToBlue(s, f) || s.LastCompleted == nil {
		return
	}
	p.rollBack(s, f)
}

// rollBack starts a deployment of the last revision that was completed. Until it is completed
// itself there is nothing to roll back to (ECS-412).
func (p *planner) rollBack(s *Service, f failure) {
	failed := *s.Primary()
	id, cause, to := deploymentID(p.in.ID), failed.Cause, s.LastCompleted
	p.say(s, cause, fmt.Sprintf("(service %s) rolling back to deployment %s.", s.Name, id))
	s.TaskDefinition, s.Network, s.LoadBalancers = to.TaskDefinition, to.Network, to.LoadBalancers
	s.PlatformVersion, s.LaunchType = to.PlatformVersion, to.LaunchType
	startDeployment(s, id, p.in.Now, fmt.Sprintf("%s: rolling back to deploymentId %s.", f.back, id))
	d := s.Primary()
	d.Rollback, d.Revision.Images, d.Revision.Digests = true, to.Images, to.Digests
	d.Record, d.RevisionARN = failed.Record, s.LastCompletedARN
	d.Cause = p.sayRollout(s, d, cause)
	if r := p.editRecord(d.Record); r != nil {
		r.Reason, r.Rollback = f.why, &Rollback{Reason: f.why, StartedAt: p.in.Now, Revision: d.RevisionARN}
	}
	s.LastCompleted, s.LastCompletedARN = nil, ""
	p.count(s.ARN)
}

// obeyStop ends a deployment as StopServiceDeployment asked (ECS-414).
func (p *planner) obeyStop(arn string) {
	s := p.serviceNow(arn)
	d := s.Primary()
	if d.Stop == "" || d.RolloutState != RolloutInProgress || s.Status != ServiceActive {
		return
	}
	p.fail(arn, failure{
		reason: fmt.Sprintf("ECS deployment %s stopped.", d.ID), rollback: d.Stop == StopRollback,
		back: "ECS deployment stopped", why: "Service deployment rolled back because it was stopped.",
	})
}
