package node

import (
	"slices"
	"testing"
	"time"
)

func TestHealth_OneSuccessThenThresholds(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.net.app(appAddr, 200)
		b.run()
		time.Sleep(time.Second)
		b.expectStates(started, becameWell)
		a.set(404, 0)
		time.Sleep(31 * time.Second)
		b.expectStates(started, becameWell)
		time.Sleep(30 * time.Second)
		b.expectStates(started, becameWell, wellTo404)
		a.set(204, 0)
		time.Sleep(4 * 30 * time.Second)
		b.expectStates(started, becameWell, wellTo404)
		time.Sleep(30 * time.Second)
		b.expectStates(started, becameWell, wellTo404, wellAgain)
	})
}

func TestHealth_ReasonsFollowTheFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.run()
		time.Sleep(31 * time.Second)
		b.expectStates(started, initialGone)
		b.net.mu.Lock()
		b.net.dark[appAddr] = true
		b.net.mu.Unlock()
		time.Sleep(36 * time.Second)
		b.expectStates(started, initialGone, "unhealthy→unhealthy Target.Timeout Request timed out")
	})
}

func TestHealth_StartToStart(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.net.app(appAddr, 200)
		a.set(200, 3*time.Second)
		b.target().CheckFrom = b.start.Add(2 * time.Second)
		b.run()
		time.Sleep(time.Second)
		b.expectStates()
		time.Sleep(62 * time.Second)
		if got := a.checkTimes(b.start); !slices.Equal(got, []string{"2s", "32s", "1m2s"}) {
			t.Error(got)
		}
	})
}

func TestHealth_SlowAnswerTimesOut(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200).set(200, 6*time.Second)
		b.run()
		time.Sleep(36 * time.Second)
		b.expectStates(started, "initial→unhealthy Target.Timeout Request timed out")
	})
}

// Early probes find a target that starts late at once, and do not fail it early.
func TestHealth_InitialInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.group().HealthCheck.InitialInterval = 50 * time.Millisecond
		b.run()
		time.Sleep(29 * time.Second)
		b.expectStates(started)
		a := b.net.app(appAddr, 200)
		time.Sleep(60 * time.Millisecond)
		b.expectStates(started, becameWell)
		time.Sleep(10 * time.Second)
		if n := len(a.checkTimes(b.start)); n != 1 {
			t.Errorf("%d checks after the first answer", n)
		}
	})
}

func TestHealth_InitialIntervalCountsOncePerInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.group().HealthCheck.InitialInterval = 50 * time.Millisecond
		b.run()
		time.Sleep(29900 * time.Millisecond)
		b.expectStates(started)
		time.Sleep(200 * time.Millisecond)
		b.expectStates(started, initialGone)
	})
}

func TestHealth_NoChecksUnlessInUse(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.net.app(appAddr, 200)
		b.group().InUse = false
		b.run()
		time.Sleep(time.Minute)
		if got := a.checkTimes(b.start); got != nil {
			t.Error(got)
		}
		b.apply(func(s *Snapshot) { s.TargetGroups[0].InUse = true })
		time.Sleep(time.Second)
		b.expectStates(started, becameWell)
		b.apply(func(s *Snapshot) { s.TargetGroups[0].InUse = false })
		time.Sleep(time.Minute)
		b.apply(func(s *Snapshot) { s.TargetGroups[0].InUse = true })
		time.Sleep(time.Second)
		b.expectStates(started, becameWell, started, becameWell)
	})
}

func TestHealth_DrainingNeverBecomesHealthy(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.net.app(appAddr, 200)
		a.set(200, 2*time.Second)
		b.run()
		time.Sleep(time.Second) // the first check is under way
		b.apply(func(s *Snapshot) {
			target := &s.TargetGroups[0].Targets[0]
			target.Draining, target.DrainFrom = true, time.Now()
		})
		time.Sleep(5 * time.Minute)
		b.expectStates(started)
		if n := len(a.checkTimes(b.start)); n != 1 {
			t.Errorf("%d checks", n)
		}
	})
}

func TestHealth_SeedIsKeptAfterRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.net.app(appAddr, 200)
		b.target().State = Healthy
		b.run()
		time.Sleep(time.Second)
		b.expectStates()
		if n := len(a.checkTimes(b.start)); n != 1 {
			t.Errorf("%d checks", n)
		}
		if got := b.ask(); got != 200 {
			t.Error(got)
		}
		if o := b.record.one(t); o.Target.State != "healthy" || o.Target.FailOpen {
			t.Errorf("%+v", o)
		}
	})
}
