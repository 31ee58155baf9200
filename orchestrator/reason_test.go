package orchestrator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// TestReasons_OfATaskThatDoesNotStart: what a pull or a resource fails with is the stoppedReason
// itself, all else is the container's reason (ECS-042).
func TestReasons_OfATaskThatDoesNotStart(t *testing.T) {
	const generic = "Task failed to start"
	for name, want := range map[string]string{
		"CannotPullContainerError":     "CannotPullContainerError: why",
		"CannotPullImageManifestError": "CannotPullImageManifestError: why",
		"ResourceInitializationError":  "ResourceInitializationError: why",
		"CannotCreateContainerError":   generic,
		"CannotStartContainerError":    generic,
		"DockerTimeoutError":           generic,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				w.engine.Script("app", enginetest.Script{Fail: &orchestrator.StartError{Name: name, Err: errors.New("why")}})
				w.create(service{desired: 1, min: 100, max: 200})
				var task *orchestrator.Task
				w.eventually(time.Second, func() bool {
					for _, task = range w.c.Snapshot().Tasks {
						if task.Status == orchestrator.Stopped {
							return true
						}
					}
					return false
				})
				c := task.Containers[0]
				if task.StopCode != orchestrator.TaskFailedToStart || task.StopReason != want || c.Reason != name+": why" || c.ExitCode != nil {
					t.Errorf("%s: %q; container %+v", task.StopCode, task.StopReason, c)
				}
			})
		})
	}
}

// TestReasons_OfAnExit: what an exit code means is told by the timeline, not by AWS's fields.
func TestReasons_OfAnExit(t *testing.T) {
	for code, want := range map[int]string{0: "exited with code 0", 139: "segmentation fault (SIGSEGV)", 143: "ended (SIGTERM) from outside", 137: "killed (SIGKILL) from outside"} {
		inWorld(t, orchestrator.PaceFast, func(w *world) {
			w.create(service{desired: 1, min: 100, max: 200})
			w.steady(time.Minute)
			task := w.tasks()[0]
			w.engine.Crash(task.ARN, "app", code)
			time.Sleep(time.Second)
			now := w.row(task)
			exits := w.eventsOf(task, timeline.Exit)
			if len(exits) != 1 || !strings.Contains(exits[0].Message, want) || *now.Containers[0].ExitCode != code || now.Containers[0].Reason != "" {
				t.Errorf("exit %d: %+v, %+v", code, exits, now.Containers[0])
			}
		})
	}
}

// TestStop_KilledAfterItsTimeout is no kill from outside.
func TestStop_KilledAfterItsTimeout(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{IgnoreSIGTERM: true})
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		task := w.tasks()[0]
		w.c.StopTask(t.Context(), "", task.ID, "")
		time.Sleep(20 * time.Second)
		exits := w.eventsOf(task, timeline.Exit)
		if now := w.row(task); len(exits) != 1 || !strings.Contains(exits[0].Message, "within its stopTimeout") || now.ExecutionStoppedAt.Sub(now.StoppingAt) != 10*time.Second {
			t.Errorf("exits %+v, %s after the signal", exits, now.ExecutionStoppedAt.Sub(now.StoppingAt))
		}
	})
}
