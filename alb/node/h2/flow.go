package h2

func (c *Conn) takeSettings(f frame) error {
	if f.stream != 0 {
		return protocol("SETTINGS of a stream")
	}
	if f.has(flagAck) {
		if len(f.payload) != 0 {
			return frameSize("SETTINGS ACK with a payload")
		}
		return c.strain(1)
	}
	if len(f.payload)%6 != 0 {
		return frameSize("SETTINGS of a wrong size")
	}
	c.mu.Lock()
	if !c.greeted {
		c.greeted, c.peerStreams = true, maxWindow
	}
	for p := f.payload; len(p) > 0; p = p[6:] {
		if err := c.set(uint16(p[0])<<8|uint16(p[1]), readUint32(p[2:])); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	c.mu.Unlock()
	if err := c.strain(1 + len(f.payload)/6); err != nil {
		return err
	}
	return c.answer(func(b []byte) []byte { return appendFrame(b, 0, frameSettings, flagAck, 0) })
}

func (c *Conn) set(id uint16, value uint32) error {
	switch id {
	case settingTableSize:
		c.encoder.SetMaxDynamicTableSize(min(value, tableSize))
	case settingEnablePush:
		if value > 1 || value == 1 && !c.server {
			return protocol("SETTINGS_ENABLE_PUSH")
		}
	case settingMaxStreams:
		c.peerStreams = int(min(value, maxWindow))
	case settingInitialWindow:
		return c.setWindow(value)
	case settingMaxFrameSize:
		if value < minFrameSize || value > maxFrameSize {
			return protocol("SETTINGS_MAX_FRAME_SIZE")
		}
	}
	return nil // larger frames than the least maximum are never sent; other settings do not concern us
}

// setWindow changes what may be sent on each stream (RFC 9113, 6.9.2).
func (c *Conn) setWindow(value uint32) error {
	if value > maxWindow {
		return &ConnError{Code: FlowControlError, Reason: "SETTINGS_INITIAL_WINDOW_SIZE"}
	}
	more := int64(value) - c.peerWindow
	c.peerWindow = int64(value)
	for _, s := range c.streams {
		if s.sendWindow += more; s.sendWindow > maxWindow {
			return &ConnError{Code: FlowControlError, Reason: "SETTINGS_INITIAL_WINDOW_SIZE overflows a window"}
		}
		s.canWrite.signal()
	}
	return nil
}

func (c *Conn) takeUpdate(f frame) error {
	if len(f.payload) != 4 {
		return frameSize("WINDOW_UPDATE of a wrong size")
	}
	more := int64(readUint32(f.payload) & maxWindow)
	if f.stream == 0 {
		return c.widenConn(more)
	}
	if err := c.widen(f.stream, more); err != nil {
		return err
	}
	if more < smallUpdate {
		return c.strain(1)
	}
	return nil
}

func (c *Conn) widenConn(more int64) error {
	if more == 0 {
		return protocol("WINDOW_UPDATE by 0")
	}
	c.mu.Lock()
	c.sendWindow += more
	over := c.sendWindow > maxWindow
	c.releaseBlocked()
	c.mu.Unlock()
	if over {
		return &ConnError{Code: FlowControlError, Reason: "WINDOW_UPDATE overflows the window"}
	}
	if more < smallUpdate {
		return c.strain(1)
	}
	return nil
}

func (c *Conn) widen(stream uint32, more int64) error {
	c.mu.Lock()
	defer c.unlock()
	s := c.streams[stream]
	if s == nil {
		if c.isIdle(stream) {
			return protocol("WINDOW_UPDATE of an idle stream")
		}
		return nil
	}
	s.sendWindow += more
	over := s.sendWindow > maxWindow
	s.canWrite.signal()
	switch {
	case more == 0:
		c.reset(s, ProtocolError, "WINDOW_UPDATE by 0")
	case over:
		c.reset(s, FlowControlError, "WINDOW_UPDATE overflows the window")
	}
	return nil
}

func (c *Conn) takeData(f frame) error {
	if f.stream == 0 {
		return protocol("DATA of stream 0")
	}
	size := int64(len(f.payload))
	if err := f.unpad(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.unlock()
	if c.recvWindow -= size; c.recvWindow < 0 {
		return &ConnError{Code: FlowControlError, Reason: "DATA above the connection's window"}
	}
	s := c.streams[f.stream]
	if s == nil {
		c.consumed(size)
		return c.strayData(f.stream)
	}
	if code, reason := s.takeData(f, size); code != NoError {
		c.consumed(size)
		c.reset(s, code, reason)
		return c.strainLocked(1)
	}
	c.useful++
	c.closeIfOver(s)
	if size == 0 && !f.has(flagEndStream) {
		return c.strainLocked(2)
	}
	return nil
}

// strayData answers for DATA of a stream that is not open.
func (c *Conn) strayData(stream uint32) error {
	switch {
	case c.isIdle(stream):
		return protocol("DATA of an idle stream")
	case !c.wasReset(stream) && !c.hasIgnored(stream):
		return c.refuse(stream, StreamClosed)
	}
	return c.strainLocked(1)
}

// takeData keeps the payload until it is read. size includes the padding.
func (s *Stream) takeData(f frame, size int64) (Code, string) {
	n := int64(len(f.payload))
	switch {
	case s.peerEnded:
		return StreamClosed, "DATA after the end"
	case !s.hasHead:
		return ProtocolError, "DATA before HEADERS"
	case size > s.recvWindow:
		return FlowControlError, "DATA above the stream's window"
	}
	s.got += n
	s.received += size + frameHeader
	if s.length >= 0 && (s.got > s.length || f.has(flagEndStream) && s.got != s.length) {
		return ProtocolError, "body differs from its content-length"
	}
	s.recvWindow -= size
	s.inbox.put(f.payload)
	if f.has(flagEndStream) {
		s.endPeer()
	}
	if size > n {
		s.consumed(size - n)
	}
	s.canRead.signal()
	return NoError, ""
}

// consumed widens the stream's and the connection's windows again, now and then.
func (s *Stream) consumed(n int64) {
	if s.recvConsumed += n; !s.peerEnded && s.err == nil && s.recvConsumed >= int64(s.conn.config.StreamWindow)/2 {
		s.conn.appendUpdate(s.id, uint32(s.recvConsumed))
		s.recvWindow += s.recvConsumed
		s.recvConsumed = 0
	}
	s.conn.consumed(n)
}

func (c *Conn) consumed(n int64) {
	if c.recvConsumed += n; c.recvConsumed >= int64(c.config.ConnWindow)/2 && !c.over {
		c.appendUpdate(0, uint32(c.recvConsumed))
		c.recvWindow += c.recvConsumed
		c.recvConsumed = 0
	}
}
