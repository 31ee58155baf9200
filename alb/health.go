package alb

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// State is the health state of a target.
type State string

// The states of a target behind an Application Load Balancer (ALB-223).
const (
	Unused    State = "unused"
	Initial   State = "initial"
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
	Draining  State = "draining"
)

// Reasons and descriptions in ELBv2's words (ALB-224).
const (
	reasonNotInUse           = "Target.NotInUse"
	descriptionNotInUse      = "Target group is not configured to receive traffic from the load balancer"
	reasonNotRegistered      = "Target.NotRegistered"
	descriptionNotRegistered = "Target is not registered to the target group"
	reasonRegistration       = "Elb.RegistrationInProgress"
	descriptionRegistration  = "Target registration is in progress"
	reasonInitialChecks      = "Elb.InitialHealthChecking"
	descriptionInitialChecks = "Initial health checks in progress"

	reasonTimeout = "Target.Timeout"

	reasonDeregistration      = "Target.DeregistrationInProgress"
	descriptionDeregistration = "Target deregistration is in progress"
)

// moves holds the states that may follow each state (ALB-225). Draining has no
// successor: a draining target only ever goes away.
var moves = map[State][]State{
	Unused:    {Initial, Draining},
	Initial:   {Initial, Healthy, Unhealthy, Unused, Draining},
	Healthy:   {Unhealthy, Unused, Draining},
	Unhealthy: {Unhealthy, Healthy, Unused, Draining},
	Draining:  {},
}

// change is what becomes of a target, and why.
type change struct {
	to                          State
	reason, description, detail string
	blocked                     string // what the security groups do not let through, if that is why
	cause                       int64
}

// advance is the only door through which a target's state changes. It reports whether
// the change was allowed. The row given may differ from the stored one in other fields.
func (x *tx) advance(r *registration, c change) bool {
	if !slices.Contains(moves[r.State], c.to) || r.State == c.to && r.Reason == c.reason && r.Description == c.description {
		return false
	}
	next := *r
	next.State, next.Reason, next.Description, next.Detail = c.to, c.reason, c.description, c.detail
	if c.to != r.State {
		next.Since = x.now
	}
	if c.to == Initial || c.to == Healthy || c.to == Unhealthy {
		next.Health, next.Checked = c.to, true
	}
	data := map[string]string{
		"target": address(r.Target), "task": r.Target.Task, "registration": r.ID,
		"from": string(r.State), "to": string(c.to), "reason": c.reason, "detail": c.detail,
	}
	if c.blocked != "" {
		data["blocked"] = c.blocked
	}
	seq := x.eventBecause(c.cause, timeline.TargetState, r.TargetGroup, message(r, c), data)
	if c.to == Draining {
		next.Cause = seq
	}
	x.registrations.put(x, r.ID, &next)
	return true
}

func message(r *registration, c change) string {
	m := fmt.Sprintf("target %s: %s → %s", address(r.Target), r.State, c.to)
	if c.reason != "" {
		m += fmt.Sprintf(" (%s: %s)", c.reason, c.description)
	}
	if c.detail != "" {
		m += "; " + c.detail
	}
	if c.blocked != "" {
		m += "; " + c.blocked
	}
	return m
}

// settle makes targets unused or initial after rules changed.
func (x *tx) settle(cause int64) {
	uses := x.uses()
	for _, r := range x.allRegistrations() {
		x.settleTarget(r, len(uses[r.TargetGroup]) > 0, cause)
	}
}

func (x *tx) settleTarget(r *registration, inUse bool, cause int64) {
	if inUse && r.State == Unused && r.Checked {
		r = x.renew(r, cause)
	}
	switch {
	case inUse && r.State == Unused && x.now.Before(r.CheckFrom):
		x.advance(r, change{to: Initial, reason: reasonRegistration, description: descriptionRegistration, cause: cause})
	case inUse && r.State == Unused:
		x.advance(r, change{to: Initial, reason: reasonInitialChecks, description: descriptionInitialChecks, cause: cause})
	case !inUse && !r.draining():
		x.advance(r, change{to: Unused, reason: reasonNotInUse, description: descriptionNotInUse, cause: cause})
	}
}

// renew gives a target that comes into use again another registration, so that what the
// node knew or reported before does not count: it is checked anew.
func (x *tx) renew(r *registration, cause int64) *registration {
	seq := x.eventBecause(cause, timeline.TargetState, r.TargetGroup,
		fmt.Sprintf("target %s is in use again and checked anew", address(r.Target)),
		map[string]string{"target": address(r.Target), "task": r.Target.Task, "before": r.ID})
	x.nameRegistration(seq)
	next := *r
	next.ID, next.Seq, next.Cause, next.Health = registrationID(seq), seq, seq, Initial
	x.registrations.remove(x, r.ID)
	x.registrations.put(x, next.ID, &next)
	return &next
}

// inbox holds health changes until Run looks at them.
type inbox struct {
	mu      sync.Mutex
	changes []node.HealthChange
}

func (i *inbox) add(changes ...node.HealthChange) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.changes = append(i.changes, changes...)
}

func (i *inbox) take() []node.HealthChange {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := i.changes
	i.changes = nil
	return taken
}

// HealthChanged takes what a node's health checks made of a target. It never blocks;
// Run applies it.
func (b *Balancer) HealthChanged(h node.HealthChange) {
	b.inbox.add(h)
	poke(b.wake)
}

// healthChanged applies what a node reported. A report on a registration that is gone,
// drains or is not in use comes too late, and is ignored (ALB-256).
func (x *tx) healthChanged(h node.HealthChange) {
	r := x.registrations.rows[h.Registration]
	if r == nil || r.draining() || r.State == Unused {
		return
	}
	c := change{to: State(h.To), reason: h.Reason, description: h.Description, detail: h.Detail, cause: r.Cause}
	switch c.to {
	case Healthy:
		c.reason, c.description = "", ""
	case Initial:
		c.reason, c.description = reasonInitialChecks, descriptionInitialChecks
	case Unhealthy:
		if c.reason == reasonTimeout {
			c.blocked = x.blocked(r)
		}
	}
	x.advance(r, c)
}

// blocked says what the security groups keep away from a target that does not answer: what is
// sent to its port, or else its health checks.
func (x *tx) blocked(r *registration) string {
	at, err := netip.ParseAddr(r.Target.ID)
	if err != nil {
		return ""
	}
	tg := x.targetGroups.rows[r.TargetGroup]
	checked, _ := strconv.Atoi(tg.HealthCheck.portFor(r.Target))
	for _, lb := range x.uses()[r.TargetGroup] {
		for _, port := range []int{r.Target.Port, checked} {
			if text := x.b.network.Blocked(x.loadBalancers.rows[lb].VPCAddress, netip.AddrPortFrom(at, uint16(port))); text != "" {
				return text
			}
		}
	}
	return ""
}

// TargetHealth is a target and its health, as described.
type TargetHealth struct {
	Target              Target
	Registration        string // identity of this registration; empty if there is none
	State               State
	Reason, Description string // as in ELBv2; both empty while healthy
	Detail              string // what the last health check saw, for people
	HealthCheckPort     string // empty if it was never checked
	DrainUntil          time.Time
	Since               time.Time // when State began
	Cause               int64     // the event that registered or deregistered it
}

func (r *registration) health(tg *TargetGroup) TargetHealth {
	h := TargetHealth{
		Target: r.Target, Registration: r.ID, State: r.State, Reason: r.Reason, Description: r.Description, Detail: r.Detail,
		DrainUntil: r.DrainUntil, Since: r.Since, Cause: r.Cause,
	}
	if r.Checked {
		h.HealthCheckPort = tg.HealthCheck.portFor(r.Target)
	}
	return h
}

func (h HealthCheck) portFor(t Target) string {
	if h.Port == trafficPort {
		return strconv.Itoa(t.Port)
	}
	return h.Port
}

// DescribeTargetHealth returns the health of the targets that are asked for, or of all.
// A target that is not registered is unused (ALB-226).
func (b *Balancer) DescribeTargetHealth(_ context.Context, group string, targets []Target) ([]TargetHealth, error) {
	v := b.view.Load()
	tg, err := v.targetGroup(group)
	if err != nil {
		return nil, err
	}
	found, now := []TargetHealth{}, time.Now()
	if len(targets) == 0 {
		for _, r := range v.described(group, now) {
			found = append(found, r.health(tg))
		}
		return found, nil
	}
	for _, target := range targets {
		if target.Port == 0 {
			target.Port = tg.Port
		}
		if r := v.registered(TargetKey{TargetGroup: group, ID: target.ID, Port: target.Port}); r != nil && !r.over(now) {
			found = append(found, r.health(tg))
			continue
		}
		found = append(found, TargetHealth{Target: target, State: Unused, Reason: reasonNotRegistered, Description: descriptionNotRegistered})
	}
	return found, nil
}

// Targets returns the health of all registered targets at one moment. A target that is
// absent is gone.
func (b *Balancer) Targets() map[TargetKey]TargetHealth {
	v, now := b.view.Load(), time.Now()
	all := make(map[TargetKey]TargetHealth, len(v.registrations.rows))
	for _, r := range v.registrations.rows {
		if !r.Superseded && !r.over(now) {
			all[r.key()] = r.health(v.targetGroups.rows[r.TargetGroup])
		}
	}
	return all
}
