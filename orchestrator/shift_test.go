package orchestrator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/timeline"
)

var wholeShift = []string{
	orchestrator.StagePreScaleUp, orchestrator.StageScaleUp, orchestrator.StagePostScaleUp, orchestrator.StageTestShift, orchestrator.StagePostTestShift,
	orchestrator.StagePreProductionShift, orchestrator.StageProductionShift, orchestrator.StagePostProductionShift, orchestrator.StageBake, orchestrator.StageCleanUp,
}

// TestBlueGreen_GoesThroughItsStages: green starts beside blue in the other target group, gets
// the test traffic, then the production traffic; both run through the bake time, then blue goes. The next
// deployment goes the other way.
func TestBlueGreen_GoesThroughItsStages(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, blueGreen(5))
		first := w.web().Primary().ID
		if got := w.groupsOf(first); got[groupARN] != 2 || len(got) != 1 {
			t.Errorf("first tasks in %v", got)
		}
		before, shifts := len(w.told(timeline.Deployment)), len(w.shifted())
		w.redeploy()
		w.reach(orchestrator.StageBake)
		begin, second := time.Now(), w.web().Primary().ID
		blue, green := w.groupsOf(first), w.groupsOf(second)
		if blue[groupARN] != 2 || green[greenARN] != 2 || len(green) != 1 {
			t.Errorf("blue in %v, green in %v", blue, green)
		}
		w.reach(orchestrator.StageCleanUp)
		if took := time.Since(begin); took.Round(time.Second) != 5*time.Minute {
			t.Errorf("baked for %s", took)
		}
		w.steady(time.Minute)
		if got := w.stages(before); !slices.Equal(got, wholeShift) {
			t.Errorf("stages %q", got)
		}
		if got := w.shifted()[shifts:]; !slices.Equal(got, []string{"test 0/100", "prod 0/100"}) {
			t.Errorf("rules %q", got)
		}
		s := w.web()
		if len(s.Deployments) != 1 || s.Primary().RolloutState != orchestrator.RolloutCompleted || len(w.tasks()) != 2 {
			t.Errorf("%d tasks, deployments %+v", len(w.tasks()), s.Deployments)
		}
		w.redeploy()
		w.steady(time.Hour)
		if got := w.groupsOf(w.web().Primary().ID); got[groupARN] != 2 || len(got) != 1 {
			t.Errorf("third tasks in %v", got)
		}
		if got := w.shifted()[shifts+2:]; !slices.Equal(got, []string{"test 100/0", "prod 100/0"}) {
			t.Errorf("rules %q", got)
		}
	})
}

// TestBlueGreen_EveryStageHasACause: the events of the stages are a chain.
func TestBlueGreen_EveryStageHasACause(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(1))
		before := len(w.told(timeline.Deployment))
		w.redeploy()
		w.steady(time.Hour)
		events := w.told(timeline.Deployment)[before:]
		seen := map[int64]bool{events[0].Seq: true}
		for _, e := range events[1:] {
			if !seen[e.Cause] {
				t.Errorf("%s: cause %d", e.Message, e.Cause)
			}
			seen[e.Seq] = true
		}
	})
}

// TestCanary_ShiftsAPartThenTheRest to the weights and minutes that were set.
func TestCanary_ShiftsAPartThenTheRest(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		bake := 2
		w.createShift(2, orchestrator.StrategyInput{Strategy: orchestrator.StrategyCanary, BakeMinutes: &bake, Canary: &orchestrator.CanaryConfiguration{Percent: 2.5, BakeMinutes: 10}})
		shifts := len(w.shifted())
		w.redeploy()
		w.reach(orchestrator.StageProductionShift)
		w.eventually(time.Minute, func() bool { return len(w.shifted()) == shifts+2 })
		begin := time.Now()
		w.eventually(time.Hour, func() bool { return len(w.shifted()) == shifts+3 })
		if took := time.Since(begin).Round(time.Second); took != 10*time.Minute {
			t.Errorf("the canary lasted %s", took)
		}
		w.steady(time.Hour)
		if took := time.Since(begin); took < 12*time.Minute {
			t.Errorf("steady after %s", took)
		}
		if got := w.shifted()[shifts:]; !slices.Equal(got, []string{"test 0/100", "prod 975/25", "prod 0/100"}) {
			t.Errorf("rules %q", got)
		}
	})
}

// TestLinear_ShiftsInEqualSteps, with the hooks of the shift at each of them.
func TestLinear_ShiftsInEqualSteps(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, orchestrator.StrategyInput{Strategy: orchestrator.StrategyLinear, Linear: &orchestrator.LinearConfiguration{StepPercent: 30, StepBakeMinutes: 6},
			Hooks: []orchestrator.LifecycleHook{hookAt(orchestrator.StagePreProductionShift, orchestrator.StageProductionShift)}})
		got := w.hookEvents(`{"hookStatus":"SUCCEEDED"}`)
		shifts, begin := len(w.shifted()), time.Now()
		w.redeploy()
		w.steady(time.Hour)
		if rules := w.shifted()[shifts:]; !slices.Equal(rules, []string{"test 0/100", "prod 70/30", "prod 40/60", "prod 10/90", "prod 0/100"}) {
			t.Errorf("rules %q", rules)
		}
		if took := time.Since(begin); took < 18*time.Minute || took > 19*time.Minute {
			t.Errorf("took %s: no bake time follows the last step", took)
		}
		var stages []string
		for _, e := range *got {
			stages = append(stages, e["lifecycleStage"].(string))
		}
		pre, shift := orchestrator.StagePreProductionShift, orchestrator.StageProductionShift
		if !slices.Equal(stages, []string{pre, shift, pre, shift, pre, shift, pre, shift}) {
			t.Errorf("hooks at %q", stages)
		}
	})
}

// TestShift_RollbackIsInstantWhileBlueRuns: an unhappy hook after the shift takes all traffic
// back at once; no task starts, green drains, blue's service goes on.
func TestShift_RollbackIsInstantWhileBlueRuns(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, blueGreen(5, hookAt(orchestrator.StagePostProductionShift)))
		first, definition := w.web().Primary().ID, w.web().TaskDefinition
		shifts, before := len(w.shifted()), w.tasks()
		w.hookEvents(`{"hookStatus":"FAILED"}`)
		w.redeploy()
		green := w.web().Primary().ID
		if !w.eventually(time.Hour, func() bool { return len(w.shifted()) == shifts+4 }) {
			t.Fatalf("rules %q\n%s", w.shifted(), w.story())
		}
		if got := w.shifted()[shifts+2:]; !slices.Contains(got, "prod 100/0") || !slices.Contains(got, "test 100/0") {
			t.Errorf("rules %q", got)
		}
		if s := w.web(); s.Primary().ID != first || s.TaskDefinition != definition || s.Deployment(green).RolloutState != orchestrator.RolloutFailed {
			t.Errorf("deployments %+v", s.Deployments)
		}
		w.steady(time.Minute)
		if after := w.tasks(); !slices.Equal(arns(after), arns(before)) {
			t.Errorf("tasks %q before, %q after", arns(before), arns(after))
		}
		w.saidOnce("(service web) (deployment D) deployment failed: the lifecycle hook at POST_PRODUCTION_TRAFFIC_SHIFT returned FAILED.",
			"(service web) rolling back to deployment D.")
	})
}

func (w *world) saidOnce(messages ...string) {
	w.t.Helper()
	for _, m := range messages {
		n := 0
		for _, said := range w.said() {
			if said == m {
				n++
			}
		}
		if n != 1 {
			w.t.Errorf("said %d times: %s\n%s", n, m, w.story())
		}
	}
}

// TestShift_CircuitBreakerGoesBackToBlue: green never gets healthy; blue never lost its traffic.
func TestShift_CircuitBreakerGoesBackToBlue(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		in := w.shiftService(2, blueGreen(1))
		in.Breaker = &orchestrator.Breaker{Enable: true, Rollback: true}
		if _, err := w.c.CreateService(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		w.steady(time.Minute)
		before, shifts := w.tasks(), w.shifted()
		bad := w.register("web")
		w.balancer.mu.Lock()
		w.balancer.ill[bad] = true
		w.balancer.mu.Unlock()
		w.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = bad })
		time.Sleep(time.Second)
		w.steady(time.Hour)
		if !slices.Equal(arns(w.tasks()), arns(before)) || w.web().TaskDefinition == bad {
			t.Errorf("other tasks\n%s", w.story())
		}
		if got := w.shifted(); !slices.Equal(got, shifts) {
			t.Errorf("rules were rewritten: %q", got)
		}
		w.saidOnce("(service web) (deployment D) deployment failed: tasks failed to start.", "(service web) rolling back to deployment D.")
	})
}

// TestShift_SurvivesACrashAtEveryStage: a scheduler that is killed at a stage resumes there, and
// keeps its deadlines.
func TestShift_SurvivesACrashAtEveryStage(t *testing.T) {
	for _, at := range wholeShift {
		if at == orchestrator.StagePreProductionShift {
			continue // not shown
		}
		t.Run(at, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				w.createShift(1, blueGreen(10, hookAt(orchestrator.StagePreScaleUp, orchestrator.StagePostScaleUp, orchestrator.StageTestShift,
					orchestrator.StagePostTestShift, orchestrator.StageProductionShift, orchestrator.StagePostProductionShift)))
				w.hook = func(string, []byte) (string, error) {
					time.Sleep(10 * time.Second)
					return `{"hookStatus":"SUCCEEDED"}`, nil
				}
				before := len(w.told(timeline.Deployment))
				w.redeploy()
				w.reach(at)
				bake := time.Now()
				time.Sleep(50 * time.Millisecond)
				w.halt()
				time.Sleep(5 * time.Second)
				w.start()
				if w.stage() != at && at != orchestrator.StageScaleUp {
					t.Errorf("at %s after the restart", w.stage())
				}
				w.reach(orchestrator.StageCleanUp)
				if at == orchestrator.StageBake && time.Since(bake).Round(time.Second) != 10*time.Minute {
					t.Errorf("baked for %s", time.Since(bake))
				}
				w.steady(time.Minute)
				if got := w.stages(before); !slices.Equal(got, wholeShift) {
					t.Errorf("stages %q", got)
				}
			})
		})
	}
}

// TestShift_UpdateDuringADeployment: the newest wins. What was on its way loses its traffic
// and its tasks before the new green starts in its target group.
func TestShift_UpdateDuringADeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, orchestrator.StrategyInput{Strategy: orchestrator.StrategyCanary, Canary: &orchestrator.CanaryConfiguration{Percent: 10, BakeMinutes: 60}})
		first := w.web().Primary().ID
		w.redeploy()
		overtaken := w.web().Primary().ID
		w.reach(orchestrator.StageProductionShift)
		time.Sleep(time.Minute)
		before, shifts := len(w.told(timeline.Deployment)), len(w.shifted())
		w.redeploy()
		w.reach(orchestrator.StageScaleUp)
		if got := w.stages(before); got[0] != orchestrator.StageReconcile {
			t.Errorf("stages %q", got)
		}
		if got := w.shifted()[shifts:]; !slices.Contains(got, "prod 100/0") || !slices.Contains(got, "test 100/0") {
			t.Errorf("rules %q", got)
		}
		s := w.web()
		if s.Primary().Shift.Blue != first || s.Deployment(overtaken) != nil || len(w.groupsOf(overtaken)) != 0 {
			t.Errorf("deployments %+v", s.Deployments)
		}
		w.steady(3 * time.Hour)
		if got := w.groupsOf(w.web().Primary().ID); got[greenARN] != 2 || len(w.tasks()) != 2 {
			t.Errorf("tasks in %v", got)
		}
	})
}

// TestShift_DesiredCountDuringADeployment is for all that serve.
func TestShift_DesiredCountDuringADeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, blueGreen(5))
		first := w.web().Primary().ID
		w.redeploy()
		w.reach(orchestrator.StageBake)
		three, second := 3, w.web().Primary().ID
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &three })
		time.Sleep(time.Minute)
		if blue, green := w.groupsOf(first), w.groupsOf(second); blue[groupARN] != 3 || green[greenARN] != 3 || w.stage() != orchestrator.StageBake {
			t.Errorf("blue %v, green %v at %s", blue, green, w.stage())
		}
		w.steady(time.Hour)
		if len(w.tasks()) != 3 {
			t.Errorf("%d tasks", len(w.tasks()))
		}
	})
}

// TestShift_DeleteDuringADeployment drains blue and green.
func TestShift_DeleteDuringADeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, blueGreen(5))
		w.redeploy()
		w.reach(orchestrator.StageBake)
		if _, err := w.c.DeleteService(t.Context(), "default", "web", true); err != nil {
			t.Fatal(err)
		}
		if !w.eventually(time.Minute, func() bool { return w.web().Status == orchestrator.ServiceInactive && len(w.tasks()) == 0 }) {
			t.Errorf("%s with %d tasks", w.web().Status, len(w.tasks()))
		}
	})
}

// TestShift_ALostBlueTaskIsReplaced while both run, by its own revision.
func TestShift_ALostBlueTaskIsReplaced(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(2, blueGreen(5))
		lost := w.tasks()[0]
		w.redeploy()
		w.reach(orchestrator.StageBake)
		w.engine.Crash(lost.ARN, "app", 1)
		time.Sleep(time.Minute)
		if got := w.groupsOf(lost.Deployment); got[groupARN] != 2 || w.stage() != orchestrator.StageBake {
			t.Errorf("blue %v at %s", got, w.stage())
		}
	})
}

// TestShift_AStageMayLastADay: green that never gets healthy goes back after that, without any
// circuit breaker.
func TestShift_AStageMayLastADay(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(0))
		first := w.web().Primary().ID
		w.balancer.healthyAfter = 1000 * time.Hour
		w.redeploy()
		begin := time.Now()
		for w.web().Primary().ID != first && time.Since(begin) < 48*time.Hour {
			time.Sleep(10 * time.Minute)
		}
		if took := time.Since(begin).Round(time.Hour); took != 24*time.Hour {
			t.Errorf("went back after %s\n%s", took, w.story())
		}
	})
}

// TestShift_ARuleThatIsGone holds a deployment up, with a warning, but not the way back.
func TestShift_ARuleThatIsGone(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(5))
		first := w.web().Primary().ID
		w.redeploy()
		w.reach(orchestrator.StageScaleUp)
		w.balancer.mu.Lock()
		delete(w.balancer.rules, prodRule)
		w.balancer.mu.Unlock()
		w.reach(orchestrator.StageProductionShift)
		time.Sleep(time.Minute)
		if n := len(w.told(timeline.Warning)); n != 1 || w.stage() != orchestrator.StageProductionShift {
			t.Errorf("%d warnings at %s", n, w.stage())
		}
		if err := w.c.StopServiceDeployment(t.Context(), w.web().Primary().Record, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.steady(time.Minute)
		if w.web().Primary().ID != first {
			t.Errorf("deployments %+v", w.web().Deployments)
		}
	})
}

// TestShift_WhatFailedBeforeDoesNotFailTheWayBack: a breaker that is not reset counts blue's
// failures for as long as it serves; they are no reason to fail the rollback to it.
func TestShift_WhatFailedBeforeDoesNotFailTheWayBack(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		in := w.shiftService(1, blueGreen(5, hookAt(orchestrator.StagePostProductionShift)))
		in.Breaker = &orchestrator.Breaker{Enable: true, Rollback: true, Type: "COUNT", Value: 2, Cumulative: true}
		if _, err := w.c.CreateService(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		w.steady(10 * time.Minute)
		first := w.web().Primary().ID
		for range 2 {
			w.balancer.state(w.tasks()[0], "unhealthy")
			time.Sleep(time.Minute)
		}
		if n := w.web().Primary().FailedTasks; n < 2 {
			t.Fatalf("%d failures of blue", n)
		}
		w.hookEvents(`{"hookStatus":"FAILED"}`)
		w.redeploy()
		if !w.eventually(time.Hour, func() bool { return w.web().Primary().ID == first }) {
			t.Fatal(w.story())
		}
		time.Sleep(time.Minute)
		if d := w.web().Primary(); d.RolloutState != orchestrator.RolloutCompleted {
			t.Errorf("blue is %s: %s", d.RolloutState, d.RolloutReason)
		}
	})
}

// TestShift_OneRuleFailsAnotherDoesNot: what a rule says is told once, however often the other
// rule is set right meanwhile.
func TestShift_OneRuleFailsAnotherDoesNot(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(60))
		w.redeploy()
		w.reach(orchestrator.StageBake)
		warnings := func() (n int) {
			for _, e := range w.told(timeline.Warning) {
				if strings.Contains(e.Message, "no such rule; trying again") {
					n++
				}
			}
			return n
		}
		set := func(rule string, weights map[string]int) {
			w.balancer.mu.Lock()
			defer w.balancer.mu.Unlock()
			if w.balancer.rules[rule] = weights; weights == nil {
				delete(w.balancer.rules, rule)
			}
		}
		set(testRule, nil)
		for range 5 {
			set(prodRule, map[string]int{groupARN: 100, greenARN: 0})
			w.c.Poke()
			if !w.eventually(time.Minute, func() bool { return w.balancer.ForwardWeights(prodRule)[greenARN] == 100 }) {
				t.Fatalf("the rule of production stays:\n%s", w.story())
			}
		}
		if n := warnings(); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, w.story())
		}
		set(testRule, map[string]int{groupARN: 1, greenARN: 0})
		if !w.eventually(time.Minute, func() bool { return w.balancer.ForwardWeights(testRule)[greenARN] == 100 }) {
			t.Errorf("the rule of tests is not set when it is back:\n%s", w.story())
		}
	})
}
