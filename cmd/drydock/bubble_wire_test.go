package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"drydock/network"
)

// wire is a network of in-memory connections: what sockets are in a bubble, where real
// ones would hang.
type wire struct {
	// occupied reports whether a process runs at an address: its kernel refuses what nobody listens for.
	occupied func(netip.Addr) bool

	mu        sync.Mutex
	listeners map[netip.AddrPort]*wireListener
	rules     network.RuleSet // as last applied; it outlives the daemon
}

type wireListener struct {
	wire   *wire
	addr   netip.AddrPort
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	conns map[*wireConn]bool // the listener's ends
}

func newWire(occupied func(netip.Addr) bool) *wire {
	return &wire{occupied: occupied, listeners: map[netip.AddrPort]*wireListener{}}
}

// Apply makes wire a network.Enforcer, of resets and of what security groups let in.
func (w *wire) Apply(_ context.Context, rules network.RuleSet) (network.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = rules
	return network.Report{}, nil
}

func (w *wire) Test(context.Context) error   { return nil }
func (w *wire) Check(context.Context) error  { return nil }
func (w *wire) Remove(context.Context) error { return nil }

// Listen is a node's Config.Listen.
func (w *wire) Listen(_ context.Context, addr netip.AddrPort) (net.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listeners[addr] != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, syscall.EADDRINUSE)
	}
	l := &wireListener{wire: w, addr: addr, queue: make(chan net.Conn), closed: make(chan struct{}), conns: map[*wireConn]bool{}}
	w.listeners[addr] = l
	return l, nil
}

// synAgain is when a connection attempt that got no answer is repeated, and then given up.
var synAgain = []time.Duration{time.Second, 2 * time.Second}

// Dial is a node's Config.Dial. A connection is refused where a process runs but nobody
// listens, and where the rules reset it; an address that nobody has does not answer, nor does
// one whose security groups do not let the connection in.
func (w *wire) Dial(ctx context.Context, from netip.Addr, _ uint32, to netip.AddrPort) (net.Conn, error) {
	for n := 0; ; n++ {
		w.mu.Lock()
		l, closed, admitted := w.listeners[to], slices.Contains(w.rules.Closed, to.Addr()), w.admits(from, to)
		w.mu.Unlock()
		switch {
		case !admitted:
			<-ctx.Done()
			return nil, ctx.Err()
		case l != nil:
			if conn, err := l.connect(ctx); conn != nil || err != nil {
				return conn, err
			}
			continue
		case closed || w.occupied(to.Addr()) || to.Addr().IsLoopback():
			return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
		case n >= len(synAgain):
			return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.EHOSTUNREACH}
		}
		if !waitFor(ctx, synAgain[n]) {
			return nil, ctx.Err()
		}
	}
}

// admits reports whether the security groups of a task let a connection in. The wire is locked.
func (w *wire) admits(from netip.Addr, to netip.AddrPort) bool {
	n := slices.IndexFunc(w.rules.Tasks, func(m network.Member) bool { return m.Address == to.Addr() })
	if n < 0 {
		return true
	}
	if !from.IsValid() && len(w.rules.Balancers) > 0 {
		from = w.rules.Balancers[0].Address // there is one
	}
	members := map[string][]netip.Addr{}
	for _, g := range w.rules.Groups {
		members[g.ID] = g.Members
	}
	return slices.ContainsFunc(w.rules.Groups, func(g network.Group) bool {
		return slices.Contains(w.rules.Tasks[n].Groups, g.ID) && (g.Open || slices.ContainsFunc(g.Rules, func(r network.Rule) bool {
			ports := r.Protocol == "-1" || r.FromPort <= int(to.Port()) && int(to.Port()) <= r.ToPort
			return !r.Egress && ports && (slices.Contains(members[r.SourceGroup], from) || within(r.CIDR, from))
		}))
	})
}

func within(cidr string, addr netip.Addr) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Contains(addr)
}

func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connect hands a connection to who accepts. It returns nil if the listener has been closed.
func (l *wireListener) connect(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	c := &wireConn{Conn: far, of: l}
	l.track(c)
	select {
	case l.queue <- c:
		return near, nil
	case <-l.closed:
		return nil, c.Close()
	case <-ctx.Done():
		c.Close()
		return nil, ctx.Err()
	}
}

// sever ends a listener and every connection to it, as the death of its process does.
func (w *wire) sever(addr netip.AddrPort) {
	w.mu.Lock()
	l := w.listeners[addr]
	w.mu.Unlock()
	if l == nil {
		return
	}
	l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Conn.Close()
	}
}

// bound returns the addresses that are listened on.
func (w *wire) bound() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []netip.AddrPort
	for addr := range w.listeners {
		all = append(all, addr)
	}
	return all
}

func (l *wireListener) track(c *wireConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.wire.mu.Lock()
		defer l.wire.mu.Unlock()
		delete(l.wire.listeners, l.addr)
	})
	return nil
}

func (l *wireListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// wireConn is the listener's end of a connection.
type wireConn struct {
	net.Conn
	of *wireListener
}

func (c *wireConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
