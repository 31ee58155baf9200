package node

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// upstream is one connection to a target.
type upstream struct {
	conn    net.Conn
	rd      reader
	page    *[targetBuffer]byte
	nth     int           // requests sent, this one included
	dial    time.Duration // time to connect
	idle    time.Time     // since when it is idle
	expires time.Time     // when it is closed if it stays idle
	slot    int           // index in pool.active
	ended   atomic.Int32  // why the node closed it under a request

	raw   syscall.RawConn // TCP only
	peek  func(fd uintptr)
	quiet bool // result of peek: open, and nothing to read
}

// Why the node itself ended a connection to a target.
const (
	endedNot int32 = iota
	endedByClient
	endedByDraining
	endedByStop
)

func newUpstream(conn net.Conn, dial time.Duration) *upstream {
	u := &upstream{conn: conn, dial: dial, rd: reader{conn: conn}}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			u.raw, u.peek = raw, func(fd uintptr) { u.quiet = quiet(fd) }
		}
	}
	return u
}

// quiet peeks without waiting: an idle connection must have nothing to read, not even its end.
func quiet(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}

// usable reports whether an idle connection has neither ended nor sent anything (ALB-012).
func (u *upstream) usable() bool {
	if u.raw != nil {
		u.quiet = false
		return u.raw.Control(u.peek) == nil && u.quiet
	}
	u.conn.SetReadDeadline(time.Unix(1, 0))
	var b [1]byte
	_, err := u.conn.Read(b[:])
	return isTimeout(err)
}

// end closes the connection under the request that uses it. The first reason stands.
func (u *upstream) end(why int32) {
	if u.ended.CompareAndSwap(endedNot, why) {
		u.conn.Close()
	}
}

func (u *upstream) lendBuffer() {
	if u.page == nil {
		u.page = pages.Get().(*[targetBuffer]byte)
		u.rd.buf, u.rd.r, u.rd.w = u.page[:], 0, 0
	}
}

func (u *upstream) returnBuffer() {
	if u.page != nil {
		pages.Put(u.page)
		u.page, u.rd.buf, u.rd.r, u.rd.w = nil, nil, 0, 0
	}
}

// pool holds the connections to one target: idle ones, and those that carry a request.
type pool struct {
	mu     sync.Mutex
	idle   []*upstream // the one used last is at the end
	active []*upstream
	closed bool // connections are not kept any more
	cut    int32
}

// get returns an idle connection that is still open, or nil.
func (p *pool) get(now time.Time) *upstream {
	for {
		u := p.pop()
		if u == nil {
			return nil
		}
		if now.Before(u.expires) && u.usable() {
			return u
		}
		p.drop(u)
	}
}

func (p *pool) pop() *upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	u := p.idle[len(p.idle)-1]
	p.idle[len(p.idle)-1] = nil
	p.idle = p.idle[:len(p.idle)-1]
	p.activate(u)
	return u
}

// add takes in a new connection that carries a request.
func (p *pool) add(u *upstream) {
	p.mu.Lock()
	p.activate(u)
	cut := p.cut
	p.mu.Unlock()
	if cut != endedNot {
		u.end(cut)
	}
}

func (p *pool) activate(u *upstream) {
	u.slot = len(p.active)
	p.active = append(p.active, u)
}

func (p *pool) deactivate(u *upstream) {
	last := len(p.active) - 1
	p.active[u.slot] = p.active[last]
	p.active[u.slot].slot = u.slot
	p.active[last] = nil
	p.active = p.active[:last]
}

// put keeps a connection for the next request.
func (p *pool) put(u *upstream, now time.Time, keep time.Duration) {
	u.returnBuffer()
	u.idle, u.expires = now, now.Add(keep)
	p.mu.Lock()
	p.deactivate(u)
	kept := !p.closed && u.ended.Load() == endedNot
	if kept {
		p.idle = append(p.idle, u)
	}
	p.mu.Unlock()
	if !kept {
		u.conn.Close()
	}
}

// drop closes a connection for good.
func (p *pool) drop(u *upstream) {
	p.mu.Lock()
	p.deactivate(u)
	p.mu.Unlock()
	u.conn.Close()
	u.returnBuffer()
}

// expire closes connections that were idle for too long, and returns when the next one is due.
func (p *pool) expire(now time.Time) (next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, u := range p.idle {
		if !now.Before(u.expires) {
			u.conn.Close()
			continue
		}
		if next.IsZero() || u.expires.Before(next) {
			next = u.expires
		}
		kept = append(kept, u)
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	return next
}

// close closes idle connections and keeps none from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, u := range p.idle {
		u.conn.Close()
	}
	p.idle = nil
}

// endAll closes every connection, also under requests.
func (p *pool) endAll(why int32) {
	p.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = why
	for _, u := range p.active {
		u.end(why)
	}
}
