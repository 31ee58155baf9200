package orchestrator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/timeline"
)

// What the services of these tests shift traffic with.
const (
	greenARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/green/0123456789abcdef"
	prodRule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/front/1/2/prod"
	testRule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/front/1/2/test"
)

func (b *fakeBalancer) ForwardWeights(rule string) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.rules[rule])
}

func (b *fakeBalancer) SetForwardWeights(_ context.Context, rule string, weights map[string]int) error {
	b.mu.Lock()
	have := b.rules[rule]
	if have == nil {
		b.mu.Unlock()
		return errors.New("no such rule")
	}
	with := maps.Clone(have)
	maps.Copy(with, weights)
	if maps.Equal(have, with) {
		b.mu.Unlock()
		return nil
	}
	b.rules[rule], have = with, with
	b.shifts = append(b.shifts, fmt.Sprintf("%s %d/%d", rule[strings.LastIndex(rule, "/")+1:], have[groupARN], have[greenARN]))
	b.mu.Unlock()
	b.poke()
	return nil
}

func (b *fakeBalancer) DescribeRules(_ context.Context, _ string, arns []string) ([]alb.Rule, error) {
	if !strings.Contains(arns[0], "listener-rule/") {
		return nil, errors.New("no such rule")
	}
	return []alb.Rule{{ARN: arns[0], ListenerARN: "listener"}}, nil
}

func (b *fakeBalancer) DescribeListeners(_ context.Context, _ string, arns []string) ([]alb.Listener, error) {
	return []alb.Listener{{ARN: arns[0], LoadBalancerARN: "lb"}}, nil
}

func (w *world) callHook(_ context.Context, target string, event []byte) ([]byte, error) {
	if w.hook == nil {
		return []byte(`{"hookStatus":"SUCCEEDED"}`), nil
	}
	text, err := w.hook(target, event)
	return []byte(text), err
}

// shiftService makes the rules and returns the input for a service with a strategy.
func (w *world) shiftService(desired int, in orchestrator.StrategyInput) orchestrator.ServiceInput {
	w.balancer.mu.Lock()
	w.balancer.rules = map[string]map[string]int{prodRule: {groupARN: 1, greenARN: 0}, testRule: {groupARN: 1, greenARN: 0}}
	w.balancer.mu.Unlock()
	return orchestrator.ServiceInput{
		Cluster: "default", Name: "web", TaskDefinition: w.register("web"), DesiredCount: &desired,
		Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}},
		LoadBalancers: []orchestrator.LoadBalancer{{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80, Advanced: &orchestrator.AdvancedConfiguration{
			AlternateTargetGroupARN: greenARN, ProductionListenerRule: prodRule, TestListenerRule: testRule, Role: "arn:aws:iam::123456789012:role/ecs",
		}}},
		StrategyInput: in,
	}
}

func (w *world) createShift(desired int, in orchestrator.StrategyInput) {
	w.t.Helper()
	if _, err := w.c.CreateService(w.t.Context(), w.shiftService(desired, in)); err != nil {
		w.t.Fatal(err)
	}
	w.steady(10 * time.Minute)
}

func blueGreen(bake int, hooks ...orchestrator.LifecycleHook) orchestrator.StrategyInput {
	return orchestrator.StrategyInput{Strategy: orchestrator.StrategyBlueGreen, BakeMinutes: &bake, Hooks: hooks}
}

func hookAt(stages ...string) orchestrator.LifecycleHook {
	return orchestrator.LifecycleHook{Type: orchestrator.HookCall, Target: "http://hook", Stages: stages}
}

// stages returns the stages that the service's deployments went through after so many events.
func (w *world) stages(after int) []string {
	var all []string
	for _, e := range w.told(timeline.Deployment)[after:] {
		if e.Data["stage"] != "" && e.Data["hook"] == "" {
			all = append(all, e.Data["stage"])
		}
	}
	return all
}

// history returns every event so far.
func (w *world) history() []timeline.Event {
	w.store.Lock()
	defer w.store.Unlock()
	return slices.Clone(w.store.Events)
}

func (w *world) told(kind timeline.Kind) []timeline.Event {
	return slices.DeleteFunc(w.history(), func(e timeline.Event) bool { return e.Kind != kind })
}

// shifted returns how the rules were rewritten so far.
func (w *world) shifted() []string {
	w.balancer.mu.Lock()
	defer w.balancer.mu.Unlock()
	return slices.Clone(w.balancer.shifts)
}

func (w *world) stage() string {
	if d := w.web().Primary(); d != nil {
		return d.Stage
	}
	return ""
}

func (w *world) reach(stage string) {
	w.t.Helper()
	if !w.eventually(30*time.Minute, func() bool { return w.stage() == stage }) {
		w.t.Fatalf("at %s, not %s:\n%s", w.stage(), stage, w.story())
	}
}

func arns(tasks []*orchestrator.Task) []string {
	var all []string
	for _, t := range tasks {
		all = append(all, t.ARN)
	}
	slices.Sort(all)
	return all
}

// groupsOf counts the live tasks of a deployment by target group.
func (w *world) groupsOf(deployment string) map[string]int {
	n := map[string]int{}
	for _, t := range w.tasks() {
		if t.Deployment == deployment && t.Desired == orchestrator.Running {
			for _, lb := range t.LoadBalancers {
				n[lb.TargetGroupARN]++
			}
		}
	}
	return n
}

// hookEvents records the events that hooks get, and answers with each of answers, then the last.
func (w *world) hookEvents(answers ...string) *[]map[string]any {
	var got []map[string]any
	w.hook = func(_ string, event []byte) (string, error) {
		var e map[string]any
		if err := json.Unmarshal(event, &e); err != nil {
			return "", err
		}
		got = append(got, e)
		return answers[min(len(got), len(answers))-1], nil
	}
	return &got
}
