package node

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"drydock/alb/node/h2"
	"drydock/timeline"

	"golang.org/x/net/http2/hpack"
)

// A request that never becomes a stream still has one outcome (I8).
func TestH2_HeadsThatAreNotServedHaveAnOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		act    func(p *h2Peer)
		cause  timeline.Cause
		detail string
	}{
		"malformed":     {func(p *h2Peer) { p.head(1, h2Head("GET /", "connection", "x")) }, timeline.MalformedRequest, "RST_STREAM PROTOCOL_ERROR: connection-specific field"},
		"left in it":    {func(p *h2Peer) { p.frame(1, 1, 1, []byte{0x82}); p.Close() }, timeline.ClientClosedBeforeBody, "request header: "},
		"not decodable": {func(p *h2Peer) { p.frame(1, 5, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) }, timeline.MalformedRequest, "sent GOAWAY COMPRESSION_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			s := h2Stack(t, backend(t, always(hello))).run()
			p := s.dialH2Frames()
			test.act(p)
			o := s.record.one(t)
			checkRow(t, o, row{400, 0, "---", test.cause})
			if !strings.HasPrefix(o.Detail, test.detail) || o.Method != "" || o.ReceivedBytes < 10 || o.SentBytes != 0 || o.Type != "h2" {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestH2_StreamsAboveTheLimitHaveAnOutcome(t *testing.T) {
	release := make(chan struct{})
	s := h2Stack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for { // a stream that is late may take another's connection
			if _, _, err := readRequest(r); err != nil {
				return
			}
			<-release
			io.WriteString(conn, hello)
		}
	})).run()
	p := s.dialH2Frames()
	for i := range maxStreams + 1 {
		p.head(uint32(2*i+1), h2Head("GET /"))
	}
	o := s.record.one(t)
	checkRow(t, o, row{400, 0, "---", timeline.MalformedRequest})
	close(release)
	for _, o := range s.record.wait(t, maxStreams+1)[1:] {
		checkRow(t, o, row{200, 200, "xxx", ""})
	}
}

// h2Peer is a client that writes its own frames.
type h2Peer struct {
	*client
	block bytes.Buffer
	enc   *hpack.Encoder
}

func (s *stack) dialH2Frames() *h2Peer {
	s.t.Helper()
	p := &h2Peer{client: s.dialTLS(&tls.Config{NextProtos: []string{"h2"}, ServerName: "a.test"})}
	p.enc = hpack.NewEncoder(&p.block)
	p.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	p.frame(4, 0, 0, nil)
	go io.Copy(io.Discard, p.Conn)
	return p
}

func (p *h2Peer) frame(kind, flags byte, stream uint32, payload []byte) {
	p.t.Helper()
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind)), flags)
	p.send(string(append(binary.BigEndian.AppendUint32(b, stream), payload...)))
}

// head sends a whole head that is a whole request.
func (p *h2Peer) head(stream uint32, fields []h2.Field) {
	p.t.Helper()
	p.block.Reset()
	for _, f := range fields {
		p.enc.WriteField(f)
	}
	p.frame(1, 5, stream, p.block.Bytes())
}
