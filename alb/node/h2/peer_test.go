package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer speaks frames to a Conn by x/net's Framer, an implementation that is not ours.
type peer struct {
	t      testing.TB
	conn   net.Conn
	fr     *http2.Framer
	frames chan string
	dec    *hpack.Decoder
	enc    *hpack.Encoder
	block  bytes.Buffer
	next   uint32
	done   chan struct{} // Run has returned
	err    error         // of Run
}

// meet connects a peer to a server over a pipe. What the server sends is always read.
func meet(t testing.TB, config Config) (*peer, *Conn) {
	here, there := net.Pipe()
	c := Server(there, config)
	p := newPeer(t, here, c)
	here.Write([]byte(preface))
	p.fr.WriteSettings()
	return p, c
}

func newPeer(t testing.TB, conn net.Conn, c *Conn) *peer {
	p := &peer{t: t, conn: conn, fr: http2.NewFramer(conn, conn), frames: make(chan string, 1<<16), next: 1, done: make(chan struct{})}
	p.enc = hpack.NewEncoder(&p.block)
	p.dec = hpack.NewDecoder(4096, nil)
	go func() { defer close(p.done); p.err = c.Run() }()
	go p.read()
	t.Cleanup(func() { conn.Close(); <-p.done })
	return p
}

// read notes the frames that come, as text.
func (p *peer) read() {
	defer close(p.frames)
	for {
		f, err := p.fr.ReadFrame()
		if err != nil {
			return
		}
		if s := p.text(f); s != "" {
			p.frames <- s
		}
	}
}

func (p *peer) text(f http2.Frame) string {
	switch f := f.(type) {
	case *http2.HeadersFrame:
		s := "HEADERS"
		fields, err := p.dec.DecodeFull(f.HeaderBlockFragment())
		if err != nil {
			return err.Error()
		}
		for _, field := range fields {
			s += " " + field.Name + "=" + field.Value
		}
		return s + ended(f.StreamEnded())
	case *http2.DataFrame:
		return "DATA " + string(f.Data()) + ended(f.StreamEnded())
	case *http2.RSTStreamFrame:
		return "RST " + f.ErrCode.String()
	case *http2.GoAwayFrame:
		return "GOAWAY " + f.ErrCode.String()
	case *http2.PingFrame:
		if !f.IsAck() {
			p.conn.Write(append(appendFrame(nil, 8, framePing, flagAck, 0), f.Data[:]...)) // p.fr belongs to the test
		}
		return "PING"
	}
	return "" // SETTINGS, WINDOW_UPDATE
}

func ended(end bool) string {
	if end {
		return " END"
	}
	return ""
}

// want takes the next frames and compares their beginnings; "…" skips to the one after it.
func (p *peer) want(all ...string) {
	p.t.Helper()
	skip := false
	for _, want := range all {
		if skip = want == "…"; skip {
			continue
		}
		p.wantOne(want, len(all) > 1 && all[0] == "…")
	}
}

func (p *peer) wantOne(want string, skip bool) {
	p.t.Helper()
	for {
		got, ok := <-p.frames
		if !ok {
			got = "end"
		}
		if strings.HasPrefix(got, want) {
			return
		}
		if !skip || !ok {
			p.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// request sends a request and returns its stream identifier.
func (p *peer) request(end bool, more ...string) uint32 {
	id := p.next
	p.next += 2
	p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.encode(more...), EndStream: end, EndHeaders: true})
	return id
}

func (p *peer) encode(more ...string) []byte {
	return p.encodeFields(append([]string{":method", "GET", ":scheme", "https", ":authority", "a.example", ":path", "/"}, more...)...)
}

func (p *peer) encodeFields(pairs ...string) []byte {
	p.block.Reset()
	for ; len(pairs) > 0; pairs = pairs[2:] {
		p.enc.WriteField(hpack.HeaderField{Name: pairs[0], Value: pairs[1]})
	}
	return bytes.Clone(p.block.Bytes())
}

func (p *peer) result() error {
	<-p.done
	return p.err
}

// wantCode checks how the connection ended.
func (p *peer) wantCode(code Code) {
	p.t.Helper()
	var e *ConnError
	if err := p.result(); !errors.As(err, &e) || e.Code != code {
		p.t.Errorf("connection ended with %v, want %v", err, code)
	}
}

// say answers 200 with a body.
func say(s *Stream, body string) {
	s.WriteHead(200, []Field{{Name: "x", Value: "y"}}, false)
	s.Send([]byte(body), true)
}

func readAll(s *Stream) ([]byte, error) {
	var all []byte
	for {
		p, err := s.Next(true)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, p...)
	}
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }
