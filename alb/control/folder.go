package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What is in a node's folder.
const (
	socketFile   = "node.sock"
	lockFile     = "node.lock"
	snapshotFile = "snapshot.json"
	logFile      = "node.log"
)

// Folder is where the node of a state directory keeps what is its own.
func Folder(stateDir string) string { return filepath.Join(stateDir, "alb") }

// LogFile is what the process of a state directory writes its log to.
func LogFile(stateDir string) string { return filepath.Join(Folder(stateDir), logFile) }

// makeFolder makes the folder, which is nobody else's business: keys are in it.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the load balancer node's folder: %w", err)
	}
	return os.Chmod(dir, 0o700)
}

// HeldError says that another process is the node of the state directory.
type HeldError struct {
	Dir string
	PID int
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("another load balancer node (pid %d) serves %s: it is part of the daemon of that directory; `drydock down --all` ends it, or name another directory with --state-dir", e.PID, filepath.Dir(e.Dir))
}

// lockPatience is how long taking the lock is tried: who looks whether it is held holds it
// for a moment.
const lockPatience = 300 * time.Millisecond

// takeLock takes the folder's lock. The kernel gives it back when the process ends, however
// it ends, and whoever was given the descriptor has ended too.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the load balancer node: %w", err)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, signLock(f)
		}
		if time.Now().After(end) {
			defer f.Close()
			return nil, &HeldError{dir, readPID(f)}
		}
	}
}

// signLock writes who holds the lock into it.
func signLock(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("sign the lock of the load balancer node: %w", err)
	}
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

func readPID(f *os.File) int {
	text, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// Holder returns the process that is the node of a state directory, or 0 if there is none.
func Holder(stateDir string) int {
	f, err := os.Open(filepath.Join(Folder(stateDir), lockFile))
	if err != nil {
		return 0
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return 0
	}
	return readPID(f)
}

// reach calls use with a path of a file of the folder that is short enough for a unix
// socket's address, whatever the folder is called.
func reach(dir, name string, use func(path string) error) error {
	if path := filepath.Join(dir, name); len(path) < 100 {
		return use(path)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name))
}

// listenHere binds the folder's socket. What was bound there before is replaced at once,
// without a moment in which there is none.
func listenHere(dir string) (*net.UnixListener, error) {
	var l *net.UnixListener
	name := fmt.Sprintf("%s.%d", socketFile, os.Getpid())
	os.Remove(filepath.Join(dir, name))
	err := reach(dir, name, func(path string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for the daemon: %w", err)
	}
	l.SetUnlinkOnClose(false)
	err = errors.Join(os.Chmod(filepath.Join(dir, name), 0o600), os.Rename(filepath.Join(dir, name), filepath.Join(dir, socketFile)))
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen for the daemon: %w", err)
	}
	return l, nil
}

// dialHere connects to the folder's socket.
func dialHere(ctx context.Context, dir string) (conn net.Conn, err error) {
	err = reach(dir, socketFile, func(path string) (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}
