package node

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// TargetFault is an injected fault (never AWS's doing): what a target sends comes late, or not at
// all. It stands for what netem would do in the target's own network, where the kernel has none
// (ALB-150). Every packet of the target's is concerned, but only those are
// imitated that a client notices: the one that accepts a connection, and the one that begins a
// response. A lost packet is sent again by the target's TCP, later each time.
type TargetFault struct {
	Delay   time.Duration  `json:"delay,omitempty"`
	Jitter  time.Duration  `json:"jitter,omitempty"`  // the delay varies by as much, up and down
	Loss    int            `json:"loss,omitempty"`    // percent
	Sources []netip.Prefix `json:"sources,omitempty"` // load balancers that are concerned
	Except  []netip.Prefix `json:"except,omitempty"`  // those among them that are not
}

// How long TCP waits before it sends a lost packet again; each time, it waits twice as long
// as before (ALB-151).
const (
	againSYN  = time.Second
	againData = 200 * time.Millisecond
	mostTries = 15 // then hours have passed, and every timeout of ours
)

// concerns reports whether the fault acts on what the target sends to a load balancer's address.
// An address that is not known is concerned if every address is.
func (f *TargetFault) concerns(balancer netip.Addr) bool {
	in := func(p netip.Prefix) bool { return p.Bits() == 0 || p.Contains(balancer) }
	return slices.ContainsFunc(f.Sources, in) && !slices.ContainsFunc(f.Except, in)
}

// handshake is how much longer a connection takes to be made.
func (f *TargetFault) handshake() time.Duration { return f.late(againSYN) }

// answer is how much later a response begins.
func (f *TargetFault) answer() time.Duration { return f.late(againData) }

// late is the delay of one packet that is sent again, first after again, until it is not lost.
func (f *TargetFault) late(again time.Duration) time.Duration {
	d := f.Delay
	if f.Jitter > 0 {
		d = max(0, d+rand.N(2*f.Jitter+1)-f.Jitter)
	}
	for range mostTries {
		if rand.IntN(100) >= f.Loss {
			break
		}
		d += again
		again *= 2
	}
	return d
}

// fault returns the fault that acts on the exchange with a target, if there is one.
func (x *exchange) fault(t *target) *TargetFault {
	f := t.fault.Load()
	if f == nil || !f.concerns(x.route.lb.Address) {
		return nil
	}
	return f
}

// impaired reports whether a fault acts on the health check. Where the kernel chooses the address
// that checks come from, it does.
func (s *checkSettings) impaired() bool {
	return s.fault != nil && (!s.source.IsValid() || s.fault.concerns(s.source))
}

// await waits, unless ctx ends first.
func await(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withhold keeps the head of a response back for as long as a fault makes it late: to the
// load balancer it has not come yet. What ends the wait for a target ends this, too.
func (x *exchange) withhold(f *TargetFault) error {
	late := f.answer()
	due, limit := time.Now().Add(late), x.since.Add(x.idleTimeout())
	if !x.front.watching() && x.up.over() {
		x.front.watch(x.abandon)
	}
	tick := time.NewTicker(withholdStep)
	defer tick.Stop()
	for now := time.Now(); now.Before(due); now = <-tick.C {
		switch {
		case x.back.ended() != endedNot:
			return net.ErrClosed
		case !now.Before(limit):
			return os.ErrDeadlineExceeded
		}
	}
	x.late = late
	return nil
}

// withholdStep is how exact the end of withhold is.
const withholdStep = 2 * time.Millisecond
