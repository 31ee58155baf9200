package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/timeline"
)

// TestRolling_300sUnderLoad is the promise of a rolling deployment with AWS's default
// deregistration delay: five minutes of draining, and no request fails.
func TestRolling_300sUnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 300 * time.Second}, func(t *testing.T, b *bubble) {
		old, before := b.tasks(), len(b.said())
		all, first := b.load(100*time.Millisecond), b.load(5*time.Millisecond)
		time.Sleep(time.Second)
		begin := time.Now()
		b.deploy("app:2", behaviour{listenAfter: 3 * time.Second})
		time.Sleep(15 * time.Second)
		first.stop()
		time.Sleep(280 * time.Second)
		last := b.load(often)
		b.steady(20 * time.Minute)
		took := time.Since(begin)
		time.Sleep(time.Second)
		for _, g := range []*bubbleLoad{first, all, last} {
			if counts := g.end(); len(counts) != 1 || counts[200] < 1000 {
				t.Errorf("statuses %v, want 200 only", counts)
			}
		}
		if took < 300*time.Second || took > 330*time.Second {
			t.Errorf("the deployment took %s", took)
		}
		for _, o := range old {
			s := b.signalOf(o.ARN)
			if s.target != "" || s.at.Sub(begin) < 300*time.Second {
				t.Errorf("SIGTERM came after %s, with the target %q", s.at.Sub(begin), s.target)
			}
			if task := b.task(o.ARN); task.Status != orchestrator.Stopped || *task.Containers[0].ExitCode != 0 {
				t.Errorf("old task %s, %+v", task.Status, task.Containers[0])
			}
		}
		b.saidInOrder(before, "has started 2 tasks", "registered", "has stopped", "deregistered", "has begun draining connections",
			"deployment completed.", "has reached a steady state.")
	})
}

// saidInOrder fails the test unless the service's events after so many begin to say these things in
// this order, and nothing else.
func (b *bubble) saidInOrder(after int, phrases ...string) {
	b.t.Helper()
	var order []string
	for _, message := range b.said()[after:] {
		n := slices.IndexFunc(phrases, func(p string) bool { return strings.Contains(message, " "+p) })
		if n < 0 {
			b.t.Errorf("said: %s", message)
		} else if !slices.Contains(order, phrases[n]) {
			order = append(order, phrases[n])
		}
	}
	if !slices.Equal(order, phrases) {
		b.t.Errorf("events:\n%s\nwant %q", b.story(), phrases)
	}
}

// signalOf returns the SIGTERM that a task got.
func (b *bubble) signalOf(task string) bubbleSignal {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.signals {
		if s.task == task && s.signal == "SIGTERM" {
			return s
		}
	}
	b.t.Errorf("task %s got no SIGTERM", task)
	return bubbleSignal{}
}

// TestRolling_AWSPaceUnderLoad: AWS's own lags fail no request either.
func TestRolling_AWSPaceUnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second, pace: "aws"}, func(t *testing.T, b *bubble) {
		g := b.load(20 * time.Millisecond)
		b.deploy("app:2", behaviour{listenAfter: 3 * time.Second})
		b.steady(20 * time.Minute)
		if counts := g.end(); len(counts) != 1 {
			t.Errorf("statuses %v, want 200 only", counts)
		}
	})
}

// TestDrain_CutsALongRequest: a request of 20 s is cut at the end of a deregistration delay
// of 5 s, to the nanosecond, and `drydock why` says so.
func TestDrain_CutsALongRequest(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		g := b.load(time.Hour)
		status := make(chan int, 1)
		go func() { status <- g.exchange("/slow?wait=20s") }()
		time.Sleep(time.Millisecond)
		old := b.tasks()[0]
		b.deploy("app:2", behaviour{})
		if !b.eventually(time.Minute, func() bool { return b.targetState(old.ARN) == alb.Draining }) {
			t.Fatal("the old target never drained")
		}
		from, _ := b.store.drainFrom(old.ARN)
		if got := <-status; got != 502 {
			t.Errorf("status %d", got)
		}
		synctest.Wait()
		failed := b.failures(time.Time{})
		if len(failed) != 1 || failed[0].Cause != timeline.DeregDelayElapsed || failed[0].End.Sub(from) != 5*time.Second {
			t.Fatalf("%+v", failed)
		}
		clusters := b.explained(timeline.DeregShort)
		if len(clusters) != 1 || clusters[0].Confidence != timeline.Certain || !strings.Contains(clusters[0].Sentence, "5 s") {
			t.Errorf("%+v", clusters)
		}
		b.steady(time.Minute)
	})
}

// TestRolling_GapOfMin0Max100: with minimumHealthyPercent 0 and maximumPercent 100 the old task
// goes before the new one is there; the failures name that.
func TestRolling_GapOfMin0Max100(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 0, max: 100, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		g := b.load(47 * time.Millisecond)
		time.Sleep(time.Second)
		b.deploy("app:2", behaviour{listenAfter: 3 * time.Second})
		b.steady(5 * time.Minute)
		counts := g.end()
		if counts[503] == 0 || counts[502] == 0 || counts[200] == 0 || len(counts) != 3 {
			t.Errorf("statuses %v, want 503 while nothing is registered, then 502", counts)
		}
		causes := b.causes()
		if causes[timeline.ConnRefused] == 0 || causes[timeline.NoRegisteredTargets]+causes[timeline.AllTargetsUnused] != counts[503] {
			t.Errorf("causes %v", causes)
		}
		for _, c := range b.explained(timeline.StoppedFirst, timeline.NotListeningYet) {
			if c.Confidence != timeline.Certain {
				t.Errorf("%s is %s: %s", c.Code, c.Confidence, c.Sentence)
			}
		}
	})
}

// causes counts the failed outcomes by cause.
func (b *bubble) causes() map[timeline.Cause]int {
	n := map[timeline.Cause]int{}
	for _, o := range b.failures(time.Time{}) {
		n[o.Cause]++
	}
	return n
}

// TestRestart_ResumesADrain: a daemon that is killed in the middle of a drain leaves the
// containers alone; the next one drains for the time that remained.
func TestRestart_ResumesADrain(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 60 * time.Second}, func(t *testing.T, b *bubble) {
		old := b.tasks()
		b.deploy("app:2", behaviour{})
		if !b.eventually(time.Minute, func() bool {
			return b.targetState(old[0].ARN) == alb.Draining && b.targetState(old[1].ARN) == alb.Draining
		}) {
			t.Fatal("the old targets never drained")
		}
		from, _ := b.store.drainFrom(old[0].ARN)
		time.Sleep(20 * time.Second)
		containers := b.containers()
		b.kill()
		time.Sleep(15 * time.Second)
		if !slices.Equal(b.containers(), containers) {
			t.Error("containers changed while no daemon ran")
		}
		b.must(b.start())
		g := b.load(20 * time.Millisecond)
		time.Sleep(20 * time.Second)
		if !slices.Equal(b.containers(), containers) {
			t.Errorf("containers changed at the restart:\n%v\n%v", b.containers(), containers)
		}
		if state := b.targetState(old[0].ARN); state != alb.Draining {
			t.Errorf("the target is %q, 55 s into its drain", state)
		}
		b.steady(time.Minute)
		for _, o := range old {
			if waited := b.signalOf(o.ARN).at.Sub(from); waited < 60*time.Second || waited > 61*time.Second {
				t.Errorf("SIGTERM came %s after the drain began", waited)
			}
		}
		if counts := g.end(); len(counts) != 1 || counts[200] == 0 {
			t.Errorf("statuses %v after the restart", counts)
		}
	})
}

// containers returns the ids of the containers that run, in order.
func (b *bubble) containers() []string {
	var ids []string
	list, _ := b.engine.Fake.List(b.t.Context())
	for _, o := range list {
		for _, c := range o.Containers {
			if c.Status == orchestrator.ContainerRunning {
				ids = append(ids, c.RuntimeID+" "+c.StartedAt.String())
			}
		}
	}
	slices.Sort(ids)
	return ids
}
