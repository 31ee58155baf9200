package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"drydock/timeline"

	"golang.org/x/sys/unix"
)

// DialTCP connects from a source address, with SO_MARK set if mark is not 0.
func DialTCP(ctx context.Context, from netip.Addr, mark uint32, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	if mark != 0 {
		d.Control = func(_, _ string, c syscall.RawConn) error { return setMark(c, mark) }
	}
	return d.DialContext(ctx, "tcp", to.String())
}

func setMark(c syscall.RawConn, mark uint32) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setsockopt SO_MARK", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)))
	})
	return errors.Join(err, failed)
}

// vanished reports errors that a Linux bridge gives for an address that nobody has. In a
// VPC such packets are dropped in silence (ALB-013).
func vanished(err error) bool {
	return errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTDOWN)
}

func isTimeout(err error) bool {
	if err == nil {
		return false // t would be an allocation
	}
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// dialCause names the reason why a target could not be connected to.
func dialCause(err error, draining bool) timeline.Cause {
	switch {
	case isTimeout(err) || errors.Is(err, context.DeadlineExceeded):
		if draining {
			return timeline.ConnectTimeoutDraining
		}
		return timeline.ConnectTimeout
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOPROTOOPT):
		return timeline.ICMPUnreachable
	case draining:
		return timeline.ConnRefusedDraining
	}
	return timeline.ConnRefused
}
