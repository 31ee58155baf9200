package alb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// Node is a load balancer node.
type Node interface {
	// Apply makes a snapshot true. The result holds an error for each listener, by ARN,
	// that could not be opened on all of its addresses; everything else works.
	Apply(node.Snapshot) map[string]error
}

// Config holds what a [Balancer] does not find in rows. Zero values choose the defaults.
type Config struct {
	Region     string     // us-east-1
	Account    string     // 123456789012
	Address    netip.Addr // 127.0.0.1; if it is a loopback address, further balancers on the same port get the next ones
	PortOffset int        // added to every listener's port on Address
	Pace       Pace       // FastPace
	DNSSuffix  string     // elb.localhost

	// Instance is the EC2 instance id of this machine: targets of it are dialled on 127.0.0.1.
	Instance string

	Certificates    Certificates  // nil: no certificate is known
	StaleConnection time.Duration // the fault of SetFault for target groups without one of their own
}

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Account == "" {
		c.Account = "123456789012"
	}
	if !c.Address.IsValid() {
		c.Address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if c.DNSSuffix == "" {
		c.DNSSuffix = "elb.localhost"
	}
	if c.Pace == (Pace{}) {
		c.Pace = FastPace
	}
	c.Pace.Retry = max(c.Pace.Retry, 100*time.Millisecond)
	return c
}

// Balancer is the ELBv2 control plane. Its methods may be called concurrently. What
// they return shares memory with the balancer's rows and must not be changed.
type Balancer struct {
	store   Store
	node    Node
	network Network
	config  Config
	newID   func() string // 16 hex digits

	mu   sync.Mutex // held by the one change in progress
	view atomic.Pointer[view]

	wake  chan struct{} // size 1: look at deadlines and health changes again
	inbox inbox

	subscribersMu sync.Mutex
	subscribers   map[chan struct{}]bool

	taskFaults map[string]TaskFault // by task ARN; under mu
	cookieKey  []byte               // seals stickiness cookies; made once for all runs
	outside    outside              // what the last snapshot took from elsewhere; under mu
	version    int64                // of the last snapshot; under mu
	lastEvent  int64                // the highest number of an event committed; under mu
}

// view is what readers see: a state, and what the node said about it.
type view struct {
	state
	problems map[string]error // by listener ARN: why it is not open
	retryAt  time.Time        // when to try those again; zero if there are none
	inForce  table[Rule]      // the rules that the node decides by
}

// Open loads the balancer's rows and applies them to the node. A listener whose port is
// taken is reported in an event and in its load balancer's state, and tried again by Run.
func Open(ctx context.Context, store Store, n Node, network Network, config Config) (*Balancer, error) {
	b := &Balancer{
		store: store, node: n, network: network, config: config.withDefaults(), newID: randomID,
		wake: make(chan struct{}, 1), subscribers: map[chan struct{}]bool{},
	}
	s, err := loadState(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("open balancer: %w", err)
	}
	if err := b.releaseOrphans(ctx, s); err != nil {
		return nil, fmt.Errorf("open balancer: %w", err)
	}
	if err := b.loadCookieKey(ctx); err != nil {
		return nil, fmt.Errorf("open balancer: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.view.Store(&view{state: s})
	if err := b.sayOpened(ctx, s); err != nil {
		return nil, fmt.Errorf("open balancer: %w", err)
	}
	b.apply(ctx, "")
	return b, nil
}

// sayOpened puts the start on the timeline. Its number lifts the versions of this run's
// snapshots above those of the last one.
func (b *Balancer) sayOpened(ctx context.Context, s state) error {
	return b.change(ctx, func(x *tx) error {
		x.event(timeline.Config, "load balancers", fmt.Sprintf("%d load balancers and %d target groups loaded",
			len(s.loadBalancers.rows), len(s.targetGroups.rows)), nil)
		if stale := b.config.StaleConnection; stale > 0 {
			x.warnFault("load balancers", "of all target groups without one of their own", stale)
		}
		return nil
	})
}

func randomID() string {
	var id [8]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// update makes one change: fn works on a copy, which is published after the commit.
func (b *Balancer) update(ctx context.Context, fn func(*tx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.view.Load()
	if err := b.change(ctx, fn); err != nil {
		return err
	}
	if b.view.Load() != before {
		b.apply(ctx, "")
	}
	return nil
}

// updateListener is update for a listener that is opened or moved: if the node can't
// open it, undo takes the change back and the reason is returned.
func (b *Balancer) updateListener(ctx context.Context, fn func(*tx) (string, error), undo func(*tx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var arn string
	err := b.change(ctx, func(x *tx) (err error) {
		arn, err = fn(x)
		return err
	})
	if err != nil {
		return err
	}
	reason := b.apply(ctx, arn)
	if reason == nil {
		return nil
	}
	refusal := b.portTaken(b.view.Load().listeners.rows[arn], reason)
	ctx = context.WithoutCancel(ctx)
	if err := b.change(ctx, undo); err != nil {
		return fmt.Errorf("undo after %w: %w", refusal, err)
	}
	b.apply(ctx, "")
	return refusal
}

// change commits and publishes; the caller holds mu and applies.
func (b *Balancer) change(ctx context.Context, fn func(*tx) error) error {
	v := b.view.Load()
	x := &tx{state: v.copy(), b: b, ctx: ctx, now: time.Now(), rows: map[string]any{}}
	if err := fn(x); err != nil {
		x.fail()
		return err
	}
	if err := x.commit(); err != nil {
		x.fail()
		return fmt.Errorf("commit: %w", err)
	}
	for _, e := range x.events {
		b.lastEvent = max(b.lastEvent, e.Seq)
	}
	if len(x.rows) > 0 {
		b.view.Store(&view{state: x.state, problems: v.problems, retryAt: v.retryAt, inForce: v.inForce})
		b.announce()
	}
	return nil
}

// apply gives the node the published state and keeps what it could not do. The error of
// the listener called fresh is returned instead of being reported: its caller undoes it.
func (b *Balancer) apply(ctx context.Context, fresh string) error {
	v := b.view.Load()
	problems := b.node.Apply(b.compile(v.state))
	next := &view{state: v.state, problems: problems, inForce: v.rules}
	if len(problems) > 0 {
		next.retryAt = time.Now().Add(b.config.Pace.Retry)
	}
	b.view.Store(next)
	if !maps.Equal(v.inForce.rows, next.inForce.rows) {
		b.announce()
	}
	b.reportProblems(ctx, v.problems, problems, fresh)
	poke(b.wake)
	return problems[fresh]
}

// reportProblems records listeners that stopped or started to work.
func (b *Balancer) reportProblems(ctx context.Context, before, after map[string]error, fresh string) {
	b.change(ctx, func(x *tx) error { //nolint:errcheck // the problem stays visible in status
		for _, arn := range slices.Sorted(maps.Keys(after)) {
			if before[arn] == nil && arn != fresh && x.listeners.rows[arn] != nil {
				message := b.portTaken(x.listeners.rows[arn], after[arn]).Message
				x.event(timeline.Warning, arn, message, map[string]string{"error": after[arn].Error()})
			}
		}
		for _, arn := range slices.Sorted(maps.Keys(before)) {
			if after[arn] == nil && x.listeners.rows[arn] != nil {
				x.event(timeline.Config, arn, "listener is open", nil)
			}
		}
		return nil
	})
}

// Reapply gives the node the present state anew, with a new version: it may have lost the
// last one.
func (b *Balancer) Reapply(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apply(ctx, "")
}

// refresh is Reapply if what a snapshot takes from elsewhere has changed.
func (b *Balancer) refresh(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.look(b.view.Load().state).same(b.outside) {
		b.apply(ctx, "")
	}
}

// Changes returns a channel that holds a token whenever something changed since it was
// last received from. It is forgotten when ctx ends.
func (b *Balancer) Changes(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	b.subscribersMu.Lock()
	b.subscribers[c] = true
	b.subscribersMu.Unlock()
	context.AfterFunc(ctx, func() {
		b.subscribersMu.Lock()
		defer b.subscribersMu.Unlock()
		delete(b.subscribers, c)
	})
	return c
}

func (b *Balancer) announce() {
	b.subscribersMu.Lock()
	defer b.subscribersMu.Unlock()
	for c := range b.subscribers {
		poke(c)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
