package orchestrator_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// restarting creates a service of one balanced task whose container has a restart policy.
func (w *world) restarting(policy string) *orchestrator.Task {
	w.t.Helper()
	doc := fmt.Sprintf(`{"family":"again","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],
		"containerDefinitions":[{"name":"app","image":"app:1","stopTimeout":10,"portMappings":[{"containerPort":80}],"restartPolicy":%s}]}`, policy)
	r, err := w.defs.Register(w.t.Context(), []byte(doc), nil, "me", time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.create(service{desired: 1, min: 100, max: 200, balanced: true})
	w.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = r.ARN })
	w.steady(time.Minute)
	return w.tasks()[0]
}

func (w *world) row(t *orchestrator.Task) *orchestrator.Task {
	w.t.Helper()
	row, err := w.c.Task("", t.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

// events of a kind that name a task.
func (w *world) eventsOf(t *orchestrator.Task, kind timeline.Kind) []timeline.Event {
	var all []timeline.Event
	for _, e := range w.history() {
		if e.Subject == t.ARN && e.Kind == kind {
			all = append(all, e)
		}
	}
	return all
}

// TestRestart_InPlaceWhileRegistered: the task stays RUNNING and its target registered; only our
// own timeline tells (ECS-173).
func TestRestart_InPlaceWhileRegistered(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		task := w.restarting(`{"enabled":true,"restartAttemptPeriod":60}`)
		said := len(w.said())
		for n := 1; n <= 2; n++ {
			time.Sleep(61 * time.Second)
			before := w.row(task).Containers[0]
			w.engine.Crash(task.ARN, "app", 3)
			if !w.eventually(5*time.Second, func() bool {
				c := w.row(task).Containers[0]
				return c.RestartCount == n && c.Restarting.IsZero() && c.StartedAt.After(before.StartedAt)
			}) {
				t.Fatalf("restart %d: %+v", n, w.row(task).Containers[0])
			}
			now := w.row(task)
			if now.Status != orchestrator.Running || now.Containers[0].Status != "RUNNING" || now.Containers[0].ExitCode != nil || now.Containers[0].RuntimeID != before.RuntimeID {
				t.Errorf("restart %d: task %s, container %+v", n, now.Status, now.Containers[0])
			}
		}
		if got := w.said()[said:]; len(got) != 0 {
			t.Errorf("the service says %q: on AWS it says nothing", got)
		}
		exits, restarts := w.eventsOf(task, timeline.Exit), w.eventsOf(task, timeline.Restart)
		if len(exits) != 2 || len(restarts) != 2 || restarts[1].Cause != exits[1].Seq || restarts[1].Data["restart"] != "2" {
			t.Errorf("the timeline has %+v and %+v, want two exits and the restarts that they caused", exits, restarts)
		}
	})
}

func TestRestart_NotForThese(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		ran    time.Duration
		code   int
	}{
		"soon":              {`{"enabled":true,"restartAttemptPeriod":60}`, 30 * time.Second, 1},
		"soon by default":   {`{"enabled":true}`, 200 * time.Second, 1},
		"ignored exit code": {`{"enabled":true,"restartAttemptPeriod":60,"ignoredExitCodes":[0,7]}`, 2 * time.Minute, 7},
		"not enabled":       {`{"enabled":false,"restartAttemptPeriod":60}`, 2 * time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				task := w.restarting(c.policy)
				time.Sleep(c.ran)
				w.engine.Crash(task.ARN, "app", c.code)
				time.Sleep(5 * time.Second)
				now := w.row(task)
				if now.StopCode != orchestrator.EssentialContainerExited || *now.Containers[0].ExitCode != c.code || now.Containers[0].RestartCount != 0 {
					t.Errorf("task %s: %s, %+v", now.Status, now.StopReason, now.Containers[0])
				}
			})
		})
	}
}

// TestRestart_CannotBeStarted: then the container has stopped, and says why.
func TestRestart_CannotBeStarted(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		task := w.restarting(`{"enabled":true,"restartAttemptPeriod":60}`)
		time.Sleep(61 * time.Second)
		w.engine.Script("app", enginetest.Script{Fail: &orchestrator.StartError{Name: "CannotStartContainerError", Err: errors.New("no such network")}})
		w.engine.Crash(task.ARN, "app", 3)
		time.Sleep(5 * time.Second)
		now := w.row(task)
		if now.StopCode != orchestrator.EssentialContainerExited || now.Containers[0].Reason != "CannotStartContainerError: no such network" {
			t.Errorf("task %s: %s, %+v", now.Status, now.StopReason, now.Containers[0])
		}
	})
}

// TestRestart_SurvivesACrashOfOurs: what was decided and not done is done by the next scheduler, once.
func TestRestart_SurvivesACrashOfOurs(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		task := w.restarting(`{"enabled":true,"restartAttemptPeriod":60}`)
		time.Sleep(61 * time.Second)
		w.engine.Script("app", enginetest.Script{Start: time.Hour}) // the restart hangs
		w.engine.Crash(task.ARN, "app", 3)
		time.Sleep(time.Second)
		if c := w.row(task).Containers[0]; c.Restarting.IsZero() || c.RestartCount != 1 {
			t.Fatalf("not decided: %+v", c)
		}
		w.halt()
		w.engine.Script("app", enginetest.Script{})
		w.start()
		if !w.eventually(10*time.Second, func() bool { return w.row(task).Containers[0].Restarting.IsZero() }) {
			t.Fatalf("not done: %+v", w.row(task).Containers[0])
		}
		if now := w.row(task); now.Containers[0].RestartCount != 1 || now.Desired != orchestrator.Running {
			t.Errorf("restarted %d times, the task is to be %s", now.Containers[0].RestartCount, now.Desired)
		}
	})
}

// TestRestart_StopWins: a task that is to stop is not restarted.
func TestRestart_StopWins(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		task := w.restarting(`{"enabled":true,"restartAttemptPeriod":60}`)
		time.Sleep(61 * time.Second)
		w.engine.Script("app", enginetest.Script{StopCode: 143})
		if _, err := w.c.StopTask(t.Context(), "", task.ID, "enough"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		now := w.row(task)
		if now.Status != orchestrator.Stopped || now.Containers[0].RestartCount != 0 || now.StopReason != "enough" {
			t.Errorf("task %s: %s, %+v", now.Status, now.StopReason, now.Containers[0])
		}
		if exits := w.eventsOf(task, timeline.Exit); len(exits) != 1 || strings.Contains(exits[0].Message, "restart") {
			t.Errorf("exits %+v", exits)
		}
	})
}
