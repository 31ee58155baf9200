package network

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drydock/timeline"
)

// Enforcer makes a RuleSet true in the kernel. Its methods are idempotent and are not
// called concurrently.
type Enforcer interface {
	// Apply replaces what the last Apply made true, atomically. On an error nothing is
	// enforced for sure; the error says why and how to remedy it. The report counts in any case.
	Apply(ctx context.Context, rs RuleSet) (Report, error)
	// Test returns an error if what was applied is not obeyed. It is called after every Apply
	// and may remember that it was.
	Test(ctx context.Context) error
	// Check returns an error if what was applied is not in place any more.
	Check(ctx context.Context) error
	// Remove takes everything away that Apply has made.
	Remove(ctx context.Context) error
}

// Report is what an Apply has to tell beside its error.
type Report struct {
	// Aliases are the load balancer addresses that are now on the bridge and can be dialled from.
	Aliases []netip.Addr
	// Pending says that something is waiting for the bridge to exist: Apply soon again.
	Pending bool
	// Notes are sentences about what works less well than it could: a missing tool.
	Notes []string
}

// enforcement is what is known about the Enforcer's work.
type enforcement struct {
	expected bool // an Enforcer runs or will run
	enforced bool
	reason   string // why not
	applied  uint64 // version of the rule set that was last applied or refused
	aliases  []netip.Addr
	notes    []string
	changed  chan struct{} // closed and replaced at every change of the above
}

func newEnforcement(expected bool) enforcement {
	return enforcement{expected: expected, reason: "it is not started", changed: make(chan struct{})}
}

// retryPending is how soon an Apply that waits for the bridge is repeated.
const retryPending = 250 * time.Millisecond

// Enforce keeps the kernel at the current rule set until ctx ends: it applies every
// change, and at every tick of the interval checks that what it applied is still there. It leaves the
// rules in place when it returns, so that they hold while the daemon is down.
func (n *Network) Enforce(ctx context.Context, e Enforcer, every time.Duration) error {
	n.setEnforcement(func(s *enforcement) { s.expected = true })
	defer n.setEnforcement(func(s *enforcement) { s.expected = false })
	changed, cancel := n.subscribe()
	defer cancel()
	for ctx.Err() == nil {
		wait := every
		if n.applyOnce(ctx, e).Pending {
			wait = min(every, retryPending)
		}
		n.waitForWork(ctx, e, changed, wait)
	}
	return nil
}

// applyOnce applies the current rule set and records how it went.
func (n *Network) applyOnce(ctx context.Context, e Enforcer) Report {
	rs := n.RuleSet()
	report, err := e.Apply(ctx, rs)
	if err == nil {
		n.inForce(rs.Version, report)
		err = e.Test(ctx)
	}
	if ctx.Err() == nil {
		n.record(ctx, rs.Version, report, err)
	}
	return report
}

// waitForWork returns when there is something to apply: a change, or a check that found
// something missing, or anything at all while the rules could not be applied.
func (n *Network) waitForWork(ctx context.Context, e Enforcer, changed <-chan struct{}, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case <-tick.C:
			if enforced, _ := n.Enforcement(); !enforced || every <= retryPending || e.Check(ctx) != nil {
				return
			}
		}
	}
}

// inForce wakes who waits for the rules: they are in place, though it is not shown yet that
// they are obeyed.
func (n *Network) inForce(version uint64, report Report) {
	aliases := slices.Clone(report.Aliases)
	n.setEnforcement(func(s *enforcement) { s.applied, s.aliases = version, aliases })
}

// record stores the result of an Apply, with an event if the status changed.
func (n *Network) record(ctx context.Context, version uint64, report Report, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	aliases := slices.Clone(report.Aliases)
	news := n.setEnforcement(func(s *enforcement) {
		s.applied, s.enforced, s.reason = version, err == nil, reason
		s.aliases, s.notes = aliases, report.Notes
	})
	if !news {
		return
	}
	_ = n.update(ctx, func(tx *tx) error { // a lost event must not stop the enforcement; the status is in memory
		kind := timeline.Network
		if err != nil {
			kind = timeline.Warning
		}
		tx.event(kind, tx.defaultVPC, "security groups: "+n.enforcement.String(), nil)
		return nil
	})
}

// setEnforcement changes the status, wakes who waits for it, and reports whether users
// see a difference.
func (n *Network) setEnforcement(change func(*enforcement)) (news bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.enforcement
	change(&n.enforcement)
	after := &n.enforcement
	close(after.changed)
	after.changed = make(chan struct{})
	if !slices.Equal(before.aliases, after.aliases) {
		n.pokeExcept(enforcing)
	}
	return before.String() != after.String()
}

// String words the status.
func (s enforcement) String() string {
	if !s.enforced {
		return "NOT ENFORCED (" + s.reason + ")"
	}
	if len(s.notes) > 0 {
		return "enforced (" + strings.Join(s.notes, "; ") + ")"
	}
	return "enforced"
}

// Enforcement returns whether security groups are enforced, and if not the reason and remedy.
func (n *Network) Enforcement() (enforced bool, reason string) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.enforcement.enforced, n.enforcement.reason
}

// EnforcementStatus words the status: "enforced" or "NOT ENFORCED (reason)".
func (n *Network) EnforcementStatus() string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.enforcement.String()
}

// Applied waits until the current rule set, or a newer one, is applied. It returns at
// once when no Enforcer runs, and without an error when the Enforcer could not apply it:
// then security groups are not enforced, and every status says so.
func (n *Network) Applied(ctx context.Context) error {
	n.mu.RLock()
	wanted := n.version
	n.mu.RUnlock()
	for {
		n.mu.RLock()
		done := !n.enforcement.expected || n.enforcement.applied >= wanted
		changed := n.enforcement.changed
		n.mu.RUnlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(errors.New("wait for security groups to be applied"), ctx.Err())
		}
	}
}

// DialFrom returns what a load balancer with that VPC address has to dial targets with:
// source address and mark once the address is on the bridge, zero values before and
// where that can't be done. [Network.Changed] tells of the difference.
func (n *Network) DialFrom(address netip.Addr) (source netip.Addr, mark uint32) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !slices.Contains(n.enforcement.aliases, address) {
		return netip.Addr{}, 0
	}
	return address, Mark
}
