package orchestrator_test

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
)

// rigBalancer checks the health of targets when something happens to what is behind them, and
// drains them for a delay. Target groups are there when they are named; rules when a service was made.
type rigBalancer struct {
	r     *rig
	delay time.Duration

	mu      sync.Mutex
	serial  int
	targets map[alb.TargetKey]alb.TargetHealth // replaced, never changed
	rules   map[string]map[string]int
	byHand  map[string]bool // rules that somebody has changed
	watches map[chan struct{}]bool
}

func newRigBalancer(r *rig, delay time.Duration) *rigBalancer {
	return &rigBalancer{r: r, delay: delay, targets: map[alb.TargetKey]alb.TargetHealth{}, rules: map[string]map[string]int{}, byHand: map[string]bool{}, watches: map[chan struct{}]bool{}}
}

// How long it takes until a registered target is found healthy or unhealthy, and until a change of
// its application is noticed.
const (
	foundHealthy   = 1100 * time.Millisecond
	foundUnhealthy = 9 * time.Second
	noticed        = 2200 * time.Millisecond
)

func (b *rigBalancer) snapshot() map[alb.TargetKey]alb.TargetHealth {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.targets
}

func (b *rigBalancer) register(group string, targets []alb.Target) {
	for _, t := range targets {
		b.r.checkRegister(t)
		k := alb.TargetKey{TargetGroup: group, ID: t.ID, Port: t.Port}
		b.mu.Lock()
		now, ok := b.targets[k]
		if ok && now.Target.Task == t.Task && now.State != alb.Draining {
			b.mu.Unlock()
			continue
		}
		b.serial++
		h := alb.TargetHealth{Target: t, Registration: strconv.Itoa(b.serial), State: alb.Initial, Since: time.Now()}
		b.put(k, h)
		b.mu.Unlock()
		time.AfterFunc(foundHealthy, func() { b.check(k, h.Registration, false) })
		time.AfterFunc(foundUnhealthy, func() { b.check(k, h.Registration, true) })
	}
	b.poke()
}

// check looks at what is behind a target. One that does not answer yet is given time.
func (b *rigBalancer) check(k alb.TargetKey, registration string, sure bool) {
	b.mu.Lock()
	h, ok := b.targets[k]
	b.mu.Unlock()
	if !ok || h.Registration != registration {
		return
	}
	to := alb.Healthy
	if !b.r.answers(h.Target.Task) {
		if to = alb.Unhealthy; !sure {
			return
		}
	}
	b.mu.Lock()
	h, ok = b.targets[k]
	if !ok || h.Registration != registration || h.State == alb.Draining || h.State == to {
		b.mu.Unlock()
		return
	}
	h.State, h.Since, h.Description = to, time.Now(), "Health checks failed"
	b.put(k, h)
	b.mu.Unlock()
	b.poke()
}

// look checks the targets of a task whose application has changed.
func (b *rigBalancer) look(task string) {
	for k, h := range b.snapshot() {
		if h.Target.Task == task {
			time.AfterFunc(noticed, func() { b.check(k, h.Registration, true) })
			time.AfterFunc(foundUnhealthy, func() { b.check(k, h.Registration, true) })
		}
	}
}

func (b *rigBalancer) deregister(group string, targets []alb.Target) {
	for _, t := range targets {
		k := alb.TargetKey{TargetGroup: group, ID: t.ID, Port: t.Port}
		b.mu.Lock()
		h, ok := b.targets[k]
		if !ok || h.State == alb.Draining || t.Task != "" && t.Task != h.Target.Task {
			b.mu.Unlock()
			continue
		}
		h.State, h.Since = alb.Draining, time.Now()
		b.put(k, h)
		b.mu.Unlock()
		time.AfterFunc(b.delay, func() { b.remove(k, h.Registration) })
	}
	b.poke()
}

func (b *rigBalancer) remove(k alb.TargetKey, registration string) {
	b.mu.Lock()
	if b.targets[k].Registration == registration {
		b.targets = maps.Clone(b.targets)
		delete(b.targets, k)
	}
	b.mu.Unlock()
	b.poke()
}

// put sets a target's health. b.mu is held.
func (b *rigBalancer) put(k alb.TargetKey, h alb.TargetHealth) {
	b.targets = maps.Clone(b.targets)
	b.targets[k] = h
}

// addRules makes a production and a test rule that forward to two target groups.
func (b *rigBalancer) addRules(prod, test, group, other string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, rule := range []string{prod, test} {
		if b.rules[rule] == nil {
			b.rules[rule] = map[string]int{group: 1, other: 0}
		}
	}
}

func (b *rigBalancer) ForwardWeights(rule string) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rules[rule]
}

func (b *rigBalancer) setWeights(rule string, weights map[string]int) error {
	b.mu.Lock()
	have := b.rules[rule]
	if have == nil {
		b.mu.Unlock()
		return errors.New("no such rule")
	}
	with := maps.Clone(have)
	maps.Copy(with, weights)
	b.rules[rule] = with
	b.mu.Unlock()
	b.poke()
	return nil
}

// changeByHand sets weights as somebody else than the scheduler does.
func (b *rigBalancer) changeByHand(rule string, weights map[string]int) {
	b.mu.Lock()
	b.byHand[rule] = true
	b.mu.Unlock()
	b.setWeights(rule, weights)
}

func (b *rigBalancer) changedByHand(rule string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byHand[rule]
}

// carries reports whether production traffic reaches a target group: it does unless rules say otherwise.
func (b *rigBalancer) carries(group string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for rule, weights := range b.rules {
		if weight, ok := weights[group]; ok && strings.HasSuffix(rule, "/prod") && weight == 0 {
			return false
		}
	}
	return true
}

// astray returns a target group that production traffic goes to, and where the service has no task
// while it has some elsewhere; empty if there is none.
func (b *rigBalancer) astray(s rigService, row *orchestrator.Service, snapshot orchestrator.Snapshot) string {
	has := map[string]bool{}
	for _, t := range snapshot.Tasks {
		for _, k := range t.TargetKeys() {
			has[k.TargetGroup] = has[k.TargetGroup] || t.Service == row.ARN && t.Desired == orchestrator.Running
		}
	}
	for group, weight := range b.ForwardWeights(ruleOf(s, "prod")) {
		if weight > 0 && !has[group] && row.DesiredCount > 0 {
			return group
		}
	}
	return ""
}

// checkWeights: production traffic, most of which is answered, is not given to where nobody answers;
// unless green goes back to blue, whatever has become of it.
func (l *rigLife) checkWeights(rule string, weights map[string]int) {
	have := l.balancer.ForwardWeights(rule)
	if !strings.HasSuffix(rule, "/prod") || l.balancer.changedByHand(rule) || l.answered(have) < 0.5 {
		return
	}
	with := maps.Clone(have)
	maps.Copy(with, weights)
	if l.answered(with) > 0 {
		return
	}
	for _, s := range l.rows.all() {
		if d := s.Primary(); d != nil && d.Shift != nil && d.Shift.Failed == "" && s.DesiredCount > 0 && strings.Contains(rule, "/"+s.Name+"/") {
			l.broken("the traffic of %s, %v, is made %v, where nobody answers: %+v", s.Name, have, with, d.Shift)
		}
	}
}

// answered returns the share of the requests that weights send to where a target is healthy.
func (l *rigLife) answered(weights map[string]int) float64 {
	healthy := map[string]bool{}
	for k, h := range l.balancer.snapshot() {
		healthy[k.TargetGroup] = healthy[k.TargetGroup] || h.State == alb.Healthy
	}
	all, answered := 0, 0
	for group, weight := range weights {
		if all += weight; healthy[group] {
			answered += weight
		}
	}
	return float64(answered) / float64(max(all, 1))
}

func (b *rigBalancer) DescribeTargetGroups(_ context.Context, _ string, arns, _ []string) ([]alb.TargetGroup, error) {
	return []alb.TargetGroup{{ARN: arns[0], TargetType: "ip", LoadBalancerARNs: []string{"lb"}}}, nil
}

func (b *rigBalancer) DescribeRules(_ context.Context, _ string, arns []string) ([]alb.Rule, error) {
	return []alb.Rule{{ARN: arns[0], ListenerARN: "listener"}}, nil
}

func (b *rigBalancer) DescribeListeners(_ context.Context, _ string, arns []string) ([]alb.Listener, error) {
	return []alb.Listener{{ARN: arns[0], LoadBalancerARN: "lb"}}, nil
}

func (b *rigBalancer) watch(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	b.watches[c] = true
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watches, c)
	})
	return c
}

// poke tells who watches that something has changed: late or not at all while events are in trouble.
func (b *rigBalancer) poke() {
	switch b.r.trouble("events") {
	case refuses:
		return
	case slow:
		time.AfterFunc(1700*time.Millisecond, b.pokeNow)
		return
	}
	b.pokeNow()
}

func (b *rigBalancer) pokeNow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.watches {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
