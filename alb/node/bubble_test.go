package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// pipes is a network of in-memory connections.
type pipes struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*pipeListener
	dark      map[netip.AddrPort]bool // nothing answers here
	dialled   []time.Time
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   netip.AddrPort
}

func newPipes() *pipes {
	return &pipes{listeners: map[netip.AddrPort]*pipeListener{}, dark: map[netip.AddrPort]bool{}}
}

func (p *pipes) Listen(_ context.Context, addr netip.AddrPort) (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.listeners[addr]; l != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, syscall.EADDRINUSE)
	}
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{}), addr: addr}
	p.listeners[addr] = l
	return &pipeSocket{l, p}, nil
}

func (p *pipes) Dial(ctx context.Context, _ netip.Addr, _ uint32, to netip.AddrPort) (net.Conn, error) {
	p.mu.Lock()
	l, dark := p.listeners[to], p.dark[to]
	p.dialled = append(p.dialled, time.Now())
	p.mu.Unlock()
	if dark {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) bound() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr := range p.listeners {
		list = append(list, addr.String())
	}
	return list
}

type pipeSocket struct {
	*pipeListener
	net *pipes
}

func (l *pipeSocket) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeSocket) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, l.addr)
	})
	return nil
}

func (l *pipeSocket) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// app is a target in the bubble: its status can be changed at any time.
type app struct {
	mu     sync.Mutex
	status int
	delay  time.Duration
	checks []time.Time
	ln     net.Listener
}

func (p *pipes) app(addr netip.AddrPort, status int) *app {
	ln, err := p.Listen(context.Background(), addr)
	if err != nil {
		panic(err)
	}
	a := &app{status: status, ln: ln}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go a.serve(conn)
		}
	}()
	return a
}

func (a *app) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, _, err := readRequest(r)
		if err != nil {
			return
		}
		a.mu.Lock()
		status, delay := a.status, a.delay
		if strings.Contains(head, "ELB-HealthChecker/2.0") {
			a.checks = append(a.checks, time.Now())
		}
		a.mu.Unlock()
		time.Sleep(delay)
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok", status); err != nil {
			return
		}
	}
}

func (a *app) set(status int, delay time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.delay = status, delay
}

func (a *app) checkTimes(since time.Time) (list []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, at := range a.checks {
		list = append(list, at.Sub(since).String())
	}
	return list
}

var (
	frontAddr = netip.MustParseAddrPort("127.0.0.1:80")
	appAddr   = netip.MustParseAddrPort("10.0.0.7:3000")
)

// bubble is a node in a bubble of virtual time.
type bubble struct {
	*stack
	net   *pipes
	start time.Time
}

// inBubble runs a test with a checked target group in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, b *bubble)) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p := newPipes()
		rec := &record{}
		b := &bubble{stack: &stack{t: t, record: rec}, net: p, start: time.Now()}
		b.Node = New(Config{Sink: rec, Listen: p.Listen, Dial: p.Dial})
		b.snapshot = testSnapshot(Target{Registration: "r-1", Addr: appAddr, State: Initial})
		b.snapshot.TargetGroups[0].HealthCheck = HealthCheck{Enabled: true, Protocol: "HTTP", Path: "/health", Interval: 30 * time.Second,
			Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200,202-204"}
		b.attributes().IdleTimeout = 60 * time.Second
		test(t, b)
		if b.stop != nil {
			b.stop()
		}
		for _, l := range p.listeners {
			l.once.Do(func() { close(l.closed) })
		}
		time.Sleep(time.Hour) // the apps end
	})
}

func (b *bubble) group() *TargetGroup { return &b.snapshot.TargetGroups[0] }
func (b *bubble) target() *Target     { return &b.group().Targets[0] }

// ask sends a request on its own connection and returns the status.
func (b *bubble) ask() int {
	b.t.Helper()
	c := b.connect()
	defer c.Close()
	return c.send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").status()
}

func (b *bubble) connect() *client {
	b.t.Helper()
	conn, err := b.net.Dial(context.Background(), netip.Addr{}, 0, frontAddr)
	if err != nil {
		b.t.Fatal(err)
	}
	return &client{t: b.t, Conn: conn, r: bufio.NewReader(conn)}
}

func (b *bubble) expectStates(want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.record.states(); !slices.Equal(got, want) {
		b.t.Errorf("after %v:\ngot  %q\nwant %q", time.Since(b.start), got, want)
	}
}

const (
	started     = "initial→initial Elb.InitialHealthChecking Initial health checks in progress"
	becameWell  = "initial→healthy"
	wellTo404   = "healthy→unhealthy Target.ResponseCodeMismatch Health checks failed with these codes: [404]"
	wellAgain   = "unhealthy→healthy"
	initialGone = "initial→unhealthy Target.FailedHealthChecks Health checks failed"
)

// Targets that are initial get requests only if no target is healthy.
func TestChoose_InitialOnlyInFailOpen(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		other := netip.MustParseAddrPort("10.0.0.8:3000")
		b.net.app(appAddr, 200)
		b.net.app(other, 200)
		b.group().HealthCheck.Enabled = false
		b.group().Targets = append(b.group().Targets, Target{Registration: "r-2", Addr: other, State: Healthy})
		b.run()
		for range 4 {
			b.ask()
		}
		for _, o := range b.record.wait(t, 4) {
			if o.Target.Registration != "r-2" || o.Target.FailOpen {
				t.Errorf("%+v", o.Target)
			}
		}
	})
}

func TestRoundRobin(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.group().HealthCheck.Enabled = false
		b.group().Targets = nil
		for i := range 3 {
			addr := netip.AddrPortFrom(appAddr.Addr(), uint16(4000+i))
			b.net.app(addr, 200)
			b.group().Targets = append(b.group().Targets, Target{Registration: fmt.Sprint(i), Addr: addr, State: Healthy})
		}
		b.run()
		seen := map[string]int{}
		for range 9 {
			b.ask()
		}
		for _, o := range b.record.wait(t, 9) {
			seen[o.Target.Registration]++
		}
		if seen["0"] != 3 || seen["1"] != 3 || seen["2"] != 3 {
			t.Error(seen)
		}
	})
}

func TestTimeout_ConnectIs10Seconds(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.dark[appAddr] = true
		b.group().HealthCheck.Enabled = false
		b.run()
		if got := b.ask(); got != 504 {
			t.Error(got)
		}
		o := b.record.one(t)
		checkRow(t, o, row{504, 0, "---", timeline.ConnectTimeout})
		if d := o.End.Sub(o.Start); d != 10*time.Second {
			t.Error(d)
		}
	})
}

func TestTimeout_IdleWhileWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200).set(200, 61*time.Second)
		b.group().HealthCheck.Enabled = false
		b.run()
		if got := b.ask(); got != 504 {
			t.Error(got)
		}
		o := b.record.one(t)
		checkRow(t, o, row{504, 0, "x--", timeline.ResponseTimeout})
		if d := o.End.Sub(o.Start); d != 60*time.Second {
			t.Error(d)
		}
	})
}

func TestTimeout_IdleConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.group().HealthCheck.Enabled = false
		b.run()
		time.Sleep(7 * time.Second)
		c := b.connect()
		c.send(get).status()
		idle := func() int {
			synctest.Wait()
			p := &b.targets["r-1"].pool
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.idle)
		}
		time.Sleep(59 * time.Second)
		if idle() != 1 {
			t.Error("the connection to the target was closed early")
		}
		time.Sleep(time.Second)
		if idle() != 0 {
			t.Error("the connection to the target is still open")
		}
		if text := c.rest(); text != "" || time.Since(b.start) != 67*time.Second {
			t.Errorf("%q after %v", text, time.Since(b.start))
		}
	})
}

func TestDrain_Deadlines(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200).set(200, 400*time.Second)
		b.group().HealthCheck.Enabled = false
		b.attributes().IdleTimeout = 1000 * time.Second
		b.run()
		c := b.connect().send(get)
		synctest.Wait()
		b.apply(func(s *Snapshot) {
			target := &s.TargetGroups[0].Targets[0]
			target.Draining, target.DrainFrom, target.DrainUntil = true, time.Now().Add(5*time.Second), time.Now().Add(300*time.Second)
		})
		time.Sleep(4 * time.Second)
		late := b.connect().send(get) // deregistration has not reached the data plane yet
		synctest.Wait()
		if n := b.InFlight("r-1"); n != 2 {
			t.Errorf("%d in flight", n)
		}
		time.Sleep(2 * time.Second)
		if got := b.ask(); got != 503 {
			t.Error(got)
		}
		if c.status() != 502 || late.status() != 502 || time.Since(b.start) != 300*time.Second {
			t.Errorf("cut after %v", time.Since(b.start))
		}
		for _, o := range b.record.wait(t, 3)[1:] {
			checkRow(t, o, row{502, 0, "xx-", timeline.DeregDelayElapsed})
		}
	})
}

func TestDrain_ZeroDelayCutsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200).set(200, time.Minute)
		b.net.dark[netip.MustParseAddrPort("10.0.0.9:1")] = true
		b.group().HealthCheck.Enabled = false
		b.run()
		c := b.connect().send(get)
		synctest.Wait()
		b.apply(func(s *Snapshot) {
			target := &s.TargetGroups[0].Targets[0]
			target.Draining, target.DrainFrom, target.DrainUntil = true, time.Now(), time.Now()
		})
		if got := c.status(); got != 502 || time.Since(b.start) > time.Second {
			t.Error(got, time.Since(b.start))
		}
	})
}

func TestDrain_ClosesIdleConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.group().HealthCheck.Enabled = false
		b.run()
		b.ask()
		b.apply(func(s *Snapshot) {
			target := &s.TargetGroups[0].Targets[0]
			target.Draining, target.DrainFrom, target.DrainUntil = true, time.Now(), time.Now().Add(time.Hour)
		})
		synctest.Wait()
		if n := len(b.targets["r-1"].pool.idle); n != 0 {
			t.Errorf("%d idle connections", n)
		}
	})
}

func TestRun_GraceThenCut(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.net.app(appAddr, 200)
		a.set(200, 3*time.Second)
		b.group().HealthCheck.Enabled = false
		b.run()
		quick := b.connect().send(get)
		synctest.Wait()
		a.set(200, time.Minute)
		slow := b.connect().send(get)
		idle := b.connect()
		synctest.Wait()
		done := make(chan struct{})
		go func() { b.stop(); close(done) }()
		if res, _ := quick.response("GET"); res.StatusCode != 200 {
			t.Error(res.Status)
		}
		slow.rest()
		idle.rest()
		<-done
		if d := time.Since(b.start); d != 5*time.Second {
			t.Error(d)
		}
		if list := b.record.wait(t, 2); list[1].Status != 502 || list[1].Detail != errStopped.Error() {
			t.Errorf("%+v", list[1])
		}
		if failed := b.Apply(b.snapshot); failed != nil {
			t.Error(failed)
		}
		if err := b.Run(context.Background()); err == nil {
			t.Error("ran twice")
		}
	})
}

func TestApply_ListenersAndRetries(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		busy, _ := b.net.Listen(context.Background(), netip.MustParseAddrPort("10.0.0.1:80"))
		b.snapshot.LoadBalancers[0].Listeners[0].Addresses = append(b.snapshot.LoadBalancers[0].Listeners[0].Addresses, netip.MustParseAddrPort("10.0.0.1:80"))
		second := Listener{ARN: "second", Port: 81, Addresses: []netip.AddrPort{frontAddr}}
		b.snapshot.LoadBalancers[0].Listeners = append(b.snapshot.LoadBalancers[0].Listeners, second)
		b.snapshot.LoadBalancers[0].Listeners = append(b.snapshot.LoadBalancers[0].Listeners, Listener{ARN: "secure", Protocol: "HTTPS"})
		failed := b.Apply(b.snapshot)
		if len(failed) != 2 || failed["secure"] == nil {
			t.Fatal(failed)
		}
		delete(failed, "secure")
		for _, err := range failed {
			if !errors.Is(err, syscall.EADDRINUSE) {
				t.Error(err)
			}
		}
		b.snapshot.LoadBalancers[0].Listeners = b.snapshot.LoadBalancers[0].Listeners[:1]
		b.run()
		kept := b.connect()
		kept.send(get).status()
		busy.Close()
		time.Sleep(1100 * time.Millisecond)
		if !slices.Contains(b.net.bound(), "10.0.0.1:80") {
			t.Error("the further address was not bound later")
		}
		b.apply(func(s *Snapshot) {})
		if got := kept.send(get).status(); got != 502 {
			t.Error(got, "the connection did not survive")
		}
		b.apply(func(s *Snapshot) { s.LoadBalancers = nil })
		if text := kept.rest(); text != "" {
			t.Errorf("%q", text)
		}
		synctest.Wait()
		if len(b.net.bound()) != 0 {
			t.Error("sockets are left")
		}
	})
}
