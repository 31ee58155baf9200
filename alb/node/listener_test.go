package node

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A connection of a listener that is gone is counted until it has ended, and ends with the node.
func TestListener_ConnectionsOutliveItButNotTheNode(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.run()
		slow, other := b.connect().send("GET / HTTP/1.1\r\n"), b.connect().send("GET / HTTP/1.1\r\n")
		synctest.Wait()
		b.apply(func(s *Snapshot) { s.LoadBalancers = nil })
		if got := b.Connections(); got != 2 {
			t.Errorf("%d connections, want 2", got)
		}
		other.Close()
		synctest.Wait()
		if got := b.Connections(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
		begin := time.Now()
		b.stop()
		if took := time.Since(begin); took > defaultGrace {
			t.Errorf("the node ended after %v", took)
		}
		if got := slow.rest(); got != "" {
			t.Errorf("got %q", got)
		}
	})
}

// A listener that becomes one for HTTPS serves nobody any more who came without TLS.
func TestListener_ProtocolChangeEndsConnections(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).run()
	c := s.dial()
	if got := c.send(get).status(); got != 200 {
		t.Fatal(got)
	}
	s.apply(func(next *Snapshot) {
		setCertificates(next, testCertificate("one", ecdsaKey, "a.test"))
		next.LoadBalancers[0].Listeners[0].Protocol = "HTTPS"
	})
	io.WriteString(c, get)
	if line, err := c.r.ReadString('\n'); line != "" || err == nil {
		t.Errorf("got %q, %v", line, err)
	}
}
