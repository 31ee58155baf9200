package alb

import (
	"maps"
	"strings"
	"testing"

	"drydock/timeline"
)

// TestWeights_AreRewrittenAtOnce: the weights of a rule and of a listener's default actions
// change in one snapshot, keep stickiness and other groups, and an equal setting changes nothing.
func TestWeights_AreRewrittenAtOnce(t *testing.T) {
	w := newWorld(t, Config{})
	blue, green, other := w.targetGroup("blue"), w.targetGroup("green"), w.targetGroup("other")
	on := TargetGroupStickiness{Enabled: true, DurationSeconds: 60}
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(blue.ARN))
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/"), Actions: weighted(on, other, blue)}))
	all := must(w.DescribeRules(t.Context(), l.ARN, nil))
	last := all[len(all)-1]
	for _, c := range []struct {
		rule string
		want map[string]int
	}{
		{rule.ARN, map[string]int{blue.ARN: 95, green.ARN: 5, other.ARN: 0}},
		{last.ARN, map[string]int{blue.ARN: 95, green.ARN: 5}},
	} {
		before, events := w.node.last().Version, len(w.store.Told(timeline.Config))
		for range 2 {
			if err := w.SetForwardWeights(t.Context(), c.rule, map[string]int{blue.ARN: 95, green.ARN: 5}); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.ForwardWeights(c.rule); !maps.Equal(got, c.want) {
			t.Errorf("weights %v, want %v", got, c.want)
		}
		if after := w.node.last().Version; after != before+1 {
			t.Errorf("snapshot %d after %d: one change for two equal calls", after, before)
		}
		told := w.store.Told(timeline.Config)[events:]
		if len(told) != 1 || !strings.Contains(told[0].Message, "blue 95, green 5") {
			t.Errorf("events %v", told)
		}
	}
	if got := must(w.DescribeRules(t.Context(), "", []string{rule.ARN}))[0].Actions[0].ForwardConfig.Stickiness; got != on {
		t.Errorf("stickiness %+v", got)
	}
	shown := must(w.DescribeListeners(t.Context(), "", []string{l.ARN}))[0].DefaultActions[0]
	if shown.TargetGroupARN != "" || len(shown.ForwardConfig.TargetGroups) != 2 {
		t.Errorf("default action %+v", shown)
	}
}

// TestWeights_AreThoseInForce: a shift of traffic counts as done once the node decides by it, and
// whoever waits for it is told then.
func TestWeights_AreThoseInForce(t *testing.T) {
	w := newWorld(t, Config{})
	blue, green := w.targetGroup("blue"), w.targetGroup("green")
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(blue.ARN))
	rule := must(w.DescribeRules(t.Context(), l.ARN, nil))[0]
	had, want := w.ForwardWeights(rule.ARN), map[string]int{blue.ARN: 0, green.ARN: 100}
	changes, asked := w.Changes(t.Context()), false
	w.node.before = func() {
		asked = true
		if got := w.ForwardWeights(rule.ARN); !maps.Equal(got, had) {
			t.Errorf("%v before the node has them", got)
		}
		<-changes // of the commit
	}
	if err := w.SetForwardWeights(t.Context(), rule.ARN, want); err != nil {
		t.Fatal(err)
	}
	if got := w.ForwardWeights(rule.ARN); !asked || !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	select {
	case <-changes:
	default:
		t.Error("nobody is told")
	}
}

// TestWeights_Refusals: a rule that is gone or does not forward, and a weight out of range.
func TestWeights_Refusals(t *testing.T) {
	w := newWorld(t, Config{})
	blue := w.targetGroup("blue")
	l := w.listener(w.loadBalancer("shop").ARN, 80, fixed404)
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/"), Actions: forwardTo(blue.ARN)}))
	last := must(w.DescribeRules(t.Context(), l.ARN, nil))[1]
	for _, c := range []struct {
		rule, code string
		weight     int
	}{
		{last.ARN, "InvalidLoadBalancerAction", 1},
		{rule.ARN, "ValidationError", 1000},
		{strings.Replace(rule.ARN, "/app/", "/app/x", 1), "RuleNotFound", 1},
	} {
		if err := w.SetForwardWeights(t.Context(), c.rule, map[string]int{blue.ARN: c.weight}); !IsCode(err, c.code) {
			t.Errorf("%s: %v, want %s", c.rule, err, c.code)
		}
	}
	if got := w.ForwardWeights(last.ARN); got != nil {
		t.Errorf("weights of a fixed response: %v", got)
	}
}
