package orchestrator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// broken makes every start of a container fail from now on; mended ends that.
func (w *world) broken() {
	w.engine.Script("app", enginetest.Script{Fail: &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errNoImage}})
}

func (w *world) mended() { w.engine.Script("app", enginetest.Script{Start: 200 * time.Millisecond}) }

// record returns the service deployment of the newest deployment.
func (w *world) record() orchestrator.ServiceDeployment {
	w.t.Helper()
	r := w.c.ServiceDeployment(w.web().Primary().Record)
	if r == nil {
		w.t.Fatalf("no service deployment %q", w.web().Primary().Record)
	}
	return *r
}

// becomes waits until the newest service deployment has a status.
func (w *world) becomes(status string, most time.Duration) orchestrator.ServiceDeployment {
	w.t.Helper()
	if !w.eventually(most, func() bool { return w.record().Status == status }) {
		w.t.Fatalf("the service deployment is %+v, never %s:\n%s", w.record(), status, w.story())
	}
	return w.record()
}

func TestRecord_StatusesOfAGoodDeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true, breaker: true})
		w.becomes(orchestrator.ServiceDeploymentInProgress, time.Second)
		r := w.becomes(orchestrator.ServiceDeploymentSuccessful, time.Minute)
		if r.FinishedAt.IsZero() || r.StartedAt.IsZero() || r.Target.Running != 2 || r.Target.Requested != 2 {
			t.Errorf("%+v", r)
		}
		if r.Breaker != (orchestrator.BreakerMonitor{Status: "MONITORING_COMPLETE", Threshold: 3}) || r.Alarms.Status != "DISABLED" {
			t.Errorf("monitors %+v %+v", r.Breaker, r.Alarms)
		}
		first := r.ARN
		w.balancer.healthyAfter = time.Minute
		w.redeploy()
		w.becomes(orchestrator.ServiceDeploymentInProgress, time.Second)
		second := w.record().ARN
		w.redeploy()
		time.Sleep(time.Second)
		if r := w.c.ServiceDeployment(second); r.Status != orchestrator.ServiceDeploymentStopped || r.StoppedAt.IsZero() {
			t.Errorf("the superseded one: %+v", r)
		}
		w.becomes(orchestrator.ServiceDeploymentSuccessful, 5*time.Minute)
		all, err := w.c.ListServiceDeployments(orchestrator.ListServiceDeploymentsInput{Service: "web"})
		if err != nil || len(all) != 3 || all[2].ARN != first {
			t.Errorf("list = %v, %v", all, err)
		}
		good, _ := w.c.ListServiceDeployments(orchestrator.ListServiceDeploymentsInput{Service: "web", Statuses: []string{"SUCCESSFUL"}})
		if len(good) != 2 {
			t.Errorf("%d are SUCCESSFUL", len(good))
		}
	})
}

// TestRecord_GoesWithItsService: what a deleted service leaves behind is forgotten with it.
func TestRecord_GoesWithItsService(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		if _, err := w.c.DeleteService(t.Context(), "", "web", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if state := w.c.Snapshot(); len(state.Services)+len(state.Records)+len(state.Revisions) != 0 {
			t.Errorf("left: %d services, %d service deployments, %d revisions", len(state.Services), len(state.Records), len(state.Revisions))
		}
	})
}

// TestRecord_EndsWithItsService: a deployment in progress is STOPPED when its service is deleted,
// also if it has no task.
func TestRecord_EndsWithItsService(t *testing.T) {
	for _, desired := range []int{0, 1} {
		inWorld(t, orchestrator.PaceFast, func(w *world) {
			w.balancer.healthyAfter = time.Hour
			w.create(service{desired: 1, min: 0, max: 200, balanced: true})
			arn := w.record().ARN
			time.Sleep(2 * time.Second)
			w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &desired })
			if _, err := w.c.DeleteService(t.Context(), "", "web", true); err != nil {
				t.Fatal(err)
			}
			if !w.eventually(time.Minute, func() bool { return w.web().Status == orchestrator.ServiceInactive }) {
				t.Fatal("never INACTIVE")
			}
			if r := w.c.ServiceDeployment(arn); r.Status != orchestrator.ServiceDeploymentStopped {
				t.Errorf("desired %d: %+v", desired, r)
			}
		})
	}
}

// TestBreaker_FirstStage: tasks that never run trip the breaker at the third failure, and the
// service goes back to the revision that was completed.
func TestBreaker_FirstStage(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true, breaker: true})
		w.steady(time.Minute)
		good, source := w.web().TaskDefinition, w.record().Target.ARN
		old := w.tasks()
		w.broken()
		w.redeploy()
		record := w.web().Primary().Record
		r := w.becomes(orchestrator.ServiceDeploymentRollbackInProgress, time.Minute)
		w.mended()
		if r.ARN != record || r.Breaker.Status != "TRIGGERED" || r.Breaker.Failures < 3 || r.Breaker.Threshold != 3 {
			t.Errorf("%+v", r)
		}
		const why = "Service deployment rolled back because the circuit breaker threshold was exceeded."
		if r.Rollback == nil || r.Rollback.Revision != source || r.Rollback.Reason != why || r.Reason != why {
			t.Errorf("rollback %+v, reason %q", r.Rollback, r.Reason)
		}
		d := w.web().Deployments
		if d[0].RolloutReason != "ECS deployment circuit breaker: rolling back to deploymentId "+d[0].ID+"." || d[0].Status != "PRIMARY" {
			t.Errorf("deployments %+v", d)
		}
		if !strings.Contains(w.story(), "(service web) (deployment D) deployment failed: tasks failed to start.") {
			t.Errorf("events:\n%s", w.story())
		}
		for _, o := range old {
			if task, _ := w.c.Task("", o.ID); task.Desired != orchestrator.Running && d[0].HealthyCount == 0 {
				t.Error("an old task was stopped before there was another one")
			}
		}
		w.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, time.Minute)
		w.steady(time.Minute)
		if s := w.web(); s.TaskDefinition != good || len(s.Deployments) != 1 {
			t.Errorf("left at %s with %d deployments", s.TaskDefinition, len(s.Deployments))
		}
	})
}

// TestBreaker_WithoutRollbackTheOldTasksStay: a FAILED deployment starts nothing more and stops
// nothing more, though minimumHealthyPercent would allow it.
func TestBreaker_WithoutRollbackTheOldTasksStay(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 4, min: 75, max: 100, balanced: true})
		w.update(func(in *orchestrator.ServiceInput) { in.Breaker = &orchestrator.Breaker{Enable: true} })
		w.steady(time.Minute)
		w.broken()
		w.redeploy()
		r := w.becomes(orchestrator.ServiceDeploymentStopped, 5*time.Minute)
		if r.Reason != "ECS deployment circuit breaker: tasks failed to start." || r.Rollback != nil || r.Breaker.Status != "TRIGGERED" {
			t.Errorf("%+v", r)
		}
		half := 50
		w.update(func(in *orchestrator.ServiceInput) { in.MinimumHealthy = &half })
		made := len(w.c.Snapshot().Tasks)
		time.Sleep(20 * time.Minute)
		s := w.web()
		if len(w.tasks()) != 3 || len(w.c.Snapshot().Tasks) != made {
			t.Errorf("%d tasks, %d made since:\n%s", len(w.tasks()), len(w.c.Snapshot().Tasks)-made, w.story())
		}
		if d := s.Primary(); d.RolloutState != "FAILED" || d.Status != "PRIMARY" || s.Deployments[1].RunningCount != 3 {
			t.Errorf("deployments %+v", s.Deployments)
		}
		if strings.Contains(w.story(), "rolling back") {
			t.Errorf("rolled back:\n%s", w.story())
		}
	})
}

// TestBreaker_NothingToRollBackTo: the first deployment of a service just fails.
func TestBreaker_NothingToRollBackTo(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.broken()
		w.create(service{desired: 1, min: 100, max: 200, breaker: true})
		w.becomes(orchestrator.ServiceDeploymentStopped, time.Minute)
		time.Sleep(time.Hour)
		if d := w.web().Deployments; len(d) != 1 || d[0].RolloutState != "FAILED" || d[0].FailedTasks != 3 {
			t.Errorf("deployments %+v", d)
		}
	})
}

// TestBreaker_Thresholds are the examples of the API's documentation, and the other types.
func TestBreaker_Thresholds(t *testing.T) {
	for _, c := range []struct {
		kind                 string
		value, desired, want int
	}{
		{"", 0, 1, 3}, {"", 0, 25, 13}, {"", 0, 400, 200}, {"", 0, 800, 200},
		{"BOUNDED_PERCENT", 10, 100, 10}, {"BOUNDED_PERCENT", 10, 5, 3}, {"UNBOUNDED_PERCENT", 50, 800, 400},
		{"UNBOUNDED_PERCENT", 10, 5, 1}, {"COUNT", 5, 800, 5},
	} {
		config := orchestrator.DeploymentConfiguration{BreakerType: c.kind, BreakerValue: c.value}
		if got := config.Threshold(c.desired); got != c.want {
			t.Errorf("%s %d of %d = %d, want %d", c.kind, c.value, c.desired, got, c.want)
		}
	}
}

// TestBreaker_Cumulative: without resetOnHealthyTask also a deployment that had a healthy task
// fails; with it, it does not.
func TestBreaker_Cumulative(t *testing.T) {
	for _, cumulative := range []bool{false, true} {
		inWorld(t, orchestrator.PaceFast, func(w *world) {
			w.create(service{desired: 2, min: 100, max: 200, balanced: true})
			w.update(func(in *orchestrator.ServiceInput) {
				in.Breaker = &orchestrator.Breaker{Enable: true, Rollback: true, Type: "COUNT", Value: 2, Cumulative: cumulative}
			})
			w.steady(time.Minute)
			w.balancer.delay = time.Hour // the old tasks drain: the deployment goes on
			w.redeploy()
			id := w.web().Primary().ID
			if !w.eventually(time.Minute, func() bool { return w.web().Primary().HealthyCount == 2 }) {
				t.Fatal("never healthy")
			}
			for range 3 {
				for _, task := range w.tasks() {
					if task.Deployment == id && task.Status == orchestrator.Running {
						w.balancer.state(task, "unhealthy")
						break
					}
				}
				time.Sleep(5 * time.Second)
			}
			if failed := strings.Contains(w.story(), "deployment failed: tasks failed to start."); failed != cumulative {
				t.Errorf("cumulative %t: failed %t\n%s", cumulative, failed, w.story())
			}
		})
	}
}

func (w *world) watched(rollback bool) {
	w.t.Helper()
	w.update(func(in *orchestrator.ServiceInput) {
		in.Alarms = &orchestrator.DeploymentAlarms{Names: []string{"web-5xx"}, Enable: true, Rollback: rollback}
	})
}

// TestAlarms_FailADeployment while its tasks start, and also while it bakes, when the old tasks
// are gone.
func TestAlarms_FailADeployment(t *testing.T) {
	for name, moment := range map[string]time.Duration{"at work": 3 * time.Second, "baking": 100 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				w.balancer.healthyAfter = 10 * time.Second
				w.create(service{desired: 1, min: 100, max: 200, balanced: true})
				w.steady(time.Minute)
				good := w.web().TaskDefinition
				w.watched(true)
				w.redeploy()
				time.Sleep(moment)
				if s := w.record().Status; s != orchestrator.ServiceDeploymentInProgress {
					t.Fatalf("it is %s", s)
				}
				w.alarms.set("web-5xx", "ALARM")
				r := w.becomes(orchestrator.ServiceDeploymentRollbackInProgress, time.Minute)
				if r.Alarms.Status != "TRIGGERED" || !slices.Equal(r.Alarms.Triggered, []string{"web-5xx"}) || r.Rollback == nil {
					t.Errorf("%+v", r)
				}
				w.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, 5*time.Minute)
				w.steady(time.Minute)
				for _, want := range []string{"(service web) (deployment D) deployment failed: alarm detected.", "(service web) rolling back to deployment D."} {
					if !strings.Contains(w.story(), want) {
						t.Errorf("never said %s:\n%s", want, w.story())
					}
				}
				if w.web().TaskDefinition != good {
					t.Errorf("left at %s", w.web().TaskDefinition)
				}
			})
		})
	}
}

// TestAlarms_IgnoredWhenInAlarmAtTheStart, for the whole deployment, whatever they do later.
func TestAlarms_IgnoredWhenInAlarmAtTheStart(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.watched(true)
		w.alarms.set("web-5xx", "ALARM")
		w.balancer.healthyAfter = time.Minute
		w.redeploy()
		time.Sleep(10 * time.Second)
		w.alarms.set("web-5xx", "OK")
		time.Sleep(10 * time.Second)
		w.alarms.set("web-5xx", "ALARM")
		r := w.becomes(orchestrator.ServiceDeploymentSuccessful, 5*time.Minute)
		if r.Alarms.Status != "DISABLED" || r.FinishedAt.Sub(r.CreatedAt) > 90*time.Second {
			t.Errorf("%+v took %s: it does not bake either", r.Alarms, r.FinishedAt.Sub(r.CreatedAt))
		}
		if said := w.told(timeline.Alarm); len(said) != 1 || !strings.HasSuffix(said[0].Message, "its alarms are ignored, for web-5xx was in ALARM when it began") || said[0].Cause == 0 {
			t.Errorf("of the alarms that are ignored the timeline tells %+v", said)
		}
	})
}

// TestAlarms_OneThatDoesNotExist is named when the deployment begins, once.
func TestAlarms_OneThatDoesNotExist(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.alarms.set("web-5xx", "OK")
		w.update(func(in *orchestrator.ServiceInput) {
			in.Alarms = &orchestrator.DeploymentAlarms{Names: []string{"web-5xx", "web-4xx"}, Enable: true}
		})
		w.redeploy()
		w.steady(10 * time.Minute)
		if said := w.told(timeline.Warning); len(said) != 1 || !strings.HasSuffix(said[0].Message, "there is no alarm web-4xx: it cannot fail the deployment") || said[0].Cause == 0 {
			t.Errorf("the timeline warns of %+v", said)
		}
		if said := w.told(timeline.Alarm); len(said) != 1 || !strings.HasSuffix(said[0].Message, "its alarms are watched: web-5xx, web-4xx") {
			t.Errorf("of the alarms the timeline tells %+v", said)
		}
	})
}

// TestAlarms_BakeBeforeCompleted: as long as the alarms look back.
func TestAlarms_BakeBeforeCompleted(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.watched(false)
		w.redeploy()
		if !w.eventually(time.Minute, func() bool { return len(w.web().Deployments) == 1 }) {
			t.Fatal("the old deployment stays")
		}
		if d := w.web().Primary(); d.RolloutState != "IN_PROGRESS" {
			t.Errorf("it is %s before it baked", d.RolloutState)
		}
		r := w.becomes(orchestrator.ServiceDeploymentSuccessful, 5*time.Minute)
		if took := r.FinishedAt.Sub(r.CreatedAt); took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("took %s, the alarms look 2 minutes back", took)
		}
		if r.Alarms.Status != "MONITORING_COMPLETE" {
			t.Errorf("%+v", r.Alarms)
		}
	})
}

func TestStopServiceDeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 50, max: 200, balanced: true})
		w.steady(time.Minute)
		good := w.web().TaskDefinition
		refused := func(arn, code string) {
			t.Helper()
			if err := w.c.StopServiceDeployment(t.Context(), arn, ""); err == nil || !strings.HasPrefix(err.Error(), code) {
				t.Errorf("err = %v, want %s", err, code)
			}
		}
		refused("arn:none", "ServiceDeploymentNotFoundException")
		refused(w.record().ARN, "ConflictException") // it is over
		w.balancer.healthyAfter = 10 * time.Second
		w.redeploy()
		arn := w.record().ARN
		if err := w.c.StopServiceDeployment(t.Context(), arn, ""); err != nil {
			t.Fatal(err)
		}
		// The loop may have taken it up already.
		if s := w.record().Status; s != orchestrator.ServiceDeploymentRollbackRequested && s != orchestrator.ServiceDeploymentRollbackInProgress {
			t.Errorf("at once it is %s", s)
		}
		refused(arn, "ConflictException")
		w.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, time.Minute)
		w.steady(time.Minute)
		if w.web().TaskDefinition != good || w.record().ARN != arn {
			t.Errorf("left at %s", w.web().TaskDefinition)
		}
		w.redeploy()
		time.Sleep(time.Second)
		if err := w.c.StopServiceDeployment(t.Context(), w.record().ARN, "ABORT"); err != nil {
			t.Fatal(err)
		}
		w.becomes(orchestrator.ServiceDeploymentStopped, time.Second)
		before := len(w.c.Snapshot().Tasks)
		time.Sleep(time.Minute)
		if s := w.web(); s.TaskDefinition == good || s.Deployments[1].RunningCount == 0 || len(w.c.Snapshot().Tasks) != before {
			t.Errorf("after ABORT: %+v", s.Deployments)
		}
	})
}

// TestRolling_ScaleOutReachesBothRevisions: a higher desired count in the middle of a
// deployment whose tasks do not get healthy gives the old revision more tasks, too.
func TestRolling_ScaleOutReachesBothRevisions(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.balancer.healthyAfter = 30 * time.Second
		w.redeploy()
		time.Sleep(5 * time.Second)
		four := 4
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &four })
		if !w.eventually(20*time.Second, func() bool {
			d := w.web().Deployments
			return len(d) == 2 && d[0].RunningCount == 4 && d[1].RunningCount == 4
		}) {
			t.Errorf("deployments %+v", w.web().Deployments)
		}
		w.steady(2 * time.Minute)
		if n := len(w.tasks()); n != 4 {
			t.Errorf("%d tasks at the end", n)
		}
	})
}

// TestUnhealthy_AGracePeriodSetLaterCounts for the tasks that run already.
func TestUnhealthy_AGracePeriodSetLaterCounts(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		task, grace := w.tasks()[0], 600
		w.update(func(in *orchestrator.ServiceInput) { in.GracePeriod = &grace })
		w.balancer.state(task, "unhealthy")
		time.Sleep(time.Minute)
		if now, _ := w.c.Task("", task.ID); now.Desired != orchestrator.Running {
			t.Errorf("stopped within the grace period: %s", now.StopReason)
		}
		w.steady(15 * time.Minute)
		if !w.eventually(15*time.Minute, func() bool { now, _ := w.c.Task("", task.ID); return now.Desired == orchestrator.Stopped }) {
			t.Error("never replaced after it")
		}
	})
}

// TestRolling_ASupersededDeploymentIsNotHealed: of three revisions only the newest and the one
// that was completed get new tasks.
func TestRolling_ASupersededDeploymentIsNotHealed(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 300, balanced: true})
		w.steady(time.Minute)
		first := w.web().Primary().ID
		w.balancer.healthyAfter = 10 * time.Minute
		w.redeploy()
		time.Sleep(5 * time.Second)
		second := w.web().Primary().ID
		w.redeploy()
		time.Sleep(5 * time.Second)
		for _, task := range w.tasks() {
			if task.Deployment == first || task.Deployment == second {
				w.c.StopTask(t.Context(), "", task.ID, "")
			}
		}
		time.Sleep(10 * time.Second)
		live := map[string]int{}
		for _, task := range w.tasks() {
			if task.Desired == orchestrator.Running {
				live[task.Deployment]++
			}
		}
		if live[first] != 2 || live[second] != 0 || live[w.web().Primary().ID] != 2 {
			t.Errorf("live tasks %v:\n%s", live, w.story())
		}
	})
}

// TestComplaints_AreBounded: reasons that are never the same twice are not all remembered.
func TestComplaints_AreBounded(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		fail := func(n int) {
			w.engine.Script("app", enginetest.Script{Start: time.Second, Fail: &orchestrator.StartError{Name: "CannotStartContainerError", Err: fmt.Errorf("endpoint %d", n)}})
		}
		fail(0)
		w.create(service{desired: 1, min: 100, max: 200})
		for n := range 40 {
			fail(n)
			time.Sleep(2 * time.Minute)
		}
		if n := len(w.web().Complaints); n < 2 || n > 20 {
			t.Errorf("%d complaints are remembered", n)
		}
	})
}
