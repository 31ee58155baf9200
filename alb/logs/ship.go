package logs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// shipper puts files into buckets, one after the other.
type shipper struct {
	dir  string
	log  *slog.Logger
	wake chan struct{}

	troubled bool // the last job failed

	mu   sync.Mutex
	jobs []job
}

// job is one thing to do; the first member that is set says what. A job that has only a
// batch ends it.
type job struct {
	file    *liveFile
	greet   *greeting
	recover bool
	batch   *batch
}

// greeting is the test file of a log that was enabled.
type greeting struct {
	to           destination
	kind         kind
	loadBalancer string
}

// batch tells when jobs are done.
type batch struct {
	done chan struct{}
	err  error
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func (s *shipper) add(j job) {
	s.mu.Lock()
	s.jobs = append(s.jobs, j)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run does jobs until stopped is closed and none is left. Compressing must not slow requests
// down: the thread it runs on is a nice one, and ends with it.
func (s *shipper) run(stopped <-chan struct{}) {
	if runtime.GOOS == "linux" { // where priorities are those of threads
		runtime.LockOSThread()
		syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10)
	}
	for {
		select {
		case <-s.wake:
			s.work()
		case <-stopped:
			s.work()
			return
		}
	}
}

func (s *shipper) work() {
	for {
		s.mu.Lock()
		jobs := s.jobs
		s.jobs = nil
		s.mu.Unlock()
		if len(jobs) == 0 {
			return
		}
		for _, j := range jobs {
			s.do(j)
		}
	}
}

func (s *shipper) do(j job) {
	var err error
	switch {
	case j.file != nil:
		err = s.ship(j.file.file, j.file.key)
	case j.greet != nil:
		err = s.greet(j.greet)
	case j.recover:
		err = s.recover()
	default:
		close(j.batch.done)
		return
	}
	if err != nil && !s.troubled {
		s.log.Warn("load balancer logs were not delivered: will try again", "error", err)
	}
	s.troubled = err != nil
	if err != nil && j.batch != nil {
		j.batch.err = errors.Join(j.batch.err, err)
	}
}

// ship compresses a live file to its place in the bucket, removes and closes it. If that
// fails the live file stays, and is found by the next recovery.
func (s *shipper) ship(f *os.File, key string) error {
	defer f.Close()
	size, err := wholeLines(f)
	if err == nil && size > 0 {
		err = s.compress(io.NewSectionReader(f, 0, size), filepath.Join(s.dir, key+".gz"))
	}
	if err == nil {
		err = s.removeLive(f.Name())
	}
	if err != nil {
		return fmt.Errorf("ship %s: %w", key, err)
	}
	return nil
}

// wholeLines returns the size of a file up to its last newline: a crash can have cut the line.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	block := make([]byte, 4096)
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(len(block)))
		n, err := f.ReadAt(block[:end-start], start)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// compress writes a file that is there whole or not at all.
func (s *shipper) compress(from io.Reader, to string) error {
	temp, err := os.CreateTemp(filepath.Join(s.dir, liveDir), "shipping-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if err := lock(temp, syscall.LOCK_NB); err != nil {
		return err
	}
	zip, err := gzip.NewWriterLevel(temp, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err = io.Copy(zip, from); err != nil {
		return err
	}
	if err := errors.Join(zip.Close(), temp.Chmod(0o644), temp.Sync()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(temp.Name(), to)
}

// removeLive removes a live file and the folders that are empty without it.
func (s *shipper) removeLive(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	root := filepath.Join(s.dir, liveDir)
	for dir := filepath.Dir(name); len(dir) > len(root); dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil {
			break // not empty
		}
	}
	return nil
}

// recover ships the live files that nobody grows: those of a process that ended without
// shipping them, and those that could not be shipped.
func (s *shipper) recover() error {
	root := filepath.Join(s.dir, liveDir)
	var problems []error
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			err = s.adopt(root, path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
		return nil
	})
	return errors.Join(append(problems, err)...)
}

// adopt ships or removes a file that nobody has locked.
func (s *shipper) adopt(root, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if lock(f, syscall.LOCK_NB) != nil {
		return f.Close() // somebody is at it
	}
	if !isStill(f, path) {
		return f.Close()
	}
	if !strings.HasSuffix(path, ".log") { // half of a compressed file
		defer f.Close()
		return os.Remove(path)
	}
	key, err := filepath.Rel(root, path)
	if err != nil {
		f.Close()
		return err
	}
	return s.ship(f, key)
}

// isStill reports whether path is still the name of an open file.
func isStill(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// greet writes the test file that AWS puts into a bucket when a log is enabled, unless it
// is there already (LOG-012).
func (s *shipper) greet(g *greeting) error {
	name := filepath.Join(s.dir, g.to.root, g.kind.testFile())
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "Enable %s logs for ELB: %s at %s\n", strings.ReplaceAll(g.kind.String(), "_", " "), g.loadBalancer,
		time.Now().UTC().Format(time.RFC3339))
	return errors.Join(err, f.Close())
}
