package node

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/timeline"
)

// slowIdle is the idle timeout of tests whose clients or targets take their time: pause is a fraction of it.
const (
	slowIdle = time.Second
	pause    = 60 * time.Millisecond
)

// bigSize is more than all buffers of the kernel between a target and a client together.
const bigSize = 64 << 20

var (
	bigPart  = bytes.Repeat([]byte("0123456789abcdef"), 4096)
	bigChunk = appendChunk(nil, bigPart)
)

// shop answers GET /big with bigSize bytes, GET /chunks with as many in chunks, GET /part with bigPart, and
// anything else with hello once the whole request has come.
func shop(t testing.TB) Target {
	return backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, _, err := readRequest(r)
			if err != nil {
				return
			}
			switch _, path, _ := strings.Cut(head, " "); {
			case strings.HasPrefix(path, "/big "):
				err = writeBig(conn, "Content-Length: %d\r\n\r\n", bigPart)
			case strings.HasPrefix(path, "/part "):
				_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(bigPart), bigPart)
			case strings.HasPrefix(path, "/chunks "):
				err = writeBig(conn, "Transfer-Encoding: chunked\r\nX-Size: %d\r\n\r\n", bigChunk)
				if err == nil {
					_, err = io.WriteString(conn, lastChunk)
				}
			default:
				_, err = io.WriteString(conn, hello)
			}
			if err != nil {
				return
			}
		}
	})
}

func writeBig(conn net.Conn, fields string, part []byte) error {
	_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n"+fields, bigSize)
	for n := 0; n < bigSize && err == nil; n += len(bigPart) {
		_, err = conn.Write(part)
	}
	return err
}

// beside has another client ask again and again. What it returns ends that, and fails the test
// unless every request was answered as it should be.
func (s *stack) beside(dial func() net.Conn) (done func()) {
	s.t.Helper()
	stop, result, asked := make(chan struct{}), make(chan error, 1), 0
	go func() {
		result <- func() error {
			for {
				conn := dial()
				n, err := askOn(conn, stop)
				conn.Close()
				if asked += n; err != nil || asked > 0 && isClosed(stop) {
					return err
				}
			}
		}()
	}()
	var once sync.Once
	done = func() {
		once.Do(func() {
			close(stop)
			if err := <-result; err != nil || asked == 0 {
				s.t.Errorf("the other client, after %d requests: %v", asked, err)
			}
		})
	}
	s.t.Cleanup(done)
	return done
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// askOn asks until it is told to stop, or the connection, idle for too long on a busy machine, has been closed.
func askOn(conn net.Conn, stop chan struct{}) (asked int, err error) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	for r := bufio.NewReader(conn); asked == 0 || !isClosed(stop); asked++ {
		if _, err := io.WriteString(conn, get); err != nil {
			return asked, nil
		}
		if _, err := r.Peek(1); err != nil {
			return asked, nil
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return asked, err
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || string(body) != "hello" {
			return asked, fmt.Errorf("%s %.200q %w", res.Status, body, err)
		}
		time.Sleep(time.Millisecond)
	}
	return asked, nil
}

// plainly dials without TLS.
func (s *stack) plainly() net.Conn { return s.dial().Conn }

func (s *stack) overTLS() net.Conn { return s.dialTLS(&tls.Config{}).Conn }

// mine are the outcomes of one client connection, once there are n and it has ended.
func (s *stack) mine(c net.Conn, n int) (list []timeline.Outcome) {
	s.t.Helper()
	for range 4000 {
		list = nil
		s.record.mu.Lock()
		for _, o := range s.record.outcomes {
			if o.Client == c.LocalAddr().String() {
				list = append(list, o)
			}
		}
		s.record.mu.Unlock()
		if len(list) >= n {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(list) != n {
		s.t.Fatalf("%d outcomes of the connection, want %d: %+v", len(list), n, list)
	}
	return list
}

// drip sends text byte by byte.
func (c *client) drip(text string) *client {
	c.t.Helper()
	for _, b := range []byte(text) {
		c.send(string(b))
		time.Sleep(pause)
	}
	return c
}

// resetConn ends the connection with RST.
func resetConn(c *client) { reset(c.Conn) }

// Every kind of client that begins and does not go on is ended by its timer, and so is one that leaves;
// others are served meanwhile.
func TestSlowClient_IsEndedByItsTimer(t *testing.T) {
	post := "POST / HTTP/1.1\r\nHost: a.b\r\n"
	idle408 := row{408, 0, "---", timeline.ClientIdle}
	left400 := row{400, 0, "---", timeline.ClientClosedBeforeBody}
	for name, c := range map[string]struct {
		act  func(*client)
		want row // zero: no outcome
		hear int // status that the client gets; 0: the end, without a word
	}{
		"head by the byte":          {func(c *client) { c.drip("GET / HTTP/1.1") }, idle408, 408},
		"one byte":                  {func(c *client) { c.send("G") }, idle408, 408},
		"empty lines only":          {func(c *client) { c.drip("\r\n\r\n\r\n\r\n") }, row{}, 0},
		"nothing":                   {func(c *client) {}, row{}, 0},
		"body by the byte":          {func(c *client) { c.send(post + "Content-Length: 99\r\n\r\n").drip("0123456789") }, idle408, 408},
		"chunks by the byte":        {func(c *client) { c.send(post + "Transfer-Encoding: chunked\r\n\r\n").drip("1\r\na\r\n5\r\nhe") }, idle408, 408},
		"line of a chunk":           {func(c *client) { c.send(post + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n5;x").drip("=") }, idle408, 408},
		"trailers without end":      {func(c *client) { c.send(post + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n").drip("C: d") }, idle408, 408},
		"continues never":           {func(c *client) { c.send(post + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"); c.r.Discard(25) }, idle408, 408},
		"reset in the head":         {func(c *client) { c.send("GET / HT"); time.Sleep(pause); resetConn(c) }, left400, 0},
		"half-close in a head":      {func(c *client) { c.send("GET / HT"); c.Conn.(*net.TCPConn).CloseWrite() }, left400, 0},
		"half-close in empty lines": {func(c *client) { c.send("\r\n\r\n"); c.Conn.(*net.TCPConn).CloseWrite() }, row{}, 0},
		"reset in the body":         {func(c *client) { c.send(post + "Content-Length: 9\r\n\r\nabc"); time.Sleep(pause); resetConn(c) }, left400, 0},
		"reset in the chunks": {func(c *client) {
			c.send(post + "Transfer-Encoding: chunked\r\n\r\n9\r\nabc")
			time.Sleep(pause)
			resetConn(c)
		}, left400, 0},
		"half-close in chunks": {func(c *client) {
			c.send(post + "Transfer-Encoding: chunked\r\n\r\n9\r\nabc")
			c.Conn.(*net.TCPConn).CloseWrite()
		}, left400, 400},
		"reset in a large body": {func(c *client) {
			c.send(post + "Content-Length: 99999999\r\n\r\n" + strings.Repeat("x", 500_000))
			time.Sleep(pause)
			resetConn(c)
		}, left400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, shop(t))
			s.attributes().IdleTimeout = slowIdle
			done := s.run().beside(s.plainly)
			slow := s.dial()
			c.act(slow)
			if c.hear > 0 {
				if got := slow.status(); got != c.hear {
					t.Errorf("status %d, want %d", got, c.hear)
				}
			}
			if text := slow.rest(); text != "" {
				t.Errorf("then %q", text)
			}
			done()
			if c.want == (row{}) {
				s.mine(slow, 0)
				return
			}
			checkRow(t, s.mine(slow, 1)[0], c.want)
		})
	}
}

// A client may take as long as it likes, if it goes on before the idle timeout each time.
func TestSlowClient_AnyByteStartsTheTimeoutAnew(t *testing.T) {
	const idle = 25 * pause // less than the 30 pauses below together, and much more than one of them
	s := newStack(t, shop(t))
	s.attributes().IdleTimeout = idle
	s.run()
	began := time.Now()
	c := s.dial().drip("POST / HTTP/1.1\r\n").send("Host: a.b\r\nTransfer-Encoding: chunked\r\n\r\n").drip("3\r\nabc\r\n0\r\n\r\n")
	if got := c.status(); got != 200 || time.Since(began) < idle {
		t.Errorf("%d after %v", got, time.Since(began))
	}
}

// A client that does not read a large response is given up at the idle timeout: it is the client that
// ended it, and the target's connection goes too.
func TestSlowReader_IsEndedByItsTimer(t *testing.T) {
	for _, path := range []string{"/big", "/chunks"} {
		for name, secure := range map[string]bool{"HTTP": false, "HTTPS": true} {
			t.Run(path[1:]+" over "+name, func(t *testing.T) {
				t.Parallel()
				s, dial := newStack(t, shop(t)), (*stack).plainly
				if secure {
					s, dial = s.secure(testCertificate("one", ecdsaKey, "a.test")), (*stack).overTLS
				}
				s.attributes().IdleTimeout = slowIdle
				done := s.run().beside(func() net.Conn { return dial(s) })
				slow := &client{Conn: dial(s), t: t}
				slow.send("GET " + path + " HTTP/1.1\r\nHost: a.b\r\n\r\n")
				o := s.mine(slow, 1)[0]
				checkRow(t, o, row{200, 200, "xxx", ""})
				if o.EndedBy != "client" || !strings.Contains(o.Detail, "timeout") || o.SentBytes >= bigSize {
					t.Errorf("%+v", o)
				}
				slow.SetDeadline(time.Now().Add(20 * time.Second))
				if n, _ := io.Copy(io.Discard, slow); n >= bigSize {
					t.Errorf("got all %d bytes", n)
				}
				done()
				s.awaitIdleTarget()
			})
		}
	}
}

// awaitIdleTarget waits until no request is with the target, and at most the connections of the others are left.
func (s *stack) awaitIdleTarget() {
	s.t.Helper()
	for range 2000 {
		if s.InFlight(s.snapshot.TargetGroups[0].Targets[0].Registration) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Error("a request is still with the target")
}

// A response that the kernel's buffers hold leaves the target free, whether the client reads it or not.
func TestSlowReader_OfASmallResponseHoldsNoTarget(t *testing.T) {
	s := newStack(t, shop(t)).run()
	slow := s.dial().send(get)
	if o := s.mine(slow, 1)[0]; o.Status != 200 || o.Cause != "" {
		t.Errorf("%+v", o)
	}
	other := s.dial().send(get)
	if other.status() != 200 || !s.mine(other, 1)[0].Connection.Reused {
		t.Error("the target's connection was not given back")
	}
}

// A client that reads slowly but steadily gets all of it.
func TestSlowReader_SteadyOneGetsAll(t *testing.T) {
	for _, path := range []string{"/big", "/chunks"} {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			s := newStack(t, shop(t))
			s.attributes().IdleTimeout = slowIdle
			s.run()
			c := s.dial().send("GET " + path + " HTTP/1.1\r\nHost: a.b\r\n\r\n")
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			began, got := time.Now(), int64(0)
			for err == nil {
				var n int64
				n, err = io.CopyN(io.Discard, res.Body, bigSize/16)
				got += n
				time.Sleep(pause)
			}
			if err != io.EOF || got != bigSize || time.Since(began) < slowIdle {
				t.Errorf("%d bytes after %v: %v", got, time.Since(began), err)
			}
		})
	}
}

// Many slow readers hold little memory each, however much there is for them.
func TestSlowReader_MemoryIsBounded(t *testing.T) {
	const readers, each = 40, 384 << 10 // a page for each side, the test's own ends, and what the race detector keeps
	s := newStack(t, shop(t)).run()
	before := heap()
	for range readers {
		s.dial().send("GET /big HTTP/1.1\r\nHost: a.b\r\n\r\n").r.Peek(1)
	}
	if held := heap() - before; held > readers*each {
		t.Errorf("%d slow readers hold %d KiB", readers, held>>10)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A client that sends thousands of requests at once gets its answers in order.
func TestPipelining_Thousands(t *testing.T) {
	const all = 5000
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, _, err := readRequest(r)
			if err != nil {
				return
			}
			path := strings.Fields(head)[1]
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
		}
	})).run()
	var text strings.Builder
	for i := range all {
		fmt.Fprintf(&text, "GET /%d HTTP/1.1\r\nHost: a.b\r\n\r\n", i)
	}
	c := s.dial()
	go io.WriteString(c, text.String())
	for i := range all {
		if _, body := c.response("GET"); body != fmt.Sprint("/", i) {
			t.Fatalf("answer %d is to %s", i, body)
		}
	}
	for i, o := range s.mine(c, all) {
		if o.URI != fmt.Sprint("/", i) || o.ReceivedBytes != int64(len(o.URI)+len("GET  HTTP/1.1\r\nHost: a.b\r\n\r\n")) {
			t.Fatalf("outcome %d: %+v", i, o)
		}
	}
}

// A client that sends requests without end and reads nothing is given up, and holds up nobody.
func TestPipelining_WithoutReading(t *testing.T) {
	s := newStack(t, shop(t))
	s.attributes().IdleTimeout = slowIdle
	done := s.run().beside(s.plainly)
	c, requests := s.dial(), strings.Repeat("GET /part HTTP/1.1\r\nHost: a.b\r\n\r\n", 1000)
	sent := 0
	for err := error(nil); err == nil; sent++ {
		_, err = io.WriteString(c, requests)
		var own net.Error
		if errors.As(err, &own) && own.Timeout() {
			t.Fatal("was not given up")
		}
	}
	done()
	if sent > 1000 {
		t.Errorf("%d thousand requests were taken", sent)
	}
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	for _, o := range s.record.outcomes {
		if o.Status != 200 || o.Cause != "" || o.EndedBy != "" && o.EndedBy != "client" {
			t.Errorf("%+v", o)
		}
	}
}

// A thousand idle connections cost little, hold up nobody, and are closed without a word.
func TestIdle_ThousandConnections(t *testing.T) {
	const all, each = 1000, 24 << 10 // the test's own ends included
	s := newStack(t, shop(t))
	s.attributes().IdleTimeout = 5 * time.Second
	s.run()
	before := heap()
	var clients []*client
	for range all {
		c := s.dial()
		if c.send(get).status() != 200 {
			t.Fatal("not answered")
		}
		clients = append(clients, c)
	}
	if held := heap() - before; held > all*each {
		t.Errorf("%d idle connections hold %d KiB", all, held>>10)
	}
	done := s.beside(s.plainly)
	for _, c := range clients {
		if text := c.rest(); text != "" {
			t.Fatalf("%q", text)
		}
	}
	done()
	for range 2000 {
		if s.Connections() <= 1 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d connections are left", s.Connections())
}

// Handshakes that trickle in end when their time is up, however many there are.
func TestSlowHandshake_ByTheByte(t *testing.T) {
	const all = 50
	s := newStack(t, shop(t)).secure(testCertificate("one", ecdsaKey, "a.test"))
	s.timing.handshake = 2 * time.Second
	done := s.run().beside(s.overTLS)
	var dripping sync.WaitGroup
	for range all {
		c := s.dial()
		dripping.Go(func() {
			for _, b := range []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 400)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(pause)
			}
			t.Error("never ended")
		})
	}
	dripping.Wait()
	done()
	failed := 0
	for _, c := range s.record.connections(t, all+1) {
		if c.Failed != "" && strings.Contains(c.Failed, "timeout") {
			failed++
		}
	}
	if failed != all {
		t.Errorf("%d of %d handshakes timed out", failed, all)
	}
}
