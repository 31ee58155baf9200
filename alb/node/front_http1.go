package node

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"drydock/timeline"
)

// http1Conn is a client connection that speaks HTTP/1.1. It serves one request after the
// other, and is the front of each.
type http1Conn struct {
	node     *Node
	listener *listener
	conn     net.Conn
	rd       reader
	peer     peer
	opened   time.Time
	maxAge   time.Duration
	crowded  bool    // others had requests on the target of the last one
	misled   bool    // speaks HTTP on a port for HTTPS
	one      [1]byte // of firstByte

	mu    sync.Mutex // guards idle and stop against each other
	idle  bool
	stop  bool
	until time.Time // when the idle timeout ends
	armed time.Time // read deadline that is set; zero: it may be anything
	fresh bool      // no deadline is set, nor need be before the connection has to wait
	since time.Time // when it came to rest, if that is known

	raw    syscall.RawConn // TCP only
	take   func(fd uintptr) bool
	put    func(fd uintptr)
	rawErr error // result of take or put

	interrupted atomic.Bool // of the last request
	*turn                   // nil while idle
}

// turn is what a client connection has only while it serves a request.
type turn struct {
	x       exchange
	body    body
	spare   []byte // a small buffer that the head is in while a page takes its place
	watcher watch

	// Of the response.
	page     *[targetBuffer]byte // below out; nil before there is a response
	out      []byte              // not sent yet
	framing  framing
	written  int64
	keep     bool
	http11   bool
	headOnly bool
	broken   bool             // nothing can or may be sent any more
	parting  bool             // what is sent now is the last
	vecs     [3]syscall.Iovec // given to put
	parts    int              // of vecs
	wrote    int              // result of put
}

var turns = sync.Pool{New: func() any { return new(turn) }}

var (
	_ front      = (*http1Conn)(nil)
	_ direct     = (*http1Conn)(nil)
	_ clientConn = (*http1Conn)(nil)
)

func newHTTP1Conn(l *listener, conn net.Conn, p peer) *http1Conn {
	now := time.Now()
	c := &http1Conn{node: l.node, listener: l, conn: conn, opened: now, since: now, peer: p}
	c.rd.conn = conn
	if c.raw = rawOf(conn); c.raw != nil {
		c.take, c.put, c.fresh = c.takeRaw, c.putRaw, true
	}
	if r := l.route.Load(); r != nil {
		c.maxAge = r.lb.Attributes.ClientKeepAlive
	}
	return c
}

// newPeer describes a client connection without TLS.
func newPeer(n *Node, remote netip.AddrPort) peer {
	return peer{addr: remote, text: remote.String(), id: n.connections.Add(1), kind: "http"}
}

func (c *http1Conn) serve() {
	for c.once() {
	}
	c.conn.Close()
	c.slim()
}

func (c *http1Conn) abort() { c.conn.Close() }

// quit makes an idle connection close now and another one after its request.
func (c *http1Conn) quit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = true
	if c.idle {
		c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *http1Conn) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop
}

// slim gives back what an idle connection does not need.
func (c *http1Conn) slim() {
	if t := c.turn; t != nil {
		if t.page != nil {
			pages.Put(t.page)
		}
		recycle(t.spare)
		t.page, t.out, t.spare, t.watcher.leave = nil, nil, nil, nil
		turns.Put(t)
		c.turn = nil
	}
	if c.rd.len() == 0 {
		recycle(c.rd.buf)
		c.rd.buf, c.rd.r, c.rd.w = nil, 0, 0
	}
}

// recycle keeps a buffer for others. Nothing may point into it any more.
func recycle(buf []byte) {
	switch len(buf) {
	case clientBuffer:
		leaves.Put((*[clientBuffer]byte)(buf))
	case targetBuffer:
		pages.Put((*[targetBuffer]byte)(buf))
	}
}

// once serves one request, and reports whether another may follow.
func (c *http1Conn) once() bool {
	if !c.await() {
		return false
	}
	r := c.listener.route.Load()
	if r == nil {
		return false
	}
	if c.peer.requests == 0 {
		stretch(false)
	}
	c.begin(r, time.Now())
	if !c.handle() {
		return false
	}
	c.since = c.x.o.End
	if !c.body.done() {
		c.since = time.Time{}
		if !c.settleBody() {
			c.linger()
			return false
		}
	}
	c.crowded = c.x.others >= crowd
	return c.keep && !c.broken
}

// await waits for the first byte of a request.
func (c *http1Conn) await() bool {
	for early := false; ; {
		for c.rd.len() > 0 && (c.rd.buf[c.rd.r] == '\r' || c.rd.buf[c.rd.r] == '\n') {
			c.rd.skip(1) // empty lines before a request are ignored
		}
		if c.rd.len() > 0 {
			return !c.stopping()
		}
		if !c.park(early) {
			return false
		}
		err := c.firstRead()
		c.mu.Lock()
		c.idle = false
		c.mu.Unlock()
		if err != nil && !isTimeout(err) {
			return false
		}
		early = isTimeout(err)
	}
}

// park makes the connection idle, until the idle timeout. A deadline that ends sooner and is
// set already will do; after it, early, the wait goes on to its exact end.
func (c *http1Conn) park(early bool) bool {
	r := c.listener.route.Load()
	if r == nil {
		return false
	}
	c.slim()
	if early || c.interrupted.Load() {
		c.armed = time.Time{}
	}
	idle, now := r.lb.Attributes.IdleTimeout, c.since
	if c.since = (time.Time{}); now.IsZero() {
		now = time.Now()
	}
	if !early {
		c.until = now.Add(idle)
	} else if !now.Before(c.until) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = !c.stop
	if c.idle && !c.fresh && (c.armed.After(c.until) || c.armed.Sub(now) < idle/2) {
		c.arm(c.until)
	}
	return c.idle
}

// armFresh arms a connection that has to wait for its first bytes.
func (c *http1Conn) armFresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh = false; !c.stop { // else quit has set a deadline, which stands
		c.arm(c.until)
	}
}

func (c *http1Conn) arm(t time.Time) {
	c.armed = t
	c.conn.SetReadDeadline(t)
}

// firstRead waits for bytes, without a buffer if it can. While many requests are under way, it
// lets theirs go on first: the client's next one is likely to be there then, and the read that
// fails before the wait is saved. An idle node would only wake a processor for it.
func (c *http1Conn) firstRead() error {
	if c.crowded {
		runtime.Gosched()
	}
	if c.raw == nil {
		return c.firstByte()
	}
	c.rawErr = nil
	if err := c.raw.Read(c.take); err != nil {
		return err
	}
	return c.rawErr
}

// firstByte waits without a buffer where the connection's readiness cannot be watched: TLS keeps
// what came behind the byte, so that no more has to be read for it.
func (c *http1Conn) firstByte() error {
	n, err := c.conn.Read(c.one[:])
	if n == 0 {
		return err
	}
	c.lendBuffer()
	c.rd.buf[0], c.rd.r, c.rd.w = c.one[0], 0, 1
	return nil
}

func (c *http1Conn) lendBuffer() {
	if c.rd.buf == nil {
		c.rd.buf = leaves.Get().(*[clientBuffer]byte)[:]
	}
}

func (c *http1Conn) takeRaw(fd uintptr) bool {
	c.lendBuffer()
	n, e := rawRead(fd, c.rd.buf[c.rd.w:])
	switch {
	case e == syscall.EAGAIN || e == syscall.EINTR:
		recycle(c.rd.buf)
		c.rd.buf = nil
		if c.fresh {
			c.armFresh()
		}
		return false
	case e != 0:
		c.rawErr = os.NewSyscallError("read", e)
	case n == 0:
		c.rawErr = io.EOF
	default:
		c.rd.w += n
		c.fresh = false
	}
	return true
}

func (c *http1Conn) begin(r *route, now time.Time) {
	if c.turn == nil {
		c.turn = turns.Get().(*turn)
	}
	c.x.begin(c.listener, r, c, &c.peer, now)
	if c.misled {
		c.x.o.Scheme = "http"
	}
	c.keep, c.broken, c.http11, c.headOnly, c.written = false, false, true, false, 0
	c.interrupted.Store(false)
	c.body.start(&c.rd, noBody, 0)
}

// handle reads the head and has the exchange run. It is false if there was no whole
// request, or nothing more can be read from the client.
func (c *http1Conn) handle() bool {
	text, problem, err := c.readHead()
	if text == nil {
		c.x.headBytes = int64(c.rd.len())
	}
	if err != nil && problem == nil {
		c.x.desert(err)
		return false
	}
	if problem == nil {
		problem = c.parse(text)
	}
	if problem == nil {
		c.x.serve()
		return true
	}
	c.x.refuse(problem)
	if !c.keep {
		c.linger()
	}
	return c.keep
}

// readHead reads a whole request head. An error without a refusal means that the client left.
func (c *http1Conn) readHead() ([]byte, *refusal, error) {
	scanned := 0
	for {
		b := c.rd.bytes()
		if n := headEnd(b, scanned); n > 0 {
			if n > maxRequestHeader {
				return nil, longHead, nil
			}
			c.rd.skip(n)
			return b[:n], nil, nil
		}
		if problem := tooLong(b); problem != nil {
			return nil, problem, nil
		}
		scanned = max(0, len(b)-3)
		c.arm(time.Now().Add(c.x.idleTimeout()))
		if err := c.rd.fill(maxRequestHeader + clientBuffer); err != nil {
			if isTimeout(err) {
				return nil, &refusal{timeline.ClientIdle, "request header: " + err.Error()}, err
			}
			return nil, nil, err
		}
	}
}

func tooLong(b []byte) *refusal {
	if len(b) > maxRequestHeader {
		return longHead
	}
	if len(b) > maxRequestLine {
		if line, rest := cutLine(b); rest == nil || len(line) > maxRequestLine {
			return longURI
		}
	}
	return nil
}

func (c *http1Conn) parse(text []byte) *refusal {
	c.x.headBytes = int64(len(text))
	q := &c.x.req
	problem := q.parse(text)
	if c.misled && problem == nil {
		problem = plainHTTP
	}
	c.http11, c.headOnly = q.minor > 0, q.head
	if problem == nil {
		problem = q.judge(c.x.route.lb.Attributes.DesyncMitigationMode)
	}
	if problem != nil && problem != traceMethod && problem != manyForwarded {
		return problem
	}
	c.body.start(&c.rd, q.framing, q.length)
	c.keep = q.keeps() && !c.x.endsBoth() && (c.maxAge <= 0 || c.x.o.Start.Sub(c.opened) < c.maxAge)
	return problem
}

// settleBody throws away what is left of a request body, so that the next request can be
// read. It is false if the connection cannot be kept.
func (c *http1Conn) settleBody() bool {
	if c.body.done() {
		return true
	}
	if !c.keep || c.broken {
		return false
	}
	c.interrupted.Store(false)
	for left := lingerBytes; left > 0; {
		p, err := c.next(true)
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return false
		}
		left -= len(p)
	}
	return false
}

// linger ends our side and reads on for a moment: closing with unread input would make the
// kernel send RST, and the client could lose the response.
func (c *http1Conn) linger() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || c.broken || half.CloseWrite() != nil {
		return
	}
	c.lendBuffer()
	c.arm(time.Now().Add(lingerFor))
	for left := lingerBytes; left > 0; {
		c.rd.r, c.rd.w = 0, 0
		if err := c.rd.fill(clientBuffer); err != nil {
			return
		}
		left -= c.rd.w
	}
}
