package node

import (
	"net/netip"
	"time"

	"drydock/timeline"
)

// Connection is what a connection log says about one client connection.
type Connection struct {
	Time         time.Time      `json:"time"`
	LoadBalancer string         `json:"loadBalancer"` // app/name/id
	Listener     string         `json:"listener"`     // ARN
	Client       netip.AddrPort `json:"client"`
	Port         int            `json:"port"`             // the listener's
	TLS          timeline.TLS   `json:"tls,omitzero"`     // zero: no TLS
	Handshake    time.Duration  `json:"handshake"`        // -1 ns without TLS, or if it failed
	Failed       string         `json:"failed,omitempty"` // why there is no TLS session: the error in plain words
	TraceID      string         `json:"traceId"`          // TID_ and 32 hex digits
}

// Check is the result of one health check.
type Check struct {
	Time          time.Time      `json:"time"`
	LoadBalancers []string       `json:"loadBalancers,omitempty"` // app/name/id of those that use the group
	TargetGroup   string         `json:"targetGroup"`             // ARN
	Registration  string         `json:"registration"`
	Addr          netip.AddrPort `json:"addr"`
	Protocol      string         `json:"protocol"` // HTTP, HTTPS or GRPC
	Latency       time.Duration  `json:"latency"`
	Passed        bool           `json:"passed"`
	StatusCode    int            `json:"statusCode,omitempty"` // 0: no answer
	Reason        string         `json:"reason,omitempty"`     // Target.Timeout and so on, of a check that failed
}
