package orchestrator_test

import (
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// TestOutside_WhatIsDoneByHandIsNoticed: the task is replaced, and what was seen is said.
func TestOutside_WhatIsDoneByHandIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(w *world, task string)
		kind   timeline.Kind
		said   string // in the timeline
		reason string // of the container, or the task's
	}{
		"removed": {func(w *world, task string) { w.engine.Vanish(task, "app") }, timeline.Exit, "was removed from outside", "NoSuchContainerError: Container not found: "},
		"killed":  {func(w *world, task string) { w.engine.Crash(task, "app", 137) }, timeline.Exit, "was killed (SIGKILL) from outside", "Essential container in task exited"},
		"restarted": {func(w *world, task string) {
			w.engine.Script("app", enginetest.Script{}) // it is up again before anybody looks
			w.engine.Bounce(task, "app")
		}, timeline.Exit, "was restarted from outside", "Container was restarted from outside at "},
		"disconnected": {func(w *world, task string) { w.engine.Disconnect(task) }, timeline.Network, "was disconnected from outside", "Network interface eni-1 was disconnected from outside"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				w.create(service{desired: 1, min: 100, max: 200, balanced: true})
				w.steady(time.Minute)
				time.Sleep(time.Minute)
				task := w.tasks()[0]
				c.do(w, task.ARN)
				if !w.eventually(5*time.Second, func() bool {
					l := w.tasks()
					return len(l) == 1 && l[0].ARN != task.ARN && l[0].Status == orchestrator.Running
				}) {
					t.Fatalf("not replaced within 5 s:\n%s", w.story())
				}
				w.steady(time.Minute)
				now := w.row(task)
				if now.Status != orchestrator.Stopped || !strings.HasPrefix(now.Containers[0].Reason, c.reason) && now.StopReason != c.reason {
					t.Errorf("task %s: %s, %+v", now.Status, now.StopReason, now.Containers[0])
				}
				if events := w.eventsOf(task, c.kind); len(events) == 0 || !strings.Contains(events[0].Message, c.said) {
					t.Errorf("the timeline has %+v, want %q", events, c.said)
				}
			})
		})
	}
}

// TestOutside_PausedFailsItsHealthCheck: the engine checks nothing that is frozen; on AWS the
// checks would time out (ECS-174).
func TestOutside_PausedFailsItsHealthCheck(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		doc := `{"family":"web","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],
			"containerDefinitions":[{"name":"app","image":"app:1","portMappings":[{"containerPort":80}],
				"healthCheck":{"command":["CMD","true"],"interval":5,"timeout":2,"retries":2}}]}`
		r, err := w.defs.Register(t.Context(), []byte(doc), nil, "me", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.engine.Script("app", enginetest.Script{HealthyAfter: time.Second})
		w.create(service{desired: 1, min: 0, max: 200})
		w.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = r.ARN })
		w.steady(time.Minute)
		task := w.tasks()[0]
		w.engine.Pause(task.ARN, "app")
		time.Sleep(13 * time.Second)
		if now := w.row(task); now.Health != orchestrator.HealthHealthy || now.Containers[0].PausedAt.IsZero() {
			t.Errorf("13 s after it was paused: %s, %+v", now.Health, now.Containers[0])
		}
		w.eventually(20*time.Second, func() bool { return w.row(task).Desired == orchestrator.Stopped })
		w.steady(time.Minute)
		if now := w.row(task); now.StopReason != "Task failed container health checks" {
			t.Errorf("stopped because %q", now.StopReason)
		}
		if events := w.eventsOf(task, timeline.Warning); len(events) != 1 || !strings.Contains(events[0].Message, "was paused from outside") {
			t.Errorf("the timeline has %+v", events)
		}
	})
}

func TestOutside_ResumedInTime(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		task := w.tasks()[0]
		w.engine.Pause(task.ARN, "app")
		time.Sleep(time.Minute)
		w.engine.Unpause(task.ARN, "app")
		time.Sleep(time.Minute)
		if now := w.row(task); now.Desired != orchestrator.Running || !now.Containers[0].PausedAt.IsZero() {
			t.Errorf("after it was resumed the task is to be %s: %+v", now.Desired, now.Containers[0])
		}
		if events := w.eventsOf(task, timeline.Warning); len(events) != 2 || !strings.HasSuffix(events[1].Message, "goes on") {
			t.Errorf("the timeline has %+v", events)
		}
	})
}

// TestCPU_MoreThanTheMachineHas is an event, not an error.
func TestCPU_MoreThanTheMachineHas(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.SetCPU(128)
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		events := w.eventsOf(w.tasks()[0], timeline.Warning)
		if len(events) != 1 || !strings.Contains(events[0].Message, "asks for 256 CPU units, this machine has 128") {
			t.Errorf("the timeline has %+v", events)
		}
	})
}

// TestTask_TimesAndVersion: the times of a task come in the order of its life, and each change
// counts (ECS-175).
func TestTask_TimesAndVersion(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{Pull: 3 * time.Second, Start: time.Second, StopAfter: 2 * time.Second})
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		task := w.tasks()[0]
		if got := task.PullStoppedAt.Sub(task.PullStartedAt); got < 3*time.Second || got >= 4*time.Second {
			t.Errorf("the pull took %s, want 3 s", got)
		}
		if task.Version < 3 {
			t.Errorf("RUNNING is version %d", task.Version)
		}
		before := task.Version
		w.c.StopTask(t.Context(), "", task.ID, "")
		w.eventually(time.Minute, func() bool { return w.row(task).Status == orchestrator.Stopped })
		now := w.row(task)
		times := []time.Time{now.CreatedAt, now.PullStartedAt, now.PullStoppedAt, now.StartedAt, now.StoppingAt, now.ExecutionStoppedAt, now.StoppedAt}
		for n := 1; n < len(times); n++ {
			if times[n].IsZero() || times[n].Before(times[n-1]) {
				t.Errorf("times are out of order: %v", times)
			}
		}
		if got := now.ExecutionStoppedAt.Sub(now.StoppingAt); got != 2*time.Second {
			t.Errorf("execution stopped %s after the stop was asked for, want 2 s", got)
		}
		if now.Version <= before+3 {
			t.Errorf("version %d of STOPPED, %d of RUNNING", now.Version, before)
		}
	})
}

// TestTask_VersionOfAFailedStart is that of AWS's sample: PROVISIONING, PENDING, STOPPING,
// DEPROVISIONING, STOPPED (ECS-175).
func TestTask_VersionOfAFailedStart(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{Fail: &orchestrator.StartError{Name: "CannotPullContainerError", Err: errNoImage}})
		w.create(service{desired: 1, min: 100, max: 200})
		w.eventually(time.Second, func() bool {
			for _, task := range w.c.Snapshot().Tasks {
				if task.Status == orchestrator.Stopped {
					if task.Version != 5 || task.PullStoppedAt.IsZero() {
						t.Errorf("version %d, want 5; pull stopped at %s", task.Version, task.PullStoppedAt)
					}
					return true
				}
			}
			return false
		})
	})
}
