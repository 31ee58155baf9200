package node

//lint:file-ignore SA1019 x/net's server is the other side here: net/http has none for one connection.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/alb/node/h2"
	"drydock/timeline"

	"golang.org/x/net/http2"
)

// h2Backend is a target that speaks HTTP/2 at once, served by x/net. conns counts its connections.
func h2Backend(t testing.TB, server *http2.Server, handler http.HandlerFunc) (target Target, conns func() int) {
	return h2BackendOn(t, listenLoopback(t), server, handler)
}

var quietly = &http.Server{ErrorLog: log.New(io.Discard, "", 0)}

func listenLoopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func h2BackendOn(t testing.TB, ln net.Listener, server *http2.Server, handler http.HandlerFunc) (target Target, conns func() int) {
	var mu sync.Mutex
	var all []net.Conn
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, conn)
			mu.Unlock()
			work.Go(func() {
				if secure, ok := conn.(*tls.Conn); ok && secure.Handshake() != nil {
					return
				}
				server.ServeConn(conn, &http2.ServeConnOpts{Handler: handler, BaseConfig: quietly})
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, conn := range all {
			conn.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return healthyTarget(ln.Addr().String()), func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(all)
	}
}

// rawH2Backend is a target that our own server plays, for what a well-behaved one does not do.
func rawH2Backend(t testing.TB, handle func(s *h2.Stream)) Target {
	return backend(t, func(_ int, conn net.Conn, _ *bufio.Reader) { h2.Server(conn, h2.Config{Handler: handle}).Run() })
}

// speaking makes the stack's target group one of a protocol version.
func (s *stack) speaking(version string) *stack {
	s.snapshot.TargetGroups[0].ProtocolVersion = version
	return s
}

func TestH2Back_RequestOfTheTarget(t *testing.T) {
	target, _ := h2Backend(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", fmt.Sprintf("%s %s %s %s %v %v", r.Proto, r.Method, r.Host, r.URL, r.Header["X-Forwarded-Proto"], r.Header["Te"]))
		fmt.Fprint(w, strings.Join(sortedNames(r.Header), " "))
	})
	s := h2Stack(t, target).speaking("HTTP2").run()
	a := s.dialH2().get("GET /a?b", "accept", "x", "te", "trailers")
	if a.status != 200 || a.get("x-got") != "HTTP/2.0 GET example.com /a?b [https] []" ||
		a.body != "Accept X-Amzn-Trace-Id X-Forwarded-For X-Forwarded-Port X-Forwarded-Proto" {
		t.Errorf("%+v", a)
	}
	o := s.record.one(t)
	if o.Status != 200 || o.TargetStatus != 200 || o.Connection.Nth != 1 || o.RequestTime < 0 || o.TargetTime < 0 || o.ResponseTime < 0 {
		t.Errorf("%+v", o)
	}
}

func sortedNames(h http.Header) (names []string) {
	for _, name := range []string{"Accept", "Connection", "Host", "Te", "Transfer-Encoding", "X-Amzn-Trace-Id", "X-Forwarded-For",
		"X-Forwarded-Port", "X-Forwarded-Proto"} {
		if _, ok := h[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

func TestH2Back_BodiesAndTrailers(t *testing.T) {
	target, _ := h2Backend(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		n, err := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", fmt.Sprint(n, " ", r.Trailer.Get("X-Asked"), " ", err))
	})
	s := h2Stack(t, target).speaking("HTTP2").run()
	c := s.dialH2()
	var work sync.WaitGroup
	c.get("GET /")
	for i := range 20 {
		work.Go(func() {
			body := strings.Repeat("0123456789abcdef", 1+i*2000)
			stream := c.open(h2Head("POST /", "trailer", "x-asked"), false)
			a := c.answer(stream, func() {
				stream.Send([]byte(body), false)
				stream.WriteTrailers([]h2.Field{{Name: "x-asked", Value: "yes"}})
			})
			if a.err != nil || a.body != body || fieldOf(a.trailers, "x-sum") == "" {
				t.Errorf("status %d, %d bytes of %d, trailers %v, %v", a.status, len(a.body), len(body), a.trailers, a.err)
			}
		})
	}
	work.Wait()
}

// Requests share a connection as far as the target lets them, and get another one above that.
func TestH2Back_SharesConnections(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	defer free()
	target, conns := h2Backend(t, &http2.Server{MaxConcurrentStreams: 4}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
	})
	s := h2Stack(t, target).speaking("HTTP2").run()
	c := s.dialH2()
	for range 10 {
		if a := c.get("GET /"); a.status != 200 {
			t.Fatalf("%+v", a)
		}
	}
	if n := conns(); n != 1 {
		t.Errorf("%d connections for requests one after the other", n)
	}
	var streams []*h2.Stream
	for i := range 10 {
		streams = append(streams, c.open(h2Head("GET /wait"), true))
		streams[i].Flush()
		for s.InFlight(s.snapshot.TargetGroups[0].Targets[0].Registration) != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	for conns() < 3 {
		time.Sleep(time.Millisecond)
	}
	free()
	for _, stream := range streams {
		if a := c.answer(stream); a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
	reused := func(o timeline.Outcome) bool { return o.Connection.Reused && o.Connection.Nth == 10 }
	if !slices.ContainsFunc(s.record.wait(t, 20), reused) {
		t.Error("no outcome tells of a connection's tenth request")
	}
}

// Requests that come together before there is a connection wait for one and the same.
func TestH2Back_OneDialForMany(t *testing.T) {
	target, conns := h2Backend(t, &http2.Server{}, func(http.ResponseWriter, *http.Request) {})
	s := h2Stack(t, target).speaking("HTTP2").run()
	var work sync.WaitGroup
	c := s.dialH2()
	for range 20 {
		stream := c.open(h2Head("GET /"), true)
		work.Go(func() {
			if a := c.answer(stream); a.status != 200 {
				t.Errorf("%+v", a)
			}
		})
	}
	work.Wait()
	if n := conns(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestH2Back_TLS(t *testing.T) {
	cert := testCertificate("backend", ecdsaKey, "b.test")
	pair := must(tls.X509KeyPair([]byte(cert.Chain), []byte(cert.Key)))
	for name, test := range map[string]struct {
		config *tls.Config
		status int
		cause  timeline.Cause
	}{
		"h2":      {&tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}, 200, ""},
		"no ALPN": {&tls.Config{Certificates: []tls.Certificate{pair}}, 502, timeline.TargetTLSError},
		"no TLS":  {nil, 502, timeline.TargetTLSError},
	} {
		t.Run(name, func(t *testing.T) {
			ln := listenLoopback(t)
			if test.config != nil {
				ln = tls.NewListener(ln, test.config)
			}
			target, _ := h2BackendOn(t, ln, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-tls", fmt.Sprint(r.TLS != nil))
			})
			s := h2Stack(t, target).speaking("HTTP2")
			s.snapshot.TargetGroups[0].Protocol = "HTTPS"
			if a := s.run().dialH2().get("GET /"); a.status != test.status || test.status == 200 && a.get("x-tls") != "true" {
				t.Errorf("%+v", a)
			}
			if o := s.record.one(t); o.Cause != test.cause {
				t.Errorf("%+v", o)
			}
		})
	}
}

// What a target can do wrong. Never a second attempt.
func TestH2Back_Failures(t *testing.T) {
	for name, test := range map[string]struct {
		handle func(s *h2.Stream)
		status int
		cause  timeline.Cause
	}{
		"reset":           {func(s *h2.Stream) { s.Reset(h2.InternalError) }, 502, timeline.TargetClosedInflight},
		"refused stream":  {func(s *h2.Stream) { s.Reset(h2.RefusedStream) }, 502, timeline.TargetClosedInflight},
		"malformed":       {func(s *h2.Stream) { s.WriteHead(200, []h2.Field{{Name: "connection", Value: "x"}}, true) }, 502, timeline.BadResponse},
		"head above 32K":  {func(s *h2.Stream) { s.WriteHead(200, largeFields(40), true) }, 502, timeline.ResponseHeaderTooLarge},
		"silence":         {func(s *h2.Stream) { s.AwaitEnd() }, 504, timeline.ResponseTimeout},
		"length, no body": {func(s *h2.Stream) { s.WriteHead(200, length(5), false); s.Flush(); s.AwaitEnd() }, 504, timeline.ContentLengthShort},
		"cut": {func(s *h2.Stream) { s.WriteHead(200, nil, false); s.Send([]byte("he"), false); s.Reset(h2.Cancel) }, 200,
			timeline.TruncatedResponse},
		"own 500": {func(s *h2.Stream) { s.WriteHead(500, nil, true) }, 500, timeline.TargetMade},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			asked := 0
			s := h2Stack(t, rawH2Backend(t, func(s *h2.Stream) {
				mu.Lock()
				asked++
				mu.Unlock()
				test.handle(s)
			})).speaking("HTTP2")
			s.attributes().IdleTimeout = 500 * time.Millisecond
			a := s.run().dialH2().get("GET /")
			if a.status != test.status || (test.cause == timeline.TruncatedResponse) != (a.err != nil) {
				t.Errorf("%+v", a)
			}
			o := s.record.one(t)
			if o.Cause != test.cause || o.Status != test.status {
				t.Errorf("%+v", o)
			}
			mu.Lock()
			defer mu.Unlock()
			if asked != 1 {
				t.Errorf("the target was asked %d times", asked)
			}
		})
	}
}

func length(n int) []h2.Field {
	return []h2.Field{{Name: "content-length", Value: fmt.Sprint(n)}}
}

func largeFields(n int) (list []h2.Field) {
	for i := range n {
		list = append(list, h2.Field{Name: fmt.Sprint("x-", i), Value: strings.Repeat("y", 1000)})
	}
	return list
}

// A target that speaks HTTP/1.1 where HTTP/2 was agreed on.
func TestH2Back_TargetSpeaksHTTP1(t *testing.T) {
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		io.ReadFull(r, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		io.Copy(io.Discard, r)
	})).speaking("HTTP2").run()
	if a := s.dialH2().get("GET /"); a.status != 502 {
		t.Errorf("%+v", a)
	}
	if o := s.record.one(t); o.Cause != timeline.BadResponse {
		t.Errorf("%+v", o)
	}
}

// Deregistration cuts what is in flight at the end of the delay, and nothing before it.
func TestH2Back_DeregistrationCuts(t *testing.T) {
	asked := make(chan struct{})
	s := h2Stack(t, rawH2Backend(t, func(s *h2.Stream) { close(asked); s.AwaitEnd() })).speaking("HTTP2").run()
	c := s.dialH2()
	stream := c.open(h2Head("GET /"), true)
	stream.Flush()
	<-asked
	s.apply(func(next *Snapshot) {
		target := &next.TargetGroups[0].Targets[0]
		target.Draining, target.DrainFrom, target.DrainUntil = true, time.Now(), time.Now().Add(300*time.Millisecond)
	})
	if a := c.get("GET /"); a.status != 503 {
		t.Errorf("a new request: %+v", a)
	}
	if a := c.answer(stream); a.status != 502 {
		t.Errorf("in flight: %+v", a)
	}
	for _, o := range s.record.wait(t, 2) {
		if o.Status == 502 && o.Cause != timeline.DeregDelayElapsed {
			t.Errorf("%+v", o)
		}
	}
}

// A client that leaves ends its stream to the target, and nothing else.
func TestH2Back_ClientGone(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan error, 1)
	s := h2Stack(t, rawH2Backend(t, func(s *h2.Stream) {
		if s.Path == "/" {
			s.WriteHead(200, nil, true)
			return
		}
		close(asked)
		s.AwaitEnd()
		ended <- s.Err()
	})).speaking("HTTP2").run()
	c := s.dialH2()
	stream := c.open(h2Head("GET /slow"), true)
	stream.Flush()
	<-asked
	stream.Close()
	if err := <-ended; err == nil {
		t.Error("the target's stream was not reset")
	}
	if o := s.record.one(t); o.Status != 460 {
		t.Errorf("%+v", o)
	}
	if a := c.get("GET /"); a.status != 200 {
		t.Errorf("%+v", a)
	}
	if o := s.record.wait(t, 2)[1]; !o.Connection.Reused {
		t.Errorf("another connection: %+v", o.Connection)
	}
}

// After a 504 it is known when the target answered after all.
func TestH2Back_Epilogue(t *testing.T) {
	late := make(chan struct{})
	s := h2Stack(t, rawH2Backend(t, func(s *h2.Stream) {
		<-late
		s.WriteHead(201, nil, false)
		s.Send([]byte("hello"), true)
	})).speaking("HTTP2")
	s.attributes().IdleTimeout = 200 * time.Millisecond
	epilogues := newFollowed(s)
	if a := s.run().dialH2().get("GET /"); a.status != 504 {
		t.Errorf("%+v", a)
	}
	o := s.record.one(t)
	close(late)
	if e := <-epilogues; e.ID != o.ID || e.Status != 201 || e.Bytes != 5 || e.Detail != "complete" || e.After < 200*time.Millisecond {
		t.Errorf("%+v", e)
	}
}

// Which request can go to which group (ALB-085).
func TestH2Back_ProtocolMatrix(t *testing.T) {
	http1 := backend(t, always(hello))
	http2Target, _ := h2Backend(t, &http2.Server{}, func(http.ResponseWriter, *http.Request) {})
	for _, test := range []struct {
		version string
		status  [4]int // HTTP/1.1, HTTP/2 GET, HTTP/2 POST, gRPC
	}{
		{"HTTP1", [4]int{200, 200, 200, 464}},
		{"HTTP2", [4]int{464, 200, 200, 200}},
		{"GRPC", [4]int{464, 464, 200, 200}},
	} {
		t.Run(test.version, func(t *testing.T) {
			target := http2Target
			if test.version == "HTTP1" {
				target = http1
			}
			s := h2Stack(t, target).speaking(test.version).run()
			c := s.dialH2()
			got := [4]int{s.dialTLS(&tls.Config{}).send(get).status(), c.get("GET /").status, c.post("").status,
				c.post("", "content-type", "application/grpc").status}
			if got != test.status {
				t.Errorf("got %v, want %v", got, test.status)
			}
			if a := c.get("GET /"); a.status == 464 && a.body != "" {
				t.Errorf("464 with a body: %+v", a)
			}
		})
	}
}

// The node ends with idle connections to HTTP/2 targets open.
func TestH2Back_RunEndsAtOnce(t *testing.T) {
	target, _ := h2Backend(t, &http2.Server{}, func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("x"), 100)) })
	s := h2Stack(t, target).speaking("HTTP2").run()
	s.config.Grace = time.Hour
	if a := s.dialH2().get("GET /"); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	s.stop()
}
