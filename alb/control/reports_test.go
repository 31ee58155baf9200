package control

import (
	"errors"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/network/networktest"
	"drydock/timeline"
)

func TestReports_ReachTheNextDaemonOnce(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	app := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
	app.set(true, 503)
	mustAsk(t, addr, 503)
	eventually(t, "the outcome, which comes after the answer", func() bool { return d.state().Last == 1 })
	if err := d.client.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.end()

	mustAsk(t, addr, 503) // nobody listens
	eventually(t, "its outcome", func() bool { return d.state().Last == 2 })
	app.set(false, 503)
	eventually(t, "the target is unhealthy", func() bool { return d.state().Targets[0].State == node.Unhealthy })
	mustAsk(t, addr, 503) // fail-open
	eventually(t, "both outcomes", func() bool { return d.state().Last == 3 })
	if s := d.state(); s.Waiting != 2 || s.Last != 3 {
		t.Errorf("%d of %d records wait, want 2 of 3", s.Waiting, s.Last)
	}

	again := newDaemonSide(t, dir, "a", forwarding(2, addr, app.addr))
	again.broken = errors.New("disk full")
	again.run()
	eventually(t, "it learns that the target is unhealthy", func() bool { return again.isKnown(node.Unhealthy) })
	again.mu.Lock()
	again.broken = nil
	again.mu.Unlock()
	if err := again.client.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(d.outcomes) != 1 || len(again.outcomes) != 2 || again.outcomes[1].Target.FailOpen != true {
		t.Errorf("%d outcomes before and %+v after", len(d.outcomes), again.outcomes)
	}
	if s := again.state(); s.Waiting != 0 {
		t.Errorf("%d records still wait", s.Waiting)
	}
	requests, err := again.client.Requests(t.Context(), time.Now().Add(-time.Minute))
	if err != nil || requests.Requests != 3 || requests.Failed != 3 {
		t.Errorf("%+v, %v, want 3 requests", requests, err)
	}
	app.set(true, 200)
	mustAsk(t, addr, 200)
	eventually(t, "the ordinary outcome", func() bool {
		recent, err := again.client.Recent(t.Context(), time.Time{})
		return err == nil && len(recent) == 1 && recent[0].Status == 200
	})
}

// TestReports_OfADrainThatEndedWithoutADaemon: the deadline is the node's to keep.
func TestReports_OfADrainThatEndedWithoutADaemon(t *testing.T) {
	dir, addr := t.TempDir(), networktest.Address(t)
	app := serveTarget(t)
	d := newDaemonSide(t, dir, "a", node.Snapshot{})
	d.run()
	d.apply(forwarding(1, addr, app.addr))
	eventually(t, "the target is healthy", func() bool { return d.isKnown(node.Healthy) })
	status := hold(addr)
	eventually(t, "a request is in flight", func() bool { return d.state().Targets[0].InFlight == 1 })
	drained := forwarding(2, addr, app.addr)
	drained.TargetGroups[0].Targets[0].Draining = true
	drained.TargetGroups[0].Targets[0].DrainFrom, drained.TargetGroups[0].Targets[0].DrainUntil = time.Now(), time.Now().Add(700*time.Millisecond)
	d.apply(drained)
	d.end()
	if got := <-status; got != 502 {
		t.Errorf("the request in flight ended with %d, want 502 at the end of draining", got)
	}
	eventually(t, "its outcome, which comes after the answer", func() bool { return d.state().Last == 1 })
	if got, err := ask(addr); err != nil || got != 503 {
		t.Errorf("the next request: %d, %v, want 503: no target is left", got, err)
	}
	again := newDaemonSide(t, dir, "a", drained)
	again.run()
	eventually(t, "the next daemon has both outcomes", func() bool {
		again.mu.Lock()
		defer again.mu.Unlock()
		return len(again.outcomes) == 2 && again.outcomes[0].Cause == timeline.DeregDelayElapsed && again.outcomes[1].Status == 503
	})
	close(app.hold)
}

func TestReports_AreBoundedAndCounted(t *testing.T) {
	r := newReports()
	r.limit = 3
	for range 5 {
		r.add(Record{Outcome: &timeline.Outcome{}})
	}
	if last, waiting, dropped := r.counts(); last != 5 || waiting != 3 || dropped != 2 {
		t.Errorf("last %d, %d wait, %d dropped", last, waiting, dropped)
	}
	s := r.open(3)
	if news := r.next(s); len(news) != 2 || news[0].N != 4 {
		t.Errorf("a daemon that has 3 gets %+v", news)
	}
	if news := r.next(s); len(news) != 0 {
		t.Errorf("and then again %+v", news)
	}
	r.stored(4)
	if _, waiting, _ := r.counts(); waiting != 1 {
		t.Errorf("%d wait, want 1", waiting)
	}
}

// TestObserver_AllocatesNothing: every request passes here.
func TestObserver_AllocatesNothing(t *testing.T) {
	p := New(Options{StateDir: t.TempDir()})
	outcome := timeline.Outcome{LoadBalancer: "app/web/1", Status: 200, End: time.Now()}
	for range 20_000 { // until the ring is full
		p.observer.Finished(&outcome)
	}
	if n := testing.AllocsPerRun(100, func() { p.observer.Finished(&outcome) }); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
	if n := testing.AllocsPerRun(100, func() { p.observer.Connected(node.Connection{}) }); n != 0 {
		t.Errorf("%v allocations for a connection", n)
	}
}

func BenchmarkFinished(b *testing.B) {
	p := New(Options{StateDir: b.TempDir()})
	outcome := timeline.Outcome{LoadBalancer: "app/web/1", Status: 200, End: time.Now()}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.observer.Finished(&outcome)
		}
	})
}
