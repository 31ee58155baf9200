package orchestrator

import (
	"fmt"
	"maps"

	"drydock/timeline"
)

// Split is how a listener rule shall share its requests.
type Split struct {
	Rule    string         // ARN
	Weights map[string]int // by target group ARN
}

// splits returns what the listener rules of a deployment shall do at its present shares.
func (d *Deployment) splits() []Split {
	var splits []Split
	add := func(rule, mine, other string, share float64) {
		if rule == "" || share < 0 {
			return
		}
		weight, rest := weigh(share)
		splits = append(splits, Split{rule, map[string]int{mine: weight, other: rest}})
	}
	for _, lb := range d.Revision.LoadBalancers {
		if lb.Advanced == nil {
			continue
		}
		mine, other := d.groups(lb)
		add(lb.Advanced.ProductionListenerRule, mine, other, d.Shift.Production)
		add(lb.Advanced.TestListenerRule, mine, other, d.Shift.Test)
	}
	return splits
}

// rules returns the listener rules that a deployment's shift depends on.
func (d *Deployment) rules() []string {
	if d.Shift == nil || d.RolloutState != RolloutInProgress {
		return nil
	}
	var rules []string
	for _, lb := range d.Revision.LoadBalancers {
		if lb.Advanced == nil {
			continue
		}
		rules = append(rules, lb.Advanced.ProductionListenerRule)
		if lb.Advanced.TestListenerRule != "" {
			rules = append(rules, lb.Advanced.TestListenerRule)
		}
	}
	return rules
}

// settled reports whether the listener rules share their requests as the deployment wants.
func (p *planner) settled(d *Deployment) bool {
	for _, split := range d.splits() {
		if !p.splitsSo(d, split) {
			return false
		}
	}
	return true
}

// splitsSo reports whether a listener rule shares its requests so. One that is gone is nothing
// that a rollback could wait for.
func (p *planner) splitsSo(d *Deployment, split Split) bool {
	now := p.in.Weights[split.Rule]
	with := maps.Clone(now)
	if with == nil {
		return d.Shift.Failed != ""
	}
	maps.Copy(with, split.Weights)
	return maps.Equal(now, with)
}

// steer plans to rewrite the listener rules that do not do yet what the deployment wants: a
// rule that somebody else changes while it is on its way is set right again.
func (p *planner) steer(arn string) {
	d := p.serviceNow(arn).Primary()
	if d.Shift == nil || !p.due(d.Shift.RetryAt) {
		return
	}
	for _, split := range d.splits() {
		if !p.splitsSo(d, split) {
			p.plan.Actions = append(p.plan.Actions, Action{Kind: ShiftTraffic, Service: arn, Split: split, Cause: d.Cause})
		}
	}
}

// shiftResult takes in what an action for a service came to.
func (p *planner) shiftResult(r Result) {
	s := p.in.Services[r.Service]
	if s == nil || !p.shifting(r.Service) {
		return
	}
	if r.Action == CallHook {
		p.hookResult(r)
		return
	}
	d := p.serviceNow(r.Service).Primary()
	said, failed := d.Shift.Complaints[r.Rule]
	switch {
	case r.Err != nil:
		p.editShift(r.Service).RetryAt = p.in.Now.Add(retryAfter)
		if said != r.Err.Error() {
			p.complainOfRule(r)
			p.event(timeline.Warning, s.ARN, d.Cause, fmt.Sprintf("shift traffic of service %s: %v; trying again", s.Name, r.Err), deploymentData(s, d))
		}
	case failed:
		sh := p.editShift(r.Service)
		sh.Complaints = maps.Clone(sh.Complaints)
		if delete(sh.Complaints, r.Rule); len(sh.Complaints) == 0 {
			sh.RetryAt = zeroTime
		}
	}
}

// complainOfRule notes what rewriting a rule said: of several rules, one that is done does not
// make another one's failure news.
func (p *planner) complainOfRule(r Result) {
	sh := p.editShift(r.Service)
	sh.Complaints = maps.Clone(sh.Complaints)
	if sh.Complaints == nil {
		sh.Complaints = map[string]string{}
	}
	sh.Complaints[r.Rule] = r.Err.Error()
}
