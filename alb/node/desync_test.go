package node

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"drydock/timeline"
)

// desyncCase is a request and what becomes of it.
type desyncCase struct {
	name   string
	send   string // head; HOST is a Host field
	class  class
	reason string
	uri    string // that goes to the target; empty: refused
	fields string // that go to the target after the balancer's own, | between
	status int    // of a refusal
}

// desyncCases has every reason of HTTP Desync Guardian, and its line of the table of modes.
var desyncCases = []desyncCase{
	{"plain", "GET /a HTTP/1.1|HOST|A: b", compliant, "", "/a", "A: b", 0},
	{"escaped control", "GET /a%09%00%0D%20 HTTP/1.1|HOST", compliant, "", "/a%09%00%0D%20", "", 0},
	{"tab before a value", "GET / HTTP/1.1|HOST|A:\tb\tc", compliant, "", "/", "A: b\tc", 0},
	{"folded Content-Type", "POST / HTTP/1.1|HOST|Content-Type: multipart/mixed;|\tboundary=\"a:b\"", compliant, "", "/", "Content-Type: multipart/mixed; boundary=\"a:b\"", 0},

	{"control in a value", "GET / HTTP/1.1|HOST|A: b\x01c", acceptable, "NonCompliantHeader", "/", "A: b\x01c", 0},
	{"UTF-8 in a value", "GET / HTTP/1.1|HOST|A: é", acceptable, "NonCompliantHeader", "/", "A: é", 0},
	{"control in a name", "GET / HTTP/1.1|HOST|\x01A: b", acceptable, "NonCompliantHeader", "/", "", 0},
	{"space before colon", "GET / HTTP/1.1|HOST|A : b", acceptable, "NonCompliantHeader", "/", "", 0},
	{"space in URI", "GET /a b?c d HTTP/1.1|HOST", acceptable, "SpaceInUri", "/a%20b?c%20d", "", 0},
	{"two spaces", "GET  /a HTTP/1.1|HOST", acceptable, "SpaceInUri", "/a", "", 0},
	{"version twice", "GET /a HTTP/1.1 HTTP/1.1|HOST", acceptable, "SpaceInUri", "/a%20HTTP/1.1", "", 0},
	{"0.9", "GET /a", acceptable, "NonCompliantVersion", "/a", "", 0},
	{"0.9 by name", "GET /a HTTP/0.9|A: b", acceptable, "NonCompliantVersion", "/a", "A: b", 0},
	{"1.2", "GET /a HTTP/1.2|HOST", acceptable, "NonCompliantVersion", "/a", "", 0},
	{"1.9", "GET /a HTTP/1.9|HOST", acceptable, "NonCompliantVersion", "/a", "", 0},
	{"space after version", "GET /a HTTP/1.1 \t|HOST", acceptable, "NonCompliantVersion", "/a", "", 0},
	{"zero length on GET", "GET / HTTP/1.1|HOST|Content-Length: 0", acceptable, "GetHeadZeroContentLength", "/", "Content-Length: 0", 0},
	{"zero length on HEAD", "HEAD / HTTP/1.1|HOST|Content-Length: 0", acceptable, "GetHeadZeroContentLength", "/", "Content-Length: 0", 0},

	{"no name", "GET / HTTP/1.1|HOST|: b", ambiguous, "EmptyHeader", "/", "", 0},
	{"spaces for a name", "GET / HTTP/1.1|HOST|  \t: b", ambiguous, "EmptyHeader", "/", "", 0},
	{"a line of spaces", "GET / HTTP/1.1|HOST|  \t", ambiguous, "EmptyHeader", "/", "", 0},
	{"tab in URI", "GET /a\tHTTP/1.1 HTTP/1.1|HOST", ambiguous, "AmbiguousUri", "/a%09HTTP/1.1", "", 0},
	{"control in URI", "GET /a\x01\x7f HTTP/1.1|HOST", ambiguous, "AmbiguousUri", "/a%01%7F", "", 0},
	{"length on GET", "GET / HTTP/1.1|HOST|Content-Length: 2", ambiguous, "UndefinedContentLengthSemantics", "/", "Content-Length: 2", 0},
	{"length on HEAD", "HEAD / HTTP/1.1|HOST|Content-Length: 2", ambiguous, "UndefinedContentLengthSemantics", "/", "Content-Length: 2", 0},
	{"length in 0.9", "POST / HTTP/0.9|Content-Length: 2", ambiguous, "UndefinedContentLengthSemantics", "/", "Content-Length: 2", 0},
	{"chunks on GET", "GET / HTTP/1.1|HOST|Transfer-Encoding: chunked", ambiguous, "UndefinedTransferEncodingSemantics", "/", "Transfer-Encoding: chunked", 0},
	{"chunks in 1.0", "POST / HTTP/1.0|HOST|Transfer-Encoding: chunked", ambiguous, "UndefinedTransferEncodingSemantics", "/", "Transfer-Encoding: chunked", 0},
	{"same length twice", "POST / HTTP/1.1|HOST|Content-Length: 2|A: b|Content-Length: 2", ambiguous, "DuplicateContentLength", "/", "Content-Length: 2|A: b", 0},
	{"length and chunks", "POST / HTTP/1.1|HOST|Content-Length: 2|Transfer-Encoding: chunked", ambiguous, "BothTeClPresent", "/", "Transfer-Encoding: chunked", 0},
	{"length and identity", "POST / HTTP/1.1|HOST|Content-Length: 2|Transfer-Encoding: identity", ambiguous, "BothTeClPresent", "/", "Content-Length: 2", 0},
	{"underscore", "POST / HTTP/1.1|HOST|Content_Length: 2", ambiguous, "SuspiciousHeader", "/", "Content_Length: 2", 0},
	{"three hyphens", "POST / HTTP/1.1|HOST|transfer---encoding: chunked", ambiguous, "SuspiciousHeader", "/", "transfer---encoding: chunked", 0},
	{"space before the colon of a length", "POST / HTTP/1.1|HOST|Content-Length : 2", ambiguous, "SuspiciousHeader", "/", "", 0},
	{"control before an encoding", "POST / HTTP/1.1|HOST|\x01Transfer-Encoding: chunked", ambiguous, "SuspiciousHeader", "/", "", 0},
	{"folded encoding", "POST / HTTP/1.1|HOST|A: b| Transfer-Encoding: chunked", ambiguous, "SuspiciousHeader", "/", "A: b", 0},
	{"folded into Content-Type", "POST / HTTP/1.1|HOST|Content-Type: a| Transfer-Encoding: chunked", ambiguous, "SuspiciousHeader", "/", "Content-Type: a", 0},
	{"encoding without a colon", "POST / HTTP/1.1|HOST|Host: a.b|Transfer-Encoding", ambiguous, "SuspiciousHeader", "/", "", 0},
	{"no colon after two hosts", "POST / HTTP/1.1|HOST|Host: a.b|abc", ambiguous, "MissingHeaderColon", "/", "abc: ", 0},
	{"dotless i", "POST / HTTP/1.1|HOST|Transfer-Encodıng: chunked", ambiguous, "SuspiciousHeader", "/", "", 0},
	{"long s", "POST / HTTP/1.1|HOST|Tranſfer-Encoding: chunked", ambiguous, "SuspiciousHeader", "/", "", 0},
	{"folded", "GET / HTTP/1.1|HOST|A: b| c", ambiguous, "MultilineHeader", "/", "A: b|c: ", 0},
	{"folded like a field", "GET / HTTP/1.1|HOST|A: b| X-Admin: true", ambiguous, "MultilineHeader", "/", "A: b", 0},
	{"folded like our own", "GET / HTTP/1.1|HOST|A: b| x-forwarded-for", ambiguous, "MultilineHeader", "/", "A: b", 0},
	{"no colon", "GET / HTTP/1.1|HOST|abc", ambiguous, "MissingHeaderColon", "/", "abc: ", 0},
	{"no URI", "GET HTTP/1.1|HOST", ambiguous, "MissingUri", "", "", 400},
	{"empty URI", "GET  HTTP/1.1|HOST", ambiguous, "MissingUri", "", "", 400},

	{"NUL in a value", "GET / HTTP/1.1|HOST|A: b\x00", severe, "BadHeader", "", "", 400},
	{"CR in a value", "GET / HTTP/1.1|HOST|A: b\rContent-Length: 2", severe, "BadHeader", "", "", 400},
	{"CR in a name", "GET / HTTP/1.1|HOST|A\r: b", severe, "BadHeader", "", "", 400},
	{"NUL in URI", "GET /\x00 HTTP/1.1|HOST", severe, "BadUri", "", "", 400},
	{"CR in URI", "GET /a\rHTTP/1.1 HTTP/1.1|HOST", severe, "BadUri", "", "", 400},
	{"HTTP/2.0", "PRI * HTTP/2.0", severe, "BadVersion", "", "", 400},
	{"words after the version", "GET / HTTP/1.1 x|HOST", severe, "BadVersion", "", "", 400},
	{"two digits", "GET / HTTP/1.10|HOST", severe, "BadVersion", "", "", 400},
	{"bad method", "G\x01T / HTTP/1.1|HOST", severe, "BadMethod", "", "", 400},
	{"length list", "POST / HTTP/1.1|HOST|Content-Length: 2, 2", severe, "BadContentLength", "", "", 400},
	{"signed length", "POST / HTTP/1.1|HOST|Content-Length: +2", severe, "BadContentLength", "", "", 400},
	{"overflow", "POST / HTTP/1.1|HOST|Content-Length: 18446744073709551616", severe, "BadContentLength", "", "", 400},
	{"control in a length", "POST / HTTP/1.1|HOST|Content-Length: 2\x11", severe, "BadContentLength", "", "", 400},
	{"two lengths", "POST / HTTP/1.1|HOST|Content-Length: 2|Content-Length: 3", severe, "MultipleContentLength", "", "", 400},
	{"unknown encoding", "POST / HTTP/1.1|HOST|Transfer-Encoding: xchunked", severe, "BadTransferEncoding", "", "", 501},
	{"control in an encoding", "POST / HTTP/1.1|HOST|Transfer-Encoding: chunked\x0b", severe, "BadTransferEncoding", "", "", 501},
	{"chunked twice", "POST / HTTP/1.1|HOST|Transfer-Encoding: chunked|Transfer-Encoding: chunked", severe, "MultipleTransferEncodingChunked", "/", "Transfer-Encoding: chunked", 0},
	{"chunked, chunked", "POST / HTTP/1.1|HOST|Transfer-Encoding: chunked, chunked", severe, "MultipleTransferEncodingChunked", "/", "Transfer-Encoding: chunked", 0},

	{"gzip", "POST / HTTP/1.1|HOST|Transfer-Encoding: gzip, chunked", compliant, "", "", "", 501},
	{"no host", "GET / HTTP/1.1", compliant, "", "", "", 400},
}

func (c desyncCase) text() string {
	return strings.ReplaceAll(strings.ReplaceAll(c.send, "HOST", "Host: a.b"), "|", "\r\n") + "\r\n\r\n"
}

// sent is what goes to the target: request line, and the fields that are the client's.
func sent(text []byte) (uri, fields string) {
	lines := strings.Split(strings.TrimSuffix(string(text), "\r\n\r\n"), "\r\n")
	var own []string
	for _, line := range lines[1:] {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "Host", "X-Amzn-Trace-Id":
		default:
			own = append(own, line)
		}
	}
	return strings.Fields(lines[0])[1], strings.Join(own, "|")
}

func TestDesync_Classes(t *testing.T) {
	for _, c := range desyncCases {
		t.Run(c.name, func(t *testing.T) {
			var q request
			problem := q.parse([]byte(c.text()))
			if q.desync.class != c.class || q.desync.reason != c.reason {
				t.Errorf("%s %s, want %s %s", q.desync.class, q.desync.reason, c.class, c.reason)
			}
			if (problem == nil) != (c.uri != "") {
				t.Fatalf("refused: %+v", problem)
			}
			if problem != nil {
				if got := shapes[problem.cause].status; got != c.status {
					t.Errorf("status %d, want %d", got, c.status)
				}
				return
			}
			uri, fields := sent(targetText(testConn(80), nil, &q))
			if uri != c.uri || fields != c.fields || string(q.uri) != c.uri {
				t.Errorf("to the target go %q %q, logged is %q, want %q %q", uri, fields, q.uri, c.uri, c.fields)
			}
		})
	}
}

func TestDesync_BareLineFeeds(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\nHost: a.b\n\n", "GET / HTTP/1.1\r\nHost: a.b\n\r\n", "GET / HTTP/1.1\r\nHost: a.b\r\n\n"} {
		var q request
		if q.parse([]byte(text)) != nil || q.desync != (verdict{acceptable, nonCRLFLineTermination}) {
			t.Errorf("%q: %v", text, q.desync)
		}
		if got := targetText(testConn(80), nil, &q); bytes.Count(got, []byte("\n")) != bytes.Count(got, []byte("\r\n")) {
			t.Errorf("%q", got)
		}
	}
}

// The table of modes: what passes, what is refused, and which connections end.
func TestDesync_Modes(t *testing.T) {
	for _, mode := range []string{"monitor", "defensive", "strictest"} {
		for _, c := range desyncCases {
			var q request
			problem := q.parse([]byte(c.text()))
			if problem == nil {
				problem = q.judge(mode)
			}
			refused := c.uri == "" || mode == "defensive" && c.class == severe || mode == "strictest" && c.class != compliant
			if (problem != nil) != refused {
				t.Errorf("%s, %s: %+v", c.name, mode, problem)
			}
			if refused && c.uri != "" && problem.cause != timeline.DesyncSevere {
				t.Errorf("%s, %s: %s", c.name, mode, problem.cause)
			}
			leftOut := c.reason == "SuspiciousHeader" && !strings.ContainsAny(c.fields, "_-") || c.name == "folded into Content-Type"
			doubtful := leftOut || strings.Count(c.text(), "Host:") > 1
			if ends := q.endsBoth(mode); ends != (doubtful || c.class >= ambiguous && mode != "monitor") && c.uri != "" {
				t.Errorf("%s, %s: both connections end: %v", c.name, mode, ends)
			}
		}
	}
}

// On the wire: status, connections, and what the outcome says.
func TestDesync_OnTheWire(t *testing.T) {
	for _, c := range []struct {
		mode, send string
		status     int
		kept       bool
		class      string
		reason     string
	}{
		{"defensive", "GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", 200, true, "", ""},
		{"defensive", "GET /a b HTTP/1.1\r\nHost: a.b\r\n\r\n", 200, true, "Acceptable", "SpaceInUri"},
		{"defensive", "GET / HTTP/1.1\r\nHost: a.b\r\nA: b\r\n c\r\n\r\n", 200, false, "Ambiguous", "MultilineHeader"},
		{"defensive", "GET / HTTP/1.1\r\nHost: a.b\r\nA: b\x00\r\n\r\n", 400, false, "Severe", "BadHeader"},
		{"monitor", "GET / HTTP/1.1\r\nHost: a.b\r\nA: b\r\n c\r\n\r\n", 200, true, "Ambiguous", "MultilineHeader"},
		{"monitor", "GET / HTTP/1.1\r\nHost: a.b\r\nContent-Length : 2\r\n\r\n", 200, false, "Ambiguous", "SuspiciousHeader"},
		{"monitor", "POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, true, "Severe", "MultipleTransferEncodingChunked"},
		{"monitor", "GET / HTTP/1.1\r\nHost: a.b\r\nA: b\x00\r\n\r\n", 400, false, "Severe", "BadHeader"},
		{"strictest", "GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", 200, true, "", ""},
		{"strictest", "GET /a b HTTP/1.1\r\nHost: a.b\r\n\r\n", 400, false, "Acceptable", "SpaceInUri"},
	} {
		t.Run(fmt.Sprint(c.mode, c.reason), func(t *testing.T) {
			target, _ := capture(t)
			s := newStack(t, target)
			s.attributes().DesyncMitigationMode = c.mode
			s.run()
			client := s.dial()
			res, _ := client.send(c.send).response("GET")
			if res.StatusCode != c.status || (res.Header.Get("Connection") == "keep-alive") != c.kept {
				t.Errorf("%d, %s", res.StatusCode, res.Header.Get("Connection"))
			}
			if o := s.record.one(t); o.Classification != c.class || o.ClassificationReason != c.reason {
				t.Errorf("%q %q", o.Classification, o.ClassificationReason)
			}
			if !c.kept && client.rest() != "" {
				t.Error("the connection was kept")
			}
			s.dial().send(get).status()
			if o := s.record.wait(t, 2)[1]; c.status == 200 && o.Connection.Reused != c.kept {
				t.Errorf("the connection to the target was kept: %v", o.Connection.Reused)
			}
		})
	}
}
