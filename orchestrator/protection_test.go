package orchestrator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
)

func (w *world) protect(t *orchestrator.Task, minutes int) []orchestrator.Failure {
	w.t.Helper()
	done, failed, err := w.c.UpdateTaskProtection(w.t.Context(), orchestrator.ProtectionInput{Tasks: []string{t.ID}, Enabled: true, Minutes: &minutes})
	if err != nil || len(done)+len(failed) != 1 {
		w.t.Fatalf("UpdateTaskProtection = %v, %v, %v", done, failed, err)
	}
	return failed
}

// TestProtection_SurvivesScaleInAndDeployments: a protected task outlives both; the service
// says why, once; when the protection expires the task goes.
func TestProtection_SurvivesScaleInAndDeployments(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		kept := w.tasks()[0]
		if failed := w.protect(kept, 10); len(failed) > 0 {
			t.Fatal(failed)
		}
		w.redeploy()
		time.Sleep(5 * time.Minute)
		const why = "(service web) was unable to reach steady state because (taskSet D) was unable to scale in due to (reason 1 tasks under protection)"
		if n := strings.Count(w.story(), why); n != 1 {
			t.Errorf("said %d times why it is not steady:\n%s", n, w.story())
		}
		if task, _ := w.c.Task("", kept.ID); task.Desired != orchestrator.Running {
			t.Errorf("the protected task is %s", task.Status)
		}
		if n := len(w.tasks()); n != 3 {
			t.Errorf("%d tasks, want 2 new ones and the protected one", n)
		}
		w.steady(6 * time.Minute)
		if task, _ := w.c.Task("", kept.ID); task.Desired != orchestrator.Stopped {
			t.Error("the task outlived its protection")
		}
		w.protect(w.tasks()[0], 60)
		one, guarded := 1, w.tasks()[0].ID
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one })
		w.steady(time.Minute)
		w.eventually(time.Minute, func() bool { return len(w.tasks()) == 1 })
		if left := w.tasks(); len(left) != 1 || left[0].ID != guarded {
			t.Errorf("scale-in left %d tasks, not the protected one", len(left))
		}
		if _, err := w.c.DeleteService(t.Context(), "", "web", true); err != nil {
			t.Fatal(err)
		}
		if !w.eventually(time.Minute, func() bool { return w.web().Status == orchestrator.ServiceInactive }) {
			t.Error("protection holds up the end of a deleted service")
		}
	})
}

// TestProtection_KeepsWhoServesInItsPlace: of two tasks the protected one is not healthy, so that the
// other serves on; the service says why there are two.
func TestProtection_KeepsWhoServesInItsPlace(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		guarded, serves := w.tasks()[0], w.tasks()[1]
		w.protect(guarded, 10)
		for _, k := range guarded.TargetKeys() {
			w.balancer.DeregisterTargets(t.Context(), k.TargetGroup, []alb.Target{{ID: k.ID, Port: k.Port}})
		}
		one := 1
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one })
		time.Sleep(time.Minute)
		if now := arns(w.tasks()); len(now) != 2 {
			t.Errorf("tasks %q, want both", now)
		}
		if n := strings.Count(w.story(), "was unable to scale in due to (reason 1 tasks under protection)"); n != 1 {
			t.Errorf("said %d times why:\n%s", n, w.story())
		}
		w.eventually(11*time.Minute, func() bool { return len(w.tasks()) == 1 })
		if now := arns(w.tasks()); !slices.Equal(now, []string{serves.ARN}) {
			t.Errorf("tasks %q, want %s", now, serves.ARN)
		}
	})
}

func TestProtection_Refusals(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		alone, err := w.c.RunTask(t.Context(), orchestrator.RunTaskInput{TaskDefinition: "web", Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}}})
		if err != nil {
			t.Fatal(err)
		}
		if failed := w.protect(alone[0], 1); len(failed) != 1 || failed[0].Reason != "TASK_NOT_VALID" {
			t.Errorf("standalone task: %v", failed)
		}
		if failed := w.protect(&orchestrator.Task{ID: strings.Repeat("0", 32)}, 1); len(failed) != 1 || failed[0].Reason != "MISSING" {
			t.Errorf("unknown task: %v", failed)
		}
		mine := w.web().Deployments[0].ID
		for _, task := range w.tasks() {
			if task.Deployment == mine {
				w.protect(task, 2880)
			}
		}
		w.balancer.healthyAfter = time.Hour
		w.redeploy()
		time.Sleep(time.Second)
		for _, task := range w.tasks() {
			if task.Deployment != mine && task.Service != "" {
				if failed := w.protect(task, 1); len(failed) != 1 || failed[0].Reason != "DEPLOYMENT_BLOCKED" {
					t.Errorf("a second protected task at a desired count of 1: %v", failed)
				}
			}
		}
		for _, bad := range []orchestrator.ProtectionInput{
			{}, {Tasks: make([]string, 11)}, {Tasks: []string{"x"}, Enabled: true, Minutes: new(0)}, {Tasks: []string{"x"}, Enabled: true, Minutes: new(2881)},
			{Tasks: []string{"x"}, Minutes: new(5)},
		} {
			if _, _, err := w.c.UpdateTaskProtection(t.Context(), bad); err == nil || !strings.HasPrefix(err.Error(), "InvalidParameterException") {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		done, _, err := w.c.GetTaskProtection("", nil)
		if err != nil || len(done) != 2 {
			t.Errorf("GetTaskProtection = %v, %v", done, err)
		}
	})
}

// TestSteady_IsSaidAgain: a service that stays steady says so about every 6 h.
func TestSteady_IsSaidAgain(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		time.Sleep(13 * time.Hour)
		if n := strings.Count(w.story(), "has reached a steady state."); n != 3 {
			t.Errorf("said %d times in 13 h:\n%s", n, w.story())
		}
	})
}
