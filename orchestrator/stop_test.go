package orchestrator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

var errNoImage = errors.New("no such image")

// TestStopTask_SignalsWhileStillRegistered is the 502 window of AWS (ECS-004, ECS-055).
func TestStopTask_SignalsWhileStillRegistered(t *testing.T) {
	inWorld(t, orchestrator.PaceAWS, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(5 * time.Minute)
		victim := w.tasks()[0]
		stopped, err := w.c.StopTask(t.Context(), "", victim.ID, "")
		if err != nil || stopped.Desired != orchestrator.Stopped {
			t.Fatalf("StopTask = %v, %v", stopped, err)
		}
		time.Sleep(time.Second)
		task, _ := w.c.Task("", victim.ID)
		if len(task.Containers) == 0 || task.Containers[0].Status != "STOPPED" {
			t.Errorf("a second after StopTask the container is %s", task.Containers[0].Status)
		}
		k := alb.TargetKey{TargetGroup: groupARN, ID: victim.Interface.Address.String(), Port: 80}
		if h := w.balancer.Targets()[k]; h.State != alb.Healthy {
			t.Errorf("the target is %s: it should still be registered", h.State)
		}
		time.Sleep(10 * time.Second)
		if h := w.balancer.Targets()[k]; h.State == alb.Healthy {
			t.Error("the target was never deregistered")
		}
		w.steady(5 * time.Minute)
		if task.StopCode != orchestrator.UserInitiated || task.StopReason != "Task stopped by user" {
			t.Errorf("stopped as %s: %s", task.StopCode, task.StopReason)
		}
	})
}

func TestCrash_IsReplacedAndDeregisteredAfterwards(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		time.Sleep(time.Minute)
		victim := w.tasks()[0]
		w.engine.Crash(victim.ARN, "app", 3)
		if !w.eventually(5*time.Second, func() bool { return len(w.c.Snapshot().Tasks) == 3 }) {
			t.Fatalf("no replacement:\n%s", w.story())
		}
		w.steady(time.Minute)
		task, _ := w.c.Task("", victim.ID)
		if task.StopCode != orchestrator.EssentialContainerExited || task.StopReason != "Essential container in task exited" || *task.Containers[0].ExitCode != 3 {
			t.Errorf("stopped as %s: %s, %+v", task.StopCode, task.StopReason, task.Containers[0])
		}
	})
}

func TestCrash_OutOfMemoryIsNamed(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		victim := w.tasks()[0]
		w.engine.OOM(victim.ARN, "app")
		w.eventually(5*time.Second, func() bool { task, _ := w.c.Task("", victim.ID); return task.Status == orchestrator.Stopped })
		task, _ := w.c.Task("", victim.ID)
		if c := task.Containers[0]; c.Reason != "OutOfMemoryError: Container killed due to memory usage" || *c.ExitCode != 137 {
			t.Errorf("container = %+v", c)
		}
	})
}

// TestCrash_OutOfMemoryIsNamedLater: the engine learns of the exit first, and of its reason then.
func TestCrash_OutOfMemoryIsNamedLater(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		doc := `{"family":"web","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"containerDefinitions":[
			{"name":"app","image":"app:1"},{"name":"slow","image":"app:1"}]}`
		r, err := w.defs.Register(t.Context(), []byte(doc), nil, "me", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.engine.Script("slow", enginetest.Script{StopAfter: 20 * time.Second}) // the task is there for so long
		w.create(service{desired: 1, min: 0, max: 200})
		w.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = r.ARN })
		w.steady(time.Minute)
		victim := w.tasks()[0]
		w.engine.Crash(victim.ARN, "app", 137)
		w.eventually(5*time.Second, func() bool { return w.row(victim).Containers[0].Status == "STOPPED" })
		if c := w.row(victim).Containers[0]; c.Status != "STOPPED" || c.Reason != "" {
			t.Fatalf("before: %+v", c)
		}
		w.engine.OOMAfterAll(victim.ARN, "app")
		w.eventually(5*time.Second, func() bool { return w.row(victim).Containers[0].Reason != "" })
		if c := w.row(victim).Containers[0]; c.Reason != "OutOfMemoryError: Container killed due to memory usage" {
			t.Errorf("after: %+v", c)
		}
		exits := w.eventsOf(victim, timeline.Exit)
		if len(exits) != 2 || exits[1].Data["oom"] != "true" {
			t.Errorf("the timeline has %+v", exits)
		}
		w.eventually(time.Minute, func() bool { return w.row(victim).Status == orchestrator.Stopped })
		if n := len(w.eventsOf(victim, timeline.Exit)); n != 3 {
			t.Errorf("%d exits, want the two and that of the other container", n)
		}
	})
}

func TestVanished_ContainerIsReplaced(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		victim := w.tasks()[0]
		w.engine.Vanish(victim.ARN, "app")
		w.eventually(10*time.Second, func() bool { task, _ := w.c.Task("", victim.ID); return task.Status == orchestrator.Stopped })
		task, _ := w.c.Task("", victim.ID)
		if task.Status != orchestrator.Stopped || !strings.HasPrefix(task.Containers[0].Reason, "NoSuchContainerError") {
			t.Errorf("task is %s, %+v", task.Status, task.Containers[0])
		}
		w.steady(time.Minute)
	})
}

// TestUnhealthy_ReplacementStartsFirst: a task that was healthy keeps running until its
// replacement is healthy (ECS-061, trace T2).
func TestUnhealthy_ReplacementStartsFirst(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		time.Sleep(time.Minute)
		victim := w.tasks()[0]
		w.balancer.state(victim, alb.Unhealthy)
		if !w.eventually(5*time.Second, func() bool { return len(w.tasks()) == 3 }) {
			t.Fatal("no replacement was started")
		}
		if task, _ := w.c.Task("", victim.ID); task.Desired != orchestrator.Running {
			t.Error("the unhealthy task was stopped before its replacement was healthy")
		}
		w.steady(time.Minute)
		task, _ := w.c.Task("", victim.ID)
		if want := "Task failed ELB health checks in (target-group " + groupARN + ")"; task.StopReason != want {
			t.Errorf("stopped because %q", task.StopReason)
		}
		if task.Probe != "GET /health → no answer within 2 s" {
			t.Errorf("the probe is %q", task.Probe)
		}
		for _, want := range []string{
			"(service web) has started 1 tasks: (task T). Amazon ECS replaced 1 tasks due to an unhealthy status.",
			"(service web) (task T) (port 80) is unhealthy in (target-group G) due to (reason Request timed out).",
		} {
			if !strings.Contains(w.story(), want) {
				t.Errorf("never said: %s\n%s", want, w.story())
			}
		}
	})
}

func TestUnhealthy_GracePeriodHoldsTheSchedulerBack(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.balancer.ill["arn:aws:ecs:us-east-1:123456789012:task-definition/web:1"] = true
		w.create(service{desired: 1, min: 100, max: 200, balanced: true, grace: 60})
		time.Sleep(50 * time.Second)
		if n := len(w.c.Snapshot().Tasks); n != 1 {
			t.Fatalf("%d tasks within the grace period", n)
		}
		time.Sleep(20 * time.Second)
		if n := len(w.c.Snapshot().Tasks); n < 2 {
			t.Error("the unhealthy task was not replaced after the grace period")
		}
	})
}

// TestRestart_AtEveryMomentOfADeployment kills the scheduler at many moments and starts
// another on the same rows: tasks are adopted, the deployment finishes, drains go on.
func TestRestart_AtEveryMomentOfADeployment(t *testing.T) {
	for after := 0 * time.Millisecond; after < 9*time.Second; after += 370 * time.Millisecond {
		inWorld(t, orchestrator.PaceFast, func(w *world) {
			w.create(service{desired: 3, min: 100, max: 200, balanced: true})
			w.steady(time.Minute)
			w.redeploy()
			time.Sleep(after)
			w.halt()
			before := w.c.Snapshot().Tasks
			time.Sleep(time.Second)
			w.start()
			w.steady(2 * time.Minute)
			if n := len(w.tasks()); n != 3 {
				t.Errorf("killed after %s: %d tasks", after, n)
			}
			for arn, task := range before {
				now, err := w.c.Task("", arn)
				if err != nil {
					t.Fatalf("killed after %s: task %s is lost", after, arn)
				}
				if strings.HasSuffix(task.TaskDefinition, ":2") && now.Status != orchestrator.Running {
					t.Errorf("killed after %s: a new task was not adopted: %s, %s", after, now.Status, now.StopReason)
				}
			}
			if !w.eventually(10*time.Second, func() bool { return len(w.engine.Specs()) == 3 }) {
				t.Errorf("killed after %s: the engine runs %d tasks", after, len(w.engine.Specs()))
			}
		})
	}
}

// TestEvents_EveryOneNamesItsCause: each step can be followed back to the deployment.
func TestEvents_EveryOneNamesItsCause(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.redeploy()
		w.steady(time.Minute)
		byseq := map[int64]timeline.Event{}
		for _, e := range w.history() {
			byseq[e.Seq] = e
		}
		checked := 0
		for _, e := range w.history() {
			if e.Kind == timeline.Config || e.Kind == timeline.Deployment && e.Cause == 0 {
				continue // what the test itself asked for
			}
			at := e
			for at.Cause != 0 {
				at = byseq[at.Cause]
			}
			if at.Kind != timeline.Deployment {
				t.Errorf("event %d %q goes back to %d %q, not to a deployment", e.Seq, e.Message, at.Seq, at.Message)
			}
			checked++
		}
		if checked < 20 {
			t.Errorf("only %d events", checked)
		}
	})
}

func TestCommit_AFailingStoreChangesNothing(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.steady(time.Minute)
		w.store.Lock()
		w.store.Fail = errors.New("disk full")
		w.store.Unlock()
		three := 3
		if _, err := w.c.UpdateService(t.Context(), orchestrator.ServiceInput{Name: "web", DesiredCount: &three}); err == nil {
			t.Fatal("the update was acknowledged")
		}
		time.Sleep(10 * time.Second)
		if s := w.web(); s.DesiredCount != 1 || len(w.tasks()) != 1 {
			t.Errorf("desired %d, %d tasks", s.DesiredCount, len(w.tasks()))
		}
		w.store.Lock()
		w.store.Fail = nil
		w.store.Unlock()
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &three })
		w.steady(time.Minute)
		if n := len(w.tasks()); n != 3 {
			t.Errorf("%d tasks", n)
		}
	})
}

// TestRegister_AFailureIsRetriedOnceASecond: a target group that is gone must not keep the loop busy.
func TestRegister_AFailureIsRetriedOnceASecond(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.balancer.fail = errors.New("no such target group")
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		time.Sleep(20 * time.Second)
		w.balancer.mu.Lock()
		calls := w.balancer.calls
		w.balancer.fail = nil
		w.balancer.mu.Unlock()
		if calls < 10 || calls > 21 {
			t.Errorf("%d attempts in 20 s", calls)
		}
		w.steady(time.Minute)
	})
}

// TestUpdate_ScalesThoughTheTargetGroupIsGone: what a call does not change is not checked again.
func TestUpdate_ScalesThoughTheTargetGroupIsGone(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 2, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		w.balancer.mu.Lock()
		w.balancer.gone = true
		w.balancer.mu.Unlock()
		zero := 0
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &zero })
		if !w.eventually(time.Minute, func() bool { return len(w.tasks()) == 0 }) {
			t.Errorf("%d tasks are left", len(w.tasks()))
		}
		_, err := w.c.UpdateService(t.Context(), orchestrator.ServiceInput{Name: "web", TaskDefinition: w.register("web")})
		if !strings.Contains(refusal(err), "does not have an associated load balancer") {
			t.Errorf("err = %v", err)
		}
	})
}

// TestStart_AFailedTaskIsRemoved: nothing that a start has left is forgotten, though no
// container of the task is seen.
func TestStart_AFailedTaskIsRemoved(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{Fail: &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errNoImage}})
		w.register("web")
		tasks, err := w.runTask(func(*orchestrator.RunTaskInput) {})
		if err != nil {
			t.Fatal(err)
		}
		w.eventually(10*time.Second, func() bool { task, _ := w.c.Task("", tasks[0].ID); return task.Status == orchestrator.Stopped })
		if task, _ := w.c.Task("", tasks[0].ID); task.Status != orchestrator.Stopped || !task.Removed {
			t.Errorf("task is %s, removed: %t", task.Status, task.Removed)
		}
	})
}
