package node

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
)

// reader reads from a connection into one buffer that parsers look at in place.
// Slices of it stay valid until the next fill that has to make room.
type reader struct {
	conn   net.Conn
	buf    []byte // may have a capacity beyond its length, to be used once it is full
	r, w   int    // unread bytes are buf[r:w]
	failed error  // of a read that nobody waited for: the next one's
}

var (
	errBufferFull = errors.New("buffer is full")
	errAgain      = errors.New("no more bytes without waiting")
)

// Buffers that connections have only while a request uses them.
var (
	pages  = sync.Pool{New: func() any { return new([targetBuffer]byte) }}
	leaves = sync.Pool{New: func() any { return new([clientBuffer]byte) }}
)

func (r *reader) bytes() []byte { return r.buf[r.r:r.w] }
func (r *reader) len() int      { return r.w - r.r }
func (r *reader) skip(n int)    { r.r += n }

// fill reads once, after making room. The buffer grows up to limit bytes.
func (r *reader) fill(limit int) error {
	if err := r.room(limit); err != nil {
		return err
	}
	return r.read()
}

// read reads once into the room that there is.
func (r *reader) read() error {
	if err := r.failed; err != nil {
		r.failed = nil
		return err
	}
	n, err := r.conn.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (r *reader) room(limit int) error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if r.w < len(r.buf) || r.widen() {
		return nil
	}
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
		return nil
	}
	if len(r.buf) >= limit {
		return errBufferFull
	}
	grown := make([]byte, min(2*len(r.buf), limit))
	copy(grown, r.buf)
	r.buf = grown
	return nil
}

// widen makes all of the buffer room, and reports whether that is more than before.
func (r *reader) widen() bool {
	before := len(r.buf)
	r.buf = r.buf[:cap(r.buf)]
	return len(r.buf) > before
}

// reserve makes room behind the unread bytes, and leaves the bytes before them where they are:
// slices of them stay valid.
func (r *reader) reserve() {
	if r.w < len(r.buf) || r.widen() {
		return
	}
	grown := make([]byte, r.len()+clientBuffer)
	r.w = copy(grown, r.bytes())
	r.r, r.buf = 0, grown
}

// line cuts the next line off the unread bytes, without its ending. crlf tells whether
// it ended in CR LF. ok is false if there is no whole line yet.
func (r *reader) line() (line []byte, crlf, ok bool) {
	b := r.bytes()
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, false, false
	}
	r.skip(i + 1)
	line = b[:i]
	if i > 0 && line[i-1] == '\r' {
		return line[:i-1], true, true
	}
	return line, false, true
}
