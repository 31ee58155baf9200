package node

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestCondition(t *testing.T) {
	for _, c := range []struct {
		name      string
		condition Condition
		uri, more string
		want      bool
	}{
		{"path exact", Condition{Field: "path-pattern", Values: []string{"/img"}}, "/img?x", "", true},
		{"path is a full match", Condition{Field: "path-pattern", Values: []string{"/img"}}, "/img/a", "", false},
		{"path star", Condition{Field: "path-pattern", Values: []string{"/img/*"}}, "/img/a/b", "", true},
		{"path star in the middle", Condition{Field: "path-pattern", Values: []string{"/*/b/*.png"}}, "/a/b/b/x.png", "", true},
		{"path question mark", Condition{Field: "path-pattern", Values: []string{"/a?c"}}, "/abc", "", true},
		{"path question mark is one", Condition{Field: "path-pattern", Values: []string{"/a?"}}, "/a", "", false},
		{"path case", Condition{Field: "path-pattern", Values: []string{"/IMG"}}, "/img", "", false},
		{"path is raw", Condition{Field: "path-pattern", Values: []string{"/a/b"}}, "/a%2Fb", "", false},
		{"path second value", Condition{Field: "path-pattern", Values: []string{"/x", "/y"}}, "/y", "", true},
		{"host", Condition{Field: "host-header", Values: []string{"Example.COM"}}, "/", "", true},
		{"host wildcard", Condition{Field: "host-header", Values: []string{"*.example.com"}}, "/", "", false},
		{"method", Condition{Field: "http-request-method", Values: []string{"GET"}}, "/", "", true},
		{"method case", Condition{Field: "http-request-method", Values: []string{"get"}}, "/", "", false},
		{"header", Condition{Field: "http-header", Name: "X-Kind", Values: []string{"b*"}}, "/", "x-kind: A\r\nX-KIND: BETA\r\n", true},
		{"header absent", Condition{Field: "http-header", Name: "X-Kind", Values: []string{"*"}}, "/", "", false},
		{"query pair", Condition{Field: "query-string", Pairs: []Pair{{"v", "1"}}}, "/?a=b&V=1", "", true},
		{"query value only", Condition{Field: "query-string", Pairs: []Pair{{"", "*b"}}}, "/?x=ab", "", true},
		{"query escape", Condition{Field: "query-string", Pairs: []Pair{{"a", `\*`}}}, "/?a=*", "", true},
		{"query escape is literal", Condition{Field: "query-string", Pairs: []Pair{{"a", `\*`}}}, "/?a=b", "", false},
		{"query none", Condition{Field: "query-string", Pairs: []Pair{{"", "*"}}}, "/", "", false},
		{"source", Condition{Field: "source-ip", Values: []string{"10.0.0.0/8"}}, "/", "", true},
		{"source is not forwarded-for", Condition{Field: "source-ip", Values: []string{"192.168.0.0/16"}}, "/", "X-Forwarded-For: 192.168.0.1\r\n", false},
		{"path regex", Condition{Field: "path-pattern", Regex: []string{"^/v[0-9]+/"}}, "/v12/x", "", true},
		{"path regex, any part", Condition{Field: "path-pattern", Regex: []string{"b+"}}, "/abba", "", true},
		{"path regex case", Condition{Field: "path-pattern", Regex: []string{"^/A$"}}, "/a", "", false},
		{"path regex not the query", Condition{Field: "path-pattern", Regex: []string{"x"}}, "/a?x", "", false},
		{"path regex second", Condition{Field: "path-pattern", Regex: []string{"^/x", "^/y"}}, "/y", "", true},
		{"host regex case, no port", Condition{Field: "host-header", Regex: []string{`^EX.*\.Com$`}}, "/", "", true},
		{"header that the balancer replaces", Condition{Field: "http-header", Name: "X-Forwarded-Proto", Values: []string{"https"}}, "/", "X-Forwarded-Proto: https\r\n", true},
		{"header regex case", Condition{Field: "http-header", Name: "X-Kind", Regex: []string{"^be.a$"}}, "/", "x-kind: BETA\r\n", true},
		{"header regex none", Condition{Field: "http-header", Name: "X-Kind", Regex: []string{"^be.a$"}}, "/", "x-kind: BETAA\r\n", false},
		{"bad regex", Condition{Field: "path-pattern", Regex: []string{"("}}, "/(", "", false},
		{"unknown field", Condition{Field: "moon"}, "/", "", false},
	} {
		var q request
		if problem := q.parse([]byte("GET " + c.uri + " HTTP/1.1\r\nHost: example.com:80\r\n" + c.more + "\r\n")); problem != nil {
			t.Fatal(c.name, problem)
		}
		m := compileCondition(c.condition)
		if got := m.matches(&q, netip.MustParseAddr("10.9.9.9")); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestRules_FirstFullMatchWins(t *testing.T) {
	fixedTo := func(code int) Action { return Action{FixedResponse: &FixedResponse{StatusCode: code}} }
	path := func(v string) Condition { return Condition{Field: "path-pattern", Values: []string{v}} }
	s := newStack(t)
	*s.rules() = []Rule{
		{Priority: "1", Conditions: []Condition{path("/a*"), {Field: "http-request-method", Values: []string{"POST"}}}, Action: fixedTo(201)},
		{Priority: "2", Conditions: []Condition{path("/a*")}, Action: fixedTo(202)},
		{Priority: "3", Conditions: []Condition{path("/ab")}, Action: fixedTo(203)},
		{Priority: "default", Action: fixedTo(404)},
	}
	s.run()
	c := s.dial()
	for request, want := range map[string]int{"POST /ab": 201, "GET /ab": 202, "GET /b": 404} {
		if got := c.send(request + " HTTP/1.1\r\nHost: a.b\r\nContent-Length: 0\r\n\r\n").status(); got != want {
			t.Errorf("%s: %d", request, got)
		}
	}
	s.apply(func(n *Snapshot) {
		n.LoadBalancers[0].Listeners[0].Rules = []Rule{{Priority: "default", Action: fixedTo(410)}}
	})
	if got := c.send(get).status(); got != 410 {
		t.Error(got, "a rule edit acts on the next request of the same connection")
	}
	if o := s.record.wait(t, 4)[3]; o.SnapshotVersion != 2 || o.RulePriority != "default" {
		t.Errorf("%+v", o)
	}
}

func TestHost_OfOldAndAbsoluteRequests(t *testing.T) {
	s := newStack(t)
	*s.rules() = nil
	for i, host := range []string{"web-*.elb.localhost", "c.d"} {
		*s.rules() = append(*s.rules(), Rule{Priority: fmt.Sprint(i + 1), Conditions: []Condition{{Field: "host-header", Values: []string{host}}},
			Action: Action{FixedResponse: &FixedResponse{StatusCode: 201 + i}}})
	}
	*s.rules() = append(*s.rules(), Rule{Priority: "default", Action: Action{FixedResponse: &FixedResponse{StatusCode: 404}}})
	s.run()
	for i, c := range []struct {
		send      string
		status    int
		host, uri string
	}{
		{"GET /x HTTP/1.0\r\n\r\n", 201, "web-424835706.us-east-1.elb.localhost:80", "/x"},
		{"GET http://c.d/x?y HTTP/1.1\r\nHost: a.b\r\n\r\n", 202, "c.d:80", "/x?y"},
		{"GET HTTP://C.d:81?y HTTP/1.1\r\nHost: a.b\r\n\r\n", 202, "c.d:81", "/?y"},
		{"GET http://e.f HTTP/1.1\r\nHost: c.d\r\n\r\n", 404, "e.f:80", "/"},
		{"GET /x HTTP/1.0\r\nHost: c.d\r\n\r\n", 202, "c.d:80", "/x"},
	} {
		if got := s.dial().send(c.send).status(); got != c.status {
			t.Errorf("%q: %d", c.send, got)
		}
		if o := s.record.wait(t, i+1)[i]; o.Host != c.host || o.URI != c.uri {
			t.Errorf("%q: logged as %s %s", c.send, o.Host, o.URI)
		}
	}
}

// Names outside of [-A-Za-z0-9] are counted; dropped, they are not there for rules either.
func TestInvalidHeaders_AreCounted(t *testing.T) {
	for _, drop := range []bool{false, true} {
		target, got := capture(t)
		s := newStack(t, target)
		s.attributes().DropInvalidHeaderFields = drop
		*s.rules() = []Rule{{Priority: "1", Conditions: []Condition{{Field: "http-header", Name: "my_header", Values: []string{"*"}}}, Action: forwardTo(groupARN)},
			{Priority: "default", Action: forwardTo(groupARN)}}
		s.run()
		s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nmy_header: v\r\nA.b: v\r\nfine-1: v\r\nno token: v\r\n\r\n").status()
		o := s.record.one(t)
		want := map[bool]string{false: "my_header: v|A.b: v|fine-1: v", true: "fine-1: v"}[drop]
		if _, fields := sent([]byte((<-got)[0])); fields != want || o.InvalidHeaders != 3 || o.HeadersDropped != drop || (o.RulePriority == "1") == drop {
			t.Errorf("%q, %d invalid, dropped %v, rule %s", fields, o.InvalidHeaders, o.HeadersDropped, o.RulePriority)
		}
	}
}

func TestTraceID(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "Root=ROOT",
		"Root=x":                 "Self=ROOT;Root=x",
		"Self=y;Root=x;a=b":      "Self=ROOT;Root=x;a=b",
		"Root=x; Self=y ;Self=z": "Self=ROOT;Root=x",
		"a=b":                    "Root=ROOT;a=b",
	} {
		q := request{fields: []field{{name: []byte("X-Amzn-Trace-Id"), value: []byte(value), kind: fieldTraceID}}}
		if got := mask(string(appendTraceID(nil, &q, testTime))); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestHealth_RequestBytes(t *testing.T) {
	s := &checkSettings{HealthCheck: HealthCheck{Path: "/health?x=1"}, to: netip.MustParseAddrPort("10.0.0.7:3000")}
	want := "GET /health?x=1 HTTP/1.1\r\nHost: 10.0.0.7:3000\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n"
	if got := string(healthRequest(s)); got != want {
		t.Errorf("%q", got)
	}
}

func TestMatcher(t *testing.T) {
	for _, c := range []struct {
		matcher string
		status  int
		want    bool
	}{{"200", 200, true}, {"200", 201, false}, {"200,202", 202, true}, {"200-299", 250, true}, {"200-299,404", 404, true}, {"200-299", 300, false}, {"", 200, false}} {
		if got := matchesCode(c.matcher, c.status); got != c.want {
			t.Errorf("%q %d: %v", c.matcher, c.status, got)
		}
	}
}

func TestHealth_HTTPS(t *testing.T) {
	backend := httptest.NewTLSServer(http.NotFoundHandler())
	defer backend.Close()
	n := New(Config{Sink: nothing{}})
	s := &checkSettings{HealthCheck: HealthCheck{Protocol: "HTTPS", Path: "/x", Timeout: 10 * time.Second, Matcher: "404"},
		to: netip.MustParseAddrPort(backend.Listener.Addr().String())}
	if p := n.probe(context.Background(), s); !p.ok || p.detail != "GET /x → 404" {
		t.Errorf("%+v", p)
	}
	backend.Close()
	if p := n.probe(context.Background(), s); p.ok || p.detail != "GET /x → connection refused" {
		t.Errorf("%+v", p)
	}
}
