package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drydock/timeline"
)

// record is a Sink that keeps everything.
type record struct {
	mu       sync.Mutex
	outcomes []timeline.Outcome
	changes  []HealthChange
	conns    []Connection
}

func (r *record) Finished(o *timeline.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes = append(r.outcomes, *o)
}

func (r *record) HealthChanged(h HealthChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, h)
}

func (r *record) states() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.changes {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s→%s %s %s", h.From, h.To, h.Reason, h.Description)))
	}
	return list
}

// wait returns n outcomes once there are as many.
func (r *record) wait(t testing.TB, n int) []timeline.Outcome {
	t.Helper()
	for range 2000 {
		r.mu.Lock()
		list := append([]timeline.Outcome(nil), r.outcomes...)
		r.mu.Unlock()
		if len(list) >= n {
			return list
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no %d outcomes: %+v", n, r.outcomes)
	return nil
}

func (r *record) one(t testing.TB) timeline.Outcome {
	t.Helper()
	list := r.wait(t, 1)
	if len(list) != 1 {
		t.Fatalf("%d outcomes, want 1", len(list))
	}
	return list[0]
}

const (
	lbARN       = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/50dc6c495c0c9188"
	listenerARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"
	groupARN    = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/73e2d6bc24d8a067"
)

// stack is a node with one listener, for tests on the loopback interface.
type stack struct {
	*Node
	t        testing.TB
	record   *record
	snapshot Snapshot
	addr     string
	stop     func()
}

// newStack starts a node whose default rule forwards to targets, all seeded healthy.
func newStack(t testing.TB, targets ...Target) *stack {
	t.Helper()
	s := &stack{t: t, record: &record{}}
	s.Node = New(Config{Sink: s.record, Grace: 300 * time.Millisecond,
		Listen: func(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
			ln, err := ListenTCP(ctx, netip.AddrPortFrom(addr.Addr(), 0))
			if err == nil {
				s.addr = ln.Addr().String()
			}
			return ln, err
		}})
	s.timing.race = 5 * time.Second
	s.snapshot = testSnapshot(targets...)
	return s
}

func testSnapshot(targets ...Target) Snapshot {
	return Snapshot{
		Version: 1,
		LoadBalancers: []LoadBalancer{{
			ARN: lbARN, ID: "app/web/50dc6c495c0c9188", DNSName: "web-424835706.us-east-1.elb.localhost",
			Attributes: LoadBalancerAttributes{IdleTimeout: 30 * time.Second, ClientKeepAlive: time.Hour,
				XFFHeaderProcessing: "append", DesyncMitigationMode: "defensive"},
			Listeners: []Listener{{ARN: listenerARN, Protocol: "HTTP", Port: 80,
				Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")},
				Rules:     []Rule{{Priority: "default", Action: forwardTo(groupARN)}}}},
		}},
		TargetGroups: []TargetGroup{{ARN: groupARN, Name: "web", Protocol: "HTTP", InUse: true, Algorithm: "round_robin", Targets: targets}},
	}
}

func forwardTo(arn string) Action {
	return Action{Forward: &Forward{TargetGroups: []WeightedTargetGroup{{ARN: arn, Weight: 1}}}}
}

// run applies the snapshot and serves until the test ends.
func (s *stack) run() *stack {
	s.t.Helper()
	if failed := s.Apply(s.snapshot); len(failed) > 0 {
		s.t.Fatal(failed)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	var once sync.Once
	s.stop = func() { once.Do(func() { cancel(); <-done }) }
	s.t.Cleanup(s.stop)
	return s
}

func (s *stack) attributes() *LoadBalancerAttributes { return &s.snapshot.LoadBalancers[0].Attributes }
func (s *stack) rules() *[]Rule                      { return &s.snapshot.LoadBalancers[0].Listeners[0].Rules }

// apply makes changes to the snapshot effective.
func (s *stack) apply(change func(*Snapshot)) {
	s.t.Helper()
	next := s.snapshot
	next.Version++
	next.LoadBalancers = append([]LoadBalancer(nil), next.LoadBalancers...)
	next.TargetGroups = append([]TargetGroup(nil), next.TargetGroups...)
	for i := range next.TargetGroups {
		next.TargetGroups[i].Targets = append([]Target(nil), next.TargetGroups[i].Targets...)
	}
	change(&next)
	s.snapshot = next
	if failed := s.Apply(next); len(failed) > 0 {
		s.t.Fatal(failed)
	}
}

// dial connects a client.
func (s *stack) dial() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: s.t, Conn: conn, r: bufio.NewReader(conn)}
}

// client speaks raw HTTP.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (c *client) send(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// response reads one response and its body.
func (c *client) response(method string) (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return res, string(b)
}

func (c *client) status() int {
	c.t.Helper()
	res, _ := c.response("GET")
	return res.StatusCode
}

// rest reads until the end of the connection.
func (c *client) rest() string {
	b, _ := io.ReadAll(c.r)
	return string(b)
}

const get = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"

// backend is a target whose connections are handled by a function.
func backend(t testing.TB, handle func(n int, conn net.Conn, r *bufio.Reader)) Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { ln.Close(); cancel(); wg.Wait() })
	wg.Go(func() {
		for n := 0; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				handle(n, conn, bufio.NewReader(conn))
			})
		}
	})
	return healthyTarget(ln.Addr().String())
}

// answersOnce is a backend that ends each connection after its first answer, without a word of
// it in the head, and tells when it has: on loopback the FIN is with the balancer then.
func answersOnce(t *testing.T) (target Target, ended <-chan struct{}) {
	t.Helper()
	ends := make(chan struct{}, 64)
	return backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(conn, hello)
		conn.Close()
		ends <- struct{}{}
	}), ends
}

var registrations atomic.Int64

func healthyTarget(addr string) Target {
	return Target{Registration: fmt.Sprintf("r-%d", registrations.Add(1)), Addr: netip.MustParseAddrPort(addr), State: Healthy}
}

// readRequest reads one request as bytes of its head, and its body.
func readRequest(r *bufio.Reader) (head, body string, err error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), "", err
		}
		if line == "\r\n" {
			break
		}
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(b.String())))
	if err != nil {
		return b.String(), "", err
	}
	body, err = readBody(req, r)
	return b.String(), body, err
}

func readBody(req *http.Request, r *bufio.Reader) (string, error) {
	if len(req.TransferEncoding) > 0 {
		b, err := io.ReadAll(httputil.NewChunkedReader(r))
		if err == nil {
			_, err = r.ReadString('\n')
		}
		return string(b), err
	}
	p := make([]byte, max(0, req.ContentLength))
	_, err := io.ReadFull(r, p)
	return string(p), err
}

// always answers every request on every connection with the same bytes.
func always(response string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			if _, err := io.WriteString(conn, response); err != nil {
				return
			}
		}
	}
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func TestForward_AnswersAndReusesConnections(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).run()
	c := s.dial()
	for range 3 {
		if res, body := c.send(get).response("GET"); res.StatusCode != 200 || body != "hello" {
			t.Fatal(res.Status, body)
		}
	}
	o := s.record.wait(t, 3)[2]
	if !o.Connection.Reused || o.Connection.Nth != 3 || o.Status != 200 || o.TargetStatus != 200 || o.Cause != "" {
		t.Errorf("%+v", o)
	}
	if o.RequestTime < 0 || o.TargetTime < 0 || o.ResponseTime < 0 || o.SentBytes == 0 || o.ReceivedBytes != int64(len(get)) {
		t.Errorf("%+v", o)
	}
}

func (r *record) Followed(timeline.Epilogue) {}
func (r *record) Checked(Check)              {}

func (r *record) Connected(c Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}
