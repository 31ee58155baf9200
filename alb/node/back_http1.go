package node

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// http1Back is one HTTP/1.1 connection to a target. It outlives its exchanges: between them
// it is idle in the pool.
type http1Back struct {
	pool *pool
	conn net.Conn
	rd   reader
	why  atomic.Int32 // endedNot and so on

	// Owned by the pool.
	uses    int       // requests, the one at hand included
	idle    time.Time // since when it is idle
	expires time.Time // when it is closed if it stays idle
	slot    int       // index in pool.active

	count   *connectionTally
	counted atomic.Bool     // in count, and open
	raw     syscall.RawConn // TCP only
	below   syscall.RawConn // TCP only, also below TLS
	peek    func(fd uintptr)
	talk    func(fd uintptr) bool
	more    func(fd uintptr)
	quiet   bool      // result of peek: open, and nothing to read
	readErr error     // result of talk
	armed   time.Time // read deadline that is set; zero: it may be anything
	large   bool      // the last response was: the next one may be

	// Of the exchange at hand.
	leaf     *[clientBuffer]byte // what is sent
	page     *[targetBuffer]byte // what is read; before, what is sent and outgrew the leaf
	out      []byte              // not sent yet
	chunk    *[targetBuffer]byte // frames chunks of an upload
	patience time.Duration
	chunked  bool
	headOnly bool
	upgrade  bool // the target may answer 101
	began    bool // something has been sent
	complete bool // finish was called
	firstAt  time.Time
	scanned  int
	interim  int  // bytes of heads that were swallowed
	full     bool // the first read has filled what little room it had
	status   int  // of the final response, once its head is here
	reusable bool
	body     body
}

var (
	_ back   = (*http1Back)(nil)
	_ direct = (*http1Back)(nil)
)

func newHTTP1Back(p *pool, conn net.Conn, count *connectionTally) *http1Back {
	u := &http1Back{pool: p, conn: conn, rd: reader{conn: conn}, uses: 1, count: count}
	if u.raw, u.below = rawOf(conn), rawOf(conn); u.raw != nil {
		u.talk, u.more = u.converse, u.readMore
	} else if session, ok := conn.(*tls.Conn); ok {
		u.below = rawOf(session.NetConn())
	}
	if u.below != nil {
		u.peek = func(fd uintptr) { u.quiet = quiet(fd) }
	}
	u.counted.Store(true)
	count.open()
	return u
}

// close closes the connection for good.
func (u *http1Back) close() {
	if u.counted.CompareAndSwap(true, false) {
		u.count.close()
	}
	u.conn.Close()
}

// usable reports whether an idle connection has neither ended nor sent anything (ALB-012). Below TLS
// that is not enough: a record may have come together with the last one of the response.
func (u *http1Back) usable() bool {
	at := time.Unix(1, 0)
	if u.below != nil {
		u.quiet = false
		quiet := u.below.Control(u.peek) == nil && u.quiet
		if u.raw != nil {
			return quiet
		}
		if !quiet {
			at = time.Now().Add(time.Millisecond) // it may be a session ticket
		}
	}
	u.armed = time.Time{}
	u.conn.SetReadDeadline(at)
	var b [1]byte
	_, err := u.conn.Read(b[:])
	return isTimeout(err)
}

// justEnded reports whether the target has ended the idle connection, no longer than within ago.
func (u *http1Back) justEnded(within time.Duration) bool {
	if within <= 0 || u.raw == nil {
		return false
	}
	ended := false
	u.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		info, e := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		ended = n == 0 && err == nil && e == nil && time.Duration(info.Last_ack_recv)*time.Millisecond <= within
	})
	return ended
}

func (u *http1Back) begin(h *head, size int64, patience time.Duration) error {
	u.patience, u.chunked, u.headOnly = patience, size < 0, string(h.method) == "HEAD"
	u.began, u.complete, u.reusable, u.full, u.firstAt, u.scanned, u.interim, u.status = false, false, false, false, time.Time{}, 0, 0, 0
	u.upgrade = slices.ContainsFunc(h.fields, func(f field) bool { return f.kind == fieldUpgrade })
	u.body.start(&u.rd, noBody, 0)
	u.leaf = leaves.Get().(*[clientBuffer]byte)
	u.out = u.leaf[:0]
	u.makeRoom(h.sizeHTTP1())
	u.out = h.appendHTTP1(u.out, u.chunked)
	return nil
}

// makeRoom makes room for n bytes behind what is not sent yet, and reports whether there can be.
func (u *http1Back) makeRoom(n int) bool {
	n += len(u.out)
	if n > cap(u.out) && n <= targetBuffer {
		u.lend()
		u.out = append(u.page[:0], u.out...)
	}
	return n <= cap(u.out)
}

// lend takes a page. Not before there is something to read: while targets work, requests in
// flight share few pages, which stay in the processor's cache.
func (u *http1Back) lend() {
	if u.page == nil {
		u.page = pages.Get().(*[targetBuffer]byte)
	}
}

func (u *http1Back) write(p []byte) error {
	if u.began {
		return u.writeOn(p)
	}
	const frame = 16
	if !u.makeRoom(len(p) + frame) {
		if err := u.flush(); err != nil {
			return err
		}
		return u.writeOn(p)
	}
	if u.chunked {
		u.out = appendChunk(u.out, p)
	} else {
		u.out = append(u.out, p...)
	}
	return nil
}

// writeOn writes after the first flush: what is sent is not kept any more.
func (u *http1Back) writeOn(p []byte) error {
	if !u.chunked {
		return u.send(p)
	}
	if u.chunk == nil {
		u.chunk = pages.Get().(*[targetBuffer]byte)
	}
	const frame = 16
	for len(p) > 0 {
		n := min(len(p), len(u.chunk)-frame)
		if err := u.send(appendChunk(u.chunk[:0], p[:n])); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// finish ends the body. HTTP/1.1 targets get no trailers (ALB-026).
func (u *http1Back) finish([]field) error {
	u.complete = true
	if !u.chunked {
		return nil
	}
	if u.began {
		return u.send([]byte(lastChunk))
	}
	u.out = append(u.out, lastChunk...)
	return nil
}

func (u *http1Back) flush() error {
	if u.began {
		return nil
	}
	p := u.start()
	return u.send(p)
}

// start returns what is to be written before anything is read.
func (u *http1Back) start() (unsent []byte) {
	unsent, u.out, u.began = u.out, nil, true
	return unsent
}

// hear makes the page ready to be read into. What was to be sent has been. Where the last response was
// large the first read takes little of this one, for the kernel to move the rest.
func (u *http1Back) hear() {
	if u.rd.buf == nil {
		u.lend()
		u.rd.buf, u.rd.r, u.rd.w = u.page[:], 0, 0
		if u.large {
			u.rd.buf = u.page[:headRoom]
		}
	}
}

func (u *http1Back) send(p []byte) error {
	u.conn.SetWriteDeadline(time.Now().Add(u.patience))
	_, err := u.conn.Write(p)
	return err
}

// until keeps a deadline that is set already if it ends a little sooner: an early end is answered
// with an exact one.
func (u *http1Back) until(t time.Time) {
	if early := t.Sub(u.armed); early >= 0 && early <= watchAfter/2 {
		return
	}
	u.armed = t
	u.conn.SetReadDeadline(t)
	if u.ended() != endedNot { // looked at after the deadline is set: it cannot be missed
		u.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (u *http1Back) awaitHead(p *response) error {
	waited := !u.began && u.raw != nil
	if waited {
		if err := u.ask(); err != nil {
			return err
		}
	}
	u.flush() // an error shows when the response is read
	u.hear()
	for ; ; waited = true {
		b := u.rd.bytes()
		n := headEnd(b, u.scanned)
		if max(n, u.interim) > maxResponseHeader || n == 0 && len(b) > maxResponseHeader {
			return errHeadTooLarge
		}
		if n > 0 {
			if final, err := u.takeHead(p, b[:n]); final || err != nil {
				return err
			}
			continue
		}
		u.scanned = max(0, len(b)-3)
		if waited && len(b) > 0 {
			return errPart
		}
		if err := u.note(u.rd.fill(targetBuffer)); err != nil {
			return err
		}
	}
}

// ask writes the request and reads the first bytes of the response in one wait: the poller
// is armed before the write, so the goroutine can park without a read that fails.
func (u *http1Back) ask() error {
	u.readErr = nil
	err := u.raw.Read(u.talk)
	if len(u.out) > 0 && err == nil {
		return u.sendRest()
	}
	if err == nil {
		err = u.readErr
	}
	return u.note(err)
}

// sendRest writes what the kernel did not take at once.
func (u *http1Back) sendRest() error {
	rest := u.out
	u.out = nil
	u.send(rest) // an error shows when the response is read
	return nil
}

// converse writes in its first call, and reads in the next ones. Between an end that was read
// before the first call and the write there is no window: the connection was quiet in between, or
// the wait ends at its deadline and a plain read finds the end.
func (u *http1Back) converse(fd uintptr) bool {
	if !u.began {
		p := u.start()
		n, e := rawWrite(fd, p, 0)
		if e != 0 {
			n = 0
		}
		u.out = p[n:]
		return len(u.out) > 0
	}
	u.hear()
	n, e := rawRead(fd, u.rd.buf[u.rd.w:])
	switch {
	case e == syscall.EAGAIN || e == syscall.EINTR:
		return false
	case e != 0:
		u.readErr = os.NewSyscallError("read", e)
	case n == 0:
		u.readErr = io.EOF
	default:
		u.rd.w += n
		u.full = u.large && u.rd.w == len(u.rd.buf)
	}
	return true
}

// foresee notes whether the kernel will move most of the body. If it was thought to and will not, what
// else is here is read, so that it goes on in one piece.
func (u *http1Back) foresee(f framing, length int64) {
	u.large = u.raw != nil && f == byLength && length >= spliceAbove+targetBuffer
	if !u.large && u.full && f != noBody {
		u.raw.Control(u.more) // fails if the next read does
	}
}

func (u *http1Back) readMore(fd uintptr) {
	n, e := rawRead(fd, u.rd.buf[u.rd.w:])
	switch {
	case e == 0:
		u.rd.w += n // at the end it is 0, and the next read finds it again
	case e != syscall.EAGAIN && e != syscall.EINTR:
		u.rd.failed = os.NewSyscallError("read", e)
	}
}

func (u *http1Back) takeHead(p *response, text []byte) (final bool, err error) {
	u.scanned = 0
	if err := p.parse(text); err != nil {
		return false, fmt.Errorf("%w: %w", errBadResponse, err)
	}
	u.rd.skip(len(text))
	switch {
	case p.status == 101 && u.upgrade:
		return true, nil
	case p.status == 101:
		return false, fmt.Errorf("%w: 101 was not asked for", errBadResponse)
	case p.status < 200:
		u.interim += len(text)
		u.firstAt = time.Time{}
		u.note(nil)
		return false, nil // swallowed (ALB-024)
	}
	u.status = p.status
	f, length := p.framing(u.headOnly)
	u.reusable = p.reusable(f)
	u.body.start(&u.rd, f, length)
	p.measure(f, length)
	u.rd.widen()
	u.foresee(f, length)
	return true, nil
}

// note keeps the time of the first byte, and forgets a deadline that has passed.
func (u *http1Back) note(err error) error {
	if err == nil && u.firstAt.IsZero() && u.rd.len() > 0 {
		u.firstAt = time.Now()
	}
	if err != nil {
		u.armed = time.Time{}
	}
	if isTimeout(err) && u.ended() != endedNot {
		return net.ErrClosed
	}
	return err
}

func (u *http1Back) next(wait bool) ([]byte, error) {
	p, err := u.body.next(wait)
	if wait && err != nil {
		err = u.note(err)
	}
	return p, err
}

func (u *http1Back) ready() bool { return u.rd.len() > 0 || u.body.done() }

func (u *http1Back) awaitBody() error {
	if u.ready() {
		return nil
	}
	u.rd.reserve() // the head is still looked at
	return u.note(u.rd.read())
}

func (u *http1Back) trailers() []field { return nil }
func (u *http1Back) first() time.Time  { return u.firstAt }
func (u *http1Back) heard() bool       { return u.interim > 0 || !u.firstAt.IsZero() }
func (u *http1Back) nth() int          { return u.uses }
func (u *http1Back) ended() int32      { return u.why.Load() }

// end closes the connection under the request that uses it. The first reason stands. For a client that
// left, only the wait is ended: see outlive.
func (u *http1Back) end(why int32) {
	u.why.CompareAndSwap(endedNot, why)
	if why == endedByClient && u.raw != nil {
		u.conn.SetReadDeadline(time.Unix(1, 0))
		return
	}
	u.conn.Close() // also after a client that left: what follows must not outlive draining
}

// release keeps the connection if the request and the response are whole, or if nothing was sent.
func (u *http1Back) release(well bool, now time.Time) {
	keep := !u.began || well && u.reusable && u.body.done() && u.rd.len() == 0
	if u.leaf != nil {
		leaves.Put(u.leaf)
	}
	if u.page != nil {
		pages.Put(u.page)
	}
	if u.chunk != nil {
		pages.Put(u.chunk)
	}
	u.leaf, u.page, u.chunk, u.out, u.rd = nil, nil, nil, nil, reader{conn: u.conn}
	if keep {
		u.pool.put(u, now, u.patience)
	} else {
		u.pool.drop(u)
	}
}

func (u *http1Back) source() (*net.TCPConn, int64) {
	if u.body.framing != byLength || u.rd.len() > 0 {
		return nil, 0
	}
	return isTCP(u.conn), u.body.remain
}

func (u *http1Back) took(n int64) { u.body.remain -= n }

func (u *http1Back) sink() *net.TCPConn {
	if u.chunked || !u.began {
		return nil
	}
	return isTCP(u.conn)
}

func (u *http1Back) gave(int64) {}

// open ends HTTP on the connection.
func (u *http1Back) open() (net.Conn, []byte) {
	ahead := append([]byte(nil), u.rd.bytes()...)
	u.rd.buf, u.rd.r, u.rd.w, u.reusable = nil, 0, 0, false
	pages.Put(u.page)
	u.page = nil
	return u.conn, ahead
}
