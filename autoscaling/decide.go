package autoscaling

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"drydock/cloudwatch"
)

// Service is what is known of a service that is scaled.
type Service struct {
	Desired   int
	Running   int
	Deploying bool // a deployment is in progress
}

// choice is what a pass comes to for one target.
type choice struct {
	desired  int
	policy   *Policy
	alarm    *cloudwatch.Alarm
	cooldown time.Duration
}

// decide says what the desired count is to be, nil if it is right. It is a function of its
// arguments only.
func decide(now time.Time, pace Pace, t *Target, s Service, alarms []*cloudwatch.Alarm) *choice {
	d := decider{now: now, pace: pace, target: t, service: s, alarms: alarms}
	if c := d.out(); c != nil {
		return c
	}
	return d.in()
}

type decider struct {
	now     time.Time
	pace    Pace
	target  *Target
	service Service
	alarms  []*cloudwatch.Alarm
}

// base is the count that scaling out starts from: the running tasks, but during a cooldown those
// of before it, so that what was added is not added again (AAS-011, AAS-012).
func (d *decider) base() int {
	if d.now.Before(d.target.OutUntil) {
		return min(d.target.OutBase, d.service.Running)
	}
	return d.service.Running
}

// out returns the largest count that any policy asks for, if that is more than there is (AAS-015).
func (d *decider) out() *choice {
	if d.target.Suspended.Out {
		return nil
	}
	var best *choice
	for i := range d.target.Policies {
		p := &d.target.Policies[i]
		for _, c := range []*choice{d.trackOut(p), d.step(p, d.base())} {
			best = d.larger(best, c)
		}
	}
	if best == nil || best.desired <= d.service.Desired {
		return nil
	}
	return best
}

// in returns the larger of the lower counts that target tracking and step scaling ask for, none
// while a deployment is in progress (AAS-016) or a cooldown lasts.
func (d *decider) in() *choice {
	if d.target.Suspended.In || d.service.Deploying || d.now.Before(d.target.InUntil) || d.now.Before(d.target.OutUntil) {
		return nil
	}
	best := d.tracksIn()
	for i := range d.target.Policies {
		best = d.larger(best, d.step(&d.target.Policies[i], d.service.Running))
	}
	if best == nil || best.desired >= d.service.Desired {
		return nil
	}
	return best
}

// tracksIn returns the largest count that target tracking asks for, if all of its policies that
// may scale in are well below their targets (AAS-015).
func (d *decider) tracksIn() *choice {
	var best *choice
	for i := range d.target.Policies {
		p := &d.target.Policies[i]
		if p.Tracking == nil || p.Tracking.DisableScaleIn {
			continue
		}
		c := d.trackIn(p)
		if c == nil {
			return nil
		}
		best = d.larger(best, c)
	}
	return best
}

func (d *decider) larger(a, b *choice) *choice {
	if b == nil {
		return a
	}
	if b.desired = d.target.clamp(b.desired); a == nil || b.desired > a.desired {
		return b
	}
	return a
}

// firing returns the alarm of a suffix that names the policy among its actions of now.
func (d *decider) firing(p *Policy, part string) *cloudwatch.Alarm {
	for _, a := range d.alarms {
		if strings.Contains(a.Name, part) && slices.Contains(a.Actions(), p.ARN) {
			return a
		}
	}
	return nil
}

func (d *decider) trackOut(p *Policy) *choice {
	if p.Tracking == nil {
		return nil
	}
	a := d.firing(p, highPart)
	if !d.fresh(a) {
		return nil
	}
	return &choice{desired: d.track(p, *a.Value, d.base()), policy: p, alarm: a, cooldown: d.cooldown(p.Tracking.OutCooldown)}
}

func (d *decider) trackIn(p *Policy) *choice {
	a := d.firing(p, lowPart)
	if !d.fresh(a) {
		return nil
	}
	return &choice{desired: d.track(p, *a.Value, d.service.Running), policy: p, alarm: a, cooldown: d.cooldown(p.Tracking.InCooldown)}
}

// fresh reports whether an alarm goes off about a time after the last change: before, its metric
// tells of another number of tasks (AAS-017).
func (d *decider) fresh(a *cloudwatch.Alarm) bool {
	return a != nil && a.Value != nil && !a.ValueAt.Before(d.target.ChangedAt)
}

// track returns how many tasks bring the metric to its target (AAS-011). A metric beyond measure
// asks for more than any maximum; one that is no number asks for nothing.
func (d *decider) track(p *Policy, value float64, base int) int {
	exact := math.Ceil(float64(base)*value/p.Tracking.threshold(d.pace) - 1e-9)
	if math.IsNaN(exact) {
		return base
	}
	return int(max(0, min(exact, math.MaxInt32)))
}

// step returns what a step scaling policy asks for, nil if none of its alarms goes off, or if it
// acted just now.
func (d *decider) step(p *Policy, base int) *choice {
	if p.Step == nil || d.now.Sub(d.target.ActedAt[p.Name]) < d.pace.Repeat {
		return nil
	}
	a := d.firing(p, "")
	if a == nil || a.Value == nil {
		return nil
	}
	interval := p.Step.find(*a.Value-a.Threshold, strings.HasPrefix(a.Comparison, "Less"))
	if interval == nil {
		return nil
	}
	return &choice{desired: p.Step.apply(interval, base), policy: p, alarm: a, cooldown: d.cooldown(p.Step.Cooldown)}
}

func (d *decider) cooldown(own *time.Duration) time.Duration {
	if own == nil {
		return d.pace.Cooldown
	}
	return *own
}

// cause words why, as AWS does (AAS-018).
func (c *choice) cause() string {
	return fmt.Sprintf("monitor alarm %s in state %s triggered policy %s", c.alarm.Name, c.alarm.State, c.policy.Name)
}
