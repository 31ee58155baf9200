package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/timeline"
)

// goldenPages is the table of pages in the specification: status line, title, bytes of the
// body, and bytes of the whole response on a connection that is kept and on one that is closed
// (0: the table has none).
var goldenPages = []struct {
	status            int
	line, title       string
	body, keep, close int
}{
	{301, "301 Moved Permanently", "301 Moved Permanently", 134, 0, 0},
	{302, "302 Moved Temporarily", "302 Found", 110, 0, 0},
	{400, "400 Bad Request", "400 Bad Request", 122, 277, 272},
	{401, "401 Unauthorized", "401 Authorization Required", 144, 0, 0},
	{403, "403 Forbidden", "403 Forbidden", 118, 271, 266},
	{405, "405 Not Allowed", "405 Not Allowed", 122, 277, 272},
	{408, "408 Request Time-out", "408 Request Time-out", 132, 292, 287},
	{413, "413 Request Entity Too Large", "413 Request Entity Too Large", 148, 316, 311},
	{414, "414 Request-URI Too Large", "414 Request-URI Too Large", 142, 307, 302},
	{500, "500 Internal Server Error", "500 Internal Server Error", 142, 307, 302},
	{501, "501 Not Implemented", "501 Not Implemented", 130, 289, 284},
	{502, "502 Bad Gateway", "502 Bad Gateway", 122, 277, 272},
	{503, "503 Service Temporarily Unavailable", "503 Service Temporarily Unavailable", 162, 337, 332},
	{504, "504 Gateway Time-out", "504 Gateway Time-out", 132, 292, 287},
	{505, "505 HTTP Version Not Supported", "505 HTTP Version Not Supported", 152, 322, 317},
	{507, "507 Insufficient Storage", "507 Insufficient Storage", 140, 304, 299},
}

const goldenPadding = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n"

// golden is a whole response as the specification writes it. A page without a title has no
// body and no Content-Type.
func golden(line, title string, keep, head, padded bool, more string) string {
	body, kind := "", ""
	if title != "" {
		kind = "Content-Type: text/html\r\n"
		body = "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"
	}
	if padded {
		body += strings.Repeat(goldenPadding, 6)
	}
	connection := "close"
	if keep {
		connection = "keep-alive"
	}
	text := fmt.Sprintf("HTTP/1.1 %s\r\nServer: awselb/2.0\r\nDate: Thu, 01 Oct 2026 12:00:00 GMT\r\n%sContent-Length: %d\r\nConnection: %s\r\n%s\r\n", line, kind, len(body), connection, more)
	if head {
		return text
	}
	return text + body
}

func goldenPage(t *testing.T, status int) (line, title string) {
	t.Helper()
	for _, p := range goldenPages {
		if p.status == status {
			return p.line, p.title
		}
	}
	return fmt.Sprintf("%d ", status), "" // 463, 464
}

func TestGolden_EveryPage(t *testing.T) {
	for _, p := range goldenPages {
		if n := 92 + 2*len(p.title); n != p.body {
			t.Errorf("%d: the table says %d bytes of body, its title makes %d", p.status, p.body, n)
		}
		for _, keep := range []bool{true, false} {
			for _, head := range []bool{true, false} {
				for _, chrome := range []bool{true, false} {
					got := string(appendAnswer(nil, errorPage(p.status, chrome), testTime, keep, head))
					if want := golden(p.line, p.title, keep, head, chrome && p.status >= 400, ""); got != want {
						t.Errorf("%d, keep %v, HEAD %v, Chrome %v:\ngot  %q\nwant %q", p.status, keep, head, chrome, got, want)
					}
				}
			}
		}
		if p.keep == 0 {
			continue
		}
		for _, c := range []struct {
			keep, padded bool
			want         int
		}{{true, false, p.keep}, {false, false, p.close}, {true, true, p.keep + 402}, {false, true, p.close + 402}} {
			if got := len(golden(p.line, p.title, c.keep, false, c.padded, "")); got != c.want {
				t.Errorf("%d: %d bytes, the table says %d", p.status, got, c.want)
			}
		}
	}
	line, title := goldenPage(t, 502)
	for want, got := range map[int]string{277: golden(line, title, true, false, false, ""), 272: golden(line, title, false, false, false, ""),
		155: golden(line, title, true, true, false, ""), 679: golden(line, title, true, false, true, ""), 674: golden(line, title, false, false, true, "")} {
		if len(got) != want {
			t.Errorf("502: %d bytes, captured were %d", len(got), want)
		}
	}
}

// Every answer that a request can bring about, as it is on the wire and in the outcome.
func TestGolden_OnTheWire(t *testing.T) {
	rules := func(a Action, transforms ...Transform) func(*stack) {
		return func(s *stack) { (*s.rules())[0] = Rule{Priority: "default", Action: a, Transforms: transforms} }
	}
	to := func(code int, path string) Action {
		return Action{Redirect: &Redirect{StatusCode: code, Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: path, Query: "#{query}"}}
	}
	group := func(change func(*TargetGroup)) func(*stack) {
		return func(s *stack) { change(&s.snapshot.TargetGroups[0]) }
	}
	plain := func(*stack) {}
	refused := group(func(g *TargetGroup) { g.Targets = []Target{refusing(t)} })
	for name, c := range map[string]struct {
		set    func(*stack)
		status int
		keep   bool // the connection is kept, unless the client says otherwise
		line   string
		fields string
		more   string // fields of the answer
		cause  timeline.Cause
	}{
		"301":           {rules(to(301, "/#{path}")), 301, true, "/a/b?c", "", "Location: https://h.example:443/a/b?c\r\n", ""},
		"302":           {rules(to(302, "/x")), 302, true, "/a", "", "Location: https://h.example:443/x\r\n", ""},
		"400 host":      {plain, 400, false, "/", "Host: a b\r\n", "", timeline.MalformedRequest},
		"400 severe":    {plain, 400, false, "/", "A: \x00\r\n", "", timeline.DesyncSevere},
		"400 long":      {plain, 400, false, "/", "A: " + strings.Repeat("x", 17<<10) + "\r\n", "", timeline.HeaderTooLarge},
		"414":           {plain, 414, false, "/" + strings.Repeat("x", 17<<10), "", "", timeline.URITooLong},
		"463":           {plain, 463, true, "/", "X-Forwarded-For: " + strings.Repeat("1.2.3.4,", 30) + "5.6.7.8\r\n", "", timeline.XFFTooMany},
		"464":           {group(func(g *TargetGroup) { g.Targets, g.ProtocolVersion = []Target{healthyTarget("127.0.0.1:9")}, "GRPC" }), 464, true, "/", "", "", timeline.ProtocolMismatch},
		"500":           {func(s *stack) { refused(s); rules(forwardTo(groupARN), Transform{"url-rewrite", "^/", ""})(s) }, 500, true, "/", "", "", timeline.TransformFailed},
		"501":           {plain, 501, false, "/", "Transfer-Encoding: gzip\r\n", "", timeline.BadTransferEncoding},
		"502":           {refused, 502, true, "/", "", "", timeline.ConnRefused},
		"503":           {plain, 503, true, "/", "", "", timeline.NoRegisteredTargets},
		"507":           {rules(to(301, "/#{path}/#{path}")), 507, true, "/" + strings.Repeat("x", 5000), "", "", timeline.LocationTooLong},
		"fixed 503":     {rules(Action{FixedResponse: &FixedResponse{StatusCode: 503}}), -503, true, "/", "", "", ""},
		"fixed 200":     {rules(Action{FixedResponse: &FixedResponse{StatusCode: 200, ContentType: "text/html", MessageBody: "<p>hi"}}), -200, true, "/", "", "", ""},
		"fixed unnamed": {rules(Action{FixedResponse: &FixedResponse{StatusCode: 299, ContentType: "text/css", MessageBody: "a{}"}}), -299, true, "/", "", "", ""},
	} {
		for variant, v := range map[string]struct {
			method, version, fields string
			head, padded, keep      bool
		}{
			"kept":   {"GET", "1.1", "", false, false, true},
			"close":  {"GET", "1.1", "Connection: close\r\n", false, false, false},
			"1.0":    {"GET", "1.0", "", false, false, false},
			"HEAD":   {"HEAD", "1.1", "", true, false, true},
			"Chrome": {"GET", "1.1", "User-Agent: Mozilla/5.0 Chrome/120.0 Safari/537.36\r\n", false, true, true},
			"MSIE":   {"GET", "1.1", "User-Agent: Mozilla/4.0 (compatible; MSIE 7.0)\r\n", false, true, true},
		} {
			t.Run(name+"/"+variant, func(t *testing.T) {
				s := newStack(t)
				c.set(s)
				s.run()
				cl := s.dial()
				host := "Host: h.example\r\n"
				if strings.HasPrefix(c.fields, "Host:") {
					host = ""
				}
				cl.send(v.method + " " + c.line + " HTTP/" + v.version + "\r\n" + host + v.fields + c.fields + "\r\n")
				keep := v.keep && c.keep
				read := name != "414" // a request line that is too long is not looked at
				want := goldenAnswer(t, c.status, keep, v.head && read, v.padded && read, c.more)
				got := make([]byte, len(want))
				if keep {
					if _, err := readFull(cl, got); err != nil {
						t.Fatalf("%v after %q", err, got)
					}
				} else {
					got = []byte(cl.rest())
				}
				if text := dates.ReplaceAllString(string(got), "Date: Thu, 01 Oct 2026 12:00:00 GMT"); text != want {
					t.Errorf("got  %.600q\nwant %.600q", text, want)
				}
				o := s.record.one(t)
				if o.SentBytes != int64(len(want)) || o.Cause != c.cause || o.Status != max(c.status, -c.status) {
					t.Errorf("%d bytes sent, %d in the outcome: %d %s %s", len(want), o.SentBytes, o.Status, o.Cause, o.Detail)
				}
				if (o.RedirectURL != "") != (c.more != "") || c.more != "" && c.more != "Location: "+o.RedirectURL+"\r\n" {
					t.Errorf("redirect URL %q", o.RedirectURL)
				}
			})
		}
	}
}

func readFull(c *client, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = c.r.Read(b[n:])
		n += m
	}
	return n, err
}

// goldenAnswer is a page, or for a negative status what the fixed-response actions above answer.
func goldenAnswer(t *testing.T, status int, keep, head, padded bool, more string) string {
	if status > 0 {
		line, title := goldenPage(t, status)
		return golden(line, title, keep, head, padded && status >= 400 && title != "", more)
	}
	connection := map[bool]string{true: "keep-alive", false: "close"}[keep]
	a := map[int]struct{ line, kind, body string }{
		-200: {"200 OK", "text/html", "<p>hi"},
		-299: {"299 ", "text/css", "a{}"},
		-503: {"503 Service Temporarily Unavailable", "text/plain", ""},
	}[status]
	text := fmt.Sprintf("HTTP/1.1 %s\r\nServer: awselb/2.0\r\nDate: Thu, 01 Oct 2026 12:00:00 GMT\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n",
		a.line, a.kind, len(a.body), connection)
	if head {
		return text
	}
	return text + a.body
}

// 408 and 504 need time to pass.
func TestGolden_Timeouts(t *testing.T) {
	for _, c := range []struct {
		send   string
		target bool
		status int
		keep   bool
	}{
		{"GET / HTTP/1.1\r\nHost: a", false, 408, false},
		{"GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", true, 504, true},
	} {
		s := newStack(t)
		if c.target {
			s.snapshot.TargetGroups[0].Targets = []Target{deaf(t)}
		}
		s.attributes().IdleTimeout, s.timing.connect = 300*time.Millisecond, 50*time.Millisecond
		s.run()
		want := goldenAnswer(t, c.status, c.keep, false, false, "")
		got := dates.ReplaceAllString(s.dial().send(c.send).rest(), "Date: Thu, 01 Oct 2026 12:00:00 GMT")
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if o := s.record.one(t); o.SentBytes != int64(len(want)) {
			t.Error(o.SentBytes)
		}
	}
}
