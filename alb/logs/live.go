package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	writeSize = 64 << 10
	liveDir   = ".drydock" // beside the buckets: no bucket's name begins with a dot
)

// liveFile is the plain file that a stream grows during an interval. Its path below
// liveDir is that which it gets in the bucket, so that it can be shipped by whoever finds
// it. It is locked as long as it is open.
type liveFile struct {
	dir         string
	key         string
	to          *destination
	from, until int64 // Unix nanoseconds: the interval

	file  *os.File // nil until the first write
	size  int64
	lines []byte // not written yet
	count int    // of lines
}

func newLiveFile(dir string, k kind, to *destination, at time.Time) *liveFile {
	end := endOf(at)
	return &liveFile{dir: dir, key: to.key(k, end), to: to, from: end.Add(-interval).UnixNano(), until: end.UnixNano()}
}

// over reports whether nothing is to be expected for the file any more.
func (f *liveFile) over(now time.Time) bool { return now.UnixNano() >= f.until+int64(lateFor) }

func (f *liveFile) path() string { return filepath.Join(f.dir, liveDir, f.key) }

// write writes the lines that wait, all or none of them, and forgets them.
func (f *liveFile) write(create func(name string) (*os.File, error)) error {
	lines := f.lines
	f.lines, f.count = f.lines[:0], 0
	if f.file == nil {
		file, err := create(f.path())
		if err != nil {
			return fmt.Errorf("open live log: %w", err)
		}
		f.file = file
	}
	if _, err := f.file.Write(lines); err != nil {
		return errors.Join(fmt.Errorf("write live log: %w", err), f.file.Truncate(f.size))
	}
	f.size += int64(len(lines))
	return nil
}

// createLocked makes a file for appending, with the folders it is in. A recovery that finds it
// before it is locked takes it for one that nobody grows, and removes it: then it is made anew.
func createLocked(name string) (*os.File, error) {
	for {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the folders were empty, and went with another file
		}
		if err != nil {
			return nil, err
		}
		if err := lock(f, 0); err != nil {
			f.Close()
			return nil, err
		}
		if isStill(f, name) {
			return f, nil
		}
		f.Close()
	}
}

// lock takes the lock of an open file, which ends with it. With LOCK_NB it fails if another has it,
// else it waits.
func lock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|how)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}
