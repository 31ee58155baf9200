package orchestrator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

func TestCreate_BecomesSteadyAndSaysSoInAWSWords(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		want := []string{
			"(service web) has started 1 tasks: (task T).",
			"(service web) registered 1 targets in (target-group G)",
			"(service web) (deployment D) deployment completed.",
			"(service web) has reached a steady state.",
		}
		if got := w.said(); !slices.Equal(got, want) {
			t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		s := w.web()
		d := s.Deployments[0]
		if d.RunningCount != 1 || d.DesiredCount != 1 || d.PendingCount != 0 || d.RolloutState != "COMPLETED" {
			t.Errorf("deployment = %+v", d)
		}
	})
}

func TestRolling_OrderOfOneReplacement(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		before := len(w.said())
		w.redeploy()
		w.steady(time.Minute)
		want := []string{
			"(service web) has started 1 tasks: (task T).",
			"(service web) registered 1 targets in (target-group G)",
			"(service web) has stopped 1 running tasks: (task T).",
			"(service web) deregistered 1 targets in (target-group G)",
			"(service web, taskSet D) has begun draining connections on 1 tasks.",
			"(service web) (deployment D) deployment completed.",
			"(service web) has reached a steady state.",
		}
		if got := w.said()[before:]; !slices.Equal(got, want) {
			t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestRolling_WaitsOutADeregistrationDelayOf300s shows that the stop signal comes only
// after the target is out of the load balancer, five minutes later.
func TestRolling_WaitsOutADeregistrationDelayOf300s(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.balancer.delay = 300 * time.Second
		w.create(service{desired: 3, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		old := w.tasks()
		begin := time.Now()
		w.redeploy()
		w.steady(10 * time.Minute)
		took := time.Since(begin)
		time.Sleep(time.Second) // the interfaces go at the same instant
		for _, o := range old {
			task, _ := w.c.Task("", o.ARN)
			if task.Status != orchestrator.Stopped {
				t.Fatalf("old task is %s", task.Status)
			}
			if waited := task.ExecutionStoppedAt.Sub(task.StoppingAt); waited < 300*time.Second || waited > 310*time.Second {
				t.Errorf("the old task ended %s after the decision to stop it", waited)
			}
			if code := task.Containers[0].ExitCode; code == nil || *code == 137 {
				t.Errorf("exit code = %v, want a clean exit", code)
			}
			if want := "Scaling activity initiated by (deployment " + w.web().Deployments[0].ID + ")"; task.StopReason != want || task.StopCode != orchestrator.ServiceSchedulerInitiated {
				t.Errorf("stopped as %s: %s", task.StopCode, task.StopReason)
			}
		}
		if took < 300*time.Second {
			t.Errorf("the deployment took %s: the drain is part of it", took)
		}
	})
}

// TestRolling_Arithmetic goes through the cases of ecs.md §4.2 (ECS-020, ECS-060): the numbers
// of live tasks that are seen on the way, and whether the deployment gets stuck.
func TestRolling_Arithmetic(t *testing.T) {
	for _, c := range []struct {
		name              string
		desired, min, max int
		floor, ceiling    int // bounds that must be touched, and not crossed
		stuck             bool
	}{
		{"1 at 100/200 goes to 2 and back", 1, 100, 200, 1, 2, false},
		{"4 at 50/100 stops 2 before it starts 2", 4, 50, 100, 2, 4, false},
		{"2 at 75/200 can stop none first", 2, 75, 200, 2, 4, false},
		{"3 at 125 % is stuck", 3, 100, 125, 3, 3, true},
		{"1 at 100/100 is stuck", 1, 100, 100, 1, 1, true},
		{"1 at 0/100 has a gap", 1, 0, 100, 0, 1, false},
		{"10 at 90/110 goes one by one", 10, 90, 110, 9, 11, false},
		{"5 at 50/150 rounds both ways", 5, 50, 150, 3, 7, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				w.create(service{desired: c.desired, min: c.min, max: c.max, balanced: true})
				w.steady(time.Minute)
				w.redeploy()
				low, high := c.desired, 0
				finished := w.eventually(3*time.Minute, func() bool {
					healthy, live := 0, 0
					for _, task := range w.tasks() {
						if task.Desired == orchestrator.Running {
							live++
						}
					}
					for _, d := range w.web().Deployments {
						healthy += d.HealthyCount
					}
					low, high = min(low, healthy), max(high, live)
					return w.web().Steady
				})
				if finished == c.stuck {
					t.Errorf("finished = %t, want %t:\n%s", finished, !c.stuck, w.story())
				}
				if low != c.floor || high != c.ceiling {
					t.Errorf("healthy went down to %d, live up to %d; want %d and %d:\n%s", low, high, c.floor, c.ceiling, w.story())
				}
				said := strings.Count(w.story(), "was unable to stop or start tasks during a deployment because of the service deployment configuration.")
				if want := map[bool]int{true: 1}[c.stuck]; said != want {
					t.Errorf("said %d times that it is stuck, want %d", said, want)
				}
			})
		})
	}
}

func TestRolling_ShowsSeveralDeployments(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 3, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.balancer.healthyAfter = 10 * time.Second
		w.redeploy()
		if !w.eventually(10*time.Second, func() bool {
			d := w.web().Deployments
			return len(d) == 2 && d[0].RunningCount == 3 && d[0].RolloutState == "IN_PROGRESS" &&
				d[1].Status == "ACTIVE" && d[1].DesiredCount == 0 && d[1].RunningCount == 3 && d[1].RolloutState == "COMPLETED"
		}) {
			t.Errorf("deployments = %+v", w.web().Deployments)
		}
		w.steady(time.Minute)
		if n := len(w.web().Deployments); n != 1 {
			t.Errorf("%d deployments are left", n)
		}
	})
}

func TestRolling_TheNewestOfOverlappingDeploymentsWins(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 3, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.redeploy()
		time.Sleep(300 * time.Millisecond)
		w.redeploy()
		most := 0
		if !w.eventually(2*time.Minute, func() bool {
			live := 0
			for _, task := range w.tasks() {
				if task.Desired == orchestrator.Running {
					live++
				}
			}
			most = max(most, live)
			return w.web().Steady
		}) {
			t.Fatalf("not steady:\n%s", w.story())
		}
		if most > 6 {
			t.Errorf("%d tasks were live at once, maximumPercent allows 6", most)
		}
		for _, task := range w.tasks() {
			if !strings.HasSuffix(task.TaskDefinition, ":3") {
				t.Errorf("a task of %s is left", task.TaskDefinition)
			}
		}
	})
}

func TestUpdate_WhatStartsADeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		first := w.web().Deployments[0].ID
		two, grace := 2, 30
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount, in.GracePeriod = &two, &grace })
		w.steady(time.Minute)
		if id := w.web().Deployments[0].ID; id != first || len(w.tasks()) != 2 {
			t.Errorf("a desired count started a deployment, or %d tasks", len(w.tasks()))
		}
		w.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true })
		w.steady(time.Minute)
		if id := w.web().Deployments[0].ID; id == first {
			t.Error("forceNewDeployment started none")
		}
	})
}

func TestScaleIn_DrainsBeforeItSignals(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 3, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		one := 1
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one })
		if !w.eventually(time.Minute, func() bool { return w.web().Steady && len(w.tasks()) == 1 }) {
			t.Fatalf("%d tasks:\n%s", len(w.tasks()), w.story())
		}
		for _, task := range w.c.Snapshot().Tasks {
			if task.Status == orchestrator.Stopped && task.ExecutionStoppedAt.Sub(task.StoppingAt) < 5*time.Second {
				t.Errorf("the task was signalled before its drain of 5 s ended")
			}
		}
		if !strings.Contains(w.story(), "(service web) has begun draining connections on 2 tasks.") {
			t.Errorf("events:\n%s", w.story())
		}
	})
}

func TestBreaker_FailsAndRollsBack(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true, breaker: true})
		w.steady(time.Minute)
		good := w.web().TaskDefinition
		w.balancer.ill[strings.Replace(good, ":1", ":2", 2)] = true
		w.balancer.ill[good[:len(good)-1]+"2"] = true
		w.redeploy()
		w.steady(5 * time.Minute)
		s := w.web()
		if s.TaskDefinition != good {
			t.Errorf("the service is left at %s", s.TaskDefinition)
		}
		if said := w.told(timeline.Warning); len(said) != 1 || !strings.HasPrefix(said[0].Message, "service web is stable again, but on web:1, not web:2: the deployment was rolled back") || said[0].Cause == 0 {
			t.Errorf("of the rollback the timeline tells %+v", said)
		}
		for _, want := range []string{
			"(service web) (deployment D) deployment failed: tasks failed to start.",
			"(service web) rolling back to deployment D.",
			"(service web) (task T) (port 80) is unhealthy in (target-group G) due to (reason Health checks failed).",
		} {
			if !strings.Contains(w.story(), want) {
				t.Errorf("never said: %s\n%s", want, w.story())
			}
		}
	})
}

func TestStart_FailuresAreThrottledAndNamed(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{Fail: &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errNoImage}})
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		time.Sleep(30 * time.Second)
		stopped := 0
		for _, task := range w.c.Snapshot().Tasks {
			if task.Status != orchestrator.Stopped {
				continue
			}
			stopped++
			if task.StopCode != orchestrator.TaskFailedToStart || task.StopReason != "CannotPullContainerError: no such image" {
				t.Errorf("stopped as %s: %s", task.StopCode, task.StopReason)
			}
		}
		if stopped < 3 || stopped > 8 {
			t.Errorf("%d tasks failed within 30 s: the starts are not throttled as they should", stopped)
		}
		if !strings.Contains(w.story(), "(service web) is unable to consistently start tasks successfully.") {
			t.Errorf("events:\n%s", w.story())
		}
		if d := w.web().Deployments[0]; d.FailedTasks != stopped {
			t.Errorf("failedTasks = %d, want %d", d.FailedTasks, stopped)
		}
	})
}

func TestDelete_DrainsThenGoesInactive(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		if _, err := w.c.DeleteService(t.Context(), "default", "web", false); err == nil || !strings.Contains(err.Error(), "The service cannot be stopped while it is scaled above 0.") {
			t.Errorf("err = %v", err)
		}
		if _, err := w.c.DeleteService(t.Context(), "default", "web", true); err != nil {
			t.Fatal(err)
		}
		if s := w.web(); s.Status != orchestrator.ServiceDraining {
			t.Errorf("status = %s", s.Status)
		}
		if !w.eventually(time.Minute, func() bool { return w.web().Status == orchestrator.ServiceInactive && len(w.tasks()) == 0 }) {
			t.Errorf("status = %s, %d tasks:\n%s", w.web().Status, len(w.tasks()), w.story())
		}
	})
}

// TestDeploy_ReplacesTasksThatWereDeregisteredByHand: they never become healthy, and nothing condemns
// them; that is said once, and a deployment that has no room but theirs stops them all the same.
func TestDeploy_ReplacesTasksThatWereDeregisteredByHand(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 50, max: 100, balanced: true})
		w.steady(time.Minute)
		for _, task := range w.tasks() {
			for _, k := range task.TargetKeys() {
				w.balancer.DeregisterTargets(t.Context(), k.TargetGroup, []alb.Target{{ID: k.ID, Port: k.Port}})
			}
		}
		time.Sleep(time.Minute)
		old := w.tasks()
		if len(old) != 2 {
			t.Fatalf("%d tasks", len(old))
		}
		if said := w.told(timeline.Warning); len(said) != 2 || !strings.Contains(said[0].Message, "somebody else has deregistered its targets") || said[0].Subject == said[1].Subject {
			t.Errorf("of the two tasks is said %+v", said)
		}
		w.redeploy()
		w.steady(10 * time.Minute)
		if now := arns(w.tasks()); len(now) != 2 || slices.Contains(now, old[0].ARN) || slices.Contains(now, old[1].ARN) {
			t.Errorf("tasks %q, before %q", now, arns(old))
		}
	})
}
