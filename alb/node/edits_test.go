package node

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"drydock/timeline"
)

func TestEdits_ResponsesOfTargets(t *testing.T) {
	for name, c := range map[string]struct {
		attributes ListenerAttributes
		want       string
	}{
		"none":      {ListenerAttributes{}, "Server: app\r\nx-frame-options: SAMEORIGIN\r\nA: b\r\nContent-Length: 0\r\n"},
		"no server": {ListenerAttributes{NoServer: true}, "x-frame-options: SAMEORIGIN\r\nA: b\r\nContent-Length: 0\r\n"},
		"set": {ListenerAttributes{ResponseHeaders: []Header{{"Strict-Transport-Security", "max-age=1"}, {"X-Frame-Options", "DENY"}}},
			"Server: app\r\nA: b\r\nContent-Length: 0\r\nStrict-Transport-Security: max-age=1\r\nX-Frame-Options: DENY\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, always("HTTP/1.1 200 OK\r\nServer: app\r\nx-frame-options: SAMEORIGIN\r\nA: b\r\nContent-Length: 0\r\n\r\n")))
			s.snapshot.LoadBalancers[0].Listeners[0].Attributes = c.attributes
			s.run()
			c1 := s.dial()
			for range 2 {
				c1.send(get).status() // what the listener sets must not leak from one response into the next
			}
			got := s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").rest()
			if want := "HTTP/1.1 200 OK\r\n" + c.want + "Connection: close\r\n\r\n"; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestEdits_AnswersOfTheBalancer(t *testing.T) {
	for line, targets := range map[string][]Target{
		"503 Service Temporarily Unavailable": nil,
		"502 Bad Gateway":                     {backend(t, func(_ int, conn net.Conn, r *bufio.Reader) { readRequest(r) })},
	} {
		s := newStack(t, targets...)
		s.snapshot.LoadBalancers[0].Listeners[0].Attributes = ListenerAttributes{NoServer: true, ResponseHeaders: []Header{{"X-Content-Type-Options", "nosniff"}}}
		s.run()
		got := mask(s.dial().send("HEAD / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").rest())
		want := fmt.Sprintf("HTTP/1.1 %s\r\nDate: D\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n", line, 92+2*len(line))
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestEdits_TLSFields(t *testing.T) {
	tls := timeline.TLS{Protocol: "TLSv1.2", Cipher: "ECDHE-RSA-AES128-GCM-SHA256"}
	for name, c := range map[string]struct {
		enabled bool
		tls     timeline.TLS
		renames []Header
		want    string
	}{
		"off":     {false, tls, nil, "X-Amzn-Tls-Version: forged|X-Kind: forged"},
		"on":      {true, tls, nil, "x-amzn-tls-version: TLSv1.2|x-amzn-tls-cipher-suite: ECDHE-RSA-AES128-GCM-SHA256|X-Kind: forged"},
		"no TLS":  {true, timeline.TLS{}, nil, "X-Kind: forged"},
		"renamed": {true, tls, []Header{{"x-amzn-tls-version", "x-kind"}}, "x-kind: TLSv1.2|x-amzn-tls-cipher-suite: ECDHE-RSA-AES128-GCM-SHA256|X-Amzn-Tls-Version: forged"},
	} {
		t.Run(name, func(t *testing.T) {
			x := testConn(443)
			x.route.edits = compileEdits(LoadBalancerAttributes{TLSHeaders: c.enabled}, ListenerAttributes{RequestHeaders: c.renames})
			x.o.TLS = c.tls
			if problem := x.req.parse([]byte("GET / HTTP/1.1\r\nHost: a.b\r\nX-Amzn-Tls-Version: forged\r\nX-Kind: forged\r\n\r\n")); problem != nil {
				t.Fatal(problem)
			}
			x.clean()
			q := x.req
			text := targetText(x, nil, &q)
			if _, fields := sent(text); fields != c.want {
				t.Errorf("got  %q\nwant %q", fields, c.want)
			}
			if c.enabled && c.tls.Protocol != "" && strings.Index(string(text), "TLSv1.2") > strings.Index(string(text), "Host:") {
				t.Errorf("not before Host: %q", text)
			}
		})
	}
}
