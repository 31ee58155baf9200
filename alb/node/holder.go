package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenTCP binds an address. A connection on which nothing comes is accepted after about a second. Its error names the process that has the address already.
func ListenTCP(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: deferAccept}
	ln, err := lc.Listen(ctx, "tcp", addr.String())
	if err == nil {
		return ln, nil
	}
	var number syscall.Errno
	if !errors.As(err, &number) {
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	}
	if number == syscall.EADDRINUSE {
		return nil, fmt.Errorf("listen %s: %w by %s", addr, number, holder(addr))
	}
	return nil, fmt.Errorf("listen %s: %w", addr, number)
}

// deferAccept has the kernel keep connections until their first byte is here, or about a second has
// passed: most need not be waited for once they are accepted.
func deferAccept(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1) // without it all is well, too
	})
}

// holder names the process that listens on an address, as far as /proc tells.
func holder(addr netip.AddrPort) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if inode := listeningInode(table, addr); inode != "" {
			return processWith("socket:[" + inode + "]")
		}
	}
	return "another process"
}

// listeningInode finds the socket that listens on an address, or on its port everywhere.
func listeningInode(table string, addr netip.AddrPort) string {
	text, err := os.ReadFile(table)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		local, ok := parseProcAddr(f[1])
		if ok && local.Port() == addr.Port() && (local.Addr() == addr.Addr() || local.Addr().IsUnspecified() || addr.Addr().IsUnspecified()) {
			return f[9]
		}
	}
	return ""
}

// parseProcAddr reads an address of /proc/net/tcp: words in host byte order, then the port.
func parseProcAddr(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err1 := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err1 != nil || err2 != nil {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), ok
}

func processWith(link string) string {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == link {
			dir := filepath.Dir(filepath.Dir(fd))
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return fmt.Sprintf("%s (pid %s)", bytes.TrimSpace(name), filepath.Base(dir))
		}
	}
	return "another process"
}
