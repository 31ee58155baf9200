package node

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

// exchange is one request and what becomes of it. It chooses the action, claims a target, sends the
// request once, relays the response and ends the outcome. It knows nothing of how
// the client or the target frame their messages.
type exchange struct {
	node     *Node
	listener *listener
	route    *route
	front    front
	peer     *peer

	req       request
	head      head // what the target gets
	affinity  affinity
	res       response
	o         timeline.Outcome
	headBytes int64    // of the request, as it came
	tunnelled [2]int64 // bytes from the client, and to it
	text      []byte   // backs head and what describe composes

	back     back
	sent     time.Time     // request head written to the target
	since    time.Time     // the target is awaited since then
	late     time.Duration // a fault has kept the response's head back for so long
	impaired *TargetFault  // acts on this exchange; nil: none
	up       *upload       // the only reader of the request's body until it is over
	others   int64         // requests that were on the target when this one left it
	activity atomic.Int64  // Unix nanoseconds of the last byte of an upload
}

// peer is a client connection, as outcomes tell of it.
type peer struct {
	addr     netip.AddrPort
	text     string // addr
	id       uint64 // requests are numbered within it
	requests uint64
	proto    string        // HTTP/2.0; empty: HTTP/1.1 or 1.0, as the request says
	kind     string        // http, https or h2
	traceID  string        // TID_ and 32 hex digits
	tls      *timeline.TLS // nil: none
}

// begin makes an exchange ready for a request whose first byte came at now.
func (x *exchange) begin(l *listener, r *route, f front, p *peer, now time.Time) {
	p.requests++
	x.node, x.listener, x.route, x.front, x.peer = l.node, l, r, f, p
	o := &x.o
	*o = timeline.Outcome{} // and then by member: no second one of that size on the stack
	o.Start, o.LoadBalancer, o.Listener, o.Client, o.Scheme = now, r.lb.ID, r.listener, p.text, r.scheme
	o.RequestTime, o.TargetTime, o.ResponseTime, o.SnapshotVersion = -1, -1, -1, r.version
	o.Type, o.ConnTraceID = p.kind, p.traceID
	if p.tls != nil {
		o.TLS = *p.tls
	}
	x.req = request{fields: x.req.fields[:0]}
	x.affinity = affinity{}
	x.others = 0
	x.headBytes, x.back, x.up, x.sent, x.since, x.late, x.impaired = 0, nil, nil, time.Time{}, time.Time{}, 0, nil
	x.activity.Store(0)
	x.tunnelled = [2]int64{}
}

func (x *exchange) idleTimeout() time.Duration { return x.route.lb.Attributes.IdleTimeout }

// serve does what the listener's rules say, and reports the outcome.
func (x *exchange) serve() {
	x.describe()
	x.clean()
	x.act()
}

// clean leaves out of the request what goes neither to rules nor to targets.
func (x *exchange) clean() {
	q := &x.req
	if q.invalid > 0 {
		x.o.InvalidHeaders = q.invalid
		if x.route.lb.Attributes.DropInvalidHeaderFields {
			x.o.HeadersDropped = true
			q.dropInvalid()
		}
	}
	x.route.edits.clean(q)
	if len(q.host) == 0 {
		q.host = x.route.dnsName // only HTTP/1.0 may go without (ALB-082)
	}
}

// endsBoth reports whether the request is one that ends both its connections.
func (x *exchange) endsBoth() bool {
	return x.req.endsBoth(x.route.lb.Attributes.DesyncMitigationMode)
}

// refuse answers a request that is not accepted.
func (x *exchange) refuse(problem *refusal) {
	x.describe()
	x.fail(problem.cause, problem.detail)
}

// desert ends a request whose client left in the middle of its head. Nothing is said (ALB-124).
func (x *exchange) desert(err error) {
	x.describe()
	x.o.Cause, x.o.Detail, x.o.Status = timeline.ClientClosedBeforeBody, "request header: "+err.Error(), 400
	if errors.Is(err, net.ErrClosed) {
		x.o.EndedBy, x.o.Detail = "alb", errStopped.Error()
	}
	x.front.cut()
	x.finish()
}

// describe copies what the outcome says about the request, in one allocation.
func (x *exchange) describe() {
	q := &x.req
	b := x.text[:0]
	b = append(b, x.node.prefix...)
	b = append(appendHex(b, x.peer.id, 8), '-')
	b = appendHex(b, x.peer.requests, 6)
	id := len(b)
	b = appendTraceID(b, q, x.o.Start)
	trace := len(b)
	b = x.hostPort(b, q)
	host := len(b)
	b = append(b, q.uri...)
	uri := len(b)
	b = append(b, q.userAgent...)
	s := string(b)
	x.o.ID, x.o.TraceID, x.o.Host, x.o.URI, x.o.UserAgent = s[:id], s[id:trace], s[trace:host], s[host:uri], s[uri:]
	x.o.Method, x.o.Proto = methodText(q.method), x.proto()
	x.o.Classification, x.o.ClassificationReason = q.desync.class.String(), q.desync.reason
	x.text, x.head.traceID = b, b[id:trace]
}

func (x *exchange) proto() string {
	switch {
	case x.peer.proto != "":
		return x.peer.proto
	case x.req.ancient:
		return "HTTP/0.9"
	case x.req.minor == 0 && x.req.method != nil:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
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
func (x *exchange) act() {
	r, evaluated := x.route.match(&x.req, x.peer.addr.Addr())
	x.o.RuleEvaluations = evaluated
	if r == nil {
		x.fail(timeline.NoRegisteredTargets, "no rule matches")
		return
	}
	x.o.RulePriority, x.o.Action = r.priority, r.action
	if x.req.expect {
		x.req.expect = false
		x.front.proceed()
	}
	switch {
	case r.redirect != nil:
		x.redirect(r.redirect)
	case r.fixed != nil:
		x.say(fixed(r.fixed))
	default:
		x.forward(r)
	}
}

// fail ends the request for a cause of our own. Only the status reaches the client.
func (x *exchange) fail(cause timeline.Cause, detail string) {
	x.o.Cause, x.o.Detail = cause, detail
	status := shapes[cause].status
	if status == 460 {
		x.o.Status = status
		x.front.cut()
		x.finish()
		return
	}
	if cause == timeline.PlainHTTP {
		x.say(plainPage(x.req.chrome))
		return
	}
	x.say(errorPage(status, x.req.chrome))
}

// say gives an answer of the balancer's own and reports the outcome.
func (x *exchange) say(a answer) {
	x.o.Status = a.status
	x.route.edits.dressAnswer(&a)
	x.front.say(a)
	x.finish()
}

// finish reports the outcome, once for each request.
func (x *exchange) finish() {
	o, s := &x.o, shapes[x.o.Cause]
	if o.End.IsZero() {
		o.End = time.Now()
	}
	o.ReceivedBytes, o.SentBytes = x.headBytes+x.front.received()+x.tunnelled[0], x.front.sent()+x.tunnelled[1]
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
	x.node.sink.Finished(o)
}
