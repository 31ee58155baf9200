package node

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"drydock/timeline"
)

// relay sends the response in res to the client: its head and the first bytes of its body
// in one write, then the rest as it comes.
func (c *clientConn) relay(u *upstream) (reusable bool) {
	f, length := c.res.framing(c.headOnly)
	var from body
	from.start(&u.rd, f, length)
	status := c.res.status
	reusable = c.res.reusable(f)
	var to framing
	c.out, to = c.appendResponse(c.out[:0], &c.res, f)
	if err := c.holdHead(u, &from); err != nil {
		c.lose(u, err)
		return false
	}
	c.o.Status, c.o.TargetStatus = status, status
	if status >= 500 {
		c.o.Cause = timeline.TargetMade
	}
	err := c.relayStart(&from, to)
	if err == nil {
		err = c.relayRest(u, &from, to)
	}
	if err != nil {
		c.truncate(u, err)
		return false
	}
	return reusable && u.rd.len() == 0
}

// holdHead keeps the head of a response with a Content-Length until its first body byte
// is here: until then a failing target can still be answered for (ALB-015).
func (c *clientConn) holdHead(u *upstream, from *body) error {
	if from.framing != byLength || u.rd.len() > 0 {
		return nil
	}
	c.expectTarget(u, time.Now())
	err := c.fillFrom(u)
	if isTimeout(err) {
		return errShort
	}
	return err
}

// relayStart writes the head and the bytes of the body that are here.
func (c *clientConn) relayStart(from *body, to framing) error {
	for {
		p, err := from.next(false)
		if err == nil {
			if err := c.appendData(p, to); err != nil {
				return err
			}
			continue
		}
		if err == io.EOF && to == byChunks {
			c.out = append(c.out, lastChunk...)
		}
		if wrote := c.writeFirst(); wrote != nil || err == io.EOF || err == errAgain {
			return wrote
		}
		return err
	}
}

// appendData adds body bytes to out; what would not fit goes to the client at once.
func (c *clientConn) appendData(p []byte, to framing) error {
	const chunkFrame = 16
	if len(c.out)+len(p)+chunkFrame > cap(c.out) {
		if err := c.writeFirst(); err != nil {
			return err
		}
		c.out = c.out[:0]
		if to != byChunks {
			return c.write(p)
		}
	}
	if to == byChunks {
		c.out = appendChunk(c.out, p)
	} else {
		c.out = append(c.out, p...)
	}
	return nil
}

// writeFirst writes what is in out, and notes the time of the response's first byte.
func (c *clientConn) writeFirst() error {
	if c.o.ResponseTime < 0 {
		c.o.ResponseTime = time.Since(c.first)
	}
	return c.write(c.out)
}

// relayRest relays until the end of the body.
func (c *clientConn) relayRest(u *upstream, from *body, to framing) error {
	if from.done() {
		return nil
	}
	if src, dst := isTCP(u.conn), isTCP(c.conn); src != nil && dst != nil && from.framing == byLength && from.remain >= spliceAbove {
		return c.splice(dst, src, from)
	}
	for !from.done() {
		p, err := c.nextFrom(u, from)
		switch {
		case err == io.EOF:
			if to == byChunks {
				return c.write([]byte(lastChunk))
			}
			return nil
		case err != nil:
			return err
		}
		if to == byLength || to == byClose {
			err = c.write(p)
		} else {
			c.out = appendChunk(c.out[:0], p)
			err = c.write(c.out)
		}
		if err != nil {
			return err
		}
	}
	if to == byChunks {
		return c.write([]byte(lastChunk))
	}
	return nil
}

func (c *clientConn) nextFrom(u *upstream, from *body) ([]byte, error) {
	c.expectTarget(u, time.Now())
	for {
		p, err := from.next(true)
		if !isTimeout(err) || !c.waitLonger(u) {
			return p, err
		}
	}
}

// splice lets the kernel move a large body. It works in slices, each with fresh deadlines;
// after the deadline of reading everything read has been written, after the later one of
// writing bytes may be lost.
func (c *clientConn) splice(dst, src *net.TCPConn, from *body) error {
	for from.remain > 0 {
		now := time.Now()
		writeBy := now.Add(c.idleTimeout() + time.Second)
		src.SetReadDeadline(now.Add(c.idleTimeout()))
		dst.SetWriteDeadline(writeBy)
		limited := &io.LimitedReader{R: src, N: min(from.remain, spliceSlice)}
		want := limited.N
		n, err := dst.ReadFrom(limited)
		from.remain -= n
		c.o.SentBytes += n
		switch {
		case isTimeout(err) && n > 0 && time.Now().Before(writeBy):
		case err != nil:
			return spliceError(dst, err)
		case n < want:
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// errClient marks an error of writing to the client.
type errClient struct{ error }

func (e errClient) Unwrap() error { return e.error }

// spliceError marks the error if the client has left: splice does not say which side failed.
func spliceError(client *net.TCPConn, err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) && hasEnded(client) {
		return errClient{err}
	}
	return err
}

// hasEnded reports whether a connection has nothing to read but its end.
func hasEnded(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	ended := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n <= 0 && err != syscall.EAGAIN
	})
	return err != nil || ended
}

// truncate ends a response of which a part has been sent.
func (c *clientConn) truncate(u *upstream, err error) {
	c.keep = false
	c.o.Detail = err.Error()
	var client errClient
	if c.broken || errors.As(err, &client) || u.ended.Load() == endedByClient {
		c.broken = true
		c.o.EndedBy = "client"
		return
	}
	c.broken = true // nothing more may be written
	c.o.Cause = timeline.TruncatedResponse
	switch u.ended.Load() {
	case endedByDraining:
		c.o.Detail, c.o.EndedBy = errDrained.Error(), "alb"
	case endedByStop:
		c.o.Detail, c.o.EndedBy = errStopped.Error(), "alb"
	default:
		if isTimeout(err) {
			c.o.EndedBy = "alb"
		}
	}
}
