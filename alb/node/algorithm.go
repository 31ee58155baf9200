package node

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// group is a target group in one snapshot, with its targets.
type group struct {
	arn     string
	id      groupID
	version string // HTTP1 (or empty), HTTP2 or GRPC
	targets []*target
	life    *groupLife

	algorithm      string
	slowStart      time.Duration
	minimumHealthy int // targets
	minimumPercent int
	stickiness     *Stickiness
	stale          time.Duration              // how long ended connections are offered once more
	byAddr         map[netip.AddrPort]*target // nil without stickiness

	view atomic.Pointer[view]
}

// groupLife is what lives of a target group across snapshots.
type groupLife struct {
	turn    atomic.Uint64         // round robin
	changes atomic.Uint64         // of the state of any target
	current atomic.Pointer[group] // in the last snapshot
}

func newGroup(g TargetGroup, life *groupLife) *group {
	return &group{arn: g.ARN, id: idOf(g.ARN), version: g.ProtocolVersion, life: life, algorithm: g.Algorithm, slowStart: g.SlowStart,
		minimumHealthy: max(1, g.MinimumHealthyCount), minimumPercent: g.MinimumHealthyPercentage, stickiness: g.Stickiness, stale: g.StaleConnection}
}

// add takes in a target. Where two registrations have one address, the one that stays is
// what stickiness finds.
func (g *group) add(t *target) {
	g.targets = append(g.targets, t)
	if g.stickiness == nil {
		return
	}
	if g.byAddr == nil {
		g.byAddr = map[netip.AddrPort]*target{}
	}
	if other := g.byAddr[t.addr]; other == nil || other.draining.Load() {
		g.byAddr[t.addr] = t
	}
}

// accepts reports whether the targets of the group understand the request (ALB-085):
// otherwise it is answered 464.
func (g *group) accepts(q *request) bool {
	switch g.version {
	case "HTTP2":
		return q.h2
	case "GRPC":
		return q.h2 && string(q.method) == "POST"
	}
	return !q.h2 || !q.grpc
}

// view is who gets requests of a group, until something changes. It is made anew by the
// first request after that, so that choosing costs the same for ten and for a thousand targets.
type view struct {
	changes  uint64
	until    int64     // Unix nanoseconds: the next time at which it changes by itself
	eligible []*target // ALB-010
	settled  []*target // those of them outside of slow start; nil: all are
	failOpen bool
}

// look returns the view at now.
func (g *group) look(now time.Time) *view {
	v := g.view.Load()
	if v == nil || v.changes != g.life.changes.Load() || now.UnixNano() >= v.until {
		v = g.survey(now)
		g.view.Store(v)
	}
	return v
}

// survey finds who is eligible: the healthy targets, or all that are registered if fewer
// are healthy than either minimum (ALB-010, ALB-088).
func (g *group) survey(now time.Time) *view {
	v := &view{changes: g.life.changes.Load(), until: math.MaxInt64}
	var registered, healthy, settled []*target
	for _, t := range g.targets {
		v.until = t.nextChange(v.until, now.UnixNano())
		if !t.open(now) {
			continue
		}
		registered = append(registered, t)
		if t.state.Load() != isHealthy {
			continue
		}
		healthy = append(healthy, t)
		if end := t.slowUntil(g.slowStart); now.UnixNano() >= end {
			settled = append(settled, t)
		} else {
			v.until = min(v.until, end)
		}
	}
	v.eligible = healthy
	if len(healthy) < g.minimumHealthy || len(healthy)*100 < g.minimumPercent*len(registered) {
		v.eligible, v.failOpen = registered, true
	} else if len(settled) < len(healthy) {
		v.settled = settled
	}
	return v
}

// choice is the outcome of choosing a target.
type choice struct {
	target    *target
	state     State
	failOpen  bool
	notSticky bool // a sticky group had to choose a new target
}

// choose picks and claims a target. Without a target it returns the zero choice.
func (g *group) choose(now time.Time) choice {
	for range len(g.targets) + 1 {
		v := g.look(now)
		t := g.pick(v, now)
		if t == nil {
			return choice{}
		}
		if c, ok := t.chosen(v); ok {
			return c
		}
		g.view.Store(nil) // it began to drain since
		now = time.Now()
	}
	return choice{}
}

// chosen claims the target.
func (t *target) chosen(v *view) (choice, bool) {
	state := t.stateNow()
	if t.draining.Load() {
		state = "draining" // in the control plane; not here yet
	}
	return choice{target: t, state: state, failOpen: v.failOpen}, t.claim()
}

// pick applies the group's algorithm (ALB-089).
func (g *group) pick(v *view, now time.Time) *target {
	n := uint64(len(v.eligible))
	if n == 0 {
		return nil
	}
	switch g.algorithm {
	case "least_outstanding_requests":
		return leastOutstanding(v.eligible, g.life.turn.Add(1))
	case "weighted_random":
		return v.eligible[rand.Uint64N(n)]
	}
	t := v.eligible[g.life.turn.Add(1)%n]
	if len(v.settled) > 0 && !t.takesShare(g.slowStart, now) {
		return v.settled[rand.IntN(len(v.settled))]
	}
	return t
}

// leastOutstanding returns the target with the fewest requests in flight; of several, the
// next in turn. A target without any ends the search.
func leastOutstanding(list []*target, turn uint64) *target {
	var best *target
	least := int64(math.MaxInt64)
	at := int(turn % uint64(len(list)))
	for range list {
		t := list[at]
		if n := t.inflight.Load(); n < least {
			best, least = t, n
		}
		if least == 0 {
			return best
		}
		if at++; at == len(list) {
			at = 0
		}
	}
	return best
}

// slowUntil is when the target's slow start ends, in Unix nanoseconds; 0 if it has none.
func (t *target) slowUntil(slowStart time.Duration) int64 {
	from := t.slowFrom.Load()
	if from == 0 || slowStart == 0 {
		return 0
	}
	return from + int64(slowStart)
}

// takesShare decides whether a target in slow start takes a request that is its turn: its
// share grows linearly from nothing to that of the others (ALB-090).
func (t *target) takesShare(slowStart time.Duration, now time.Time) bool {
	from := t.slowFrom.Load()
	return from == 0 || rand.Float64()*float64(slowStart) < float64(now.UnixNano()-from)
}

// startsSlowly reports whether a target that becomes healthy now enters slow start: only
// beside a healthy target that is not in it itself (ALB-090).
func (g *group) startsSlowly(t *target, now time.Time) bool {
	if g == nil || g.slowStart == 0 {
		return false
	}
	for _, other := range g.targets {
		if other != t && other.state.Load() == isHealthy && other.open(now) && now.UnixNano() >= other.slowUntil(g.slowStart) {
			return true
		}
	}
	return false
}
