package node

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/alb/node/h2"
	"drydock/alb/node/h2/spectest"
	"drydock/timeline"
)

// h2Stack is a node with an HTTPS listener.
func h2Stack(t testing.TB, targets ...Target) *stack {
	return newStack(t, targets...).secure(testCertificate("one", ecdsaKey, "a.test"))
}

// dialH2 connects a client that speaks HTTP/2.
func (s *stack) dialH2() *h2Client {
	s.t.Helper()
	c := s.dialTLS(&tls.Config{NextProtos: []string{"h2"}, ServerName: "a.test"})
	if got := c.state().NegotiatedProtocol; got != "h2" {
		s.t.Fatalf("ALPN chose %q", got)
	}
	c.SetDeadline(time.Time{})
	conn := h2.Client(c.Conn, h2.Config{})
	done := make(chan error, 1)
	go func() { done <- conn.Run() }()
	s.t.Cleanup(conn.Close)
	return &h2Client{t: s.t, conn: conn, done: done}
}

type h2Client struct {
	t    testing.TB
	conn *h2.Conn
	done chan error
}

// h2Answer is a whole response.
type h2Answer struct {
	status   int
	fields   []string // "name: value"
	body     string
	trailers []string
	err      error // why it is not whole
}

func (a h2Answer) get(name string) string { return fieldOf(a.fields, name) }

func fieldOf(list []string, name string) string {
	for _, f := range list {
		if n, v, _ := strings.Cut(f, ": "); n == name {
			return v
		}
	}
	return ""
}

// head makes fields of "GET /path", with a host, and of names and values.
func h2Head(line string, more ...string) []h2.Field {
	method, path, _ := strings.Cut(line, " ")
	list := []h2.Field{{Name: ":method", Value: method}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: path}}
	if !slices.Contains(more, ":authority") {
		list = append(list, h2.Field{Name: ":authority", Value: "example.com"})
	}
	for ; len(more) > 0; more = more[2:] {
		list = append(list, h2.Field{Name: more[0], Value: more[1]})
	}
	return list
}

func (c *h2Client) open(fields []h2.Field, end bool) *h2.Stream {
	c.t.Helper()
	s, err := c.conn.Open(fields, end)
	if err != nil {
		c.t.Fatal(err)
	}
	s.SetReadDeadline(time.Now().Add(20 * time.Second))
	s.SetWriteDeadline(time.Now().Add(20 * time.Second))
	return s
}

// get sends a request without a body.
func (c *h2Client) get(line string, more ...string) h2Answer {
	c.t.Helper()
	return c.answer(c.open(h2Head(line, more...), true))
}

// post sends a request with a body.
func (c *h2Client) post(body string, more ...string) h2Answer {
	c.t.Helper()
	s := c.open(h2Head("POST /", more...), false)
	return c.answer(s, func() { s.Send([]byte(body), true) })
}

// answer reads the response while others do something with the stream, and closes it.
func (c *h2Client) answer(s *h2.Stream, meanwhile ...func()) (a h2Answer) {
	var others sync.WaitGroup
	for _, do := range meanwhile {
		others.Go(do)
	}
	defer s.Close()
	defer others.Wait()
	if a.err = s.AwaitHead(); a.err != nil {
		return a
	}
	a.status, a.fields = s.Status, texts(s.Head())
	for {
		p, err := s.Next(true)
		if err == io.EOF {
			a.trailers = texts(s.Trailers())
			return a
		}
		if a.err = err; err != nil {
			return a
		}
		a.body += string(p)
	}
}

func texts(fields []h2.Field) (list []string) {
	for _, f := range fields {
		list = append(list, f.Name+": "+f.Value)
	}
	return list
}

// TestH2Spec_ThroughTheNode runs every case of h2spec against an HTTPS listener with a target that
// speaks HTTP/1.1.
func TestH2Spec_ThroughTheNode(t *testing.T) {
	body := strings.Repeat("hello ", 20)
	s := h2Stack(t, backend(t, always(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))).run()
	spectest.Run(t, netip.MustParseAddrPort(s.addr))
}

// echoHead answers with the head it got, and whether a body came, as its body.
func echoHead(_ int, conn net.Conn, r *bufio.Reader) {
	for {
		head, body, err := readRequest(r)
		if err != nil {
			return
		}
		text := head + "|" + body
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-Mixed-Case: Yes\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}
}

func TestH2_RequestOfTheTarget(t *testing.T) {
	s := h2Stack(t, backend(t, echoHead)).run()
	c := s.dialH2()
	a := c.get("GET /a?b=c", "accept", "x/y", "te", "trailers", "expect", "100-continue", "my_header", "1")
	want := "GET /a?b=c HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nHost: example.com\r\n" +
		"X-Amzn-Trace-Id: Root="
	if a.err != nil || !strings.HasPrefix(a.body, want) || !strings.HasSuffix(a.body, "\r\naccept: x/y\r\nmy_header: 1\r\n\r\n|") {
		t.Errorf("the target got %q, %v", a.body, a.err)
	}
	if got := strings.Join(a.fields, "; "); !strings.HasPrefix(got, "x-mixed-case: Yes; content-length: ") || strings.Contains(got, "connection") {
		t.Errorf("the client got %s", got)
	}
	o := s.record.one(t)
	if o.Type != "h2" || o.Proto != "HTTP/2.0" || o.Scheme != "https" || o.Method != "GET" || o.URI != "/a?b=c" || o.Host != "example.com:443" ||
		o.Status != 200 || o.TargetStatus != 200 || o.ReceivedBytes == 0 || o.SentBytes < int64(len(a.body)) || o.TLS.Protocol == "" || o.EndedBy != "" {
		t.Errorf("%+v", o)
	}
}

func TestH2_CookieCrumbsAreJoined(t *testing.T) {
	s := h2Stack(t, backend(t, echoHead)).run()
	a := s.dialH2().get("GET /", "cookie", "a=1", "x", "y", "cookie", "b=2", "cookie", "c=3")
	if !strings.Contains(a.body, "\r\ncookie: a=1; b=2; c=3\r\nx: y\r\n") {
		t.Errorf("the target got %q", a.body)
	}
}

func TestH2_Bodies(t *testing.T) {
	s := h2Stack(t, backend(t, echoHead)).run()
	c := s.dialH2()
	body := strings.Repeat("0123456789", 30_000)
	for name, test := range map[string]struct {
		more []string
		line string
	}{
		"of unknown length": {nil, "\r\nTransfer-Encoding: chunked\r\n"},
		"of known length":   {[]string{"content-length", "300000"}, "\r\ncontent-length: 300000\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.post(body, test.more...)
			if a.status != 200 || !strings.HasSuffix(a.body, body) || !strings.Contains(a.body, test.line) {
				t.Errorf("status %d, %d bytes, head %.300q, %v", a.status, len(a.body), a.body, a.err)
			}
		})
	}
	if a := c.get("HEAD /"); a.status != 200 || a.body != "" || a.get("content-length") == "" {
		t.Errorf("HEAD: %+v", a)
	}
}

func TestH2_ResponseFramings(t *testing.T) {
	for name, test := range map[string]struct{ response, body string }{
		"chunked":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: dropped\r\n\r\n", "hello"},
		"to close":  {"HTTP/1.0 200 OK\r\n\r\nhello", "hello"},
		"no body":   {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"empty":     {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"after 103": {"HTTP/1.1 103 Early Hints\r\n\r\n" + hello, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				io.WriteString(conn, test.response)
			})).run()
			if a := s.dialH2().get("GET /"); a.err != nil || a.status/100 != 2 || a.body != test.body || len(a.trailers) > 0 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Answers of the balancer's own.
func TestH2_ErrorPages(t *testing.T) {
	s := h2Stack(t).run()
	c := s.dialH2()
	page := errorPage(503, false).body
	a := c.get("GET /")
	names := ""
	for _, f := range a.fields {
		name, _, _ := strings.Cut(f, ":")
		names += name + " "
	}
	if a.status != 503 || a.body != page || names != "server date content-type content-length " || a.get("server") != "awselb/2.0" ||
		a.get("content-type") != "text/html" || a.get("content-length") != fmt.Sprint(len(page)) {
		t.Errorf("%+v", a)
	}
	if a := c.get("GET /", "user-agent", "Mozilla/5.0 Chrome/1"); a.body != errorPage(503, true).body {
		t.Errorf("for Chrome: %+v", a)
	}
	if a := c.get("HEAD /"); a.status != 503 || a.body != "" || a.get("content-length") != fmt.Sprint(len(page)) {
		t.Errorf("HEAD: %+v", a)
	}
	if a := c.get("TRACE /"); a.status != 405 {
		t.Errorf("TRACE: %+v", a)
	}
}

func TestH2_GRPCErrorPages(t *testing.T) {
	s := h2Stack(t).run()
	a := s.dialH2().post("", "content-type", "application/grpc+proto")
	if a.status != 503 || a.get("grpc-status") != "14" || a.get("grpc-message") != "unavailable" {
		t.Errorf("%+v", a)
	}
	if o := s.record.one(t); o.Type != "grpcs" {
		t.Errorf("type %q", o.Type)
	}
}

func TestH2_Refusals(t *testing.T) {
	for name, test := range map[string]struct {
		fields []h2.Field
		status int
		cause  timeline.Cause
	}{
		"field above 16K":     {h2Head("GET /", "x", strings.Repeat("x", 17<<10)), 400, timeline.HeaderTooLarge},
		"head above 64K":      {h2Head("GET /", manyFields(70)...), 400, timeline.HeaderTooLarge},
		"path above 16K":      {h2Head("GET /" + strings.Repeat("x", 17<<10)), 414, timeline.URITooLong},
		"host differs":        {h2Head("GET /", "host", "other.example"), 400, timeline.MalformedRequest},
		"bad host":            {h2Head("GET /", ":authority", "a/b"), 400, timeline.MalformedRequest},
		"no host":             {h2Head("GET /", ":authority", ""), 400, timeline.MalformedRequest},
		"OPTIONS *":           {h2Head("OPTIONS *"), 400, timeline.MalformedRequest},
		"CONNECT":             {[]h2.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "a:1"}}, 405, timeline.MethodTrace},
		"31 forwarded for":    {h2Head("GET /", "x-forwarded-for", strings.Repeat("1.2.3.4, ", 30)+"1.2.3.4"), 463, timeline.XFFTooMany},
		"not token in method": {h2Head("GE(T /"), 400, timeline.DesyncSevere},
	} {
		t.Run(name, func(t *testing.T) {
			s := h2Stack(t, backend(t, always(hello))).run()
			c := s.dialH2()
			if a := c.answer(c.open(test.fields, true)); a.status != test.status {
				t.Errorf("%+v", a)
			}
			if o := s.record.one(t); o.Cause != test.cause || o.Status != test.status || o.Type != "h2" || o.Proto != "HTTP/2.0" {
				t.Errorf("%+v", o)
			}
			if a := c.get("GET /"); a.status != 200 {
				t.Errorf("the next request: %+v", a)
			}
		})
	}
}

func manyFields(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("x-", i), strings.Repeat("y", 1000))
	}
	return list
}

// A response that is cut shows as a reset, and leaves the other streams alone.
func TestH2_TruncatedResponseIsReset(t *testing.T) {
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		head, _, _ := readRequest(r)
		if strings.HasPrefix(head, "GET /cut ") {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			return
		}
		io.WriteString(conn, hello)
	})).run()
	c := s.dialH2()
	a := c.get("GET /cut")
	var reset *h2.StreamError
	if a.status != 200 || a.body != "hello" || !errors.As(a.err, &reset) || !reset.Remote {
		t.Errorf("%+v", a)
	}
	if o := s.record.one(t); o.Cause != timeline.TruncatedResponse || o.EndedBy != "target" {
		t.Errorf("%+v", o)
	}
	if a := c.get("GET /"); a.status != 200 {
		t.Errorf("the next request: %+v", a)
	}
}

// A client that resets its stream has left; its connection goes on.
func TestH2_ResetIs460(t *testing.T) {
	asked, closed := make(chan struct{}), make(chan struct{})
	s := h2Stack(t, backend(t, func(n int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		if n == 0 {
			close(asked)
			io.ReadAll(r)
			close(closed)
			return
		}
		io.WriteString(conn, hello)
	})).run()
	c := s.dialH2()
	stream := c.open(h2Head("GET /"), true)
	stream.Flush()
	<-asked
	stream.Close()
	if o := s.record.one(t); o.Status != 460 || o.Cause != timeline.ClientGone || o.EndedBy != "client" {
		t.Errorf("%+v", o)
	}
	<-closed
	if a := c.get("GET /"); a.status != 200 {
		t.Errorf("the next request: %+v", a)
	}
}

// Streams that are opened and reset at once have an outcome each, and no more of them are with
// a target than may be open.
func TestH2_RapidReset(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		if _, _, err := readRequest(r); err != nil {
			return
		}
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		io.ReadAll(r) // until the node gives it up
		mu.Lock()
		now--
		mu.Unlock()
	}))
	s.timing.watchAfter = time.Millisecond
	c := s.run().dialH2()
	const all = 400
	for range all {
		c.open(h2Head("GET /"), true).Close()
	}
	for _, o := range s.record.wait(t, all) {
		if o.Status != 460 || o.Cause != timeline.ClientGone {
			t.Errorf("%+v", o)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most > 128 {
		t.Errorf("%d requests were with the target at once", most)
	}
}

// A body is whole when its end has been read, not when it has come: what looked just before
// would never send the end on.
func TestH2_BodyIsWholeOnceRead(t *testing.T) {
	here, there := net.Pipe()
	looked, checked := make(chan struct{}), make(chan struct{})
	server := h2.Server(there, h2.Config{Handler: func(s *h2.Stream) {
		defer close(checked)
		f := &h2Front{stream: s}
		if _, err := f.next(false); err != errAgain || f.whole() {
			t.Errorf("before the end: %v, whole: %v", err, f.whole())
		}
		close(looked)
		for !s.Over() {
			time.Sleep(time.Millisecond)
		}
		if f.whole() {
			t.Error("whole before the end was read")
		}
		if _, err := f.next(false); err != io.EOF || !f.whole() {
			t.Errorf("at the end: %v, whole: %v", err, f.whole())
		}
	}})
	client := h2.Client(here, h2.Config{})
	var work sync.WaitGroup
	work.Go(func() { server.Run() })
	work.Go(func() { client.Run() })
	c := &h2Client{t: t, conn: client}
	s := c.open(h2Head("POST /"), false)
	s.Flush()
	<-looked
	s.Send(nil, true)
	<-checked
	s.Close()
	client.Close()
	server.Close()
	work.Wait()
}

// Streams of one connection do not wait for each other.
func TestH2_StreamsAreIndependent(t *testing.T) {
	release := make(chan struct{})
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, _, err := readRequest(r)
			if err != nil {
				return
			}
			if strings.HasPrefix(head, "GET /slow ") {
				<-release
			}
			io.WriteString(conn, hello)
		}
	})).run()
	c := s.dialH2()
	c.get("GET /") // by now the client knows how many streams the node takes
	slow := c.open(h2Head("GET /slow"), true)
	var work sync.WaitGroup
	for range 50 {
		work.Go(func() {
			if a := c.get("GET /"); a.status != 200 || a.body != "hello" {
				t.Errorf("%+v", a)
			}
		})
	}
	work.Wait()
	close(release)
	if a := c.answer(slow); a.status != 200 {
		t.Errorf("the slow one: %+v", a)
	}
	ids := map[string]bool{}
	for _, o := range s.record.wait(t, 52) {
		ids[o.ID] = true
	}
	if len(ids) != 52 {
		t.Errorf("%d different request IDs, want 52", len(ids))
	}
}

func TestH2_Limits(t *testing.T) {
	s := h2Stack(t)
	*s.rules() = []Rule{{Priority: "default", Action: Action{FixedResponse: &FixedResponse{StatusCode: 200}}}}
	c := s.run().dialH2()
	c.get("GET /")
	if got := c.conn.Room(); got != 128 {
		t.Errorf("the node takes %d streams at once, want 128", got)
	}
	n := 1
	for ; c.conn.Usable(); n++ {
		if a := c.get("GET /"); a.status != 200 {
			t.Fatalf("request %d: %+v", n, a)
		}
	}
	if err := <-c.done; err != nil || n != 10_000 {
		t.Errorf("the connection ended after %d requests with %v", n, err)
	}
}

func TestH2_EndsWithGoAway(t *testing.T) {
	t.Run("idle timeout", func(t *testing.T) {
		s := h2Stack(t, backend(t, always(hello)))
		s.attributes().IdleTimeout = 200 * time.Millisecond
		if err := <-s.run().dialH2().done; err != nil {
			t.Error(err)
		}
	})
	t.Run("client_keep_alive", func(t *testing.T) {
		s := h2Stack(t, backend(t, always(hello)))
		s.attributes().ClientKeepAlive = time.Millisecond
		c := s.run().dialH2()
		time.Sleep(2 * time.Millisecond)
		if a := c.get("GET /"); a.status != 200 {
			t.Errorf("%+v", a)
		}
		if err := <-c.done; err != nil {
			t.Error(err)
		}
	})
	t.Run("the node retires", func(t *testing.T) {
		s := h2Stack(t, backend(t, always(hello))).run()
		c := s.dialH2()
		s.Retire()
		if a := c.get("GET /"); a.status != 200 {
			t.Errorf("%+v", a)
		}
		if err := <-c.done; err != nil {
			t.Error(err)
		}
	})
	t.Run("the listener goes", func(t *testing.T) {
		release := make(chan struct{})
		s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
			readRequest(r)
			<-release
			io.WriteString(conn, hello)
		})).run()
		c := s.dialH2()
		stream := c.open(h2Head("GET /"), true)
		stream.Flush()
		for s.InFlight(s.snapshot.TargetGroups[0].Targets[0].Registration) == 0 {
			time.Sleep(time.Millisecond)
		}
		s.apply(func(next *Snapshot) { next.LoadBalancers[0].Listeners = nil })
		for c.conn.Usable() {
			time.Sleep(time.Millisecond)
		}
		close(release)
		if a := c.answer(stream); a.status != 200 || a.body != "hello" {
			t.Errorf("in flight: %+v", a)
		}
		if err := <-c.done; err != nil {
			t.Error(err)
		}
	})
}

// A client that begins a body and stalls gets 408; the connection goes on.
func TestH2_StalledBodyIs408(t *testing.T) {
	s := h2Stack(t, backend(t, always(hello)))
	s.attributes().IdleTimeout = 300 * time.Millisecond
	c := s.run().dialH2()
	stream := c.open(h2Head("POST /"), false)
	stream.Flush()
	if a := c.answer(stream); a.status != 408 {
		t.Errorf("%+v", a)
	}
	if o := s.record.one(t); o.Cause != timeline.ClientIdle {
		t.Errorf("%+v", o)
	}
}
