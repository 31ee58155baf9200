package control

import (
	"context"
	"errors"
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
	err := New(Options{
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

// control is a daemon's side of a test: what its client told.
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

// freeAddress returns an address that nobody listened on a moment ago.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
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

func mustAsk(t *testing.T, addr netip.AddrPort, want int) {
	t.Helper()
	if got, err := ask(addr); err != nil || got != want {
		t.Fatalf("asked %s: %d, %v, want %d", addr, got, err, want)
	}
}

func TestClient_StartsAProcessThatOutlivesIt(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	d := newDaemonSide(t, dir, "a", answering(7, addr, 200))
	d.run()
	eventually(t, "the process listens", func() bool { _, err := ask(addr); return err == nil })
	before := d.state()
	if before.Snapshot != 7 || before.Version != "a" || before.PID == os.Getpid() || Holder(dir) != before.PID {
		t.Errorf("state %+v, holder %d", before, Holder(dir))
	}
	if session, err := syscall.Getpgid(before.PID); err != nil || session != before.PID {
		t.Errorf("the process is in group %d, %v: a Ctrl-C for the daemon would end it", session, err)
	}
	d.end()
	mustAsk(t, addr, 200)

	again := newDaemonSide(t, dir, "a", answering(8, addr, 200))
	again.run()
	again.apply(answering(9, addr, 200))
	if after := again.state(); after.PID != before.PID || after.Snapshot != 9 {
		t.Errorf("state %+v, before %+v", after, before)
	}
	if !strings.Contains(again.said(), fmt.Sprintf("goes on: pid %d", before.PID)) {
		t.Errorf("it says\n%s", again.said())
	}
}

func TestClient_SaysAtOnceThatAPortIsTaken(t *testing.T) {
	dir := t.TempDir()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	addr := netip.MustParseAddrPort(other.Addr().String())
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	failed := d.client.Apply(answering(1, addr, 200))["listener"]
	if !errors.Is(failed, syscall.EADDRINUSE) || !strings.Contains(failed.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("a taken port: %v", failed)
	}
}

func TestClient_LearnsLateThatAPortIsTaken(t *testing.T) {
	dir := t.TempDir()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	d := newDaemonSide(t, dir, "a", answering(1, netip.MustParseAddrPort(other.Addr().String()), 200))
	d.run()
	eventually(t, "the client tells", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.refused > 0 })
}

func TestClient_StartsAnotherProcessOnTheSameAddress(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	for range 3 {
		before := d.state().PID
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another one listens", func() bool {
			s, err := d.client.State(t.Context())
			_, askErr := ask(addr)
			return err == nil && s.PID != before && askErr == nil
		})
		eventually(t, "the news are told", func() bool {
			return strings.Contains(d.said(), fmt.Sprintf("(pid %d) ended: killed by killed", before)) && strings.Contains(d.said(), "started again")
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.news {
		if strings.Contains(n.Message, "started again") && n.Cause == 0 {
			t.Errorf("%q has no cause", n.Message)
		}
	}
}

func TestServe_StartsWithTheLastSnapshotWithoutADaemon(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	target := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(3, addr, target.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
	eventually(t, "that is on disk", func() bool {
		s, err := loadSnapshot(Folder(dir))
		return err == nil && s != nil && s.TargetGroups[0].Targets[0].State == node.Healthy
	})
	d.end()
	syscall.Kill(Holder(dir), syscall.SIGKILL)
	eventually(t, "the process is gone", func() bool { return Holder(dir) == 0 })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- New(Options{StateDir: dir, Build: "a"}).Serve(ctx) }() // as by hand
	eventually(t, "it serves again", func() bool { status, err := ask(addr); return err == nil && status == 200 })
	var held *HeldError
	if err := New(Options{StateDir: dir}).Serve(t.Context()); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("a second process: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
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

func TestReports_ReachTheNextDaemonOnce(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	app := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
	app.set(true, 503)
	mustAsk(t, addr, 503)
	if err := d.client.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.end()

	mustAsk(t, addr, 503) // nobody listens
	app.set(false, 503)
	eventually(t, "the target is unhealthy", func() bool { return d.state().Targets[0].State == node.Unhealthy })
	mustAsk(t, addr, 503) // fail-open
	if s := d.state(); s.Waiting != 2 || s.Last != 3 {
		t.Errorf("%d of %d records wait, want 2 of 3", s.Waiting, s.Last)
	}

	again := newDaemonSide(t, dir, "a", forwarding(2, addr, app.addr))
	again.broken = errors.New("disk full")
	again.run()
	eventually(t, "it learns that the target is unhealthy", func() bool { return again.isKnown(node.Unhealthy) })
	again.mu.Lock()
	again.broken = nil
	again.mu.Unlock()
	if err := again.client.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(d.outcomes) != 1 || len(again.outcomes) != 2 || again.outcomes[1].Target.FailOpen != true {
		t.Errorf("%d outcomes before and %+v after", len(d.outcomes), again.outcomes)
	}
	if s := again.state(); s.Waiting != 0 {
		t.Errorf("%d records still wait", s.Waiting)
	}
	requests, err := again.client.Requests(t.Context(), time.Now().Add(-time.Minute))
	if err != nil || requests.Requests != 3 || requests.Failed != 3 {
		t.Errorf("%+v, %v, want 3 requests", requests, err)
	}
	app.set(true, 200)
	mustAsk(t, addr, 200)
	if recent, err := again.client.Recent(t.Context(), time.Time{}); err != nil || len(recent) != 1 || recent[0].Status != 200 {
		t.Errorf("recent %+v, %v", recent, err)
	}
}

func TestReports_AreBoundedAndCounted(t *testing.T) {
	r := newReports()
	r.limit = 3
	for range 5 {
		r.add(Record{Outcome: &timeline.Outcome{}})
	}
	if last, waiting, dropped := r.counts(); last != 5 || waiting != 3 || dropped != 2 {
		t.Errorf("last %d, %d wait, %d dropped", last, waiting, dropped)
	}
	s := r.open(3)
	if news := r.next(s); len(news) != 2 || news[0].N != 4 {
		t.Errorf("a daemon that has 3 gets %+v", news)
	}
	if news := r.next(s); len(news) != 0 {
		t.Errorf("and then again %+v", news)
	}
	r.stored(4)
	if _, waiting, _ := r.counts(); waiting != 1 {
		t.Errorf("%d wait, want 1", waiting)
	}
}

// TestReplace_RefusesNobody upgrades under load, on connections that last and on new ones.
func TestReplace_RefusesNobody(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	app := serveTarget(t)
	old := newDaemonSide(t, dir, "a", node.Snapshot{})
	old.run()
	old.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return old.isKnown(node.Healthy) })
	before := old.state()

	held := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + addr.String() + "/hold")
		if err == nil {
			resp.Body.Close()
		}
		held <- err
	}()
	eventually(t, "a request is in flight", func() bool { return old.state().Targets[0].InFlight == 1 })
	stop, failures := make(chan struct{}), make(chan error, 8)
	var load sync.WaitGroup
	for i := range 4 {
		load.Go(func() { askUntil(stop, failures, addr, i%2 == 0) })
	}
	old.end()

	d := newDaemonSide(t, dir, "b", forwarding(2, addr, app.addr))
	d.run()
	d.apply(forwarding(3, addr, app.addr))
	after := d.state()
	if after.PID == before.PID || after.Build != "b" || Holder(dir) != after.PID {
		t.Errorf("before %+v, after %+v, holder %d", before, after, Holder(dir))
	}
	eventually(t, "the predecessor's request is shown", func() bool { s := d.state(); return s.Retiring == 1 && s.Targets[0].InFlight >= 1 })
	close(app.hold)
	if err := <-held; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	eventually(t, "the predecessor ends", func() bool { return d.state().Retiring == 0 && ended(before.PID) })
	for range 3 {
		if err := d.client.Replace(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client is connected again", func() bool { _, connected := d.client.Found(); return connected })
	}
	close(stop)
	load.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	eventually(t, "all are gone but one", func() bool { return d.state().Retiring == 0 })
}

// ended reports whether a process is gone, but maybe not waited for.
func ended(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}

// askUntil sends requests one after the other; the first failure ends it. It never tries
// again, not even on a connection that was closed.
func askUntil(stop <-chan struct{}, failures chan<- error, addr netip.AddrPort, keepAlive bool) {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: !keepAlive}}
	defer c.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		resp, err := c.Post("http://"+addr.String()+"/", "text/plain", strings.NewReader("hello")) // not idempotent: net/http does not try again
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err == nil && resp.StatusCode != 200 {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		if err != nil {
			failures <- err
			return
		}
	}
}

// TestReplace_RetiringProcessReports: what fails after the hand-over is told by the successor.
func TestReplace_RetiringProcessReports(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	app := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
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
	eventually(t, "a request is in flight", func() bool { return d.state().Targets[0].InFlight == 1 })
	if err := d.client.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	drained := forwarding(2, addr, app.addr)
	drained.TargetGroups[0].Targets[0].Draining = true
	drained.TargetGroups[0].Targets[0].DrainFrom, drained.TargetGroups[0].Targets[0].DrainUntil = time.Now(), time.Now().Add(50*time.Millisecond)
	d.apply(drained) // the successor passes it on: the deadline holds for all
	if got := <-status; got != 502 {
		t.Errorf("the request in flight ended with %d, want 502 at the end of draining", got)
	}
	eventually(t, "the daemon has the outcome", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.outcomes) == 1 && d.outcomes[0].Cause == timeline.DeregDelayElapsed
	})
	close(app.hold)
}

func TestServe_EndsWithItsDirectory(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	pid := d.state().PID
	d.end()
	if err := os.RemoveAll(Folder(dir)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is gone", func() bool { return ended(pid) })
	if _, err := ask(addr); err == nil {
		t.Error("somebody still answers")
	}
}

func TestStop_LeavesNothing(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	pid := d.state().PID
	d.end()
	if err := Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is gone", func() bool { return ended(pid) })
	if _, err := os.Stat(Folder(dir) + "/" + socketFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := Stop(t.Context(), dir); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestFolder_IsOursAlone(t *testing.T) {
	dir := t.TempDir() + strings.Repeat("/a-long-name-that-no-socket-address-holds", 4)
	addr := freeAddress(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	eventually(t, "the snapshot is on disk", func() bool { s, _ := loadSnapshot(Folder(dir)); return s != nil })
	for name, want := range map[string]os.FileMode{"": os.ModeDir | 0o700, socketFile: os.ModeSocket | 0o600, snapshotFile: 0o600, lockFile: 0o600, logFile: 0o600} {
		info, err := os.Stat(Folder(dir) + "/" + name)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestBuild_IsStable(t *testing.T) {
	one, err := Build()
	two, err2 := Build()
	if err != nil || err2 != nil || one != two || one == "" {
		t.Errorf("%q, %v and %q, %v", one, err, two, err2)
	}
	if hash, err := hashSelf(); err != nil || len(hash) != 64 {
		t.Errorf("%q, %v", hash, err)
	}
}
