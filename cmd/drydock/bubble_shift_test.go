package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/timeline"
)

// testFront is the test listener of services that shift traffic.
var testFront = netip.MustParseAddrPort("127.0.0.1:81")

func (b *bubble) callHook(context.Context, string, []byte) ([]byte, error) {
	if b.hook == nil {
		return []byte(`{"hookStatus":"SUCCEEDED"}`), nil
	}
	return []byte(`{"hookStatus":"` + b.hook() + `"}`), nil
}

// prepareShift makes the second target group, and a test listener; both listeners forward to both.
func (b *bubble) prepareShift(lb alb.LoadBalancer) {
	b.t.Helper()
	l, ctx := b.life.Load(), b.t.Context()
	green, err := l.balancer.CreateTargetGroup(ctx, alb.CreateTargetGroupInput{
		Name: "green", Protocol: "HTTP", Port: 80, VPCID: l.network.DefaultVPC().ID, TargetType: "ip",
		HealthCheck: alb.HealthCheck{Path: "/health", IntervalSeconds: 5, TimeoutSeconds: 2, HealthyThresholdCount: 2, UnhealthyThresholdCount: 2},
	})
	b.must(err)
	blue := b.group
	b.group = green.ARN
	b.setDelay(b.config.delay)
	b.group = blue
	none := 0
	forward := []alb.Action{{Type: "forward", ForwardConfig: &alb.ForwardConfig{TargetGroups: []alb.TargetGroupTuple{{TargetGroupARN: blue}, {TargetGroupARN: green.ARN, Weight: &none}}}}}
	_, err = l.balancer.CreateListener(ctx, alb.CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTP", Port: 81, DefaultActions: forward})
	b.must(err)
	listeners, err := l.balancer.DescribeListeners(ctx, lb.ARN, nil)
	b.must(err)
	rules := map[int]string{}
	for _, listener := range listeners {
		all, err := l.balancer.DescribeRules(ctx, listener.ARN, nil)
		b.must(err)
		rules[listener.Port] = all[0].ARN
	}
	b.must(l.balancer.SetForwardWeights(ctx, rules[80], map[string]int{green.ARN: 0}))
	b.advanced = &orchestrator.AdvancedConfiguration{AlternateTargetGroupARN: green.ARN, ProductionListenerRule: rules[80], TestListenerRule: rules[81], Role: "arn:aws:iam::123456789012:role/ecs"}
}

func (b *bubble) reach(stage string) {
	b.t.Helper()
	if !b.eventually(2*time.Hour, func() bool { d := b.web().Primary(); return d != nil && d.Stage == stage }) {
		b.t.Fatalf("never at %s:\n%s", stage, b.story())
	}
}

// groups counts the requests that came in since a time by target group.
func (b *bubble) groups(from, to time.Time) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := map[string]int{}
	for _, o := range b.outcomes {
		if !o.Start.Before(from) && o.Start.Before(to) {
			n[o.TargetGroup]++
		}
	}
	return n
}

func strategy(name string, bake int, stages ...string) orchestrator.StrategyInput {
	in := orchestrator.StrategyInput{Strategy: name, BakeMinutes: &bake}
	if len(stages) > 0 {
		in.Hooks = []orchestrator.LifecycleHook{{Type: orchestrator.HookCall, Target: "http://hook", Stages: stages}}
	}
	return in
}

// TestBlueGreen_UnderLoad: no request fails from the first green task to blue's last; the test
// listener reaches green before any production request does.
func TestBlueGreen_UnderLoad(t *testing.T) {
	for _, pace := range []string{"fast", "aws"} {
		t.Run(pace, func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second, pace: pace,
				strategy: strategy("BLUE_GREEN", 2, orchestrator.StagePostTestShift)}, func(t *testing.T, b *bubble) {
				g := b.load(23 * time.Millisecond)
				tried := b.load(time.Hour)
				tried.to = testFront
				begin, green := time.Now(), ""
				b.hook = func() string {
					green = b.web().Primary().ID
					if status := tried.exchange("/test"); status != 200 {
						t.Errorf("the test listener answers %d", status)
					}
					time.Sleep(time.Second)
					return "SUCCEEDED"
				}
				b.deploy("app:2", behaviour{listenAfter: 3 * time.Second})
				b.steady(2 * time.Hour)
				if counts := g.end(); len(counts) != 1 || counts[200] < 1000 {
					t.Errorf("statuses %v, want 200 only", counts)
				}
				b.mu.Lock()
				first := b.arrivals["/test"]
				b.mu.Unlock()
				if task := b.task(first); task == nil || task.Deployment != green {
					t.Errorf("the test request reached %+v, not %s", task, green)
				}
				shift := b.rewritten(begin, "rule default of the listener on port 80")
				if n := b.groups(begin, shift); len(n) != 2 || n[b.advanced.AlternateTargetGroupARN] != 1 {
					t.Errorf("before the shift: %v", n)
				}
				if n := b.groups(shift.Add(time.Millisecond), time.Now()); len(n) != 1 || n[b.advanced.AlternateTargetGroupARN] == 0 {
					t.Errorf("after the shift: %v", n)
				}
			})
		})
	}
}

// rewritten returns when a rule was rewritten first since a time.
func (b *bubble) rewritten(since time.Time, rule string) time.Time {
	b.t.Helper()
	for _, e := range b.store.told() {
		if e.Kind == timeline.Config && !e.Time.Before(since) && len(e.Message) > len(rule) && e.Message[:len(rule)] == rule {
			return e.Time
		}
	}
	b.t.Fatalf("%s was not rewritten", rule)
	return time.Time{}
}

// TestCanary_ShareOfTheRequests is what the weights say, within four standard deviations.
func TestCanary_ShareOfTheRequests(t *testing.T) {
	config := strategy("CANARY", 0)
	config.Canary = &orchestrator.CanaryConfiguration{Percent: 12.5, BakeMinutes: 3}
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 10 * time.Second, strategy: config}, func(t *testing.T, b *bubble) {
		g := b.load(7 * time.Millisecond)
		b.deploy("app:2", behaviour{})
		b.reach(orchestrator.StageProductionShift)
		time.Sleep(time.Second)
		rule := b.advanced.ProductionListenerRule
		if w := b.life.Load().balancer.ForwardWeights(rule); w[b.group] != 875 || w[b.advanced.AlternateTargetGroupARN] != 125 {
			t.Errorf("weights %v", w)
		}
		from := time.Now()
		time.Sleep(150 * time.Second)
		n := b.groups(from, time.Now())
		all, canary := float64(n[b.group]+n[b.advanced.AlternateTargetGroupARN]), float64(n[b.advanced.AlternateTargetGroupARN])
		if off := math.Abs(canary - all*0.125); all < 20000 || off > 4*math.Sqrt(all*0.125*0.875) {
			t.Errorf("%v of %v requests went to the canary", canary, all)
		}
		b.steady(time.Hour)
		if counts := g.end(); len(counts) != 1 {
			t.Errorf("statuses %v, want 200 only", counts)
		}
	})
}

// TestShift_RollbackUnderLoad: green answers, but its hook does not like it: from the rewrite of
// the rule on, no request reaches green, and none fails.
func TestShift_RollbackUnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second,
		strategy: strategy("BLUE_GREEN", 5, orchestrator.StagePostProductionShift)}, func(t *testing.T, b *bubble) {
		old := b.tasks()
		g := b.load(23 * time.Millisecond)
		b.hook = func() string { time.Sleep(20 * time.Second); return "FAILED" }
		b.deploy("app:2", behaviour{})
		b.reach(orchestrator.StagePostProductionShift)
		time.Sleep(time.Second)
		decided := time.Now()
		b.steady(time.Hour)
		back := b.rewritten(decided, "rule default of the listener on port 80")
		time.Sleep(time.Second)
		if late := back.Sub(decided); late > 20*time.Second {
			t.Errorf("back %s after the hook was called", late)
		}
		if n := b.groups(back.Add(time.Millisecond), time.Now()); len(n) != 1 || n[b.group] == 0 {
			t.Errorf("after the rollback: %v", n)
		}
		if counts := g.end(); len(counts) != 1 {
			t.Errorf("statuses %v, want 200 only", counts)
		}
		for _, task := range old {
			if now := b.task(task.ARN); now.Status != orchestrator.Running {
				t.Errorf("blue's task is %s", now.Status)
			}
		}
	})
}

// TestShift_KilledAtAnyMoment: a daemon that dies at some second of a canary deployment resumes
// it; in the end all traffic is green's and blue is gone.
func TestShift_KilledAtAnyMoment(t *testing.T) {
	for _, after := range []time.Duration{0, 300 * time.Millisecond, 5 * time.Second, 12 * time.Second, 40 * time.Second, 100 * time.Second, 150 * time.Second} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			config := strategy("CANARY", 1, orchestrator.StagePostScaleUp, orchestrator.StageProductionShift)
			config.Canary = &orchestrator.CanaryConfiguration{Percent: 10, BakeMinutes: 1}
			inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 10 * time.Second, strategy: config}, func(t *testing.T, b *bubble) {
				b.deploy("app:2", behaviour{})
				time.Sleep(after)
				b.kill()
				time.Sleep(3 * time.Second)
				b.must(b.start())
				time.Sleep(2 * time.Second)
				g := b.load(50 * time.Millisecond)
				time.Sleep(time.Second)
				b.steady(time.Hour)
				if counts := g.end(); len(counts) != 1 {
					t.Errorf("statuses %v, want 200 only", counts)
				}
				w := b.life.Load().balancer.ForwardWeights(b.advanced.ProductionListenerRule)
				gone := b.eventually(time.Minute, func() bool { return len(b.tasks()) == 2 })
				if w[b.group] != 0 || w[b.advanced.AlternateTargetGroupARN] != 100 || !gone {
					t.Errorf("weights %v, %d tasks\n%s", w, len(b.tasks()), b.story())
				}
			})
		})
	}
}
