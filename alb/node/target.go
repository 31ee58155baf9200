package node

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"
)

// target is one registration. It lives across snapshots.
type target struct {
	registration string
	addr         netip.AddrPort
	address      string // addr as text
	task         string
	group        string // ARN of its target group
	protocol     string // HTTP or HTTPS
	version      string // HTTP1 (or empty), HTTP2 or GRPC

	inflight   atomic.Int64
	state      atomic.Int32 // index into states
	drainFrom  atomic.Int64 // Unix nanoseconds; 0: not draining
	drainUntil atomic.Int64 // Unix nanoseconds; 0: no deadline
	draining   atomic.Bool
	listed     bool // in the last snapshot; owned by Node.mu

	pool pool
	ctx  context.Context // ends when requests in flight are cut
	cut  context.CancelCauseFunc

	health health
}

var states = [...]State{Initial, Healthy, Unhealthy}

const (
	isInitial int32 = iota
	isHealthy
	isUnhealthy
)

func stateIndex(s State) int32 {
	for i, known := range states {
		if s == known {
			return int32(i)
		}
	}
	return isInitial
}

func newTarget(group string, t Target) *target {
	tgt := &target{registration: t.Registration, addr: t.Addr, address: t.Addr.String(), task: t.Task, group: group}
	tgt.state.Store(stateIndex(t.State))
	tgt.ctx, tgt.cut = context.WithCancelCause(context.Background())
	return tgt
}

// stateNow is the health state.
func (t *target) stateNow() State { return states[t.state.Load()] }

// drain sets the deadlines of draining. A target never leaves draining: its address
// comes back as another registration.
func (t *target) drain(from, until time.Time) {
	t.draining.Store(true)
	if !until.IsZero() {
		t.drainUntil.Store(until.UnixNano())
	}
	t.drainFrom.Store(max(from.UnixNano(), 1))
}

// open reports whether the target takes new requests.
func (t *target) open(now time.Time) bool {
	from := t.drainFrom.Load()
	return from == 0 || now.UnixNano() < from
}

// claim counts a request on the target, or reports that it takes none any more. Once
// draining has begun and inflight is 0, no request can appear on the target (ALB-011).
func (t *target) claim() bool {
	t.inflight.Add(1)
	if t.drainFrom.Load() == 0 || t.open(time.Now()) {
		return true
	}
	t.inflight.Add(-1)
	return false
}

func (t *target) release() { t.inflight.Add(-1) }

// group is a target group in one snapshot, with its targets.
type group struct {
	arn     string
	targets []*target
	turn    *atomic.Uint64 // round robin; lives across snapshots
}

// choice is the outcome of choosing a target.
type choice struct {
	target   *target
	state    State
	failOpen bool
}

// choose picks and claims a target: round robin over the healthy ones, over all that are
// registered if none is healthy (ALB-010). Without a target it returns the zero choice.
func (g *group) choose(now time.Time) choice {
	turn := g.turn.Add(1)
	for range len(g.targets) + 1 {
		t, failOpen := g.pick(turn, now)
		if t == nil {
			return choice{}
		}
		state := t.stateNow()
		if t.draining.Load() {
			state = "draining" // in the control plane; not here yet
		}
		if t.claim() {
			return choice{t, state, failOpen}
		}
		now = time.Now()
	}
	return choice{}
}

func (g *group) pick(turn uint64, now time.Time) (t *target, failOpen bool) {
	healthy, registered := 0, 0
	for _, t := range g.targets {
		if t.open(now) {
			registered++
			if t.state.Load() == isHealthy {
				healthy++
			}
		}
	}
	if healthy > 0 {
		return g.nth(turn%uint64(healthy), now, true), false
	}
	if registered > 0 {
		return g.nth(turn%uint64(registered), now, false), true
	}
	return nil, false
}

// nth returns the nth eligible target; states may have changed since they were counted,
// then the last eligible one.
func (g *group) nth(n uint64, now time.Time, healthyOnly bool) *target {
	var last *target
	for _, t := range g.targets {
		if !t.open(now) || healthyOnly && t.state.Load() != isHealthy {
			continue
		}
		last = t
		if n == 0 {
			return t
		}
		n--
	}
	if last == nil && healthyOnly {
		return g.nth(0, now, false)
	}
	return last
}
