package h2

import (
	"io"
	"time"
)

// Head returns the fields in the order in which they came, without the pseudo-headers. For a
// client there are none before AwaitHead.
func (s *Stream) Head() []Field { return s.fields }

// Trailers returns the fields after the body. There are none before Next has returned io.EOF.
func (s *Stream) Trailers() []Field { return s.trailers }

// ID is the identifier of the stream.
func (s *Stream) ID() uint32 { return s.id }

// Length is the content-length, -1 if there is none.
func (s *Stream) Length() int64 { return s.length }

// Received and Sent count the bytes of the stream's frames.
func (s *Stream) Received() int64 {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.received
}

// Sent counts the bytes of the frames that were appended for the stream.
func (s *Stream) Sent() int64 {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.sent
}

// SetReadDeadline is when AwaitHead and Next give up with os.ErrDeadlineExceeded; they can be
// called again. The zero time is never. It belongs to the goroutine that reads.
func (s *Stream) SetReadDeadline(t time.Time) { s.canRead.deadline = t }

// SetWriteDeadline is when Send gives up; part of its bytes may have been sent. It belongs to
// the goroutine that writes.
func (s *Stream) SetWriteDeadline(t time.Time) { s.canWrite.deadline = t }

// AwaitHead sends what is pending and waits for the response's head.
func (s *Stream) AwaitHead() error {
	c := s.conn
	for {
		c.mu.Lock()
		done, err := s.hasHead, s.err
		must := c.mustFlush()
		c.mu.Unlock()
		if done || err != nil {
			if done {
				err = nil
			}
			return err
		}
		if must {
			c.flush()
		}
		if err := s.canRead.wait(s.canRead.deadline); err != nil {
			return err
		}
	}
}

// Next returns the next bytes of the body, valid until the next call, and io.EOF after the
// last. Unless wait, it returns ErrAgain when there are none yet.
func (s *Stream) Next(wait bool) ([]byte, error) {
	c := s.conn
	for {
		c.mu.Lock()
		p, err := s.next()
		if err == ErrAgain && s.interrupted && wait {
			s.interrupted = false
			c.mu.Unlock()
			return nil, ErrInterrupted
		}
		must := len(p) > 0 && c.mustFlush()
		c.mu.Unlock()
		if must {
			c.flush() // windows
		}
		if err != ErrAgain || !wait {
			return p, err
		}
		if err := s.canRead.wait(s.canRead.deadline); err != nil {
			return nil, err
		}
	}
}

func (s *Stream) next() ([]byte, error) {
	s.inbox.release()
	if s.err != nil && s.conn.server {
		return nil, s.err
	}
	if p := s.inbox.take(); len(p) > 0 {
		s.consumed(int64(len(p)))
		return p, nil
	}
	switch {
	case s.peerEnded:
		return nil, io.EOF
	case s.err != nil:
		return nil, s.err
	}
	return nil, ErrAgain
}

// AwaitData waits until Next would not have to wait.
func (s *Stream) AwaitData() error {
	c := s.conn
	for {
		c.mu.Lock()
		ready := s.err != nil || s.peerEnded || s.inbox.first != nil
		c.mu.Unlock()
		if ready {
			return nil
		}
		if err := s.canRead.wait(s.canRead.deadline); err != nil {
			return err
		}
	}
}

// AwaitEnd throws away what comes until the stream has ended before its end, or the deadline
// of reading has passed.
func (s *Stream) AwaitEnd() error {
	for {
		_, err := s.Next(true)
		if err == nil {
			continue
		}
		if err != io.EOF {
			return err
		}
		if err := s.Err(); err != nil {
			return err
		}
		if err := s.canRead.wait(s.canRead.deadline); err != nil {
			return err
		}
	}
}

// Interrupt makes a Next that waits, now or later, return ErrInterrupted once.
func (s *Stream) Interrupt() {
	s.conn.mu.Lock()
	s.interrupted = true
	s.canRead.signal()
	s.conn.mu.Unlock()
}

// Over reports whether the peer has ended its side and everything of it has been read.
func (s *Stream) Over() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.peerEnded && s.inbox.size() == 0
}

// WriteHead sends the head of the response. Unless end, it leaves with Send or Flush.
func (s *Stream) WriteHead(status int, fields []Field, end bool) error {
	c := s.conn
	c.mu.Lock()
	if err := s.mayWrite(); err != nil {
		c.mu.Unlock()
		return err
	}
	c.encode(Field{Name: ":status", Value: statusText(status)})
	s.writeFields(fields, end)
	c.mu.Unlock()
	if end {
		c.flush()
	}
	return nil
}

// WriteTrailers ends the stream with fields.
func (s *Stream) WriteTrailers(fields []Field) error {
	c := s.conn
	c.mu.Lock()
	if err := s.mayWrite(); err != nil {
		c.mu.Unlock()
		return err
	}
	s.writeFields(fields, true)
	c.unlock()
	c.flush()
	return nil
}

func (s *Stream) mayWrite() error {
	switch {
	case s.err != nil:
		return s.err
	case s.ownEnded:
		return ErrFinished
	}
	return nil
}

func (s *Stream) writeFields(fields []Field, end bool) {
	for _, f := range fields {
		s.conn.encode(f)
	}
	s.appendHead(end)
	if end {
		s.endOwn()
	}
}

// appendHead appends the block in scratch as a head of the stream's.
func (s *Stream) appendHead(end bool) {
	c := s.conn
	c.reserve()
	s.last = tail{c.parcel, len(c.pending)}
	s.sent += int64(c.appendBlock(s.id, end))
	s.wroteHead = true
}

func (s *Stream) endOwn() {
	s.ownEnded = true
	s.conn.closeIfOver(s)
}

// SetPatience is how long Send waits for a peer that takes nothing, in place of a deadline. It
// belongs to the goroutine that writes.
func (s *Stream) SetPatience(d time.Duration) { s.canWrite.patience = d }

// Flush sends what is pending.
func (s *Stream) Flush() { s.conn.flush() }

// Send sends p as the peer's windows allow, and ends the stream if end.
func (s *Stream) Send(p []byte, end bool) error {
	c := s.conn
	deadline := s.canWrite.deadline
	for {
		c.mu.Lock()
		if err := s.mayWrite(); err != nil {
			c.mu.Unlock()
			return err
		}
		n := s.appendData(p, end)
		p = p[n:]
		done := len(p) == 0 && (s.ownEnded || !end)
		if !done {
			c.awaitRoom(s)
		}
		c.mu.Unlock()
		c.flush()
		if done {
			return nil
		}
		if patience := s.canWrite.patience; patience > 0 && (n > 0 || deadline.IsZero()) {
			deadline = time.Now().Add(patience)
		}
		if err := s.canWrite.wait(deadline); err != nil {
			return err
		}
	}
}

// Queue is Send of what can be appended at once, without letting it leave. It returns the
// number of bytes.
func (s *Stream) Queue(p []byte, end bool) (int, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if err := s.mayWrite(); err != nil {
		return 0, err
	}
	return s.appendData(p, end), nil
}

// appendData appends as much of p as windows and the room in pending allow.
func (s *Stream) appendData(p []byte, end bool) (sent int) {
	c := s.conn
	c.reserve()
	for {
		n := min(len(p), c.peerFrame, int(max(0, min(s.sendWindow, c.sendWindow))), max(0, maxPending-frameHeader-len(c.pending)))
		last := end && n == len(p)
		if n == 0 && !last {
			return sent
		}
		if n == 0 && c.markEnd(s.last) {
			s.endOwn()
			return sent
		}
		flags := byte(0)
		if last {
			flags = flagEndStream
		}
		s.last = tail{c.parcel, len(c.pending)}
		c.pending = append(appendFrame(c.pending, n, frameData, flags, s.id), p[:n]...)
		s.sendWindow -= int64(n)
		c.sendWindow -= int64(n)
		s.sent += int64(n + frameHeader)
		sent += n
		c.useful++
		if last {
			s.endOwn()
		}
		if p = p[n:]; len(p) == 0 {
			return sent
		}
	}
}
