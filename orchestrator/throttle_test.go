package orchestrator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
)

// TestStart_ThrottleGrowsToAQuarterOfAnHour: failed starts come further and further apart, up to
// 15 min; the service is told once in 6 h; an update starts anew, auto scaling's does not.
func TestStart_ThrottleGrowsToAQuarterOfAnHour(t *testing.T) {
	inWorld(t, orchestrator.PaceAWS, func(w *world) {
		w.broken()
		w.create(service{desired: 1, min: 100, max: 200})
		made := map[string]time.Time{}
		for end := time.Now().Add(7 * time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
			for arn, task := range w.c.Snapshot().Tasks {
				made[arn] = task.CreatedAt
			}
		}
		var starts []time.Time
		for _, at := range made {
			starts = append(starts, at)
		}
		slices.SortFunc(starts, time.Time.Compare)
		last := time.Duration(0)
		for n := range starts[1:] {
			gap := starts[n+1].Sub(starts[n])
			if gap < last-20*time.Second {
				t.Errorf("a gap of %s after one of %s", gap, last)
			}
			last = gap
		}
		if last < 15*time.Minute || last > 16*time.Minute {
			t.Errorf("the last gap is %s, of %d starts", last, len(starts))
		}
		for text, want := range map[string]int{
			"is unable to consistently start tasks successfully.": 2, "was unable to place a task. Reason: CannotPullContainerError: no such image.": 2,
		} {
			if n := strings.Count(w.story(), text); n != want {
				t.Errorf("said %d times in 7 h: %s", n, text)
			}
		}
		throttled := w.web().Primary()
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount, in.Automatic = new(2), true })
		if d := w.web().Primary(); d.NextStart != throttled.NextStart || d.FailedStarts != throttled.FailedStarts || d.FailedStarts == 0 {
			t.Errorf("auto scaling ended the throttle: next start %s, was %s", d.NextStart, throttled.NextStart)
		}
		before := len(made)
		w.update(func(in *orchestrator.ServiceInput) { in.ManagedTags = new(true) })
		time.Sleep(30 * time.Second)
		now := 0
		for arn := range w.c.Snapshot().Tasks {
			if _, old := made[arn]; !old {
				now++
			}
		}
		if now == 0 {
			t.Errorf("an update did not end the throttle: %d starts", before)
		}
	})
}

// TestStuck_IsSaidAgain: after 6 h, and when it comes back after it was resolved.
func TestStuck_IsSaidAgain(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		const stuck = "was unable to stop or start tasks during a deployment because of the service deployment configuration."
		w.create(service{desired: 1, min: 100, max: 100, balanced: true})
		w.steady(time.Minute)
		w.redeploy()
		time.Sleep(5 * time.Hour)
		if n := strings.Count(w.story(), stuck); n != 1 {
			t.Errorf("said %d times in 5 h", n)
		}
		time.Sleep(2 * time.Hour)
		if n := strings.Count(w.story(), stuck); n != 2 {
			t.Errorf("said %d times in 7 h", n)
		}
		w.update(func(in *orchestrator.ServiceInput) { in.Maximum = new(200) })
		w.steady(time.Minute)
		w.update(func(in *orchestrator.ServiceInput) { in.Maximum = new(100) })
		w.redeploy()
		time.Sleep(time.Minute)
		if n := strings.Count(w.story(), stuck); n != 3 {
			t.Errorf("said %d times after it was resolved", n)
		}
	})
}

// TestUpdate_EachMember says of every member whether its change starts a deployment (ECS-030).
func TestUpdate_EachMember(t *testing.T) {
	type change = func(*orchestrator.ServiceInput)
	for name, c := range map[string]struct {
		change change
		starts bool
	}{
		"network": {func(in *orchestrator.ServiceInput) {
			in.Network = &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-2"}}
		}, true},
		"platform":     {func(in *orchestrator.ServiceInput) { in.Platform = new("1.4.0") }, true},
		"balancers":    {func(in *orchestrator.ServiceInput) { in.LoadBalancers = []orchestrator.LoadBalancer{} }, true},
		"force":        {func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true }, true},
		"the same":     {func(in *orchestrator.ServiceInput) { in.TaskDefinition = "web" }, false},
		"percentages":  {func(in *orchestrator.ServiceInput) { in.MinimumHealthy, in.Maximum = new(50), new(150) }, false},
		"breaker":      {func(in *orchestrator.ServiceInput) { in.Breaker = &orchestrator.Breaker{Enable: true} }, false},
		"grace period": {func(in *orchestrator.ServiceInput) { in.GracePeriod = new(60) }, false},
		"exec":         {func(in *orchestrator.ServiceInput) { in.ExecuteCommand = new(true) }, false},
		"tags":         {func(in *orchestrator.ServiceInput) { in.ManagedTags, in.PropagateTags = new(true), new("SERVICE") }, false},
		"zones":        {func(in *orchestrator.ServiceInput) { in.AZRebalancing = new("DISABLED") }, false},
		"count":        {func(in *orchestrator.ServiceInput) { in.DesiredCount = new(2) }, false},
	} {
		inWorld(t, orchestrator.PaceFast, func(w *world) {
			w.create(service{desired: 1, min: 100, max: 200, balanced: true})
			w.steady(time.Minute)
			first := w.web().Primary().ID
			w.update(c.change)
			if started := w.web().Primary().ID != first; started != c.starts {
				t.Errorf("%s: starts a deployment: %t", name, started)
			}
			w.steady(time.Minute)
		})
	}
}
