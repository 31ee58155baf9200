package node

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
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

// What is forwarded is one request, and means to other parsers what rules saw and what was logged.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{get, "POST /a?b#c HTTP/1.1\r\nHost: x:1\r\nContent-Length: 3\r\n\r\n", "GET http://a.b/c HTTP/1.0\r\n\r\n",
		"PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nX-Forwarded-For: 1, 2\r\n\r\n",
		"OPTIONS http://a.b?x HTTP/1.1\r\nHost: a\r\n\r\n"} {
		f.Add([]byte(s))
	}
	for _, c := range desyncCases {
		f.Add([]byte(c.text()))
	}
	x := testConn(8080)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b, 0)
		if n == 0 {
			return
		}
		var q request
		if q.parse(b[:n]) != nil {
			return
		}
		out := targetText(x, nil, &q)
		if end := headEnd(out, 0); end != len(out) {
			t.Fatalf("more than one head: %q", out)
		}
		if bytes.Contains(out, []byte("\x00")) || bytes.Count(out, []byte("\r")) != bytes.Count(out, []byte("\r\n")) {
			t.Fatalf("control characters: %q", out)
		}
		checkAgainstSelf(t, &q, out)
		checkAgainstStandard(t, &q, out)
	})
}

// checkAgainstSelf reads what was forwarded as another balancer of this kind would.
func checkAgainstSelf(t *testing.T, q *request, out []byte) {
	var seen request
	if problem := seen.parse(out); problem != nil && problem != manyForwarded {
		t.Fatalf("the forwarded head is refused: %v, %q", problem, out)
	}
	if !bytes.Equal(q.path, seen.path) || !bytes.Equal(q.query, seen.query) || !bytes.Equal(q.uri, seen.target) || !bytes.Equal(q.method, seen.method) {
		t.Fatalf("matched %q %q, logged %q, forwarded %q", q.path, q.query, q.uri, seen.target)
	}
	if seen.framing != q.framing || seen.length != q.length && q.framing == byLength || seen.minor != 1 || seen.hosts != 1 {
		t.Fatalf("framing %d %d, forwarded %d %d: %q", q.framing, q.length, seen.framing, seen.length, out)
	}
	left := seen.fields
	for _, f := range q.fields {
		if f.kind != fieldOther {
			continue
		}
		for len(left) > 0 && left[0].kind != fieldOther {
			left = left[1:]
		}
		if len(left) == 0 || !bytes.Equal(left[0].name, f.name) || !bytes.Equal(left[0].value, f.value) {
			t.Fatalf("rules saw %q: %q, forwarded is %q", f.name, f.value, out)
		}
		left = left[1:]
	}
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
	if r.Method != string(q.method) || r.RequestURI != string(q.uri) {
		t.Fatalf("%s %s, want %s %s", r.Method, r.RequestURI, q.method, q.uri)
	}
	path, _, _ := strings.Cut(r.RequestURI, "#")
	path, query, _ := strings.Cut(path, "?")
	if path != string(q.path) || query != string(q.query) {
		t.Fatalf("net/http sees %q %q, rules saw %q %q", path, query, q.path, q.query)
	}
	if host := string(withoutPort([]byte(r.Host))); len(q.host) > 0 && host != string(appendLower(nil, withoutPort(q.host))) {
		t.Fatalf("net/http sees host %q, rules saw %q", host, q.host)
	}
	for _, f := range q.fields {
		if f.kind == fieldOther && isPlain(f.value) && !slices.Contains(r.Header.Values(string(f.name)), string(f.value)) {
			t.Fatalf("rules saw %q: %q, net/http sees %q", f.name, f.value, r.Header)
		}
	}
}

func FuzzResponse(f *testing.F) {
	for _, s := range []string{hello, "HTTP/1.1 200\r\n\r\n", "HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n", "ICY 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nserver: a\r\nX-Frame-Options: b\r\nx-frame-options: c\r\nSERVER: d\r\n\r\n"} {
		f.Add([]byte(s))
	}
	changes := compileEdits(LoadBalancerAttributes{}, ListenerAttributes{NoServer: true, ResponseHeaders: []Header{{"X-Frame-Options", "DENY"}}})
	kept := affinity{group: &group{stickiness: &Stickiness{}}, addr: netip.MustParseAddrPort("10.0.0.7:80")}
	key := randomSealer()
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b, 0)
		if n == 0 {
			return
		}
		var p response
		if p.parse(b[:n]) != nil || p.status < 200 {
			return
		}
		changes.dress(&p)
		kept.stick(&p, nil, key, "", testTime)
		c := http1Conn{turn: &turn{http11: true}}
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
		if own := r.Header.Values("X-Frame-Options"); len(own) != 1 || own[0] != "DENY" || r.Header.Get("Server") != "" {
			t.Fatalf("not what the listener wants: %q", out)
		}
		if cookies := r.Header.Values("Set-Cookie"); len(cookies) < 2 || !strings.HasPrefix(cookies[len(cookies)-1], "AWSALBCORS=") {
			t.Fatalf("no cookies: %q", out)
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
		if err == errPart {
			continue
		}
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

// No cookie is believed but those that this key sealed, and reading them takes no harm.
func FuzzCookie(f *testing.F) {
	key := randomSealer()
	mine := ticket{ticketTarget, idOf(groupARN), netip.MustParseAddrPort("10.0.0.7:80"), testTime}
	for _, s := range []string{"AWSALB=" + sealText(key, mine), "a=b; AWSALB=" + sealText(key, mine) + "; c", "AWSALB=", "AWSALB", "; ;=", "AWSALBCORS=x; AWSALB =y",
		"AWSALB=" + sealText(randomSealer(), mine), "AWSALB=" + strings.Repeat("A", sealedChars)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q := request{fields: []field{{name: []byte("Cookie"), value: b, kind: fieldCookie}}}
		for _, name := range []string{cookieTarget, cookieTargetCORS, cookieGroup, cookieShards[0]} {
			value := q.cookie(name)
			if value == nil {
				continue
			}
			if !bytes.Contains(b, append([]byte(name+"="), value...)) || bytes.IndexByte(value, ';') >= 0 {
				t.Fatalf("%s of %q is %q", name, b, value)
			}
			if got, ok := key.open(value); ok && (got.kind != mine.kind || got.group != mine.group || got.addr != mine.addr || !got.issued.Equal(mine.issued)) {
				t.Fatalf("%q was believed: %+v", value, got)
			}
		}
		key.open(b)
	})
}

// Rules see exactly the bytes that go to the target: what matches a literal path or query
// before forwarding matches it in what the target reads.
func TestMatch_SeesTheForwardedBytes(t *testing.T) {
	c := testConn(80)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOfN(rapid.RuneFrom([]rune("aAbB/.%2F?&=#*:;@é \t\x01")), 0, 12, -1)
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
