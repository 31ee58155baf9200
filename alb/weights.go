package alb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"drydock/timeline"
)

// ForwardWeights returns the weights with which a rule, default or not, shares requests among
// target groups now, by target group ARN: what the node decides the next request by, not what it is
// about to be told. It is nil if there is no such rule, or it does not forward.
func (b *Balancer) ForwardWeights(rule string) map[string]int {
	r := b.view.Load().inForce.rows[rule]
	if r == nil {
		return nil
	}
	return weightsOf(r.Actions)
}

func weightsOf(actions []Action) map[string]int {
	for _, a := range actions {
		if a.ForwardConfig == nil {
			continue
		}
		weights := make(map[string]int, len(a.ForwardConfig.TargetGroups))
		for _, tuple := range a.ForwardConfig.TargetGroups {
			weights[tuple.TargetGroupARN] = 1
			if tuple.Weight != nil {
				weights[tuple.TargetGroupARN] = *tuple.Weight
			}
		}
		return weights
	}
	return nil
}

// SetForwardWeights changes the weights with which a rule forwards, all at once, from the next
// request on. Target groups that the rule has already keep their weight unless they are named; new
// ones are added. A default rule's weights are those of its listener's default actions. Weights that
// the rule has already change nothing.
func (b *Balancer) SetForwardWeights(ctx context.Context, rule string, weights map[string]int) error {
	return b.update(ctx, func(x *tx) error { return x.setForwardWeights(rule, weights) })
}

func (x *tx) setForwardWeights(arn string, weights map[string]int) error {
	rule, err := x.rule(arn)
	if err != nil {
		return err
	}
	have := weightsOf(rule.Actions)
	if have == nil {
		return refuse("InvalidLoadBalancerAction", "Rule '%s' does not forward to target groups", arn)
	}
	want := maps.Clone(have)
	maps.Copy(want, weights)
	if maps.Equal(have, want) {
		return nil
	}
	l := x.listeners.rows[rule.ListenerARN]
	actions, err := x.resolveActions(l.scope(), reweighted(rule.Actions, want))
	if err != nil {
		return err
	}
	x.putActions(rule, l, actions)
	x.settle(x.event(timeline.Config, arn, fmt.Sprintf("rule %s of the listener on port %d forwards to %s, before to %s",
		rule.Priority, l.Port, x.weightWords(want), x.weightWords(have)), nil))
	return nil
}

// reweighted returns actions whose forward has these weights: the groups that it has in their
// order, then the others by ARN.
func reweighted(actions []Action, weights map[string]int) []Action {
	actions = slices.Clone(actions)
	for i, a := range actions {
		if a.ForwardConfig == nil {
			continue
		}
		config := ForwardConfig{Stickiness: a.ForwardConfig.Stickiness}
		left := maps.Clone(weights)
		for _, tuple := range a.ForwardConfig.TargetGroups {
			config.TargetGroups = append(config.TargetGroups, TargetGroupTuple{tuple.TargetGroupARN, new(weights[tuple.TargetGroupARN])})
			delete(left, tuple.TargetGroupARN)
		}
		for _, group := range slices.Sorted(maps.Keys(left)) {
			config.TargetGroups = append(config.TargetGroups, TargetGroupTuple{group, new(left[group])})
		}
		actions[i].ForwardConfig, actions[i].TargetGroupARN = &config, ""
	}
	return actions
}

// putActions stores a rule's actions; a default rule's are its listener's too.
func (x *tx) putActions(rule *Rule, l *Listener, actions []Action) {
	if rule.IsDefault {
		next := *l
		next.DefaultActions = actions
		x.putListener(next)
		return
	}
	next := *rule
	next.Actions = actions
	x.rules.put(x, rule.ARN, &next)
}

// weightWords writes weights for people: "blue 90, green 10".
func (x *tx) weightWords(weights map[string]int) string {
	var words []string
	for group, weight := range weights {
		name := group
		if tg := x.targetGroups.rows[group]; tg != nil {
			name = tg.Name
		}
		words = append(words, fmt.Sprintf("%s %d", name, weight))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
