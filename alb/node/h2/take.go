package h2

import (
	"errors"
	"fmt"
	"slices"
)

// take handles one frame. An error ends the connection.
func (c *Conn) take(f frame) error {
	if c.block.open && (f.kind != frameContinuation || f.stream != c.block.stream) {
		return protocol("a block is not followed by its CONTINUATION")
	}
	if !c.greeted && f.kind != frameSettings {
		return protocol("the first frame is not SETTINGS")
	}
	switch f.kind {
	case frameData:
		return c.takeData(f)
	case frameHeaders:
		return c.takeHeaders(f)
	case frameContinuation:
		if !c.block.open {
			return protocol("CONTINUATION of nothing")
		}
		return c.addFragment(f.payload, f.has(flagEndHeaders))
	case framePriority:
		return c.takePriority(f)
	case frameReset:
		return c.takeReset(f)
	case frameSettings:
		return c.takeSettings(f)
	case framePushPromise:
		return protocol("PUSH_PROMISE")
	case framePing:
		return c.takePing(f)
	case frameGoAway:
		return c.takeGoAway(f)
	case frameWindowUpdate:
		return c.takeUpdate(f)
	}
	return c.strain(1) // unknown frames are ignored
}

func (c *Conn) takeHeaders(f frame) error {
	if f.stream == 0 {
		return protocol("HEADERS of stream 0")
	}
	if err := f.unpad(); err != nil {
		return err
	}
	c.beginBlock(f.stream, f.has(flagEndStream))
	if f.has(flagPriority) {
		on, err := f.dependency()
		if err != nil {
			return err
		}
		c.block.selfed = on == f.stream
	}
	if err := c.mayHaveHead(f.stream); err != nil {
		return err
	}
	return c.addFragment(f.payload, f.has(flagEndHeaders))
}

// mayHaveHead refuses identifiers that cannot have a head now.
func (c *Conn) mayHaveHead(stream uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.streams[stream] != nil, c.server && stream%2 == 1 && stream > c.lastPeer, c.wasReset(stream):
		return nil
	case c.isIdle(stream) || stream%2 == 0:
		return protocol("HEADERS of a stream that cannot be opened")
	}
	return &ConnError{Code: StreamClosed, Reason: "HEADERS of a closed stream"}
}

// isIdle reports whether a stream has not been opened: it is above all others, or was
// skipped.
func (c *Conn) isIdle(stream uint32) bool {
	if !c.server {
		return stream >= c.nextOwn || stream%2 == 0
	}
	if stream%2 == 1 && c.hasIgnored(stream) {
		return false
	}
	if stream > c.lastPeer || stream%2 == 0 {
		return true
	}
	return slices.ContainsFunc(c.skipped[:], func(s span) bool { return s.from <= stream && stream <= s.to })
}

// hasIgnored reports whether a stream crossed our GOAWAY: what comes for it is thrown away.
func (c *Conn) hasIgnored(stream uint32) bool { return c.lastPeer < stream && stream <= c.ignored }

func (c *Conn) wasReset(stream uint32) bool { return slices.Contains(c.resets[:], stream) }

// endBlock uses a whole head.
func (c *Conn) endBlock() error {
	b := &c.block
	c.mu.Lock()
	defer c.unlock()
	s := c.streams[b.stream]
	switch {
	case s == nil && c.wasReset(b.stream):
		return nil // it crossed our RST_STREAM
	case s == nil && c.server && b.stream > c.lastPeer:
		return c.openPeer()
	case s == nil:
		return &ConnError{Code: StreamClosed, Reason: "HEADERS of a closed stream"}
	}
	s.received += int64(b.size + b.frames*frameHeader)
	switch {
	case b.selfed:
		c.reset(s, ProtocolError, "stream depends on itself")
	case !c.server && !s.hasHead:
		c.takeResponse(s)
	default:
		c.takeTrailers(s)
	}
	return nil
}

// openPeer begins a stream of the client's.
func (c *Conn) openPeer() error {
	b, h := &c.block, &c.block.head
	if c.saidLast || c.finished || c.over {
		c.ignored = max(c.ignored, b.stream)
		return nil // it crossed our GOAWAY
	}
	if b.stream > c.lastPeer+2 {
		c.skipped[int(b.stream/2)%len(c.skipped)] = span{c.lastPeer + 1, b.stream - 1}
	}
	c.lastPeer = b.stream
	if len(c.streams) >= c.config.MaxStreams {
		return c.refuseHead(RefusedStream, "too many streams at once")
	}
	bad := h.checkRequest()
	if bad == "" && b.end && h.length > 0 && !h.tooLarge {
		bad = "content-length without a body"
	}
	if b.selfed {
		bad = "stream depends on itself"
	}
	if bad != "" {
		return c.refuseHead(ProtocolError, bad)
	}
	s := c.newStream(b.stream)
	s.takeHead(h, b.end)
	s.received = int64(b.size + b.frames*frameHeader)
	return c.startHandler(s)
}

// refuseHead answers the head at hand with RST_STREAM.
func (c *Conn) refuseHead(code Code, reason string) error {
	c.tellRefused(Refusal{ID: c.block.stream, Code: code, Reason: reason})
	return c.refuse(c.block.stream, code)
}

// refuse resets a stream that was not begun.
func (c *Conn) refuse(stream uint32, code Code) error {
	c.noteReset(stream)
	c.appendReset(stream, code)
	c.control += frameHeader + 4
	if c.control > maxControl {
		return errUnread
	}
	return c.strainLocked(strainOfReset)
}

// tellRefused has the head at hand told of as one that is not served, after unlock.
func (c *Conn) tellRefused(r Refusal) {
	if tell := c.config.Refused; tell != nil {
		r.Received = int64(c.block.size + c.block.frames*frameHeader)
		c.calls = append(c.calls, func() { tell(r) })
	}
}

// desert ends the head that the connection ended in, if it would have opened a stream.
func (c *Conn) desert(err error) {
	c.mu.Lock()
	defer c.unlock()
	b := &c.block
	if !c.server || !b.open || b.stream%2 == 0 || b.stream <= c.lastPeer || c.saidLast || err == nil {
		return
	}
	var own *ConnError
	c.tellRefused(Refusal{ID: b.stream, Reason: err.Error(), Deserted: !errors.As(err, &own)})
}

func (c *Conn) noteReset(stream uint32) {
	c.resets[c.resetAt] = stream
	c.resetAt = (c.resetAt + 1) % len(c.resets)
}

func (c *Conn) takeResponse(s *Stream) {
	b, h := &c.block, &c.block.head
	status, bad := h.checkResponse()
	if bad == "" && status < 200 {
		if !b.end && status != 101 {
			return // interim
		}
		bad = "interim response that is final"
	}
	if status == 204 || status == 304 || s.headOnly {
		h.length = -1
	}
	if bad == "" && b.end && h.length > 0 && !h.tooLarge {
		bad = "content-length without a body"
	}
	if bad != "" {
		c.reset(s, ProtocolError, "malformed response: "+bad)
		return
	}
	s.Status = status
	s.takeHead(h, b.end)
	s.canRead.signal()
	c.closeIfOver(s)
}

func (c *Conn) takeTrailers(s *Stream) {
	b, h := &c.block, &c.block.head
	bad := h.checkTrailers()
	switch {
	case s.peerEnded:
		c.reset(s, StreamClosed, "HEADERS after the end")
		return
	case !b.end:
		bad = "trailers that do not end the stream"
	case bad == "" && s.length >= 0 && s.got != s.length:
		bad = "body differs from its content-length"
	case bad == "" && h.tooLarge:
		bad = "trailers above the limit"
	}
	if bad != "" {
		c.reset(s, ProtocolError, bad)
		return
	}
	s.trailers, h.fields = h.fields, s.trailers
	s.endPeer()
	c.closeIfOver(s)
}

func (c *Conn) takePriority(f frame) error {
	if f.stream == 0 {
		return protocol("PRIORITY of stream 0")
	}
	if len(f.payload) != 5 {
		c.resetID(f.stream, FrameSizeError, "PRIORITY of a wrong size")
		return c.strain(1)
	}
	if on, _ := f.dependency(); on == f.stream {
		c.resetID(f.stream, ProtocolError, "stream depends on itself")
	}
	return c.strain(1)
}

func (c *Conn) takeReset(f frame) error {
	if f.stream == 0 {
		return protocol("RST_STREAM of stream 0")
	}
	if len(f.payload) != 4 {
		return frameSize("RST_STREAM of a wrong size")
	}
	c.mu.Lock()
	s := c.streams[f.stream]
	if s == nil {
		idle := c.isIdle(f.stream)
		c.mu.Unlock()
		if idle {
			return protocol("RST_STREAM of an idle stream")
		}
		return c.strain(1)
	}
	early := !s.wroteHead
	c.drop(s, &StreamError{Code: Code(readUint32(f.payload)), Remote: true})
	c.unlock()
	if early && c.server {
		return c.strain(strainOfReset)
	}
	return nil
}

func (c *Conn) takePing(f frame) error {
	if f.stream != 0 {
		return protocol("PING of a stream")
	}
	if len(f.payload) != 8 {
		return frameSize("PING of a wrong size")
	}
	if f.has(flagAck) {
		switch string(f.payload) {
		case leavePing:
			c.leavePinged()
		case doubtPing:
			c.trust()
		}
		return nil
	}
	if err := c.strain(1); err != nil {
		return err
	}
	return c.answer(func(b []byte) []byte {
		return append(appendFrame(b, 8, framePing, flagAck, 0), f.payload...)
	})
}

// leavePinged: the client has read our first GOAWAY; what it sent before has arrived.
func (c *Conn) leavePinged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving && !c.over {
		c.leave()
	}
}

func (c *Conn) takeGoAway(f frame) error {
	if f.stream != 0 {
		return protocol("GOAWAY of a stream")
	}
	if len(f.payload) < 8 {
		return frameSize("GOAWAY of a wrong size")
	}
	last, code := readUint32(f.payload)&maxWindow, Code(readUint32(f.payload[4:]))
	c.mu.Lock()
	defer c.unlock()
	c.peerGone = true
	if !c.server {
		gone := &StreamError{Code: RefusedStream, Reason: fmt.Sprintf("not begun before GOAWAY %s", code), Remote: true}
		for id, s := range c.streams {
			if id > last {
				c.drop(s, gone)
			}
		}
		c.finishIfDone()
	}
	if code != NoError && c.err == nil {
		c.err = &ConnError{Code: code, Reason: string(f.payload[8:min(len(f.payload), 136)]), Remote: true}
	}
	return nil
}
