package node

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testConn is an exchange without a client, for what only formats.
func testConn(port int) *exchange {
	s := testSnapshot()
	s.LoadBalancers[0].Listeners[0].Port = port
	r := compileRoute(1, &s.LoadBalancers[0], s.LoadBalancers[0].Listeners[0], nil, randomSealer())
	return &exchange{node: &Node{}, route: r, peer: &peer{addr: netip.MustParseAddrPort("10.1.2.3:4567"), text: "10.1.2.3:4567"}}
}

// targetText is the head that an HTTP/1.1 target gets.
func targetText(x *exchange, b []byte, q *request) []byte {
	x.req, x.text, x.head.traceID = *q, x.text[:0], []byte("Root=1-0-0")
	x.targetHead()
	return x.head.appendHTTP1(b, q.size() < 0)
}

// What is forwarded is one request, and means to net/http what it meant to us.
func FuzzRequestHead(f *testing.F) {
	for _, s := range []string{get, "POST /a?b#c HTTP/1.1\r\nHost: x:1\r\nContent-Length: 3\r\n\r\n", "GET http://a.b/c HTTP/1.0\r\n\r\n",
		"PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nX-Forwarded-For: 1, 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"} {
		f.Add([]byte(s))
	}
	c := testConn(8080)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b, 0)
		if n == 0 {
			return
		}
		var q request
		if q.parse(b[:n]) != nil {
			return
		}
		out := targetText(c, nil, &q)
		if end := headEnd(out, 0); end != len(out) {
			t.Fatalf("more than one head: %q", out)
		}
		if bytes.Contains(out, []byte("\x00")) || bytes.Count(out, []byte("\r")) != bytes.Count(out, []byte("\r\n")) {
			t.Fatalf("control characters: %q", out)
		}
		checkAgainstStandard(t, &q, out)
	})
}

func checkAgainstStandard(t *testing.T, q *request, out []byte) {
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(out), strings.NewReader("0\r\n\r\n"))))
	if err != nil {
		return // net/http is stricter in places, that is fine
	}
	chunked := len(r.TransferEncoding) > 0
	if chunked != (q.framing == byChunks) || q.framing == byLength && r.ContentLength != q.length || q.framing == noBody && r.ContentLength > 0 {
		t.Fatalf("framing %d %d, net/http sees %v %d: %q", q.framing, q.length, r.TransferEncoding, r.ContentLength, out)
	}
	if r.Method != string(q.method) || r.RequestURI != string(q.target) {
		t.Fatalf("%s %s, want %s %s", r.Method, r.RequestURI, q.method, q.target)
	}
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{hello, "HTTP/1.1 200\r\n\r\n", "HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n", "ICY 200 OK\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b, 0)
		if n == 0 {
			return
		}
		var p response
		if p.parse(b[:n]) != nil || p.status < 200 {
			return
		}
		c := http1Conn{http11: true}
		framed, length := p.framing(false)
		p.measure(framed, length)
		to := c.frame(p.size)
		out := appendResponse(nil, &p, to, true)
		if headEnd(out, 0) != len(out) {
			t.Fatalf("more than one head: %q", out)
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), &http.Request{Method: "GET"})
		if err != nil {
			return
		}
		if chunked := len(r.TransferEncoding) > 0; chunked != (to == byChunks) || to == byLength && r.ContentLength != length {
			t.Fatalf("framing %d %d, net/http sees %v %d: %q", to, length, r.TransferEncoding, r.ContentLength, out)
		}
	})
}

// A chunked body comes out the same however its bytes arrive, and never reads beyond its end.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nrest"), 1)
	f.Add([]byte("a;x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\n\r\n"), 3)
	f.Add([]byte("1\nx\r\n0\r\n\r\n"), 2)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		step = min(max(step, 1), 4096)
		whole, left, errWhole := chunksOf(b, len(b)+1)
		parts, leftParts, errParts := chunksOf(b, step)
		if string(whole) != string(parts) || (errWhole == nil) != (errParts == nil) || errWhole == nil && left != leftParts {
			t.Fatalf("%q %v %d, in parts %q %v %d", whole, errWhole, left, parts, errParts, leftParts)
		}
	})
}

// chunksOf decodes b read in steps. left is how many bytes were not taken.
func chunksOf(b []byte, step int) (data []byte, left int, err error) {
	src := &stepConn{b: b, step: step}
	rd := &reader{conn: src, buf: make([]byte, 64)}
	var body body
	body.start(rd, byChunks, 0)
	for {
		p, err := body.next(true)
		if err == io.EOF {
			return data, rd.len() + len(src.b), nil
		}
		if err != nil {
			return data, 0, err
		}
		data = append(data, p...)
	}
}

type stepConn struct {
	net.Conn
	b    []byte
	step int
}

func (s *stepConn) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.b)
	s.b = s.b[n:]
	return n, nil
}

// Rules see exactly the bytes that go to the target: what matches a literal path or query
// before forwarding matches it in what the target reads.
func TestMatch_SeesTheForwardedBytes(t *testing.T) {
	c := testConn(80)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOfN(rapid.RuneFrom([]rune("aAbB/.%2F?&=#*:;@é")), 0, 12, -1)
		uri := rapid.SampledFrom([]string{"/", "//", "/./", "http://h.example/", "/../"}).Draw(t, "start") + part.Draw(t, "uri")
		host := rapid.SampledFrom([]string{"a.example", "A.EXAMPLE", "a.example:80", "a.example:8080"}).Draw(t, "host")
		pattern := "/" + part.Draw(t, "pattern")
		var q request
		if q.parse([]byte("GET "+uri+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")) != nil {
			return
		}
		var seen request
		if problem := seen.parse(targetText(c, nil, &q)); problem != nil {
			t.Fatalf("the forwarded head is refused: %v", problem)
		}
		if !bytes.Equal(q.path, seen.path) || !bytes.Equal(q.query, seen.query) || !bytes.Equal(q.target, seen.target) {
			t.Fatalf("matched %q %q, forwarded %q", q.path, q.query, seen.target)
		}
		if !bytes.HasPrefix(seen.uri, q.path) {
			t.Fatalf("path %q is not what the request line begins with: %q", q.path, seen.uri)
		}
		for _, m := range []condition{compileCondition(Condition{Field: "path-pattern", Values: []string{pattern, string(q.path)}}),
			compileCondition(Condition{Field: "host-header", Values: []string{"*.example"}})} {
			if m.matches(&q, netip.Addr{}) != m.matches(&seen, netip.Addr{}) {
				t.Fatalf("%s differs for %q", m.field, uri)
			}
		}
	})
}
