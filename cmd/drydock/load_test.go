package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drydock/network/networktest"
)

// script is a server that treats the nth request, counted over all connections, as told.
type script struct {
	t        *testing.T
	listener net.Listener
	behave   func(n int, conn net.Conn) (keep bool)
	requests atomic.Int64
	conns    sync.WaitGroup
}

func newScript(t *testing.T, behave func(n int, conn net.Conn) bool) *script {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, listener: l, behave: behave}
	s.conns.Go(s.accept)
	t.Cleanup(func() { l.Close(); s.conns.Wait() })
	return s
}

func (s *script) url() string { return "http://" + s.listener.Addr().String() + "/" }

func (s *script) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.conns.Go(func() { s.serve(conn) })
	}
}

func (s *script) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		if !s.behave(int(s.requests.Add(1)), conn) {
			return
		}
	}
}

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func answers(text string) func(net.Conn) bool {
	return func(conn net.Conn) bool { _, err := io.WriteString(conn, text); return err == nil }
}

func hangUp(net.Conn) bool { return false }

func reset(conn net.Conn) bool {
	conn.(*net.TCPConn).SetLinger(0)
	return false
}

// run sends count requests one after the other, as a slow rate would.
func runExchanges(t *testing.T, url string, count int, timeout time.Duration) LoadReport {
	t.Helper()
	x, err := newExchanger("GET", url, nil, nil, timeout, false)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	failures, _ := parseFailOn("4xx,5xx,errors")
	tally := newTally(failures, count)
	for range count {
		tally.sent()
		tally.done(time.Now(), x.do(t.Context()))
	}
	return tally.report()
}

func TestLoad_CountsEachFailureOnce(t *testing.T) {
	for _, test := range []struct {
		name     string
		behave   func(net.Conn) bool
		timeout  time.Duration
		statuses map[string]int
		errors   map[string]int
		failed   int
	}{
		{"answers", answers(okResponse), 0, map[string]int{"200": 5}, nil, 0},
		{"answers 502", answers("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), 0, map[string]int{"200": 4, "502": 1}, nil, 1},
		{"redirects", answers("HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), 0, map[string]int{"200": 4, "301": 1}, nil, 0},
		{"interim answer first", answers("HTTP/1.1 103 Early Hints\r\n\r\n" + okResponse), 0, map[string]int{"200": 5}, nil, 0},
		{"hangs up", hangUp, 0, map[string]int{"200": 4}, map[string]int{"closed without an answer": 1}, 1},
		{"resets", reset, 0, map[string]int{"200": 4}, map[string]int{"connection reset": 1}, 1},
		{"cuts the body", func(c net.Conn) bool {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			return false
		}, 0, map[string]int{"200": 4}, map[string]int{"truncated response": 1}, 1},
		{"cuts a chunked body", func(c net.Conn) bool {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
			return false
		}, 0, map[string]int{"200": 4}, map[string]int{"truncated response": 1}, 1},
		{"answers junk", answers("SSH-2.0-OpenSSH\r\n\r\n"), 0, map[string]int{"200": 4}, map[string]int{"malformed response": 1}, 1},
		{"never answers", func(c net.Conn) bool { io.Copy(io.Discard, c); return false }, 100 * time.Millisecond, map[string]int{"200": 4}, map[string]int{"timeout": 1}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newScript(t, func(n int, conn net.Conn) bool {
				if n == 3 { // in the middle, on a reused connection
					return test.behave(conn)
				}
				return answers(okResponse)(conn)
			})
			if test.timeout == 0 {
				test.timeout = 10 * time.Second
			}
			report := runExchanges(t, server.url(), 5, test.timeout)
			if test.errors == nil {
				test.errors = map[string]int{}
			}
			if !maps.Equal(report.Statuses, test.statuses) || !maps.Equal(report.Errors, test.errors) || report.Failed != test.failed || report.Requests != 5 {
				t.Errorf("got statuses %v, errors %v, %d of %d failed", report.Statuses, report.Errors, report.Failed, report.Requests)
			}
			if got := server.requests.Load(); got != 5 {
				t.Errorf("the server saw %d requests, want 5: none may be sent again", got)
			}
		})
	}
}

func TestLoad_RefusedConnectionsAreFailures(t *testing.T) {
	report := runExchanges(t, "http://"+networktest.Address(t).String()+"/", 3, time.Second)
	if report.Errors["connection refused"] != 3 || report.Failed != 3 {
		t.Errorf("got %v, %d failed", report.Errors, report.Failed)
	}
}

// A connection that was closed while it was idle is passed over before the request is
// sent: that is no failure of the server.
func TestLoad_PassesOverConnectionsClosedWhileIdle(t *testing.T) {
	closed := make(chan struct{}, 10)
	server := newScript(t, func(_ int, conn net.Conn) bool {
		answers(okResponse)(conn)
		conn.Close()
		closed <- struct{}{}
		return false
	})
	x, err := newExchanger("GET", server.url(), nil, nil, 5*time.Second, false)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	for range 3 {
		if r := x.do(t.Context()); r.status != 200 || r.failure != "" {
			t.Fatalf("got %+v", r)
		}
		<-closed
		for x.idle[0].Conn != nil && isOpen(x.idle[0].Conn) { // until the FIN has come over loopback
			time.Sleep(time.Millisecond)
		}
	}
}

func TestLoad_SendsHeadersAndBody(t *testing.T) {
	got := make(chan *http.Request, 1)
	bodies := make(chan string, 1)
	server := http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		got <- r
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()
	x, err := newExchanger("POST", "http://"+l.Addr().String()+"/a?b=c", []string{"X-Test: yes", "Host: shop.test"}, []byte("hello"), time.Second, false)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	if r := x.do(t.Context()); r.status != 200 {
		t.Fatalf("got %+v", r)
	}
	r := <-got
	if r.Method != "POST" || r.RequestURI != "/a?b=c" || r.Header.Get("X-Test") != "yes" || r.Host != "shop.test" || <-bodies != "hello" {
		t.Errorf("got %s %s %v", r.Method, r.RequestURI, r.Header)
	}
}

// The open loop does not wait for slow answers: all requests are under way at once.
func TestLoad_IsAnOpenLoop(t *testing.T) {
	const count = 20
	all := make(chan struct{})
	var waiting atomic.Int64
	g := &generator{rate: 1000, count: count, maxInFlight: count, tally: newTally(failOn{errors: true}, count), send: func(context.Context) exchangeResult {
		if waiting.Add(1) == count {
			close(all)
		}
		<-all
		return exchangeResult{status: 200}
	}}
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := g.tally.report(); r.Requests != count || r.Statuses["200"] != count {
		t.Errorf("got %+v", r)
	}
}

func TestLoad_WhatDoesNotFitInFlightFailsUnsent(t *testing.T) {
	release := make(chan struct{})
	var sent atomic.Int64
	g := &generator{rate: 10000, count: 10, maxInFlight: 3, tally: newTally(failOn{errors: true}, 10)}
	g.send = func(context.Context) exchangeResult {
		sent.Add(1)
		<-release
		return exchangeResult{status: 200}
	}
	done := make(chan struct{})
	go func() { g.Run(context.Background()); close(done) }()
	for g.tally.report().Requests < 10 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	<-done
	r := g.tally.report()
	if sent.Load() != 3 || r.Errors["not sent: too many in flight"] != 7 || r.Failed != 7 {
		t.Errorf("sent %d, got %+v", sent.Load(), r)
	}
}

func TestLoad_InterruptedStillCountsWhatIsUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := &generator{rate: 0.001, count: 5, maxInFlight: 5, tally: newTally(failOn{errors: true}, 5), send: func(context.Context) exchangeResult {
		cancel()
		return exchangeResult{status: 200}
	}}
	g.Run(ctx)
	if r := g.tally.report(); r.Requests != 1 || r.Statuses["200"] != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestLoadVerb_ExitsByFailures(t *testing.T) {
	good := newScript(t, func(_ int, conn net.Conn) bool { return answers(okResponse)(conn) })
	code, stdout, _ := runCLI(t, "load", good.url(), "--rate", "500", "--duration", "20ms")
	if code != exitOK || !strings.HasSuffix(stdout, "0 of 10 requests failed\n") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	bad := newScript(t, func(n int, conn net.Conn) bool {
		if n%2 == 0 {
			return answers("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")(conn)
		}
		return answers(okResponse)(conn)
	})
	code, stdout, _ = runCLI(t, "load", "--rate", "500", bad.url(), "--duration", "20ms", "--output", "json")
	var report LoadReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if code != exitFailed || report.Failed != 5 || report.Statuses["503"] != 5 || report.Statuses["200"] != 5 || len(report.Failures) != 5 {
		t.Errorf("exit %d: %s", code, stdout)
	}
	code, _, _ = runCLI(t, "load", bad.url(), "--rate", "500", "--duration", "20ms", "--fail-on", "errors,500")
	if code != exitOK {
		t.Errorf("--fail-on errors,500: exit %d", code)
	}
}

func TestParseFailOn(t *testing.T) {
	f, err := parseFailOn("5xx, 404")
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]bool{200: false, 301: false, 404: true, 403: false, 500: true, 599: true} {
		if f.failed(exchangeResult{status: status}) != want {
			t.Errorf("%d: got %t", status, !want)
		}
	}
	if f.failed(exchangeResult{failure: "timeout"}) {
		t.Error("errors are not in the list")
	}
	if _, err := parseFailOn("7xx"); err == nil {
		t.Error("7xx was accepted")
	}
}

func TestPercentiles(t *testing.T) {
	var all []time.Duration
	for i := 1; i <= 200; i++ {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	if got, want := percentiles(all), (LatencyReport{100, 180, 198, 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := percentiles(nil); got != (LatencyReport{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// runCLI runs a command line in process.
func runCLI(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = runContext(t.Context(), append([]string{"drydock"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

func answerHTML(_ int, conn net.Conn) bool {
	answers("HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n<html></html>")(conn)
	return false
}
