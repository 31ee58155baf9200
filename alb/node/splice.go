package node

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// mover has the kernel move bytes from one connection to another, through a pipe. The net package can,
// too, but tells the scheduler of each call, and does not say which side failed.
type mover struct {
	from, to   syscall.RawConn
	pipe       *pipe
	take, give func(fd uintptr) bool // bound once
	want       int                   // to take
	held       int                   // in the pipe
	wrote      int
	err        syscall.Errno // of the last call
}

// newMover returns nil where the kernel can't: where one side is not plain TCP, or there are no
// descriptors left for a pipe.
func newMover(from, to *net.TCPConn) *mover {
	src, dst := rawOf(from), rawOf(to)
	if src == nil || dst == nil {
		return nil
	}
	p := takePipe()
	if p == nil {
		return nil
	}
	m := &mover{from: src, to: dst, pipe: p}
	m.take, m.give = m.takeRaw, m.giveRaw
	return m
}

// release gives the pipe back; one that holds what could not be written is closed.
func (m *mover) release() {
	if m.held == 0 {
		freePipes.Put(m.pipe)
	} else {
		m.pipe.close()
	}
}

// errSink marks an error of writing: what was read before it may be lost.
type errSink struct{ error }

func (e errSink) Unwrap() error { return e.error }

func isSink(err error) bool {
	var sink errSink
	return errors.As(err, &sink)
}

// move moves up to limit bytes, and returns how many were written. The end of what there is to read is
// io.EOF; the deadlines are those of the connections; an error of writing is an [errSink].
func (m *mover) move(limit int64) (moved int64, err error) {
	for moved < limit {
		m.want = int(min(limit-moved, pipeSize))
		if err := m.from.Read(m.take); err != nil {
			return moved, err
		}
		if m.err != 0 {
			return moved, os.NewSyscallError("splice", m.err)
		}
		if m.held == 0 {
			return moved, io.EOF
		}
		for m.held > 0 {
			if err := m.to.Write(m.give); err != nil {
				return moved, errSink{err}
			}
			if m.err != 0 {
				return moved, errSink{os.NewSyscallError("splice", m.err)}
			}
			m.held -= m.wrote
			moved += int64(m.wrote)
		}
	}
	return moved, nil
}

// takeRaw fills the empty pipe with what is here. EAGAIN: nothing is.
func (m *mover) takeRaw(fd uintptr) bool {
	m.held, m.err = rawSplice(fd, m.pipe.w, m.want)
	return m.err != syscall.EAGAIN
}

// giveRaw empties the pipe as far as the other side has room.
func (m *mover) giveRaw(fd uintptr) bool {
	m.wrote, m.err = rawSplice(m.pipe.r, fd, m.held)
	return m.err != syscall.EAGAIN
}

// rawSplice never blocks. It returns no bytes with an error.
func rawSplice(from, to uintptr, n int) (int, syscall.Errno) {
	for {
		moved, _, e := syscall.RawSyscall6(syscall.SYS_SPLICE, from, 0, to, 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch e {
		case 0:
			return int(moved), 0
		case syscall.EINTR:
		default:
			return 0, e
		}
	}
}

// pipeSize is how much a pipe holds, if the kernel lets it: for users other than root there is a limit
// for all pipes together.
const pipeSize = 1 << 20

// pipe holds nothing when it is taken or put back. It is closed when nobody refers to it any more.
type pipe struct {
	r, w    uintptr
	cleanup runtime.Cleanup
}

var freePipes sync.Pool

// takePipe returns nil if there is none to be had.
func takePipe() *pipe {
	if p, ok := freePipes.Get().(*pipe); ok {
		return p
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // a smaller one does, too
	p := &pipe{r: uintptr(fds[0]), w: uintptr(fds[1])}
	p.cleanup = runtime.AddCleanup(p, closeBoth, fds)
	return p
}

func (p *pipe) close() {
	p.cleanup.Stop()
	closeBoth([2]int{int(p.r), int(p.w)})
}

func closeBoth(fds [2]int) {
	unix.Close(fds[0])
	unix.Close(fds[1])
}
