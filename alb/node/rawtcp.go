package node

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawRead and rawWrite are system calls without the scheduler's leave: a socket of the
// net package never blocks. EAGAIN and EINTR are the caller's.

func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

func rawWrite(fd uintptr, p []byte, how int) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		uintptr(syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT|how), 0, 0)
	return int(n), e
}

// rawWritev writes several parts at once.
func rawWritev(fd uintptr, parts []syscall.Iovec, how int) (int, syscall.Errno) {
	if len(parts) == 1 {
		return rawWrite(fd, unsafe.Slice(parts[0].Base, parts[0].Len), how)
	}
	m := syscall.Msghdr{Iov: unsafe.SliceData(parts), Iovlen: uint64(len(parts))}
	n, _, e := syscall.RawSyscall(syscall.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m)), uintptr(syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT|how))
	return int(n), e
}

// rawEnd ends our side of a connection.
func rawEnd(fd uintptr) { syscall.RawSyscall(syscall.SYS_SHUTDOWN, fd, syscall.SHUT_WR, 0) }

// sizeOf is how many bytes parts have.
func sizeOf(parts []syscall.Iovec) (n int) {
	for i := range parts {
		n += int(parts[i].Len)
	}
	return n
}

// iovec adds p to parts that are written together.
func iovec(parts []syscall.Iovec, p []byte) []syscall.Iovec {
	if len(p) == 0 {
		return parts
	}
	v := syscall.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	return append(parts, v)
}

// quiet peeks: an idle connection must have nothing to read, not even its end.
func quiet(fd uintptr) bool {
	var b [1]byte
	_, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return e == syscall.EAGAIN
}

// hasRoom reports whether a connection takes bytes at once; nil does.
func hasRoom(conn *net.TCPConn) bool {
	raw, room := rawOf(conn), true
	if conn == nil || raw == nil {
		return true
	}
	err := raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(p, 0)
		room = n > 0 || err != nil
	})
	return room || err != nil
}

// isTCP returns the TCP connection below, if there is nothing between.
func isTCP(conn net.Conn) *net.TCPConn {
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// rawOf returns the descriptor's door of a TCP connection, or nil.
func rawOf(conn net.Conn) syscall.RawConn {
	if tcp := isTCP(conn); tcp != nil {
		if raw, err := tcp.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}
