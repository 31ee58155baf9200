package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// TestScenario_9_OutOfMemory: the replacement comes with the scheduler's next tick, not at once.
func TestScenario_9_OutOfMemory(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, pace: "aws"}, func(t *testing.T, b *bubble) {
		g := b.load(often)
		time.Sleep(13 * time.Second)
		victim, harmed := b.tasks()[0].ARN, time.Now()
		b.engine.OOM(victim, "app")
		b.stoppedAs(victim, orchestrator.EssentialContainerExited, "Essential container in task exited", 137)
		if reason := b.task(victim).Containers[0].Reason; reason != "OutOfMemoryError: Container killed due to memory usage" {
			t.Errorf("the container's reason is %q", reason)
		}
		b.steady(10 * time.Minute)
		for _, task := range b.tasks() {
			if task.ARN != victim && task.CreatedAt.After(harmed) && task.CreatedAt.Sub(harmed) < time.Second {
				t.Errorf("replaced after %s, within the same tick", task.CreatedAt.Sub(harmed))
			}
		}
		if counts := g.end(); counts[502] == 0 || len(counts) != 2 {
			t.Errorf("statuses %v, want 200 and 502", counts)
		}
		b.explained(timeline.OutOfMemory)
	})
}

func TestScenario_10_BadImage(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		old, before := b.tasks(), len(b.said())
		g := b.load(101 * time.Millisecond)
		missing := "pull image app:2 has been retried 1 time(s): manifest unknown"
		bad := enginetest.Script{Fail: &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errors.New(missing)}}
		b.deployScript("app:2", behaviour{}, bad)
		time.Sleep(10 * time.Minute)
		tried := 0
		for _, task := range b.life.Load().scheduler.Snapshot().Tasks {
			if task.StopCode != orchestrator.TaskFailedToStart {
				continue
			}
			tried++
			if task.StopReason != "CannotPullContainerError: "+missing || task.Containers[0].ExitCode != nil {
				t.Errorf("%q, %+v", task.StopReason, task.Containers[0])
			}
		}
		if failed := b.web().Primary().FailedTasks; failed < 3 || failed != tried {
			t.Errorf("failedTasks is %d, %d tasks failed", failed, tried)
		}
		b.says(before, "was unable to place a task. Reason: CannotPullContainerError: "+missing+".", "is unable to consistently start tasks successfully.")
		for _, o := range old {
			if b.task(o.ARN).Status != orchestrator.Running {
				t.Errorf("an old task is %s", b.task(o.ARN).Status)
			}
		}
		b.deploy("app:3", behaviour{}) // ends the throttle
		b.steady(time.Minute)
		b.allGood(g)
	})
}

func TestScenario_11_ScaleIn(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 3, min: 100, max: 200, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		all, before, one := b.tasks(), len(b.said()), 1
		deployment := b.web().Primary().ID
		g := b.load(often)
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one }))
		b.steady(time.Minute)
		b.eventually(time.Minute, func() bool { return len(b.tasks()) == 1 })
		b.allGood(g)
		var gone []*orchestrator.Task
		for _, task := range all {
			if task = b.task(task.ARN); task.Desired == orchestrator.Stopped {
				gone = append(gone, task)
				b.stoppedAs(task.ARN, orchestrator.ServiceSchedulerInitiated, "Scaling activity initiated by (deployment "+deployment+")", 0)
			}
		}
		if len(gone) != 2 || b.web().Primary().ID != deployment {
			t.Errorf("%d tasks went, in deployment %s", len(gone), b.web().Primary().ID)
		}
		b.drainedUntilSignal(gone...)
		b.saidInOrder(before, "has stopped 2 running tasks", "deregistered 2 targets", "has begun draining connections on 2 tasks.", "has reached a steady state.")
	})
}

// TestScenario_12_OverlappingDeployments: a second deployment, one without a change and another
// desired count come while the first is under way. The newest wins; no request fails.
func TestScenario_12_OverlappingDeployments(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 10 * time.Second, pace: "aws"}, func(t *testing.T, b *bubble) {
		g := b.load(20 * time.Millisecond)
		b.deploy("app:2", behaviour{listenAfter: 2 * time.Second})
		first := b.record()
		time.Sleep(30 * time.Second)
		b.deploy("app:3", behaviour{listenAfter: 2 * time.Second})
		second := b.web().Primary().ID
		three := 3
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &three }))
		if b.web().Primary().ID != second {
			t.Error("another desired count started a deployment")
		}
		time.Sleep(15 * time.Second)
		b.deployments("PRIMARY 3", "ACTIVE 0", "ACTIVE 0")
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true }))
		if d := b.web().Primary(); d.ID == second || d.Revision.TaskDefinition != b.web().Deployments[1].Revision.TaskDefinition {
			t.Errorf("forceNewDeployment made %+v", d)
		}
		b.steady(20 * time.Minute)
		b.allGood(g)
		b.deployments("PRIMARY 3")
		if r := b.life.Load().scheduler.ServiceDeployment(first.ARN); r.Status != orchestrator.ServiceDeploymentStopped {
			t.Errorf("the first deployment is %s", r.Status)
		}
		left := slices.DeleteFunc(b.tasks(), func(task *orchestrator.Task) bool { return task.Desired == orchestrator.Stopped })
		if len(left) != 3 || slices.ContainsFunc(left, func(task *orchestrator.Task) bool { return task.Deployment != b.web().Primary().ID }) {
			t.Errorf("%d tasks, of %s", len(left), left[0].Deployment)
		}
	})
}

// deployments fails the test unless DescribeServices shows these, with their desired counts.
func (b *bubble) deployments(want ...string) {
	b.t.Helper()
	var got []string
	for _, d := range b.web().Deployments {
		got = append(got, d.Status+" "+string('0'+rune(d.DesiredCount)))
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("deployments %q, want %q", got, want)
	}
}

// chained is a task whose app depends on a proxy, which depends on a store.
const chained = `{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"dependsOn":[{"containerName":"proxy","condition":"START"}]},
	{"name":"proxy","image":"side:1","dependsOn":[{"containerName":"store","condition":"START"}]},
	{"name":"store","image":"side:1"}`

func TestScenario_13_StopOrderAndSidecar(t *testing.T) {
	slow := enginetest.Script{Start: 100 * time.Millisecond, StopAfter: 3 * time.Second}
	config := bubbleConfig{desired: 1, min: 100, max: 200, delay: 2 * time.Second, containers: chained, script: slow}
	t.Run("stop order", func(t *testing.T) {
		inBubble(t, config, func(t *testing.T, b *bubble) {
			b.image("side:1", behaviour{}, slow)
			b.must(b.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true }))
			b.steady(time.Minute) // the sidecars have their script now
			old := b.tasks()[0].ARN
			g := b.load(often)
			b.deployScript("app:2", behaviour{}, slow)
			b.steady(time.Minute)
			b.allGood(g)
			b.stoppedAs(old, orchestrator.ServiceSchedulerInitiated, rollingOut(b), 0)
			var order []string
			var last time.Time
			for _, s := range b.signals {
				if s.task != old {
					continue
				}
				if order = append(order, s.container); len(order) > 1 && s.at.Sub(last) != 3*time.Second {
					t.Errorf("%s was signalled %s after the one before", s.container, s.at.Sub(last))
				}
				last = s.at
			}
			if !slices.Equal(order, []string{"app", "proxy", "store"}) {
				t.Errorf("signalled in the order %q", order)
			}
		})
	})
	t.Run("sidecar", func(t *testing.T) {
		inBubble(t, config, func(t *testing.T, b *bubble) {
			victim := b.tasks()[0].ARN
			g := b.load(often)
			b.engine.Crash(victim, "store", 3)
			b.stoppedAs(victim, orchestrator.EssentialContainerExited, "Essential container in task exited", 0)
			b.steady(time.Minute)
			for _, c := range b.task(victim).Containers {
				if want := map[string]int{"app": 0, "proxy": 0, "store": 3}[c.Name]; c.ExitCode == nil || *c.ExitCode != want {
					t.Errorf("%+v, want exit code %d", c, want)
				}
			}
			g.end()
			b.explained(timeline.ContainerExit, timeline.NoTaskSurvived, timeline.NotListeningYet)
		})
	})
}

func TestScenario_14_DeleteAndCreateAgain(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 10 * time.Second, behave: behaviour{answerAfter: 300 * time.Millisecond}}, func(t *testing.T, b *bubble) {
		old := b.tasks()
		g := b.load(101 * time.Millisecond)
		time.Sleep(time.Second)
		l := b.life.Load()
		if _, err := l.scheduler.DeleteService(b.call("ecs", "DeleteService", map[string]string{"ecsService": "web"}), "default", "web", false); err == nil || !strings.Contains(err.Error(), "The service cannot be stopped while it is scaled above 0.") {
			t.Errorf("without force: %v", err)
		}
		_, err := l.scheduler.DeleteService(b.call("ecs", "DeleteService", map[string]string{"ecsService": "web"}), "default", "web", true)
		b.must(err)
		time.Sleep(time.Second)
		if err := b.tryCreateService(); err == nil || !strings.Contains(err.Error(), "Unable to Start a service that is still Draining.") {
			t.Errorf("create at once: %v", err)
		}
		if !b.eventually(time.Minute, func() bool { return b.web().Status == orchestrator.ServiceInactive }) {
			t.Fatalf("the service stays %s", b.web().Status)
		}
		for _, o := range old {
			b.ended(o.ARN)
		}
		b.drainedUntilSignal(old...)
		b.must(b.tryCreateService())
		b.steady(time.Minute)
		since := time.Now().Add(time.Second)
		time.Sleep(5 * time.Second)
		counts := g.end()
		if counts[503] == 0 || counts[200] == 0 || len(counts) != 2 {
			t.Errorf("statuses %v, want 200 and 503 only: what was under way is answered", counts)
		}
		if late := b.failures(since); len(late) > 0 {
			t.Errorf("%d requests failed after the service was there again: %+v", len(late), late[0])
		}
		b.explained(timeline.NoDesiredTasks, timeline.NotRegisteredYet)
	})
}

// bouncing is a container that is restarted in place.
const bouncing = `{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"restartPolicy":{"enabled":true,"restartAttemptPeriod":60}}`

func TestScenario_15_RestartPolicy(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, containers: bouncing}, func(t *testing.T, b *bubble) {
		time.Sleep(90 * time.Second)
		task, before := b.tasks()[0], len(b.said())
		g := b.load(often)
		time.Sleep(time.Second)
		b.engine.Crash(task.ARN, "app", 1)
		time.Sleep(time.Minute)
		if counts := g.end(); counts[502] == 0 || len(counts) != 2 {
			t.Errorf("statuses %v, want 200 and 502", counts)
		}
		if now := b.tasks(); len(now) != 1 || now[0].ARN != task.ARN || now[0].Status != orchestrator.Running || now[0].Containers[0].RestartCount != 1 {
			t.Errorf("%+v", now)
		}
		if said := b.said()[before:]; len(said) > 0 {
			t.Errorf("ECS said %q", said)
		}
		for _, c := range b.explained(timeline.ContainerRestart) {
			if !strings.Contains(c.Sentence, "its restartPolicy started it again in place") {
				t.Errorf("why says %s", c.Sentence)
			}
		}
	})
}

// TestCutOff_IsToldWithWhoDidIt: the warning about a task that somebody deregistered goes back to the call.
func TestCutOff_IsToldWithWhoDidIt(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second}, func(t *testing.T, b *bubble) {
		task := b.tasks()[0]
		ctx := b.call("elbv2", "DeregisterTargets", nil)
		b.must(b.life.Load().balancer.DeregisterTargets(ctx, b.group, []alb.Target{{ID: task.Interface.Address.String(), Port: 80}}))
		time.Sleep(time.Minute)
		bySeq, warnings := map[int64]timeline.Event{}, []timeline.Event{}
		for _, e := range b.store.told() {
			bySeq[e.Seq] = e
			if e.Kind == timeline.Warning && e.Subject == task.ARN {
				warnings = append(warnings, e)
			}
		}
		if len(warnings) != 1 {
			t.Fatalf("warnings %+v", warnings)
		}
		if e := bySeq[bySeq[warnings[0].Cause].Cause]; e.Seq != timeline.CauseFrom(ctx) {
			t.Errorf("%q goes back to %+v", warnings[0].Message, e)
		}
	})
}
