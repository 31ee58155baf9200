package metrics

import (
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

const (
	lbID     = "app/web/50dc6c495c0c9188"
	groupARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/web/73e2d6bc24d8a067"
	ms       = time.Millisecond
)

// snapshot has a load balancer with one group; targets are "registration@zone".
func snapshot(targets ...string) node.Snapshot {
	g := node.TargetGroup{ARN: groupARN, Name: "web", InUse: true}
	for _, t := range targets {
		registration, zone, _ := strings.Cut(t, "@")
		g.Targets = append(g.Targets, node.Target{Registration: registration, Zone: zone, Addr: netip.MustParseAddrPort("10.0.0.1:80")})
	}
	forward := node.Rule{Priority: "default", Action: node.Action{Forward: &node.Forward{TargetGroups: []node.WeightedTargetGroup{{ARN: groupARN, Weight: 1}}}}}
	return node.Snapshot{
		LoadBalancers: []node.LoadBalancer{{ID: lbID, Listeners: []node.Listener{{Rules: []node.Rule{forward, forward}}}}},
		TargetGroups:  []node.TargetGroup{g, {ARN: "unused"}},
	}
}

func newMetrics(targets ...string) *Metrics {
	m := New(Sources{})
	m.Configure(snapshot(targets...))
	return m
}

// values is what a scrape shows: the value by name and labels, labels in alphabetical order.
func values(t testing.TB, m *Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/_drydock/metrics", nil))
	body, _ := io.ReadAll(w.Body)
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, body)
	}
	found := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			found[line[:i]] = n
		}
	}
	return found
}

// counted returns the CloudWatch counters that are not 0, without their labels.
func counted(t testing.TB, m *Metrics) map[string]float64 {
	t.Helper()
	sums := map[string]float64{}
	for series, n := range values(t, m) {
		name, _, _ := strings.Cut(series, "{")
		aws := name[0] >= 'A' && name[0] <= 'Z' && !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_sum") && !strings.Contains(name, "State")
		if aws && n != 0 {
			sums[name] += n
		}
	}
	return sums
}

func outcome(cause timeline.Cause, status, targetStatus int) *timeline.Outcome {
	return &timeline.Outcome{LoadBalancer: lbID, TargetGroup: groupARN, Action: "forward", Cause: cause, Status: status, TargetStatus: targetStatus,
		RequestTime: ms, TargetTime: 4 * ms, ResponseTime: 0, ReceivedBytes: 100, SentBytes: 277, Type: "http",
		Target: timeline.Target{Registration: "r1", Address: "10.0.0.1:80"}}
}

func without(o *timeline.Outcome) *timeline.Outcome {
	o.Target, o.TargetTime = timeline.Target{}, -1
	return o
}

func failOpen(o *timeline.Outcome) *timeline.Outcome {
	o.Target.FailOpen = true
	return o
}

// TestObserve_WhatEachSituationCounts: the deploy-time failure matrix, and what else a
// load balancer answers. ProcessedBytes is checked for all.
func TestObserve_WhatEachSituationCounts(t *testing.T) {
	const chosen = "RequestCount RequestCountPerTarget "
	for name, test := range map[string]struct {
		o    *timeline.Outcome
		want string
	}{
		"1, 12: no registered targets":        {without(outcome(timeline.NoRegisteredTargets, 503, 0)), "HTTPCode_ELB_503_Count HTTPCode_ELB_5XX_Count"},
		"2, 13: refused, fail open":           {failOpen(outcome(timeline.ConnRefused, 502, 0)), chosen + "HTTPCode_ELB_502_Count HTTPCode_ELB_5XX_Count TargetConnectionErrorCount UnhealthyRoutingRequestCount"},
		"3: fail open, well":                  {failOpen(outcome(timeline.CauseNone, 200, 200)), chosen + "HTTPCode_Target_2XX_Count TargetResponseTime_count UnhealthyRoutingRequestCount"},
		"4: refused while draining":           {outcome(timeline.ConnRefusedDraining, 502, 0), chosen + "HTTPCode_ELB_502_Count HTTPCode_ELB_5XX_Count TargetConnectionErrorCount"},
		"5, 11: silence":                      {outcome(timeline.ConnectTimeout, 504, 0), chosen + "HTTPCode_ELB_504_Count HTTPCode_ELB_5XX_Count TargetConnectionErrorCount"},
		"6: closed in flight":                 {outcome(timeline.TargetClosedInflight, 502, 0), chosen + "HTTPCode_ELB_502_Count HTTPCode_ELB_5XX_Count"},
		"9: slow":                             {outcome(timeline.ResponseTimeout, 504, 0), chosen + "HTTPCode_ELB_504_Count HTTPCode_ELB_5XX_Count"},
		"10: client gone":                     {outcome(timeline.ClientGone, 460, 0), chosen + "HTTPCode_ELB_4XX_Count"},
		"15: no TLS":                          {outcome(timeline.TargetTLSError, 502, 0), chosen + "HTTPCode_ELB_502_Count HTTPCode_ELB_5XX_Count TargetTLSNegotiationErrorCount"},
		"17: protocol version":                {without(outcome(timeline.ProtocolMismatch, 464, 0)), "HTTPCode_ELB_4XX_Count"},
		"18: rebalanced":                      {&timeline.Outcome{LoadBalancer: lbID, Target: timeline.Target{Registration: "r1"}, Status: 200, TargetStatus: 200, NotSticky: true, ReceivedBytes: 377}, chosen + "HTTPCode_Target_2XX_Count NonStickyRequestCount TargetResponseTime_count"},
		"19: truncated":                       {outcome(timeline.TruncatedResponse, 200, 200), chosen + "HTTPCode_Target_2XX_Count TargetResponseTime_count"},
		"20: the target's own 502":            {outcome(timeline.TargetMade, 502, 502), chosen + "HTTPCode_Target_5XX_Count TargetResponseTime_count"},
		"fixed response":                      {without(&timeline.Outcome{LoadBalancer: lbID, Action: "fixed-response", Status: 200, SentBytes: 377}), "HTTP_Fixed_Response_Count"},
		"fixed response 503":                  {without(&timeline.Outcome{LoadBalancer: lbID, Action: "fixed-response", Status: 503, SentBytes: 377}), "HTTPCode_ELB_503_Count HTTPCode_ELB_5XX_Count HTTP_Fixed_Response_Count"},
		"redirect":                            {without(&timeline.Outcome{LoadBalancer: lbID, Action: "redirect", Status: 301, SentBytes: 377}), "HTTPCode_ELB_3XX_Count HTTP_Redirect_Count"},
		"redirect too long":                   {without(&timeline.Outcome{LoadBalancer: lbID, Action: "redirect", Status: 507, Cause: timeline.LocationTooLong, SentBytes: 377}), "HTTPCode_ELB_5XX_Count HTTP_Redirect_Url_Limit_Exceeded_Count"},
		"malformed":                           {without(&timeline.Outcome{LoadBalancer: lbID, Status: 400, Cause: timeline.DesyncSevere, Classification: "Severe", SentBytes: 377}), "DesyncMitigationMode_NonCompliant_Request_Count HTTPCode_ELB_4XX_Count"},
		"gRPC":                                {&timeline.Outcome{LoadBalancer: lbID, Type: "grpcs", Target: timeline.Target{Registration: "r1"}, Status: 200, TargetStatus: 200, SentBytes: 377}, chosen + "GrpcRequestCount HTTPCode_Target_2XX_Count TargetResponseTime_count"},
		"WebSocket":                           {&timeline.Outcome{LoadBalancer: lbID, Type: "ws", Target: timeline.Target{Registration: "r1"}, Status: 101, TargetStatus: 101, SentBytes: 377}, chosen + "TargetResponseTime_count"},
		"invalid headers dropped":             {&timeline.Outcome{LoadBalancer: lbID, InvalidHeaders: 2, HeadersDropped: true, Target: timeline.Target{Registration: "r1"}, Status: 404, TargetStatus: 404, SentBytes: 377}, chosen + "DroppedInvalidHeaderRequestCount HTTPCode_Target_4XX_Count TargetResponseTime_count"},
		"invalid headers forwarded":           {&timeline.Outcome{LoadBalancer: lbID, InvalidHeaders: 2, Target: timeline.Target{Registration: "r1"}, Status: 304, TargetStatus: 304, SentBytes: 377}, chosen + "ForwardedInvalidHeaderRequestCount HTTPCode_Target_3XX_Count TargetResponseTime_count"},
		"invalid headers, no target":          {without(&timeline.Outcome{LoadBalancer: lbID, InvalidHeaders: 2, Action: "redirect", Status: 302, SentBytes: 377}), "HTTPCode_ELB_3XX_Count HTTP_Redirect_Count"},
		"transform failed":                    {without(outcome(timeline.TransformFailed, 500, 0)), "HTTPCode_ELB_500_Count HTTPCode_ELB_5XX_Count"},
		"target answered, response too large": {outcome(timeline.ResponseHeaderTooLarge, 502, 200), chosen + "HTTPCode_ELB_502_Count HTTPCode_ELB_5XX_Count HTTPCode_Target_2XX_Count TargetResponseTime_count"},
	} {
		m := newMetrics("r1@us-east-2a")
		m.Observe(test.o)
		got := counted(t, m)
		if got["ProcessedBytes"] != 377 {
			t.Errorf("%s: ProcessedBytes is %v", name, got["ProcessedBytes"])
		}
		delete(got, "ProcessedBytes")
		want := map[string]float64{}
		for _, metric := range strings.Fields(test.want) {
			want[metric] = 1
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: counted are %v, not %v", name, got, want)
		}
	}
}

func TestObserve_RuleEvaluationsAndFailuresByCause(t *testing.T) {
	m := newMetrics("r1@us-east-2a", "r2@us-east-2b")
	for _, registration := range []string{"r1", "r2", "r2"} {
		o := outcome(timeline.ConnRefused, 502, 0)
		o.Target.Registration, o.RuleEvaluations = registration, 3
		m.Observe(o)
	}
	m.Observe(without(outcome(timeline.NoRegisteredTargets, 503, 0)))
	m.Observe(outcome(timeline.TargetMade, 500, 500))
	m.Observe(outcome(timeline.CauseNone, 404, 404))
	got := values(t, m)
	for series, want := range map[string]float64{
		`RuleEvaluations{LoadBalancer="app/web/50dc6c495c0c9188"}`:                                                                                   9,
		`RequestCount{AvailabilityZone="us-east-2a",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`:         3,
		`RequestCount{AvailabilityZone="us-east-2b",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`:         2,
		`drydock_requests_failed_total{LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067",cause="conn_refused"}`: 3,
		`drydock_requests_failed_total{LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="",cause="no_registered_targets"}`:                        1,
		`drydock_requests_failed_total{LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067",cause="target_made"}`:  1,
		`HTTPCode_ELB_5XX_Count{LoadBalancer="app/web/50dc6c495c0c9188"}`:                                                                            4,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v, not %v", series, n, want)
		}
	}
}

func TestTargetResponseTime_Buckets(t *testing.T) {
	m := newMetrics("r1@us-east-2a")
	for _, d := range []time.Duration{0, ms, ms + 1, 40 * ms, 2 * time.Second, time.Hour} {
		o := outcome(timeline.CauseNone, 200, 200)
		o.TargetTime = d
		m.Observe(o)
	}
	got := values(t, m)
	const labels = `AvailabilityZone="us-east-2a",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"`
	for le, want := range map[string]float64{"0.001": 2, "0.0025": 3, "0.05": 4, "1": 4, "2.5": 5, "60": 5, "+Inf": 6} {
		if n := got[fmt.Sprintf(`TargetResponseTime_bucket{%s,le="%s"}`, labels, le)]; n != want {
			t.Errorf("%v are below %s, not %v", n, le, want)
		}
	}
	if sum := got["TargetResponseTime_sum{"+labels+"}"]; sum < 3602.04 || sum > 3602.05 {
		t.Errorf("the sum is %v", sum)
	}
}

func TestRequestCountPerTarget_FollowsTheNumberOfTargets(t *testing.T) {
	m := newMetrics("r1@a", "r2@b")
	send := func(n int) {
		for range n {
			m.Observe(outcome(timeline.CauseNone, 200, 200))
		}
	}
	expect := func(want float64) {
		t.Helper()
		if got := counted(t, m)["RequestCountPerTarget"]; got != want {
			t.Errorf("RequestCountPerTarget is %v, not %v", got, want)
		}
	}
	send(10)
	expect(5)
	s := snapshot("r1@a", "r2@b", "r3@a", "r4@b", "r5@c")
	s.TargetGroups[0].Targets[4].Draining = true
	m.Configure(s)
	expect(5)
	send(8)
	expect(7)
	m.Configure(snapshot()) // the last requests are still under way
	send(4)
	expect(8)
}

func TestObserve_TargetsThatAreGoneOrUnknown(t *testing.T) {
	m := newMetrics("r1@us-east-2a")
	m.Configure(snapshot("r2@us-east-2b"))
	m.Observe(outcome(timeline.CauseNone, 200, 200))
	stranger := outcome(timeline.CauseNone, 200, 200)
	stranger.Target.Registration = "r9"
	m.Observe(stranger)
	early := without(outcome(timeline.NoRegisteredTargets, 503, 0))
	early.LoadBalancer = "app/new/1"
	m.Observe(early)
	got := values(t, m)
	for series, want := range map[string]float64{
		`RequestCount{AvailabilityZone="us-east-2a",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`: 1,
		`RequestCount{AvailabilityZone="us-east-2b",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`: 0,
		`RequestCount{AvailabilityZone="",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`:           1,
		`HTTPCode_ELB_503_Count{LoadBalancer="app/new/1"}`: 1,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v, not %v", series, n, want)
		}
	}
	var many []string
	for n := range goneKept + 100 {
		many = append(many, fmt.Sprint("x", n))
	}
	m.Configure(snapshot(many...))
	m.Configure(snapshot("last"))
	if len(m.registered) != goneKept+1 || len(m.gone) != goneKept {
		t.Errorf("%d registrations are remembered", len(m.registered))
	}
}

func TestHealth_GaugesByZoneAndState(t *testing.T) {
	m := New(Sources{})
	s := snapshot("r1@a", "r2@a", "r3@b", "r4@b")
	s.TargetGroups[0].MinimumHealthyPercentage = 50
	s.TargetGroups[0].Targets[0].State = node.Initial
	m.Configure(s)
	turn := func(registration string, to node.State) {
		m.HealthChanged(node.HealthChange{TargetGroup: groupARN, Registration: registration, To: to})
	}
	expect := func(want string) {
		t.Helper()
		v := values(t, m)
		const zone, group = `{AvailabilityZone="%s",LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`, `{LoadBalancer="app/web/50dc6c495c0c9188",TargetGroup="targetgroup/web/73e2d6bc24d8a067"}`
		got := fmt.Sprint(v["HealthyHostCount"+fmt.Sprintf(zone, "a")], v["UnHealthyHostCount"+fmt.Sprintf(zone, "a")], v["HealthyHostCount"+fmt.Sprintf(zone, "b")],
			v["UnHealthyHostCount"+fmt.Sprintf(zone, "b")], v["HealthyStateRouting"+group], v["UnhealthyStateRouting"+group], v["HealthyStateDNS"+group], v["UnhealthyStateDNS"+group])
		if got != want {
			t.Errorf("healthy and unhealthy in a and b, zones in routing and DNS states: %s, not %s", got, want)
		}
	}
	expect("0 0 0 0 0 2 0 2")
	turn("r1", node.Healthy)
	turn("r2", node.Unhealthy)
	turn("r4", node.Healthy)
	turn("r9", node.Healthy)                            // nobody knows it
	s.TargetGroups[0].Targets[0].State = node.Unhealthy // out of date: the node knows better
	s.TargetGroups[0].Targets[3].Draining = true
	m.Configure(s)
	expect("1 1 0 0 0 2 2 0")
	turn("r3", node.Healthy)
	expect("1 1 1 0 2 0 2 0")
	restarted := New(Sources{}) // begins with what the snapshot says
	restarted.Configure(s)
	m = restarted
	expect("0 1 0 0 0 2 0 2")
	m.Configure(snapshot())
	expect("0 0 0 0 0 0 0 0")
	turn("r1", node.Healthy) // told before the snapshot that has it again
	m.Configure(s)
	expect("1 0 0 0 0 2 2 0")
	m = New(Sources{Targets: func() []node.TargetStatus {
		return []node.TargetStatus{{Registration: "r2", State: node.Healthy}, {Registration: "r3", State: node.Unhealthy}, {Registration: "old", State: node.Healthy}}
	}})
	m.Configure(s)
	expect("1 0 0 1 0 2 2 0")
}

func TestSources_ConnectionsAndLostRecords(t *testing.T) {
	m := newMetrics()
	m.Connected(node.Connection{LoadBalancer: lbID})
	m.Connected(node.Connection{LoadBalancer: lbID, Failed: "tls: no cipher"})
	if got := counted(t, m); got["NewConnectionCount"] != 2 || got["ClientTLSNegotiationErrorCount"] != 1 {
		t.Errorf("counted are %v", got)
	}
	m = New(Sources{
		Connections: func() []Connections { return []Connections{{lbID, 7, 20, 3}} },
		Lost:        func() []Lost { return []Lost{{"access", "queue", 5}, {"access", "disk", 0}} },
	})
	m.Configure(snapshot())
	m.Connected(node.Connection{LoadBalancer: lbID})
	got := values(t, m)
	for series, want := range map[string]float64{
		`ActiveConnectionCount{LoadBalancer="app/web/50dc6c495c0c9188"}`: 7, `NewConnectionCount{LoadBalancer="app/web/50dc6c495c0c9188"}`: 20,
		`RejectedConnectionCount{LoadBalancer="app/web/50dc6c495c0c9188"}`: 3,
		`drydock_dropped_records_total{reason="queue",record="access"}`:    5, `drydock_dropped_records_total{reason="disk",record="access"}`: 0,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v, not %v", series, n, want)
		}
	}
}

func TestObserve_NothingIsLostWhileConfigurationsChange(t *testing.T) {
	m := newMetrics("r1@a", "r2@b")
	const workers, each = 4, 20_000
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				o := outcome(timeline.CauseNone, 200, 200)
				o.Target.Registration = []string{"r1", "r2", "r3"}[(n+w)%3]
				m.Observe(o)
			}
		})
	}
	for n := range 50 {
		m.Configure(snapshot([]string{"r1@a", "r2@b", "r3@c"}[n%3]))
		values(t, m)
	}
	wg.Wait()
	if got := counted(t, m); got["RequestCount"] != workers*each || got["HTTPCode_Target_2XX_Count"] != workers*each || got["TargetResponseTime_count"] != workers*each {
		t.Errorf("counted are %v", got)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := newMetrics("r1@a", "r2@b")
	o := outcome(timeline.CauseNone, 200, 200)
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(o)
	}
}
