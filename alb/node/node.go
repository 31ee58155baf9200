package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

// Sink receives what the node finds out. It is called from many goroutines, on the request
// path too, and must not block for long.
type Sink interface {
	// HealthChanged is called when a target's state or its reason changes.
	HealthChanged(HealthChange)
	// Finished is called exactly once for each request. The outcome is valid during the call: who
	// keeps it keeps a copy, and nobody changes it.
	Finished(*timeline.Outcome)
	// Followed is called when it is known how the target went on with a request that ended
	// in 504 or 460.
	Followed(timeline.Epilogue)
	// Connected is called once for each client connection: after its TLS handshake, at once
	// if there is none.
	Connected(Connection)
	// Checked is called after each health check.
	Checked(Check)
}

// Config is what a node needs from its surroundings. Only Sink is required.
type Config struct {
	Sink   Sink
	Listen func(ctx context.Context, addr netip.AddrPort) (net.Listener, error)                         // nil: TCP
	Dial   func(ctx context.Context, from netip.Addr, mark uint32, to netip.AddrPort) (net.Conn, error) // nil: TCP, from the address, with SO_MARK
	Logger *slog.Logger
	Grace  time.Duration // how long requests in flight may take after Run is told to stop; 0: 5 s
}

// Node is one load balancer node.
type Node struct {
	config Config
	sink   Sink
	log    *slog.Logger
	dial   func(ctx context.Context, from netip.Addr, mark uint32, to netip.AddrPort) (net.Conn, error)
	timing timing
	prefix string // of request ids
	base   context.Context

	mu        sync.Mutex
	listeners map[string]*listener
	deleted   []*listener           // that still have connections
	targets   map[string]*target    // by registration
	lives     map[string]*groupLife // by target group
	ownSealer *sealer               // for snapshots without a key
	sealer    *sealer
	running   bool
	over      bool
	idle      time.Duration           // the shortest idle timeout
	certs     map[string]*certificate // of the last snapshot, by ARN

	poke        chan struct{}
	stopping    atomic.Bool
	retiring    atomic.Bool
	connections atomic.Uint64
	tallies     tallies
	followers   followers
	work        sync.WaitGroup // every goroutine under Run
}

// timing holds the durations that tests shorten.
type timing struct {
	connect, knock, watchAfter, race, listenRetry, handshake time.Duration
}

// New makes a node that knows no snapshot yet.
func New(config Config) *Node {
	if config.Listen == nil {
		config.Listen = ListenTCP
	}
	if config.Dial == nil {
		config.Dial = DialTCP
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Grace <= 0 {
		config.Grace = defaultGrace
	}
	return &Node{
		config: config, sink: config.Sink, log: config.Logger, dial: config.Dial,
		timing:    timing{connectTimeout, knockAgain, watchAfter, raceWithin, listenRetry, handshakeTimeout},
		prefix:    fmt.Sprintf("%08x-", rand.Uint32()),
		base:      context.Background(),
		listeners: map[string]*listener{}, targets: map[string]*target{}, lives: map[string]*groupLife{}, ownSealer: randomSealer(),
		poke: make(chan struct{}, 1),
	}
}

// Apply makes a snapshot effective. What can be applied is applied; the result has an error
// for each listener, by ARN, whose first address could not be bound, or whose certificates
// cannot all be served. Requests in flight go on under the snapshot they began with.
func (n *Node) Apply(s Snapshot) map[string]error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return nil
	}
	groups := n.applyTargets(s)
	n.sealer = n.ownSealer.or(n.sealer, s.CookieKey)
	failed := n.applyListeners(s, groups)
	n.applyDraining(s) // after the routes know what replaces the draining targets
	n.wake()
	return failed
}

func (n *Node) wake() {
	select {
	case n.poke <- struct{}{}:
	default:
	}
}

// applyTargets brings targets up to date and returns the target groups by ARN.
func (n *Node) applyTargets(s Snapshot) map[string]*group {
	for _, t := range n.targets {
		t.listed = false
	}
	groups, lives, users := map[string]*group{}, map[string]*groupLife{}, usersOf(s.LoadBalancers)
	for _, g := range s.TargetGroups {
		if lives[g.ARN] = n.lives[g.ARN]; lives[g.ARN] == nil {
			lives[g.ARN] = new(groupLife)
		}
		groups[g.ARN] = n.applyGroup(g, lives[g.ARN], users[g.ARN])
	}
	n.lives = lives
	return groups
}

func (n *Node) applyGroup(g TargetGroup, life *groupLife, users []string) *group {
	compiled := newGroup(g, life)
	before := life.current.Load()
	for _, spec := range g.Targets {
		t := n.targets[spec.Registration]
		if t == nil {
			t = newTarget(g.ARN, life, spec)
			t.protocol, t.version = g.Protocol, g.ProtocolVersion // a group never changes them
			t.firstBatch.Store(before == nil || len(before.targets) == 0)
			n.targets[spec.Registration] = t
			if spec.Draining {
				t.drain(spec.DrainFrom, spec.DrainUntil) // no route knows it yet
			}
		}
		t.listed = true
		t.fault.Store(spec.Fault)
		t.health.settings.Store(checkFor(g, spec, users))
		compiled.add(t)
	}
	life.current.Store(compiled)
	return compiled
}

// checkFor returns the health check settings of a target, nil if it is not checked.
func checkFor(g TargetGroup, t Target, users []string) *checkSettings {
	if !g.InUse || !g.HealthCheck.Enabled || t.Draining {
		return nil
	}
	to := t.Addr
	if g.HealthCheck.Port != 0 {
		to = netip.AddrPortFrom(to.Addr(), uint16(g.HealthCheck.Port))
	}
	return &checkSettings{HealthCheck: g.HealthCheck, source: g.Source, mark: g.Mark, from: t.CheckFrom, to: to, fault: t.Fault, version: g.ProtocolVersion, users: users}
}

// applyDraining begins what drains, and lets go of what is not registered any more.
func (n *Node) applyDraining(s Snapshot) {
	for _, g := range s.TargetGroups {
		for _, spec := range g.Targets {
			if spec.Draining {
				n.targets[spec.Registration].drain(spec.DrainFrom, spec.DrainUntil)
			}
		}
	}
	n.dropUnlisted(time.Now())
}

// dropUnlisted lets go of targets that are no longer registered. Their requests in flight
// keep the deadline they had.
func (n *Node) dropUnlisted(now time.Time) {
	for id, t := range n.targets {
		if t.listed {
			continue
		}
		if t.open(now) {
			t.drain(now, time.Time{})
		}
		t.health.settings.Store(nil)
		t.keepNone()
		if t.inflight.Load() == 0 && t.health.cancel == nil {
			delete(n.targets, id)
		}
	}
}

func (n *Node) applyListeners(s Snapshot, groups map[string]*group) map[string]error {
	wanted, refused := map[string]*route{}, map[string]error{}
	addresses := map[string][]netip.AddrPort{}
	n.idle, n.certs = 0, parseCertificates(s.Certificates, n.certs)
	for i := range s.LoadBalancers {
		lb := &s.LoadBalancers[i]
		if idle := lb.Attributes.IdleTimeout; n.idle == 0 || idle < n.idle {
			n.idle = idle
		}
		for _, l := range lb.Listeners {
			r, err := n.compileListener(s.Version, lb, l, groups)
			if err != nil {
				refused[l.ARN] = err
			}
			if r != nil {
				wanted[l.ARN], addresses[l.ARN] = r, l.Addresses
			}
		}
	}
	n.closeListeners(wanted, addresses)
	maps.Copy(refused, n.openListeners(wanted, addresses))
	return refused
}

// closeListeners frees addresses first, so that another listener can take them.
func (n *Node) closeListeners(wanted map[string]*route, addresses map[string][]netip.AddrPort) {
	for arn, l := range n.listeners {
		l.unbind(addresses[arn])
		if wanted[arn] == nil {
			l.route.Store(nil)
			l.quit()
			delete(n.listeners, arn)
			n.deleted = append(n.deleted, l)
		}
	}
}

func (n *Node) openListeners(wanted map[string]*route, addresses map[string][]netip.AddrPort) map[string]error {
	failed := map[string]error{}
	for arn, r := range wanted {
		l := n.listeners[arn]
		if l == nil {
			l = newListener(n, arn, addresses[arn])
			n.listeners[arn] = l
		}
		l.change(r)
		if err := l.bind(); err != nil {
			failed[arn] = err
		}
	}
	return failed
}

// everyListener returns the listeners there are, and those that are gone but have connections. n.mu is held.
func (n *Node) everyListener() []*listener {
	return slices.AppendSeq(slices.Clone(n.deleted), maps.Values(n.listeners))
}

// InFlight returns the number of requests on a registration now.
func (n *Node) InFlight(registration string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.targets[registration]; t != nil {
		return int(t.inflight.Load())
	}
	return 0
}

// Run serves until ctx ends. Then it stops accepting, gives requests in flight the grace
// period, closes everything, and returns when all its goroutines have. A node runs once.
func (n *Node) Run(ctx context.Context) error {
	n.mu.Lock()
	if n.running || n.over {
		n.mu.Unlock()
		return errors.New("run load balancer node: it has been run before")
	}
	n.running = true
	n.mu.Unlock()
	n.supervise(ctx)
	n.shutDown()
	return nil
}

// supervise makes passes over what there is: at each change, each deadline, and now and then.
func (n *Node) supervise(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.poke:
		case <-timer.C:
		}
		now := time.Now()
		timer.Reset(n.pass(now).Sub(now))
	}
}

// pass makes everything true that is due at now, and returns when to look again.
func (n *Node) pass(now time.Time) (next time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next = now.Add(time.Minute)
	if n.idle > 0 {
		next = now.Add(min(time.Minute, n.idle))
	}
	for _, l := range n.listeners {
		l.bind()
		if !l.complete() {
			next = earlier(next, now.Add(n.timing.listenRetry))
		}
		n.serve(l)
	}
	n.deleted = slices.DeleteFunc(n.deleted, func(l *listener) bool { return l.connections() == 0 })
	for id, t := range n.targets {
		n.keepChecker(t)
		next = earlier(next, t.pool.expire(now))
		next = earlier(next, t.passDraining(now))
		if !t.listed && t.inflight.Load() == 0 && t.health.cancel == nil {
			delete(n.targets, id)
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// serve starts to accept on sockets that are bound but not served.
func (n *Node) serve(l *listener) {
	for _, s := range l.sockets {
		if !s.serving {
			s.serving = true
			n.work.Go(func() { l.accept(s) })
		}
	}
}

// keepChecker starts or stops the health checks of a target.
func (n *Node) keepChecker(t *target) {
	h := &t.health
	wanted := h.settings.Load() != nil && !t.draining.Load()
	if h.cancel != nil && !wanted {
		h.cancel()
		h.cancel = nil
	}
	if h.cancel == nil && wanted && ended(h.done) {
		if h.done != nil {
			h.forget(t) // checked again after a time without: it starts anew
		}
		ctx, cancel := context.WithCancel(n.base)
		h.cancel, h.done = cancel, make(chan struct{})
		done := h.done
		n.work.Go(func() {
			defer close(done)
			defer n.wake()
			n.check(ctx, t)
		})
	}
}

func ended(done chan struct{}) bool {
	if done == nil {
		return true
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// forget returns a target to initial, when its target group comes into use again.
func (h *health) forget(t *target) {
	t.setState(isInitial, time.Now())
	h.reason, h.description, h.successes, h.failures = "", "", 0, 0
	h.answered, h.counted = false, time.Time{}
}

// passDraining does what draining asks for at now, and returns its next deadline.
func (t *target) passDraining(now time.Time) (next time.Time) {
	if !t.draining.Load() {
		return next
	}
	if from := time.Unix(0, t.drainFrom.Load()); now.Before(from) {
		next = from
	} else {
		t.keepNone()
	}
	until := t.drainUntil.Load()
	if until == 0 {
		return next
	}
	if at := time.Unix(0, until); now.Before(at) {
		return earlier(at, next)
	}
	t.cut(errDrained)
	t.endAll(endedByDraining)
	return next
}

// shutDown ends what Run started.
func (n *Node) shutDown() {
	n.stopping.Store(true)
	n.followers.end()
	n.mu.Lock()
	n.over = true
	lns, tgts := n.everyListener(), maps.Clone(n.targets)
	for _, l := range lns {
		l.unbind(nil)
		l.quit()
	}
	for _, t := range tgts {
		if t.health.cancel != nil {
			t.health.cancel()
		}
		t.h2.close() // an idle connection of HTTP/2 has a goroutine
	}
	n.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); n.work.Wait() }()
	timer := time.NewTimer(n.config.Grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	for _, t := range tgts {
		t.cut(errStopped)
		t.endAll(endedByStop)
	}
	for _, l := range lns {
		l.abort()
	}
	<-done
}
