package logs

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"drydock/alb/node"
)

func (o *office) tail(follow bool, n int) (lines *bufio.Scanner, end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := o.Tail(ctx, "web", follow, n, w)
		w.Close()
		done <- err
	}()
	end = func() {
		cancel()
		r.Close()
		if err := <-done; err != nil && !strings.Contains(err.Error(), "closed pipe") {
			o.t.Error(err)
		}
	}
	return bufio.NewScanner(r), end
}

// followers counts those of the access logs.
func (o *office) followers() (n int) {
	o.do(o.t.Context(), func(*desk) {
		for _, s := range o.table.Load()[access] {
			n += len(s.followers)
		}
	})
	return n
}

func expectPaths(t *testing.T, lines *bufio.Scanner, want ...string) {
	t.Helper()
	for _, path := range want {
		if !lines.Scan() {
			t.Fatalf("no line for %s: %v", path, lines.Err())
		}
		if got := paths(t, lines.Text()+"\n"); got[0] != path {
			t.Fatalf("a line for %s, not %s", got[0], path)
		}
	}
}

func TestTail_LastLinesAndNewOnes(t *testing.T) {
	o := newOffice(t, t.TempDir())
	o.Configure(web(&node.LogBucket{Bucket: "b", Prefix: "[x]"}, nil, nil))
	o.run()
	for n := range 300 {
		o.Finished(webRequest(n))
		if n == 99 || n == 289 {
			o.flush()
		}
	}
	lines, end := o.tail(true, 13)
	expectPaths(t, lines, "287", "288", "289", "290", "291", "292", "293", "294", "295", "296", "297", "298", "299")
	o.Finished(webRequest(300))
	expectPaths(t, lines, "300")
	o.flush()
	o.Finished(webRequest(301))
	o.Finished(webRequest(302))
	expectPaths(t, lines, "301", "302")
	end()
	lines, end = o.tail(false, 205)
	expectPaths(t, lines, "98", "99", "100")
	end()
	lines, end = o.tail(false, 0)
	if lines.Scan() {
		t.Errorf("a line: %s", lines.Text())
	}
	end()
}

func TestTail_WithoutEnabledLogsCostsNothingAfterwards(t *testing.T) {
	dir := t.TempDir()
	o := newOffice(t, dir)
	o.Configure(web(nil, nil, nil))
	o.run()
	o.Finished(webRequest(1))
	lines, end := o.tail(true, 10)
	waitFor(t, func() bool { return o.followers() == 1 })
	go func() {
		for n := 2; n < 5; n++ {
			o.Finished(webRequest(n))
		}
	}()
	expectPaths(t, lines, "2", "3", "4")
	o.Configure(web(nil, nil, nil)) // does not end it
	o.Finished(webRequest(5))
	expectPaths(t, lines, "5")
	end()
	if len(o.table.Load()[access]) != 0 || len(o.streams) != 0 {
		t.Error("requests are still recorded")
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("files were written: %v", left)
	}
	if err := o.Tail(t.Context(), "nobody", true, 1, io.Discard); err == nil || !strings.Contains(err.Error(), "there is no load balancer nobody") {
		t.Errorf("an unknown name: %v", err)
	}
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for !holds() {
		if t.Context().Err() != nil {
			t.Fatal("it never came to that")
		}
		time.Sleep(time.Millisecond)
	}
}

// A reader that stops reading costs neither requests nor memory without end.
func TestTail_SlowReaderSkipsLinesAndIsTold(t *testing.T) {
	o := newOffice(t, t.TempDir())
	o.Configure(web(nil, nil, nil))
	o.run()
	lines, end := o.tail(true, 0)
	defer end()
	waitFor(t, func() bool { return o.followers() == 1 })
	const batches = 3 * followerRoom
	for n := range batches {
		o.Finished(webRequest(n))
		o.do(t.Context(), func(k *desk) { k.drain() })
	}
	expectPaths(t, lines, "0")
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			break
		}
	}
	if text := lines.Text(); !strings.HasPrefix(text, "# 12") || !strings.HasSuffix(text, " lines skipped: they came faster than they could be shown") {
		t.Errorf("the reader was told %q", text)
	}
}
