package timeline

import "time"

// Cause is the load balancer's reason for a response that it made itself, or for a
// response that did not end well. It never reaches the client.
// Source: the table of causes in the ALB specification, §4.3.
type Cause string

// The causes, by the status that the client sees.
const (
	CauseNone Cause = ""

	MalformedRequest       Cause = "malformed_request"         // 400
	HeaderTooLarge         Cause = "header_too_large"          // 400
	ClientClosedBeforeBody Cause = "client_closed_before_body" // 400
	MethodTrace            Cause = "method_trace"              // 405
	ClientIdle             Cause = "client_idle"               // 408
	URITooLong             Cause = "uri_too_long"              // 414
	ClientGone             Cause = "client_gone"               // 460
	XFFTooMany             Cause = "xff_too_many"              // 463
	BadTransferEncoding    Cause = "bad_transfer_encoding"     // 501

	ConnRefused            Cause = "conn_refused"              // 502: nobody listens
	ConnRefusedDraining    Cause = "conn_refused_draining"     // 502: nobody listens any more, target draining
	ICMPUnreachable        Cause = "icmp_unreachable"          // 502
	TargetClosedInflight   Cause = "target_closed_inflight"    // 502: FIN or RST with the request outstanding
	KeepaliveRace          Cause = "keepalive_race"            // 502: a reused connection was closed as it was written to
	BadResponse            Cause = "bad_response"              // 502
	ResponseHeaderTooLarge Cause = "response_header_too_large" // 502
	DeregDelayElapsed      Cause = "dereg_delay_elapsed"       // 502: cut by the balancer at the end of draining

	NoRegisteredTargets Cause = "no_registered_targets" // 503
	AllTargetsUnused    Cause = "all_targets_unused"    // 503: only draining or unused targets

	ConnectTimeout         Cause = "connect_timeout"          // 504
	ConnectTimeoutDraining Cause = "connect_timeout_draining" // 504
	ResponseTimeout        Cause = "response_timeout"         // 504
	ContentLengthShort     Cause = "content_length_short"     // 504

	TruncatedResponse Cause = "truncated_response" // the status was already sent; the body was cut
	TargetMade        Cause = "target_made"        // the target itself answered 5xx
)

// Target is the registration that a request was sent to. Registration, not the
// address, is its identity: an address can be reused.
type Target struct {
	Registration string `json:"registration,omitempty"`
	Address      string `json:"address,omitempty"` // ip:port
	Task         string `json:"task,omitempty"`    // ARN of the ECS task behind it, if any
	State        string `json:"state,omitempty"`   // health state when it was chosen
	FailOpen     bool   `json:"failOpen,omitempty"`
}

// Connection is the connection to the target that carried a request.
type Connection struct {
	Reused bool          `json:"reused,omitempty"`
	Nth    int           `json:"nth,omitempty"`  // this was its nth request, from 1
	Idle   time.Duration `json:"idle,omitempty"` // how long it had been idle before reuse, in ns
	Dial   time.Duration `json:"dial,omitempty"` // time to connect, in ns
}

// Outcome is what became of one client request. The load balancer node makes
// exactly one for each.
type Outcome struct {
	ID              string        `json:"id"`      // unique for one request
	TraceID         string        `json:"traceId"` // value of X-Amzn-Trace-Id
	Start           time.Time     `json:"start"`   // first byte of the request
	End             time.Time     `json:"end"`
	LoadBalancer    string        `json:"loadBalancer"` // app/name/id
	Listener        string        `json:"listener"`     // ARN
	Client          string        `json:"client"`       // ip:port
	Method          string        `json:"method"`
	Scheme          string        `json:"scheme"` // http or https
	Host            string        `json:"host"`   // host:port
	URI             string        `json:"uri"`    // request target as sent, path and query
	Proto           string        `json:"proto"`  // HTTP/1.1
	UserAgent       string        `json:"userAgent,omitempty"`
	RulePriority    string        `json:"rulePriority,omitempty"` // "default" or a number
	Action          string        `json:"action,omitempty"`       // forward, redirect, fixed-response
	TargetGroup     string        `json:"targetGroup,omitempty"`  // ARN
	Target          Target        `json:"target,omitzero"`
	Connection      Connection    `json:"connection,omitzero"`
	Status          int           `json:"status"`                 // what the client saw; 460 if it left first
	TargetStatus    int           `json:"targetStatus,omitempty"` // what the target answered; 0 if nothing
	RequestTime     time.Duration `json:"requestTime"`            // received → sent to the target; -1 ns if it does not apply
	TargetTime      time.Duration `json:"targetTime"`             // sent → response header starts; -1 ns if it does not apply
	ResponseTime    time.Duration `json:"responseTime"`           // header received → first byte to the client; -1 ns if it does not apply
	ReceivedBytes   int64         `json:"receivedBytes"`
	SentBytes       int64         `json:"sentBytes"`
	Cause           Cause         `json:"cause,omitempty"`
	Detail          string        `json:"detail,omitempty"`  // the error underneath, in the system's words
	EndedBy         string        `json:"endedBy,omitempty"` // client, alb, target
	SnapshotVersion uint64        `json:"snapshotVersion"`
}

// Failed reports whether the client did not get a complete answer below 500.
func (o Outcome) Failed() bool {
	return o.Status >= 500 || o.Status == 460 || o.Cause == TruncatedResponse
}
