package logs_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drydock/alb/logs"
	"drydock/alb/metrics"
	"drydock/alb/node"
	"drydock/network/networktest"
	"drydock/timeline"
)

// all hands what a node tells to others.
type all []node.Sink

func (a all) HealthChanged(h node.HealthChange) { each(a, h, node.Sink.HealthChanged) }
func (a all) Finished(o *timeline.Outcome)      { each(a, o, node.Sink.Finished) }
func (a all) Followed(e timeline.Epilogue)      { each(a, e, node.Sink.Followed) }
func (a all) Connected(c node.Connection)       { each(a, c, node.Sink.Connected) }
func (a all) Checked(c node.Check)              { each(a, c, node.Sink.Checked) }

func each[T any](sinks []node.Sink, record T, tell func(node.Sink, T)) {
	for _, s := range sinks {
		tell(s, record)
	}
}

// checkCounter hands everything on and counts the checks.
type checkCounter struct {
	node.Sink
	checks *atomic.Int64
}

func (c checkCounter) Checked(check node.Check) { c.Sink.Checked(check); c.checks.Add(1) }

// site is a real node on loopback with one group for each way a target can behave. The
// path /GROUP/… is forwarded to it.
type site struct {
	t        *testing.T
	dir      string
	addr     string
	node     *node.Node
	delivery *logs.Delivery
	metrics  *metrics.Metrics
	snapshot node.Snapshot
	checks   atomic.Int64
}

const arns = "arn:aws:elasticloadbalancing:us-east-2:123456789012:"

func groupARN(name string) string { return arns + "targetgroup/" + name + "/73e2d6bc24d8a067" }

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir()}
	s.delivery = logs.New(logs.Config{Dir: s.dir})
	s.metrics = metrics.New(metrics.Sources{})
	s.node = node.New(node.Config{Sink: checkCounter{all{s.delivery, s.metrics}, &s.checks}, Grace: 100 * time.Millisecond,
		Listen: func(ctx context.Context, _ netip.AddrPort) (net.Listener, error) {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
			if err == nil {
				s.addr = l.Addr().String()
			}
			return l, err
		}})
	s.snapshot = node.Snapshot{Version: 1, LoadBalancers: []node.LoadBalancer{{
		ARN: arns + "loadbalancer/app/web/50dc6c495c0c9188", ID: "app/web/50dc6c495c0c9188", DNSName: "web-1.us-east-2.elb.localhost",
		Attributes: node.LoadBalancerAttributes{IdleTimeout: time.Second, ClientKeepAlive: time.Hour, XFFHeaderProcessing: "append", DesyncMitigationMode: "defensive",
			AccessLogs: &node.LogBucket{Bucket: "logs"}, ConnectionLogs: &node.LogBucket{Bucket: "logs"}},
		Listeners: []node.Listener{{ARN: arns + "listener/app/web/50dc6c495c0c9188/0467ef3c8400ae65", Protocol: "HTTP", Port: 80, Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}}},
	}}}
	return s
}

// rule adds a rule for the paths below /name/.
func (s *site) rule(name string, action node.Action) {
	rules := &s.snapshot.LoadBalancers[0].Listeners[0].Rules
	*rules = append(*rules, node.Rule{Priority: strconv.Itoa(len(*rules) + 1), Action: action,
		Conditions: []node.Condition{{Field: "path-pattern", Values: []string{"/" + name + "/*"}}}})
}

// group adds a target group with at most one target, and the rule that forwards to it.
func (s *site) group(name, addr string, state node.State) {
	g := node.TargetGroup{ARN: groupARN(name), Name: name, Protocol: "HTTP", InUse: true, Algorithm: "round_robin"}
	if addr != "" {
		g.Targets = []node.Target{{Registration: "r-" + name, Addr: netip.MustParseAddrPort(addr), Zone: "us-east-2a", State: state}}
	}
	s.snapshot.TargetGroups = append(s.snapshot.TargetGroups, g)
	s.rule(name, node.Action{Forward: &node.Forward{TargetGroups: []node.WeightedTargetGroup{{ARN: g.ARN, Weight: 1}}}})
}

// run serves until the test ends, or until the function it returns is called.
func (s *site) run() (stop func()) {
	rules := &s.snapshot.LoadBalancers[0].Listeners[0].Rules
	*rules = append(*rules, node.Rule{Priority: "default", Action: node.Action{FixedResponse: &node.FixedResponse{StatusCode: 404, ContentType: "text/plain", MessageBody: "nowhere"}}})
	ctx, cancel := context.WithCancel(context.Background())
	over, stopLogs := context.WithCancel(context.Background())
	s.delivery.Configure(s.snapshot)
	s.metrics.Configure(s.snapshot)
	for arn, err := range s.node.Apply(s.snapshot) {
		s.t.Fatalf("%s: %v", arn, err)
	}
	var nodes, deliveries sync.WaitGroup
	nodes.Go(func() { s.node.Run(ctx) })
	deliveries.Go(func() { s.delivery.Run(over) })
	stop = sync.OnceFunc(func() {
		cancel()
		nodes.Wait()
		stopLogs()
		deliveries.Wait()
	})
	s.t.Cleanup(stop)
	return stop
}

// rawTarget accepts connections, reads a request head from each and does what it is told.
func rawTarget(t *testing.T, do func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					do(conn)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// answer is what a client saw: the status and how many bytes came. 0: no status line.
type answer struct {
	status int
	bytes  int
}

// ask sends bytes and reads until the connection ends.
func (s *site) ask(request string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, request)
	all, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatalf("%.60q: %v", request, err)
	}
	status := 0
	if line, _, ok := bytes.Cut(all, []byte("\r\n")); ok && len(line) > 12 {
		status, _ = strconv.Atoi(string(line[9:12]))
	}
	return answer{status, len(all)}
}

// askOnce sends a request on a connection that stays open, and reads one response.
func (s *site) askOnce(method, request string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, request)
	var read bytes.Buffer
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &read)), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.60q: %v", request, err)
	}
	io.Copy(io.Discard, res.Body)
	return answer{res.StatusCode, read.Len()}
}

// leave sends a request and closes the connection before there is an answer.
func (s *site) leave(request string, asked <-chan struct{}) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	io.WriteString(conn, request)
	<-asked
	conn.Close()
}

// logged reads all lines of a log from the bucket.
func (s *site) logged(pattern string) (lines []string) {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "logs/AWSLogs/123456789012/elasticloadbalancing/us-east-2/*/*/*", pattern))
	if err != nil || len(names) == 0 {
		s.t.Fatalf("no files like %s: %v", pattern, err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			s.t.Fatal(err)
		}
		defer f.Close()
		zip, err := gzip.NewReader(f)
		if err != nil {
			s.t.Fatal(err)
		}
		for scan := bufio.NewScanner(zip); scan.Scan(); {
			lines = append(lines, scan.Text())
		}
	}
	return lines
}

// fields splits a line at spaces outside of quotes.
func fields(line string) (all []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

// TestLoopback_OneLineForEachRequestWithWhatTheClientSaw: every situation goes through a real
// node, and the log, the metrics and the clients agree (I8).
func TestLoopback_OneLineForEachRequestWithWhatTheClientSaw(t *testing.T) {
	s := newSite(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
			w.WriteHeader(status)
		}
		fmt.Fprint(w, strings.Repeat("x", 3000))
	}))
	defer app.Close()
	asked := make(chan struct{}, 10)
	release := make(chan struct{})
	defer close(release)
	s.group("app", app.Listener.Addr().String(), node.Healthy)
	s.group("sick", app.Listener.Addr().String(), node.Unhealthy)
	s.group("empty", "", node.Initial)
	s.group("refused", networktest.Address(t).String(), node.Initial)
	s.group("closes", rawTarget(t, func(net.Conn) {}), node.Healthy)
	s.group("garbage", rawTarget(t, func(c net.Conn) { io.WriteString(c, "what?\r\n\r\n") }), node.Healthy)
	s.group("short", rawTarget(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc") }), node.Healthy)
	s.group("silent", rawTarget(t, func(net.Conn) { asked <- struct{}{}; <-release }), node.Healthy)
	s.rule("fixed", node.Action{FixedResponse: &node.FixedResponse{StatusCode: 418, ContentType: "text/plain", MessageBody: "tea"}})
	s.rule("redirect", node.Action{Redirect: &node.Redirect{StatusCode: 301, Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}", Query: "#{query}"}})
	stop := s.run()

	saw := map[string]answer{} // by path and query, or what is logged instead
	get := func(path, more string) {
		saw[path] = s.ask("GET " + path + " HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n" + more + "\r\n")
	}
	get("/app/1", "")
	get("/app/2?status=404", "User-Agent: \"quoted\" and \\\r\n")
	get("/app/3?status=503", "")
	get("/app/4?status=500", "User-Agent: Chrome/1\r\n")
	get("/sick/1", "")
	get("/empty/1", "")
	get("/refused/1", "User-Agent: Mozilla/5.0 Chrome/1\r\n")
	get("/closes/1", "")
	get("/garbage/1", "")
	get("/short/1", "")
	get("/silent/1", "")
	<-asked
	get("/fixed/1", "")
	get("/redirect/1?a=b", "")
	get("/nowhere", "")
	saw["/app/5"] = s.ask("POST /app/5 HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
	saw["/app/6"] = s.ask("HEAD /app/6 HTTP/1.0\r\nHost: a.b\r\n\r\n")
	saw["-"] = s.ask("nonsense\r\n\r\n")
	for path, want := range map[string]answer{"/refused/2": {502, 277}, "/refused/3": {502, 155}, "/refused/4": {502, 679}, "/empty/2": {503, 337}} { // as on AWS
		method, agent := "GET", "curl/8"
		switch want.bytes {
		case 155:
			method = "HEAD"
		case 679:
			agent = "Mozilla/5.0 Chrome/120"
		}
		saw[path] = s.askOnce(method, method+" "+path+" HTTP/1.1\r\nHost: a.b\r\nUser-Agent: "+agent+"\r\n\r\n")
		if saw[path] != want {
			t.Errorf("%s %s was answered with %+v, not %+v", method, path, saw[path], want)
		}
	}
	s.leave("GET /silent/2 HTTP/1.1\r\nHost: a.b\r\n\r\n", asked)
	saw["/silent/2"] = answer{460, 0}
	const many = 50
	for n := range many {
		get(fmt.Sprintf("/app/many-%d", n), "")
	}
	stop()

	statuses := map[string]int{"/app/1": 200, "/app/2?status=404": 404, "/app/3?status=503": 503, "/app/4?status=500": 500, "/sick/1": 200, "/empty/1": 503, "/refused/1": 502,
		"/closes/1": 502, "/garbage/1": 502, "/short/1": 200, "/silent/1": 504, "/fixed/1": 418, "/redirect/1?a=b": 301, "/nowhere": 404, "-": 400}
	for path, status := range statuses {
		if saw[path].status != status {
			t.Errorf("%s was answered with %d, not %d", path, saw[path].status, status)
		}
	}
	s.compare(saw)
	s.compareConnections(len(saw))
	s.compareMetrics(saw)
}

// compare finds exactly one line for each request, with the status and the bytes the client saw.
func (s *site) compare(saw map[string]answer) {
	lines := s.logged("123456789012_elasticloadbalancing_*.log.gz")
	if len(lines) != len(saw) {
		s.t.Errorf("%d lines were logged for %d requests", len(lines), len(saw))
	}
	found := map[string]bool{}
	for _, line := range lines {
		f := fields(line)
		if len(f) != 33 {
			s.t.Errorf("%d fields in %s", len(f), line)
			continue
		}
		path := strings.Split(f[12], " ")[1]
		path = strings.TrimPrefix(path, "http://a.b:80")
		want, known := saw[path]
		if !known || found[path] {
			s.t.Errorf("one line too many: %s", line)
			continue
		}
		found[path] = true
		if f[8] != strconv.Itoa(want.status) || f[11] != strconv.Itoa(want.bytes) {
			s.t.Errorf("%s: the client saw %d and %d bytes, logged is %s", path, want.status, want.bytes, line)
		}
	}
}

func (s *site) compareConnections(n int) {
	lines := s.logged("conn_log_*.log.gz")
	if len(lines) != n {
		s.t.Errorf("%d lines were logged for %d connections", len(lines), n)
	}
	for _, line := range lines {
		if f := fields(line); len(f) != 15 || f[3] != "80" || f[13] != "app/web/50dc6c495c0c9188" {
			s.t.Errorf("a connection is logged as %s", line)
		}
	}
}

// compareMetrics adds up what the clients saw and looks for the sums among the metrics.
func (s *site) compareMetrics(saw map[string]answer) {
	w := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	got := map[string]int{}
	for line := range strings.Lines(w.Body.String()) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), "{")
		if i := strings.LastIndexByte(rest, ' '); i >= 0 {
			n, _ := strconv.ParseFloat(rest[i+1:], 64)
			got[name] += int(n)
		}
	}
	want := map[string]int{"HTTP_Fixed_Response_Count": 2, "HTTP_Redirect_Count": 1, "HTTPCode_ELB_3XX_Count": 1, "HTTPCode_ELB_502_Count": 6, "HTTPCode_ELB_503_Count": 2, "HTTPCode_ELB_504_Count": 1,
		"HTTPCode_ELB_5XX_Count": 9, "HTTPCode_ELB_4XX_Count": 4, "HTTPCode_Target_4XX_Count": 1, "HTTPCode_Target_5XX_Count": 2, "TargetConnectionErrorCount": 4,
		"UnhealthyRoutingRequestCount": 5, "NewConnectionCount": len(saw), "drydock_requests_failed_total": 13}
	for path, a := range saw {
		group, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		switch group {
		case "app", "sick", "refused", "closes", "garbage", "short", "silent":
			want["RequestCount"]++
		}
		if a.status == 200 {
			want["HTTPCode_Target_2XX_Count"]++
		}
	}
	for name, n := range want {
		if got[name] != n {
			s.t.Errorf("%s is %d, not %d", name, got[name], n)
		}
	}
}

// TestLoopback_HealthChecksAreLogged: each check of a real node is a line in the log of the
// load balancer that uses the group, and in no other.
func TestLoopback_HealthChecksAreLogged(t *testing.T) {
	s := newSite(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) }))
	defer app.Close()
	lb := &s.snapshot.LoadBalancers[0]
	lb.Attributes.HealthCheckLogs = &node.LogBucket{Bucket: "logs"}
	other := node.LoadBalancer{ARN: arns + "loadbalancer/app/other/1", ID: "app/other/1", Attributes: lb.Attributes}
	other.Attributes.HealthCheckLogs = &node.LogBucket{Bucket: "others"}
	s.snapshot.LoadBalancers = append(s.snapshot.LoadBalancers, other)
	s.group("app", app.Listener.Addr().String(), node.Initial)
	s.group("refused", networktest.Address(t).String(), node.Initial)
	for i := range s.snapshot.TargetGroups {
		s.snapshot.TargetGroups[i].HealthCheck = node.HealthCheck{Enabled: true, Protocol: "HTTP", Path: "/", Interval: 50 * time.Millisecond, Timeout: time.Second,
			HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "202"}
	}
	stop := s.run()
	for s.checks.Load() < 10 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	seen := int(s.checks.Load())
	lines := s.logged("health_check_log_*.log.gz")
	if len(lines) != seen {
		t.Errorf("%d lines were logged for %d checks", len(lines), seen)
	}
	passed, failed := 0, 0
	for _, line := range lines {
		f := fields(line)
		switch {
		case len(f) != 10 || f[0] != "http" || f[8] != "app/web/50dc6c495c0c9188":
			t.Errorf("a check is logged as %s", line)
		case f[4] == "app" && strings.Join(f[5:8], " ") == "PASS 202 -":
			passed++
		case f[4] == "refused" && strings.Join(f[5:8], " ") == "FAIL - ConnectionReset":
			failed++
		default:
			t.Errorf("a check is logged as %s", line)
		}
	}
	if passed < 2 || failed < 2 {
		t.Errorf("%d checks passed, %d failed", passed, failed)
	}
	if names, _ := filepath.Glob(filepath.Join(s.dir, "others/AWSLogs/*/elasticloadbalancing")); len(names) != 0 {
		t.Errorf("checks are in the other load balancer's log: %v", names)
	}
}
