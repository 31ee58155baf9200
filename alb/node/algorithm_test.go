package node

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"drydock/timeline/timelinetest"
)

// groupOf makes a group of targets in given states.
func groupOf(g TargetGroup, states ...State) *group {
	compiled := newGroup(g, new(groupLife))
	for i, s := range states {
		compiled.add(newTarget(g.ARN, compiled.life, Target{Registration: fmt.Sprint(i), State: s,
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)}))
	}
	compiled.life.current.Store(compiled)
	return compiled
}

// spread chooses n times and counts the choices.
func (g *group) spread(n int, now time.Time) map[*target]int {
	count := map[*target]int{}
	for range n {
		c := g.choose(now)
		if c.target == nil {
			continue
		}
		c.target.release()
		count[c.target]++
	}
	return count
}

func TestChoose_RoundRobinFollowsTheStates(t *testing.T) {
	g := groupOf(TargetGroup{}, Healthy, Healthy, Unhealthy, Initial)
	now := time.Now()
	check := func(want ...int) {
		t.Helper()
		got := g.spread(60, now)
		for i, n := range want {
			if got[g.targets[i]] != n {
				t.Errorf("target %d: %d, want %d", i, got[g.targets[i]], n)
			}
		}
	}
	check(30, 30, 0, 0)
	g.targets[2].setState(isHealthy, now)
	check(20, 20, 20, 0)
	g.targets[0].setState(isUnhealthy, now)
	check(0, 30, 30, 0)
	g.targets[1].drain(now.Add(time.Hour), time.Time{})
	check(0, 30, 30, 0)
	now = now.Add(2 * time.Hour)
	check(0, 0, 60, 0)
	g.targets[2].setState(isUnhealthy, now)
	check(20, 0, 20, 20)
	g.targets[0].drain(time.Now(), time.Time{})
	g.targets[2].drain(time.Now(), time.Time{})
	check(0, 0, 0, 60)
	g.targets[3].drain(time.Now(), time.Time{})
	check(0, 0, 0, 0)
}

// A target that is not registered in the data plane yet gets nothing, not even in fail-open.
func TestChoose_NotBeforeRegistration(t *testing.T) {
	g := newGroup(TargetGroup{}, new(groupLife))
	g.add(newTarget("g", g.life, Target{Registration: "0", State: Initial, CheckFrom: testTime.Add(time.Second)}))
	if c := g.choose(testTime); c.target != nil {
		t.Error("chosen before its registration has come through")
	}
	if c := g.choose(testTime.Add(time.Second)); c.target == nil || !c.failOpen {
		t.Errorf("%+v", c)
	}
}

func TestChoose_MinimumHealthy(t *testing.T) {
	for _, c := range []struct {
		count, percent, healthy, registered int
		failOpen                            bool
	}{
		{0, 0, 1, 4, false}, {0, 0, 0, 4, true}, {2, 0, 1, 4, true}, {2, 0, 2, 4, false}, {0, 50, 1, 4, true}, {0, 50, 2, 4, false},
		{1, 51, 2, 4, true}, {3, 50, 2, 4, true}, {0, 100, 4, 4, false}, {0, 100, 3, 4, true}, {5, 0, 4, 4, true},
	} {
		states := make([]State, c.registered)
		for i := range states {
			states[i] = Unhealthy
			if i < c.healthy {
				states[i] = Healthy
			}
		}
		g := groupOf(TargetGroup{MinimumHealthyCount: c.count, MinimumHealthyPercentage: c.percent}, states...)
		chosen := g.choose(testTime)
		if chosen.failOpen != c.failOpen {
			t.Errorf("%+v: fail-open %v", c, chosen.failOpen)
		}
		if got := len(g.spread(100, testTime)); got != c.registered && c.failOpen || !c.failOpen && got != c.healthy {
			t.Errorf("%+v: spread over %d targets", c, got)
		}
	}
}

// The choice of least_outstanding_requests has no more requests in flight than any other
// eligible target; targets that tie take turns.
func TestChoose_LeastOutstanding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "targets")
		states := make([]State, n)
		for i := range states {
			states[i] = rapid.SampledFrom([]State{Healthy, Healthy, Unhealthy, Initial}).Draw(t, "state")
		}
		g := groupOf(TargetGroup{Algorithm: "least_outstanding_requests"}, states...)
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			before := map[*target]int64{}
			for _, tgt := range g.targets {
				before[tgt] = tgt.inflight.Load()
			}
			c := g.choose(testTime)
			for _, other := range g.look(testTime).eligible {
				if before[other] < before[c.target] {
					t.Fatalf("%d in flight on the chosen one, %d on another", before[c.target], before[other])
				}
			}
			if rapid.Bool().Draw(t, "ends") {
				g.targets[rapid.IntRange(0, n-1).Draw(t, "which")].end()
			}
		}
	})
	g := groupOf(TargetGroup{Algorithm: "least_outstanding_requests"}, Healthy, Healthy, Healthy)
	if got := g.spread(30, testTime); got[g.targets[0]] != 10 || got[g.targets[1]] != 10 || got[g.targets[2]] != 10 {
		t.Error("ties do not take turns", got)
	}
}

// end ends a request, if there is one.
func (t *target) end() {
	if t.inflight.Load() > 0 {
		t.release()
	}
}

// A WebSocket counts as long as it is open.
func TestChoose_LeastOutstandingCountsWebSockets(t *testing.T) {
	one, _ := tunnelled(t, echoing)
	two, _ := tunnelled(t, echoing)
	s := newStack(t, one, two)
	s.snapshot.TargetGroups[0].Algorithm = "least_outstanding_requests"
	s.run()
	for n := range 3 {
		for range 2 {
			s.dial().send(upgrade).upgraded()
		}
		if a, b := s.InFlight(one.Registration), s.InFlight(two.Registration); a != n+1 || b != n+1 {
			t.Errorf("%d and %d open on two targets", a, b)
		}
	}
}

func TestChoose_WeightedRandom(t *testing.T) {
	g := groupOf(TargetGroup{Algorithm: "weighted_random"}, Healthy, Healthy, Unhealthy, Healthy)
	got := g.spread(6000, testTime)
	for i, tgt := range g.targets {
		if n := got[tgt]; i == 2 && n != 0 || i != 2 && (n < 1700 || n > 2300) {
			t.Errorf("target %d: %d of 6000", i, n)
		}
	}
}

// The share of a target in slow start grows linearly to that of the others.
func TestSlowStart_LinearShare(t *testing.T) {
	g := groupOf(TargetGroup{SlowStart: 100 * time.Second}, Healthy, Healthy, Healthy, Unhealthy)
	slow := g.targets[3]
	slow.setState(isHealthy, testTime)
	const n = 20000
	for _, after := range []int{0, 25, 50, 75, 100, 200} {
		got := g.spread(n, testTime.Add(time.Duration(after)*time.Second))
		want := n / 4 * min(after, 100) / 100
		if d := got[slow] - want; d < -n/50 || d > n/50 {
			t.Errorf("after %d s: %d of %d, want about %d", after, got[slow], n, want)
		}
		for _, other := range g.targets[:3] {
			if d := got[other] - (n-want)/3; d < -n/50 || d > n/50 {
				t.Errorf("after %d s: an old target got %d of %d", after, got[other], n)
			}
		}
	}
}

func TestSlowStart_Exceptions(t *testing.T) {
	g := groupOf(TargetGroup{SlowStart: time.Minute}, Initial, Initial, Initial)
	for _, tgt := range g.targets[:2] {
		tgt.firstBatch.Store(true)
		tgt.setState(isHealthy, testTime)
		if tgt.slowFrom.Load() != 0 {
			t.Error("the first targets of an empty group start slowly")
		}
	}
	late := g.targets[2]
	late.setState(isHealthy, testTime)
	if late.slowFrom.Load() == 0 {
		t.Error("a later one does not")
	}
	late.setState(isUnhealthy, testTime)
	if late.slowFrom.Load() != 0 {
		t.Error("unhealthy, and still in slow start")
	}
	for _, tgt := range g.targets[:2] {
		tgt.setState(isUnhealthy, testTime)
	}
	late.setState(isHealthy, testTime)
	if late.slowFrom.Load() != 0 {
		t.Error("slow start without another healthy target")
	}
	g.targets[0].setState(isHealthy, testTime)
	if g.targets[0].slowFrom.Load() == 0 {
		t.Error("no slow start beside a healthy target, when a target returns")
	}
	g.targets[1].setState(isHealthy, testTime)
	late.setState(isUnhealthy, testTime)
	if got := g.spread(10, testTime); len(got) != 2 {
		t.Error("where all are in slow start, all get requests", got)
	}
}

// Across snapshots: targets that come later start slowly, healthy ones do not when it is enabled.
func TestSlowStart_AcrossSnapshots(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		n := New(Config{Sink: nothing{}})
		s := testSnapshot(Target{Registration: "a", Addr: netip.MustParseAddrPort("10.0.0.1:80"), State: Initial})
		n.Apply(s)
		n.turn(n.targets["a"], Healthy, "", "", "")
		s.TargetGroups[0].SlowStart = time.Minute
		s.TargetGroups[0].Targets = append(s.TargetGroups[0].Targets, Target{Registration: "b", Addr: netip.MustParseAddrPort("10.0.0.2:80"), State: Initial})
		n.Apply(s)
		n.turn(n.targets["b"], Healthy, "", "", "")
		if n.targets["a"].slowFrom.Load() != 0 || n.targets["b"].slowFrom.Load() == 0 {
			t.Error(n.targets["a"].slowFrom.Load(), n.targets["b"].slowFrom.Load())
		}
	})
}

// Choosing while everything changes: what is chosen was eligible, and is counted once.
func TestChoose_UnderChange(t *testing.T) {
	g := groupOf(TargetGroup{}, Healthy, Healthy, Healthy, Healthy)
	stop := make(chan struct{})
	var changers, choosers sync.WaitGroup
	for i, tgt := range g.targets[1:] {
		changers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
					tgt.setState(int32(n%3), time.Now())
				}
			}
		})
	}
	for range 3 {
		choosers.Go(func() {
			for range 5000 {
				c := g.choose(time.Now())
				if c.target == nil {
					t.Error("no target")
					return
				}
				c.target.release()
			}
		})
	}
	choosers.Wait()
	close(stop)
	changers.Wait()
	for _, tgt := range g.targets {
		if n := tgt.inflight.Load(); n != 0 {
			t.Errorf("%d in flight", n)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, algorithm := range []string{"round_robin", "least_outstanding_requests", "weighted_random"} {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", algorithm, n), func(b *testing.B) {
				states := make([]State, n)
				for i := range states {
					states[i] = Healthy
				}
				g := groupOf(TargetGroup{Algorithm: algorithm}, states...)
				b.ReportAllocs()
				for b.Loop() {
					g.choose(testTime).target.release()
				}
			})
			if algorithm != "least_outstanding_requests" {
				continue
			}
			b.Run(fmt.Sprintf("%s, all busy/%d", algorithm, n), func(b *testing.B) {
				states := make([]State, n)
				for i := range states {
					states[i] = Healthy
				}
				g := groupOf(TargetGroup{Algorithm: algorithm}, states...)
				for _, t := range g.targets {
					t.inflight.Store(2)
				}
				for b.Loop() {
					g.choose(testTime).target.release()
				}
			})
		}
	}
}
