package node

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"drydock/timeline"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is a client that sends the frames it wants to, by x/net's Framer.
type framed struct {
	*client
	fr    *http2.Framer
	enc   *hpack.Encoder
	block bytes.Buffer
	next  uint32
}

const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frames connects, up to the end of the handshake.
func (s *stack) frames() *framed {
	s.t.Helper()
	c := &framed{client: s.dialTLS(&tls.Config{NextProtos: []string{"h2"}, ServerName: "a.test"}), next: 1}
	c.fr, c.enc = http2.NewFramer(c, c.r), hpack.NewEncoder(&c.block)
	return c
}

// greet sends the preface and the initial window of a stream.
func (c *framed) greet(window uint32) *framed {
	c.send(h2Preface)
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	c.fr.WriteWindowUpdate(0, 1<<30)
	return c
}

// head sends the head of a request; its stream is returned.
func (c *framed) head(line string, end, whole bool) uint32 {
	c.t.Helper()
	id := c.next
	c.next += 2
	c.block.Reset()
	for _, f := range h2Head(line) {
		c.enc.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value})
	}
	err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndStream: end, EndHeaders: whole})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// heard is what came until the end of the connection.
type heard struct {
	statuses map[string]int
	resets   map[http2.ErrCode]int
	bytes    int
	away     string // of GOAWAY
	err      error
}

// listen reads until the connection ends, with PINGs answered.
func (c *framed) listen() heard {
	h := heard{statuses: map[string]int{}, resets: map[http2.ErrCode]int{}}
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			h.statuses[f.Value]++
		}
	})
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			h.err = err
			return h
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			dec.Write(f.HeaderBlockFragment())
		case *http2.DataFrame:
			h.bytes += len(f.Data())
		case *http2.RSTStreamFrame:
			h.resets[f.ErrCode]++
		case *http2.GoAwayFrame:
			h.away = f.ErrCode.String()
		case *http2.PingFrame:
			if !f.IsAck() {
				c.fr.WritePing(true, f.Data)
			}
		}
	}
}

// checkEnd looks that the node has ended the connection in good order.
func (h heard) checkEnd(t *testing.T, away string) {
	t.Helper()
	if h.away != away || errors.Is(h.err, os.ErrDeadlineExceeded) {
		t.Errorf("GOAWAY %q, want %q; %v; %+v", h.away, away, h.err, h)
	}
}

// slowH2 starts a node with an HTTPS listener, another client, and a slow one of HTTP/2.
func slowH2(t *testing.T, act func(*testing.T, *stack, *framed)) {
	s := h2Stack(t, shop(t))
	s.attributes().IdleTimeout = slowIdle
	done := s.run().beside(s.overTLS)
	act(t, s, s.frames())
	done()
	s.awaitIdleTarget()
}

// Connections of HTTP/2 without a whole request are closed at the idle timeout, whatever is on its way.
func TestSlowH2_NoRequestIsIdle(t *testing.T) {
	for name, act := range map[string]func(*framed){
		"nothing":          func(c *framed) {},
		"part of preface":  func(c *framed) { c.send(h2Preface[:10]) },
		"preface by byte":  func(c *framed) { c.drip(h2Preface[:10]) },
		"preface only":     func(c *framed) { c.send(h2Preface) },
		"settings":         func(c *framed) { c.greet(1 << 16) },
		"part of a frame":  func(c *framed) { c.greet(1 << 16).send("\x00\x00\x20\x01") },
		"head without end": func(c *framed) { c.greet(1<<16).head("GET /", true, false) },
		"head in small bits": func(c *framed) {
			c.greet(1<<16).head("GET /", true, false)
			c.fr.WriteContinuation(1, false, []byte{0})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slowH2(t, func(t *testing.T, s *stack, c *framed) {
				act(c)
				if h := c.listen(); errors.Is(h.err, os.ErrDeadlineExceeded) || len(h.statuses) > 0 {
					t.Errorf("%+v", h)
				}
				s.mine(c, 0)
			})
		})
	}
}

// A connection whose client only sends PINGs is idle.
func TestSlowH2_PingsKeepNothingOpen(t *testing.T) {
	slowH2(t, func(t *testing.T, s *stack, c *framed) {
		c.greet(1 << 16)
		go func() {
			for err := error(nil); err == nil; time.Sleep(pause) {
				_, err = io.WriteString(c, "\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong") // c.fr belongs to listen
			}
		}()
		if h := c.listen(); errors.Is(h.err, os.ErrDeadlineExceeded) {
			t.Errorf("%+v", h)
		}
		s.mine(c, 0)
	})
}

// Streams whose windows are never opened are given up one by one; it is the client that ended them.
func TestSlowH2_WindowNeverOpened(t *testing.T) {
	const all = 100
	slowH2(t, func(t *testing.T, s *stack, c *framed) {
		c.greet(0)
		for range all {
			c.head("GET /part", true, true)
		}
		h := c.listen()
		h.checkEnd(t, "NO_ERROR")
		if h.statuses["200"] != all || h.bytes != 0 || h.resets[http2.ErrCodeInternal] != all {
			t.Errorf("%+v", h)
		}
		for _, o := range s.mine(c, all) {
			checkRow(t, o, row{200, 200, "xxx", ""})
			if o.EndedBy != "client" {
				t.Fatalf("%+v", o)
			}
		}
	})
}

// A window that is opened byte by byte keeps its stream, and the end of that ends it.
func TestSlowH2_WindowByTheByte(t *testing.T) {
	const updates = 12
	slowH2(t, func(t *testing.T, s *stack, c *framed) {
		began := time.Now()
		id := c.greet(0).head("GET /part", true, true)
		for range updates {
			c.fr.WriteWindowUpdate(id, 1)
			time.Sleep(pause)
		}
		h := c.listen()
		h.checkEnd(t, "NO_ERROR")
		if h.bytes != updates || h.resets[http2.ErrCodeInternal] != 1 {
			t.Errorf("%+v", h)
		}
		if o := s.mine(c, 1)[0]; o.EndedBy != "client" || o.End.Sub(began) < updates*pause {
			t.Errorf("after %v: %+v", o.End.Sub(began), o)
		}
	})
}

// A client that opens all windows and reads nothing is given up with its connection.
func TestSlowH2_ReadsNothing(t *testing.T) {
	const all = 5
	slowH2(t, func(t *testing.T, s *stack, c *framed) {
		c.greet(1 << 30)
		for range all {
			c.head("GET /big", true, true)
		}
		for _, o := range s.mine(c, all) {
			if o.Status != 200 && o.Status != 460 || o.EndedBy != "client" || o.Cause != "" && o.Cause != timeline.ClientGone {
				t.Errorf("%+v", o)
			}
		}
		if h := c.listen(); errors.Is(h.err, os.ErrDeadlineExceeded) {
			t.Errorf("%+v", h)
		}
	})
}

// Bodies that do not come are answered for with 408 each, and then the connection is idle.
func TestSlowH2_BodiesNeverSent(t *testing.T) {
	const all = 100
	slowH2(t, func(t *testing.T, s *stack, c *framed) {
		c.greet(1 << 16)
		for i := range all {
			id := c.head("POST /", false, true)
			if i%2 > 0 {
				c.fr.WriteData(id, false, []byte("begun"))
			}
		}
		h := c.listen()
		h.checkEnd(t, "NO_ERROR")
		if h.statuses["408"] != all {
			t.Errorf("%+v", h)
		}
		for _, o := range s.mine(c, all) {
			checkRow(t, o, row{408, 0, "---", timeline.ClientIdle})
		}
	})
}

// A body that comes byte by byte is taken, however long that lasts in all.
func TestSlowH2_BodyByTheByte(t *testing.T) {
	slowH2(t, func(t *testing.T, s *stack, c *framed) {
		id := c.greet(1<<16).head("POST /", false, true)
		for range 10 {
			c.fr.WriteData(id, false, []byte("x"))
			time.Sleep(pause)
		}
		c.fr.WriteData(id, true, nil)
		if h := c.listen(); h.statuses["200"] != 1 || h.bytes != len("hello") {
			t.Errorf("%+v", h)
		}
		checkRow(t, s.mine(c, 1)[0], row{200, 200, "xxx", ""})
	})
}

// A connection that breaks while streams are open ends each as what it was doing.
func TestSlowH2_ResetWithOpenStreams(t *testing.T) {
	const all = 40
	s := h2Stack(t, shop(t)).run()
	c := s.frames().greet(100)
	for range all / 2 {
		c.head("POST /", false, true)
		c.head("GET /part", true, true)
	}
	for answered := 0; answered < all/2; {
		f, err := c.fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Header().Type == http2.FrameHeaders {
			answered++
		}
	}
	c.breakOff()
	causes := map[timeline.Cause]int{}
	for _, o := range s.mine(c, all) {
		causes[o.Cause]++
		if o.EndedBy != "client" || o.URI == "/part" && o.Status != 200 {
			t.Errorf("%+v", o)
		}
	}
	if causes[timeline.ClientClosedBeforeBody] != all/2 || causes[""] != all/2 {
		t.Errorf("%v", causes)
	}
}

// breakOff resets the connection below TLS.
func (c *framed) breakOff() { reset(c.Conn.(*tls.Conn).NetConn()) }
