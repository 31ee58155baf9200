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
		production, test := d.shares()
		add(lb.Advanced.ProductionListenerRule, mine, other, production)
		add(lb.Advanced.TestListenerRule, mine, other, test)
	}
	return splits
}

// shares returns what the deployment shall have of the production and of the test traffic.
func (d *Deployment) shares() (production, test float64) {
	switch {
	case d.Shift != nil:
		return d.Shift.Production, d.Shift.Test
	case d.Reclaim != nil:
		return 100, 100
	}
	return untouched, untouched
}

// rules returns the listener rules that a deployment's shift depends on.
func (d *Deployment) rules() []string {
	if d.Shift == nil && d.Reclaim == nil || d.RolloutState != RolloutInProgress {
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
		return d.Shift == nil || d.Shift.Failed != ""
	}
	maps.Copy(with, split.Weights)
	return maps.Equal(now, with)
}

// steer plans to rewrite the listener rules that do not do yet what the deployment wants: a
// rule that somebody else changes while it is on its way is set right again.
func (p *planner) steer(arn string) {
	d := p.serviceNow(arn).Primary()
	if !p.due(d.steering().RetryAt) {
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
	if s == nil || !p.shifting(r.Service) && (r.Action == CallHook || !p.reclaims(p.serviceNow(r.Service))) {
		return
	}
	if r.Action == CallHook {
		p.hookResult(r)
		return
	}
	d := p.serviceNow(r.Service).Primary()
	said, failed := d.steering().Complaints[r.Rule]
	switch {
	case r.Err != nil:
		p.editSteering(r.Service).RetryAt = p.in.Now.Add(retryAfter)
		if said != r.Err.Error() {
			p.complainOfRule(r)
			p.event(timeline.Warning, s.ARN, d.Cause, fmt.Sprintf("shift traffic of service %s: %v; trying again", s.Name, r.Err), deploymentData(s, d))
		}
	case failed:
		st := p.editSteering(r.Service)
		st.Complaints = maps.Clone(st.Complaints)
		if delete(st.Complaints, r.Rule); len(st.Complaints) == 0 {
			st.RetryAt = zeroTime
		}
	}
}

// complainOfRule notes what rewriting a rule said: of several rules, one that is done does not
// make another one's failure news.
func (p *planner) complainOfRule(r Result) {
	st := p.editSteering(r.Service)
	st.Complaints = maps.Clone(st.Complaints)
	if st.Complaints == nil {
		st.Complaints = map[string]string{}
	}
	st.Complaints[r.Rule] = r.Err.Error()
}

// steering is how the deployment gets on with rewriting the listener rules, for reading.
func (d *Deployment) steering() *Steering {
	if d.Shift == nil {
		return d.Reclaim
	}
	return &d.Shift.Steering
}

// editSteering returns the same of the primary deployment, for changing.
func (p *planner) editSteering(arn string) *Steering {
	d := p.editService(arn).Primary()
	if d.Shift == nil {
		d.Reclaim = new(*d.Reclaim)
		return d.Reclaim
	}
	return &p.editShift(arn).Steering
}

// reclaims reports whether the primary deployment takes traffic back.
func (p *planner) reclaims(s *Service) bool {
	d := s.Primary()
	return s.Status == ServiceActive && d != nil && d.Shift == nil && d.Reclaim != nil && d.RolloutState == RolloutInProgress
}

// reclaiming reports whether it has not got all of it yet: the tasks that still serve stay.
func (p *planner) reclaiming(s *Service) bool { return p.reclaims(s) && !p.settled(s.Primary()) }
