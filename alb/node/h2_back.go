package node

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"drydock/alb/node/h2"
)

// h2Back is one stream of a connection to a target. A stream that the target refuses is not
// tried again, on this connection or on another (ALB-001, ALB-119).
type h2Back struct {
	pool   *h2Pool
	link   *h2Link
	secure bool
	uses   int           // requests on the connection, this one included
	idle   time.Duration // of the connection, before this request

	mu     sync.Mutex
	stream *h2.Stream // nil before begin and after release
	why    int32      // endedNot and so on

	begun    bool // the pool does not count on its stream any more
	finished bool
	silent   bool // the last wait for the target was in vain
	deadline time.Time
	firstAt  time.Time
	message  h2Message
	text     []byte // backs the response's fields
}

var _ back = (*h2Back)(nil)

func (b *h2Back) begin(h *head, size int64, patience time.Duration) error {
	fields := b.message.request(h, b.secure)
	b.begun = true
	defer b.pool.opened(b.link) // without mu: the pool may be ending its requests
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.link.conn.Open(fields, size == 0)
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	s.SetPatience(patience)
	b.stream, b.finished = s, size == 0
	if b.why != endedNot {
		s.Reset(h2.Cancel)
	}
	return nil
}

func (b *h2Back) write(p []byte) error {
	n, err := b.stream.Queue(p, false)
	if err == nil && n < len(p) {
		err = b.stream.Send(p[n:], false)
	}
	return err
}

// finish ends the request. Trailers pass (ALB-120), and with them what gRPC ends with (ALB-122).
func (b *h2Back) finish(trailers []field) error {
	if b.finished {
		return nil
	}
	b.finished = true
	if len(trailers) > 0 {
		return b.stream.WriteTrailers(b.message.convert(trailers, true))
	}
	return b.stream.Send(nil, true)
}

func (b *h2Back) flush() error {
	b.stream.Flush()
	return nil
}

func (b *h2Back) until(t time.Time) { b.deadline = t }

func (b *h2Back) awaitHead(p *response) error {
	b.stream.SetReadDeadline(b.deadline)
	if err := b.waited(b.stream.AwaitHead()); err != nil {
		return responseError(err)
	}
	b.firstAt = time.Now()
	if b.stream.TooLarge {
		return errHeadTooLarge
	}
	b.read(p)
	return nil
}

// errStreamReset: the target chose to end the request, not its connection.
var errStreamReset = errors.New("the target reset the stream")

// responseError marks what the target did against the protocol, and its resets.
func responseError(err error) error {
	var stream *h2.StreamError
	var conn *h2.ConnError
	switch {
	case errors.As(err, &stream) && stream.Remote && stream.Code != h2.RefusedStream:
		return fmt.Errorf("%w: %w", errStreamReset, err)
	case errors.As(err, &stream) && !stream.Remote && stream.Code != h2.Cancel, errors.As(err, &conn) && !conn.Remote:
		return fmt.Errorf("%w: %w", errBadResponse, err)
	}
	return err
}

// read makes a response of the stream's head.
func (b *h2Back) read(p *response) {
	s := b.stream
	*p = response{fields: p.fields[:0], status: s.Status, minor: 1, size: s.Length()}
	p.hasLength, p.length = p.size >= 0, max(0, p.size)
	if s.Over() {
		p.size = 0
	}
	b.text = b.text[:0]
	for _, h := range s.Head() {
		p.fields = append(p.fields, field{name: b.keep(h.Name), value: b.keep(h.Value), kind: kindNamed(h.Name)})
	}
}

func (b *h2Back) keep(s string) []byte {
	from := len(b.text)
	b.text = append(b.text, s...)
	return b.text[from:len(b.text):len(b.text)]
}

func (b *h2Back) ready() bool { return false }

func (b *h2Back) awaitBody() error {
	b.stream.SetReadDeadline(b.deadline)
	return b.waited(b.stream.AwaitData())
}

// waited notes whether a wait was in vain.
func (b *h2Back) waited(err error) error {
	b.silent = isTimeout(err)
	return err
}

// doubt has the connection looked at if the target fell silent: behind an address that has vanished it
// would never end, and each request on it would wait for the whole idle timeout.
func (b *h2Back) doubt() {
	if b.silent {
		b.link.conn.Doubt(b.link.doubt)
	}
}

func (b *h2Back) next(wait bool) ([]byte, error) {
	if wait {
		b.stream.SetReadDeadline(b.deadline)
	}
	p, err := b.stream.Next(wait)
	if wait {
		b.waited(err)
	}
	switch {
	case err == nil || err == io.EOF:
		return p, err
	case err == h2.ErrAgain:
		return nil, errAgain
	}
	return nil, err
}

func (b *h2Back) trailers() []field { return appendTrailers(nil, b.stream) }
func (b *h2Back) first() time.Time  { return b.firstAt }
func (b *h2Back) heard() bool       { return !b.firstAt.IsZero() }
func (b *h2Back) nth() int          { return b.uses }

// end resets the stream. The first reason stands.
func (b *h2Back) end(why int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.why != endedNot {
		return
	}
	b.why = why
	if b.stream != nil {
		b.stream.Reset(h2.Cancel)
	}
}

func (b *h2Back) ended() int32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

// release lets go of the stream, which is reset if it is not over. Its connection goes on
// whatever became of it.
func (b *h2Back) release(bool, time.Time) {
	b.mu.Lock()
	s := b.stream
	b.stream = nil
	b.mu.Unlock()
	b.doubt()
	b.pool.release(b)
	if s != nil {
		s.Close()
	} else if !b.begun {
		b.pool.opened(b.link)
	}
}

var (
	nameMethod    = []byte(":method")
	nameScheme    = []byte(":scheme")
	nameAuthority = []byte(":authority")
	namePath      = []byte(":path")
	schemeHTTP    = []byte("http")
	schemeHTTPS   = []byte("https")
	teTrailers    = field{name: []byte("te"), value: []byte("trailers")}
)

// h2Message makes HTTP/2 fields of a head's. It keeps its memory from one to the next.
type h2Message struct {
	fields []h2.Field
	from   []field
	lower  []byte
}

// request makes the fields of a request: pseudo-headers, then those of HTTP/1.1 in lower
// case. A gRPC target is told that trailers are welcome (ALB-120).
func (m *h2Message) request(h *head, secure bool) []h2.Field {
	scheme := schemeHTTP
	if secure {
		scheme = schemeHTTPS
	}
	var authority []byte
	grpc := false
	m.from = m.from[:0]
	for i := range h.fields {
		switch f := &h.fields[i]; f.kind {
		case fieldHost:
			if authority == nil {
				authority = f.value
			}
		case fieldContentType:
			grpc = isGRPC(f.value)
		}
	}
	m.from = append(m.from, field{name: nameMethod, value: h.method}, field{name: nameScheme, value: scheme},
		field{name: nameAuthority, value: authority}, field{name: namePath, value: h.target})
	m.from = append(m.from, h.fields...)
	if grpc {
		m.from = append(m.from, teTrailers)
	}
	return m.convert(m.from, false)
}

// convert makes HTTP/2 fields, in one allocation: names in lower case, and nothing that
// concerns only a connection. unsized leaves out content-length.
func (m *h2Message) convert(from []field, unsized bool) []h2.Field {
	b := m.lower[:0]
	for pick := (picker{sized: unsized, from: from}); pick.next(); {
		b = append(appendLower(b, pick.field.name), pick.field.value...)
	}
	m.lower, m.fields = b, m.fields[:0]
	text := string(b)
	for pick := (picker{sized: unsized, from: from}); pick.next(); {
		n := len(pick.field.name)
		all := n + len(pick.field.value)
		m.fields = append(m.fields, h2.Field{Name: text[:n], Value: text[n:all]})
		text = text[all:]
	}
	return m.fields
}

// picker goes through the fields that HTTP/2 has.
type picker struct {
	from  []field
	sized bool // no content-length from here on
	field *field
}

func (p *picker) next() bool {
	for len(p.from) > 0 {
		p.field, p.from = &p.from[0], p.from[1:]
		switch p.field.kind {
		case fieldHop, fieldUpgrade, fieldConnection, fieldTransferEncoding, fieldHost:
			continue
		case fieldContentLength:
			if p.sized {
				continue
			}
			p.sized = true
		}
		return true
	}
	return false
}

func isGRPC(contentType []byte) bool {
	const kind = "application/grpc"
	return len(contentType) >= len(kind) && equalFold(contentType[:len(kind)], kind)
}
