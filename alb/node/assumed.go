package node

import "time"

// Values that AWS fixes or does not document, in one place: ALB-002, ALB-003, ALB-004, ALB-005.
const (
	connectTimeout   = 10 * time.Second // documented: connect to a target
	handshakeTimeout = 10 * time.Second // assumed: TLS handshake of a client (ALB-106)

	maxRequestLine    = 16 << 10 // documented
	maxHeaderLine     = 16 << 10 // documented
	maxRequestHeader  = 64 << 10 // documented
	maxResponseHeader = 32 << 10 // documented
	maxLocation       = 8 << 10  // documented: 507 above
	maxForwardedFor   = 30       // documented: 463 above
	maxStreams        = 128      // documented: HTTP/2 streams at once
	maxStreamsEver    = 10_000   // documented: then the connection ends
	maxTraceFields    = 7 << 10  // documented: above, X-Amzn-Trace-Id becomes a bare Root
)

// Values of our own.
const (
	defaultGrace      = 5 * time.Second
	knockAgain        = time.Second            // as TCP does: from an unanswered SYN to the next
	watchAfter        = 50 * time.Millisecond  // wait for a target this long before watching whether the client leaves
	raceWithin        = 200 * time.Millisecond // a reused connection that ends this soon after the write lost the keep-alive race
	listenRetry       = time.Second
	lingerFor         = time.Second // how long unread input is thrown away before a connection is closed
	lingerBytes       = 1 << 20
	followFor         = 30 * time.Second // how long a target's answer is awaited that nobody waits for
	followBytes       = 1 << 20
	maxConnections    = 4  // that one request begins on, if the target ends each before anything is sent
	maxFollowers      = 64 // at a time
	crowd             = 3  // requests on one target that a connection gives way to
	sessionsPerTarget = 8
	spliceAbove       = 128 << 10
	spliceSlice       = 1 << 20
	spliceWait        = 100 * time.Millisecond // a tunnel without bytes for so long is not spliced any more
	clientBuffer      = 4 << 10
	targetBuffer      = 72 << 10 // 64 KiB of body, and its head
	headRoom          = 4 << 10  // of it, for what is read at first of a response that may be large
)
