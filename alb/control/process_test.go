package control

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"drydock/alb/node"
	"drydock/network/networktest"
)

func TestServe_StartsWithTheLastSnapshotWithoutADaemon(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	target := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(3, addr, target.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
	eventually(t, "that is on disk", func() bool {
		s, err := loadSnapshot(Folder(dir))
		return err == nil && s != nil && s.TargetGroups[0].Targets[0].State == node.Healthy
	})
	d.end()
	syscall.Kill(Holder(dir), syscall.SIGKILL)
	eventually(t, "the process is gone", func() bool { return Holder(dir) == 0 })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- New(Options{StateDir: dir, Build: "a"}).Serve(ctx) }() // as by hand
	eventually(t, "it serves again", func() bool { status, err := ask(addr); return err == nil && status == 200 })
	var held *HeldError
	if err := New(Options{StateDir: dir}).Serve(t.Context()); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("a second process: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServe_EndsWithItsDirectory(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	pid := d.state().PID
	d.end()
	if err := os.RemoveAll(Folder(dir)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is gone", func() bool { return ended(pid) })
	if _, err := ask(addr); err == nil {
		t.Error("somebody still answers")
	}
}

func TestStop_LeavesNothing(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	pid := d.state().PID
	d.end()
	if err := Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is gone", func() bool { return ended(pid) })
	if _, err := os.Stat(Folder(dir) + "/" + socketFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := Stop(t.Context(), dir); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestFolder_IsOursAlone(t *testing.T) {
	dir := t.TempDir() + strings.Repeat("/a-long-name-that-no-socket-address-holds", 4)
	addr := networktest.Address(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	eventually(t, "the snapshot is on disk", func() bool { s, _ := loadSnapshot(Folder(dir)); return s != nil })
	for name, want := range map[string]os.FileMode{"": os.ModeDir | 0o700, socketFile: os.ModeSocket | 0o600, snapshotFile: 0o600, lockFile: 0o600, logFile: 0o600} {
		info, err := os.Stat(Folder(dir) + "/" + name)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestBuild_IsStable(t *testing.T) {
	one, err := Build()
	two, err2 := Build()
	if err != nil || err2 != nil || one != two || one == "" {
		t.Errorf("%q, %v and %q, %v", one, err, two, err2)
	}
	if hash, err := hashSelf(); err != nil || len(hash) != 64 {
		t.Errorf("%q, %v", hash, err)
	}
}
