package alb

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/network"
	"drydock/store/storetest"
	"drydock/timeline"
)

// sink hands health changes of a real node to a balancer that is opened after it.
type sink struct{ to chan node.HealthChange }

func (s sink) HealthChanged(h node.HealthChange) { s.to <- h }
func (s sink) Finished(*timeline.Outcome)        {}

var _ Node = (*node.Node)(nil)

// loopbackNode makes a real node whose listeners are on free ports and whose targets
// are all the one server.
func loopbackNode(s sink, server string, bound chan<- net.Addr) *node.Node {
	return node.New(node.Config{
		Sink: s,
		Listen: func(ctx context.Context, _ netip.AddrPort) (net.Listener, error) {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
			if err == nil {
				bound <- l.Addr()
			}
			return l, err
		},
		Dial: func(ctx context.Context, _ netip.Addr, _ uint32, _ netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server)
		},
	})
}

func TestLoopback_ARealNodeServesWhatTheBalancerCompiles(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) }))
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	health, bound := sink{make(chan node.HealthChange, 100)}, make(chan net.Addr, 10)
	n := loopbackNode(health, server.Listener.Addr().String(), bound)
	w := &world{t: t, store: &storetest.Memory{}}
	plain, err := network.Open(ctx, &storetest.Memory{}, network.Config{CIDR: netip.MustParsePrefix("172.31.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	w.network = &bridge{Network: plain, changed: make(chan struct{}, 1)}
	w.subnets = []string{"subnet-1a", "subnet-1b"}
	if w.Balancer, err = Open(ctx, w.store, n, w.network, Config{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() { done <- n.Run(ctx) }()
	go func() { done <- w.Run(ctx) }()
	go func() {
		for h := range health.to {
			w.HealthChanged(h)
		}
	}()
	tg := w.serving()
	changes := w.Changes(ctx)
	w.register(tg, userIP)
	w.await(changes, func() bool { return w.health(tg, userIP).State == Healthy })
	at := <-bound
	if body := get(t, at, "/a"); body != "hello /a" {
		t.Errorf("the target's answer is %q", body)
	}
	w.reattach(ctx, tg, func() {
		if body := get(t, at, "/a"); body != "fixed" {
			t.Errorf("the fixed response is %q", body)
		}
	})
	w.await(changes, func() bool { return w.health(tg, userIP).State == Healthy })
	for range 20 { // too fast for the node to see the group out of use
		w.reattach(ctx, tg, func() {})
		w.await(changes, func() bool { return w.health(tg, userIP).State == Healthy })
	}
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	close(health.to)
}

// reattach takes a target group out of use and back.
func (w *world) reattach(ctx context.Context, tg TargetGroup, between func()) {
	w.t.Helper()
	l := must(w.DescribeListeners(ctx, w.loadBalancer("shop").ARN, nil))[0]
	fixed := []Action{{Type: "fixed-response", FixedResponseConfig: &FixedResponseConfig{StatusCode: "200", MessageBody: "fixed"}}}
	must(w.ModifyListener(ctx, ModifyListenerInput{ListenerARN: l.ARN, DefaultActions: fixed}))
	between()
	must(w.ModifyListener(ctx, ModifyListenerInput{ListenerARN: l.ARN, DefaultActions: forwardTo(tg.ARN)}))
}

// await waits until a condition holds, looking at each change.
func (w *world) await(changes <-chan struct{}, holds func() bool) {
	w.t.Helper()
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	for !holds() {
		select {
		case <-changes:
		case <-timeout.C:
			w.t.Fatalf("still not so: %+v", w.Targets())
		}
	}
}

func get(t *testing.T, at net.Addr, path string) string {
	t.Helper()
	answer, err := http.Get("http://" + at.String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (sink) Followed(timeline.Epilogue) {}
func (sink) Connected(node.Connection)  {}
func (sink) Checked(node.Check)         {}
