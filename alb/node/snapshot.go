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
}

// LoadBalancer is one Application Load Balancer.
type LoadBalancer struct {
	ARN        string                 `json:"arn"`
	ID         string                 `json:"id"` // app/name/16 hex, as in logs and metrics
	DNSName    string                 `json:"dnsName"`
	Source     netip.Addr             `json:"source,omitzero"` // its address in the VPC: targets are dialled from it; zero: the kernel chooses
	Mark       uint32                 `json:"mark,omitempty"`  // SO_MARK on connections to targets; 0: none
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
}

// Listener is one listener. Rules are in order of evaluation; the default rule is last.
type Listener struct {
	ARN       string           `json:"arn"`
	Protocol  string           `json:"protocol"` // HTTP (HTTPS later)
	Port      int              `json:"port"`     // the listener's own port; the bound port can be offset
	Addresses []netip.AddrPort `json:"addresses"`
	Rules     []Rule           `json:"rules"`
}

// Rule is one listener rule. All conditions must match; no conditions match everything.
type Rule struct {
	ARN        string      `json:"arn"`
	Priority   string      `json:"priority"` // "default" or a number
	Conditions []Condition `json:"conditions,omitempty"`
	Action     Action      `json:"action"`
}

// Condition is one rule condition. Values are OR-ed.
type Condition struct {
	Field  string   `json:"field"`          // host-header, path-pattern, http-header, http-request-method, query-string, source-ip
	Name   string   `json:"name,omitempty"` // header name, for http-header
	Values []string `json:"values,omitempty"`
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
	ARN         string      `json:"arn"`
	Name        string      `json:"name"`
	Protocol    string      `json:"protocol"` // HTTP (HTTPS later)
	InUse       bool        `json:"inUse"`    // some rule forwards to it; otherwise no health checks are sent
	HealthCheck HealthCheck `json:"healthCheck"`
	Algorithm   string      `json:"algorithm"`       // round_robin (least_outstanding_requests, weighted_random later)
	Source      netip.Addr  `json:"source,omitzero"` // address health checks are sent from
	Mark        uint32      `json:"mark,omitempty"`
	Targets     []Target    `json:"targets"`
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
	Matcher            string        `json:"matcher"` // "200", "200,202", "200-299"
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
	Draining   bool      `json:"draining,omitempty"`
	DrainFrom  time.Time `json:"drainFrom,omitzero"`
	DrainUntil time.Time `json:"drainUntil,omitzero"`
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
