package orchestrator_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline/timelinetest"
)

// What random sequences have found, each as the smallest sequence that shows it.

// TestShift_BlueOfAnAbortedDeploymentIsKept: a deployment that was aborted leaves the traffic to
// blue. When all of blue crashes and its starts are throttled, blue is replaced nevertheless: it
// is not forgotten for having no tasks at that moment.
func TestShift_BlueOfAnAbortedDeploymentIsKept(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(60))
		blue := w.web().Primary().ID
		w.redeploy()
		w.reach(orchestrator.StageScaleUp)
		if err := w.c.StopServiceDeployment(t.Context(), w.web().Primary().Record, orchestrator.StopAbort); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for _, task := range w.tasks() {
				if task.Deployment == blue && task.Status == orchestrator.Running {
					w.engine.Crash(task.ARN, "app", 1)
				}
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Minute)
		if got := w.groupsOf(blue); got[groupARN] != 1 || w.web().Deployment(blue) == nil {
			t.Errorf("blue %v, deployments %+v", got, w.web().Deployments)
		}
	})
}

// TestShift_BlueThatNobodyAnswersGetsNothingBack: when a deployment is overtaken whose blue has no
// healthy task, the traffic stays with the one that has.
func TestShift_BlueThatNobodyAnswersGetsNothingBack(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		in := w.shiftService(1, orchestrator.StrategyInput{Strategy: orchestrator.StrategyLinear, Linear: &orchestrator.LinearConfiguration{StepPercent: 40, StepBakeMinutes: 5}})
		w.balancer.ill[in.TaskDefinition] = true
		if _, err := w.c.CreateService(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := w.c.StopServiceDeployment(t.Context(), w.web().Primary().Record, orchestrator.StopAbort); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.redeploy()
		second := w.web().Primary().ID
		w.reach(orchestrator.StageProductionShift)
		time.Sleep(time.Minute)
		shifts := len(w.shifted())
		w.redeploy()
		time.Sleep(time.Minute)
		if rules := w.shifted()[shifts:]; !slices.Contains(rules, "prod 0/100") || slices.Contains(rules, "prod 100/0") || w.web().Primary().Shift.Blue != second {
			t.Errorf("rules %q, deployments %+v", rules, w.web().Deployments)
		}
		w.steady(time.Hour)
	})
}

// TestShift_NoTrafficForGreenThatNobodyAnswers: each further share of the production traffic waits
// until all of green is healthy.
func TestShift_NoTrafficForGreenThatNobodyAnswers(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, orchestrator.StrategyInput{Strategy: orchestrator.StrategyCanary, Canary: &orchestrator.CanaryConfiguration{Percent: 10, BakeMinutes: 5}})
		shifts := len(w.shifted())
		w.redeploy()
		green := w.web().Primary().ID
		w.reach(orchestrator.StageProductionShift)
		time.Sleep(4 * time.Minute)
		w.balancer.healthyAfter = 5 * time.Minute
		for _, task := range w.tasks() {
			if task.Deployment == green {
				w.engine.Crash(task.ARN, "app", 1)
			}
		}
		time.Sleep(4 * time.Minute)
		if rules := w.shifted()[shifts:]; len(rules) != 2 || rules[1] != "prod 90/10" {
			t.Errorf("rules %q while green is not healthy", rules)
		}
		w.steady(time.Hour)
		if rules := w.shifted()[shifts:]; len(rules) != 3 || rules[2] != "prod 0/100" {
			t.Errorf("rules %q", rules)
		}
	})
}

// sequence is a sequence of steps that once broke an invariant.
type sequence struct {
	service rigService
	steps   []rigStep
}

// TestSequences: each of these broke an invariant.
func TestSequences(t *testing.T) {
	bake := 1
	rolling := rigService{name: "a", definition: "one", desired: 1, min: 50, max: 200, groups: 1}
	alone := rolling
	alone.desired, alone.groups = 2, 0
	shifting := rolling
	shifting.strategy = orchestrator.StrategyInput{Strategy: orchestrator.StrategyLinear, BakeMinutes: &bake, Linear: &orchestrator.LinearConfiguration{StepPercent: 40, StepBakeMinutes: 1}}
	for name, s := range map[string]sequence{
		// A deployment that replaces tasks was put beside the one that it overtook, and nobody set
		// the rules back: all traffic went to the target group that became empty.
		"from shifting to rolling halfway": {shifting, []rigStep{
			{do: "wait", wait: time.Minute},
			{do: "deploy", wait: 30 * time.Second}, // to 40 % of the traffic
			{do: "strategy"},
		}},
		// What Stop had done was not seen yet: it was done again, thousands of times.
		"stop while the engine is slow to answer": {alone, []rigStep{
			{do: "wait", wait: time.Minute},
			{do: "scale", n: 1, wait: time.Millisecond},
			{do: "engine", n: 2},
			{do: "pause", wait: time.Millisecond}, // somebody looks, which takes a while
		}},
		// A protected task that was starting was kept instead of the healthy one that was not.
		"protect a task that starts and scale in": {rolling, []rigStep{
			{do: "wait", wait: time.Minute},
			{do: "scale", n: 2, wait: 60 * time.Millisecond},
			{do: "protect", n: 1},
			{do: "scale", n: 1, wait: 10 * time.Second},
		}},
		// Blue was on its way itself: its own service deployment was forgotten, IN_PROGRESS for ever.
		"overtake in the bake time and stop at once": {shifting, []rigStep{
			{do: "wait", wait: time.Minute},
			{do: "deploy", wait: 140 * time.Second},
			{do: "force"},
			{do: "stop-deployment", wait: 6 * time.Second},
		}},
		// The registration was on its way: SIGTERM was sent, and then the target was there.
		"stop while the balancer is slow to register": {rolling, []rigStep{
			{do: "balancer", n: 2, wait: 400 * time.Millisecond},
			{do: "scale", wait: time.Minute},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			timelinetest.Bubble(t, func(t *testing.T) {
				config := rigConfig{services: []rigService{s.service}, sweep: 5 * time.Second, delay: 5 * time.Second, quarantine: time.Minute, addresses: 20}
				for _, fault := range playRig(t, config, s.steps) {
					t.Error(fault)
				}
			})
		})
	}
}

// TestWarm_ClaimOfATaskThatHasAnInterface: the claimed interface may be on its way to the task still,
// so nobody else may get it.
func TestWarm_ClaimOfATaskThatHasAnInterface(t *testing.T) {
	f := newFleet()
	f.steady("arn:aws:ecs:us-east-1:123456789012:service/default/web", 1)
	for arn := range f.in.Tasks {
		f.in.WarmSize, f.in.WarmSeen = 1, map[string]bool{"w": true}
		f.in.Warm = map[string]*orchestrator.WarmInterface{"w": {ID: "w", Ready: true, Task: arn, Interface: &orchestrator.TaskInterface{ID: "eni-w"}}}
	}
	if w := orchestrator.Reconcile(f.in).Warm["w"]; w == nil || w.Leaving == "" {
		t.Errorf("the warm interface is %+v, want it given up", w)
	}
}

// slowWorld is an engine that is slow to answer, and a network that is slow to give, from a moment on.
type slowWorld struct {
	*enginetest.Fake
	*fakeNetwork
	from, look, give time.Time // until when a look and an interface for the pool take then
}

func (s *slowWorld) wait(until time.Time) {
	if time.Now().After(s.from) {
		time.Sleep(time.Until(until))
	}
}

func (s *slowWorld) Observe(ctx context.Context, what orchestrator.Change) ([]orchestrator.TaskObservation, []orchestrator.WarmObservation, error) {
	s.wait(s.look)
	return s.Fake.Observe(ctx, what)
}

func (s *slowWorld) CreateWarmInterface(ctx context.Context, id string, subnets []string) (network.Interface, error) {
	s.wait(s.give)
	i, err := s.fakeNetwork.CreateWarmInterface(ctx, id, subnets)
	i.SubnetID = subnets[0]
	return i, err
}

// TestWarm_MadeAgainWhileATaskGetsIt: a namespace that is not seen in time is made again. When it is
// seen meanwhile and a task gets its interface, there is no second one.
func TestWarm_MadeAgainWhileATaskGetsIt(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.halt()
		from, two := time.Now().Add(600*time.Millisecond), 2 // the first namespace is being made
		slow := &slowWorld{w.engine, &fakeNetwork{w: w}, from, from.Add(3 * time.Second), from.Add(4 * time.Second)}
		var err error
		if w.c, err = orchestrator.New(t.Context(), w.store, slow, w.balancer, slow, w.defs, orchestrator.Config{WarmPool: 1, Pace: w.pace, Sweep: time.Hour}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); w.c.Run(ctx) }()
		w.stop = func() { cancel(); <-done }
		w.create(service{desired: 1, min: 100, max: 200})
		time.Sleep(time.Until(slow.look) + time.Millisecond)
		w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &two })
		time.Sleep(time.Minute)
		synctest.Wait()
		if ready, _ := w.c.WarmPool(); ready != 1 || len(slow.of) != 3 {
			t.Errorf("%d are ready, interfaces %v", ready, slow.of)
		}
	})
}
