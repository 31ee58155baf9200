package h2

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// outbox is what waits to be written.
type outbox struct {
	pending  []byte // frames
	parcel   uint64 // counts the writes: offsets into pending are valid within one
	control  int    // bytes of pending that answer the peer's frames
	flushing bool   // somebody writes, and goes on while there is something pending
	halved   bool   // nothing more will be written

	whenFlushed chan struct{} // closed at the end of a flush; nil: nobody waits for it
	armed       time.Time

	encoder *hpack.Encoder
	scratch scratch // a block
}

var errUnread = calm("answers are not read")

// scratch collects what the encoder writes.
type scratch struct{ b []byte }

func (s *scratch) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// parcel is a buffer of frames.
type parcel [maxPending]byte

var parcels = sync.Pool{New: func() any { return new(parcel) }}

// reserve makes room in pending, from the pool if it has none.
func (o *outbox) reserve() {
	if o.pending == nil {
		o.pending = parcels.Get().(*parcel)[:0]
	}
}

func giveBack(b []byte) {
	if cap(b) == maxPending {
		parcels.Put((*parcel)(b[:maxPending]))
	}
}

// mustFlush reports whether there is something to write, or the connection to be closed,
// and nobody does it.
func (c *Conn) mustFlush() bool {
	return !c.flushing && !c.over && (len(c.pending) > 0 || c.finished && !c.halved)
}

// flush writes what is pending, unless somebody does. Others that are about to append
// something go first, so that it leaves in the same write.
func (c *Conn) flush() {
	c.mu.Lock()
	if !c.mustFlush() {
		c.mu.Unlock()
		return
	}
	c.flushing = true
	if len(c.streams) > 0 {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.writePending()
	if len(c.pending) > 0 && !c.over && c.running {
		c.work.Go(c.flushAll) // what others appended meanwhile is not ours to wait for
		c.mu.Unlock()
		return
	}
	c.flushed()
}

// kick has what is pending written by a goroutine of its own, for those who must not wait.
func (c *Conn) kick() {
	if c.mustFlush() && c.running {
		c.flushing = true
		c.work.Go(c.flushAll)
	}
}

// flushAll writes until nothing is pending. The caller has set flushing.
func (c *Conn) flushAll() {
	c.mu.Lock()
	for len(c.pending) > 0 && !c.over {
		c.writePending()
	}
	c.flushed()
}

// flushed ends flushing, and the connection if all is said. It unlocks mu.
func (c *Conn) flushed() {
	c.flushing = false
	if c.whenFlushed != nil {
		close(c.whenFlushed)
		c.whenFlushed = nil
	}
	last := c.finished && !c.over && !c.halved
	c.halved = c.halved || last
	c.mu.Unlock()
	if last {
		c.closeWrite()
	}
}

// writePending writes once, without the lock, and lets those go on that waited for it.
func (c *Conn) writePending() {
	b := c.pending
	if len(b) == 0 {
		return
	}
	c.pending, c.control = nil, 0
	c.parcel++
	c.arm()
	c.releaseBlocked()
	c.mu.Unlock()
	_, err := c.conn.Write(b)
	giveBack(b)
	if err != nil {
		c.abort(err)
		c.conn.Close()
	}
	c.mu.Lock()
}

// arm sets the deadline of writing, if it is not the right one more or less.
func (c *Conn) arm() {
	timeout := c.config.WriteTimeout
	if timeout <= 0 || c.ending {
		return
	}
	now := time.Now()
	if now.Add(timeout - min(time.Second, timeout/4)).After(c.armed) {
		c.armed = now.Add(timeout)
		c.conn.SetWriteDeadline(c.armed)
	}
}

// awaitRoom has a stream told when there may be room for its data.
func (c *Conn) awaitRoom(s *Stream) {
	if !s.blocked {
		s.blocked = true
		c.blocked = append(c.blocked, s)
	}
}

// releaseBlocked lets streams try again to append their data.
func (c *Conn) releaseBlocked() {
	for i, s := range c.blocked {
		s.blocked = false
		s.canWrite.signal()
		c.blocked[i] = nil
	}
	c.blocked = c.blocked[:0]
}

// answer appends a frame that answers one of the peer's. A peer that does not read them
// cannot make us keep many.
func (c *Conn) answer(frame func(b []byte) []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reserve()
	before := len(c.pending)
	c.pending = frame(c.pending)
	c.control += len(c.pending) - before
	if c.control > maxControl {
		return errUnread
	}
	return nil
}

func (c *Conn) appendReset(stream uint32, code Code) {
	c.reserve()
	c.pending = appendUint32Frame(c.pending, frameReset, stream, uint32(code))
}

func (c *Conn) appendUpdate(stream, more uint32) {
	c.reserve()
	c.pending = appendUint32Frame(c.pending, frameWindowUpdate, stream, more)
}

// encode adds a field to the block in scratch.
func (c *Conn) encode(f Field) { c.encoder.WriteField(f) }

// tail is where a stream's last frame is in pending, to be marked as its end.
type tail struct {
	parcel uint64
	at     int
}

// markEnd makes the stream's last frame the end of it, if it is still pending.
func (c *Conn) markEnd(t tail) bool {
	if t.parcel != c.parcel || t.at < 0 {
		return false
	}
	c.pending[t.at+4] |= flagEndStream
	return true
}

// appendBlock appends the block in scratch as the frames of a head. It returns their size.
func (c *Conn) appendBlock(stream uint32, end bool) int {
	c.reserve()
	b, block, before := c.pending, c.scratch.b, len(c.pending)
	kind, flags := byte(frameHeaders), byte(0)
	if end {
		flags = flagEndStream
	}
	for {
		part := block[:min(len(block), c.peerFrame)]
		if block = block[len(part):]; len(block) == 0 {
			flags |= flagEndHeaders
		}
		b = append(appendFrame(b, len(part), kind, flags, stream), part...)
		if len(block) == 0 {
			break
		}
		kind, flags = frameContinuation, 0
	}
	c.pending, c.scratch.b = b, c.scratch.b[:0]
	if cap(c.scratch.b) > 4<<10 {
		c.scratch.b = nil
	}
	return len(b) - before
}

// statusText is the value of :status.
func statusText(status int) string {
	switch status {
	case 200:
		return "200"
	case 304:
		return "304"
	case 404:
		return "404"
	}
	return strconv.Itoa(status)
}

func readUint32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
