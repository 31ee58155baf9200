// Package node is the data plane of an Application Load Balancer: one load balancer node.
//
// It accepts client connections, reads requests of HTTP/1.1 and HTTP/2, matches them against listener
// rules, sends each to one target at most once, relays the answer, and reports what became
// of every request as a timeline.Outcome. It also sends the health checks and honours
// draining deadlines.
//
// Words: a Snapshot is what the control plane wants; a route is one listener of it, compiled;
// a target is one registration and lives across snapshots with its connections, its count of
// requests in flight and its health; a cause is the node's own reason for a response.
//
// An exchange is one request and what becomes of it. It stands between a front, the client's
// side, and a back, the target's side; it knows nothing of framing. http1Conn (front_http1*.go)
// and http1Back (back_http1.go) are those of HTTP/1.1. A front brings its request into the
// exchange and gives it a body; connect chooses the back; the contracts are in front.go and back.go.
//
// After 101 the two sides are the ends of a tunnel. After 504 and 460 the answer that still comes is an
// epilogue. Over plain TCP, bytes are read and written by rawtcp.go: what waits has no buffer, the poller
// is armed before a target is asked, and large bodies are spliced; any other net.Conn goes the plain way.
// What a client connection needs while it serves a request is its turn; while idle it has none.
//
// A request is read into one clear form (request.go) and classified (desync.go); the same bytes
// are matched, logged and forwarded. A group's view (algorithm.go) is who gets requests until
// something changes; an affinity (sticky.go) is what a stickiness cookie, a sealed ticket, says of
// one request; edits are what a listener's attributes change in messages.
//
// A connection to an HTTPS listener begins as a handshake, which gives way to what was negotiated.
// Its terms (policy and certificates) are those of the route at the time of the client's hello; the
// keys of session tickets stay with the listener.
//
// The node is the only writer of target health; the control plane is the only writer of
// snapshots. The node never retries a request, never reads a file or a database, and never
// uses the server or client of net/http, which would hide the very failures it reports (ALB-001).
package node
