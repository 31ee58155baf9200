package h2

//lint:file-ignore SA1019 x/net's server is the other side here: net/http has none for one connection.

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"drydock/timeline/timelinetest"
)

func TestIdle_PingIsNoStream(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{IdleTimeout: time.Minute, Handler: func(s *Stream) { say(s, "hi") }})
		begin := time.Now()
		time.Sleep(30 * time.Second)
		p.request(true)
		p.want("HEADERS :status=200", "DATA hi END")
		for range 5 {
			time.Sleep(10 * time.Second)
			p.fr.WritePing(false, [8]byte{})
			p.want("PING")
		}
		p.want("GOAWAY NO_ERROR", "end")
		if took := time.Since(begin); took != 90*time.Second {
			t.Errorf("closed after %v, want 1m30s", took)
		}
		if err := p.result(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// The deadline of an earlier write must not have passed for the last one.
func TestIdle_LastWriteHasItsOwnDeadline(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{IdleTimeout: time.Minute, WriteTimeout: time.Minute, Handler: func(s *Stream) {}})
		p.want("GOAWAY NO_ERROR", "end")
	})
}

func TestIdle_StreamsKeepTheConnection(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{IdleTimeout: time.Minute, Handler: func(s *Stream) { time.Sleep(time.Hour); say(s, "hi") }})
		p.request(true)
		p.want("HEADERS :status=200", "DATA hi END", "GOAWAY NO_ERROR", "end")
	})
}

func TestMaxAge_GoesAwayWithTheNextStream(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{MaxAge: time.Minute, Handler: func(s *Stream) { say(s, "hi") }})
		p.request(true)
		p.want("HEADERS", "DATA")
		time.Sleep(time.Hour)
		p.request(true)
		p.want("GOAWAY NO_ERROR", "HEADERS", "DATA hi END", "end")
	})
}

func TestMaxRequests_GoesAwayWithTheLast(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{MaxRequests: 3, Handler: func(s *Stream) { time.Sleep(time.Second); say(s, "hi") }})
		for range 4 {
			p.request(true)
		}
		p.want("GOAWAY NO_ERROR", "HEADERS", "…")
		served := 1
		for f := range p.frames {
			if strings.HasPrefix(f, "HEADERS") {
				served++
			}
		}
		if served != 3 {
			t.Errorf("%d requests served, want 3", served)
		}
	})
}

func TestMaxStreams_RefusesMore(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{MaxStreams: 2, Handler: func(s *Stream) { time.Sleep(time.Second); say(s, "hi") }})
		for range 3 {
			p.request(true)
		}
		p.want("RST REFUSED_STREAM", "HEADERS")
	})
}

// A gentle end serves what the client had sent before it knew.
func TestGoAway_ServesWhatIsOnItsWay(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, c := meet(t, Config{Handler: func(s *Stream) { time.Sleep(time.Minute); say(s, "hi") }})
		p.request(true)
		synctest.Wait()
		c.GoAway()
		p.want("GOAWAY NO_ERROR", "PING", "GOAWAY NO_ERROR", "HEADERS", "DATA hi END", "end")
		if err := p.result(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestGoAway_IdleConnectionEndsAtOnce(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, c := meet(t, Config{Handler: func(s *Stream) {}})
		synctest.Wait()
		c.GoAway()
		p.want("GOAWAY NO_ERROR", "end")
	})
}

func TestClose_EndsStreams(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		ended := make(chan error, 2)
		p, c := meet(t, Config{Handler: func(s *Stream) {
			s.OnEnd(func() { ended <- nil })
			_, err := s.Next(true)
			ended <- err
		}})
		p.request(false)
		synctest.Wait()
		c.Close()
		if a, b := <-ended, <-ended; !errors.Is(a, ErrClosed) && !errors.Is(b, ErrClosed) {
			t.Errorf("stream ended with %v, %v", a, b)
		}
	})
}

func TestReset_ReachesHandler(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		ended, result := make(chan struct{}), make(chan error, 1)
		p, _ := meet(t, Config{Handler: func(s *Stream) {
			s.OnEnd(func() { close(ended) })
			<-ended
			result <- s.Send([]byte("late"), true)
		}})
		p.fr.WriteRSTStream(p.request(true), http2.ErrCodeCancel)
		var e *StreamError
		if err := <-result; !errors.As(err, &e) || e.Code != Cancel || !e.Remote {
			t.Errorf("Send after the client's reset: %v", err)
		}
	})
}

func TestStream_Deadlines(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		result := make(chan error, 1)
		p, _ := meet(t, Config{Handler: func(s *Stream) {
			s.SetReadDeadline(time.Now().Add(time.Second))
			_, err := s.Next(true)
			result <- err
			s.SetReadDeadline(time.Now().Add(time.Hour))
			_, err = s.Next(true)
			result <- err
		}})
		id := p.request(false)
		if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Next: %v", err)
		}
		p.fr.WriteData(id, true, []byte("x"))
		if err := <-result; err != nil {
			t.Errorf("Next again: %v", err)
		}
		p.want("RST INTERNAL_ERROR")
	})
}

// An answer that does not wait for the request's end ends the stream.
func TestStream_EarlyAnswer(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{Handler: func(s *Stream) { say(s, "enough") }})
		id := p.request(false)
		p.want("HEADERS", "DATA enough END", "RST NO_ERROR")
		p.fr.WriteData(id, true, []byte("crossing")) // ignored
		p.request(true)
		p.want("HEADERS")
	})
}

// pair connects a client to a server over loopback TCP.
func pair(t testing.TB, server, client Config) *Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s, c := Server(here, server), Client(there, client)
	var work sync.WaitGroup
	work.Go(func() { s.Run() })
	work.Go(func() { c.Run() })
	t.Cleanup(func() { c.Close(); s.Close(); work.Wait() })
	return c
}

func get(path string) []Field {
	return []Field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}, {Name: ":path", Value: path}}
}

// Bodies larger than every window, trailers, many streams at once, both ways.
func TestExchange_BothRoles(t *testing.T) {
	c := pair(t, Config{Handler: echo}, Config{})
	if err := exchange(c, "/", nil); err != nil { // by then it is known how many streams the server takes
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for i := range 40 {
		work.Go(func() {
			body := bytes.Repeat([]byte{byte(i), byte(i >> 1)}, 1000*i)
			if err := exchange(c, fmt.Sprint("/", i), body); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
}

func echo(s *Stream) {
	s.WriteHead(200, []Field{{Name: "path", Value: s.Path}}, false)
	for {
		p, err := s.Next(true)
		if err != nil {
			break
		}
		if s.Send(p, false) != nil {
			return
		}
	}
	s.WriteTrailers([]Field{{Name: "sum", Value: s.Trailers()[0].Value}})
}

func exchange(c *Conn, path string, body []byte) error {
	s, err := c.Open(get(path), false)
	if err != nil {
		return err
	}
	defer s.Close()
	s.SetReadDeadline(soon())
	sent := make(chan error, 1)
	go func() {
		if err := s.Send(body, false); err != nil {
			sent <- err
			return
		}
		sent <- s.WriteTrailers([]Field{{Name: "sum", Value: path}})
	}()
	if err := s.AwaitHead(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	got, err := readAll(s)
	if err := errors.Join(err, <-sent); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if s.Status != 200 || s.Head()[0].Value != path || !bytes.Equal(got, body) || len(s.Trailers()) != 1 || s.Trailers()[0].Value != path {
		return fmt.Errorf("%s: status %d, %d bytes, trailers %v", path, s.Status, len(got), s.Trailers())
	}
	return nil
}

// Go's own client gets everything through our server.
func TestServer_WithGoClient(t *testing.T) {
	l := serveTLS(t, Config{Handler: func(s *Stream) {
		body, _ := readAll(s)
		s.WriteHead(200, []Field{{Name: "trailer", Value: "x-sum"}}, false)
		s.Send(body, false)
		s.WriteTrailers([]Field{{Name: "x-sum", Value: fmt.Sprint(len(body))}})
	}})
	transport := &http2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	for _, size := range []int{0, 1, 100_000, 3 << 20} {
		res, err := (&http.Client{Transport: transport}).Post("https://"+l.Addr().String(), "x/y", bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || len(body) != size || res.Trailer.Get("X-Sum") != fmt.Sprint(size) {
			t.Errorf("%d bytes came back as %d, trailer %v: %v", size, len(body), res.Trailer, err)
		}
	}
}

// Our client gets everything through Go's own server.
func TestClient_WithGoServer(t *testing.T) {
	here, there := net.Pipe()
	go (&http2.Server{}).ServeConn(there, &http2.ServeConnOpts{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints) // swallowed
		w.Header().Set("path", r.URL.Path)
		io.Copy(w, r.Body)
		w.Header().Set(http.TrailerPrefix+"sum", r.URL.Path)
	})})
	c := Client(here, Config{})
	done := make(chan struct{})
	go func() { defer close(done); c.Run() }()
	defer func() { c.Close(); <-done }()
	for _, size := range []int{1, 100_000, 1 << 20} {
		if err := exchange(c, "/x", make([]byte, size)); err != nil {
			t.Error(err)
		}
	}
}

// met connects a client to a peer that plays the server.
func met(t testing.TB, config Config) (*peer, *Conn) {
	here, there := net.Pipe()
	c := Client(there, config)
	return newServerPeer(t, here, c), c
}

func newServerPeer(t testing.TB, conn net.Conn, c *Conn) *peer {
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		io.ReadFull(conn, make([]byte, len(preface)))
	}()
	go c.flush()
	<-ready
	p := newPeer(t, conn, c)
	p.fr.WriteSettings()
	return p
}

func (p *peer) respond(id uint32, end bool, fields ...string) {
	p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.encodeFields(fields...), EndStream: end, EndHeaders: true})
}

// Streams above the last one of a GOAWAY were not begun; others go on.
func TestClient_GoAway(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, c := met(t, Config{})
		first, _ := c.Open(get("/1"), true)
		second, _ := c.Open(get("/2"), true)
		first.Flush()
		p.fr.WriteGoAway(1, http2.ErrCodeNo, nil)
		var e *StreamError
		if err := second.AwaitHead(); !errors.As(err, &e) || e.Code != RefusedStream {
			t.Errorf("second: %v", err)
		}
		if _, err := c.Open(get("/3"), true); !errors.Is(err, ErrFull) {
			t.Errorf("Open after GOAWAY: %v", err)
		}
		p.respond(1, true, ":status", "200")
		if err := first.AwaitHead(); err != nil || first.Status != 200 {
			t.Errorf("first: %d, %v", first.Status, err)
		}
		p.want("…", "end")
	})
}

func TestClient_MalformedResponses(t *testing.T) {
	for name, fields := range map[string][]string{
		"no status":         {"a", "b"},
		"bad status":        {":status", "20x"},
		"capital":           {":status", "200", "Content-Type", "x"},
		"connection":        {":status", "200", "connection", "close"},
		"final 101":         {":status", "101"},
		"length, no body":   {":status", "200", "content-length", "5"},
		"different lengths": {":status", "200", "content-length", "5", "content-length", "6"},
		"request's pseudo":  {":status", "200", ":path", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			timelinetest.Bubble(t, func(t *testing.T) {
				p, c := met(t, Config{})
				s, _ := c.Open(get("/"), true)
				s.Flush()
				p.respond(1, true, fields...)
				var e *StreamError
				if err := s.AwaitHead(); !errors.As(err, &e) || e.Code != ProtocolError {
					t.Errorf("got %v", err)
				}
				p.want("…", "RST PROTOCOL_ERROR")
			})
		})
	}
}

func TestClient_IdleTimeout(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, c := met(t, Config{IdleTimeout: time.Minute})
		begin := time.Now()
		p.want("GOAWAY NO_ERROR", "end")
		if took := time.Since(begin); took != time.Minute || c.Usable() {
			t.Errorf("closed after %v, usable: %v", took, c.Usable())
		}
	})
}

// The number of streams that the peer allows is kept to.
func TestClient_PeerLimit(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, c := met(t, Config{})
		p.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		synctest.Wait()
		s, err := c.Open(get("/"), true)
		if err != nil || c.Room() != 0 {
			t.Fatalf("Open: %v, then room for %d", err, c.Room())
		}
		if _, err := c.Open(get("/"), true); !errors.Is(err, ErrFull) {
			t.Errorf("second Open: %v", err)
		}
		s.Close()
		if c.Room() != 1 {
			t.Errorf("room for %d after Close, want 1", c.Room())
		}
	})
}

func BenchmarkExchange(b *testing.B) {
	c := pair(b, Config{Handler: func(s *Stream) {
		s.WriteHead(200, []Field{{Name: "content-type", Value: "text/plain"}}, false)
		s.Send([]byte("hello"), true)
	}}, Config{})
	request := get("/")
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := c.Open(request, true)
			if err != nil {
				b.Error(err)
				return
			}
			if err := s.AwaitHead(); err != nil {
				b.Error(err)
			}
			for {
				if _, err := s.Next(true); err != nil {
					break
				}
			}
			s.Close()
		}
	})
}

// A peer that answers is trusted again; one that does not is left.
func TestDoubt_EndsWithAnAnswerOrTheConnection(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		here, there := net.Pipe()
		server, client := Server(there, Config{Handler: func(s *Stream) { say(s, "hi") }}), Client(here, Config{})
		done := make(chan error, 2)
		for _, c := range []*Conn{server, client} {
			go func() { done <- c.Run() }()
		}
		client.Doubt(time.Second)
		if client.Room() != 0 {
			t.Error("a doubted connection has room")
		}
		time.Sleep(time.Hour)
		if client.Room() == 0 {
			t.Error("the peer has answered, and is not trusted")
		}
		client.Close()
		<-done
		<-done
	})
	timelinetest.Bubble(t, func(t *testing.T) {
		here, there := net.Pipe()
		go io.Copy(io.Discard, there)
		client := Client(here, Config{})
		done := make(chan error, 1)
		go func() { done <- client.Run() }()
		begin := time.Now()
		client.Doubt(10 * time.Second)
		<-done
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("left after %v", took)
		}
		there.Close()
	})
}
