package node

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// stoppable is a target that can be stopped: it refuses and resets everything from then on.
type stoppable struct {
	Target
	ln    net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newStoppable(t *testing.T) *stoppable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &stoppable{Target: healthyTarget(ln.Addr().String()), ln: ln}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns = append(a.conns, conn)
			a.mu.Unlock()
			go func() {
				defer conn.Close()
				always(hello)(0, conn, bufio.NewReader(conn))
			}()
		}
	}()
	return a
}

func (a *stoppable) stop() {
	a.ln.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		reset(c)
	}
}

// Targets are replaced under load, each one stopped as soon as it drains and has nothing in
// flight: no request fails, and each has exactly one outcome.
func TestRolling_NoRequestFailsWhenDrainedFirst(t *testing.T) {
	now := newStoppable(t)
	s := newStack(t, now.Target).run()
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	counts := make([]int, 6)
	for i := range counts {
		clients.Go(func() {
			c := s.dial()
			for ctx.Err() == nil {
				if _, err := io.WriteString(c, get); err != nil {
					t.Error(err)
					return
				}
				if status := c.status(); status != 200 {
					t.Error(status)
				}
				counts[i]++
			}
		})
	}
	for range 15 {
		next := newStoppable(t)
		s.apply(func(n *Snapshot) {
			g := &n.TargetGroups[0]
			for i := range g.Targets {
				g.Targets[i].Draining, g.Targets[i].DrainFrom, g.Targets[i].DrainUntil = true, time.Now(), time.Now().Add(time.Minute)
			}
			g.Targets = append(g.Targets, next.Target)
		})
		for s.InFlight(now.Registration) > 0 {
			time.Sleep(100 * time.Microsecond)
		}
		now.stop()
		s.apply(func(n *Snapshot) {
			n.TargetGroups[0].Targets = n.TargetGroups[0].Targets[len(n.TargetGroups[0].Targets)-1:]
		})
		now = next
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	clients.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	s.stop()
	now.stop()
	if got := len(s.record.outcomes); got != total || total == 0 {
		t.Errorf("%d outcomes for %d requests", got, total)
	}
	for _, o := range s.record.outcomes {
		if o.Failed() {
			t.Errorf("%d %s %s", o.Status, o.Cause, o.Detail)
		}
	}
}
