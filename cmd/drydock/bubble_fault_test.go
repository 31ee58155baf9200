package main

import (
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/timeline"
)

// TestStopTask_502UntilDeregistered: StopTask signals a task that is still registered. Requests
// fail until it is deregistered, not longer, and `drydock why` names StopTask.
func TestStopTask_502UntilDeregistered(t *testing.T) {
	for _, pace := range []string{"fast", "aws"} {
		t.Run(pace, func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 10 * time.Second, pace: pace, behave: behaviour{answerAfter: 400 * time.Millisecond}}, func(t *testing.T, b *bubble) {
				g := b.load(often)
				time.Sleep(time.Second)
				victim := b.tasks()[0]
				begin := time.Now()
				b.must(b.stopTask(victim))
				if !b.eventually(time.Minute, func() bool { return b.targetState(victim.ARN) != alb.Healthy }) {
					t.Fatal("the target was never deregistered")
				}
				out, _ := b.store.drainFrom(victim.ARN)
				b.steady(10 * time.Minute)
				time.Sleep(10 * time.Second)
				counts := g.end()
				if counts[502] == 0 || len(counts) != 2 {
					t.Errorf("statuses %v, want 200 and 502", counts)
				}
				causes := b.causes()
				if causes[timeline.ConnRefused] == 0 || causes[timeline.TargetClosedInflight] == 0 {
					t.Errorf("causes %v", causes)
				}
				for _, o := range b.failures(time.Time{}) {
					if o.Target.Task != victim.ARN || o.Start.After(out) {
						t.Errorf("%s after StopTask, %s after the last possible moment: %s", o.Start.Sub(begin), o.Start.Sub(out), o.Cause)
						break
					}
				}
				clusters := b.explained(timeline.StopWhileRegistered)
				if len(clusters) != 1 || clusters[0].Confidence != timeline.Certain || clusters[0].Count != counts[502] {
					t.Errorf("%+v", clusters)
				}
			})
		})
	}
}

// TestCrash_UnderLoad and its kin: a task that ends by itself is replaced, and what fails
// meanwhile is explained.
func TestCrash_UnderLoad(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(b *bubble, task string)
		code timeline.Code
	}{
		{"crash", func(b *bubble, task string) { b.engine.Crash(task, "app", 3) }, timeline.ContainerExit},
		{"out of memory", func(b *bubble, task string) { b.engine.OOM(task, "app") }, timeline.OutOfMemory},
		{"vanished", func(b *bubble, task string) { b.engine.Vanish(task, "app") }, timeline.ContainerExit},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second, behave: behaviour{answerAfter: 400 * time.Millisecond}}, func(t *testing.T, b *bubble) {
				g := b.load(often)
				time.Sleep(20 * time.Second)
				victim := b.tasks()[0]
				c.harm(b, victim.ARN)
				harmed := time.Now()
				if !b.eventually(5*time.Second, func() bool { return b.targetState(victim.ARN) != alb.Healthy }) {
					t.Error("the target is still routed to after 5 s")
				}
				time.Sleep(2 * time.Second)
				b.steady(time.Minute)
				for _, o := range b.failures(time.Time{}) {
					if o.Target.Task != victim.ARN || o.Start.Sub(harmed) > time.Second {
						t.Errorf("%+v", o)
					}
				}
				if counts := g.end(); counts[502] == 0 || len(counts) != 2 {
					t.Errorf("statuses %v, want 200 and some 502", counts)
				}
				for _, cluster := range b.explained(c.code) {
					if cluster.Confidence != timeline.Certain {
						t.Errorf("%s: %s", cluster.Confidence, cluster.Sentence)
					}
				}
				if len(b.tasks()) != 2 {
					t.Errorf("%d tasks", len(b.tasks()))
				}
			})
		})
	}
}

// TestUnhealthy_ReplacedUnderLoad: the replacement of a task that fails its health checks
// starts first, and no request fails.
func TestUnhealthy_ReplacedUnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 20 * time.Second}, func(t *testing.T, b *bubble) {
		g := b.load(often)
		time.Sleep(10 * time.Second)
		victim := b.tasks()[0]
		b.app(victim.ARN).set(func(a *behaviour) { a.ill = true })
		if !b.eventually(time.Minute, func() bool { return len(b.tasks()) == 3 }) {
			t.Fatal("no replacement was started")
		}
		if b.task(victim.ARN).Desired != orchestrator.Running {
			t.Error("the unhealthy task was stopped before its replacement was healthy")
		}
		if !b.eventually(2*time.Minute, func() bool { return b.task(victim.ARN).Status == orchestrator.Stopped }) {
			t.Fatalf("the unhealthy task is %s", b.task(victim.ARN).Status)
		}
		b.steady(time.Minute)
		if s := b.signalOf(victim.ARN); s.target != "" {
			t.Errorf("SIGTERM came while the target was %s", s.target)
		}
		if counts := g.end(); len(counts) != 1 {
			t.Errorf("statuses %v, want 200 only", counts)
		}
	})
}
