package alb

import (
	"context"
	"log/slog"
	"time"

	"drydock/alb/node"
)

// sweep is how long Run sleeps when it knows of no deadline.
const sweep = time.Minute

// retryCommit is how long Run waits after a commit that did not succeed.
const retryCommit = time.Second

// Run applies health changes and acts on deadlines until ctx ends: registration
// propagation, end of draining, and ports that were taken. It has the node dial as the
// network is now, and serve certificates as they are now. It returns nil then.
func (b *Balancer) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	network, certificates := b.network.Changed(), b.certificatesChanged()
	b.refresh(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-b.wake:
		case <-network:
			b.refresh(ctx)
		case <-certificates:
			b.refresh(ctx)
		}
		timer.Reset(time.Until(b.pass(ctx)))
	}
}

// pass does what is due and returns when to come again.
func (b *Balancer) pass(ctx context.Context) time.Time {
	changes := b.inbox.take()
	if err := b.absorb(ctx, changes); err != nil {
		b.inbox.add(changes...)
		slog.Error("balancer pass", "err", err)
		return time.Now().Add(retryCommit)
	}
	v := b.view.Load()
	if !v.retryAt.IsZero() && !v.retryAt.After(time.Now()) {
		b.mu.Lock()
		b.apply(ctx, "")
		b.mu.Unlock()
		v = b.view.Load()
	}
	wake := v.wake(time.Now())
	if !v.retryAt.IsZero() && v.retryAt.Before(wake) {
		wake = v.retryAt
	}
	return wake
}

// absorb applies health changes and passed deadlines, if there are any.
func (b *Balancer) absorb(ctx context.Context, changes []node.HealthChange) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.view.Load()
	gone := false
	err := b.change(ctx, func(x *tx) error {
		for _, h := range changes {
			x.healthChanged(h)
		}
		gone = x.due()
		return nil
	})
	if err != nil {
		return err
	}
	if gone && b.view.Load() != before {
		b.apply(ctx, "") // the node learns of states from itself: only removals concern it
	}
	return nil
}

// due acts on the deadlines that have passed: targets whose registration is through
// are checked from now on, drained ones are gone. It reports whether some are gone.
func (x *tx) due() (gone bool) {
	for _, r := range x.allRegistrations() {
		switch {
		case r.State == Initial && r.Reason == reasonRegistration && !x.now.Before(r.CheckFrom):
			x.advance(r, change{to: Initial, reason: reasonInitialChecks, description: descriptionInitialChecks, cause: r.Cause})
		case r.over(x.now):
			x.forget(r, "its deregistration delay is over", r.Cause)
			gone = true
		}
	}
	return gone
}

// wake returns the next deadline.
func (s state) wake(now time.Time) time.Time {
	next := now.Add(sweep)
	for _, r := range s.registrations.rows {
		deadline := time.Time{}
		switch {
		case r.State == Initial && r.Reason == reasonRegistration:
			deadline = r.CheckFrom
		case r.draining():
			deadline = r.DrainUntil
		}
		if !deadline.IsZero() && deadline.Before(next) {
			next = deadline
		}
	}
	return next
}
