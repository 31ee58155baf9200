package node

import (
	"bufio"
	"io"
	"math/rand"
	"net"
	"strings"
	"testing"
	"time"

	"drydock/timeline"
)

// trickle writes text byte by byte.
func trickle(conn net.Conn, text string) {
	for _, b := range []byte(text) {
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// endless writes text until the node has enough. It gives up by itself after 100 MiB.
func endless(conn net.Conn, text string) (written int) {
	for text = strings.Repeat(text, 1+64<<10/len(text)); written < 100<<20; {
		n, err := io.WriteString(conn, text)
		if written += n; err != nil {
			break
		}
	}
	return written
}

func noise(n int) string {
	b := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(b)
	return string(b)
}

// Whatever a target does to one request, the next one is put to it on another connection and is clean.
func TestTargetFault_NextRequestIsClean(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
	wait := func(r *bufio.Reader) { io.Copy(io.Discard, r) }
	bad502 := row{502, 0, "xx-", timeline.BadResponse}
	large502 := row{502, 0, "xx-", timeline.ResponseHeaderTooLarge}
	closed502 := row{502, 0, "xx-", timeline.TargetClosedInflight}
	cut200 := row{200, 200, "xxx", timeline.TruncatedResponse}
	for name, c := range map[string]struct {
		does    func(conn net.Conn, r *bufio.Reader)
		want    row
		endedBy string
	}{
		"closes":                 {func(net.Conn, *bufio.Reader) {}, closed502, "target"},
		"resets":                 {func(conn net.Conn, _ *bufio.Reader) { reset(conn) }, closed502, "target"},
		"closes in the head":     {func(conn net.Conn, _ *bufio.Reader) { io.WriteString(conn, head[:30]) }, closed502, "target"},
		"sleeps":                 {func(_ net.Conn, r *bufio.Reader) { wait(r) }, row{504, 0, "x--", timeline.ResponseTimeout}, "alb"},
		"sleeps in the head":     {func(conn net.Conn, r *bufio.Reader) { io.WriteString(conn, head[:30]); wait(r) }, row{504, 0, "x--", timeline.ResponseTimeout}, "alb"},
		"sleeps before the body": {func(conn net.Conn, r *bufio.Reader) { io.WriteString(conn, head); wait(r) }, row{504, 0, "x--", timeline.ContentLengthShort}, "alb"},
		"sleeps in the body":     {func(conn net.Conn, r *bufio.Reader) { io.WriteString(conn, head+"hello"); wait(r) }, cut200, "alb"},
		"trickles, then sleeps": {func(conn net.Conn, r *bufio.Reader) {
			io.WriteString(conn, head)
			trickle(conn, "hello, hello")
			wait(r)
		}, cut200, "alb"},
		"closes in the body": {func(conn net.Conn, _ *bufio.Reader) { io.WriteString(conn, head+"hello") }, cut200, "target"},
		"resets in the body": {func(conn net.Conn, _ *bufio.Reader) {
			io.WriteString(conn, head+"hello")
			time.Sleep(pause)
			reset(conn)
		}, cut200, "target"},
		"resets in a chunk": {func(conn net.Conn, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello")
			time.Sleep(pause)
			reset(conn)
		}, cut200, "target"},
		"breaks a chunk": {func(conn net.Conn, r *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n")
			wait(r)
		}, cut200, "target"},
		"junk":                {func(conn net.Conn, r *bufio.Reader) { io.WriteString(conn, noise(4000)+"\r\n\r\n"); wait(r) }, bad502, "alb"},
		"junk without a line": {func(conn net.Conn, _ *bufio.Reader) { endless(conn, strings.ReplaceAll(noise(5000), "\n", "")) }, large502, "alb"},
		"another protocol":    {func(conn net.Conn, r *bufio.Reader) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n\r\n"); wait(r) }, bad502, "alb"},
		"100 MiB in one field": {func(conn net.Conn, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nA: ")
			endless(conn, "x")
		}, large502, "alb"},
		"100 MiB of fields": {func(conn net.Conn, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			endless(conn, "Set-Cookie: a=b\r\n")
		}, large502, "alb"},
		"100 Continue for ever": {func(conn net.Conn, _ *bufio.Reader) { endless(conn, "HTTP/1.1 100 Continue\r\n\r\n") }, large502, "alb"},
		"more than it said":     {func(conn net.Conn, r *bufio.Reader) { io.WriteString(conn, hello+hello); wait(r) }, row{200, 200, "xxx", ""}, ""},
		"a body where none may be": {func(conn net.Conn, r *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\nhello")
			wait(r)
		}, row{204, 204, "xxx", ""}, ""},
		"closes idle without asked": {func(conn net.Conn, _ *bufio.Reader) { io.WriteString(conn, hello) }, row{200, 200, "xxx", ""}, ""},
		"speaks while idle": {func(conn net.Conn, r *bufio.Reader) {
			io.WriteString(conn, hello)
			time.Sleep(pause)
			io.WriteString(conn, hello)
			wait(r)
		}, row{200, 200, "xxx", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, backend(t, func(n int, conn net.Conn, r *bufio.Reader) {
				if _, _, err := readRequest(r); err != nil {
					return
				}
				if n == 0 {
					c.does(conn, r)
					return
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean")
				io.Copy(io.Discard, r)
			}))
			s.attributes().IdleTimeout = slowIdle
			first := s.run().dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n")
			first.rest()
			o := s.mine(first, 1)[0]
			checkRow(t, o, c.want)
			if o.EndedBy != c.endedBy {
				t.Errorf("ended by %q: %+v", o.EndedBy, o)
			}
			time.Sleep(2 * pause)
			next := s.dial().send(get)
			if res, body := next.response("GET"); res.StatusCode != 200 || body != "clean" {
				t.Errorf("the next request: %s %q", res.Status, body)
			}
			if s.mine(next, 1)[0].Connection.Reused {
				t.Error("the connection was used again")
			}
		})
	}
}

// A target may take as long as it likes, if it goes on before the idle timeout each time.
func TestTargetFault_AnyByteStartsTheTimeoutAnew(t *testing.T) {
	for name, c := range map[string]struct{ at, slowly, then string }{
		"status line": {"", "HTTP/1.1 200 OK", "\r\nContent-Length: 5\r\n\r\nhello"},
		"field":       {"HTTP/1.1 200 OK\r\nX: ", "0123456789", "\r\nContent-Length: 5\r\n\r\nhello"},
		"continue":    {"HTTP/1.1 100 ", "Continue\r\n\r\n", hello},
		"body":        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello", ""},
		"chunks":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n", "0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				io.WriteString(conn, c.at)
				trickle(conn, c.slowly)
				io.WriteString(conn, c.then)
			}))
			s.attributes().IdleTimeout = 5 * pause
			if res, body := s.run().dial().send(get).response("GET"); res.StatusCode != 200 || body != "hello" {
				t.Errorf("%s %q", res.Status, body)
			}
			checkRow(t, s.record.one(t), row{200, 200, "xxx", ""})
		})
	}
}

// A client that leaves while the target trickles its head is noticed.
func TestTargetFault_ClientLeavesATricklingHead(t *testing.T) {
	begun := make(chan struct{})
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		trickle(conn, "HTTP/1.1 ")
		close(begun)
		trickle(conn, strings.Repeat("2", 1000))
	})).run()
	c := s.dial().send(get)
	<-begun
	c.Close()
	checkRow(t, s.record.one(t), row{460, 0, "---", timeline.ClientGone})
}

// A target that does not take a large body is what the client waits for, not the other way round.
func TestTargetFault_TakesNoBody(t *testing.T) {
	post := "POST / HTTP/1.1\r\nHost: a.b\r\n"
	for name, c := range map[string]struct {
		head string
		part []byte
	}{
		"length": {post + "Content-Length: 67108864\r\n\r\n", bigPart},
		"chunks": {post + "Transfer-Encoding: chunked\r\n\r\n", bigChunk},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, backend(t, func(n int, conn net.Conn, r *bufio.Reader) {
				if n > 0 {
					always(hello)(n, conn, r)
				}
				time.Sleep(6 * slowIdle) // it accepts, and reads nothing
			}))
			s.attributes().IdleTimeout = slowIdle
			c1 := s.run().dial().send(c.head)
			go func() {
				for err := error(nil); err == nil; {
					_, err = c1.Write(c.part)
				}
			}()
			if got := c1.status(); got != 504 {
				t.Errorf("status %d", got)
			}
			checkRow(t, s.mine(c1, 1)[0], row{504, 0, "x--", timeline.ResponseTimeout})
			if got := s.dial().send(get).status(); got != 200 {
				t.Errorf("the next request: %d", got)
			}
		})
	}
}
