package node

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

// clientConn serves one client connection, one request after the other.
type clientConn struct {
	node     *Node
	listener *listener
	conn     net.Conn
	rd       reader
	addr     netip.AddrPort
	client   string // addr as text
	opened   time.Time
	maxAge   time.Duration
	id       uint64 // of the connection; requests are numbered within it
	requests uint64

	mu   sync.Mutex // guards idle and stop against each other
	idle bool
	stop bool

	// Of the request at hand.
	route    *route
	req      request
	res      response
	body     body
	out      []byte
	outPage  *[targetBuffer]byte // below out; nil while idle
	o        timeline.Outcome
	keep     bool
	http11   bool
	headOnly bool
	chrome   bool
	wrote    bool      // something of the response has been written
	broken   bool      // the client cannot be written to
	sent     time.Time // request head written to the target
	since    time.Time // the target is awaited since then
	first    time.Time // first byte from the target
	watch    watch
	up       *upload      // owns body and rd until it is over
	activity atomic.Int64 // Unix nanoseconds of the last byte of an upload
}

func newClientConn(l *listener, conn net.Conn) *clientConn {
	now := time.Now()
	c := &clientConn{node: l.node, listener: l, conn: conn, opened: now, id: l.node.connections.Add(1)}
	c.rd = reader{conn: conn, buf: make([]byte, clientBuffer)}
	c.addr = clientAddr(conn.RemoteAddr())
	c.client = c.addr.String()
	if r := l.route.Load(); r != nil {
		c.maxAge = r.lb.Attributes.ClientKeepAlive
	}
	return c
}

// serve answers requests until the connection ends.
func (c *clientConn) serve() {
	for c.next() {
	}
	c.conn.Close()
	c.slim()
}

// slim gives back what an idle connection does not need.
func (c *clientConn) slim() {
	if c.outPage != nil {
		pages.Put(c.outPage)
		c.outPage, c.out = nil, nil
	}
	if c.rd.len() == 0 && len(c.rd.buf) > 2*clientBuffer {
		c.rd.buf, c.rd.r, c.rd.w = make([]byte, clientBuffer), 0, 0
	}
}

// quit makes an idle connection close now and another one after its request.
func (c *clientConn) quit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = true
	if c.idle {
		c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *clientConn) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop
}

// next serves one request, and reports whether another may follow.
func (c *clientConn) next() bool {
	if !c.await() {
		return false
	}
	c.route = c.listener.route.Load()
	if c.route == nil {
		return false
	}
	c.begin(time.Now())
	if !c.handle() {
		return false
	}
	if !c.settleBody() {
		c.linger()
		return false
	}
	return c.keep && !c.broken
}

// await waits for the first byte of a request.
func (c *clientConn) await() bool {
	for {
		for c.rd.len() > 0 && (c.rd.buf[c.rd.r] == '\r' || c.rd.buf[c.rd.r] == '\n') {
			c.rd.skip(1) // empty lines before a request are ignored
		}
		if c.rd.len() > 0 {
			return !c.stopping()
		}
		if !c.park() {
			return false
		}
		err := c.rd.fill(clientBuffer)
		c.mu.Lock()
		c.idle = false
		c.mu.Unlock()
		if err != nil {
			return false
		}
	}
}

func (c *clientConn) park() bool {
	r := c.listener.route.Load()
	if r == nil {
		return false
	}
	c.slim()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = !c.stop
	if c.idle {
		c.conn.SetReadDeadline(time.Now().Add(r.lb.Attributes.IdleTimeout))
	}
	return c.idle
}

func (c *clientConn) idleTimeout() time.Duration { return c.route.lb.Attributes.IdleTimeout }

func (c *clientConn) begin(now time.Time) {
	c.requests++
	r := c.route
	c.o = timeline.Outcome{
		Start: now, LoadBalancer: r.lb.ID, Listener: r.listener, Client: c.client, Scheme: r.scheme,
		RequestTime: -1, TargetTime: -1, ResponseTime: -1, SnapshotVersion: r.version,
	}
	c.keep, c.http11, c.headOnly, c.chrome, c.wrote = false, true, false, false, false
	c.up, c.sent, c.first = nil, time.Time{}, time.Time{}
	c.body.start(&c.rd, noBody, 0)
	c.req = request{fields: c.req.fields[:0]}
	c.activity.Store(0)
	if c.outPage == nil {
		c.outPage = pages.Get().(*[targetBuffer]byte)
		c.out = c.outPage[:0]
	}
}

// handle reads the head, answers and reports the outcome. It is false if there was no
// whole request, or nothing more can be read from the client.
func (c *clientConn) handle() bool {
	head, problem, err := c.readHead()
	if err != nil && problem == nil {
		return false
	}
	if problem == nil {
		problem = c.parse(head)
	}
	c.describe()
	if problem != nil {
		c.refuse(problem)
		return c.keep
	}
	c.act()
	return true
}

// readHead reads a whole request head. An error without a refusal means that the client left.
func (c *clientConn) readHead() ([]byte, *refusal, error) {
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
		c.conn.SetReadDeadline(time.Now().Add(c.idleTimeout()))
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

func (c *clientConn) parse(head []byte) *refusal {
	c.o.ReceivedBytes = int64(len(head))
	problem := c.req.parse(head)
	q := &c.req
	c.http11, c.headOnly, c.chrome = q.minor > 0, q.head, q.chrome
	if problem != nil && problem != traceMethod && problem != manyForwarded {
		return problem
	}
	mode := c.route.lb.Attributes.DesyncMitigationMode
	if problem == nil && mode == "strictest" && (q.ambiguous || q.noncompliant) {
		return strictest
	}
	c.body.start(&c.rd, q.framing, q.length)
	c.keep = q.keeps() && !(q.ambiguous && mode != "monitor") && !c.stopping() && !c.node.retiring.Load() &&
		(c.maxAge <= 0 || c.o.Start.Sub(c.opened) < c.maxAge)
	return problem
}

// describe copies what the outcome says about the request, in one allocation.
func (c *clientConn) describe() {
	q := &c.req
	b := c.out[:0]
	b = append(b, c.node.prefix...)
	b = append(appendHex(b, c.id, 8), '-')
	b = appendHex(b, c.requests, 6)
	id := len(b)
	b = appendTraceID(b, q, c.o.Start)
	trace := len(b)
	b = c.hostPort(b, q)
	host := len(b)
	b = append(b, q.uri...)
	uri := len(b)
	b = append(b, q.userAgent...)
	s := string(b)
	c.o.ID, c.o.TraceID, c.o.Host, c.o.URI, c.o.UserAgent = s[:id], s[id:trace], s[trace:host], s[host:uri], s[uri:]
	c.o.Method, c.o.Proto = methodText(q.method), "HTTP/1.1"
	if !c.http11 {
		c.o.Proto = "HTTP/1.0"
	}
	c.out = b[:0]
}

func methodText(b []byte) string {
	for _, m := range [...]string{"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if string(b) == m {
			return m
		}
	}
	return string(b)
}

// act applies the first rule that matches.
func (c *clientConn) act() {
	r := c.route.match(&c.req, c.addr.Addr())
	if r == nil {
		c.fail(timeline.NoRegisteredTargets, "no rule matches")
		return
	}
	c.o.RulePriority, c.o.Action = r.priority, r.action
	if c.req.expect && c.http11 && !c.body.done() && c.rd.len() == 0 {
		c.conn.SetWriteDeadline(time.Now().Add(c.idleTimeout()))
		c.req.expect = false
		c.conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")) // ALB-025: at once, and by the balancer
	}
	switch {
	case r.redirect != nil:
		c.say(c.route.redirect(r.redirect, &c.req))
	case r.fixed != nil:
		c.say(fixed(r.fixed))
	default:
		c.forward(r)
	}
}

// refuse answers a request that is not accepted.
func (c *clientConn) refuse(problem *refusal) {
	c.fail(problem.cause, problem.detail)
	if !c.keep {
		c.linger()
	}
}

// fail ends the request for a cause of our own. Only the status reaches the client, and
// only if nothing of another response did.
func (c *clientConn) fail(cause timeline.Cause, detail string) {
	c.o.Cause, c.o.Detail = cause, detail
	status := shapes[cause].status
	if status == 460 {
		c.keep, c.broken = false, true
		c.o.Status = status
		c.finish()
		return
	}
	c.say(errorPage(status, c.chrome))
}

// say writes an answer of the balancer's own and reports the outcome.
func (c *clientConn) say(a answer) {
	c.o.Status = a.status
	c.out = appendAnswer(c.out[:0], a, time.Now(), c.keep, c.headOnly)
	c.write(c.out)
	c.finish()
}

// write writes to the client; a client that takes nothing for the idle timeout is given up.
func (c *clientConn) write(p []byte) error {
	for len(p) > 0 {
		c.conn.SetWriteDeadline(time.Now().Add(c.idleTimeout()))
		n, err := c.conn.Write(p)
		c.o.SentBytes += int64(n)
		c.wrote = c.wrote || n > 0
		if p = p[n:]; err != nil && !(n > 0 && isTimeout(err)) {
			c.broken = true
			return err
		}
	}
	return nil
}

// finish reports the outcome, once for each request.
func (c *clientConn) finish() {
	o, s := &c.o, shapes[c.o.Cause]
	o.End = time.Now()
	o.ReceivedBytes += c.body.received
	if !s.request {
		o.RequestTime = -1
	}
	if !s.target {
		o.TargetTime = -1
	}
	if !s.response {
		o.ResponseTime = -1
	}
	if o.EndedBy == "" {
		o.EndedBy = s.endedBy
	}
	c.node.sink.Finished(*o)
}

// settleBody throws away what is left of a request body, so that the next request can be
// read. It is false if the connection cannot be kept.
func (c *clientConn) settleBody() bool {
	if c.body.done() {
		return true
	}
	if !c.keep || c.broken {
		return false
	}
	for left := lingerBytes; left > 0; {
		c.conn.SetReadDeadline(time.Now().Add(c.idleTimeout()))
		p, err := c.body.next(true)
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
func (c *clientConn) linger() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || c.broken || half.CloseWrite() != nil {
		return
	}
	c.conn.SetReadDeadline(time.Now().Add(lingerFor))
	for left := lingerBytes; left > 0; {
		c.rd.r, c.rd.w = 0, 0
		if err := c.rd.fill(clientBuffer); err != nil {
			return
		}
		left -= c.rd.w
	}
}

// watch waits for the client to leave while a target is working.
type watch struct {
	mu      sync.Mutex
	abort   func() // ends what the request is waiting for
	gone    bool
	running chan struct{} // closed when the reading goroutine has ended; nil: not started
}

// onLeave sets what ends the wait if the client leaves; at once if it has left.
func (w *watch) onLeave(abort func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.abort = abort
	if w.gone && abort != nil {
		abort()
	}
}

// startWatch reads from the client in the background: an end means that it left, bytes are
// the next request and stay in the buffer. Not while a body is being read.
func (c *clientConn) startWatch() {
	if c.watch.running != nil || !c.up.over() || !c.body.done() || c.rd.room(clientBuffer) != nil {
		return
	}
	c.watch.running = make(chan struct{})
	c.conn.SetReadDeadline(time.Time{})
	go c.watchClient(c.watch.running)
}

func (c *clientConn) watchClient(done chan struct{}) {
	defer close(done)
	n, err := c.conn.Read(c.rd.buf[c.rd.w:])
	c.rd.w += n
	if n > 0 || err == nil || isTimeout(err) {
		return
	}
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.watch.gone = true
	if c.watch.abort != nil {
		c.watch.abort()
	}
}

// stopWatch ends the background reading, and reports whether the client has left.
func (c *clientConn) stopWatch() bool {
	if c.watch.running == nil {
		return false
	}
	c.watch.onLeave(nil)
	c.conn.SetReadDeadline(time.Unix(1, 0))
	<-c.watch.running
	gone := c.watch.gone
	c.watch.running, c.watch.gone = nil, false
	return gone
}
