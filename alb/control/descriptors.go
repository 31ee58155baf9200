package control

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// descriptorBatch is how many descriptors go in one message; the kernel takes 253.
const descriptorBatch = 64

// sendDescriptors passes open files to the process at the other end.
func sendDescriptors(conn *net.UnixConn, fds []int) error {
	for len(fds) > 0 {
		n := min(len(fds), descriptorBatch)
		if _, _, err := conn.WriteMsgUnix([]byte{byte(n)}, unix.UnixRights(fds[:n]...), nil); err != nil {
			return fmt.Errorf("pass %d descriptors: %w", n, err)
		}
		fds = fds[n:]
	}
	return nil
}

// receiveDescriptors takes the descriptors that the other end passes. They are closed on
// exec. After an error none is open.
func receiveDescriptors(conn *net.UnixConn, count int) (fds []int, err error) {
	defer func() {
		if err != nil {
			closeAll(fds)
			fds = nil
		}
	}()
	oob := make([]byte, unix.CmsgSpace(descriptorBatch*4))
	for len(fds) < count {
		var size [1]byte
		_, n, flags, _, err := conn.ReadMsgUnix(size[:], oob)
		if err != nil {
			return fds, fmt.Errorf("take descriptors: %w", err)
		}
		batch, err := parseRights(oob[:n])
		fds = append(fds, batch...)
		if err != nil || flags&unix.MSG_CTRUNC != 0 || len(batch) != int(size[0]) || len(batch) == 0 {
			return fds, errors.Join(fmt.Errorf("take descriptors: %d came instead of %d", len(batch), size[0]), err)
		}
	}
	return fds, nil
}

func parseRights(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		rights, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, err
		}
		fds = append(fds, rights...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// listenerOf makes a listener of a descriptor, which is closed.
func listenerOf(fd int) (*net.TCPListener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take over a listener: %w", err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("take over a listener: it is a %T", l)
	}
	return tcp, nil
}
