package node

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"drydock/timeline"
)

// deaf is a target whose packets are dropped in silence: a socket whose queue is full.
func deaf(t *testing.T) Target {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	for range 10 {
		conn, err := net.DialTimeout("tcp", addr.String(), 200*time.Millisecond)
		if err != nil {
			return healthyTarget(addr.String())
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue never fills")
	return Target{}
}

func (s *stack) checks(g *TargetGroup) {
	g.HealthCheck = HealthCheck{Enabled: true, Path: "/", Interval: 50 * time.Millisecond, Timeout: 100 * time.Millisecond,
		HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200"}
}

// waitFor waits until a health state is told.
func (r *record) waitFor(t *testing.T, want string) {
	t.Helper()
	for range 1000 {
		if slices.ContainsFunc(r.states(), func(s string) bool { return strings.Contains(s, want) }) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no %q in %q", want, r.states())
}

// The security group lets no packet of the balancer through.
func TestMatrix_11_BlockedPortIsTimeoutAnd504(t *testing.T) {
	target := deaf(t)
	target.State = Initial
	s := newStack(t, target)
	s.timing.connect = 100 * time.Millisecond
	s.checks(&s.snapshot.TargetGroups[0])
	s.run()
	s.record.waitFor(t, "Target.Timeout")
	if got := s.dial().send(get).status(); got != 504 {
		t.Error(got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{504, 0, "---", timeline.ConnectTimeout})
	if !o.Target.FailOpen || o.Target.State != "unhealthy" || o.Target.Address != target.Addr.String() {
		t.Errorf("%+v", o.Target)
	}
}

// blueGreen is a listener that sends half of the requests to each of two groups.
func blueGreen(t *testing.T, green ...Target) *stack {
	s := newStack(t, backend(t, always(hello)))
	s.snapshot.TargetGroups = append(s.snapshot.TargetGroups, TargetGroup{ARN: "green", InUse: true, Targets: green})
	(*s.rules())[0].Action = Action{Forward: &Forward{TargetGroups: []WeightedTargetGroup{{groupARN, 1}, {"green", 1}}}}
	return s
}

// askBoth asks until both groups have answered, and returns an outcome of green's.
func (s *stack) askBoth(t *testing.T) (green timeline.Outcome) {
	t.Helper()
	c := s.dial()
	for range 64 {
		c.send(get).status()
	}
	blue := false
	for _, o := range s.record.wait(t, 64) {
		if o.TargetGroup == groupARN {
			blue = true
			checkRow(t, o, row{200, 200, "xxx", ""})
		} else {
			green = o
		}
	}
	if !blue || green.ID == "" {
		t.Fatal("one group got nothing")
	}
	return green
}

func TestMatrix_12_ShareOfEmptyGroupIs503(t *testing.T) {
	o := blueGreen(t).run().askBoth(t)
	checkRow(t, o, row{503, 0, "---", timeline.NoRegisteredTargets})
	if o.TargetGroup != "green" || o.Target.Address != "" || o.Action != "forward" {
		t.Errorf("%+v", o)
	}
}

func TestMatrix_13_ShareOfUnreadyGroupIs502(t *testing.T) {
	target := refusing(t)
	target.State = Initial
	o := blueGreen(t, target).run().askBoth(t)
	checkRow(t, o, row{502, 0, "---", timeline.ConnRefused})
	if !o.Target.FailOpen || o.Target.State != "initial" || o.TargetGroup != "green" {
		t.Errorf("%+v", o)
	}
}

// A group that no rule uses is not checked, so its targets never become healthy, and it has no rows.
func TestMatrix_14_UnattachedGroupIsNeverHealthy(t *testing.T) {
	target := healthyTarget("127.0.0.1:9")
	target.State = Initial
	s := newStack(t, backend(t, always(hello)))
	s.snapshot.TargetGroups = append(s.snapshot.TargetGroups, TargetGroup{ARN: "unattached", Targets: []Target{target}})
	for i := range s.snapshot.TargetGroups {
		s.checks(&s.snapshot.TargetGroups[i])
	}
	s.snapshot.TargetGroups[0].Targets[0].State = Initial
	s.run()
	s.record.waitFor(t, "→healthy")
	time.Sleep(200 * time.Millisecond) // four more rounds of checks
	if got := s.dial().send(get).status(); got != 200 {
		t.Error(got)
	}
	s.record.mu.Lock()
	for _, h := range s.record.changes {
		if h.Registration == target.Registration {
			t.Errorf("%+v", h)
		}
	}
	s.record.mu.Unlock()
	for _, st := range s.Targets() {
		if st.Registration == target.Registration && st.State != Initial {
			t.Errorf("%+v", st)
		}
	}
	if o := s.record.one(t); o.TargetGroup != groupARN {
		t.Error(o.TargetGroup)
	}
}

func TestMatrix_17_HTTP1ToOtherVersionsIs464(t *testing.T) {
	for _, version := range []string{"GRPC", "HTTP2"} {
		target, got := capture(t)
		s := newStack(t, target)
		s.snapshot.TargetGroups[0].ProtocolVersion = version
		s.run()
		text := mask(s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").rest())
		if want := "HTTP/1.1 464 \r\nServer: awselb/2.0\r\nDate: D\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"; text != want {
			t.Errorf("got  %q\nwant %q", text, want)
		}
		o := s.record.one(t)
		checkRow(t, o, row{464, 0, "---", timeline.ProtocolMismatch})
		if o.Target.Address != "" || o.TargetGroup != groupARN || len(got) > 0 {
			t.Errorf("%+v", o)
		}
	}
}

// The whole matrix of protocol versions.
func TestGroup_Accepts(t *testing.T) {
	for _, c := range []struct {
		h2, grpc bool
		method   string
		accepted string
	}{
		{false, false, "GET", "HTTP1"}, {false, true, "POST", "HTTP1"}, {true, false, "GET", "HTTP1 HTTP2"},
		{true, false, "POST", "HTTP1 HTTP2 GRPC"}, {true, true, "POST", "HTTP2 GRPC"}, {true, true, "GET", "HTTP2"},
	} {
		for _, version := range []string{"HTTP1", "HTTP2", "GRPC"} {
			g := &group{version: version}
			if got := g.accepts(&request{h2: c.h2, grpc: c.grpc, method: []byte(c.method)}); got != strings.Contains(c.accepted, version) {
				t.Errorf("%+v to %s: %v", c, version, got)
			}
		}
	}
}

func TestMatrix_18_StickyUserOfDrainedTargetMoves(t *testing.T) {
	s := newStack(t, named(t, "a"), named(t, "b"))
	sticky(&s.snapshot.TargetGroups[0])
	s.run()
	b := s.browse()
	first := b.ask("/")
	before := b.cookies["AWSALB"]
	drained := slices.IndexFunc(s.snapshot.TargetGroups[0].Targets, func(t Target) bool { return t.Registration == first })
	s.apply(func(n *Snapshot) {
		n.TargetGroups[0].Targets[drained].Draining = true
		n.TargetGroups[0].Targets[drained].DrainFrom = time.Now()
		n.TargetGroups[0].Targets[drained].DrainUntil = time.Now().Add(time.Hour)
	})
	second := b.ask("/")
	if second == first || b.cookies["AWSALB"] == before {
		t.Error("still on the drained target", second)
	}
	// The session stays with the new target when the old one comes back.
	s.apply(func(n *Snapshot) {
		again := n.TargetGroups[0].Targets[drained]
		again.Registration, again.Draining, again.DrainFrom, again.DrainUntil = first+" again", false, time.Time{}, time.Time{}
		n.TargetGroups[0].Targets[drained] = again
	})
	for range 4 {
		if got := b.ask("/"); got != second {
			t.Error("left the new target for", got)
		}
	}
	for i, o := range s.record.wait(t, 6) {
		checkRow(t, o, row{200, 200, "xxx", ""})
		if o.NotSticky != (i < 2) {
			t.Errorf("%d: not sticky %v", i, o.NotSticky)
		}
	}
}

// A sticky user of a target that is unhealthy moves, and stays when it recovers.
func TestMatrix_18_StickyUserOfUnhealthyTargetMoves(t *testing.T) {
	s := newStack(t, named(t, "a"), named(t, "b"))
	sticky(&s.snapshot.TargetGroups[0])
	s.run()
	b := s.browse()
	first := b.ask("/")
	s.Node.targets[first].setState(isUnhealthy, time.Now())
	second := b.ask("/")
	s.Node.targets[first].setState(isHealthy, time.Now())
	if third := b.ask("/"); second == first || third != second {
		t.Error(first, second, third)
	}
}

func TestMatrix_20_TargetMade502And504PassThrough(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504} {
		s := newStack(t, backend(t, always(fmt.Sprintf("HTTP/1.1 %d Mine\r\nContent-Length: 2\r\n\r\nno", status)))).run()
		if res, body := s.dial().send(get).response("GET"); res.Status != fmt.Sprintf("%d Mine", status) || body != "no" {
			t.Error(res.Status, body)
		}
		checkRow(t, s.record.one(t), row{status, status, "xxx", timeline.TargetMade})
		s.stop()
	}
}

// A target that breaks off right behind its head: the client has seen the status that is logged.
func TestMatrix_19_TheStatusHasBeenSent(t *testing.T) {
	s := newStack(t, backend(t, always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno size\r\n"))).run()
	const want = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n3\r\nabc\r\n"
	if got := s.dial().send(get).rest(); got != want {
		t.Errorf("%q", got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{200, 200, "xxx", timeline.TruncatedResponse})
	if o.SentBytes != int64(len(want)) {
		t.Errorf("%d bytes sent", o.SentBytes)
	}
}
