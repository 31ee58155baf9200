package node

import (
	"sync"
	"time"
)

// pool holds the HTTP/1.1 connections to one target: idle ones, and those that carry a request (ALB-067).
type pool struct {
	mu     sync.Mutex
	idle   []*http1Back // the one used last is at the end
	active []*http1Back
	closed bool // connections are not kept any more
	cut    int32
}

// get returns an idle connection that is still open, or nil. One whose end was read no longer
// than stale ago is as good: a fault to reproduce (ALB-066).
func (p *pool) get(now time.Time, stale time.Duration) *http1Back {
	for {
		u := p.pop()
		if u == nil {
			return nil
		}
		if now.Before(u.expires) && (u.usable() || u.justEnded(stale)) {
			return u
		}
		p.drop(u)
	}
}

func (p *pool) pop() *http1Back {
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
func (p *pool) add(u *http1Back) {
	p.mu.Lock()
	p.activate(u)
	cut := p.cut
	p.mu.Unlock()
	if cut != endedNot {
		u.end(cut)
	}
}

func (p *pool) activate(u *http1Back) {
	u.slot = len(p.active)
	p.active = append(p.active, u)
}

func (p *pool) deactivate(u *http1Back) {
	last := len(p.active) - 1
	p.active[u.slot] = p.active[last]
	p.active[u.slot].slot = u.slot
	p.active[last] = nil
	p.active = p.active[:last]
}

// put keeps a connection for the next request.
func (p *pool) put(u *http1Back, now time.Time, keep time.Duration) {
	u.idle, u.expires = now, now.Add(keep)
	p.mu.Lock()
	p.deactivate(u)
	kept := !p.closed && u.ended() == endedNot
	if kept {
		p.idle = append(p.idle, u)
	}
	p.mu.Unlock()
	if !kept {
		u.close()
	}
}

// drop closes a connection for good.
func (p *pool) drop(u *http1Back) {
	p.mu.Lock()
	p.deactivate(u)
	p.mu.Unlock()
	u.close()
}

// expire closes connections that were idle for too long, and returns when the next one is due.
func (p *pool) expire(now time.Time) (next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, u := range p.idle {
		if !now.Before(u.expires) {
			u.close()
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
		u.close()
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
