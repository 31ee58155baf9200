package node

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"drydock/timeline"
)

// session is what one handshake finds out. The TLS library's callbacks fill it.
type session struct {
	terms       *terms // of the route at the time of the client's hello
	certificate string // ARN of the one presented; empty if an old session is resumed
}

// sessionKey finds the session in the context of a handshake.
type sessionKey struct{}

// newEntrance returns the config that all handshakes of a listener begin with. It outlives
// snapshots, and with it the keys of session tickets (ALB-105).
func (l *listener) newEntrance() *tls.Config {
	return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		r := l.route.Load()
		if r == nil || r.terms == nil {
			return nil, errNoTerms
		}
		if s, ok := hello.Context().Value(sessionKey{}).(*session); ok {
			s.terms = r.terms
		}
		return r.terms.config, nil
	}}
}

var errNoTerms = errors.New("the listener does not serve TLS any more")

// handshake is a client connection until it is known what it speaks: then it gives way to
// another one.
type handshake struct {
	listener *listener
	conn     *opening
	peer     peer
	began    time.Time
	next     clientConn // what follows; nil: nothing
}

var _ clientConn = (*handshake)(nil)

// quit: no request is in flight.
func (h *handshake) quit() { h.conn.Close() }

func (h *handshake) abort() { h.conn.Close() }

// serve does the handshake. What follows runs in another goroutine, whose stack is small: the
// handshake's is not.
func (h *handshake) serve() {
	l, r := h.listener, h.listener.route.Load()
	secure, s, err := h.shake()
	record := Connection{Time: h.began, Client: h.peer.addr, Handshake: -1, TraceID: h.peer.traceID}
	switch {
	case err == nil:
		state := secure.ConnectionState()
		session := s.describe(state)
		h.peer.tls = &session
		record.TLS, record.Handshake = session, time.Since(h.began)
		l.report(r, record)
		if state.NegotiatedProtocol == "h2" {
			h.next = newH2Conn(l, secure, h.peer)
			return
		}
		h.next = newHTTP1Conn(l, secure, h.peer)
	case h.conn.plain():
		record.Failed = plainHTTP.detail
		l.report(r, record)
		h.next = newMisled(l, h.conn, h.peer)
	default:
		record.Failed = err.Error()
		l.report(r, record)
		h.conn.Close()
	}
}

// shake does the TLS handshake. A client that stalls is given up after a while (ALB-106).
func (h *handshake) shake() (*tls.Conn, *session, error) {
	secure, s := tls.Server(h.conn, h.listener.entrance), &session{}
	h.conn.SetDeadline(h.began.Add(h.listener.node.timing.handshake))
	// The context only carries the session. One that could end would cost a goroutine.
	if err := secure.HandshakeContext(context.WithValue(context.Background(), sessionKey{}, s)); err != nil {
		return nil, nil, err
	}
	h.conn.SetDeadline(time.Time{})
	h.conn.secure, h.conn.first = true, nil
	return secure, s, nil
}

// newMisled returns a connection whose client speaks HTTP where TLS was expected. Its request
// is read and refused (ALB-108).
func newMisled(l *listener, conn *opening, p peer) *http1Conn {
	p.kind = "http"
	c := newHTTP1Conn(l, conn.below, p)
	c.misled = true
	c.rd.buf = append(conn.first, make([]byte, clientBuffer)...)
	c.rd.w = len(conn.first)
	conn.SetDeadline(time.Time{})
	return c
}

// plainPage is the answer to a request without TLS on a port for HTTPS: nginx's.
func plainPage(padded bool) answer {
	const text = "The plain HTTP request was sent to HTTPS port"
	a := errorPage(400, padded)
	a.body = strings.Replace(a.body, "<title>400 Bad Request</title>", "<title>400 "+text+"</title>", 1)
	a.body = strings.Replace(a.body, "</center>\r\n", "</center>\r\n<center>"+text+"</center>\r\n", 1)
	return a
}

// describe returns what logs say about a session (ALB-109).
func (s *session) describe(state tls.ConnectionState) timeline.TLS {
	d := timeline.TLS{Protocol: protocolName(state.Version), Cipher: cipherName(state.CipherSuite), Certificate: s.certificate}
	if state.DidResume {
		d.Certificate = "session-reused"
	}
	if state.ServerName != "" && len(s.terms.matching(state.ServerName)) > 0 {
		d.Domain = state.ServerName
	}
	return d
}

// opening is a connection that remembers the first bytes that its client sends, until
// it is known that they are TLS.
type opening struct {
	net.Conn
	below  net.Conn
	first  []byte
	secure bool
}

func (o *opening) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if !o.secure {
		o.first = append(o.first, p[:n]...)
	}
	return n, err
}

// plain reports whether the client sent something else than TLS: by the first byte, as nginx
// does (ALB-108).
func (o *opening) plain() bool {
	return len(o.first) > 0 && o.first[0]&0x80 == 0 && o.first[0] != recordHandshake
}

// plainHTTP refuses what comes without TLS on a port for HTTPS.
var plainHTTP = &refusal{timeline.PlainHTTP, "plain HTTP on a port for HTTPS"}

// recordHandshake is the first byte of a TLS connection.
const recordHandshake = 22
