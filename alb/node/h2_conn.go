package node

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"drydock/alb/node/h2"
	"drydock/timeline"
)

// h2Conn is a client connection that speaks HTTP/2. Each of its streams is one exchange.
type h2Conn struct {
	listener *listener
	peer     peer
	conn     *h2.Conn
}

var _ clientConn = (*h2Conn)(nil)

// newH2Conn serves a connection whose handshake has settled on h2 (ALB-116, ALB-117).
func newH2Conn(l *listener, conn net.Conn, p peer) *h2Conn {
	p.kind, p.proto = "h2", "HTTP/2.0"
	c := &h2Conn{listener: l, peer: p}
	config := h2.Config{Handler: c.handle, Refused: c.refused, MaxStreams: maxStreams, MaxRequests: maxStreamsEver,
		MaxHead: maxRequestHeader, MaxField: maxHeaderLine}
	if r := l.route.Load(); r != nil {
		a := &r.lb.Attributes
		config.IdleTimeout, config.MaxAge, config.WriteTimeout = a.IdleTimeout, a.ClientKeepAlive, a.IdleTimeout
	}
	c.conn = h2.Server(conn, config)
	return c
}

func (c *h2Conn) serve() { c.conn.Run() }
func (c *h2Conn) quit()  { c.conn.GoAway() }
func (c *h2Conn) abort() { c.conn.Close() }

// handle serves one stream. It runs in a goroutine of its own.
func (c *h2Conn) handle(s *h2.Stream) {
	r := c.listener.route.Load()
	if r == nil {
		s.Reset(h2.RefusedStream)
		return
	}
	if c.listener.node.retiring.Load() {
		c.conn.GoAway()
	}
	stretch(false)
	f := h2Fronts.Get().(*h2Front)
	f.serve(c, s, r)
	f.stream, f.watcher = nil, nil
	h2Fronts.Put(f)
}

// refused makes the outcome of a request that never became a stream (ALB-124).
func (c *h2Conn) refused(s h2.Refusal) {
	r := c.listener.route.Load()
	if r == nil {
		return
	}
	var x exchange
	p := c.peer
	p.requests = uint64(s.ID) / 2
	x.begin(c.listener, r, unserved{}, &p, time.Now())
	x.describe()
	x.headBytes = s.Received
	x.o.Status, x.o.Cause, x.o.Detail = 400, timeline.MalformedRequest, s.Reason
	switch {
	case s.Deserted:
		x.o.Cause, x.o.Detail = timeline.ClientClosedBeforeBody, "request header: "+s.Reason
	case s.Code != h2.NoError:
		x.o.Detail = fmt.Sprintf("RST_STREAM %s: %s", s.Code, s.Reason)
	}
	x.finish()
}

// unserved is the front of an exchange that is nothing but its outcome.
type unserved struct{ front }

func (unserved) received() int64 { return 0 }
func (unserved) sent() int64     { return 0 }

var h2Fronts = sync.Pool{New: func() any { return new(h2Front) }}

// h2Front is one stream of a client: the front of an exchange.
type h2Front struct {
	stream  *h2.Stream
	peer    peer
	x       exchange
	text    []byte // backs the request's fields
	watcher *h2Watch
	read    atomic.Bool // next has returned all of the body, or there is none

	ended   bool      // the response's head was its end
	message h2Message // the response
	after   []field   // trailers of the request
}

var _ front = (*h2Front)(nil)

func (f *h2Front) serve(c *h2Conn, s *h2.Stream, r *route) {
	f.stream, f.peer, f.watcher, f.ended = s, c.peer, nil, false
	f.peer.requests = uint64(s.ID()) / 2 // what begin makes the number of this request
	f.x.begin(c.listener, r, f, &f.peer, time.Now())
	s.SetPatience(f.x.idleTimeout())
	problem := f.parse(&f.x.req)
	f.read.Store(f.x.req.framing == noBody)
	if f.x.req.grpc {
		f.x.o.Type = "grpcs"
	}
	if problem == nil {
		problem = f.x.req.judge(r.lb.Attributes.DesyncMitigationMode)
	}
	if err := s.Err(); err != nil { // reset while it waited: the target is not bothered (CVE-2023-39325)
		problem = &refusal{timeline.ClientGone, err.Error()}
	}
	if problem != nil {
		f.x.refuse(problem)
		return
	}
	f.x.serve()
}

// parse makes a request of the stream's head, as if it had come in HTTP/1.1 (ALB-110).
func (f *h2Front) parse(q *request) *refusal {
	s := f.stream
	f.text = f.text[:0]
	*q = request{fields: q.fields[:0], minor: 1, h2: true}
	q.method, q.uri = f.keep(s.Method), f.keep(s.Path)
	q.head = s.Method == "HEAD"
	if len(s.Method)+len(s.Path)+len(" HTTP/2.0 ") > maxRequestLine {
		return longURI
	}
	if s.Method == "CONNECT" {
		return traceMethod
	}
	if !isToken(q.method) {
		return q.condemn(badMethod)
	}
	problem := q.parseURI(q.uri)
	if also := f.readFields(q); problem == nil {
		problem = also
	}
	if problem == nil {
		problem = q.settle()
	}
	if q.framing == noBody && !q.hasLength && !s.Over() {
		q.framing = byChunks // of unknown length
	}
	return problem
}

func (f *h2Front) readFields(q *request) *refusal {
	s := f.stream
	if s.Authority != "" {
		if problem := f.addField(q, "host", s.Authority, fieldHost); problem != nil {
			return problem
		}
	}
	cookies := 0
	for _, h := range s.Head() {
		k := kindNamed(h.Name)
		switch {
		case k == fieldHost && s.Authority != "":
			if h.Value != s.Authority {
				return hostsDiffer
			}
			continue
		case k == fieldCookie:
			if cookies++; cookies > 1 {
				continue
			}
			h.Value = f.crumbs(h.Value)
		}
		if problem := f.addField(q, h.Name, h.Value, k); problem != nil {
			return problem
		}
	}
	q.expect = false // ALB-112
	if s.TooLarge {
		return longHead
	}
	return nil
}

var hostsDiffer = malformed("host differs from :authority")

// crumbs joins the cookies of all cookie fields (ALB-111).
func (f *h2Front) crumbs(first string) string {
	var all []byte
	for _, h := range f.stream.Head() {
		if h.Name != "cookie" {
			continue
		}
		if all != nil {
			all = append(all, "; "...)
		}
		all = append(all, h.Value...)
	}
	if len(all) <= len(first) {
		return first
	}
	return string(all)
}

func (f *h2Front) addField(q *request, name, value string, k kind) *refusal {
	made := field{name: f.keep(name), value: f.keep(value), kind: k}
	if !isPlain(made.value) && hasControl(made.value) {
		q.desync.raise(acceptable, nonCompliantHeader)
	}
	if k == fieldOther {
		if !isCompliantName(made.name) {
			q.invalid++
		}
		if imitates(made.name) {
			q.desync.raise(ambiguous, suspiciousHeader)
		}
	}
	return q.addField(made)
}

// keep copies a string into text.
func (f *h2Front) keep(s string) []byte {
	from := len(f.text)
	f.text = append(f.text, s...)
	return f.text[from:len(f.text):len(f.text)]
}

func kindNamed(name string) kind {
	if len(name) >= len(kindsByLength) {
		return fieldOther
	}
	for _, k := range kindsByLength[len(name)] {
		if name == k.name {
			return k.kind
		}
	}
	return fieldOther
}
