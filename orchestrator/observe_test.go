package orchestrator_test

import (
	"testing"
	"time"

	"drydock/orchestrator"
)

// Many tasks that start cost no look at all tasks each: those are for the beginning and for what
// was missed, every 5 s. And each is run once.
func TestObserve_StartsAreSeenOneByOne(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		time.Sleep(time.Second)
		before, began := w.engine.Calls(), time.Now()
		w.create(service{desired: 60, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		after, sweeps := w.engine.Calls(), 1+int(time.Since(began)/(5*time.Second))
		if n := after["List"] - before["List"]; n > sweeps {
			t.Errorf("%d looks at everything for 60 starts, want %d", n, sweeps)
		}
		if n := after["Run"] - before["Run"]; n != 60 {
			t.Errorf("Run was called %d times for 60 tasks", n)
		}
	})
}

// What the engine's events do not tell is found all the same, later.
func TestObserve_LostEvents(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.engine.Deafen(true)
		lost := w.tasks()[0]
		w.engine.Crash(lost.ARN, "app", 1)
		w.eventually(6*time.Second, func() bool { return w.c.Snapshot().Tasks[lost.ARN].Status != orchestrator.Running })
		w.steady(time.Minute)
		if n := len(w.tasks()); n != 2 || w.tasks()[0].ARN == lost.ARN || w.tasks()[1].ARN == lost.ARN {
			t.Errorf("%d tasks, want 2 without the one that crashed:\n%s", n, w.story())
		}
		w.engine.Deafen(false)
		next := w.tasks()[0]
		w.engine.Crash(next.ARN, "app", 1)
		if !w.eventually(time.Second, func() bool { return w.c.Snapshot().Tasks[next.ARN].Status != orchestrator.Running }) {
			t.Error("after that, an exit is not seen from its event")
		}
	})
}
