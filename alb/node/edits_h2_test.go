package node

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// What listeners and stickiness change in messages reaches clients of HTTP/2 too, and targets
// learn of the client's TLS.
func TestEdits_OverHTTP2(t *testing.T) {
	target, got := capture(t)
	s := h2Stack(t, target)
	s.attributes().TLSHeaders = true
	s.snapshot.LoadBalancers[0].Listeners[0].Attributes = ListenerAttributes{NoServer: true,
		ResponseHeaders: []Header{{"X-Frame-Options", "DENY"}}, RequestHeaders: []Header{{"x-amzn-tls-cipher-suite", "X-Cipher"}}}
	sticky(&s.snapshot.TargetGroups[0])
	s.run()
	c := s.dialH2()
	a := c.get("GET /", "x-cipher", "forged")
	if a.status != 200 || a.get("x-frame-options") != "DENY" || a.get("server") != "" {
		t.Errorf("%+v", a)
	}
	head := (<-got)[0]
	if _, fields := sent([]byte(head)); fields != "x-amzn-tls-version: TLSv1.3|X-Cipher: "+s.record.one(t).TLS.Cipher {
		t.Errorf("%q", head)
	}
	at := slices.IndexFunc(a.fields, func(f string) bool { return strings.HasPrefix(f, "set-cookie: AWSALB=") })
	if at < 0 {
		t.Fatalf("no cookie in %q", a.fields)
	}
	cookie, _, _ := strings.Cut(strings.TrimPrefix(a.fields[at], "set-cookie: "), ";")
	c.get("GET /", "cookie", "x=y", "cookie", cookie)
	if o := s.record.wait(t, 2); !o[0].NotSticky || o[1].NotSticky {
		t.Errorf("not sticky: %v, %v", o[0].NotSticky, o[1].NotSticky)
	}
	if a := c.get("GET /a b"); a.status != 200 {
		t.Errorf("%+v", a)
	}
	<-got
	if head := (<-got)[0]; !strings.HasPrefix(head, "GET /a%20b HTTP/1.1\r\n") {
		t.Errorf("%q", head)
	}
}

// Streams of one HTTP/2 client count each for least_outstanding_requests.
func TestChoose_LeastOutstandingCountsStreams(t *testing.T) {
	hold := make(chan struct{})
	s := h2Stack(t, holding(t, hold), holding(t, hold))
	s.snapshot.TargetGroups[0].Algorithm = "least_outstanding_requests"
	s.run()
	c := s.dialH2()
	answers := make(chan h2Answer, 8)
	for i := range 8 {
		stream := c.open(h2Head("GET /"), true)
		go func() { answers <- c.answer(stream) }()
		for s.InFlight(s.snapshot.TargetGroups[0].Targets[0].Registration)+s.InFlight(s.snapshot.TargetGroups[0].Targets[1].Registration) <= i {
			time.Sleep(time.Millisecond) // the next stream must find this one counted
		}
	}
	for _, tgt := range s.snapshot.TargetGroups[0].Targets {
		if got := s.InFlight(tgt.Registration); got != 4 {
			t.Errorf("%d streams on one of two targets", got)
		}
	}
	close(hold)
	for range 8 {
		if a := <-answers; a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
}

// holding is a target that answers when hold is closed.
func holding(t *testing.T, hold chan struct{}) Target {
	return backend(t, func(n int, conn net.Conn, r *bufio.Reader) {
		for {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			<-hold
			io.WriteString(conn, hello)
		}
	})
}
