package node

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drydock/timeline"
)

// secured puts TLS in front of a target's handler. The certificate is the test's own.
func secured(t *testing.T, config *tls.Config, handle func(int, net.Conn, *bufio.Reader)) Target {
	cert := testCertificate("target", ecdsaKey, "other.test")
	pair, err := tls.X509KeyPair([]byte(cert.Chain), []byte(cert.Key))
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{pair}
	return backend(t, func(n int, conn net.Conn, _ *bufio.Reader) {
		session := tls.Server(conn, config)
		handle(n, session, bufio.NewReader(session))
	})
}

func overTLS(s *stack) *stack {
	s.snapshot.TargetGroups[0].Protocol = "HTTPS"
	return s
}

// Targets of an HTTPS group: the certificate is not checked, connections are kept, sessions taken up again.
func TestHTTPSTarget_AnswersAndReuses(t *testing.T) {
	var resumed atomic.Int32
	ended := make(chan struct{})
	target := secured(t, &tls.Config{}, func(n int, conn net.Conn, r *bufio.Reader) {
		for i := 0; ; i++ {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			if conn.(*tls.Conn).ConnectionState().DidResume {
				resumed.Add(1)
			}
			io.WriteString(conn, hello)
			if n == 0 && i == 1 {
				conn.Close()
				close(ended)
				return
			}
		}
	})
	s := overTLS(newStack(t, target)).run()
	c := s.dial()
	for range 2 {
		if res, body := c.send(get).response("GET"); res.StatusCode != 200 || body != "hello" {
			t.Fatal(res, body)
		}
	}
	<-ended
	if res, body := c.send(get).response("GET"); res.StatusCode != 200 || body != "hello" {
		t.Fatal(res, body)
	}
	list := s.record.wait(t, 3)
	if !list[1].Connection.Reused || list[2].Connection.Reused || resumed.Load() != 1 {
		t.Errorf("%d resumed; %+v", resumed.Load(), list)
	}
}

func TestHTTPSTarget_LargeBodies(t *testing.T) {
	target := secured(t, &tls.Config{}, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			_, body, err := readRequest(r)
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
	s := overTLS(newStack(t, target)).run()
	c := s.dial()
	for _, size := range []int{1, 100_000, 2_000_000} {
		data := bytes.Repeat([]byte{'x'}, size)
		go fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: %d\r\n\r\n%s", size, data)
		if _, body := c.response("POST"); len(body) != size {
			t.Errorf("%d of %d", len(body), size)
		}
	}
}

func TestMatrix_15_TargetSpeaksHTTPInsteadOfTLSIs502(t *testing.T) {
	s := overTLS(newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		r.ReadByte()
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	}))).run()
	if got := s.dial().send(get).status(); got != 502 {
		t.Error(got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{502, 0, "---", timeline.TargetTLSError})
	if o.Target.Address == "" {
		t.Errorf("%+v", o)
	}
}

func TestHTTPSTarget_SilenceInTheHandshakeIs504(t *testing.T) {
	s := overTLS(newStack(t, backend(t, func(_ int, _ net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })))
	s.timing.handshake = 100 * time.Millisecond
	s.run()
	if got := s.dial().send(get).status(); got != 504 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{504, 0, "---", timeline.TargetTLSTimeout})
}

// With the fault, the keep-alive race of the matrix's row 7 happens every time; without it, never.
func TestMatrix_7_StaleConnectionFaultMakesTheRaceCertain(t *testing.T) {
	for _, c := range []struct {
		window time.Duration
		status int
	}{{time.Minute, 502}, {time.Nanosecond, 200}, {0, 200}} {
		t.Run(c.window.String(), func(t *testing.T) {
			target, ended := answersOnce(t)
			s := newStack(t, target)
			s.snapshot.TargetGroups[0].StaleConnection = c.window
			s.run()
			for n := range 5 {
				client := s.dial()
				if got := client.send(get).status(); got != 200 {
					t.Fatal(got)
				}
				s.record.wait(t, 2*n+1)
				<-ended
				time.Sleep(20 * time.Millisecond) // the kernel tells the end's age in its own ticks
				if got := client.send(get).status(); got != c.status {
					t.Fatal(got)
				}
				o := s.record.wait(t, 2*n+2)[2*n+1]
				if c.status == 502 {
					checkRow(t, o, row{502, 0, "xx-", timeline.KeepaliveRace})
				}
				if o.Connection.Reused != (c.status == 502) {
					t.Errorf("%+v", o.Connection)
				}
				if c.status == 200 {
					<-ended
				}
				s.apply(func(n *Snapshot) {}) // nothing is left idle by the next round but what it made
				for s.targets[s.snapshot.TargetGroups[0].Targets[0].Registration].pool.get(time.Now(), 0) != nil {
				}
			}
		})
	}
}

// followed is a record that keeps epilogues, too.
type followed struct {
	*record
	epilogues chan timeline.Epilogue
}

func (f followed) Followed(e timeline.Epilogue) { f.epilogues <- e }

func newFollowed(s *stack) chan timeline.Epilogue {
	c := make(chan timeline.Epilogue, 100)
	s.Node.sink = followed{s.record, c}
	return c
}

// Old targets are spoken to, by requests and by health checks.
func TestHTTPSTarget_OldProtocolsAndCiphers(t *testing.T) {
	certificate := testCertificate("target", rsaKey, "a.test")
	pair := must(tls.X509KeyPair([]byte(certificate.Chain), []byte(certificate.Key)))
	for name, config := range map[string]*tls.Config{
		"TLS 1.0":            {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"no forward secrecy": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
	} {
		t.Run(name, func(t *testing.T) {
			config.Certificates = []tls.Certificate{pair}
			target := backend(t, func(_ int, conn net.Conn, _ *bufio.Reader) {
				session := tls.Server(conn, config)
				always(hello)(0, session, bufio.NewReader(session))
			})
			s := overTLS(newStack(t, target)).run()
			if got := s.dial().send(get).status(); got != 200 {
				t.Error(got, s.record.one(t).Detail)
			}
			check := &checkSettings{HealthCheck: HealthCheck{Protocol: "HTTPS", Path: "/", Timeout: 10 * time.Second, Matcher: "200"}, to: target.Addr}
			if p := s.probe(t.Context(), check); !p.ok {
				t.Error(p.detail)
			}
		})
	}
}

// What a target sends after its response is nobody's answer, although it came in the same segment and
// TLS has it at hand already.
func TestHTTPSTarget_BytesAfterAResponseEndTheConnection(t *testing.T) {
	target := backend(t, func(_ int, conn net.Conn, _ *bufio.Reader) {
		own := testCertificate("target", ecdsaKey, "a.test")
		pair := must(tls.X509KeyPair([]byte(own.Chain), []byte(own.Key)))
		wire := &together{Conn: conn}
		session := tls.Server(wire, &tls.Config{Certificates: []tls.Certificate{pair}})
		for r := bufio.NewReader(session); ; {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			wire.holding = true
			io.WriteString(session, hello)
			io.WriteString(session, strings.Replace(hello, "hello", "wrong", 1))
			wire.release()
		}
	})
	c := overTLS(newStack(t, target)).run().dial()
	for range 3 {
		if _, body := c.send(get).response("GET"); body != "hello" {
			t.Fatal(body)
		}
	}
}

// together sends what is written while it is holding in one piece.
type together struct {
	net.Conn
	holding bool
	held    []byte
}

func (c *together) Write(p []byte) (int, error) {
	if !c.holding {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

func (c *together) release() {
	c.Conn.Write(c.held)
	c.holding, c.held = false, nil
}

func TestEpilogue_TellsHowTheTargetWentOn(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(conn net.Conn)
		status int
		bytes  int64
		detail string
	}{
		"answers": {func(conn net.Conn) { io.WriteString(conn, hello) }, 200, 5, "complete"},
		"closes":  {func(net.Conn) {}, 0, 0, "EOF"},
		"dies":    {func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") }, 200, 4, "unexpected EOF"},
		"floods": {func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
			conn.Write(make([]byte, 9_000_000))
		}, 200, -1, errFollowedEnough.Error()},
	} {
		t.Run("504 "+name, func(t *testing.T) {
			answered := make(chan struct{})
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				<-answered
				c.end(conn)
			}))
			s.attributes().IdleTimeout = 100 * time.Millisecond
			epilogues := newFollowed(s)
			s.run()
			if got := s.dial().send(get).status(); got != 504 {
				t.Fatal(got)
			}
			o := s.record.one(t)
			close(answered)
			e := <-epilogues
			if e.ID != o.ID || e.Status != c.status || c.bytes >= 0 && e.Bytes != c.bytes || e.Detail != c.detail || e.After < 100*time.Millisecond {
				t.Errorf("%+v", e)
			}
			if c.bytes < 0 && e.Bytes < followBytes {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestEpilogue_After460TheTargetSeesTheEndAndIsHeard(t *testing.T) {
	asked := make(chan struct{})
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		close(asked)
		if _, err := r.ReadByte(); err == io.EOF {
			io.WriteString(conn, hello)
		}
	}))
	epilogues := newFollowed(s)
	s.run()
	c := s.dial().send(get)
	<-asked
	c.Close()
	checkRow(t, s.record.one(t), row{460, 0, "---", timeline.ClientGone})
	if e := <-epilogues; e.Status != 200 || e.Bytes != 5 || e.Detail != "complete" {
		t.Errorf("%+v", e)
	}
	if n := s.Counters()[0].ActiveTargets; n != 0 {
		t.Errorf("%d connections to targets", n)
	}
}

// Draining that ends in the moment in which the client leaves closes the connection all the same.
func TestEpilogue_DrainingEndsWhatTheClientLeft(t *testing.T) {
	ended := make(chan struct{})
	target := backend(t, func(_ int, _ net.Conn, r *bufio.Reader) { r.ReadByte(); close(ended) })
	conn := must(net.Dial("tcp", target.Addr.String()))
	b := newHTTP1Back(&pool{}, conn, &connectionTally{})
	b.end(endedByClient)
	b.end(endedByDraining)
	<-ended
	if why := b.ended(); why != endedByClient {
		t.Errorf("ended by %d", why)
	}
}

func TestEpilogue_EndsWithTheNode(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, _ net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.Copy(io.Discard, r)
		time.Sleep(200 * time.Millisecond)
	}))
	s.attributes().IdleTimeout = 50 * time.Millisecond
	epilogues := newFollowed(s)
	s.run()
	s.dial().send(get).status()
	s.record.one(t)
	s.stop()
	if e := <-epilogues; e.Detail != errStopped.Error() {
		t.Errorf("%+v", e)
	}
}

// A new registration on a used address gets a connection of its own.
func TestPool_IsOfARegistrationNotOfAnAddress(t *testing.T) {
	var connections atomic.Int32
	target := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		connections.Add(1)
		always(hello)(0, conn, r)
	})
	s := newStack(t, target).run()
	c := s.dial()
	for n := range 3 {
		c.send(get).status()
		if o := s.record.wait(t, 2*n+1)[2*n]; o.Connection.Reused {
			t.Errorf("%+v", o.Connection)
		}
		c.send(get).status()
		if o := s.record.wait(t, 2*n+2)[2*n+1]; !o.Connection.Reused {
			t.Errorf("%+v", o.Connection)
		}
		s.apply(func(s *Snapshot) {
			s.TargetGroups[0].Targets[0].Registration = fmt.Sprintf("again-%d", n)
		})
	}
	if connections.Load() != 3 {
		t.Error(connections.Load())
	}
}

func TestCounters(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).run()
	c := s.dial()
	c.send(get).status()
	s.record.one(t) // the connection to the target is back
	other := s.dial()
	other.send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").rest()
	s.record.wait(t, 2)
	want := Counters{LoadBalancer: s.snapshot.LoadBalancers[0].ID, ActiveClients: 1, NewClients: 2, ActiveTargets: 1, NewTargets: 1}
	for range 500 {
		if got := s.Counters(); len(got) == 1 && got[0] == want {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Errorf("%+v", s.Counters())
}

// A large upload goes through the kernel, and says who failed.
func TestUpload_Large(t *testing.T) {
	const size = 8 << 20
	sum := make(chan [32]byte, 1)
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		_, body, err := readRequest(r)
		if err != nil {
			return
		}
		sum <- sha256.Sum256([]byte(body))
		io.WriteString(conn, hello)
	})).run()
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	c := s.dial()
	go func() {
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: %d\r\n\r\n", size)
		for p := data; len(p) > 0; p = p[1<<19:] {
			c.Write(p[:1<<19])
			time.Sleep(time.Millisecond)
		}
	}()
	if res, body := c.response("POST"); res.StatusCode != 200 || body != "hello" {
		t.Error(res, body)
	}
	if got := <-sum; got != sha256.Sum256(data) {
		t.Error("not the bytes that were sent")
	}
	if o := s.record.one(t); o.ReceivedBytes < size || o.Cause != "" {
		t.Errorf("%+v", o)
	}
	if got := c.send("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2\r\n\r\nhi").status(); got != 200 {
		t.Error(got)
	}
}

func TestUpload_LargeFaults(t *testing.T) {
	head := "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 50000000\r\n\r\n" + strings.Repeat("x", 300_000)
	swallow := func(_ int, _ net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) }
	for name, c := range map[string]struct {
		target func(int, net.Conn, *bufio.Reader)
		leave  func(net.Conn)
		want   row
	}{
		"client leaves": {swallow, func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }, row{400, 0, "---", timeline.ClientClosedBeforeBody}},
		"client stalls": {swallow, func(net.Conn) {}, row{408, 0, "---", timeline.ClientIdle}},
		"target answers early": {func(_ int, conn net.Conn, r *bufio.Reader) {
			r.ReadString('\n')
			io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, r)
		}, func(net.Conn) {}, row{413, 413, "xxx", ""}},
		"target closes": {func(_ int, conn net.Conn, r *bufio.Reader) { r.ReadString('\n'); reset(conn) },
			func(net.Conn) {}, row{502, 0, "xx-", timeline.TargetClosedInflight}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, c.target))
			s.attributes().IdleTimeout = 400 * time.Millisecond
			s.run()
			client := s.dial().send(head)
			time.Sleep(30 * time.Millisecond)
			c.leave(client.Conn)
			if got := client.status(); got != c.want.status {
				t.Error(got)
			}
			checkRow(t, s.record.one(t), c.want)
		})
	}
}

// A client that ends its side together with its request is answered and let go soon, although a
// short read counts for all there is.
func TestClient_EndTogetherWithTheRequest(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).run()
	for range 20 {
		c := s.dial().send(get)
		c.Conn.(*net.TCPConn).CloseWrite()
		began := time.Now()
		text := c.rest()
		if time.Since(began) > 10*time.Second {
			t.Fatal("let go after", time.Since(began))
		}
		if text != "" && !strings.HasSuffix(text, "hello") {
			t.Errorf("%q", text)
		}
	}
}

// A target whose end comes together with its response is not taken for idle (ALB-012).
func TestTarget_EndTogetherWithTheResponse(t *testing.T) {
	target, ended := answersOnce(t)
	c := newStack(t, target).run().dial()
	for range 30 {
		if got := c.send(get).status(); got != 200 {
			t.Fatal(got)
		}
		<-ended
	}
}

// A target that ends its sending side just before a request is written is seen at once, not at
// the idle timeout: the poller was told of it before it was armed.
func TestTarget_HalfClosedJustBeforeTheRequest(t *testing.T) {
	ended := make(chan struct{})
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(conn, hello)
		conn.(*net.TCPConn).CloseWrite()
		close(ended)
		io.Copy(io.Discard, r)
	}))
	s.snapshot.TargetGroups[0].StaleConnection = time.Minute // it is offered all the same
	s.run()
	c := s.dial()
	c.send(get).status()
	s.record.one(t)
	<-ended
	began := time.Now()
	if got := c.send(get).status(); got != 502 || time.Since(began) > 10*time.Second {
		t.Error(got, time.Since(began))
	}
}

func TestListeners(t *testing.T) {
	s := newStack(t).run()
	list := s.Listeners()
	ln := list[netip.MustParseAddrPort("127.0.0.1:80")]
	if len(list) != 1 || ln == nil || ln.Addr().String() != s.addr {
		t.Errorf("%+v", list)
	}
	s.stop()
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Chunk extensions without end are refused, large bodies in small chunks are not (CVE-2023-39326).
func TestChunks_ExtensionFlood(t *testing.T) {
	head := "POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		chunk  string
		times  int
		status int
	}{
		"flood":        {"1;" + strings.Repeat("x", 3000) + "\r\na\r\n", 20, 400},
		"small chunks": {"1\r\na\r\n", 50_000, 200},
		"some":         {"1;a=b\r\na\r\n", 50_000, 200},
	} {
		t.Run(name, func(t *testing.T) {
			target, _ := capture(t)
			s := newStack(t, target).run()
			client := s.dial()
			go io.WriteString(client, head+strings.Repeat(c.chunk, c.times)+lastChunk)
			if got := client.status(); got != c.status {
				t.Error(got)
			}
		})
	}
}

// The idle timeout counts from the last answer, although the deadline of an earlier wait is kept.
func TestClient_IdleTimeoutBeginsAnewWithEachRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.group().HealthCheck.Enabled = false
		b.run()
		c := b.connect()
		for range 5 {
			c.send(get).status()
			time.Sleep(7 * time.Second)
		}
		if text := c.rest(); text != "" || time.Since(b.start) != 28*time.Second+60*time.Second {
			t.Errorf("%q after %v", text, time.Since(b.start))
		}
	})
}
