package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"drydock/alb/node"
	"drydock/network/networktest"
	"drydock/timeline"
)

// TestReplace_RefusesNobody upgrades under load, on connections that last and on new ones.
func TestReplace_RefusesNobody(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	app := serveTarget(t)
	old := newDaemonSide(t, dir, "a", node.Snapshot{})
	old.run()
	old.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return old.isKnown(node.Healthy) })
	before := old.state()

	held := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + addr.String() + "/hold")
		if err == nil {
			resp.Body.Close()
		}
		held <- err
	}()
	eventually(t, "a request is in flight", func() bool { return old.state().Targets[0].InFlight == 1 })
	stop, failures := make(chan struct{}), make(chan error, 8)
	var load sync.WaitGroup
	for i := range 4 {
		load.Go(func() { askUntil(stop, failures, addr, i%2 == 0) })
	}
	old.end()

	d := newDaemonSide(t, dir, "b", forwarding(2, addr, app.addr))
	d.run()
	d.apply(forwarding(3, addr, app.addr))
	after := d.state()
	if after.PID == before.PID || after.Build != "b" || Holder(dir) != after.PID {
		t.Errorf("before %+v, after %+v, holder %d", before, after, Holder(dir))
	}
	eventually(t, "the predecessor's request is shown", func() bool { s := d.state(); return s.Retiring == 1 && s.Targets[0].InFlight >= 1 })
	close(app.hold)
	if err := <-held; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	eventually(t, "the predecessor ends", func() bool { return d.state().Retiring == 0 && ended(before.PID) })
	for range 3 {
		if err := d.client.Replace(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client is connected again", func() bool { _, connected := d.client.Found(); return connected })
	}
	close(stop)
	load.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	eventually(t, "all are gone but one", func() bool { return d.state().Retiring == 0 })
}

// ended reports whether a process is gone, but maybe not waited for.
func ended(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}

// askUntil sends requests one after the other; the first failure ends it. It never tries
// again, not even on a connection that was closed.
func askUntil(stop <-chan struct{}, failures chan<- error, addr netip.AddrPort, keepAlive bool) {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: !keepAlive}}
	defer c.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		resp, err := c.Post("http://"+addr.String()+"/", "text/plain", strings.NewReader("hello")) // not idempotent: net/http does not try again
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err == nil && resp.StatusCode != 200 {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		if err != nil {
			failures <- err
			return
		}
	}
}

// TestReplace_RetiringProcessReports: what fails after the hand-over is told by the successor.
func TestReplace_RetiringProcessReports(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	app := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
	status := hold(addr)
	eventually(t, "a request is in flight", func() bool { return d.state().Targets[0].InFlight == 1 })
	if err := d.client.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	drained := forwarding(2, addr, app.addr)
	drained.TargetGroups[0].Targets[0].Draining = true
	drained.TargetGroups[0].Targets[0].DrainFrom, drained.TargetGroups[0].Targets[0].DrainUntil = time.Now(), time.Now().Add(50*time.Millisecond)
	d.apply(drained) // the successor passes it on: the deadline holds for all
	if got := <-status; got != 502 {
		t.Errorf("the request in flight ended with %d, want 502 at the end of draining", got)
	}
	eventually(t, "the daemon has the outcome", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.outcomes) == 1 && d.outcomes[0].Cause == timeline.DeregDelayElapsed
	})
	close(app.hold)
}

// TestReplace_ThatIsBrokenOffChangesNothing plays a successor that dies at each step.
func TestReplace_ThatIsBrokenOffChangesNothing(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	pid := d.state().PID
	for _, step := range []string{"AsksOnly", "ReadsTheSnapshot", "TakesTheDescriptors"} {
		conn, err := dialHere(t.Context(), Folder(dir))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		if step == "AsksOnly" {
			io.WriteString(conn, handoverRequest)
		} else if err := switchOver(conn); err != nil {
			t.Fatal(err)
		}
		if step == "TakesTheDescriptors" {
			p := New(Options{StateDir: dir})
			var h handed
			if err := readFrame(conn, &h); err != nil {
				t.Fatal(err)
			}
			fds, err := receiveDescriptors(conn.(*net.UnixConn), 1+len(h.Addresses))
			if err != nil || h.PID != pid || len(h.Addresses) != 1 || h.Addresses[0] != addr || h.Snapshot == nil || h.Snapshot.Version != 2 {
				t.Errorf("%+v, %v", h, err)
			}
			closeAll(fds)
			p.sockets.dropHanded()
		}
		conn.Close()
		mustAsk(t, addr, 200)
		if failed := d.client.Apply(answering(2, addr, 200)); len(failed) > 0 || Holder(dir) != pid {
			t.Errorf("%s: %v, the holder is %d, was %d", step, failed, Holder(dir), pid)
		}
	}
}

// TestReplace_RetirementHasAnEnd: an idle connection is kept, but not for ever.
func TestReplace_RetirementHasAnEnd(t *testing.T) {
	t.Setenv("CONTROL_TEST_RETIRE", "300ms")
	dir, addr := t.TempDir(), networktest.Address(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(answering(1, addr, 200))
	before := d.state().PID
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "the connection is counted", func() bool { return d.state().Connections == 1 })
	if err := d.client.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the predecessor ends", func() bool { return ended(before) })
	conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idle connection: %d bytes, %v, want its end", n, err)
	}
	eventually(t, "nothing of it is shown", func() bool { s, err := d.client.State(t.Context()); return err == nil && s.Retiring == 0 })
	mustAsk(t, addr, 200)
}

// TestDescriptors_PassInBatches passes more than one message holds.
func TestDescriptors_PassInBatches(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range pair {
		f := os.NewFile(uintptr(fd), "end")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		ends[i] = c.(*net.UnixConn)
		defer c.Close()
	}
	const count = 2*descriptorBatch + 7
	var sent []int
	var want []string
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		fd, err := duplicate(l.(*net.TCPListener))
		if err != nil {
			t.Fatal(err)
		}
		sent, want = append(sent, fd), append(want, l.Addr().String())
	}
	passed := make(chan error, 1)
	go func() {
		passed <- errors.Join(writeFrame(ends[0], told{Serving: true}), sendDescriptors(ends[0], sent))
	}()
	var first told
	if err := readFrame(ends[1], &first); err != nil || !first.Serving {
		t.Fatalf("%+v, %v", first, err)
	}
	fds, err := receiveDescriptors(ends[1], count)
	if err := errors.Join(err, <-passed); err != nil {
		t.Fatal(err)
	}
	closeAll(sent)
	var got []string
	for _, fd := range fds {
		l, err := listenerOf(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		got = append(got, l.Addr().String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d listeners came, in another order or others", len(got))
	}
}
