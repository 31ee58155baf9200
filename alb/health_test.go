package alb

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

const userIP = "172.31.0.50"

func TestHealth_StatesAndReasons(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.targetGroup("users")
	w.register(tg, userIP)
	wantState(t, w.health(tg, userIP), Unused, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	if port := w.health(tg, userIP).HealthCheckPort; port != "" {
		t.Errorf("health check port of a target that was never checked is %q; want none", port)
	}
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(tg.ARN))
	wantState(t, w.health(tg, userIP), Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
	w.probe(tg, userIP, node.Healthy)
	wantState(t, w.health(tg, userIP), Healthy, "", "")
	w.probe(tg, userIP, node.Unhealthy)
	wantState(t, w.health(tg, userIP), Unhealthy, "Target.Timeout", "Request timed out")
	if port := w.health(tg, userIP).HealthCheckPort; port != "80" {
		t.Errorf("health check port is %q; want 80", port)
	}
	if err := w.DeleteListener(t.Context(), l.ARN); err != nil {
		t.Fatal(err)
	}
	wantState(t, w.health(tg, userIP), Unused, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	w.deregister(tg, userIP)
	wantState(t, w.health(tg, userIP), Draining, "Target.DeregistrationInProgress", "Target deregistration is in progress")
	described := must(w.DescribeTargetHealth(t.Context(), tg.ARN, []Target{{ID: "172.31.0.51"}}))
	wantState(t, described[0], Unused, "Target.NotRegistered", "Target is not registered to the target group")
}

func TestHealth_ATargetInUseAgainIsCheckedAnew(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	w.register(tg, userIP)
	w.probe(tg, userIP, node.Healthy)
	before := w.health(tg, userIP).Registration
	l := must(w.DescribeListeners(t.Context(), w.loadBalancer("shop").ARN, nil))[0]
	fixed := []Action{{Type: "fixed-response", FixedResponseConfig: &FixedResponseConfig{StatusCode: "200"}}}
	must(w.ModifyListener(t.Context(), ModifyListenerInput{ListenerARN: l.ARN, DefaultActions: fixed}))
	wantState(t, w.health(tg, userIP), Unused, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	must(w.ModifyListener(t.Context(), ModifyListenerInput{ListenerARN: l.ARN, DefaultActions: forwardTo(tg.ARN)}))
	w.probeRegistration(tg, before, node.Healthy)
	wantState(t, w.health(tg, userIP), Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
	if targets := w.node.last().TargetGroups[0].Targets; len(targets) != 1 || targets[0].Registration == before || targets[0].State != node.Initial {
		t.Errorf("the node's targets are %+v; want one that it does not know", targets)
	}
}

func TestDrain_LastsForTheFullDelay(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		tg := w.serving()
		w.register(tg, userIP)
		w.probe(tg, userIP, node.Healthy)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		w.deregister(tg, userIP)
		time.Sleep(300*time.Second - time.Millisecond)
		synctest.Wait()
		wantState(t, w.health(tg, userIP), Draining, "Target.DeregistrationInProgress", "Target deregistration is in progress")
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if targets := w.Targets(); len(targets) != 0 {
			t.Errorf("after the delay there are still %v", targets)
		}
		if left := w.node.last().TargetGroups[0].Targets; len(left) != 0 {
			t.Errorf("the node still has %v", left)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDrain_GoesOnAfterARestart(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		tg := w.serving()
		w.register(tg, userIP)
		w.deregister(tg, userIP)
		deadline := w.health(tg, userIP).DrainUntil
		time.Sleep(100 * time.Second)
		w.open(Config{})
		if h := w.health(tg, userIP); h.State != Draining || !h.DrainUntil.Equal(deadline) {
			t.Fatalf("after the restart: %+v; want draining until %v", h, deadline)
		}
		go w.Run(t.Context())
		time.Sleep(199 * time.Second)
		synctest.Wait()
		if h := w.health(tg, userIP); h.State != Draining {
			t.Errorf("after 299 s: %+v; want draining", h)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(w.Targets()) != 0 {
			t.Errorf("after 301 s: %v; want nothing", w.Targets())
		}
	})
}

func TestDrain_WithoutDelayIsGoneAtOnce(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	w.delay(tg, "0")
	w.register(tg, userIP)
	w.deregister(tg, userIP)
	if len(w.Targets()) != 0 {
		t.Errorf("still there: %v", w.Targets())
	}
	if cut := w.node.last().TargetGroups[0].Targets[0]; !cut.Draining || cut.DrainUntil.IsZero() || cut.DrainUntil.After(time.Now()) {
		t.Errorf("the node was not told to cut what is in flight: %+v", cut)
	}
	w.pass(t.Context())
	if left := w.node.last().TargetGroups[0].Targets; len(left) != 0 {
		t.Errorf("the node still has %v", left)
	}
}

func TestDrain_ReportsThatComeTooLateAreIgnored(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	w.register(tg, userIP)
	w.deregister(tg, userIP)
	w.probe(tg, userIP, node.Healthy)
	if h := w.health(tg, userIP); h.State != Draining {
		t.Errorf("a draining target became %s", h.State)
	}
}

func TestDrain_ChangedDelayConcernsLaterTargets(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		tg := w.serving()
		w.register(tg, userIP)
		w.deregister(tg, userIP)
		w.delay(tg, "10")
		if left := time.Until(w.health(tg, userIP).DrainUntil); left != 300*time.Second {
			t.Errorf("it drains for another %v; want 5m", left)
		}
	})
}

func TestRegister_AnotherTaskAtTheSameAddressIsAnotherRegistration(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	w.register(tg, userIP)
	old := w.health(tg, userIP).Registration
	if err := w.RegisterTargets(t.Context(), tg.ARN, []Target{{ID: userIP, Task: "another"}}); err != nil {
		t.Fatal(err)
	}
	if h := w.health(tg, userIP); h.Registration == old || h.Target.Task != "another" {
		t.Errorf("registered for another task: %+v", h)
	}
	if err := w.DeregisterTargets(t.Context(), tg.ARN, []Target{{ID: userIP, Task: "task-" + userIP}}); err != nil {
		t.Fatal(err)
	}
	if h := w.health(tg, userIP); h.State != Initial {
		t.Errorf("deregistering the task that was there before made it %s", h.State)
	}
}

func TestRegister_ADrainingTargetGetsANewRegistration(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		tg := w.serving()
		go w.Run(t.Context())
		w.register(tg, userIP)
		old := w.health(tg, userIP).Registration
		w.register(tg, userIP) // idempotent
		if now := w.health(tg, userIP).Registration; now != old {
			t.Errorf("registering twice made %s of %s", now, old)
		}
		w.deregister(tg, userIP)
		w.register(tg, userIP)
		h := w.health(tg, userIP)
		if h.Registration == old || h.State != Initial {
			t.Errorf("registered again: %+v; want another registration than %s, initial", h, old)
		}
		if n := len(w.node.last().TargetGroups[0].Targets); n != 2 {
			t.Errorf("the node has %d targets; want the new one and the one that still drains", n)
		}
		w.probeRegistration(tg, old, node.Healthy)
		if h := w.health(tg, userIP); h.State != Initial {
			t.Errorf("a report on the old registration made the new one %s", h.State)
		}
		time.Sleep(301 * time.Second)
		synctest.Wait()
		if n := len(w.node.last().TargetGroups[0].Targets); n != 1 {
			t.Errorf("after the delay the node has %d targets; want 1", n)
		}
		if w.health(tg, userIP).Registration != h.Registration {
			t.Error("the new registration went away with the old one")
		}
	})
}

func TestPace_AWSDelaysRegistrationAndDeregistration(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Pace: AWSPace})
		tg := w.serving()
		go w.Run(t.Context())
		w.register(tg, userIP)
		wantState(t, w.health(tg, userIP), Initial, "Elb.RegistrationInProgress", "Target registration is in progress")
		time.Sleep(AWSPace.Registration)
		synctest.Wait()
		wantState(t, w.health(tg, userIP), Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
		w.deregister(tg, userIP)
		target := w.node.last().TargetGroups[0].Targets[0]
		if !target.Draining || time.Until(target.DrainFrom) != AWSPace.Deregistration || time.Until(target.DrainUntil) != 300*time.Second {
			t.Errorf("the node's target is %+v", target)
		}
	})
}

func TestHealth_EventsNameTheirCause(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	call := w.store.NextSeq()
	ctx := timeline.WithCause(t.Context(), call)
	if err := w.RegisterTargets(ctx, tg.ARN, []Target{{ID: userIP, Task: "task"}}); err != nil {
		t.Fatal(err)
	}
	w.probe(tg, userIP, node.Healthy)
	events := w.store.Told(timeline.TargetState)
	if len(events) != 3 || events[0].Cause != call || events[1].Cause != events[0].Seq || events[2].Cause != events[0].Seq {
		t.Fatalf("events are %+v; want registered ← %d, initial and healthy ← registered", events, call)
	}
	last := events[2]
	if last.Subject != tg.ARN || last.Data["from"] != "initial" || last.Data["to"] != "healthy" || last.Data["task"] != "task" || last.Data["registration"] == "" {
		t.Errorf("event is %+v", last)
	}
}

// TestHealth_EveryTransition has a target in each state, and everything that can happen to
// it there (ALB-225, ALB-256).
func TestHealth_EveryTransition(t *testing.T) {
	happenings := map[string]func(w *world, tg TargetGroup, l Listener){
		"passes": func(w *world, tg TargetGroup, _ Listener) { w.probe(tg, userIP, node.Healthy) },
		"fails":  func(w *world, tg TargetGroup, _ Listener) { w.probe(tg, userIP, node.Unhealthy) },
		"detach": func(w *world, _ TargetGroup, l Listener) {
			must(w.ModifyListener(w.t.Context(), ModifyListenerInput{ListenerARN: l.ARN, DefaultActions: fixed404}))
		},
		"attach": func(w *world, tg TargetGroup, l Listener) {
			must(w.ModifyListener(w.t.Context(), ModifyListenerInput{ListenerARN: l.ARN, DefaultActions: forwardTo(tg.ARN)}))
		},
		"deregister": func(w *world, tg TargetGroup, _ Listener) { w.deregister(tg, userIP) },
		"register":   func(w *world, tg TargetGroup, _ Listener) { w.register(tg, userIP) },
		"restart":    func(w *world, _ TargetGroup, _ Listener) { w.open(w.config) },
		"time passes": func(w *world, _ TargetGroup, _ Listener) {
			time.Sleep(299 * time.Second)
			w.pass(w.t.Context())
		},
		"more time passes": func(w *world, _ TargetGroup, _ Listener) {
			time.Sleep(300 * time.Second)
			w.pass(w.t.Context())
		},
	}
	ways := map[State][]string{
		Unused: {"detach"}, Initial: nil, Healthy: {"passes"}, Unhealthy: {"fails"}, Draining: {"passes", "deregister"},
	}
	const gone = State("")
	want := map[State]map[string]State{
		Unused:    {"passes": Unused, "fails": Unused, "detach": Unused, "attach": Initial, "deregister": Draining, "register": Unused, "restart": Unused, "time passes": Unused, "more time passes": Unused},
		Initial:   {"passes": Healthy, "fails": Unhealthy, "detach": Unused, "attach": Initial, "deregister": Draining, "register": Initial, "restart": Initial, "time passes": Initial, "more time passes": Initial},
		Healthy:   {"passes": Healthy, "fails": Unhealthy, "detach": Unused, "attach": Healthy, "deregister": Draining, "register": Healthy, "restart": Healthy, "time passes": Healthy, "more time passes": Healthy},
		Unhealthy: {"passes": Healthy, "fails": Unhealthy, "detach": Unused, "attach": Unhealthy, "deregister": Draining, "register": Unhealthy, "restart": Unhealthy, "time passes": Unhealthy, "more time passes": Unhealthy},
		Draining:  {"passes": Draining, "fails": Draining, "detach": Draining, "attach": Draining, "deregister": Draining, "register": Initial, "restart": Draining, "time passes": Draining, "more time passes": gone},
	}
	for from, row := range want {
		for happening, to := range row {
			t.Run(string(from)+" "+happening, func(t *testing.T) {
				timelinetest.Bubble(t, func(t *testing.T) {
					w := newWorld(t, Config{})
					tg := w.serving()
					l := must(w.DescribeListeners(t.Context(), must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0].ARN, nil))[0]
					w.register(tg, userIP)
					for _, step := range ways[from] {
						happenings[step](w, tg, l)
					}
					if h := w.health(tg, userIP); h.State != from {
						t.Fatalf("the target is %s before", h.State)
					}
					happenings[happening](w, tg, l)
					if h := w.health(tg, userIP); h.State != to {
						t.Errorf("the target is %q; want %q", h.State, to)
					}
				})
			})
		}
	}
}
