package node

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// wire is a TCP connection below TLS. It makes its system calls by itself, and asks the poller only
// where it has to wait: the deadline of writing, too, is not set before a write waits. A write
// that need not wait has none, unless it had passed when it was set.
//
// TLS has one goroutine at a time read, and one write.
type wire struct {
	net.Conn
	raw syscall.RawConn

	take  func(fd uintptr) bool
	in    []byte // given to take
	got   int    // result of take
	inErr error  // result of take

	put    func(fd uintptr)
	out    []byte // given to put
	wrote  int    // result of put
	outErr error  // result of put

	mu      sync.Mutex // guards what follows
	writeBy time.Time  // deadline of writing
	late    bool       // it had passed when it was set
	waiting bool       // a write is: a new deadline holds for it
}

// newWire returns a connection to have TLS over: conn itself, if it is not TCP.
func newWire(conn net.Conn) net.Conn {
	w := &wire{Conn: conn, raw: rawOf(conn)}
	if w.raw == nil {
		return conn
	}
	w.take, w.put = w.takeRaw, w.putRaw
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	w.in, w.got, w.inErr = p, 0, nil
	err := w.raw.Read(w.take)
	w.in = nil
	if err == nil {
		err = w.inErr
	}
	return w.got, err
}

func (w *wire) takeRaw(fd uintptr) bool {
	n, e := rawRead(fd, w.in)
	switch {
	case e == syscall.EAGAIN || e == syscall.EINTR:
		return false
	case e != 0:
		w.inErr = os.NewSyscallError("read", e)
	case n == 0 && len(w.in) > 0:
		w.inErr = io.EOF
	default:
		w.got = n
	}
	return true
}

func (w *wire) Write(p []byte) (int, error) {
	if w.isLate() {
		return 0, os.ErrDeadlineExceeded
	}
	w.out, w.wrote, w.outErr = p, 0, nil
	err := w.raw.Control(w.put)
	w.out = nil
	if err == nil {
		err = w.outErr
	}
	if err != nil || w.wrote == len(p) {
		return w.wrote, err
	}
	w.wait(true)
	defer w.wait(false)
	n, err := w.Conn.Write(p[w.wrote:])
	return w.wrote + n, err
}

func (w *wire) putRaw(fd uintptr) {
	n, e := rawWrite(fd, w.out, 0)
	switch {
	case e == 0:
		w.wrote = n
	case e != syscall.EAGAIN && e != syscall.EINTR:
		w.outErr = os.NewSyscallError("write", e)
	}
}

func (w *wire) isLate() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

// wait makes the deadline of writing hold, from now on until a write has ended.
func (w *wire) wait(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting = waiting; waiting {
		w.Conn.SetWriteDeadline(w.writeBy)
	}
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeBy, w.late = t, !t.IsZero() && !time.Now().Before(t)
	if !w.waiting {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}

func (w *wire) SetDeadline(t time.Time) error {
	w.SetWriteDeadline(t) // a connection that is closed fails the next one, too
	return w.Conn.SetReadDeadline(t)
}
