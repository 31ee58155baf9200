package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// listener is one listener of the snapshot with its sockets and client connections.
type listener struct {
	node  *Node
	arn   string
	route atomic.Pointer[route] // nil: the listener is gone

	sockets map[netip.AddrPort]*socket // owned by Node.mu
	wanted  []netip.AddrPort           // owned by Node.mu

	entrance *tls.Config // of all TLS handshakes

	mu    sync.Mutex
	conns map[clientConn]struct{}
}

func newListener(n *Node, arn string, addresses []netip.AddrPort) *listener {
	l := &listener{node: n, arn: arn, wanted: addresses, sockets: map[netip.AddrPort]*socket{}, conns: map[clientConn]struct{}{}}
	l.entrance = l.newEntrance()
	return l
}

// compileListener returns the route of a listener, nil if it cannot be served at all.
func (n *Node) compileListener(version uint64, lb *LoadBalancer, l Listener, groups map[string]*group) (*route, error) {
	r := compileRoute(version, lb, l, groups, n.sealer)
	r.tally = n.tallies.of(lb.ID)
	switch l.Protocol {
	case "", "HTTP":
		return r, nil
	case "HTTPS":
		terms, err := compileTerms(lb, l, n.certs)
		if err != nil {
			err = fmt.Errorf("listen for HTTPS: %w", err)
		}
		if terms == nil {
			terms = n.termsOf(l.ARN) // the last good ones: to listen no more would be worse
		}
		if terms == nil {
			return nil, err
		}
		r.terms = terms
		return r, err
	}
	return nil, fmt.Errorf("listen for %s: the node speaks HTTP and HTTPS only", l.Protocol)
}

// termsOf returns the terms that a listener has now, or nil. n.mu is held.
func (n *Node) termsOf(arn string) *terms {
	if l := n.listeners[arn]; l != nil {
		if r := l.route.Load(); r != nil {
			return r.terms
		}
	}
	return nil
}

// socket is a bound address.
type socket struct {
	net.Listener
	serving bool // owned by Node.mu
}

// bind binds the wanted addresses that are not bound yet. It returns the error of the first
// address; others may not exist yet and are tried again (ALB-060).
func (l *listener) bind() (first error) {
	for i, addr := range l.wanted {
		if l.sockets[addr] != nil {
			continue
		}
		ln, err := l.node.config.Listen(l.node.base, addr)
		if err == nil {
			l.sockets[addr] = &socket{Listener: ln}
		} else if i == 0 {
			first = err
		}
	}
	return first
}

func (l *listener) complete() bool { return len(l.sockets) >= len(l.wanted) }

// unbind closes the sockets that are not wanted any more.
func (l *listener) unbind(wanted []netip.AddrPort) {
	keep := map[netip.AddrPort]bool{}
	for _, addr := range wanted {
		keep[addr] = true
	}
	for addr, s := range l.sockets {
		if !keep[addr] {
			s.Close()
			delete(l.sockets, addr)
		}
	}
	l.wanted = wanted
}

// accept serves the connections of one socket until it is closed. It runs in its own goroutine.
func (l *listener) accept(s *socket) {
	for {
		conn, err := s.Accept()
		if err == nil {
			l.take(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if r := l.route.Load(); r != nil {
			r.tally.rejected.Add(1)
		}
		l.node.log.Warn("accept", "listener", l.arn, "error", err)
		time.Sleep(10 * time.Millisecond) // out of descriptors: give some back
	}
}

// take starts to serve a connection. Its TLS handshake, if there is one, does not keep others
// from being accepted.
func (l *listener) take(conn net.Conn) {
	p := newPeer(l.node, clientAddr(conn.RemoteAddr()))
	p.traceID = newConnectionID()
	r := l.route.Load()
	if r != nil && r.terms != nil {
		p.kind = "https"
		l.start(&handshake{listener: l, conn: &opening{Conn: newWire(conn), below: conn}, peer: p, began: time.Now()})
		return
	}
	c := newHTTP1Conn(l, conn, p)
	l.report(r, Connection{Time: c.opened, Client: p.addr, Handshake: -1, TraceID: p.traceID})
	l.start(c)
}

// start serves a connection that was accepted, and counts it.
func (l *listener) start(c clientConn) {
	r := l.route.Load()
	if r != nil {
		r.tally.clients.open()
	}
	l.run(c, r)
}

// run serves a connection in a goroutine of its own. r, if not nil, counts it until it has ended,
// or what a handshake gives way to.
func (l *listener) run(c clientConn, r *route) {
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	if l.route.Load() == nil || l.node.stopping.Load() {
		c.quit()
	}
	l.node.work.Go(func() {
		c.serve()
		l.mu.Lock()
		delete(l.conns, c) // before its successor is there: to quit the one would cut the other
		l.mu.Unlock()
		if next := successor(c); next != nil {
			l.run(next, r)
		} else if r != nil {
			r.tally.clients.close()
		}
	})
}

// successor returns what a connection has given way to, or nil.
func successor(c clientConn) clientConn {
	if h, ok := c.(*handshake); ok {
		return h.next
	}
	return nil
}

// report tells of a client connection.
func (l *listener) report(r *route, c Connection) {
	if r != nil { // else the listener is gone, and the connection with it
		c.LoadBalancer, c.Listener, c.Port = r.lb.ID, r.listener, r.port
		l.node.sink.Connected(c)
	}
}

// newConnectionID returns a conn_trace_id: TID_ and 32 hex digits.
func newConnectionID() string {
	b := append(make([]byte, 0, 36), "TID_"...)
	return string(appendHex(appendHex(b, rand.Uint64(), 16), rand.Uint64(), 16))
}

// change makes r the route. Connections that were accepted for another protocol end: what they
// carry must not be told to targets as https.
func (l *listener) change(r *route) {
	if old := l.route.Swap(r); old != nil && old.scheme != r.scheme {
		l.quit()
	}
}

// connections returns the number of client connections now.
func (l *listener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// quit makes idle connections close now and others after their request.
func (l *listener) quit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.quit()
	}
}

// abort closes every connection.
func (l *listener) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.abort()
	}
}
