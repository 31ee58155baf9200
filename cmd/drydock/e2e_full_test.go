package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fullState is a state directory that holds little: a tmpfs.
func fullState(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	dir := t.TempDir()
	if err := syscall.Mount("drydock-test", dir, "tmpfs", 0, "size=24m,mode=700"); err != nil {
		t.Skipf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill takes all the room that is left in a directory, and returns what gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if n, err := f.Write(make([]byte, size)); err != nil || n < size {
			size /= 2
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskFull_NothingHalfDone fills the disk of the state directory under load: the balancer
// serves, writes are refused and say why, and what they wanted is not done. With room again
// everything goes on.
func TestDiskFull_NothingHalfDone(t *testing.T) {
	t.Parallel()
	requireDocker(t)
	p := &program{t, &installation{owner: t, state: fullState(t), offset: freeOffset(t)}}
	t.Cleanup(p.takeDown)
	p.Start()
	p.instance = p.Status().Daemon.Instance
	p.Run("up", twinsDir)
	w := p.askTwins()
	w.goodFor(500 * time.Millisecond)
	before := p.service("users")
	free := fill(t, p.state)
	p.Eventually("a write is refused", func() error {
		code, out := p.Try("scale", "users=3", "--no-wait")
		if code == exitOK {
			return errors.New("it is not full yet")
		}
		if text := out.stderr; !strings.Contains(text, "full") && !strings.Contains(text, "no space") {
			t.Errorf("the refusal does not say that the disk is full: %s", text)
		}
		return nil
	})
	acknowledged := p.service("users").Desired
	for i := range 20 {
		if code, _ := p.Try("scale", fmt.Sprintf("payments=%d", 3+i%2), "--no-wait"); code == exitOK {
			t.Error("a write was acknowledged though the disk is full")
		}
	}
	if s := p.service("payments"); s.Desired != 2 {
		t.Errorf("a write that was refused is half done: desired %d", s.Desired)
	}
	w.goodFor(1500 * time.Millisecond)
	p.Kill() // what was acknowledged is on the disk, and nothing else
	free()
	p.Start()
	if now := p.service("users"); now.Desired != acknowledged || now.TaskDefinition != before.TaskDefinition {
		t.Errorf("after the restart users is %+v, acknowledged was desired %d", now, acknowledged)
	}
	p.awaitTwins()
	p.Run("scale", "users=3")
	p.Run("scale", "users=2")
	w.stop()
	if n := w.count(); len(n) != 1 || n[http.StatusOK] == 0 {
		t.Errorf("statuses %v, want 200 only", n)
	}
}
