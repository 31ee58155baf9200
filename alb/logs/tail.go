package logs

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const followerRoom = 64 // batches that a follower can be behind

// part is a log file up to a size; up to its end if that is negative.
type part struct {
	name string
	size int64
}

// follower gets the lines of a stream as they are formatted.
type follower struct {
	batches chan []byte
	pending []byte // of the desk
	count   int
	skipped atomic.Int64
}

func (f *follower) add(line []byte) {
	f.pending = append(f.pending, line...)
	f.count++
}

// send hands the pending lines over; a follower that is too slow skips them.
func (f *follower) send() {
	if f.count == 0 {
		return
	}
	select {
	case f.batches <- f.pending:
	default:
		f.skipped.Add(int64(f.count))
	}
	f.pending, f.count = nil, 0
}

// Tail writes the last n access log lines of a load balancer (its name or app/name/id),
// and with follow goes on with each new one until ctx ends, which is no error. It follows
// also where access logs are not enabled; then there are no earlier lines. If w is too
// slow, lines are skipped, and how many is said in a line that begins with "#". Tail needs Run.
func (d *Delivery) Tail(ctx context.Context, loadBalancer string, follow bool, n int, w io.Writer) error {
	s, err := d.tail(loadBalancer)
	if err != nil {
		return err
	}
	defer d.untail(s)
	to := &follower{batches: make(chan []byte, followerRoom)}
	var live []part
	err = d.do(ctx, func(k *desk) {
		k.drain()
		for _, f := range s.files {
			live = append(live, part{f.path(), f.size})
		}
		if follow {
			s.followers = append(s.followers, to)
		}
	})
	if err != nil {
		return err
	}
	if follow {
		defer d.leave(s, to)
	}
	if err := d.writeLast(s, live, n, w); err != nil || !follow {
		return err
	}
	return d.relay(ctx, to, w)
}

// relay writes what a follower gets until ctx or the delivery ends.
func (d *Delivery) relay(ctx context.Context, to *follower, w io.Writer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.over:
			return nil
		case lines := <-to.batches:
			if n := to.skipped.Swap(0); n > 0 {
				lines = fmt.Appendf(lines, "# %d lines skipped: they came faster than they could be shown\n", n)
			}
			if _, err := w.Write(lines); err != nil {
				return fmt.Errorf("tail access log: %w", err)
			}
		}
	}
}

// leave ends the following.
func (d *Delivery) leave(s *stream, to *follower) {
	d.do(context.Background(), func(*desk) {
		s.followers = slices.DeleteFunc(s.followers, func(f *follower) bool { return f == to })
	})
}

// tail finds a load balancer's access log and has its requests recorded.
func (d *Delivery) tail(loadBalancer string) (*stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.known {
		id := d.known[i].ID
		if id != loadBalancer && !strings.HasPrefix(id, "app/"+loadBalancer+"/") {
			continue
		}
		s := d.stream(streamKey{access, id})
		s.tails++
		d.publish()
		return s, nil
	}
	return nil, fmt.Errorf("tail access log: there is no load balancer %s", loadBalancer)
}

func (d *Delivery) untail(s *stream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.tails--
	d.publish()
}

// writeLast writes the last n lines of a stream: of its live files, and if those are not
// enough, of what was shipped last.
func (d *Delivery) writeLast(s *stream, live []part, n int, w io.Writer) error {
	var parts [][]byte // newest first
	slices.Reverse(live)
	for _, p := range append(live, d.shipped(s)...) {
		if n <= 0 {
			break
		}
		lines, count, err := p.lastLines(n)
		if err != nil {
			continue // shipped in between, or not readable: the others are
		}
		parts = append(parts, lines)
		n -= count
	}
	slices.Reverse(parts)
	if _, err := w.Write(bytes.Join(parts, nil)); err != nil {
		return fmt.Errorf("tail access log: %w", err)
	}
	return nil
}

// shipped returns the files of a stream in its bucket, newest first.
func (d *Delivery) shipped(s *stream) []part {
	at := s.at.Load()
	if at == nil {
		return nil
	}
	prefix := fmt.Sprintf("%s%s_elasticloadbalancing_%s_%s_", s.kind.prefix(), at.account, at.region, at.id)
	var found []part
	times := map[part]time.Time{}
	filepath.WalkDir(filepath.Join(d.dir, at.root, "elasticloadbalancing", at.region), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(filepath.Base(path), prefix) {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			p := part{path, -1}
			found, times[p] = append(found, p), info.ModTime()
		}
		return nil
	})
	slices.SortFunc(found, func(a, b part) int {
		return cmp.Or(times[b].Compare(times[a]), strings.Compare(b.name, a.name))
	})
	return found
}

// lastLines returns the last n lines of a file, which may be compressed, and how many they are.
func (p part) lastLines(n int) (lines []byte, count int, err error) {
	f, err := os.Open(p.name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if strings.HasSuffix(p.name, ".gz") {
		zip, err := gzip.NewReader(f)
		if err != nil {
			return nil, 0, err
		}
		return keepLast(zip, n)
	}
	start, err := findLines(f, p.size, n)
	if err != nil {
		return nil, 0, err
	}
	return keepLast(io.NewSectionReader(f, start, p.size-start), n)
}

// findLines returns a place in a file of some size behind which there are n lines or a few more.
func findLines(f io.ReaderAt, size int64, n int) (int64, error) {
	block := make([]byte, 64<<10)
	for left := n + 1; size > 0 && left > 0; {
		start := max(0, size-int64(len(block)))
		m, err := f.ReadAt(block[:size-start], start)
		if err != nil && err != io.EOF {
			return 0, err
		}
		left -= bytes.Count(block[:m], []byte{'\n'})
		size = start
	}
	return size, nil
}

// keepLast returns the last n lines of what is read. The first one may be cut if there are more.
func keepLast(from io.Reader, n int) (lines []byte, count int, err error) {
	r := bufio.NewReaderSize(from, 64<<10)
	last := make([][]byte, 0, min(n, 1024))
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if len(last) < n {
			last = append(last, line)
		} else {
			last[count%n] = line
		}
		count++
	}
	if count > n {
		last = append(last[count%n:], last[:count%n]...)
	}
	return bytes.Join(last, nil), len(last), nil
}
