package node

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

func (c *http1Conn) respond(p *response) error {
	c.lend()
	c.framing = c.frame(p.size)
	if c.framing == byClose {
		c.keep = false
	}
	c.out = appendResponse(c.out[:0], p, c.framing, c.keep)
	return nil
}

// frame tells how a body of a size, or of unknown size, is sent to this client.
func (c *http1Conn) frame(size int64) framing {
	switch {
	case size == 0:
		return noBody
	case size > 0:
		return byLength
	case c.http11:
		return byChunks
	}
	return byClose
}

func (c *http1Conn) lend() {
	if c.page == nil {
		c.page = pages.Get().(*[targetBuffer]byte)
		c.out = c.page[:0]
	}
}

// write keeps what fits behind a head that is not sent yet, and small parts.
func (c *http1Conn) write(p []byte) error {
	const frame = 16
	if len(c.out)+len(p)+frame > len(c.page) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	switch {
	case c.framing == byChunks:
		return c.writeChunks(p)
	case len(c.out) == 0 && len(p) >= clientBuffer:
		return c.send(p)
	}
	c.out = append(c.out, p...)
	return nil
}

func (c *http1Conn) writeChunks(p []byte) error {
	const frame = 16
	for {
		n := min(len(p), len(c.page)-len(c.out)-frame)
		c.out = appendChunk(c.out, p[:n])
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
}

func (c *http1Conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.send(c.out)
	c.out = c.out[:0]
	return err
}

// end ends the body. Clients of HTTP/1.1 get no trailers (ALB-026).
func (c *http1Conn) end([]field) error {
	if c.framing == byChunks {
		if len(c.out)+len(lastChunk) > len(c.page) {
			if err := c.flush(); err != nil {
				return err
			}
		}
		c.out = append(c.out, lastChunk...)
	}
	return c.flush()
}

func (c *http1Conn) say(a answer) error {
	c.lend()
	c.out = appendAnswer(c.out[:0], a, time.Now(), c.keep, c.headOnly)
	return c.flush()
}

func (c *http1Conn) cut() {
	c.out = c.out[:0]
	c.keep, c.broken = false, true
}

func (c *http1Conn) last()       { c.keep = false }
func (c *http1Conn) sent() int64 { return c.written }

// send writes to the client.
func (c *http1Conn) send(p []byte) error {
	if c.raw == nil {
		return c.sendSlowly(p)
	}
	c.unsent, c.rawErr = p, nil
	err := c.raw.Control(c.put)
	if err == nil {
		err = c.rawErr
	}
	rest := c.unsent
	c.unsent = nil
	c.written += int64(len(p) - len(rest))
	if err != nil {
		c.broken = true
		return err
	}
	return c.sendSlowly(rest)
}

// putRaw writes what the kernel takes at once.
func (c *http1Conn) putRaw(fd uintptr) {
	n, e := rawWrite(fd, c.unsent)
	switch {
	case e == 0:
		c.unsent = c.unsent[n:]
	case e != syscall.EAGAIN && e != syscall.EINTR:
		c.rawErr = os.NewSyscallError("write", e)
	}
}

// sendSlowly waits for a client that takes its time; one that takes nothing for the idle timeout is given up.
func (c *http1Conn) sendSlowly(p []byte) error {
	for len(p) > 0 {
		c.conn.SetWriteDeadline(time.Now().Add(c.x.idleTimeout()))
		n, err := c.conn.Write(p)
		c.written += int64(n)
		if p = p[n:]; err != nil && !(n > 0 && isTimeout(err)) {
			c.broken = true
			return err
		}
	}
	return nil
}

func (c *http1Conn) sink() *net.TCPConn {
	if c.framing != byLength || len(c.out) > 0 {
		return nil
	}
	return isTCP(c.conn)
}

func (c *http1Conn) gave(n int64) { c.written += n }

// appendResponse writes a target's head for a client of HTTP/1.1. to says how its body is framed.
func appendResponse(b []byte, p *response, to framing, keep bool) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(append(append(b, ' '), p.reason...), "\r\n"...)
	lengthDone := false
	for i := range p.fields {
		field := &p.fields[i]
		switch field.kind {
		case fieldHop, fieldConnection, fieldTransferEncoding:
			continue
		case fieldContentLength:
			if lengthDone || p.chunked {
				continue
			}
			lengthDone = true
		}
		b = appendField(b, field)
	}
	if to == byChunks {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	b = append(b, connectionLine(keep)...)
	return append(b, "\r\n"...)
}

// appendChunk writes one chunk.
func appendChunk(b, data []byte) []byte {
	b = strconv.AppendUint(b, uint64(len(data)), 16)
	b = append(b, "\r\n"...)
	return append(append(b, data...), "\r\n"...)
}

const lastChunk = "0\r\n\r\n"
