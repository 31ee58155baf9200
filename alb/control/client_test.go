package control

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"drydock/alb/node"
	"drydock/network/networktest"
)

func TestClient_StartsAProcessThatOutlivesIt(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	d := newDaemonSide(t, dir, "a", answering(7, addr, 200))
	d.run()
	eventually(t, "the process listens", func() bool { _, err := ask(addr); return err == nil })
	before := d.state()
	if before.Snapshot != 7 || before.Version != "a" || before.PID == os.Getpid() || Holder(dir) != before.PID {
		t.Errorf("state %+v, holder %d", before, Holder(dir))
	}
	if session, err := syscall.Getpgid(before.PID); err != nil || session != before.PID {
		t.Errorf("the process is in group %d, %v: a Ctrl-C for the daemon would end it", session, err)
	}
	d.end()
	mustAsk(t, addr, 200)

	again := newDaemonSide(t, dir, "a", answering(8, addr, 200))
	again.run()
	again.apply(answering(9, addr, 200))
	if after := again.state(); after.PID != before.PID || after.Snapshot != 9 {
		t.Errorf("state %+v, before %+v", after, before)
	}
	if !strings.Contains(again.said(), fmt.Sprintf("goes on: pid %d", before.PID)) {
		t.Errorf("it says\n%s", again.said())
	}
}

func TestClient_SaysAtOnceThatAPortIsTaken(t *testing.T) {
	dir := t.TempDir()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	addr := netip.MustParseAddrPort(other.Addr().String())
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	failed := d.client.Apply(answering(1, addr, 200))["listener"]
	if !errors.Is(failed, syscall.EADDRINUSE) || !strings.Contains(failed.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("a taken port: %v", failed)
	}
}

func TestClient_LearnsLateThatAPortIsTaken(t *testing.T) {
	dir := t.TempDir()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	d := newDaemonSide(t, dir, "a", answering(1, netip.MustParseAddrPort(other.Addr().String()), 200))
	d.run()
	eventually(t, "the client tells", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.refused > 0 })
}

func TestClient_StartsAnotherProcessOnTheSameAddress(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	for range 3 {
		before := d.state().PID
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another one listens", func() bool {
			s, err := d.client.State(t.Context())
			_, askErr := ask(addr)
			return err == nil && s.PID != before && askErr == nil
		})
		eventually(t, "the news are told", func() bool {
			return strings.Contains(d.said(), fmt.Sprintf("(pid %d) ended: killed by killed", before)) && strings.Contains(d.said(), "started again")
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.news {
		if strings.Contains(n.Message, "started again") && n.Cause == 0 {
			t.Errorf("%q has no cause", n.Message)
		}
	}
}
