package node

import (
	"context"
	"crypto/tls"
	"net/netip"
	"sync"
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
	life         *groupLife
	opens        int64  // Unix nanoseconds: no request before
	protocol     string // HTTP or HTTPS
	version      string // HTTP1 (or empty), HTTP2 or GRPC

	inflight   atomic.Int64
	state      atomic.Int32 // index into states
	drainFrom  atomic.Int64 // Unix nanoseconds; 0: not draining
	drainUntil atomic.Int64 // Unix nanoseconds; 0: no deadline
	draining   atomic.Bool
	firstBatch atomic.Bool                 // registered with an empty group, and not healthy since
	fault      atomic.Pointer[TargetFault] // injected; nil: none
	slowFrom   atomic.Int64                // Unix nanoseconds: since when it is in slow start; 0: it is not
	listed     bool                        // in the last snapshot; owned by Node.mu

	pool pool
	h2   h2Pool

	sessions     sync.Once // makes sessionCache
	sessionCache tls.ClientSessionCache

	ctx context.Context // ends when requests in flight are cut
	cut context.CancelCauseFunc

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

func newTarget(group string, life *groupLife, t Target) *target {
	tgt := &target{registration: t.Registration, addr: t.Addr, address: t.Addr.String(), task: t.Task, group: group, life: life}
	if !t.CheckFrom.IsZero() {
		tgt.opens = t.CheckFrom.UnixNano()
	}
	tgt.state.Store(stateIndex(t.State))
	tgt.ctx, tgt.cut = context.WithCancelCause(context.Background())
	return tgt
}

// stateNow is the health state.
func (t *target) stateNow() State { return states[t.state.Load()] }

// setState changes the health state.
func (t *target) setState(state int32, now time.Time) {
	from := int64(0)
	if state == isHealthy && !t.firstBatch.Swap(false) && t.life.current.Load().startsSlowly(t, now) {
		from = now.UnixNano()
	}
	t.slowFrom.Store(from)
	t.state.Store(state)
	t.life.changes.Add(1)
}

// drain sets the deadlines of draining. A target never leaves draining: its address
// comes back as another registration.
func (t *target) drain(from, until time.Time) {
	t.draining.Store(true)
	if !until.IsZero() {
		t.drainUntil.Store(until.UnixNano())
	}
	t.drainFrom.Store(max(from.UnixNano(), 1))
	t.life.changes.Add(1)
}

// open reports whether the target takes new requests (ALB-095).
func (t *target) open(now time.Time) bool {
	from := t.drainFrom.Load()
	return now.UnixNano() >= t.opens && (from == 0 || now.UnixNano() < from)
}

// nextChange is the earlier of at and the next time after now at which the target opens
// or begins to drain.
func (t *target) nextChange(at, now int64) int64 {
	if t.opens > now {
		at = min(at, t.opens)
	}
	if from := t.drainFrom.Load(); from > now {
		at = min(at, from)
	}
	return at
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

// release ends a claim, and returns how many requests are still on the target.
func (t *target) release() int64 { return t.inflight.Add(-1) }
