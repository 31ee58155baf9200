package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline/timelinetest"
)

// crashScene is something that is begun by an API call and leads to a final state, wherever the
// daemon is killed on the way.
type crashScene struct {
	name   string
	config bubbleConfig
	// begin makes the call; it is made again if the killed daemon did not acknowledge it.
	begin func(b *bubble) error
	// wrong says what is not as it must be in the end.
	wrong func(b *bubble) string
}

var crashScenes = []crashScene{
	{"rolling deployment", bubbleConfig{desired: 2, min: 100, max: 150, delay: 5 * time.Second, warm: 1}, func(b *bubble) error {
		return b.tryDeploy("app:2", behaviour{listenAfter: time.Second}, wellBehaved)
	}, func(b *bubble) string { return b.not("app:2", 2, orchestrator.RolloutCompleted) }},
	{"breaker rolls back", bubbleConfig{desired: 1, min: 100, max: 200, breaker: true}, func(b *bubble) error {
		noImage := wellBehaved
		noImage.Fail = &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errNoDocker}
		return b.tryDeploy("app:2", behaviour{}, noImage)
	}, func(b *bubble) string {
		if r := b.record(); r.Status != orchestrator.ServiceDeploymentRollbackSuccessful {
			return "the service deployment is " + r.Status
		}
		return b.not("app:1", 1, orchestrator.RolloutCompleted)
	}},
	{"blue green", bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second, strategy: strategy("BLUE_GREEN", 1, orchestrator.StagePostTestShift)}, func(b *bubble) error {
		return b.tryDeploy("app:2", behaviour{}, wellBehaved)
	}, func(b *bubble) string {
		if w := b.life.Load().balancer.ForwardWeights(b.advanced.ProductionListenerRule); w[b.group] != 0 || w[b.advanced.AlternateTargetGroupARN] == 0 {
			return fmt.Sprintf("weights %v", w)
		}
		return b.not("app:2", 2, orchestrator.RolloutCompleted)
	}},
	{"blue green rolls back", bubbleConfig{desired: 1, min: 100, max: 200, strategy: strategy("BLUE_GREEN", 1, orchestrator.StagePostProductionShift)}, func(b *bubble) error {
		b.hook = func() string { return "FAILED" }
		return b.tryDeploy("app:2", behaviour{}, wellBehaved)
	}, func(b *bubble) string {
		if w := b.life.Load().balancer.ForwardWeights(b.advanced.ProductionListenerRule); w[b.group] == 0 || w[b.advanced.AlternateTargetGroupARN] != 0 {
			return fmt.Sprintf("weights %v", w)
		}
		return b.not("app:1", 1, "")
	}},
	{"scale in", bubbleConfig{desired: 3, min: 100, max: 200, delay: 5 * time.Second}, func(b *bubble) error {
		one := 1
		return b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one })
	}, func(b *bubble) string { return b.not("app:1", 1, orchestrator.RolloutCompleted) }},
	{"delete by force", bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second}, func(b *bubble) error {
		_, err := b.life.Load().scheduler.DeleteService(b.call("ecs", "DeleteService", nil), "default", "web", true)
		return err
	}, func(b *bubble) string {
		if s := b.web(); s.Status != orchestrator.ServiceInactive {
			return "the service is " + s.Status
		}
		return b.leftovers(0)
	}},
	{"stop a task", bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second}, func(b *bubble) error {
		if b.victim == "" {
			b.victim = b.tasks()[0].ARN
		}
		return b.stopTask(b.task(b.victim))
	}, func(b *bubble) string {
		if t := b.task(b.victim); t.Status != orchestrator.Stopped || t.StopCode != orchestrator.UserInitiated {
			return fmt.Sprintf("the task is %s, %s", t.Status, t.StopCode)
		}
		return b.not("app:1", 2, orchestrator.RolloutCompleted)
	}},
	{"run task with a token", bubbleConfig{desired: 0, min: 100, max: 200}, func(b *bubble) error {
		_, err := b.life.Load().scheduler.RunTask(b.call("ecs", "RunTask", nil), orchestrator.RunTaskInput{
			Cluster: "default", TaskDefinition: "web:1", ClientToken: "once", Request: []byte(`{"taskDefinition":"web:1"}`), Network: &orchestrator.NetworkConfiguration{Subnets: b.subnets()}})
		return err
	}, func(b *bubble) string {
		if all := b.tasks(); len(all) != 1 || all[0].Status != orchestrator.Running || len(b.running()) != 1 {
			return fmt.Sprintf("%d tasks for one token", len(all)) // I7
		}
		return ""
	}},
}

func (b *bubble) tryDeploy(image string, behave behaviour, script enginetest.Script) error {
	b.image(image, behave, script)
	arn, err := b.tryRegister(image)
	if err != nil {
		return err
	}
	return b.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = arn })
}

// not says why the service does not have so many healthy tasks of an image and nothing else.
func (b *bubble) not(image string, desired int, rollout string) string {
	s := b.web()
	if !s.Steady || len(s.Deployments) != 1 || rollout != "" && s.Deployments[0].RolloutState != rollout {
		return fmt.Sprintf("steady %t, deployments %+v", s.Steady, s.Deployments)
	}
	for _, t := range b.tasks() {
		if t.Containers[0].Image != image || t.Status != orchestrator.Running || b.targetState(t.ARN) != alb.Healthy {
			return fmt.Sprintf("task %s of %s is %s, its target %q", t.ID, t.Containers[0].Image, t.Status, b.targetState(t.ARN))
		}
	}
	return b.leftovers(desired)
}

// leftovers says what there is beside so many tasks, if anything: containers (I2), targets,
// addresses and namespaces (I4).
func (b *bubble) leftovers(desired int) string {
	l := b.life.Load()
	ready, _ := l.scheduler.WarmPool()
	got := []int{len(b.tasks()), len(b.containers()), len(l.balancer.Targets()), len(l.held()) - 1 - ready, len(b.namespaces()) - ready - len(b.joined())}
	if want := []int{desired, desired, desired, desired, 0}; !slices.Equal(got, want) {
		return fmt.Sprintf("tasks, containers, targets, addresses, namespaces: %v, want %v", got, want)
	}
	list, _ := b.engine.Fake.List(b.t.Context())
	if len(list) != desired {
		return fmt.Sprintf("there are containers of %d tasks", len(list))
	}
	return ""
}

// TestCrash_AtEveryCommit kills the daemon right after every commit, and right before it, of
// everything that a service goes through. The next daemon comes to the same final state.
func TestCrash_AtEveryCommit(t *testing.T) {
	for _, scene := range crashScenes {
		t.Run(strings.ReplaceAll(scene.name, " ", "_"), func(t *testing.T) {
			commits := scene.rehearse(t)
			played := 0
			for n := 1; n <= commits; n += crashStride(commits) {
				for _, before := range []bool{true, false} {
					scene.crash(t, n, before)
					played++
				}
			}
			t.Logf("%d commits, killed at %d points", commits, played)
		})
	}
}

// crashStride leaves commits out, unless DRYDOCK_TEST_LONG is set.
func crashStride(commits int) int {
	if timelinetest.Long {
		return 1
	}
	return 1 + commits/12
}

// rehearse plays a scene without a crash and returns how many commits it takes.
func (scene crashScene) rehearse(t *testing.T) (commits int) {
	t.Helper()
	timelinetest.Bubble(t, func(t *testing.T) {
		b := scene.open(t)
		defer b.finish()
		store := b.life.Load().store
		first := store.made()
		b.must(scene.begin(b))
		scene.await(b)
		commits = store.made() - first
	})
	return commits
}

func (scene crashScene) open(t *testing.T) *bubble {
	b := newBubble(t, scene.config)
	b.steady(10 * time.Minute)
	b.full()
	return b
}

// finish ends a bubble and fails the test if an invariant was broken.
func (b *bubble) finish() {
	b.close()
	for _, fault := range b.faults {
		b.t.Error(fault)
	}
}

// await waits for the final state.
func (scene crashScene) await(b *bubble) {
	b.t.Helper()
	if !b.eventually(20*time.Minute, func() bool { return scene.wrong(b) == "" }) {
		b.t.Fatalf("%s\n%s", scene.wrong(b), b.story())
	}
}

// crash kills the daemon at its nth commit since the scene began.
func (scene crashScene) crash(t *testing.T, n int, before bool) {
	t.Helper()
	timelinetest.Bubble(t, func(t *testing.T) {
		b := scene.open(t)
		defer b.finish()
		defer func() {
			if t.Failed() {
				t.Logf("killed at commit %d, before it: %t", n, before)
			}
		}()
		g := b.load(97 * time.Millisecond)
		store := b.life.Load().store
		if before {
			store.killBefore(n)
		} else {
			store.killAfter(n)
		}
		err := scene.begin(b)
		select {
		case <-store.died:
		case <-time.After(20 * time.Minute): // another order of things needed fewer commits
		}
		b.kill()
		time.Sleep(700 * time.Millisecond)
		b.must(b.start())
		if err != nil {
			if !errors.Is(err, errDead) {
				t.Fatal(err)
			}
			b.must(scene.begin(b))
		}
		scene.await(b)
		g.stop()
	})
}
