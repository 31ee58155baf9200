// Package networktest has what tests need of this machine's own network. Only tests import it.
package networktest

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Address returns an address of 127.0.0.1 that refuses connections and that the kernel gives
// nobody else before the test has ended. Whoever is told of it may listen on it: with
// SO_REUSEADDR, as package net and what is built on it do.
func Address(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := bind()
	if err != nil {
		t.Fatalf("keep an address: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatalf("keep an address: %v", err)
	}
	at := name.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
}

// bind makes a socket that has a port and never listens.
func bind() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}
