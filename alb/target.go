package alb

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"drydock/timeline"
)

// Target is a target, as it is registered. Its identity within a group is (ID, Port).
type Target struct {
	ID               string // IP address
	Port             int    // 0: the target group's
	AvailabilityZone string // empty: that of the subnet; "all" outside of the VPC
	Task             string // ARN of the ECS task behind it, if any
}

// TargetKey names a target of a target group.
type TargetKey struct {
	TargetGroup string // ARN
	ID          string
	Port        int
}

// registration is one registration of a target: a row that draining ends.
type registration struct {
	ID          string // reg-Seq; never used again
	Seq         int64  // of the event that registered it
	TargetGroup string
	Target      Target
	State       State
	Reason      string `json:",omitempty"`
	Description string `json:",omitempty"`
	Detail      string `json:",omitempty"` // what the last health check saw
	Health      State  // the last of initial, healthy and unhealthy
	Registered  time.Time
	CheckFrom   time.Time // when health checks begin
	Since       time.Time // when State began
	DrainFrom   time.Time `json:",omitzero"`
	DrainUntil  time.Time `json:",omitzero"`
	Checked     bool      `json:",omitempty"` // its group was in use at some time
	Superseded  bool      `json:",omitempty"` // the same address was registered again: no longer described
	Cause       int64     // the event that registered or deregistered it
}

func (r *registration) key() TargetKey {
	return TargetKey{TargetGroup: r.TargetGroup, ID: r.Target.ID, Port: r.Target.Port}
}

func (r *registration) draining() bool { return r.State == Draining }

// over reports whether r has drained: it is gone for readers, even before Run removes it.
func (r *registration) over(now time.Time) bool { return r.draining() && !now.Before(r.DrainUntil) }

// RegisterTargets registers targets; those that are registered for the same task
// already stay as they are. A draining target gets a new registration, while the old
// one drains on, no longer described (ALB-219).
func (b *Balancer) RegisterTargets(ctx context.Context, group string, targets []Target) error {
	return b.update(ctx, func(x *tx) error {
		tg, err := x.targetGroup(group)
		if err != nil {
			return err
		}
		for _, target := range targets {
			if target, err = b.resolveTarget(tg, target); err != nil {
				return err
			}
			if err := x.register(tg, target); err != nil {
				return err
			}
		}
		return nil
	})
}

// resolveTarget checks a target and fills in its port and zone.
func (b *Balancer) resolveTarget(tg *TargetGroup, target Target) (Target, error) {
	target.Port = cmp.Or(target.Port, tg.Port)
	if target.Port < 1 || target.Port > 65535 {
		return target, constraint(target.Port, "targets.1.member.port", "have value between 1 and 65535")
	}
	if tg.TargetType == "instance" {
		return b.resolveInstance(target)
	}
	addr, err := netip.ParseAddr(target.ID)
	if err != nil || !addr.Is4() {
		return target, invalid("The IP address '%s' is not a valid IPv4 address", target.ID)
	}
	target.ID = addr.String()
	zone, inside := b.zoneOf(addr)
	switch {
	case !inside && !isPrivate(addr):
		return target, refuse("InvalidTarget", "The IP address '%s' is not within the VPC or a private address range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10)", target.ID)
	case !inside && target.AvailabilityZone == "":
		return target, invalid("The Availability Zone is required for IP address '%s' because it is not in the VPC", target.ID)
	case inside && target.AvailabilityZone != "" && target.AvailabilityZone != zone:
		return target, invalid("The IP address '%s' is within the VPC, and cannot have its Availability Zone overridden to '%s' from '%s'", target.ID, target.AvailabilityZone, zone)
	case inside:
		target.AvailabilityZone = zone
	}
	return target, nil
}

// machine is where targets of type instance are dialled: ports of this machine (ALB-257).
var machine = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// resolveInstance takes this machine's instance id only.
func (b *Balancer) resolveInstance(target Target) (Target, error) {
	if target.ID == "" || target.ID != b.config.Instance {
		return target, checkInstance(target.ID)
	}
	target.AvailabilityZone = b.config.Region + "a"
	return target, nil
}

func checkInstance(id string) error {
	if len(id) > 2 && id[:2] == "i-" {
		return unsupported("InvalidTarget", fmt.Sprintf("The target '%s'", id), "use a target group with target type ip")
	}
	return invalid("Instance ID '%s' is not valid", id)
}

var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// isPrivate reports whether a target outside of the VPC may have this address (ALB-220).
func isPrivate(addr netip.Addr) bool { return addr.IsPrivate() || sharedRange.Contains(addr) }

func (x *tx) register(tg *TargetGroup, target Target) error {
	current := x.registered(TargetKey{TargetGroup: tg.ARN, ID: target.ID, Port: target.Port})
	if current != nil && !current.draining() && current.Target.Task == target.Task {
		return nil
	}
	if x.countTargets(tg.ARN) >= maxTargets {
		return refuse("TooManyTargets", "The maximum number of targets has been reached on target group '%s'", tg.ARN)
	}
	if current != nil {
		x.supersede(tg, current)
	}
	seq := x.event(timeline.TargetState, tg.ARN, fmt.Sprintf("target %s was registered with %s", address(target), tg.Name),
		map[string]string{"target": address(target), "task": target.Task, "to": string(Unused)})
	x.nameRegistration(seq)
	x.registrations.put(x, registrationID(seq), &registration{
		ID: registrationID(seq), Seq: seq, Cause: seq, TargetGroup: tg.ARN, Target: target, Registered: x.now,
		State: Unused, Reason: reasonNotInUse, Description: descriptionNotInUse, Health: Initial,
		CheckFrom: x.now.Add(x.b.config.Pace.Registration), Since: x.now,
	})
	x.settleTarget(x.registrations.rows[registrationID(seq)], len(x.loadBalancersOf(tg.ARN)) > 0, seq)
	return nil
}

// nameRegistration adds to the last event the registration that is named after it.
func (x *tx) nameRegistration(seq int64) {
	x.events[len(x.events)-1].Data["registration"] = registrationID(seq)
}

func registrationID(seq int64) string { return fmt.Sprintf("reg-%d", seq) }

func address(t Target) string { return t.ID + ":" + strconv.Itoa(t.Port) }

// supersede makes room for a new registration of the same address.
func (x *tx) supersede(tg *TargetGroup, r *registration) {
	if !r.draining() {
		x.drain(tg, r)
	}
	next := *x.registrations.rows[r.ID]
	next.Superseded = true
	x.registrations.put(x, r.ID, &next)
}

// registered returns the registration of a target that is described, or nil.
func (s state) registered(key TargetKey) *registration {
	for _, r := range s.registrations.rows {
		if !r.Superseded && r.key() == key {
			return r
		}
	}
	return nil
}

func (s state) countTargets(group string) int {
	n := 0
	for _, r := range s.registrations.rows {
		if r.TargetGroup == group && !r.draining() {
			n++
		}
	}
	return n
}

// DeregisterTargets begins to drain targets. Targets that are not registered, or drain
// already, are left alone (ALB-221).
func (b *Balancer) DeregisterTargets(ctx context.Context, group string, targets []Target) error {
	return b.update(ctx, func(x *tx) error {
		tg, err := x.targetGroup(group)
		if err != nil {
			return err
		}
		for _, target := range targets {
			key := TargetKey{TargetGroup: group, ID: target.ID, Port: cmp.Or(target.Port, tg.Port)}
			r := x.registered(key)
			if r == nil || r.draining() || target.Task != "" && target.Task != r.Target.Task {
				continue
			}
			x.drain(tg, r)
		}
		return nil
	})
}

// drain begins to drain a target for the full deregistration delay (ALB-222). With a
// delay of 0 the node still has to see the deadline, to cut what is in flight: Run
// removes the row right after.
func (x *tx) drain(tg *TargetGroup, r *registration) {
	delay := tg.deregistrationDelay()
	next := *r
	next.DrainUntil = x.now.Add(delay)
	next.DrainFrom = x.now.Add(min(delay, x.b.config.Pace.Deregistration))
	x.advance(&next, change{to: Draining, reason: reasonDeregistration, description: descriptionDeregistration, cause: timeline.CauseFrom(x.ctx)})
}

// forget removes a registration: the target is gone.
func (x *tx) forget(r *registration, why string, cause int64) {
	x.registrations.remove(x, r.ID)
	x.eventBecause(cause, timeline.TargetState, r.TargetGroup,
		fmt.Sprintf("target %s is gone: %s", address(r.Target), why),
		map[string]string{"target": address(r.Target), "task": r.Target.Task, "registration": r.ID, "from": string(r.State), "to": "", "reason": why})
}

// described returns the registrations of a group that readers see.
func (s state) described(group string, now time.Time) []*registration {
	return slices.DeleteFunc(s.registrationsOf(group), func(r *registration) bool { return r.Superseded || r.over(now) })
}
