package node

// front is the client's side of one exchange: a connection of HTTP/1.1, or one stream of
// HTTP/2. It has read the head of a request into the exchange (exchange.begin, then the
// members of exchange.req) and calls exchange.serve, or exchange.refuse if the head is not
// acceptable; inside of that call the exchange takes the request's body from it and gives it one
// response. All methods are called by the goroutine that runs the exchange, except where
// another one is named.
type front interface {
	requestBody
	responseTaker
	leaver
}

// requestBody gives the body of the request.
type requestBody interface {
	// next returns the next bytes of the body, valid until the next call, and io.EOF after the
	// last. Unless wait, it returns errAgain instead of waiting. A client that sends nothing
	// for the idle timeout is a timeout (isTimeout); errChunk says that what it sends is not a
	// body; errInterrupted that interrupt was called; any other error that it left. While an upload
	// runs, its goroutine alone calls next.
	next(wait bool) ([]byte, error)
	// whole reports whether next has returned all of the body. A request without one is whole.
	whole() bool
	// received counts the bytes of the body taken so far, framing included.
	received() int64
	// trailers are the fields after the body, once next has returned io.EOF; nil without any.
	// HTTP/1.1 has none: it drops them (ALB-026).
	trailers() []field
	// interrupt makes a waiting next return errInterrupted. Any goroutine may call it.
	interrupt()
	// proceed tells a client that asked with Expect: 100-continue to send its body (ALB-025).
	proceed()
}

// responseTaker takes the response: respond, write as often as needed, end; or say; or,
// in place of anything or after a part, cut.
type responseTaker interface {
	// respond takes the head of a target's response, of which the body has p.size bytes, or an
	// unknown number if that is negative. It may keep the head until there are body bytes:
	// nothing need be sent before flush or end.
	respond(p *response) error
	// write takes the next bytes of the body, framed by the front. It does not keep p. An
	// error says that the client takes nothing any more.
	write(p []byte) error
	// flush sends what write and respond kept.
	flush() error
	// end ends the body, with the trailers if the client's protocol has any, and flushes.
	end(trailers []field) error
	// say sends an answer that the balancer makes itself, whole.
	say(a answer) error
	// cut ends the response where it is, so that the client can tell that it is not complete:
	// HTTP/1.1 closes the connection, HTTP/2 resets the stream. Nothing is sent any more.
	cut()
	// last makes this the last exchange of an HTTP/1.1 connection, before respond or say.
	// HTTP/2 ignores it.
	last()
	// sent counts the bytes sent to the client for this exchange, heads included.
	sent() int64
}

// leaver notices that the client leaves while a target is awaited.
type leaver interface {
	// watch calls leave from another goroutine, once, when the client leaves; at once if it has
	// left already. A second call replaces leave; nil for none. It is not called while another goroutine is in next,
	// and may do nothing before the request's body is whole.
	watch(leave func())
	// watching reports whether a watch is on.
	watching() bool
	// left reports whether the watch saw the client leave.
	left() bool
	// unwatch ends the watch, and reports whether the client has left. leave is not called any
	// more once it has returned.
	unwatch() (left bool)
}

// clientConn is a client connection, whatever it speaks.
type clientConn interface {
	// serve answers requests until the connection has ended, and closes it.
	serve()
	// quit makes the connection end as soon as no request is in flight on it.
	quit()
	// abort closes it at once.
	abort()
}
