package orchestrator_test

import (
	"slices"
	"testing"
	"time"

	"drydock/orchestrator"
)

// sicken makes the tasks of a task definition fail: those that run crash, and those that
// follow never become healthy.
func (w *world) sicken(definition string) {
	w.balancer.mu.Lock()
	w.balancer.ill[definition] = true
	w.balancer.healthyAfter = 10 * time.Second // or unhealthy: each replacement takes so long
	w.balancer.mu.Unlock()
	for _, t := range w.tasks() {
		if t.TaskDefinition == definition {
			w.engine.Crash(t.ARN, "app", 1)
		}
	}
}

// fix deploys another revision and waits until it serves alone.
func (w *world) fix(in orchestrator.StrategyInput) {
	w.t.Helper()
	w.update(func(u *orchestrator.ServiceInput) { u.TaskDefinition, u.StrategyInput = w.register("web"), in })
	fixed := w.web().Primary().ID
	w.steady(2 * time.Hour)
	if s := w.web(); len(s.Deployments) != 1 || s.Primary().ID != fixed || len(w.tasks()) != s.DesiredCount {
		w.t.Errorf("%d tasks, deployments %+v", len(w.tasks()), s.Deployments)
	}
}

// TestShift_FixOfADeploymentThatFellIll: a green that had all the traffic and fell ill while it
// baked does not hold up the deployment that mends it.
func TestShift_FixOfADeploymentThatFellIll(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, blueGreen(10))
		w.redeploy()
		w.reach(orchestrator.StageBake)
		w.sicken(w.web().TaskDefinition)
		time.Sleep(time.Minute)
		w.fix(blueGreen(10))
	})
}

// TestShift_OvertakesAFirstDeploymentThatNeverWorked, and the deployment that overtook it.
func TestShift_OvertakesAFirstDeploymentThatNeverWorked(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		in := w.shiftService(1, blueGreen(10))
		w.sicken(in.TaskDefinition)
		if _, err := w.c.CreateService(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.redeploy()
		w.reach(orchestrator.StageScaleUp)
		time.Sleep(time.Minute)
		w.fix(blueGreen(10))
	})
}

// TestShift_OvertakesARollingDeploymentThatFellIll: of the deployments that shared the traffic
// the one whose tasks still answer becomes blue.
func TestShift_OvertakesARollingDeploymentThatFellIll(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, orchestrator.StrategyInput{Strategy: orchestrator.StrategyRolling})
		first, most := w.web().Primary().ID, 150
		w.update(func(in *orchestrator.ServiceInput) { in.Maximum, in.TaskDefinition = &most, w.register("web") })
		if !w.eventually(10*time.Minute, func() bool { return w.web().Primary().HealthyCount == 1 }) {
			t.Fatal(w.story())
		}
		w.sicken(w.web().TaskDefinition)
		time.Sleep(time.Minute)
		w.update(func(in *orchestrator.ServiceInput) {
			in.TaskDefinition, in.StrategyInput = w.register("web"), blueGreen(10)
		})
		w.reach(orchestrator.StageScaleUp)
		if blue := w.web().Primary().Shift.Blue; blue != first {
			t.Errorf("blue is %s, not %s", blue, first)
		}
		w.steady(time.Hour)
	})
}

// TestShift_OvertakesAnAbortedDeployment: one that was aborted half-way and counts as blue gets the
// tasks that it lacks: until then the older one, which shares its traffic, can't go.
func TestShift_OvertakesAnAbortedDeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, orchestrator.StrategyInput{Strategy: orchestrator.StrategyRolling})
		most := 150
		w.update(func(in *orchestrator.ServiceInput) { in.Maximum, in.TaskDefinition = &most, w.register("web") })
		aborted := w.web().Primary()
		if !w.eventually(10*time.Minute, func() bool { return w.web().Primary().HealthyCount == 1 }) {
			t.Fatal(w.story())
		}
		if err := w.c.StopServiceDeployment(t.Context(), aborted.Record, orchestrator.StopAbort); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for n, task := range w.tasks() {
			if task.Deployment == aborted.ID && n%2 == 0 {
				w.engine.Crash(task.ARN, "app", 1)
			}
		}
		time.Sleep(time.Minute)
		if s := w.web(); s.Primary().RunningCount != 1 || len(s.Deployments) != 2 {
			t.Fatalf("deployments %+v", s.Deployments)
		}
		w.fix(blueGreen(10))
	})
}

// TestShift_OvertakenGreenThatAloneAnswers: when the last task of blue ends before the deployment that
// overtakes green has begun, green keeps the traffic that it has and gets the rest: it is blue now. The
// new deployment goes to the target group that blue has left.
func TestShift_OvertakenGreenThatAloneAnswers(t *testing.T) {
	inWorld(t, orchestrator.PaceAWS, func(w *world) {
		w.createShift(1, orchestrator.StrategyInput{Strategy: orchestrator.StrategyLinear, Linear: &orchestrator.LinearConfiguration{StepPercent: 40, StepBakeMinutes: 5}})
		first := w.web().Primary().ID
		w.redeploy()
		green := w.web().Primary().ID
		w.reach(orchestrator.StageProductionShift)
		if !w.eventually(time.Minute, func() bool { return slices.Contains(w.shifted(), "prod 60/40") }) { // the weights follow the stage
			t.Fatalf("rules %q", w.shifted())
		}
		shifts := len(w.shifted())
		w.redeploy()
		for _, task := range w.tasks() {
			if task.Deployment == first {
				w.engine.Crash(task.ARN, "app", 1)
			}
		}
		w.reach(orchestrator.StageScaleUp)
		if rules := w.shifted()[shifts:]; rules[0] != "prod 0/100" || slices.Contains(rules, "prod 100/0") || w.web().Primary().Shift.Blue != green {
			t.Errorf("rules %q, deployments %+v", rules, w.web().Deployments)
		}
		third := w.web().Primary()
		w.steady(2 * time.Hour)
		if got := w.groupsOf(third.ID); got[groupARN] != 1 || len(w.tasks()) != 1 {
			t.Errorf("%d tasks, green's in %v", len(w.tasks()), got)
		}
		if v := w.c.Snapshot().Revisions[third.RevisionARN]; v.Alternate {
			t.Error("the service revision says that green is in the alternate target group")
		}
	})
}
