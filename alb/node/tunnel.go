package node

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// tunnel passes bytes both ways between a client and a target that have agreed on WebSocket
// (ALB-061). It ends when both have ended, when either fails, after the idle timeout without a
// byte, or with the target's draining (ALB-062).
type tunnel struct {
	idle time.Duration
	last atomic.Int64 // Unix nanoseconds of the last byte
	over atomic.Bool

	client, target *tunnelEnd

	mu      sync.Mutex
	endedBy string // who ended it first
	detail  string
}

// tunnelEnd is one end of a tunnel.
type tunnelEnd struct {
	name  string
	conn  net.Conn
	raw   syscall.RawConn // TCP only
	ahead []byte          // read before the tunnel began
	read  int64           // bytes that came from here
	took  int64           // bytes that went here

	take func(fd uintptr) bool
	put  func(fd uintptr)

	buf   []byte // of a read
	full  bool   // the last read filled its buffer
	got   int    // result of take
	err   error  // result of take
	out   []byte // given to put
	wrote int    // result of put
}

var errTunnelIdle = errors.New("idle timeout")

// tunnel makes a tunnel of the two sides and waits for its end. It reports false: neither
// connection can be used again.
func (x *exchange) tunnel() bool {
	x.front.unwatch()
	err := fromClient(x.front.respond(&x.res))
	if err == nil {
		err = fromClient(x.front.flush())
	}
	front, ok := x.front.(opener)
	back, can := x.back.(opener)
	if err == nil && !(ok && can) {
		err = errBadResponse
	}
	if err != nil {
		x.truncate(err)
		return false
	}
	if x.o.Type = "ws"; x.o.Scheme == "https" {
		x.o.Type = "wss"
	}
	t := &tunnel{idle: x.idleTimeout(), client: newTunnelEnd("client", front), target: newTunnelEnd("target", back)}
	t.run()
	x.tunnelled = [2]int64{t.client.read, t.client.took}
	x.o.EndedBy, x.o.Detail = t.endedBy, t.detail
	switch x.back.ended() {
	case endedByDraining:
		x.o.EndedBy, x.o.Detail = "alb", errDrained.Error()
	case endedByStop:
		x.o.EndedBy, x.o.Detail = "alb", errStopped.Error()
	}
	return false
}

func newTunnelEnd(name string, side opener) *tunnelEnd {
	e := &tunnelEnd{name: name}
	e.conn, e.ahead = side.open()
	if e.raw = rawOf(e.conn); e.raw != nil {
		e.take, e.put = e.takeRaw, e.putRaw
	}
	return e
}

func (t *tunnel) run() {
	t.last.Store(time.Now().UnixNano())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.pump(t.target, t.client)
	}()
	t.pump(t.client, t.target)
	<-done
}

// pump passes bytes one way until that way ends.
func (t *tunnel) pump(from, to *tunnelEnd) {
	defer from.release()
	err := to.write(from.ahead, t.idle)
	from.read, from.ahead = int64(len(from.ahead)), nil
	t.awaken(from)
	for err == nil {
		p, failed := from.next()
		if isTimeout(failed) {
			failed = t.awaken(from)
		}
		if failed != nil {
			t.end(from, from, to, failed)
			return
		}
		if len(p) == 0 {
			continue
		}
		t.last.Store(time.Now().UnixNano())
		from.read += int64(len(p))
		if err = to.write(p, t.idle); err == nil && len(p) == targetBuffer {
			if err = t.splice(from, to); err != nil && !isSink(err) {
				t.end(from, from, to, err)
				return
			}
		}
		from.release()
	}
	t.end(to, from, to, err)
}

// awaken sets the deadline of reading to the end of the idle timeout; an error says that it has passed.
func (t *tunnel) awaken(from *tunnelEnd) error {
	at := time.Unix(0, t.last.Load()).Add(t.idle)
	if !time.Now().Before(at) {
		return errTunnelIdle
	}
	from.conn.SetReadDeadline(at)
	if t.over.Load() {
		return net.ErrClosed
	}
	return nil
}

// end ends one way: the end of a stream is passed on, anything else ends both.
func (t *tunnel) end(who, from, to *tunnelEnd, err error) {
	t.blame(who, err)
	half, can := to.conn.(interface{ CloseWrite() error })
	if err == io.EOF && can && half.CloseWrite() == nil {
		return
	}
	t.over.Store(true)
	for _, e := range [...]*tunnelEnd{from, to} {
		e.conn.SetDeadline(time.Unix(1, 0))
	}
}

func (t *tunnel) blame(who *tunnelEnd, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.endedBy != "" {
		return
	}
	switch t.endedBy = who.name; {
	case err == errTunnelIdle:
		t.endedBy, t.detail = "alb", err.Error()
	case err != io.EOF:
		t.detail = err.Error()
	}
}

// splice lets the kernel pass bytes on for as long as they come fast. An error that is no [errSink] is
// the reading side's.
func (t *tunnel) splice(from, to *tunnelEnd) error {
	src, dst := isTCP(from.conn), isTCP(to.conn)
	m := newMover(src, dst)
	if m == nil {
		return nil
	}
	defer m.release()
	for !t.over.Load() {
		src.SetReadDeadline(time.Now().Add(spliceWait))
		dst.SetWriteDeadline(time.Now().Add(t.idle + spliceWait))
		n, err := m.move(spliceSlice)
		from.read += n
		to.took += n
		if n > 0 {
			t.last.Store(time.Now().UnixNano())
		}
		if isTimeout(err) && !isSink(err) {
			break
		}
		if err != nil {
			return err
		}
	}
	return t.awaken(from)
}

// next reads once. What it returns is valid until release.
func (e *tunnelEnd) next() ([]byte, error) {
	if e.raw == nil {
		return e.wait()
	}
	e.err = nil
	if err := e.raw.Read(e.take); err != nil {
		return nil, err
	}
	if e.err != nil {
		return nil, e.err
	}
	return e.buf[:e.got], nil
}

// wait reads from what is not TCP. It has to wait with a buffer, a small one unless there was more.
func (e *tunnelEnd) wait() ([]byte, error) {
	e.release()
	if e.full {
		e.lend()
	} else {
		e.buf = leaves.Get().(*[clientBuffer]byte)[:]
	}
	n, err := e.conn.Read(e.buf)
	if e.full = n == len(e.buf); n > 0 {
		err = nil
	}
	return e.buf[:n], err
}

func (e *tunnelEnd) lend() {
	if e.buf == nil {
		e.buf = pages.Get().(*[targetBuffer]byte)[:]
	}
}

func (e *tunnelEnd) release() {
	recycle(e.buf)
	e.buf = nil
}

// takeRaw never takes a short read for the end of what is there: an end that came together with the
// bytes would be missed.
func (e *tunnelEnd) takeRaw(fd uintptr) bool {
	e.lend()
	n, no := rawRead(fd, e.buf)
	switch {
	case no == syscall.EAGAIN || no == syscall.EINTR:
		e.release()
		return false
	case no != 0:
		e.err = no
	case n == 0:
		e.err = io.EOF
	}
	e.got = n
	return true
}

func (e *tunnelEnd) write(p []byte, patience time.Duration) error {
	if e.raw != nil && len(p) > 0 {
		e.out, e.wrote = p, 0
		err := e.raw.Control(e.put)
		e.out = nil
		if err != nil {
			return err
		}
		e.took += int64(e.wrote)
		p = p[e.wrote:]
	}
	if len(p) == 0 {
		return nil
	}
	e.conn.SetWriteDeadline(time.Now().Add(patience))
	n, err := e.conn.Write(p)
	e.took += int64(n)
	return err
}

func (e *tunnelEnd) putRaw(fd uintptr) {
	if n, no := rawWrite(fd, e.out, 0); no == 0 {
		e.wrote = n
	}
}
