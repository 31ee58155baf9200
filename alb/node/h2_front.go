package node

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"drydock/alb/node/h2"
)

func (f *h2Front) next(wait bool) ([]byte, error) {
	if wait {
		f.stream.SetReadDeadline(time.Now().Add(f.x.idleTimeout()))
	}
	p, err := f.stream.Next(wait)
	switch {
	case err == io.EOF:
		f.read.Store(true)
		return nil, err
	case err == nil:
		return p, nil
	case err != h2.ErrAgain && f.stream.Over():
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	return nil, bodyError(err)
}

// errGone: the client has sent its whole request, and left (ALB-123).
var errGone = errors.New("client has left")

// bodyError says in the node's words why a client's or target's stream gives no bytes.
func bodyError(err error) error {
	var own *h2.StreamError
	switch {
	case err == h2.ErrAgain:
		return errAgain
	case err == h2.ErrInterrupted:
		return errInterrupted
	case errors.As(err, &own) && !own.Remote:
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	return err
}

// whole is not what the stream knows: its end may have come since next looked.
func (f *h2Front) whole() bool { return f.read.Load() }

func (f *h2Front) received() int64 { return f.stream.Received() }
func (f *h2Front) interrupt()      { f.stream.Interrupt() }
func (f *h2Front) proceed()        {}
func (f *h2Front) last()           {}
func (f *h2Front) sent() int64     { return f.stream.Sent() }

func (f *h2Front) trailers() []field {
	f.after = appendTrailers(f.after[:0], f.stream)
	return f.after
}

func appendTrailers(to []field, s *h2.Stream) []field {
	for _, t := range s.Trailers() {
		to = append(to, field{name: []byte(t.Name), value: []byte(t.Value), kind: kindNamed(t.Name)})
	}
	return to
}

func (f *h2Front) respond(p *response) error {
	f.ended = p.size == 0
	return f.stream.WriteHead(p.status, f.message.convert(p.fields, p.chunked), f.ended)
}

func (f *h2Front) write(p []byte) error {
	n, err := f.stream.Queue(p, false)
	if err == nil && n < len(p) {
		err = f.stream.Send(p[n:], false)
	}
	return err
}

func (f *h2Front) flush() error {
	f.stream.Flush()
	return f.stream.Err()
}

func (f *h2Front) end(trailers []field) error {
	switch {
	case f.ended:
		return nil
	case len(trailers) > 0:
		return f.stream.WriteTrailers(f.message.convert(trailers, true))
	}
	return f.stream.Send(nil, true)
}

// say answers as HTTP/1.1 does, and a gRPC client in its own terms as well (ALB-113, ALB-114).
func (f *h2Front) say(a answer) error {
	body := a.body
	if f.x.req.head {
		body = ""
	}
	if err := f.stream.WriteHead(a.status, f.answerFields(a), body == ""); err != nil || body == "" {
		return err
	}
	return f.stream.Send([]byte(body), true)
}

func (f *h2Front) answerFields(a answer) []h2.Field {
	all := f.message.fields[:0]
	add := func(name, value string) { all = append(all, h2.Field{Name: name, Value: value}) }
	if !a.noServer {
		add("server", "awselb/2.0")
	}
	add("date", dateText(time.Now()))
	if a.contentType != "" {
		add("content-type", a.contentType)
	}
	add("content-length", strconv.Itoa(len(a.body)))
	if f.x.req.grpc && a.status >= 400 {
		add("grpc-status", "14")
		add("grpc-message", "unavailable")
	}
	if a.location != "" {
		add("location", a.location)
	}
	for _, h := range a.fields {
		add(string(appendLower(nil, h.name)), string(h.value))
	}
	f.message.fields = all
	return all
}

// cut resets the stream: the client can tell that the response is not complete (ALB-115).
func (f *h2Front) cut() { f.stream.Reset(h2.InternalError) }

// h2Watch waits for the client to leave. It outlives its front: the stream may still call it.
type h2Watch struct {
	mu    sync.Mutex
	leave func()
	gone  bool
}

// ended is called when the stream ends before its end.
func (w *h2Watch) ended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	if w.leave != nil {
		w.leave()
	}
}

// watch does nothing while there is more of the body: whoever reads it sees the client leave.
func (f *h2Front) watch(leave func()) {
	if f.watcher == nil {
		if leave == nil || !f.whole() {
			return
		}
		f.watcher = &h2Watch{}
		f.stream.OnEnd(f.watcher.ended)
	}
	w := f.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leave = leave; w.gone && leave != nil {
		leave()
	}
}

func (f *h2Front) watching() bool { return f.watcher != nil }

func (f *h2Front) left() bool {
	if f.watcher == nil {
		return false
	}
	f.watcher.mu.Lock()
	defer f.watcher.mu.Unlock()
	return f.watcher.gone
}

func (f *h2Front) unwatch() bool {
	w := f.watcher
	if w == nil {
		return false
	}
	f.stream.OnEnd(nil)
	f.watcher = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leave = nil
	return w.gone
}
