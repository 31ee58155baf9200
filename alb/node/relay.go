package node

import (
	"io"
	"time"

	"drydock/timeline"
)

// relay sends the response in res to the client: its head and the first bytes of its body in
// one piece, then the rest as it comes. It reports whether all went well.
func (x *exchange) relay() bool {
	if err := x.holdHead(); err != nil {
		x.lose(err)
		return false
	}
	x.o.Status, x.o.TargetStatus = x.res.status, x.res.status
	if x.o.Status >= 500 {
		x.o.Cause = timeline.TargetMade
	}
	x.o.ResponseTime = max(0, time.Since(x.back.first()))
	x.dress()
	if x.res.status == 101 {
		return x.tunnel()
	}
	err := fromClient(x.front.respond(&x.res))
	if err == nil {
		err = x.relayBody()
	}
	if err != nil {
		x.truncate(err)
	}
	return err == nil
}

// dress makes the response the balancer's: what its attributes set, and stickiness cookies.
func (x *exchange) dress() {
	x.route.edits.dress(&x.res)
	if s := &x.affinity; s.rule != nil || s.group.stickiness != nil {
		x.text = s.stick(&x.res, x.text, x.route.sealer, x.o.UserAgent, time.Now())
	}
}

// holdHead keeps the head of a response of known length until its first body byte is here:
// until then a failing target can still be answered for (ALB-015).
func (x *exchange) holdHead() error {
	if x.res.size <= 0 || x.back.ready() {
		return nil
	}
	x.expectTarget(time.Now())
	for {
		err := x.back.awaitBody()
		switch {
		case err == nil:
			return nil
		case !isTimeout(err):
			return err
		case !x.waitLonger():
			return errShort
		}
	}
}

// relayBody relays until the end of the body. What is here goes out together, before the
// target is waited for.
func (x *exchange) relayBody() error {
	for {
		p, err := x.back.next(false)
		if err == errAgain {
			if err := fromClient(x.front.flush()); err != nil {
				return err
			}
			if err := x.splice(); err != nil {
				return err
			}
			p, err = x.nextFrom()
		}
		if err == io.EOF {
			return fromClient(x.front.end(x.back.trailers()))
		}
		if err == nil {
			err = fromClient(x.front.write(p))
		}
		if err != nil {
			return err
		}
	}
}

func (x *exchange) nextFrom() ([]byte, error) {
	x.expectTarget(time.Now())
	for {
		p, err := x.back.next(true)
		if err == errPart {
			x.expectTarget(time.Now())
			continue
		}
		if !isTimeout(err) || !x.waitLonger() {
			return p, err
		}
	}
}

// splice lets the kernel move what is left of a large body, if both sides can. It works in slices, each
// with fresh deadlines; after the deadline of reading everything read has been written, after
// the later one of writing bytes may be lost: the client has taken none for the idle timeout.
func (x *exchange) splice() error {
	from, ok := x.back.(direct)
	to, can := x.front.(direct)
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
	for remain > 0 {
		now := time.Now()
		x.back.until(now.Add(x.idleTimeout()))
		dst.SetWriteDeadline(now.Add(x.idleTimeout() + time.Second))
		n, err := m.move(min(remain, spliceSlice))
		remain -= n
		from.took(n)
		to.gave(n)
		switch {
		case err == nil:
		case isSink(err):
			return errClient{err}
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case !isTimeout(err) || n == 0:
			return err
		}
	}
	return nil
}

// errClient marks an error of writing to the client.
type errClient struct{ error }

func (e errClient) Unwrap() error { return e.error }

func fromClient(err error) error {
	if err != nil {
		return errClient{err}
	}
	return nil
}
