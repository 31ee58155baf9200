package node

//lint:file-ignore SA1019 x/net's server is the other side here: net/http has none for one connection.

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drydock/alb/node/h2"
	"drydock/timeline"

	"golang.org/x/net/http2"
)

// mutedConn is a connection whose peer hears nothing any more once muted.
type mutedConn struct {
	net.Conn
	muted *atomic.Bool
}

func (c mutedConn) Write(p []byte) (int, error) {
	if c.muted.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Behind a target that has vanished a connection never ends: after one response timeout it is used no more.
func TestH2Pool_SilentConnectionIsNotUsedAgain(t *testing.T) {
	var muted atomic.Bool
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, _ *bufio.Reader) {
		h2.Server(mutedConn{conn, &muted}, h2.Config{Handler: func(s *h2.Stream) { s.WriteHead(200, nil, true) }}).Run()
	})).speaking("HTTP2")
	s.attributes().IdleTimeout = 600 * time.Millisecond
	s.timing.connect = 200 * time.Millisecond
	connect := s.Node.dial
	s.Node.dial = func(ctx context.Context, from netip.Addr, mark uint32, to netip.AddrPort) (net.Conn, error) {
		if muted.Load() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return connect(ctx, from, mark, to)
	}
	c := s.run().dialH2()
	if a := c.get("GET /"); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	muted.Store(true)
	for i, want := range []timeline.Cause{timeline.ResponseTimeout, timeline.ConnectTimeout, timeline.ConnectTimeout} {
		if a := c.get("GET /"); a.status != 504 {
			t.Errorf("%+v", a)
		}
		if o := s.record.wait(t, i+2)[i+1]; o.Cause != want || o.Connection.Reused != (i == 0) {
			t.Errorf("%s, want %s: %+v", o.Cause, want, o.Connection)
		}
	}
}

// A target that is only slow keeps its connection.
func TestH2Pool_SlowTargetKeepsItsConnection(t *testing.T) {
	target, conns := h2Backend(t, &http2.Server{}, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
	})
	s := h2Stack(t, target).speaking("HTTP2")
	s.attributes().IdleTimeout = 300 * time.Millisecond
	c := s.run().dialH2()
	if a := c.get("GET /slow"); a.status != 504 {
		t.Errorf("%+v", a)
	}
	link := s.targets[target.Registration].h2.links[0]
	for link.conn.Room() == 0 {
		time.Sleep(time.Millisecond)
	}
	if a := c.get("GET /"); a.status != 200 || conns() != 1 {
		t.Errorf("%d connections, %+v", conns(), a)
	}
}

// A target that ends its connections in order, again and again, loses no request: one whose connection
// ended before anything was sent goes to another.
func TestH2Pool_ConnectionsThatGoAwayLoseNothing(t *testing.T) {
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, _ *bufio.Reader) {
		var c *h2.Conn
		var served atomic.Int64
		c = h2.Server(conn, h2.Config{Handler: func(s *h2.Stream) {
			s.WriteHead(200, nil, true)
			if served.Add(1) == 3 {
				c.GoAway()
			}
		}})
		c.Run()
	})).speaking("HTTP2").run()
	var clients sync.WaitGroup
	for range 4 {
		c := s.dialH2()
		clients.Go(func() {
			for range 300 {
				if a := c.get("GET /"); a.status != 200 {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	clients.Wait()
	for _, o := range s.record.wait(t, 1200) {
		if o.Status != 200 {
			t.Errorf("%d %s %s", o.Status, o.Cause, o.Detail)
		}
	}
}

func TestH2Pool_NoStreamsAreOneConnection(t *testing.T) {
	var conns atomic.Int64
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		conns.Add(1)
		io.ReadFull(r, make([]byte, len(http2.ClientPreface)))
		framer := http2.NewFramer(conn, r)
		framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		for {
			f, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if _, ok := f.(*http2.HeadersFrame); ok {
				framer.WriteRSTStream(f.Header().StreamID, http2.ErrCodeRefusedStream)
			}
		}
	})).speaking("HTTP2").run()
	c := s.dialH2()
	for range 6 {
		if a := c.get("GET /"); a.status != 502 {
			t.Errorf("%+v", a)
		}
	}
	sent := 0
	for _, o := range s.record.wait(t, 6) {
		if o.Cause != timeline.ConnRefused {
			sent++
		}
	}
	if sent > 1 { // the first one, before the settings had come
		t.Errorf("%d requests were sent", sent)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
