package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/alb/node"
	"drydock/timeline"
)

// counter is one CloudWatch metric that is counted in cells.
type counter struct {
	desc *prometheus.Desc
	of   func(*cell) *atomic.Uint64
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func ofBalancer(name, help string, of func(*cell) *atomic.Uint64) counter {
	return counter{describe(name, help, "LoadBalancer"), of}
}

func ofTargets(name, help string, of func(*cell) *atomic.Uint64) counter {
	return counter{describe(name, help, "LoadBalancer", "TargetGroup", "AvailabilityZone"), of}
}

// balancerCounters have the dimension LoadBalancer.
var balancerCounters = []counter{
	ofBalancer("ProcessedBytes", "Bytes from and to clients.", func(c *cell) *atomic.Uint64 { return &c.bytes }),
	ofBalancer("RuleEvaluations", "Rules evaluated while processing requests.", func(c *cell) *atomic.Uint64 { return &c.rules }),
	ofBalancer("HTTP_Fixed_Response_Count", "Successful fixed-response actions.", func(c *cell) *atomic.Uint64 { return &c.fixed }),
	ofBalancer("HTTP_Redirect_Count", "Successful redirect actions.", func(c *cell) *atomic.Uint64 { return &c.redirects }),
	ofBalancer("HTTP_Redirect_Url_Limit_Exceeded_Count", "Redirect actions whose URL was longer than 8K.", func(c *cell) *atomic.Uint64 { return &c.longRedirects }),
	ofBalancer("HTTPCode_ELB_3XX_Count", "3XX responses made by the load balancer.", func(c *cell) *atomic.Uint64 { return &c.elb[3] }),
	ofBalancer("HTTPCode_ELB_4XX_Count", "4XX responses made by the load balancer, 460 included.", func(c *cell) *atomic.Uint64 { return &c.elb[4] }),
	ofBalancer("HTTPCode_ELB_5XX_Count", "5XX responses made by the load balancer.", func(c *cell) *atomic.Uint64 { return &c.elb[5] }),
	ofBalancer("HTTPCode_ELB_500_Count", "500 responses made by the load balancer.", func(c *cell) *atomic.Uint64 { return &c.elb500 }),
	ofBalancer("HTTPCode_ELB_502_Count", "502 responses made by the load balancer.", func(c *cell) *atomic.Uint64 { return &c.elb502 }),
	ofBalancer("HTTPCode_ELB_503_Count", "503 responses made by the load balancer.", func(c *cell) *atomic.Uint64 { return &c.elb503 }),
	ofBalancer("HTTPCode_ELB_504_Count", "504 responses made by the load balancer.", func(c *cell) *atomic.Uint64 { return &c.elb504 }),
	ofBalancer("DesyncMitigationMode_NonCompliant_Request_Count", "Requests that do not comply with RFC 7230.", func(c *cell) *atomic.Uint64 { return &c.noncompliant }),
	ofBalancer("DroppedInvalidHeaderRequestCount", "Requests from which headers with invalid names were removed.", func(c *cell) *atomic.Uint64 { return &c.dropped }),
	ofBalancer("ForwardedInvalidHeaderRequestCount", "Requests routed with headers that have invalid names.", func(c *cell) *atomic.Uint64 { return &c.forwarded }),
	ofBalancer("GrpcRequestCount", "gRPC requests processed.", func(c *cell) *atomic.Uint64 { return &c.grpc }),
	ofBalancer("NonStickyRequestCount", "Requests for which a new target had to be chosen although the group is sticky.", func(c *cell) *atomic.Uint64 { return &c.notSticky }),
}

// targetCounters have all three dimensions.
var targetCounters = []counter{
	ofTargets("RequestCount", "Requests for which a target could be chosen.", func(c *cell) *atomic.Uint64 { return &c.requests }),
	ofTargets("HTTPCode_Target_2XX_Count", "2XX responses made by targets.", func(c *cell) *atomic.Uint64 { return &c.target[2] }),
	ofTargets("HTTPCode_Target_3XX_Count", "3XX responses made by targets.", func(c *cell) *atomic.Uint64 { return &c.target[3] }),
	ofTargets("HTTPCode_Target_4XX_Count", "4XX responses made by targets.", func(c *cell) *atomic.Uint64 { return &c.target[4] }),
	ofTargets("HTTPCode_Target_5XX_Count", "5XX responses made by targets.", func(c *cell) *atomic.Uint64 { return &c.target[5] }),
	ofTargets("TargetConnectionErrorCount", "Connections to targets that were not established.", func(c *cell) *atomic.Uint64 { return &c.connectionErrors }),
	ofTargets("TargetTLSNegotiationErrorCount", "TLS sessions with targets that were not established.", func(c *cell) *atomic.Uint64 { return &c.tlsErrors }),
	ofTargets("UnhealthyRoutingRequestCount", "Requests routed although too few targets were healthy (fail open).", func(c *cell) *atomic.Uint64 { return &c.failOpen }),
}

var (
	activeConnections   = describe("ActiveConnectionCount", "Open connections from clients and to targets.", "LoadBalancer")
	newConnections      = describe("NewConnectionCount", "Connections from clients and to targets that were established.", "LoadBalancer")
	rejectedConnections = describe("RejectedConnectionCount", "Connections refused because there were too many.", "LoadBalancer")
	clientTLSErrors     = describe("ClientTLSNegotiationErrorCount", "TLS sessions with clients that were not established.", "LoadBalancer")
	responseTime        = describe("TargetResponseTime", "Seconds from the request leaving the load balancer to the target's response.", "LoadBalancer", "TargetGroup", "AvailabilityZone")
	requestsPerTarget   = describe("RequestCountPerTarget", "Requests divided by the number of targets in the group.", "LoadBalancer", "TargetGroup")
	healthyHosts        = describe("HealthyHostCount", "Targets considered healthy.", "LoadBalancer", "TargetGroup", "AvailabilityZone")
	unhealthyHosts      = describe("UnHealthyHostCount", "Targets considered unhealthy.", "LoadBalancer", "TargetGroup", "AvailabilityZone")
	healthyRouting      = describe("HealthyStateRouting", "Zones that meet the routing healthy state requirements.", "LoadBalancer", "TargetGroup")
	unhealthyRouting    = describe("UnhealthyStateRouting", "Zones that do not meet the routing healthy state requirements.", "LoadBalancer", "TargetGroup")
	healthyDNS          = describe("HealthyStateDNS", "Zones that meet the DNS healthy state requirements.", "LoadBalancer", "TargetGroup")
	unhealthyDNS        = describe("UnhealthyStateDNS", "Zones that do not meet the DNS healthy state requirements.", "LoadBalancer", "TargetGroup")

	failedRequests = describe("drydock_requests_failed_total", "Requests whose client got no complete answer below 500, by the load balancer's own reason.", "LoadBalancer", "TargetGroup", "cause")
	lostRecords    = describe("drydock_dropped_records_total", "Records that were lost on their way to logs or memory.", "record", "reason")
)

// Describe describes nothing: what there is depends on what is configured.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends everything that is counted, and asks the sources.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	s := scrape{to}
	told := m.askTargets()
	m.mu.Lock()
	for _, b := range m.balancers {
		s.balancer(b)
		if m.sources.Connections == nil {
			s.count(newConnections, b.connections.Load(), b.id)
		}
	}
	if told == nil {
		told = m.states
	}
	for _, h := range m.health {
		s.group(h, told)
	}
	m.mu.Unlock()
	if m.sources.Connections != nil {
		for _, c := range m.sources.Connections() {
			s.gauge(activeConnections, float64(c.Active), c.LoadBalancer)
			s.count(newConnections, c.New, c.LoadBalancer)
			s.count(rejectedConnections, c.Rejected, c.LoadBalancer)
		}
	}
	if m.sources.Lost != nil {
		for _, l := range m.sources.Lost() {
			s.count(lostRecords, l.Records, l.Record, l.Reason)
		}
	}
}

// askTargets returns the states of targets by registration, nil if there is nobody to ask.
func (m *Metrics) askTargets() map[string]node.State {
	if m.sources.Targets == nil {
		return nil
	}
	states := map[string]node.State{}
	for _, t := range m.sources.Targets() {
		states[t.Registration] = t.State
	}
	return states
}

// scrape sends the metrics of one scrape.
type scrape struct{ to chan<- prometheus.Metric }

func (s scrape) count(d *prometheus.Desc, n uint64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s scrape) gauge(d *prometheus.Desc, n float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
}

func (s scrape) balancer(b *balancer) {
	s.count(clientTLSErrors, b.tlsErrors.Load(), b.id)
	sums := make([]uint64, len(balancerCounters))
	add := func(c *cell) {
		for i := range balancerCounters {
			sums[i] += balancerCounters[i].of(c).Load()
		}
	}
	add(&b.own)
	s.failures(b.id, "", []*cell{&b.own})
	for _, g := range b.groups {
		var cells []*cell
		for zone, c := range g.zones {
			add(c)
			s.targets(c, b.id, g.id, zone)
			cells = append(cells, c)
		}
		s.failures(b.id, g.id, cells)
		s.to <- prometheus.MustNewConstMetric(requestsPerTarget, prometheus.CounterValue, g.share.value(g.requests()), b.id, g.id)
	}
	for i, c := range balancerCounters {
		s.count(c.desc, sums[i], b.id)
	}
}

func (s scrape) targets(c *cell, labels ...string) {
	for _, t := range targetCounters {
		s.count(t.desc, t.of(c).Load(), labels...)
	}
	count, sum, below := c.response.cumulative()
	s.to <- prometheus.MustNewConstHistogram(responseTime, count, sum, below, labels...)
}

// failures sends failed requests by cause, summed over zones.
func (s scrape) failures(loadBalancer, group string, cells []*cell) {
	sums := map[timeline.Cause]uint64{}
	for _, c := range cells {
		c.failures.Range(func(cause, n any) bool {
			sums[cause.(timeline.Cause)] += n.(*atomic.Uint64).Load()
			return true
		})
	}
	for cause, n := range sums {
		s.count(failedRequests, n, loadBalancer, group, string(cause))
	}
}

// group sends the gauges of a target group's health.
func (s scrape) group(h *groupHealth, states map[string]node.State) {
	zones, all := h.hosts(states)
	for zone, n := range zones {
		s.gauge(healthyHosts, float64(n.healthy), h.loadBalancer, h.id, zone)
		s.gauge(unhealthyHosts, float64(n.unhealthy), h.loadBalancer, h.id, zone)
	}
	s.states(healthyRouting, unhealthyRouting, h.routing(all), len(zones), h)
	s.states(healthyDNS, unhealthyDNS, all.healthy > 0, len(zones), h)
}

// states sends how many zones of a group are in a healthy state, and how many are not.
func (s scrape) states(healthy, unhealthy *prometheus.Desc, met bool, zones int, h *groupHealth) {
	good, bad := zones, 0
	if !met {
		good, bad = 0, zones
	}
	s.gauge(healthy, float64(good), h.loadBalancer, h.id)
	s.gauge(unhealthy, float64(bad), h.loadBalancer, h.id)
}
