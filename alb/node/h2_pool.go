package node

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"drydock/alb/node/h2"
	"drydock/timeline"
)

// h2Pool holds the HTTP/2 connections to one target. Requests share them.
type h2Pool struct {
	mu      sync.Mutex
	links   []*h2Link
	backs   map[*h2Back]struct{} // that carry a request
	dialing []*h2Dial
	closed  bool // connections are not kept any more
	cut     int32
}

// h2Link is one connection.
type h2Link struct {
	conn     *h2.Conn
	doubt    time.Duration // how long it may take to answer once a request on it was given up
	promised int           // streams that are about to be opened; owned by h2Pool.mu
	uses     int           // requests so far; owned by h2Pool.mu
}

// h2Dial is a connection that is being made, by one request for several.
type h2Dial struct {
	done  chan struct{}
	users int // owned by h2Pool.mu

	// Valid after done.
	cause timeline.Cause
	err   error
}

const usersPerDial = 32 // the target has not said yet how many streams it takes

// connectHTTP2 gives the exchange a stream of a connection that has room, or of a new one.
func (x *exchange) connectHTTP2(t *target) (timeline.Cause, error) {
	p := &t.h2
	for {
		if b := p.take(x.o.Start); b != nil {
			x.o.Connection = timeline.Connection{Reused: b.uses > 1, Nth: b.uses, Idle: b.idle}
			b.secure, x.back = t.protocol == "HTTPS", b
			return "", nil
		}
		if p.takesNone() {
			return timeline.ConnRefused, errTakesNone
		}
		d, first := p.join()
		if !first {
			if cause, err := x.awaitDial(t, d); err != nil {
				return cause, err
			}
			continue
		}
		conn, cause, err := x.dialHTTP2(t)
		if err != nil {
			p.dialled(d, cause, err)
			return cause, err
		}
		b := p.add(x.startLink(t, conn))
		p.dialled(d, "", nil)
		b.secure, x.back = t.protocol == "HTTPS", b
		return "", nil
	}
}

// startLink serves a new connection until it ends.
func (x *exchange) startLink(t *target, conn net.Conn) *h2Link {
	idle := x.idleTimeout()
	l := &h2Link{doubt: x.node.timing.connect, conn: h2.Client(conn, h2.Config{MaxStreams: maxStreams, MaxHead: maxResponseHeader, MaxField: maxResponseHeader,
		ConnWindow: maxStreams << 16, IdleTimeout: idle, WriteTimeout: idle})}
	count := &x.route.tally.targets
	count.open()
	x.node.work.Go(func() {
		l.conn.Run()
		t.h2.remove(l)
		count.close()
	})
	return l
}

// dialHTTP2 makes a connection that speaks HTTP/2: with TLS if the target group's protocol is
// HTTPS, at once if it is HTTP (ALB-118).
func (x *exchange) dialHTTP2(t *target) (net.Conn, timeline.Cause, error) {
	conn, cause, err := x.dial(t)
	if err != nil || t.protocol != "HTTPS" {
		return conn, cause, err
	}
	secure, cause, err := x.secure(t, conn, "h2")
	if err == nil && secure.ConnectionState().NegotiatedProtocol != "h2" {
		conn.Close()
		cause, err = timeline.TargetTLSError, errNoH2
	}
	if err != nil {
		return nil, cause, err
	}
	return secure, "", nil
}

var errNoH2 = errors.New("the target did not choose h2 by ALPN")

// awaitDial waits for a connection that another request makes. An error is the end of this
// request, too; it has not been sent.
func (x *exchange) awaitDial(t *target, d *h2Dial) (timeline.Cause, error) {
	left := make(chan struct{})
	var once sync.Once
	x.front.watch(func() { once.Do(func() { close(left) }) })
	defer x.front.watch(nil)
	select {
	case <-d.done:
		if d.cause == timeline.ClientGone {
			return "", nil // the other's client: this one is still there
		}
		return d.cause, d.err
	case <-left:
		return timeline.ClientGone, context.Canceled
	case <-t.ctx.Done():
		if errors.Is(context.Cause(t.ctx), errDrained) {
			return timeline.DeregDelayElapsed, errDrained
		}
		return timeline.CauseNone, errStopped
	}
}

var errTakesNone = errors.New("the target takes no streams: its SETTINGS_MAX_CONCURRENT_STREAMS is 0")

// takesNone reports whether the target has said so on a connection that is there. Another one would be
// no better.
func (p *h2Pool) takesNone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed && slices.ContainsFunc(p.links, func(l *h2Link) bool { return l.conn.TakesNone() })
}

// take returns a back on a connection that has room, or nil.
func (p *h2Pool) take(now time.Time) *h2Back {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	for _, l := range p.links {
		if l.conn.Room() <= l.promised {
			continue
		}
		b := p.newBack(l)
		if idle := l.conn.IdleSince(); !idle.IsZero() && l.promised == 1 {
			b.idle = max(0, now.Sub(idle))
		}
		return b
	}
	return nil
}

func (p *h2Pool) newBack(l *h2Link) *h2Back {
	l.promised++
	l.uses++
	b := &h2Back{pool: p, link: l, uses: l.uses}
	if p.backs == nil {
		p.backs = map[*h2Back]struct{}{}
	}
	p.backs[b] = struct{}{}
	return b
}

// join returns a connection that is being made, for the caller to make if it is the first.
func (p *h2Pool) join() (d *h2Dial, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.dialing {
		if d.users < usersPerDial {
			d.users++
			return d, false
		}
	}
	d = &h2Dial{done: make(chan struct{}), users: 1}
	p.dialing = append(p.dialing, d)
	return d, true
}

func (p *h2Pool) dialled(d *h2Dial, cause timeline.Cause, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.cause, d.err = cause, err
	p.dialing = slices.DeleteFunc(p.dialing, func(other *h2Dial) bool { return other == d })
	close(d.done)
}

// add takes in a new connection, and gives its first stream to the caller.
func (p *h2Pool) add(l *h2Link) *h2Back {
	p.mu.Lock()
	p.links = append(p.links, l)
	b, cut := p.newBack(l), p.cut
	p.mu.Unlock()
	if cut != endedNot {
		b.end(cut)
	}
	return b
}

func (p *h2Pool) remove(l *h2Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links = slices.DeleteFunc(p.links, func(other *h2Link) bool { return other == l })
}

// opened says that a promised stream has been opened, or never will be.
func (p *h2Pool) opened(l *h2Link) {
	p.mu.Lock()
	l.promised--
	last := p.closed && l.promised == 0
	p.mu.Unlock()
	if last {
		l.conn.GoAway()
	}
}

func (p *h2Pool) release(b *h2Back) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.backs, b)
}

// close closes idle connections, the others after their last stream, and keeps none from now on.
func (p *h2Pool) close() {
	p.mu.Lock()
	p.closed = true
	var links []*h2Link
	for _, l := range p.links {
		if l.promised == 0 {
			links = append(links, l)
		}
	}
	p.mu.Unlock()
	for _, l := range links {
		l.conn.GoAway()
	}
}

// endAll ends every request, and closes every connection.
func (p *h2Pool) endAll(why int32) {
	p.mu.Lock()
	p.closed, p.cut = true, why
	links := slices.Clone(p.links)
	for b := range p.backs {
		b.end(why)
	}
	p.mu.Unlock()
	for _, l := range links {
		l.conn.Close()
	}
}
