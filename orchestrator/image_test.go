package orchestrator_test

import (
	"testing"
	"time"

	"drydock/orchestrator"
)

// TestImages_ArePinnedPerDeployment: a tag that moves changes nothing until the next deployment,
// and a deployment that is rolled back runs what it ran before (ECS-170).
func TestImages_ArePinnedPerDeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		digests := func() map[string]int {
			seen := map[string]int{}
			for _, task := range w.tasks() {
				seen[task.Containers[0].ImageDigest]++
			}
			return seen
		}
		first := w.tasks()[0].Containers[0].ImageDigest
		w.engine.Retag("app:1")
		three := 3
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &three })
		w.steady(time.Minute)
		if got := digests(); got[first] != 3 {
			t.Errorf("scaled out after the tag moved: %v, want three times %s", got, first)
		}
		w.engine.Crash(w.tasks()[0].ARN, "app", 1)
		time.Sleep(time.Second)
		w.steady(time.Minute)
		if got := digests(); got[first] != 3 {
			t.Errorf("a lost task was replaced: %v, want three times %s", got, first)
		}
		w.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true })
		w.steady(time.Minute)
		if got := digests(); len(got) != 1 || got[first] != 0 {
			t.Errorf("after a forced deployment: %v, want another image than %s", got, first)
		}
	})
}

// TestImages_ARollbackRunsWhatRanBefore: the tag has moved meanwhile.
func TestImages_ARollbackRunsWhatRanBefore(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true, breaker: true})
		w.steady(time.Minute)
		first := w.tasks()[0]
		w.engine.Retag("app:1")
		bad := w.register("web")
		w.balancer.ill[bad] = true
		w.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = bad })
		if !w.eventually(10*time.Minute, func() bool { return w.web().TaskDefinition == first.TaskDefinition }) {
			t.Fatalf("not rolled back:\n%s", w.story())
		}
		w.engine.Crash(first.ARN, "app", 1)
		time.Sleep(time.Second)
		w.steady(10 * time.Minute)
		now := w.tasks()[0]
		if now.ARN == first.ARN || now.Containers[0].ImageDigest != first.Containers[0].ImageDigest {
			t.Errorf("rolled back to %+v, want %+v", now.Containers[0], first.Containers[0])
		}
	})
}
