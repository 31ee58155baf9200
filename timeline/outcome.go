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
	DesyncSevere           Cause = "desync_severe"             // 400: classified as Severe, or not compliant in strictest mode
	PlainHTTP              Cause = "plain_http"                // 400: HTTP on a port that speaks TLS
	MethodTrace            Cause = "method_trace"              // 405
	ClientIdle             Cause = "client_idle"               // 408
	URITooLong             Cause = "uri_too_long"              // 414
	ClientGone             Cause = "client_gone"               // 460
	XFFTooMany             Cause = "xff_too_many"              // 463
	ProtocolMismatch       Cause = "protocol_version_mismatch" // 464: the target group speaks another protocol version
	TransformFailed        Cause = "transform_failed"          // 500: a rule's transform could not be applied
	BadTransferEncoding    Cause = "bad_transfer_encoding"     // 501

	ConnRefused            Cause = "conn_refused"              // 502: nobody listens
	ConnRefusedDraining    Cause = "conn_refused_draining"     // 502: nobody listens any more, target draining
	ICMPUnreachable        Cause = "icmp_unreachable"          // 502
	TargetClosedInflight   Cause = "target_closed_inflight"    // 502: FIN or RST with the request outstanding
	KeepaliveRace          Cause = "keepalive_race"            // 502: a reused connection was closed as it was written to
	BadResponse            Cause = "bad_response"              // 502
	ResponseHeaderTooLarge Cause = "response_header_too_large" // 502
	DeregDelayElapsed      Cause = "dereg_delay_elapsed"       // 502: cut by the balancer at the end of draining
	TargetTLSError         Cause = "target_tls_error"          // 502: no TLS session with the target

	NoRegisteredTargets Cause = "no_registered_targets" // 503
	AllTargetsUnused    Cause = "all_targets_unused"    // 503: only draining or unused targets

	ConnectTimeout         Cause = "connect_timeout"          // 504
	ConnectTimeoutDraining Cause = "connect_timeout_draining" // 504
	ResponseTimeout        Cause = "response_timeout"         // 504
	ContentLengthShort     Cause = "content_length_short"     // 504
	TargetTLSTimeout       Cause = "target_tls_timeout"       // 504
	LocationTooLong        Cause = "location_too_long"        // 507

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
	URI             string        `json:"uri"`    // path and query as rules and target see them, percent-encoded where need be
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

	// What access logs and metrics say beyond it.
	Type                 string       `json:"type,omitempty"`           // http, https, h2, grpcs, ws or wss
	TLS                  TLS          `json:"tls,omitzero"`             // of the client's connection
	ConnTraceID          string       `json:"connTraceId,omitempty"`    // TID_ and 32 hex digits: the client's connection
	RedirectURL          string       `json:"redirectUrl,omitempty"`    // of a redirect
	ErrorReason          string       `json:"errorReason,omitempty"`    // AWS's own, in few cases only
	Classification       string       `json:"classification,omitempty"` // Acceptable, Ambiguous or Severe; empty: compliant
	ClassificationReason string       `json:"classificationReason,omitempty"`
	Transformed          *Transformed `json:"transformed,omitempty"` // nil: the rule has no transforms
	RuleEvaluations      int          `json:"ruleEvaluations,omitempty"`
	InvalidHeaders       int          `json:"invalidHeaders,omitempty"` // names outside of [-A-Za-z0-9], forwarded or dropped
	HeadersDropped       bool         `json:"headersDropped,omitempty"` // the invalid ones were
	NotSticky            bool         `json:"notSticky,omitempty"`      // a sticky group had to choose a new target

	Epilogue *Epilogue `json:"epilogue,omitempty"` // how the target went on, once that is known
}

// TLS is what was negotiated with a client.
type TLS struct {
	Protocol    string `json:"protocol,omitempty"`    // TLSv1.2
	Cipher      string `json:"cipher,omitempty"`      // OpenSSL's name
	Domain      string `json:"domain,omitempty"`      // the SNI name, if it chose the certificate
	Certificate string `json:"certificate,omitempty"` // ARN, or session-reused
}

// Transformed is what a rule's transforms made of a request.
type Transformed struct {
	Host   string `json:"host,omitempty"` // empty: not rewritten
	URI    string `json:"uri,omitempty"`
	Status string `json:"status"` // TransformSuccess and so on
}

// Epilogue is how a target's answer to a request ended that the client did not wait for,
// or that the load balancer gave up: it comes after the Outcome with the same ID.
type Epilogue struct {
	ID     string        `json:"id"` // of the Outcome
	Time   time.Time     `json:"time"`
	After  time.Duration `json:"after"`            // since the request was sent to the target
	Status int           `json:"status,omitempty"` // what the target answered; 0 if nothing
	Bytes  int64         `json:"bytes,omitempty"`  // of the answer
	Detail string        `json:"detail"`           // complete, or the error underneath
}

// Failed reports whether the client did not get a complete answer below 500. A 464 has failed
// too: no target could have been asked.
func (o *Outcome) Failed() bool {
	return o.Status >= 500 || o.Status == 460 || o.Status == 464 || o.Cause == TruncatedResponse
}
