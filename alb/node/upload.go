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
	reading  atomic.Bool // waiting for the client, not for the target, or it has stalled
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
		if err := up.splice(x); err == errTarget {
			return
		} else if err != nil {
			up.blame(x, err)
			return
		}
		up.reading.Store(true)
		p, err := x.front.next(true)
		up.reading.Store(isTimeout(err))
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

// errTarget is a target that takes nothing any more; it may still answer.
var errTarget = errors.New("target takes no more")

// splice lets the kernel move what is left of a large body, if both sides can. A short read deadline
// each time shows that bytes still come.
func (up *upload) splice(x *exchange) (failed error) {
	from, ok := x.front.(direct)
	to, can := x.back.(direct)
	if !ok || !can {
		return nil
	}
	src, remain := from.source()
	dst := to.sink()
	if src == nil || dst == nil || remain < spliceAbove {
		return nil
	}
	m := newMover(src, dst)
	if m == nil {
		return nil
	}
	defer m.release()
	up.reading.Store(true)
	defer func() { up.reading.Store(isTimeout(failed)) }()
	idle := x.idleTimeout()
	for last := time.Now(); remain > 0; {
		now := time.Now()
		src.SetReadDeadline(now.Add(min(idle/4, time.Second)))
		dst.SetWriteDeadline(now.Add(idle + time.Second))
		if up.stopping.Load() {
			return errInterrupted
		}
		n, err := m.move(min(remain, spliceSlice))
		remain -= n
		from.took(n)
		to.gave(n)
		if n > 0 {
			last = time.Now()
			x.activity.Store(last.UnixNano())
		}
		switch {
		case err == nil:
		case isSink(err):
			return errTarget
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case !isTimeout(err) || time.Since(last) >= idle:
			return err
		}
	}
	return nil
}

// blame notes what the client did, and ends the wait for the response.
func (up *upload) blame(x *exchange, err error) {
	if up.stopping.Load() {
		return
	}
	up.cause, up.detail = bodyFault(err), "request body: "+err.Error()
	x.back.end(endedByUpload)
}

// bodyFault names what the client did wrong with its request's body.
func bodyFault(err error) timeline.Cause {
	switch {
	case errors.Is(err, errGone):
		return timeline.ClientGone
	case isTimeout(err):
		return timeline.ClientIdle
	case errors.Is(err, errChunk):
		return timeline.MalformedRequest
	}
	return timeline.ClientClosedBeforeBody
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

// stalled reports whether the client owes bytes of the body, and not the target room for them: while
// the kernel moves them it does not say which of the two it waits for.
func (up *upload) stalled(x *exchange) bool {
	if up == nil || !up.reading.Load() {
		return false
	}
	to, ok := x.back.(direct)
	return !ok || hasRoom(to.sink())
}
