package node

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

// endedByUpload: the client failed while its request body was being sent on.
const endedByUpload int32 = 100

// upload sends the rest of a request body to the target while the response is awaited.
type upload struct {
	done     chan struct{}
	stopping atomic.Bool
	reading  atomic.Bool // waiting for the client, not for the target
	stopped  bool
	finished bool           // the whole body was sent; valid after done
	cause    timeline.Cause // what the client did wrong; valid after done
	detail   string
}

// startUpload must not run together with a watch: both read from the client.
func (c *clientConn) startUpload(u *upstream) {
	c.up = &upload{done: make(chan struct{})}
	c.activity.Store(c.sent.UnixNano())
	go c.upload(u, c.up)
}

func (c *clientConn) upload(u *upstream, up *upload) {
	defer close(up.done)
	page := c.borrowPage()
	defer c.returnPage(page)
	var out []byte
	for {
		c.conn.SetReadDeadline(time.Now().Add(c.idleTimeout()))
		if up.stopping.Load() {
			return
		}
		up.reading.Store(true)
		p, err := c.body.next(true)
		up.reading.Store(false)
		if err != nil && err != io.EOF {
			up.blame(c, u, err)
			return
		}
		out = out[:0]
		switch {
		case err == io.EOF && c.body.framing == byChunks:
			out = append(out, lastChunk...)
		case err == nil && c.body.framing == byChunks:
			out = appendChunk(out, p)
		case err == nil:
			out = p
		}
		u.conn.SetWriteDeadline(time.Now().Add(c.idleTimeout()))
		if _, failed := u.conn.Write(out); failed != nil {
			return // the target may still answer
		}
		c.activity.Store(time.Now().UnixNano())
		if err == io.EOF || c.body.framing == byLength && c.body.done() {
			up.finished = true
			return
		}
	}
}

// blame notes what the client did, and ends the wait for the response.
func (up *upload) blame(c *clientConn, u *upstream, err error) {
	if up.stopping.Load() {
		return
	}
	up.detail = "request body: " + err.Error()
	switch {
	case isTimeout(err):
		up.cause = timeline.ClientIdle
	case errors.Is(err, errChunk):
		up.cause = timeline.MalformedRequest
	default:
		up.cause = timeline.ClientClosedBeforeBody
	}
	u.end(endedByUpload)
}

// stop ends an upload and waits for it. It reports whether the whole body was sent. A nil
// upload has nothing left to send, or could not start.
func (up *upload) stop(c *clientConn, u *upstream) bool {
	if up == nil {
		return c.body.done()
	}
	if !up.stopped {
		if !up.over() {
			up.interrupt(c, u)
		}
		<-up.done
		up.stopped = true
	}
	return up.finished && !up.stopping.Load()
}

// over reports whether nobody reads a request body from the client any more.
func (up *upload) over() bool {
	if up == nil {
		return true
	}
	select {
	case <-up.done:
		return true
	default:
		return false
	}
}

// stalled reports whether the client owes bytes of the body.
func (up *upload) stalled() bool { return up != nil && up.reading.Load() }

// interrupt wakes the goroutine from whatever it waits for. It looks at stopping after it has
// set its own deadline, so that it cannot miss both.
func (up *upload) interrupt(c *clientConn, u *upstream) {
	up.stopping.Store(true)
	c.conn.SetReadDeadline(time.Unix(1, 0))
	u.conn.Close()
}

// borrowPage gives the client's reader a large buffer for the time of an upload.
func (c *clientConn) borrowPage() (small []byte) {
	small = c.rd.buf
	page := pages.Get().(*[targetBuffer]byte)
	c.rd.w = copy(page[:], c.rd.bytes())
	c.rd.r, c.rd.buf = 0, page[:]
	return small
}

// returnPage gives it back, unless more unread bytes than fit the small buffer are in it.
func (c *clientConn) returnPage(small []byte) {
	page := c.rd.buf
	if c.rd.len() > len(small) || len(page) != targetBuffer {
		return
	}
	c.rd.w = copy(small, c.rd.bytes())
	c.rd.r, c.rd.buf = 0, small
	pages.Put((*[targetBuffer]byte)(page))
}
