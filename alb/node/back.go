package node

import (
	"net"
	"time"
)

// back is the target's side of one exchange: a connection of HTTP/1.1, or one stream of an
// HTTP/2 connection. It carries one request; afterwards release gives it back. All methods are
// called by the goroutine that runs the exchange, except where another one is named.
type back interface {
	requestTaker
	responseSource

	// end gives the request up, for the first reason that is given (endedByClient and so on):
	// whatever waits for the target fails at once. Any goroutine may call it.
	end(why int32)
	// ended is the reason given to end, or endedNot.
	ended() int32
	// release lets go of the back, now. well says that the exchange came to its proper end
	// and that nothing speaks against another request on the same connection; whether there
	// will be one is the back's decision.
	release(well bool, now time.Time)
}

// requestTaker takes the request: begin, write as often as needed, finish.
type requestTaker interface {
	// begin takes the head. The body has size bytes; 0: there is none; negative: unknown. A
	// write that makes no progress for patience fails. begin does not send yet: after an error
	// nothing of the request has left or will, and only release may follow.
	begin(h *head, size int64, patience time.Duration) error
	// write takes the next bytes of the body. It does not keep p. Before the first flush it may
	// keep a copy. While an upload runs, its goroutine alone calls write, flush and finish.
	write(p []byte) error
	// finish ends the request, with the trailers if the target's protocol has any. What was kept is
	// sent by awaitHead at the latest.
	finish(trailers []field) error
	// flush sends what was kept.
	flush() error
}

// responseSource gives the response. Waiting ends at the time given to until or a little sooner,
// with a timeout (isTimeout), or as soon as a part of what is waited for has come, with errPart; the
// call can then be repeated and goes on where it was.
type responseSource interface {
	until(t time.Time)
	// awaitHead reads the head of the final response into p, p.size included; other 1xx than 101
	// are swallowed (ALB-024). The slices in p stay valid until next is called with wait.
	// errHeadTooLarge and errBadResponse say what is wrong with it.
	awaitHead(p *response) error
	// awaitBody waits until next would not have to wait.
	awaitBody() error
	// ready reports whether awaitBody is known not to wait.
	ready() bool
	// next returns the next bytes of the body, valid until the next call, and io.EOF after the
	// last. Unless wait, it returns errAgain instead of waiting.
	next(wait bool) ([]byte, error)
	// trailers are the fields after the body, once next has returned io.EOF; nil without any.
	trailers() []field
	// first is when the first byte of the final response came; zero before it.
	first() time.Time
	// heard reports whether anything has come, interim responses included.
	heard() bool
	// nth counts the requests on the connection below, this one included.
	nth() int
}

// Why the node itself ended what it did on a target.
const (
	endedNot int32 = iota
	endedByClient
	endedByDraining
	endedByStop
	endedByUpload // the client failed while its request body was being sent on
)

// direct is an ability of a side that speaks HTTP/1.1 over plain TCP: the kernel can move body
// bytes from one side to the other.
type direct interface {
	// source returns the connection whose next n bytes are body bytes as they are, with nothing
	// of them read already; nil if it is not so.
	source() (conn *net.TCPConn, n int64)
	// took says that n of them have been read.
	took(n int64)
	// sink returns the connection that takes body bytes as they are, everything before them
	// sent; nil if it is not so.
	sink() *net.TCPConn
	// gave says that n of them have been written.
	gave(n int64)
}

// opener is an ability of a side that can become one end of a tunnel, after 101.
type opener interface {
	// open ends HTTP on the connection, and returns it with what has been read ahead. The connection
	// still belongs to the side, which gives up its buffers.
	open() (conn net.Conn, ahead []byte)
}
