package h2

import (
	"fmt"
	"os"
	"time"
)

// Stream is one request with its response. A server's handler, or a client between Open and
// Close, may use it from two goroutines at once: one reads, one writes.
type Stream struct {
	// Of the request, for a server.
	Method, Scheme, Authority, Path string
	// Of the response, for a client, after AwaitHead.
	Status int
	// TooLarge: the head was above a limit; Head lacks fields.
	TooLarge bool

	conn *Conn
	id   uint32

	// Guarded by conn.mu.
	fields, trailers         []Field
	length, got              int64 // content-length, -1: none; bytes of the body so far
	hasHead, headOnly        bool
	peerEnded, ownEnded      bool
	wroteHead                bool
	err                      error // why the stream ended before its end
	onEnd                    func()
	interrupted              bool
	blocked                  bool // in conn.blocked
	last                     tail
	sendWindow               int64
	recvWindow, recvConsumed int64
	received, sent           int64
	inbox                    inbox
	canRead, canWrite        waiter
}

// waiter is what one goroutine waits with.
type waiter struct {
	ready    chan struct{}
	deadline time.Time
	patience time.Duration
	timer    *time.Timer
}

func (w *waiter) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// wait returns after a signal; there may be none of what it waits for. After the deadline it
// returns os.ErrDeadlineExceeded.
func (w *waiter) wait(deadline time.Time) error {
	if deadline.IsZero() {
		<-w.ready
		return nil
	}
	left := time.Until(deadline)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	if w.timer == nil {
		w.timer = time.NewTimer(left)
	} else {
		w.timer.Reset(left)
	}
	defer w.timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-w.timer.C:
		return os.ErrDeadlineExceeded
	}
}

func (w *waiter) reset() {
	w.deadline, w.patience = time.Time{}, 0
	select {
	case <-w.ready:
	default:
	}
}

// newStream makes a stream, or takes one that was used before, and lists it.
func (c *Conn) newStream(id uint32) *Stream {
	var s *Stream
	if n := len(c.free); n > 0 {
		s = c.free[n-1]
		c.free = c.free[:n-1]
		s.renew()
	} else {
		s = &Stream{conn: c}
		s.canRead.ready, s.canWrite.ready = make(chan struct{}, 1), make(chan struct{}, 1)
	}
	s.id, s.length = id, -1
	s.sendWindow, s.recvWindow = c.peerWindow, int64(c.config.StreamWindow)
	c.streams[id] = s
	c.idleSince = time.Time{}
	return s
}

func (s *Stream) renew() {
	fields, trailers := s.fields, s.trailers
	clear(fields)
	clear(trailers)
	read, write := s.canRead, s.canWrite
	read.reset()
	write.reset()
	*s = Stream{conn: s.conn, blocked: s.blocked, fields: fields[:0], trailers: trailers[:0], canRead: read, canWrite: write}
}

// takeHead moves a decoded head into the stream.
func (s *Stream) takeHead(h *head, end bool) {
	s.Method, s.Scheme, s.Authority, s.Path = h.method, h.scheme, h.authority, h.path
	s.TooLarge, s.length, s.hasHead = h.tooLarge, h.length, true
	if h.tooLarge {
		s.length = -1
	}
	s.fields, h.fields = h.fields, s.fields
	if end {
		s.endPeer()
	}
}

func (s *Stream) endPeer() {
	s.peerEnded = true
	s.canRead.signal()
}

// startHandler runs the handler, or makes the stream wait for one. Streams that their client
// has reset count until their handler returns (CVE-2023-39325).
func (c *Conn) startHandler(s *Stream) error {
	c.requests++
	old := c.config.MaxAge > 0 && time.Since(c.opened) >= c.config.MaxAge
	if old || c.requests == c.config.MaxRequests {
		c.leave()
	}
	if c.handling >= c.config.MaxStreams {
		if len(c.waiting) >= waitingPerLimit*c.config.MaxStreams {
			return calm("streams are opened and reset")
		}
		c.waiting = append(c.waiting, s)
		return nil
	}
	c.handling++
	c.work.Go(func() { c.handle(s) })
	return nil
}

// handle runs handlers until no stream waits for one.
func (c *Conn) handle(s *Stream) {
	for s != nil {
		c.config.Handler(s)
		s = c.handled(s)
	}
}

// handled ends what the handler left, and returns the next stream that waits for one.
func (c *Conn) handled(s *Stream) (next *Stream) {
	c.mu.Lock()
	c.leaveStream(s, InternalError)
	if len(c.waiting) > 0 {
		next, c.waiting = c.waiting[0], c.waiting[1:]
	} else {
		c.handling--
	}
	must := c.mustFlush()
	c.unlock()
	if must {
		c.flush()
	}
	return next
}

// leaveStream resets a stream if it is not over, and keeps it for another request.
func (c *Conn) leaveStream(s *Stream, code Code) {
	if s.err == nil && !(s.ownEnded && s.peerEnded) {
		if s.ownEnded && c.server {
			code = NoError // the response is whole, the rest of the request is not wanted
		}
		s.onEnd = nil
		c.reset(s, code, "")
	}
	c.consumed(s.inbox.discard())
	s.inbox.release()
	if len(c.free) < 16 {
		c.free = append(c.free, s)
	}
}

// Open sends the head of a request, which has its pseudo-headers first, and returns its
// stream; Flush, Send or AwaitHead let it leave. The stream must be closed.
func (c *Conn) Open(fields []Field, end bool) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room() <= 0 && c.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFull, c.err)
	}
	if c.room() <= 0 {
		return nil, ErrFull
	}
	s := c.newStream(c.nextOwn)
	c.nextOwn += 2
	c.requests++
	for _, f := range fields {
		if f.Name == ":method" {
			s.headOnly = f.Value == "HEAD"
		}
		c.encode(f)
	}
	s.appendHead(end)
	s.ownEnded = end
	return s, nil
}

// Room is the number of streams that can be opened now.
func (c *Conn) Room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room()
}

func (c *Conn) room() int {
	if !c.usable() || c.doubted {
		return 0
	}
	return min(c.peerStreams, c.config.MaxStreams) - len(c.streams)
}

// IdleSince is when the last stream ended; zero while there are any.
func (c *Conn) IdleSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idleSince
}

// Usable reports whether streams can be opened on the connection, now or later.
func (c *Conn) Usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usable()
}

func (c *Conn) usable() bool {
	return !c.over && !c.leaving && !c.peerGone && !c.finished && c.nextOwn <= maxWindow-2
}

// TakesNone reports whether the peer has said that it takes no streams, for now.
func (c *Conn) TakesNone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usable() && c.peerStreams == 0
}

// Close ends a client's stream; it is reset if it is not over. The stream and what Head and
// Trailers returned must not be used afterwards.
func (s *Stream) Close() {
	c := s.conn
	c.mu.Lock()
	c.leaveStream(s, Cancel)
	must := c.mustFlush()
	c.unlock()
	if must {
		c.flush()
	}
}

// Reset ends the stream with a code. It does not wait for anything.
func (s *Stream) Reset(code Code) {
	c := s.conn
	c.mu.Lock()
	if s.err == nil && !(s.ownEnded && s.peerEnded) {
		s.onEnd = nil // its caller knows
		c.reset(s, code, "")
	}
	c.kick()
	c.unlock()
}

// reset resets a stream that is listed.
func (c *Conn) reset(s *Stream, code Code, reason string) {
	c.appendReset(s.id, code)
	c.noteReset(s.id)
	c.drop(s, &StreamError{Code: code, Reason: reason})
}

// resetID resets a stream by its identifier, whether it is listed or not.
func (c *Conn) resetID(stream uint32, code Code, reason string) {
	c.mu.Lock()
	defer c.unlock()
	if s := c.streams[stream]; s != nil {
		c.reset(s, code, reason)
		return
	}
	c.appendReset(stream, code)
	c.control += frameHeader + 4
	c.noteReset(stream)
}

// drop ends a stream before its end.
func (c *Conn) drop(s *Stream, err error) {
	if s.err != nil {
		return
	}
	s.err = err
	if c.server {
		c.consumed(s.inbox.discard()) // a client still gets what came before the reset
	}
	s.canRead.signal()
	s.canWrite.signal()
	if s.onEnd != nil {
		c.calls = append(c.calls, s.onEnd)
		s.onEnd = nil
	}
	c.unlist(s)
}

// closeIfOver lets go of a stream that both sides have ended.
func (c *Conn) closeIfOver(s *Stream) {
	if s.peerEnded && s.ownEnded && s.err == nil {
		c.useful += usefulOfStream
		c.unlist(s)
	}
}

func (c *Conn) unlist(s *Stream) {
	if c.streams[s.id] != s {
		return
	}
	delete(c.streams, s.id)
	if len(c.streams) == 0 {
		c.idleSince = time.Now()
		c.finishIfDone()
	}
}

// OnEnd has f called, from another goroutine, when the stream ends before its end: the peer
// resets it or is gone. It is called at once if that has happened; nil takes it back. f must not block.
func (s *Stream) OnEnd(f func()) {
	s.conn.mu.Lock()
	ended := s.err != nil
	if !ended {
		s.onEnd = f
	}
	s.conn.mu.Unlock()
	if ended && f != nil {
		f()
	}
}

// Err is why the stream ended before its end; nil if it did not.
func (s *Stream) Err() error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.err
}
