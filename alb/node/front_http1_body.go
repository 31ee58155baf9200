package node

import (
	"net"
	"sync"
	"time"
)

func (c *http1Conn) next(wait bool) ([]byte, error) {
	if !wait {
		return c.body.next(false)
	}
	c.enlarge()
	for {
		c.arm(time.Now().Add(c.x.idleTimeout()))
		if c.interrupted.Load() { // looked at after the deadline is set: it cannot be missed
			return nil, errInterrupted
		}
		p, err := c.body.next(true)
		if err == errPart {
			c.x.activity.Store(time.Now().UnixNano())
			continue
		}
		if err != nil && c.interrupted.Load() {
			err = errInterrupted
		}
		return p, err
	}
}

// enlarge gives the reader a page for a body that comes in parts.
func (c *http1Conn) enlarge() {
	if c.rd.len() > 0 || len(c.rd.buf) >= targetBuffer {
		return
	}
	c.spare = c.rd.buf
	c.rd.buf, c.rd.r, c.rd.w = pages.Get().(*[targetBuffer]byte)[:], 0, 0
}

func (c *http1Conn) whole() bool       { return c.body.done() }
func (c *http1Conn) received() int64   { return c.body.received }
func (c *http1Conn) trailers() []field { return nil }

func (c *http1Conn) interrupt() {
	c.interrupted.Store(true)
	c.conn.SetReadDeadline(time.Unix(1, 0))
}

func (c *http1Conn) proceed() {
	if !c.http11 || c.body.done() || c.rd.len() > 0 {
		return
	}
	before := c.written
	c.sendSlowly([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	c.written = before // not part of the response
}

func (c *http1Conn) source() (*net.TCPConn, int64) {
	if c.body.framing != byLength || c.rd.len() > 0 {
		return nil, 0
	}
	return isTCP(c.conn), c.body.remain
}

func (c *http1Conn) took(n int64) {
	c.armed = time.Time{}
	c.body.remain -= n
	c.body.received += n
}

// watch waits for the client to leave while a target is working.
type watch struct {
	mu      sync.Mutex
	leave   func() // ends what the request is waiting for
	gone    bool
	running chan struct{} // closed when the reading goroutine has ended; nil: not started
}

// onLeave sets what ends the wait if the client leaves; at once if it has left.
func (w *watch) onLeave(leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leave = leave
	if w.gone && leave != nil {
		leave()
	}
}

// watch reads from the client in the background: an end means that it left, bytes are the
// next request and stay in the buffer. Not while a body is being read.
func (c *http1Conn) watch(leave func()) {
	w := &c.watcher
	w.onLeave(leave)
	if w.running != nil || leave == nil || !c.body.done() || c.rd.len() > maxRequestHeader {
		return
	}
	c.rd.reserve()
	w.running = make(chan struct{})
	c.armed = time.Time{}
	c.conn.SetReadDeadline(time.Time{})
	go c.watchClient(w.running)
}

func (c *http1Conn) watching() bool { return c.watcher.running != nil }

func (c *http1Conn) left() bool {
	c.watcher.mu.Lock()
	defer c.watcher.mu.Unlock()
	return c.watcher.gone
}

func (c *http1Conn) watchClient(done chan struct{}) {
	defer close(done)
	n, err := c.conn.Read(c.rd.buf[c.rd.w:])
	c.rd.w += n
	if n > 0 || err == nil || isTimeout(err) {
		return
	}
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	if w.leave != nil {
		w.leave()
	}
}

func (c *http1Conn) unwatch() bool {
	w := &c.watcher
	if w.running == nil {
		return false
	}
	w.onLeave(nil)
	c.armed = time.Time{}
	c.conn.SetReadDeadline(time.Unix(1, 0))
	<-w.running
	gone := w.gone
	w.running, w.gone = nil, false
	return gone
}
