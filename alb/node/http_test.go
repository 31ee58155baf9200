package node

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"drydock/timeline"
)

// capture is a target that keeps the heads and bodies it gets.
func capture(t testing.TB) (Target, chan [2]string) {
	got := make(chan [2]string, 100)
	return backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, body, err := readRequest(r)
			if err != nil {
				return
			}
			got <- [2]string{head, body}
			io.WriteString(conn, hello)
		}
	}), got
}

var (
	dates   = regexp.MustCompile(`Date: [^\r]+`)
	roots   = regexp.MustCompile(`1-[0-9a-f]{8}-[0-9a-f]{24}`)
	clients = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

func mask(s string) string {
	s = dates.ReplaceAllString(s, "Date: D")
	return clients.ReplaceAllString(roots.ReplaceAllString(s, "ROOT"), "CLIENT")
}

func TestPages_AreByteExact(t *testing.T) {
	now := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ status, body, keep, close int }{
		{301, 134, 0, 0}, {302, 110, 0, 0}, {400, 122, 277, 272}, {401, 144, 0, 0}, {403, 118, 271, 266},
		{405, 122, 277, 272}, {408, 132, 292, 287}, {413, 148, 316, 311}, {414, 142, 307, 302}, {500, 142, 307, 302},
		{501, 130, 289, 284}, {502, 122, 277, 272}, {503, 162, 337, 332}, {504, 132, 292, 287}, {505, 152, 322, 317}, {507, 140, 304, 299},
	} {
		a := errorPage(c.status, false)
		if len(a.body) != c.body {
			t.Errorf("%d: body of %d bytes, want %d", c.status, len(a.body), c.body)
		}
		keep, closed := appendAnswer(nil, a, now, true, false), appendAnswer(nil, a, now, false, false)
		if c.keep != 0 && (len(keep) != c.keep || len(closed) != c.close) {
			t.Errorf("%d: %d/%d bytes, want %d/%d", c.status, len(keep), len(closed), c.keep, c.close)
		}
	}
	if n := len(appendAnswer(nil, errorPage(502, true), now, true, false)); n != 679 {
		t.Errorf("padded 502: %d bytes, want 679", n)
	}
	if n := len(appendAnswer(nil, errorPage(502, false), now, true, true)); n != 155 {
		t.Errorf("502 for HEAD: %d bytes, want 155", n)
	}
}

func TestPages_OnTheWire(t *testing.T) {
	const chrome = "User-Agent: Mozilla/5.0 Chrome/120.0 Safari/537.36\r\n"
	page := "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"
	head := "HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: awselb/2.0\r\nDate: D\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n"
	for name, c := range map[string]struct{ send, want string }{
		"close":  {"GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n", fmt.Sprintf(head, 162, "close") + page},
		"1.0":    {"GET / HTTP/1.0\r\n\r\n", fmt.Sprintf(head, 162, "close") + page},
		"chrome": {"GET / HTTP/1.1\r\nHost: a.b\r\n" + chrome + "Connection: close\r\n\r\n", fmt.Sprintf(head, 564, "close") + page + padding},
		"HEAD":   {"HEAD / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n", fmt.Sprintf(head, 162, "close")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t).run()
			if got := mask(s.dial().send(c.send).rest()); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestKeepAlive_ErrorsKeepTheConnection(t *testing.T) {
	s := newStack(t).run()
	c := s.dial()
	for range 3 {
		res, _ := c.send("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 4\r\n\r\nbody").response("POST")
		if res.StatusCode != 503 || res.Header.Get("Connection") != "keep-alive" {
			t.Fatal(res)
		}
	}
}

func TestRequest_Refusals(t *testing.T) {
	long := strings.Repeat("x", 17<<10)
	for name, c := range map[string]struct {
		send   string
		status int
		cause  timeline.Cause
	}{
		"no host":                  {"GET / HTTP/1.1\r\n\r\n", 400, timeline.MalformedRequest},
		"bad host":                 {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, timeline.MalformedRequest},
		"h2 preface":               {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, timeline.DesyncSevere},
		"no URI":                   {"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400, timeline.MalformedRequest},
		"asterisk":                 {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, timeline.MalformedRequest},
		"CR in URI":                {"GET /\r1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, timeline.DesyncSevere},
		"two versions":             {"GET / HTTP/1.1 HTTP/3\r\nHost: a\r\n\r\n", 400, timeline.DesyncSevere},
		"chunked, chunked":         {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, timeline.DesyncSevere},
		"bad method":               {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, timeline.DesyncSevere},
		"NUL":                      {"GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n", 400, timeline.DesyncSevere},
		"bare CR":                  {"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400, timeline.DesyncSevere},
		"different lengths":        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, timeline.DesyncSevere},
		"length list":              {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400, timeline.DesyncSevere},
		"signed length":            {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400, timeline.DesyncSevere},
		"huge length":              {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 400, timeline.DesyncSevere},
		"chunked twice":            {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, timeline.DesyncSevere},
		"bare LF in chunk size":    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 400, timeline.MalformedRequest},
		"chunk size overflow":      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400, timeline.MalformedRequest},
		"other encoding":           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, timeline.BadTransferEncoding},
		"encoding list":            {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, timeline.BadTransferEncoding},
		"TRACE":                    {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, timeline.MethodTrace},
		"CONNECT":                  {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, timeline.MethodTrace},
		"long line":                {"GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, timeline.URITooLong},
		"long field":               {"GET / HTTP/1.1\r\nHost: a\r\nA: " + long + "\r\n\r\n", 400, timeline.HeaderTooLarge},
		"long head":                {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: "+long[:8000]+"\r\n", 9) + "\r\n", 400, timeline.HeaderTooLarge},
		"31 forwarded addresses":   {"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + strings.Repeat("1.2.3.4, ", 30) + "5.6.7.8\r\n\r\n", 463, timeline.XFFTooMany},
		"chunk data without CR LF": {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", 400, timeline.MalformedRequest},
	} {
		t.Run(name, func(t *testing.T) {
			target, got := capture(t)
			s := newStack(t, target).run()
			if status := s.dial().send(c.send).status(); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			checkRow(t, s.record.one(t), row{c.status, 0, "---", c.cause})
			if len(got) > 0 {
				t.Errorf("reached the target: %q", <-got)
			}
		})
	}
}

// What is ambiguous is passed on in one clear form, and both connections end.
func TestRequest_AmbiguousIsMadePlainAndClosesBoth(t *testing.T) {
	for name, c := range map[string]struct{ send, head, body string }{
		"length and chunks": {"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
			"Transfer-Encoding: chunked\r\n", "hello"},
		"same length twice": {"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "Content-Length: 2\r\n", "hi"},
		"length on GET":     {"GET / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2\r\n\r\nhi", "Content-Length: 2\r\n", "hi"},
		"look-alike":        {"GET / HTTP/1.1\r\nHost: a.b\r\nContent_Length: 2\r\n\r\n", "Content_Length: 2\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			target, got := capture(t)
			s := newStack(t, target).run()
			text := s.dial().send(c.send).rest()
			if !strings.HasPrefix(text, "HTTP/1.1 200 ") || !strings.Contains(text, "Connection: close") {
				t.Errorf("%q", text)
			}
			want := "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nHost: a.b\r\nX-Amzn-Trace-Id: Root=ROOT\r\n" + c.head + "\r\n"
			g := <-got
			if _, fields, _ := strings.Cut(mask(g[0]), "\r\n"); fields != want || g[1] != c.body {
				t.Errorf("got  %q %q\nwant %q", fields, g[1], want)
			}
			s.dial().send(get).status()
			if o := s.record.wait(t, 2)[1]; o.Connection.Reused {
				t.Error("the connection to the target was kept")
			}
		})
	}
}

func TestRewrite_HeaderOfTheTarget(t *testing.T) {
	target, got := capture(t)
	s := newStack(t, target).run()
	s.dial().send("GET /a%2Fb//c?x=1 HTTP/1.1\r\nuser-agent: curl\r\nHOST: ExAmple.com:80\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: keep-alive, foo\r\nKeep-Alive: x\r\n" +
		"Te: trailers\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nmy_header:  v \r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678;a=b\r\nAccept: */*\r\n\r\n").status()
	want := "GET /a%2Fb//c?x=1 HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nHost: example.com\r\n" +
		"X-Amzn-Trace-Id: Self=ROOT;Root=ROOT;a=b\r\nuser-agent: curl\r\nmy_header: v\r\nAccept: */*\r\n\r\n"
	if g := mask((<-got)[0]); g != want {
		t.Errorf("got  %q\nwant %q", g, want)
	}
	o := s.record.one(t)
	if o.Host != "example.com:80" || o.URI != "/a%2Fb//c?x=1" || o.UserAgent != "curl" || o.Method != "GET" || o.Proto != "HTTP/1.1" {
		t.Errorf("%+v", o)
	}
}

func TestRewrite_Attributes(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*LoadBalancerAttributes, *Listener)
		send string
		want string // fields before the trace id, and after
	}{
		"preserve host": {func(a *LoadBalancerAttributes, _ *Listener) { a.PreserveHostHeader = true }, "GET / HTTP/1.1\r\nHost: A.b:80\r\n\r\n", "XFF: 127.0.0.1 Host: A.b:80"},
		"other port":    {func(_ *LoadBalancerAttributes, l *Listener) { l.Port = 8080 }, "GET / HTTP/1.1\r\nHost: A.b\r\n\r\n", "XFF: 127.0.0.1 Host: a.b:8080"},
		"given port":    {func(_ *LoadBalancerAttributes, l *Listener) { l.Port = 8080 }, "GET / HTTP/1.1\r\nHost: a.b:81\r\n\r\n", "XFF: 127.0.0.1 Host: a.b:81"},
		"1.0":           {func(*LoadBalancerAttributes, *Listener) {}, "GET / HTTP/1.0\r\n\r\n", "XFF: 127.0.0.1 Host: web-424835706.us-east-1.elb.localhost"},
		"absolute":      {func(*LoadBalancerAttributes, *Listener) {}, "GET http://c.d/x HTTP/1.1\r\nHost: a.b\r\n\r\n", "XFF: 127.0.0.1 Host: c.d"},
		"xff preserve":  {func(a *LoadBalancerAttributes, _ *Listener) { a.XFFHeaderProcessing = "preserve" }, "GET / HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n", "XFF: 9.9.9.9 Host: a.b"},
		"xff absent":    {func(a *LoadBalancerAttributes, _ *Listener) { a.XFFHeaderProcessing = "preserve" }, "GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", "XFF:  Host: a.b"},
		"xff remove":    {func(a *LoadBalancerAttributes, _ *Listener) { a.XFFHeaderProcessing = "remove" }, "GET / HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n", "XFF:  Host: a.b"},
		"xff port":      {func(a *LoadBalancerAttributes, _ *Listener) { a.XFFClientPort = true }, "GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", "XFF: CLIENT Host: a.b"},
	} {
		t.Run(name, func(t *testing.T) {
			target, got := capture(t)
			s := newStack(t, target)
			c.set(s.attributes(), &s.snapshot.LoadBalancers[0].Listeners[0])
			s.run()
			s.dial().send(c.send).status()
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader((<-got)[0])))
			if err != nil {
				t.Fatal(err)
			}
			if g := mask("XFF: " + r.Header.Get("X-Forwarded-For") + " Host: " + r.Host); g != c.want {
				t.Errorf("got %q, want %q", g, c.want)
			}
		})
	}
}

func TestRewrite_DropInvalidHeaderFields(t *testing.T) {
	target, got := capture(t)
	s := newStack(t, target)
	s.attributes().DropInvalidHeaderFields = true
	s.run()
	s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nmy_header: v\r\nfine: v\r\n\r\n").status()
	if g := (<-got)[0]; strings.Contains(g, "my_header") || !strings.Contains(g, "fine: v") {
		t.Errorf("%q", g)
	}
}

func TestRedirect(t *testing.T) {
	keep := Redirect{Protocol: "#{protocol}", Host: "#{host}", Port: "#{port}", Path: "/#{path}", Query: "#{query}", StatusCode: 301}
	with := func(change func(*Redirect)) *Redirect { r := keep; change(&r); return &r }
	for _, c := range []struct {
		redirect *Redirect
		uri      string
		want     string
	}{
		{with(func(r *Redirect) { r.Protocol, r.Port = "HTTPS", "443" }), "/a/b?c=d", "https://example.com:443/a/b?c=d"},
		{with(func(r *Redirect) { r.Protocol, r.Port = "HTTPS", "443" }), "/", "https://example.com:443/"},
		{with(func(r *Redirect) { r.Port, r.StatusCode = "443", 302 }), "/", "http://example.com:443/"},
		{with(func(r *Redirect) { r.Host, r.Path, r.Query = "new.#{host}", "/x/#{path}", "y=1&#{query}" }), "/p?z=2", "http://new.example.com:80/x/p?y=1&z=2"},
	} {
		s := newStack(t)
		(*s.rules())[0].Action = Action{Redirect: c.redirect}
		s.run()
		text := mask(s.dial().send("GET " + c.uri + " HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n").rest())
		line, length := "301 Moved Permanently", 134
		if c.redirect.StatusCode == 302 {
			line, length = "302 Moved Temporarily", 110
		}
		head := fmt.Sprintf("HTTP/1.1 %s\r\nServer: awselb/2.0\r\nDate: D\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\nLocation: %s\r\n\r\n", line, length, c.want)
		if got := text[:len(text)-length]; got != head {
			t.Errorf("got  %q\nwant %q", got, head)
		}
		checkRow(t, s.record.one(t), row{c.redirect.StatusCode, 0, "---", ""})
		s.stop()
	}
}

func TestRedirect_LongLocationIs507(t *testing.T) {
	s := newStack(t)
	(*s.rules())[0].Action = Action{Redirect: &Redirect{Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}", Query: "#{query}", StatusCode: 301}}
	s.run()
	if got := s.dial().send("GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a.b\r\n\r\n").status(); got != 507 {
		t.Error(got)
	}
}

func TestFixedResponse(t *testing.T) {
	s := newStack(t)
	(*s.rules())[0].Action = Action{FixedResponse: &FixedResponse{StatusCode: 404, ContentType: "application/json", MessageBody: "{}"}}
	s.run()
	want := "HTTP/1.1 404 Not Found\r\nServer: awselb/2.0\r\nDate: D\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
	if got := mask(s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").rest()); got != want {
		t.Errorf("%q", got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{404, 0, "---", ""})
	if o.Action != "fixed-response" || o.TargetGroup != "" || o.RulePriority != "default" {
		t.Errorf("%+v", o)
	}
}

func TestPipelining_AnswersInOrder(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, body, err := readRequest(r)
			if err != nil {
				return
			}
			text := strings.Fields(head)[1] + body
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})).run()
	c := s.dial()
	var all strings.Builder
	for i := range 20 {
		fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a.b\r\nContent-Length: 4\r\n\r\nbody\r\n", i)
	}
	c.send(all.String())
	for i := range 20 {
		if _, body := c.response("POST"); body != fmt.Sprintf("/%dbody", i) {
			t.Fatalf("%d: %q", i, body)
		}
	}
}

func TestResponse_Framings(t *testing.T) {
	for name, c := range map[string]struct{ request, response, want string }{
		"no content":       {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", "HTTP/1.1 204 No Content\r\nA: b\r\nConnection: close\r\n\r\n"},
		"HEAD":             {"HEAD / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"},
		"not modified":     {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"},
		"chunks":           {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		"chunks to 1.0":    {"GET / HTTP/1.0\r\nHost: a.b\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"},
		"1xx":              {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + hello, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"},
		"hop by hop":       {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nx-Odd_Case: 1\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nx-Odd_Case: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		"no reason phrase": {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		"bare LF":          {"GET / HTTP/1.1\r\nHost: a.b\r\n", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, always(c.response))).run()
			if got := s.dial().send(c.request + "Connection: close\r\n\r\n").rest(); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if o := s.record.one(t); o.Cause != "" || o.SentBytes != int64(len(c.want)) {
				t.Errorf("%+v", o)
			}
		})
	}
}

// The response begins where the final one does: an interim one before it is not told to anybody.
func TestResponse_BeginsWithTheFinalHead(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\n")
		time.Sleep(pause)
		io.WriteString(conn, hello)
	})).run()
	if got := s.dial().send(get).status(); got != 200 {
		t.Error(got)
	}
	if o := s.record.one(t); o.TargetTime < pause {
		t.Errorf("the target took %v, want %v at least", o.TargetTime, pause)
	}
}

func TestResponse_UntilCloseBecomesChunks(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nfirst ")
		time.Sleep(10 * time.Millisecond)
		io.WriteString(conn, "second")
	})).run()
	c := s.dial()
	for range 2 {
		if res, body := c.send(get).response("GET"); body != "first second" || len(res.TransferEncoding) == 0 {
			t.Error(res, body)
		}
	}
}

func TestExpect_IsAnsweredByTheBalancer(t *testing.T) {
	target, got := capture(t)
	s := newStack(t, target).run()
	c := s.dial().send("POST / HTTP/1.1\r\nHost: a.b\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if line, _ := c.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line)
	}
	c.r.ReadString('\n')
	if got := c.send("body").status(); got != 200 {
		t.Error(got)
	}
	if g := <-got; strings.Contains(g[0], "Expect") || g[1] != "body" {
		t.Errorf("%q", g)
	}
}

// What a node that is being replaced or stopped answers last says so, also to a request that came before.
func TestKeepAlive_EndsWhileTheNodeEnds(t *testing.T) {
	for name, end := range map[string]func(*stack){
		"retired": func(s *stack) { s.Retire() },
		"stopped": func(s *stack) { go s.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			asked, answer := make(chan struct{}), make(chan struct{})
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				close(asked)
				<-answer
				io.WriteString(conn, hello)
			}))
			s.config.Grace = time.Minute
			c := s.run().dial().send(get)
			<-asked
			end(s)
			for name == "stopped" && !s.stopping.Load() || name == "retired" && !s.retiring.Load() {
				time.Sleep(time.Millisecond)
			}
			close(answer)
			if res, _ := c.response("GET"); res.StatusCode != 200 || !res.Close {
				t.Errorf("%d, Connection: %s", res.StatusCode, res.Header.Get("Connection"))
			}
		})
	}
}

func TestClientKeepAlive_MaximumAge(t *testing.T) {
	s := newStack(t, backend(t, always(hello)))
	s.attributes().ClientKeepAlive = 50 * time.Millisecond
	s.run()
	c := s.dial()
	if res, _ := c.send(get).response("GET"); res.Close {
		t.Skip("machine too slow")
	}
	time.Sleep(60 * time.Millisecond)
	if res, _ := c.send(get).response("GET"); !res.Close {
		t.Error("kept after its maximum age")
	}
}

// Bodies of every size and framing arrive as they were sent, also when both sides are slow.
func TestBodies_BothWays(t *testing.T) {
	echo := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			b, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			res := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(b)), Body: io.NopCloser(bytes.NewReader(b))}
			if len(req.TransferEncoding) > 0 {
				res.ContentLength, res.TransferEncoding = -1, []string{"chunked"}
			}
			if res.Write(conn) != nil {
				return
			}
		}
	})
	s := newStack(t, echo).run()
	for _, size := range []int{1, 4000, 70_000, 300_000, 3_000_000} {
		for _, chunked := range []bool{false, true} {
			data := bytes.Repeat([]byte{'a', 'b', '\r', '\n', byte(size)}, size/5+1)[:size]
			c := s.dial()
			req, _ := http.NewRequest("POST", "http://a.b/", bytes.NewReader(data))
			if chunked {
				req.ContentLength = -1
			}
			go req.Write(c)
			res, body := c.response("POST")
			if res.StatusCode != 200 || sha256.Sum256([]byte(body)) != sha256.Sum256(data) {
				t.Errorf("%d bytes, chunked %v: %s, %d bytes", size, chunked, res.Status, len(body))
			}
			c.Close()
		}
	}
	for _, o := range s.record.wait(t, 10) {
		if o.Cause != "" || o.Status != 200 {
			t.Errorf("%+v", o)
		}
	}
}

func TestSplice_SlowReaderLongerThanIdleTimeout(t *testing.T) {
	const size = 8 << 20
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		part := make([]byte, 64<<10)
		for range size / len(part) {
			if _, err := conn.Write(part); err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}))
	s.attributes().IdleTimeout = 150 * time.Millisecond
	s.run()
	if _, body := s.dial().send(get).response("GET"); len(body) != size {
		t.Error(len(body))
	}
}

func TestSlowClient_SendsByteByByte(t *testing.T) {
	target, got := capture(t)
	s := newStack(t, target).run()
	c := s.dial()
	for _, b := range []byte("POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") {
		c.send(string(b))
	}
	if c.status() != 200 {
		t.Error("no 200")
	}
	if g := <-got; g[1] != "abc" {
		t.Errorf("%q", g)
	}
}

func TestListen_NamesTheHolder(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := netip.MustParseAddrPort(ln.Addr().String())
	n := New(Config{Sink: nothing{}})
	snapshot := testSnapshot()
	snapshot.LoadBalancers[0].Listeners[0].Addresses = []netip.AddrPort{addr}
	err = n.Apply(snapshot)[listenerARN]
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("listen %s: address already in use by ", addr)) ||
		!strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Error(err)
	}
}

// The source address and the mark of the load balancer are on its connections.
func TestDial_FromSourceAddress(t *testing.T) {
	from := make(chan string, 1)
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		from <- conn.RemoteAddr().String()
		always(hello)(0, conn, r)
	}))
	s.snapshot.LoadBalancers[0].Source = netip.MustParseAddr("127.0.0.9")
	if os.Geteuid() == 0 {
		s.snapshot.LoadBalancers[0].Mark = 0x2a
	}
	s.run()
	if got := s.dial().send(get).status(); got != 200 {
		t.Fatal(got, s.record.one(t).Detail)
	}
	if got := <-from; !strings.HasPrefix(got, "127.0.0.9:") {
		t.Error(got)
	}
}

// What goes to a target is kept in a small buffer, then in a large one, then in none.
func TestForward_RequestsOfEverySizeArriveWhole(t *testing.T) {
	target, got := capture(t)
	s := newStack(t, target).run()
	c := s.dial()
	filler := strings.Repeat("0123456789abcdef", targetBuffer/4)
	for _, size := range []int{1, clientBuffer / 2, clientBuffer, targetBuffer, 2 * targetBuffer} {
		for _, near := range []int{-400, -300, -200, -100, -16, -1, 0, 1, 16, 100} {
			for _, inHead := range []int{0, 300, clientBuffer - 200, clientBuffer + 200} {
				body := filler[:max(0, size+near-inHead)]
				head := "POST / HTTP/1.1\r\nHost: a.b\r\nX-Filler: " + filler[:inHead] + "\r\n"
				framed := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
				if near&1 == 0 && body != "" {
					framed = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
				}
				if status := c.send(head + framed).status(); status != 200 {
					t.Fatalf("%d bytes of body behind %d in the head: %d", len(body), inHead, status)
				}
				if g := <-got; !strings.Contains(g[0], "X-Filler: "+filler[:inHead]+"\r\n") || g[1] != body {
					t.Fatalf("%d bytes of body behind %d in the head: the target got %d and a head of %d", len(body), inHead, len(g[1]), len(g[0]))
				}
			}
		}
	}
}
