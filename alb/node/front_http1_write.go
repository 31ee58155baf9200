package node

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (c *http1Conn) respond(p *response) error {
	c.lend()
	c.framing = c.frame(p.size)
	c.keep = c.keep && c.framing != byClose && !c.ending()
	c.out = appendResponse(c.out[:0], p, c.framing, c.keep)
	return nil
}

// ending reports whether the connection is to end as soon as it may.
func (c *http1Conn) ending() bool {
	return c.node.retiring.Load() || c.node.stopping.Load() || c.stopping()
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

// write keeps small parts, behind a head that is not sent yet; a large one is sent with what was kept.
func (c *http1Conn) write(p []byte) error {
	const frame = 16
	chunked := c.framing == byChunks
	if len(c.out)+min(len(p), clientBuffer)+frame > len(c.page) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	switch {
	case len(p) >= clientBuffer && chunked:
		c.out = append(strconv.AppendUint(c.out, uint64(len(p)), 16), "\r\n"...)
		return c.sendAll(p, "\r\n")
	case len(p) >= clientBuffer:
		return c.sendAll(p, "")
	case chunked:
		c.out = appendChunk(c.out, p)
	default:
		c.out = append(c.out, p...)
	}
	return nil
}

func (c *http1Conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	return c.sendAll(nil, "")
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
	return c.flushLast()
}

// flushLast is flush for the end of a response. If it is the connection's last one, the end of the connection
// travels with it.
func (c *http1Conn) flushLast() error {
	c.parting = !c.keep
	defer func() { c.parting = false }()
	return c.flush()
}

func (c *http1Conn) say(a answer) error {
	c.lend()
	c.keep = c.keep && !c.ending()
	c.out = appendAnswer(c.out[:0], a, time.Now(), c.keep, c.headOnly)
	return c.flushLast()
}

func (c *http1Conn) cut() {
	c.out = c.out[:0]
	c.keep, c.broken = false, true
}

func (c *http1Conn) last()       { c.keep = false }
func (c *http1Conn) sent() int64 { return c.written }

// sendAll writes what was kept, p and an ending to the client, in one piece if that is cheap.
func (c *http1Conn) sendAll(p []byte, ending string) error {
	kept := c.out
	c.out = c.out[:0]
	done := 0
	if c.raw != nil {
		n, err := c.sendNow(kept, p, ending)
		if err != nil {
			return err
		}
		done = n
	}
	for _, part := range [...][]byte{kept, p, []byte(ending)} {
		skip := min(done, len(part))
		done -= skip
		if err := c.sendSlowly(part[skip:]); err != nil {
			return err
		}
	}
	return nil
}

// sendNow writes what the kernel takes at once.
func (c *http1Conn) sendNow(kept, p []byte, ending string) (int, error) {
	parts := iovec(iovec(c.vecs[:0], kept), p)
	parts = iovec(parts, unsafe.Slice(unsafe.StringData(ending), len(ending)))
	c.parts, c.wrote, c.rawErr = len(parts), 0, nil
	err := c.raw.Control(c.put)
	if err == nil {
		err = c.rawErr
	}
	clear(c.vecs[:])
	c.written += int64(c.wrote)
	c.broken = c.broken || err != nil
	return c.wrote, err
}

func (c *http1Conn) putRaw(fd uintptr) {
	parts, how := c.vecs[:c.parts], 0
	if c.parting {
		how = unix.MSG_MORE // the kernel waits for the end, which follows at once
	}
	n, e := rawWritev(fd, parts, how)
	switch {
	case e == 0:
		c.wrote = n
		if c.parting && n == sizeOf(parts) {
			rawEnd(fd)
		}
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

// open ends HTTP on the connection.
func (c *http1Conn) open() (net.Conn, []byte) {
	pages.Put(c.page)
	c.page, c.out, c.keep, c.broken = nil, nil, false, true
	ahead := append([]byte(nil), c.rd.bytes()...)
	c.rd.skip(c.rd.len())
	recycle(c.rd.buf)
	c.rd.buf, c.rd.r, c.rd.w = nil, 0, 0
	return c.conn, ahead
}

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
		case fieldUpgrade:
			if p.status != 101 {
				continue
			}
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
	if p.status == 101 {
		return append(b, "Connection: upgrade\r\n\r\n"...)
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
