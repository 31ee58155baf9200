package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// slowEach is how many slow clients there are of each kind.
	slowEach = 500
	// slowStep is how often each of them goes on, by a byte or a few.
	slowStep = time.Second
	// steadyClients ask every steadyStep, whatever the slow ones do.
	steadyClients = 32
	steadyStep    = 20 * time.Millisecond
	// slowAim is how much the others' p99 may grow.
	slowAim = 2
	// slowRounds is how many rounds there are at most: each takes a while.
	slowRounds = 3
	// slowSettle is for what opening thousands of connections leaves to do.
	slowSettle = time.Second
)

// slowClient is a connection that does as little as it can.
type slowClient struct {
	net.Conn
	step func() error // goes on by a little
}

// slowKind is a way to be slow.
type slowKind struct {
	name string
	port int
	open func(at netip.AddrPort) (*slowClient, error)
}

var slowKinds = []slowKind{
	{"in headers", plainPort, slowSender("GET / HTTP/1.1\r\nHost: bench.example\r\nX-Slow: ")},
	{"in the body", plainPort, slowSender("POST /ws HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 1000000\r\n\r\n")},
	{"in reading", plainPort, slowReader},
	{"in the TLS handshake", p256Port, slowSender("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
	{"in opening HTTP/2 windows", p256Port, slowWindow},
}

// slowSender sends the beginning of something, and then a byte at a time.
func slowSender(beginning string) func(netip.AddrPort) (*slowClient, error) {
	return func(at netip.AddrPort) (*slowClient, error) {
		conn, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
		if err != nil {
			return nil, err
		}
		c := &slowClient{Conn: conn, step: func() error { return sendText(conn, "x") }}
		return c.begin(beginning)
	}
}

// begin sends the first bytes, or closes the connection.
func (c *slowClient) begin(text string) (*slowClient, error) {
	if err := sendText(c, text); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func sendText(conn net.Conn, text string) error {
	conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err := io.WriteString(conn, text)
	return err
}

// slowReader asks for several MiB, has little room for them, and reads a few bytes at a time.
func slowReader(at netip.AddrPort) (*slowClient, error) {
	conn, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	conn.(*net.TCPConn).SetReadBuffer(4096)
	few := make([]byte, 512)
	c := &slowClient{Conn: conn, step: func() error {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := conn.Read(few)
		return err
	}}
	text := ""
	for range 8 {
		text += "GET /1m HTTP/1.1\r\nHost: bench.example\r\n\r\n"
	}
	return c.begin(text)
}

// windowShut is an HTTP/2 preface with an initial window of 0, and GET /64k as stream 1: static
// entries 2, 7 and literals for :path and :authority.
const windowShut = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
	"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + "\x00\x04\x00\x00\x00\x00" +
	"\x00\x00\x16\x01\x05\x00\x00\x00\x01" + "\x82\x87" + "\x04\x04/64k" + "\x01\x0cslow.example"

// slowWindow asks for more than its window, which it opens byte by byte.
func slowWindow(at netip.AddrPort) (*slowClient, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: clientTLS("h2")}
	conn, err := d.Dial("tcp", at.String())
	if err != nil {
		return nil, err
	}
	c := &slowClient{Conn: conn, step: func() error { return sendText(conn, "\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01") }}
	return c.begin(windowShut)
}

// crowd is the slow clients of one kind.
type crowd struct {
	kind    slowKind
	clients []*slowClient
	ended   int // by the proxy; valid once walk has returned
}

// gather opens a crowd, a few clients at a time.
func gather(ctx context.Context, kind slowKind, p proxy) (*crowd, error) {
	var open closers
	err := open.many(ctx, slowEach, func() (io.Closer, error) { return kind.open(p.on(kind.port)) })
	c := &crowd{kind: kind}
	for _, client := range open.all {
		c.clients = append(c.clients, client.(*slowClient))
	}
	if err != nil {
		return c, fmt.Errorf("slow clients %s: %w", kind.name, err)
	}
	return c, nil
}

// walk has every client go on once in each slowStep, evenly spread: the generator's core is the load's too.
func (c *crowd) walk(ctx context.Context) {
	ended := make([]bool, len(c.clients))
	ticker := time.NewTicker(slowStep / slowEach)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % len(c.clients) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !ended[i] && c.clients[i].step() != nil {
			ended[i] = true
			c.ended++
		}
	}
}

func (c *crowd) close() {
	for _, client := range c.clients {
		if tcp, ok := client.Conn.(*net.TCPConn); ok {
			tcp.SetLinger(0) // what is on its way to it is gone at once
		}
		client.Close()
	}
}

// slowness is what slow clients do to the others, round by round.
type slowness struct{ alone, beside, ratio []float64 }

// measureSlowClients compares the p99 of a steady load with itself beside slow clients of all kinds.
func (a *arena) measureSlowClients(ctx context.Context) error {
	if !a.wants("slow") {
		return nil
	}
	if need := 2*slowEach*len(slowKinds) + 500; files() < need {
		return fmt.Errorf("a process may open %d files here, it takes %d", files(), need)
	}
	found := map[string]*slowness{}
	for _, p := range a.proxies {
		found[p.name()] = &slowness{}
		if err := p.lacks(p256Port); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
	}
	for round := range min(a.rounds, slowRounds) {
		for i := range a.proxies {
			p := a.proxies[(i+round)%len(a.proxies)]
			if err := a.slowRound(ctx, p, found[p.name()]); err != nil {
				return fmt.Errorf("%s: %w", p.name(), err)
			}
		}
	}
	a.reportSlowness(found)
	return nil
}

// slowRound measures one proxy, first alone.
func (a *arena) slowRound(ctx context.Context, p proxy, s *slowness) error {
	steadyLoad(ctx, p.on(plainPort), slowSettle/2) // opens connections to targets
	alone, err := a.steady(ctx, p)
	if err != nil {
		return err
	}
	walking, stop := context.WithCancel(ctx)
	var crowds []*crowd
	var walkers sync.WaitGroup
	defer func() {
		for _, c := range crowds {
			c.close()
		}
	}()
	defer walkers.Wait()
	defer stop()
	for _, kind := range slowKinds {
		c, err := gather(ctx, kind, p)
		crowds = append(crowds, c)
		if err != nil {
			return err
		}
		walkers.Go(func() { c.walk(walking) })
	}
	if !pause(ctx, slowSettle) {
		return ctx.Err()
	}
	beside, err := a.steady(ctx, p)
	if err != nil {
		return fmt.Errorf("beside slow clients: %w", err)
	}
	stop()
	walkers.Wait()
	s.add(alone, beside)
	a.say("proxy: slow: %s: p99 %.2f ms, beside %d × %d slow clients %.2f ms%s", p.name(), milliseconds(alone.p99), len(slowKinds), slowEach,
		milliseconds(beside.p99), endedOf(crowds))
	return nil
}

func (s *slowness) add(alone, beside sample) {
	s.alone, s.beside = append(s.alone, milliseconds(alone.p99)), append(s.beside, milliseconds(beside.p99))
	s.ratio = append(s.ratio, float64(beside.p99)/float64(alone.p99))
}

// endedOf says which slow clients the proxy has ended already.
func endedOf(crowds []*crowd) (text string) {
	for _, c := range crowds {
		if c.ended > 0 {
			text += fmt.Sprintf("; %d of those %s were ended", c.ended, c.kind.name)
		}
	}
	return text
}

// steady loads a proxy far below what it can do.
func (a *arena) steady(ctx context.Context, p proxy) (sample, error) {
	a.weather.look(p.processes())
	defer a.weather.note(p.processes())
	return steadyLoad(ctx, p.on(plainPort), a.seconds)
}

// steadyLoad has clients ask at their own pace. Any failure is an error.
func steadyLoad(ctx context.Context, at netip.AddrPort, d time.Duration) (sample, error) {
	times, errs := make([][]time.Duration, steadyClients), make([]error, steadyClients)
	began := time.Now()
	var all sync.WaitGroup
	for n := range steadyClients {
		all.Go(func() {
			pause(ctx, steadyStep*time.Duration(n)/steadyClients)
			times[n], errs[n] = askSteadily(ctx, at, d)
		})
	}
	all.Wait()
	s := sample{took: time.Since(began)}
	var merged []time.Duration
	for _, t := range times {
		merged = append(merged, t...)
	}
	s.requests, s.p50, s.p99 = int64(len(merged)), percentile(merged, 50), percentile(merged, 99)
	return s, errors.Join(append(errs, ctx.Err())...)
}

// askSteadily asks every steadyStep on one connection.
func askSteadily(ctx context.Context, at netip.AddrPort, d time.Duration) (times []time.Duration, err error) {
	conn, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(d + 10*time.Second))
	r, ticker := bufio.NewReader(conn), time.NewTicker(steadyStep)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		began := time.Now()
		if _, err := conn.Write(smallRequest); err != nil {
			return times, err
		}
		if err := readAnswer(r); err != nil {
			return times, err
		}
		times = append(times, time.Since(began))
		select {
		case <-ctx.Done():
			return times, ctx.Err()
		case <-ticker.C:
		}
	}
	return times, nil
}

func (a *arena) reportSlowness(found map[string]*slowness) {
	for _, line := range []struct {
		name, unit string
		aims       []aim
		of         func(*slowness) []float64
	}{
		{fmt.Sprintf("p99 of %d requests a second", steadyClients*int(time.Second/steadyStep)), "ms", nil, func(s *slowness) []float64 { return s.alone }},
		{fmt.Sprintf("  beside %d × %d slow clients", len(slowKinds), slowEach), "ms", nil, func(s *slowness) []float64 { return s.beside }},
		{"  this by that", "×", []aim{{AtMost: slowAim}}, func(s *slowness) []float64 { return s.ratio }},
	} {
		f := figure{Section: "proxy: slow clients", Name: line.name, Unit: line.unit, Aims: line.aims, Rounds: line.of(found["drydock"])}
		for _, name := range a.peers() {
			f.Peers = append(f.Peers, peer{Name: name, Rounds: line.of(found[name])})
		}
		a.report.add(f)
	}
}
