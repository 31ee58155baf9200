package node

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

var errInterrupted = errors.New("interrupted")

// upload sends the rest of a request body to the target while the response is awaited.
type upload struct {
	done     chan struct{}
	stopping atomic.Bool
	reading  atomic.Bool // waiting for the client, not for the target
	stopped  bool
	finished bool           // the whole body was sent; valid after done
	cause    timeline.Cause // what the client did wrong; valid after done
	detail   string
}

// startUpload must not run together with a watch of HTTP/1.1: both read from the client.
func (x *exchange) startUpload() {
	x.up = &upload{done: make(chan struct{})}
	x.activity.Store(x.sent.UnixNano())
	go x.up.run(x)
}

func (up *upload) run(x *exchange) {
	defer close(up.done)
	for !up.stopping.Load() {
		up.reading.Store(true)
		p, err := x.front.next(true)
		up.reading.Store(false)
		switch {
		case err == io.EOF:
			up.finished = x.back.finish(x.front.trailers()) == nil && x.back.flush() == nil
			return
		case err != nil:
			up.blame(x, err)
			return
		}
		if x.back.write(p) != nil || x.back.flush() != nil {
			return // the target may still answer
		}
		x.activity.Store(time.Now().UnixNano())
	}
}

// blame notes what the client did, and ends the wait for the response.
func (up *upload) blame(x *exchange, err error) {
	if up.stopping.Load() {
		return
	}
	up.detail = "request body: " + err.Error()
	switch {
	case isTimeout(err):
		up.cause = timeline.ClientIdle
	case errors.Is(err, errChunk):
		up.cause = timeline.MalformedRequest
	default:
		up.cause = timeline.ClientClosedBeforeBody
	}
	x.back.end(endedByUpload)
}

// stop ends an upload and waits for it. It reports whether the whole body was sent. A nil
// upload has nothing left to send, or could not start.
func (up *upload) stop(x *exchange) bool {
	if up == nil {
		return x.front.whole()
	}
	if !up.stopped {
		if !up.over() {
			up.stopping.Store(true)
			x.front.interrupt()
			x.back.end(endedByUpload)
		}
		<-up.done
		up.stopped = true
	}
	return up.finished && !up.stopping.Load()
}

// over reports whether nobody reads a request body from the client any more.
func (up *upload) over() bool {
	if up == nil {
		return true
	}
	select {
	case <-up.done:
		return true
	default:
		return false
	}
}

// stalled reports whether the client owes bytes of the body.
func (up *upload) stalled() bool { return up != nil && up.reading.Load() }
