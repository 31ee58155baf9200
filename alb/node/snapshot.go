package node

import (
	"net/netip"
	"time"
)

// Snapshot is everything the node needs to know, as plain data: it survives JSON.
// The control plane compiles it; the node never changes it.
type Snapshot struct {
	Version       uint64         `json:"version"` // grows with every change; recorded in every outcome
	LoadBalancers []LoadBalancer `json:"loadBalancers"`
	TargetGroups  []TargetGroup  `json:"targetGroups"`
	Certificates  []Certificate  `json:"certificates,omitempty"` // those that listeners name
	CookieKey     []byte         `json:"cookieKey,omitempty"`    // 32 bytes that seal stickiness cookies; empty: one of the node's own
}

// Certificate is a server certificate with its key.
type Certificate struct {
	ARN   string `json:"arn"`
	Chain string `json:"chain"` // PEM, the server's own certificate first
	Key   string `json:"key"`   // PEM, PKCS #8
}

// LoadBalancer is one Application Load Balancer.
type LoadBalancer struct {
	ARN        string                 `json:"arn"`
	ID         string                 `json:"id"` // app/name/16 hex, as in logs and metrics
	DNSName    string                 `json:"dnsName"`
	Address    netip.Addr             `json:"address,omitzero"` // its address in the VPC: the node address of its logs
	Source     netip.Addr             `json:"source,omitzero"`  // address that targets are dialled from; zero: the kernel chooses
	Mark       uint32                 `json:"mark,omitempty"`   // SO_MARK on connections to targets; 0: none
	Attributes LoadBalancerAttributes `json:"attributes"`
	Listeners  []Listener             `json:"listeners"`
}

// LoadBalancerAttributes are the load balancer attributes that act in the data plane.
type LoadBalancerAttributes struct {
	IdleTimeout             time.Duration `json:"idleTimeout"`
	ClientKeepAlive         time.Duration `json:"clientKeepAlive"`
	DropInvalidHeaderFields bool          `json:"dropInvalidHeaderFields,omitempty"`
	PreserveHostHeader      bool          `json:"preserveHostHeader,omitempty"`
	XFFHeaderProcessing     string        `json:"xffHeaderProcessing"` // append, preserve or remove
	XFFClientPort           bool          `json:"xffClientPort,omitempty"`
	DesyncMitigationMode    string        `json:"desyncMitigationMode"` // monitor, defensive or strictest
	NoHTTP2                 bool          `json:"noHTTP2,omitempty"`    // routing.http2.enabled=false
	TLSHeaders              bool          `json:"tlsHeaders,omitempty"` // x-amzn-tls-version and x-amzn-tls-cipher-suite for targets
	AccessLogs              *LogBucket    `json:"accessLogs,omitempty"` // nil: disabled
	ConnectionLogs          *LogBucket    `json:"connectionLogs,omitempty"`
	HealthCheckLogs         *LogBucket    `json:"healthCheckLogs,omitempty"`
}

// LogBucket is where a kind of log goes.
type LogBucket struct {
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`
}

// Listener is one listener. Rules are in order of evaluation; the default rule is last.
type Listener struct {
	ARN       string           `json:"arn"`
	Protocol  string           `json:"protocol"` // HTTP or HTTPS
	Port      int              `json:"port"`     // the listener's own port; the bound port can be offset
	Addresses []netip.AddrPort `json:"addresses"`
	Rules     []Rule           `json:"rules"`

	Certificates []string           `json:"certificates,omitempty"` // ARNs; the first is the default certificate
	SSLPolicy    string             `json:"sslPolicy,omitempty"`    // ELBSecurityPolicy-…
	Attributes   ListenerAttributes `json:"attributes,omitzero"`
}

// ListenerAttributes are the listener attributes that act in the data plane.
type ListenerAttributes struct {
	NoServer        bool     `json:"noServer,omitempty"`        // routing.http.response.server.enabled=false
	ResponseHeaders []Header `json:"responseHeaders,omitempty"` // set in every response; they replace the target's
	// RequestHeaders renames the headers that the load balancer adds about TLS: from the
	// name in lower case (x-amzn-tls-version) to the wanted one.
	RequestHeaders []Header `json:"requestHeaders,omitempty"`
}

// Header is a header's name and value, or a header's name and its new name.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Rule is one listener rule. All conditions must match; no conditions match everything.
type Rule struct {
	ARN        string      `json:"arn"`
	Priority   string      `json:"priority"` // "default" or a number
	Conditions []Condition `json:"conditions,omitempty"`
	Transforms []Transform `json:"transforms,omitempty"`
	Action     Action      `json:"action"`
}

// Transform rewrites what the target sees, after the rule has matched: the first match of
// Regex is replaced, $1 to $9 stand for its groups.
type Transform struct {
	Type    string `json:"type"` // host-header-rewrite or url-rewrite
	Regex   string `json:"regex"`
	Replace string `json:"replace"`
}

// Condition is one rule condition. Values are OR-ed.
type Condition struct {
	Field  string   `json:"field"`          // host-header, path-pattern, http-header, http-request-method, query-string, source-ip
	Name   string   `json:"name,omitempty"` // header name, for http-header
	Values []string `json:"values,omitempty"`
	Regex  []string `json:"regex,omitempty"` // RE2; instead of Values, for host-header, http-header and path-pattern
	Pairs  []Pair   `json:"pairs,omitempty"` // for query-string
}

// Pair is a key and value of a query-string condition. An empty key matches any key.
type Pair struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value"`
}

// Action is what a rule does; exactly one member is set.
type Action struct {
	Forward       *Forward       `json:"forward,omitempty"`
	Redirect      *Redirect      `json:"redirect,omitempty"`
	FixedResponse *FixedResponse `json:"fixedResponse,omitempty"`
}

// Forward sends the request to one of its target groups, by weight.
type Forward struct {
	TargetGroups []WeightedTargetGroup `json:"targetGroups"`
	Stickiness   time.Duration         `json:"stickiness,omitempty"` // a client stays with a group for so long; 0: not
}

// WeightedTargetGroup is a target group and its weight, 0 to 999.
type WeightedTargetGroup struct {
	ARN    string `json:"arn"`
	Weight int    `json:"weight"`
}

// Redirect answers 301 or 302. Members hold the placeholders as configured.
type Redirect struct {
	StatusCode int    `json:"statusCode"`
	Protocol   string `json:"protocol"`
	Host       string `json:"host"`
	Port       string `json:"port"`
	Path       string `json:"path"`
	Query      string `json:"query"`
}

// FixedResponse answers with a fixed status and body.
type FixedResponse struct {
	StatusCode  int    `json:"statusCode"`
	ContentType string `json:"contentType,omitempty"`
	MessageBody string `json:"messageBody,omitempty"`
}

// TargetGroup is one target group and its registered targets, draining ones included.
type TargetGroup struct {
	ARN             string        `json:"arn"`
	Name            string        `json:"name"`
	Protocol        string        `json:"protocol"`                  // HTTP or HTTPS
	ProtocolVersion string        `json:"protocolVersion,omitempty"` // HTTP1 (or empty), HTTP2 or GRPC
	InUse           bool          `json:"inUse"`                     // some rule forwards to it; otherwise no health checks are sent
	HealthCheck     HealthCheck   `json:"healthCheck"`
	Algorithm       string        `json:"algorithm"` // round_robin, least_outstanding_requests or weighted_random
	SlowStart       time.Duration `json:"slowStart,omitempty"`
	Stickiness      *Stickiness   `json:"stickiness,omitempty"` // nil: disabled
	// Below either minimum of healthy targets, requests go to all registered ones. 0 is
	// the default: one target, no percentage.
	MinimumHealthyCount      int        `json:"minimumHealthyCount,omitempty"`
	MinimumHealthyPercentage int        `json:"minimumHealthyPercentage,omitempty"`
	Source                   netip.Addr `json:"source,omitzero"` // address health checks are sent from
	Mark                     uint32     `json:"mark,omitempty"`
	Targets                  []Target   `json:"targets"`
	// StaleConnection is a fault to reproduce (never AWS's doing): for so long after the end
	// of an idle connection to a target was read, it is offered to a request once more.
	StaleConnection time.Duration `json:"staleConnection,omitempty"`
}

// Stickiness is what keeps a client with a target.
type Stickiness struct {
	Type       string        `json:"type"` // lb_cookie or app_cookie
	Duration   time.Duration `json:"duration"`
	CookieName string        `json:"cookieName,omitempty"` // of app_cookie
}

// HealthCheck holds the health check settings of a target group.
type HealthCheck struct {
	Enabled            bool          `json:"enabled"`
	Protocol           string        `json:"protocol"` // HTTP or HTTPS
	Port               int           `json:"port"`     // 0 is "traffic-port"
	Path               string        `json:"path"`
	Interval           time.Duration `json:"interval"`
	Timeout            time.Duration `json:"timeout"`
	HealthyThreshold   int           `json:"healthyThreshold"`
	UnhealthyThreshold int           `json:"unhealthyThreshold"`
	Matcher            string        `json:"matcher"` // "200", "200,202", "200-299"; gRPC codes if the group's ProtocolVersion is GRPC
	// InitialInterval is the probe interval until an initial target answers for the first
	// time (any answer, also a wrong one, ends it). 0: Interval. A matter of pace, not of AWS.
	// Failed early probes of a target that does not accept connections yet do not count as
	// failures more often than once per Interval.
	InitialInterval time.Duration `json:"initialInterval,omitempty"`
}

// Target is one registration of an address with a target group.
type Target struct {
	Registration string         `json:"registration"` // identity; never reused
	Addr         netip.AddrPort `json:"addr"`
	Task         string         `json:"task,omitempty"` // ECS task ARN
	Zone         string         `json:"zone,omitempty"`
	// CheckFrom is when health checks begin (registration propagation); before it the
	// state is initial/Elb.RegistrationInProgress and no request is sent.
	CheckFrom time.Time `json:"checkFrom,omitzero"`
	// Draining targets get no new request after DrainFrom (deregistration propagation);
	// requests in flight are cut at DrainUntil.
	Draining   bool         `json:"draining,omitempty"`
	DrainFrom  time.Time    `json:"drainFrom,omitzero"`
	DrainUntil time.Time    `json:"drainUntil,omitzero"`
	Fault      *TargetFault `json:"fault,omitempty"` // injected; nil: none
	// State is the last state the control plane knows. It seeds the node's own state when
	// it sees this registration for the first time (after a restart); afterwards it is ignored.
	State State `json:"state"`
}

// State is a target's health state, in ELBv2's words.
type State string

// The states that a node decides on. The control plane adds unused, draining and unavailable.
const (
	Initial   State = "initial"
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
)

// HealthChange tells the control plane that a target changed its state, or its reason for it.
type HealthChange struct {
	Time         time.Time `json:"time"`
	TargetGroup  string    `json:"targetGroup"` // ARN
	Registration string    `json:"registration"`
	From         State     `json:"from"`
	To           State     `json:"to"`
	Reason       string    `json:"reason,omitempty"`      // Target.Timeout and so on
	Description  string    `json:"description,omitempty"` // Health checks failed with these codes: [404]
	Detail       string    `json:"detail,omitempty"`      // what the last probe saw, for people: "GET /health → connection refused"
}
