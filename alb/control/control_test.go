package control

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// TestMain runs the node process where a test has started this binary as one.
func TestMain(m *testing.M) {
	dir := os.Getenv("CONTROL_TEST_STATE")
	if dir == "" || len(os.Args) < 2 || os.Args[1] != "node" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	retire, _ := time.ParseDuration(os.Getenv("CONTROL_TEST_RETIRE"))
	err := New(Options{
		Retire:   retire,
		StateDir: dir, Version: os.Getenv("CONTROL_TEST_BUILD"), Build: os.Getenv("CONTROL_TEST_BUILD"),
		Await: slices.Contains(os.Args, "--await"), Replace: slices.Contains(os.Args, "--replace"),
	}).Serve(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience is how long a test waits for anything. It is no claim about speed.
const patience = 60 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// daemonSide is a daemon's side of a test: what its client told.
type daemonSide struct {
	t      *testing.T
	dir    string
	client *Client
	stop   func()

	mu        sync.Mutex
	health    []node.HealthChange
	outcomes  []timeline.Outcome
	epilogues []timeline.Epilogue
	refused   int
	news      []News
	broken    error // of Keep
}

func (d *daemonSide) HealthChanged(h node.HealthChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health = append(d.health, h)
}

func (d *daemonSide) Keep(_ context.Context, outcomes []timeline.Outcome, epilogues []timeline.Epilogue) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		d.outcomes, d.epilogues = append(d.outcomes, outcomes...), append(d.epilogues, epilogues...)
	}
	return d.broken
}

func (d *daemonSide) Refused() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused++
}

func (d *daemonSide) say(n News) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.news = append(d.news, n)
	return int64(len(d.news))
}

func (d *daemonSide) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, n := range d.news {
		all = append(all, n.Message)
	}
	return strings.Join(all, "\n")
}

// newDaemonSide makes a client whose processes end with the test.
func newDaemonSide(t *testing.T, dir, build string, first node.Snapshot) *daemonSide {
	t.Helper()
	t.Setenv("CONTROL_TEST_STATE", dir)
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	t.Setenv("CONTROL_TEST_BUILD", build)
	d := &daemonSide{t: t, dir: dir}
	d.client = NewClient(Config{StateDir: dir, Build: build, Sink: d, Command: []string{os.Args[0], "node"}, Say: d.say})
	if failed := d.client.Apply(first); failed != nil {
		t.Fatalf("the first snapshot: %v, though nobody can know yet", failed)
	}
	t.Cleanup(func() {
		d.end()
		if Holder(dir) == os.Getpid() {
			return
		}
		if err := Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("news:\n%s\nlog:\n%s", d.said(), lastWords(dir))
		}
	})
	return d
}

// run starts the daemon's part.
func (d *daemonSide) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.client.Run(ctx)
	}()
	d.stop = func() { cancel(); <-done }
}

// end ends it as a crash or SIGTERM would: the process goes on.
func (d *daemonSide) end() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
}

func (d *daemonSide) apply(s node.Snapshot) {
	d.t.Helper()
	if failed := d.client.Apply(s); len(failed) > 0 {
		d.t.Fatal(failed)
	}
}

func (d *daemonSide) state() State {
	d.t.Helper()
	s, err := d.client.State(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// answering is a snapshot with a listener that answers 200 by itself, or with a status.
func answering(version uint64, addr netip.AddrPort, status int) node.Snapshot {
	return node.Snapshot{Version: version, LoadBalancers: []node.LoadBalancer{{
		ARN: "lb", ID: "app/web/1", Attributes: node.LoadBalancerAttributes{IdleTimeout: time.Minute, ClientKeepAlive: time.Hour, XFFHeaderProcessing: "append", DesyncMitigationMode: "defensive"},
		Listeners: []node.Listener{{ARN: "listener", Protocol: "HTTP", Port: int(addr.Port()), Addresses: []netip.AddrPort{addr},
			Rules: []node.Rule{{ARN: "rule", Priority: "default", Action: node.Action{FixedResponse: &node.FixedResponse{StatusCode: status, ContentType: "text/plain", MessageBody: "hello"}}}}}},
	}}}
}

// forwarding is a snapshot with a listener in front of one target.
func forwarding(version uint64, addr, target netip.AddrPort) node.Snapshot {
	s := answering(version, addr, 200)
	s.LoadBalancers[0].Listeners[0].Rules[0].Action = node.Action{Forward: &node.Forward{TargetGroups: []node.WeightedTargetGroup{{ARN: "group", Weight: 1}}}}
	s.TargetGroups = []node.TargetGroup{{ARN: "group", Name: "group", Protocol: "HTTP", InUse: true, Algorithm: "round_robin",
		HealthCheck: node.HealthCheck{Enabled: true, Protocol: "HTTP", Path: "/", Interval: 100 * time.Millisecond, Timeout: 2 * time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200"},
		Targets:     []node.Target{{Registration: "one", Addr: target, State: node.Initial}}}}
	return s
}

// ask sends one request on a connection of its own.
func ask(addr netip.AddrPort) (int, error) {
	plain := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := plain.Get("http://" + addr.String() + "/")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// hold sends a request that its target holds, and tells the status once it has one: 0 where none came.
func hold(addr netip.AddrPort) <-chan int {
	status := make(chan int, 1)
	go func() {
		resp, err := http.Get("http://" + addr.String() + "/hold")
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	return status
}

func mustAsk(t *testing.T, addr netip.AddrPort, want int) {
	t.Helper()
	if got, err := ask(addr); err != nil || got != want {
		t.Fatalf("asked %s: %d, %v, want %d", addr, got, err, want)
	}
}

func (d *daemonSide) isKnown(state node.State) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.health) > 0 && d.health[len(d.health)-1].To == state
}

// target is a server behind the load balancer.
type target struct {
	addr netip.AddrPort

	mu      sync.Mutex
	healthy bool
	status  int
	hold    chan struct{} // requests for anything but / wait for it
}

func serveTarget(t *testing.T) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	one := &target{addr: netip.MustParseAddrPort(l.Addr().String()), healthy: true, status: 200, hold: make(chan struct{})}
	s := &http.Server{Handler: http.HandlerFunc(one.answer)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return one
}

func (o *target) answer(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	healthy, status := o.healthy, o.status
	o.mu.Unlock()
	switch {
	case strings.HasPrefix(r.UserAgent(), "ELB-HealthChecker") && !healthy:
		status = 500
	case strings.HasPrefix(r.UserAgent(), "ELB-HealthChecker"):
		status = 200
	case r.URL.Path == "/hold":
		<-o.hold
	}
	w.WriteHeader(status)
	io.WriteString(w, "hello")
}

func (o *target) set(healthy bool, status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.healthy, o.status = healthy, status
}
