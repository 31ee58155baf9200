package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// floorEnv is set in the process that is the peer floor: its address.
const floorEnv = "DRYDOCK_BENCH_FLOOR"

// newFloor makes the peer floor, the least that a proxy in Go can be: it passes messages on as
// they are, logs nothing, counts nothing, has no rule, no deadline and no error page. What
// drydock costs beyond it is what drydock does; what it costs itself is Go's and the kernel's.
func (b *bench) newFloor(core int, k keys) (*floor, error) {
	self, err := os.Executable()
	return &floor{bench: b, core: core, keys: k, file: self, address: netip.MustParseAddr("127.0.0.4")}, err
}

// floor is the peer as the bench sees it.
type floor struct {
	*program
	bench   *bench
	core    int
	keys    keys
	file    string
	address netip.Addr
}

func (f *floor) name() string                   { return "floor" }
func (f *floor) on(port int) netip.AddrPort     { return netip.AddrPortFrom(f.address, uint16(port)) }
func (f *floor) processes() []int               { return family(f.Pid) }
func (f *floor) stop(ctx context.Context) error { return f.program.stop(ctx) }

func (f *floor) lacks(port int) error {
	if port != plainPort && port != p256Port {
		return errors.New("the floor does not serve it")
	}
	return nil
}

func (f *floor) start(ctx context.Context) (err error) {
	args := []string{f.keys.P256}
	for _, at := range targetsAt(3, staticPort) {
		args = append(args, at.String())
	}
	os.Setenv(floorEnv, f.address.String())
	f.program, err = startProgram(f.core, f.bench.dir, f.file, args...)
	os.Unsetenv(floorEnv)
	if err != nil {
		return err
	}
	return f.awaitAnswer(ctx, f.on(plainPort))
}

// runFloor is the floor's process: it serves until it is killed. The arguments are a file with
// certificate and key, and the targets.
func runFloor(at string, args []string) error {
	certificate, err := tls.LoadX509KeyPair(args[0], args[0])
	if err != nil {
		return err
	}
	plain, err1 := net.Listen("tcp4", net.JoinHostPort(at, strconv.Itoa(plainPort)))
	secure, err2 := tls.Listen("tcp4", net.JoinHostPort(at, strconv.Itoa(p256Port)), &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var targets []*floorTarget
	for _, address := range args[1:] {
		targets = append(targets, &floorTarget{address: address})
	}
	r := &floorProxy{targets: targets}
	go r.accept(secure)
	return r.accept(plain)
}

type floorProxy struct {
	targets []*floorTarget
	turn    atomic.Uint64
}

// floorTarget keeps idle connections to a target.
type floorTarget struct {
	address string
	mu      sync.Mutex
	idle    []*floorSide
}

func (r *floorProxy) accept(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			r.serve(conn)
		}()
	}
}

// serve passes requests without bodies to the targets in turn, until anything goes wrong.
func (r *floorProxy) serve(conn net.Conn) {
	client := newFloorSide(conn)
	for {
		client.n = 0
		for !bytes.HasSuffix(client.buf[:client.n], endOfHead) {
			if client.read() != nil {
				return
			}
		}
		at := bytes.Index(client.buf[:client.n], []byte("Connection: close"))
		if at > 0 {
			client.buf[at] = 'X' // it is the client's alone
		}
		t := r.targets[r.turn.Add(1)%uint64(len(r.targets))]
		back, err := t.get()
		if err != nil || back.answer(client) != nil {
			return
		}
		t.put(back)
		if at > 0 {
			return
		}
	}
}

func (t *floorTarget) get() (*floorSide, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.idle); n > 0 {
		back := t.idle[n-1]
		t.idle = t.idle[:n-1]
		return back, nil
	}
	conn, err := net.Dial("tcp4", t.address)
	if err != nil {
		return nil, err
	}
	return newFloorSide(conn), nil
}

func (t *floorTarget) put(back *floorSide) {
	t.mu.Lock()
	t.idle = append(t.idle, back)
	t.mu.Unlock()
}

var endOfHead = []byte("\r\n\r\n")

// answer asks the target what the client asked, and gives the client the answer.
func (s *floorSide) answer(client *floorSide) error {
	s.n, s.ask = 0, client.buf[:client.n]
	for {
		err := s.read()
		if err != nil {
			return err
		}
		if i := bytes.Index(s.buf[:s.n], endOfHead); i >= 0 {
			length, err := contentLength(s.buf[:i])
			return errors.Join(err, s.relay(client, i+len(endOfHead)+length))
		}
	}
}

// relay passes on what is here, and then the rest of so many bytes.
func (s *floorSide) relay(client *floorSide, length int) error {
	for {
		if err := client.send(s.buf[:s.n]); err != nil {
			return err
		}
		if length -= s.n; length <= 0 {
			return nil
		}
		s.n = 0
		if err := s.read(); err != nil {
			return err
		}
	}
}

func contentLength(head []byte) (int, error) {
	_, rest, _ := bytes.Cut(head, []byte("Content-Length: "))
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return strconv.Atoi(string(digits))
}

// floorSide is a connection with a buffer. Over plain TCP it makes its system calls by itself.
type floorSide struct {
	net.Conn
	raw   syscall.RawConn // nil: TLS
	buf   []byte
	n     int    // bytes in buf
	ask   []byte // written before the next read
	err   error
	talk  func(fd uintptr) bool
	write func(fd uintptr)
}

func newFloorSide(conn net.Conn) *floorSide {
	s := &floorSide{Conn: conn, buf: make([]byte, 72<<10)}
	if tcp, ok := conn.(*net.TCPConn); ok {
		s.raw, _ = tcp.SyscallConn() // it is open
		s.talk, s.write = s.converse, s.give
	}
	return s
}

// read writes what is to be asked, and reads once behind what is in the buffer.
func (s *floorSide) read() error {
	if s.raw == nil {
		n, err := s.Conn.Read(s.buf[s.n:])
		s.n += n
		return err
	}
	s.err = nil
	if err := s.raw.Read(s.talk); err != nil {
		return err
	}
	return s.err
}

// send writes p.
func (s *floorSide) send(p []byte) error {
	s.ask, s.err = p, nil
	if s.raw != nil {
		if err := s.raw.Control(s.write); err != nil {
			return err
		}
	}
	if len(s.ask) == 0 || s.err != nil {
		return s.err
	}
	_, err := s.Conn.Write(s.ask) // what the kernel did not take at once
	s.ask = nil
	return err
}

// give writes what the kernel takes at once.
func (s *floorSide) give(fd uintptr) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&s.ask[0])), uintptr(len(s.ask)), syscall.MSG_NOSIGNAL, 0, 0)
	switch e {
	case 0:
		s.ask = s.ask[n:]
	case syscall.EAGAIN, syscall.EINTR:
	default:
		s.err = e
	}
}

// converse writes, or reads; the poller is armed before, so that there is no read that fails
// between the two.
func (s *floorSide) converse(fd uintptr) bool {
	if len(s.ask) > 0 {
		s.give(fd) // small: the kernel takes all of it
		return s.err != nil
	}
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&s.buf[s.n])), uintptr(len(s.buf)-s.n), 0, 0, 0)
	switch {
	case e == syscall.EAGAIN || e == syscall.EINTR:
		return false
	case e != 0:
		s.err = e
	case n == 0:
		s.err = io.EOF
	default:
		s.n += int(n)
	}
	return true
}
