package node

import (
	"fmt"
	"io"
	"sync"
	"time"

	"drydock/timeline"
)

// survivor is an ability of a back that can be read from after its exchange is over.
type survivor interface {
	back
	// outlive gives the back up as an exchange's, and reports whether there is something to wait for.
	outlive() bool
	// follow reads what the target still answers, until a time and up to limit bytes, and lets go of
	// the back. The status is 0 if there was none; an error says what cut it short.
	follow(until time.Time, limit int64) (status int, bytes int64, err error)
}

var errFollowedEnough = fmt.Errorf("still answering after %d bytes", followBytes)

// followers are the answers that are read to their end although nobody waits for them.
type followers struct {
	mu   sync.Mutex
	all  map[survivor]struct{}
	over bool
}

func (f *followers) add(b survivor) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || len(f.all) >= maxFollowers {
		return false
	}
	if f.all == nil {
		f.all = map[survivor]struct{}{}
	}
	f.all[b] = struct{}{}
	return true
}

func (f *followers) remove(b survivor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, b)
}

// end gives all of them up; there are none from now on.
func (f *followers) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for b := range f.all {
		b.end(endedByStop)
	}
}

// close ends the exchange: its outcome is reported and its back let go of. After 504 and 460 the target is
// listened to for a while longer, to tell how it went on (ALB-065).
func (x *exchange) close(well bool) {
	if b, ok := x.back.(survivor); ok && x.hasEpilogue() && x.node.followers.add(b) {
		if b.outlive() {
			x.follow(b)
			return
		}
		x.node.followers.remove(b)
	}
	x.o.End = time.Now()
	x.back.release(well, x.o.End)
	x.finish()
}

// hasEpilogue reports whether the request is with the target, whole, and nobody waits for its answer.
func (x *exchange) hasEpilogue() bool {
	gone := x.o.Cause == timeline.ResponseTimeout || x.o.Cause == timeline.ClientGone
	return gone && (x.up == nil || x.up.finished)
}

func (x *exchange) follow(b survivor) {
	n, sent, e := x.node, x.sent, timeline.Epilogue{ID: x.o.ID}
	x.finish()
	n.work.Go(func() {
		defer n.followers.remove(b)
		var err error
		e.Status, e.Bytes, err = b.follow(time.Now().Add(followFor), followBytes)
		e.Time, e.Detail = time.Now(), "complete"
		e.After = e.Time.Sub(sent)
		switch {
		case b.ended() == endedByStop:
			e.Detail = errStopped.Error()
		case b.ended() == endedByDraining:
			e.Detail = errDrained.Error()
		case isTimeout(err):
			e.Detail = "no end within " + followFor.String()
		case err != nil:
			e.Detail = err.Error()
		}
		n.sink.Followed(e)
	})
}

// outlive keeps nothing of the exchange; the connection is closed in the end.
func (u *http1Back) outlive() bool {
	if why := u.ended(); u.raw == nil || why != endedNot && why != endedByClient {
		return false
	}
	u.why.CompareAndSwap(endedByClient, endedNot)
	u.hush()
	return true
}

// hush ends our side of the connection, as closing it would: the target sees that nobody waits.
func (u *http1Back) hush() { isTCP(u.conn).CloseWrite() }

func (u *http1Back) follow(until time.Time, limit int64) (status int, bytes int64, err error) {
	defer u.release(false, time.Now())
	var p response
	u.until(until)
	if u.status == 0 {
		err := u.awaitHead(&p)
		for err == errPart {
			err = u.awaitHead(&p)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	for bytes < limit {
		part, err := u.next(true)
		if err == io.EOF {
			return u.status, bytes, nil
		}
		if err != nil && err != errPart {
			return u.status, bytes, err
		}
		bytes += int64(len(part))
	}
	return u.status, bytes, errFollowedEnough
}
