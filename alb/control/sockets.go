package control

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"drydock/alb/node"
)

// sockets are the addresses that a process listens on: those that it was handed, and those
// that it opened.
type sockets struct {
	mu     sync.Mutex
	open   map[netip.AddrPort]*socket
	handed map[netip.AddrPort]*net.TCPListener // and not asked for yet
}

// socket is one of them. It is forgotten when it is closed.
type socket struct {
	*net.TCPListener
	sockets *sockets
	addr    netip.AddrPort
}

func newSockets() *sockets {
	return &sockets{open: map[netip.AddrPort]*socket{}, handed: map[netip.AddrPort]*net.TCPListener{}}
}

// listen is the node's Listen.
func (s *sockets) listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	if l := s.takeHanded(addr); l != nil {
		return s.keep(l, addr), nil
	}
	l, err := node.ListenTCP(ctx, addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return l, nil
	}
	return s.keep(tcp, addr), nil
}

func (s *sockets) takeHanded(addr netip.AddrPort) *net.TCPListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.handed[addr]
	delete(s.handed, addr)
	return l
}

func (s *sockets) keep(l *net.TCPListener, addr netip.AddrPort) *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := &socket{l, s, addr}
	s.open[addr] = kept
	return kept
}

func (k *socket) Close() error {
	k.sockets.mu.Lock()
	if k.sockets.open[k.addr] == k {
		delete(k.sockets.open, k.addr)
	}
	k.sockets.mu.Unlock()
	return k.TCPListener.Close()
}

// dropHanded closes what was handed over and nobody asked for.
func (s *sockets) dropHanded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, l := range s.handed {
		l.Close()
		delete(s.handed, addr)
	}
}

// duplicates returns a descriptor of each open socket; the caller closes them.
func (s *sockets) duplicates() (addrs []netip.AddrPort, fds []int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, k := range s.open {
		fd, dupErr := duplicate(k.TCPListener)
		if dupErr != nil {
			err = errors.Join(err, dupErr)
			continue
		}
		addrs, fds = append(addrs, addr), append(fds, fd)
	}
	return addrs, fds, err
}

// duplicate returns another descriptor of what c is. Unlike File it changes no mode.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(controlErr, err)
}
