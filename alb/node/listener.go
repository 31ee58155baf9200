package node

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// listener is one listener of the snapshot with its sockets and client connections.
type listener struct {
	node  *Node
	arn   string
	route atomic.Pointer[route] // nil: the listener is gone

	sockets map[netip.AddrPort]*socket // owned by Node.mu
	wanted  []netip.AddrPort           // owned by Node.mu

	mu    sync.Mutex
	conns map[clientConn]struct{}
}

// socket is a bound address.
type socket struct {
	net.Listener
	serving bool // owned by Node.mu
}

// bind binds the wanted addresses that are not bound yet. It returns the error of the first
// address; others may not exist yet and are tried again (ALB-060).
func (l *listener) bind() (first error) {
	for i, addr := range l.wanted {
		if l.sockets[addr] != nil {
			continue
		}
		ln, err := l.node.config.Listen(l.node.base, addr)
		if err == nil {
			l.sockets[addr] = &socket{Listener: ln}
		} else if i == 0 {
			first = err
		}
	}
	return first
}

func (l *listener) complete() bool { return len(l.sockets) >= len(l.wanted) }

// unbind closes the sockets that are not wanted any more.
func (l *listener) unbind(wanted []netip.AddrPort) {
	keep := map[netip.AddrPort]bool{}
	for _, addr := range wanted {
		keep[addr] = true
	}
	for addr, s := range l.sockets {
		if !keep[addr] {
			s.Close()
			delete(l.sockets, addr)
		}
	}
	l.wanted = wanted
}

// accept serves the connections of one socket until it is closed. It runs in its own goroutine.
func (l *listener) accept(s *socket) {
	for {
		conn, err := s.Accept()
		if err == nil {
			l.take(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		l.node.log.Warn("accept", "listener", l.arn, "error", err)
		time.Sleep(10 * time.Millisecond) // out of descriptors: give some back
	}
}

// take starts to serve a connection.
func (l *listener) take(conn net.Conn) {
	c := clientConn(newHTTP1Conn(l, conn, newPeer(l.node, clientAddr(conn.RemoteAddr()))))
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	if l.route.Load() == nil || l.node.stopping.Load() {
		c.quit()
	}
	l.node.work.Go(func() {
		c.serve()
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
	})
}

// quit makes idle connections close now and others after their request.
func (l *listener) quit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.quit()
	}
}

// abort closes every connection.
func (l *listener) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.abort()
	}
}
