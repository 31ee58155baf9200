package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// backToBlue makes blue the primary deployment again, whose tasks still run, after green has
// FAILED: the traffic returns with the next rewrite of the rules, no task has to start (ECS-146).
// It reports false, and does nothing, where there is no blue to go back to any more.
func (p *planner) backToBlue(s *Service, f failure) bool {
	green := s.Primary()
	if green.Shift == nil || green.Shift.Failed != "" || green.Shift.Stage == StageCleanUp {
		return false
	}
	n := slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.ID == green.Shift.Blue })
	if n < 0 {
		return false
	}
	failed, blue := *green, s.Deployments[n]
	p.say(s, failed.Cause, fmt.Sprintf("(service %s) rolling back to deployment %s.", s.Name, blue.ID))
	if blue.Record != failed.Record { // it was overtaken before it was done itself
		p.recordEnd(s, &blue, endSuperseded)
	}
	failed.Status, failed.Keep = DeploymentActive, -1
	blue.Status, blue.Rollback, blue.Keep = DeploymentPrimary, true, -1
	blue.Record, blue.Stop, blue.Watch, blue.BakeUntil = failed.Record, "", AlarmsIgnored, zeroTime
	blue.FailedTasks = 0 // what failed while it served does not fail the way back to it
	blue.rollout(p.in.Now, RolloutInProgress, fmt.Sprintf("%s: rolling back to deploymentId %s.", f.back, blue.ID))
	blue.Shift = &Shift{
		Config: failed.Shift.Config, Failed: failed.ID, Hooks: abandoned(failed.Shift.Hooks),
		Production: back(failed.Shift.Production), Test: back(failed.Shift.Test),
	}
	blue.Cause = p.sayRollout(s, &blue, failed.Cause)
	if r := p.editRecord(blue.Record); r != nil {
		r.Reason, r.Rollback = f.why, &Rollback{Reason: f.why, StartedAt: p.in.Now, Revision: blue.RevisionARN}
	}
	rest := slices.DeleteFunc(slices.Clone(s.Deployments), func(d Deployment) bool { return d.ID == failed.ID || d.ID == blue.ID })
	s.Deployments = append([]Deployment{blue, failed}, rest...)
	s.Steady = false
	s.LastCompleted, s.LastCompletedARN = nil, ""
	p.restore(s, blue.Revision)
	p.count(s.ARN)
	return true
}

// back returns the share of blue in a rollback, given green's: all of it where green touched it.
func back(share float64) float64 {
	if share < 0 {
		return untouched
	}
	return 100
}

// abandoned returns hook runs, those that were open as failed: nobody waits for them any more.
func abandoned(hooks []HookRun) []HookRun {
	hooks = slices.Clone(hooks)
	for n := range hooks {
		if hooks[n].open() {
			hooks[n].Status = HookFailed
		}
	}
	return hooks
}

// restore makes a revision what the service wants.
func (p *planner) restore(s *Service, r Revision) {
	s.TaskDefinition, s.Network, s.LoadBalancers = r.TaskDefinition, r.Network, r.LoadBalancers
	s.PlatformVersion, s.LaunchType = r.PlatformVersion, r.LaunchType
}

// goBack does what GoBack asks for: back to blue or, where there is none, the end of the
// deployment. It reports whether the deployment goes on.
func (p *planner) goBack(arn string) bool {
	d := p.serviceNow(arn).Primary()
	why := d.Shift.GoBack
	p.editShift(arn).GoBack = ""
	p.fail(arn, failure{
		reason: fmt.Sprintf("ECS deployment %s failed: %s", d.ID, why), event: strings.TrimSuffix(why, "."), rollback: true,
		back: "ECS deployment failed", why: "Service deployment rolled back because " + why,
	})
	return p.shifting(arn)
}

var zeroTime time.Time

// hours writes a long duration for people.
func hours(d time.Duration) string { return fmt.Sprintf("%d hours", int(d/time.Hour)) }
