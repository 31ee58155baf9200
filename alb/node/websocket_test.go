package node

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"drydock/timeline"
)

const (
	upgrade  = "GET /chat HTTP/1.1\r\nHost: a.b\r\nConnection: keep-alive, Upgrade\r\nupgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// tunnelled is a target that agrees to WebSocket and hands over the connection.
func tunnelled(t *testing.T, handle func(conn net.Conn, r *bufio.Reader)) (Target, chan string) {
	heads := make(chan string, 100)
	return backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		head, _, err := readRequest(r)
		if err != nil {
			return
		}
		heads <- head
		io.WriteString(conn, switched)
		handle(conn, r)
	}), heads
}

func echoing(conn net.Conn, r *bufio.Reader) { io.Copy(conn, r) }

func (c *client) upgraded() {
	c.t.Helper()
	want := strings.Replace(switched, "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: upgrade\r\n", 1)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
		c.t.Fatalf("%q %v", got, err)
	}
}

// The upgrade is passed on and its bytes are, both ways; the row comes at the end.
func TestWebSocket_IsATunnel(t *testing.T) {
	target, heads := tunnelled(t, echoing)
	s := newStack(t, target).run()
	c := s.dial().send(upgrade + "early")
	c.upgraded()
	if head := <-heads; !strings.Contains(head, "Upgrade: websocket\r\nConnection: Upgrade\r\n") || strings.Contains(head, "keep-alive") {
		t.Errorf("%q", head)
	}
	text := make([]byte, 5)
	io.ReadFull(c.r, text)
	c.send("later")
	more := make([]byte, 5)
	io.ReadFull(c.r, more)
	if string(text)+string(more) != "earlylater" {
		t.Errorf("%q %q", text, more)
	}
	if n := s.InFlight(target.Registration); n != 1 {
		t.Errorf("%d in flight", n)
	}
	s.record.mu.Lock()
	if len(s.record.outcomes) != 0 {
		t.Error("an outcome before the end")
	}
	s.record.mu.Unlock()
	c.Conn.(*net.TCPConn).CloseWrite()
	if rest := c.rest(); rest != "" {
		t.Errorf("%q", rest)
	}
	o := s.record.one(t)
	checkRow(t, o, row{101, 101, "xxx", ""})
	if o.Type != "ws" || o.EndedBy != "client" || o.ReceivedBytes != int64(len(upgrade)+10) || o.SentBytes != int64(len(switched)+10) {
		t.Errorf("%+v", o)
	}
}

func TestWebSocket_LargeBothWays(t *testing.T) {
	target, _ := tunnelled(t, echoing)
	s := newStack(t, target).run()
	c := s.dial().send(upgrade)
	c.upgraded()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() { c.Write(data); c.Conn.(*net.TCPConn).CloseWrite() }()
	got := c.rest()
	if sha256.Sum256([]byte(got)) != sha256.Sum256(data) {
		t.Errorf("%d bytes of %d", len(got), len(data))
	}
	if o := s.record.one(t); o.ReceivedBytes != int64(len(upgrade)+len(data)) || o.SentBytes != int64(len(switched)+len(data)) {
		t.Errorf("%+v", o)
	}
}

// A target that sends its last message and its end at once: neither is lost or late.
func TestWebSocket_LastMessageAndEndTogether(t *testing.T) {
	target, _ := tunnelled(t, func(conn net.Conn, r *bufio.Reader) {
		r.ReadByte()
		io.WriteString(conn, "bye")
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, r)
	})
	s := newStack(t, target).run()
	for range 20 {
		c := s.dial().send(upgrade)
		c.upgraded()
		began := time.Now()
		c.send("x")
		if rest := c.rest(); rest != "bye" || time.Since(began) > 10*time.Second {
			t.Fatalf("%q after %v", rest, time.Since(began))
		}
		c.Close()
	}
	for _, o := range s.record.wait(t, 20) {
		if o.EndedBy != "target" || o.Status != 101 {
			t.Errorf("%+v", o)
		}
	}
}

func TestWebSocket_IdleTimeout(t *testing.T) {
	target, _ := tunnelled(t, echoing)
	s := newStack(t, target)
	s.attributes().IdleTimeout = 300 * time.Millisecond
	s.run()
	c := s.dial().send(upgrade)
	c.upgraded()
	for range 4 { // any byte starts it anew
		time.Sleep(100 * time.Millisecond)
		c.send("x")
		c.r.ReadByte()
	}
	if rest := c.rest(); rest != "" {
		t.Errorf("%q", rest)
	}
	if o := s.record.one(t); o.EndedBy != "alb" || o.Detail != errTunnelIdle.Error() || o.Status != 101 {
		t.Errorf("%+v", o)
	}
}

// A tunnel may go on while its target drains, and is closed when the delay ends.
func TestWebSocket_Draining(t *testing.T) {
	target, _ := tunnelled(t, echoing)
	s := newStack(t, target).run()
	c := s.dial().send(upgrade)
	c.upgraded()
	s.apply(func(n *Snapshot) {
		d := &n.TargetGroups[0].Targets[0]
		d.Draining, d.DrainFrom, d.DrainUntil = true, time.Now(), time.Now().Add(400*time.Millisecond)
	})
	c.send("x")
	if b, err := c.r.ReadByte(); b != 'x' || err != nil {
		t.Error(b, err)
	}
	if rest := c.rest(); rest != "" {
		t.Errorf("%q", rest)
	}
	if o := s.record.one(t); o.EndedBy != "alb" || o.Detail != errDrained.Error() || o.Status != 101 {
		t.Errorf("%+v", o)
	}
}

func TestWebSocket_EndsWithTheNode(t *testing.T) {
	target, _ := tunnelled(t, echoing)
	s := newStack(t, target).run()
	c := s.dial().send(upgrade)
	c.upgraded()
	s.stop()
	c.rest()
	if o := s.record.one(t); o.EndedBy != "alb" || o.Detail != errStopped.Error() {
		t.Errorf("%+v", o)
	}
}

// A refused upgrade is an ordinary response, and the connection goes on.
func TestWebSocket_Refused(t *testing.T) {
	s := newStack(t, backend(t, always("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))).run()
	c := s.dial()
	for range 2 {
		if res, body := c.send(upgrade).response("GET"); res.StatusCode != 403 || body != "no" {
			t.Error(res, body)
		}
	}
	o := s.record.wait(t, 2)[1]
	checkRow(t, o, row{403, 403, "xxx", ""})
	if o.Type != "http" || !o.Connection.Reused {
		t.Errorf("%+v", o)
	}
}

// Other upgrades are not passed on, and a target that switches all the same is not believed.
func TestWebSocket_OtherUpgradesAreNotPassedOn(t *testing.T) {
	for name, fields := range map[string]string{"h2c": "Connection: Upgrade\r\nUpgrade: h2c\r\n", "no Connection": "Upgrade: websocket\r\n"} {
		t.Run(name, func(t *testing.T) {
			target, heads := tunnelled(t, echoing)
			s := newStack(t, target).run()
			if got := s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\n" + fields + "\r\n").status(); got != 502 {
				t.Error(got)
			}
			if head := <-heads; strings.Contains(head, "pgrade") {
				t.Errorf("%q", head)
			}
			checkRow(t, s.record.one(t), row{502, 0, "xx-", timeline.BadResponse})
		})
	}
}

// Beside websocket nothing else is: a target that takes up h2c would be a way around all rules.
func TestWebSocket_AnotherUpgradeBesideItIsNotPassedOn(t *testing.T) {
	target, heads := tunnelled(t, echoing)
	s := newStack(t, target).run()
	s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n").upgraded()
	if head := <-heads; strings.Contains(head, "h2c") || strings.Count(head, "Upgrade: websocket\r\n") != 1 {
		t.Errorf("%q", head)
	}
}

// An open tunnel holds neither a page nor an exchange's worth of memory for each side.
func BenchmarkWebSocket_Message(b *testing.B) {
	s := newStack(b, backend(b, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		conn.SetDeadline(time.Time{})
		io.WriteString(conn, switched)
		io.Copy(conn, r)
	}))
	s.Node.sink = nothing{}
	s.run()
	c := s.dial().send(upgrade)
	c.upgraded()
	c.SetDeadline(time.Time{})
	message, got := bytes.Repeat([]byte("m"), 64), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(message)
		if _, err := io.ReadFull(c.r, got); err != nil {
			b.Fatal(fmt.Errorf("echo: %w", err))
		}
	}
}

// A tunnel from a client over TLS, to a target over TLS: wss, nothing lost, ends passed on.
func TestWebSocket_OverTLS(t *testing.T) {
	target := secured(t, &tls.Config{}, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(conn, switched)
		io.Copy(conn, r)
		conn.(*tls.Conn).CloseWrite()
	})
	s := overTLS(newStack(t, target)).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	c := s.dialTLS(&tls.Config{ServerName: "a.test"}).send(upgrade)
	c.upgraded()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() { c.Write(data); c.Conn.(*tls.Conn).CloseWrite() }()
	if got := c.rest(); got != string(data) {
		t.Errorf("%d bytes of %d", len(got), len(data))
	}
	o := s.record.one(t)
	checkRow(t, o, row{101, 101, "xxx", ""})
	if o.Type != "wss" || o.EndedBy != "client" || o.ReceivedBytes != int64(len(upgrade)+len(data)) {
		t.Errorf("%+v", o)
	}
}
