package alb

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"drydock/timeline"
)

// Rule is a rule of a listener.
type Rule struct {
	ARN, ListenerARN string
	Priority         string // "default", or 1 to 50000
	Conditions       []Condition
	Actions          []Action
	Transforms       []Transform `json:",omitempty"`
	IsDefault        bool
	Tags             []Tag
}

const defaultPriority = "default"

// rank orders rules for evaluation, the default rule last.
func (r *Rule) rank() int {
	if r.IsDefault {
		return math.MaxInt
	}
	n, _ := strconv.Atoi(r.Priority)
	return n
}

// CreateRuleInput holds what CreateRule takes.
type CreateRuleInput struct {
	ListenerARN string
	Priority    int
	Conditions  []Condition
	Actions     []Action
	Transforms  []Transform
	Tags        []Tag
}

// CreateRule creates a rule.
func (b *Balancer) CreateRule(ctx context.Context, in CreateRuleInput) (Rule, error) {
	if err := checkPriority(in.Priority); err != nil {
		return Rule{}, err
	}
	if err := checkTags(in.Tags); err != nil {
		return Rule{}, err
	}
	if err := checkTransforms(in.Transforms); err != nil {
		return Rule{}, err
	}
	var rule Rule
	err := b.update(ctx, func(x *tx) (err error) {
		rule, err = x.createRule(in)
		return err
	})
	return rule, err
}

func checkPriority(priority int) error {
	switch {
	case priority < 1:
		return constraint(priority, "priority", "have value greater than or equal to 1")
	case priority > 50000:
		return constraint(priority, "priority", "have value less than or equal to 50000")
	}
	return nil
}

func (x *tx) createRule(in CreateRuleInput) (Rule, error) {
	l, err := x.listener(in.ListenerARN)
	if err != nil {
		return Rule{}, err
	}
	conditions, err := resolveConditions(in.Conditions)
	if err != nil {
		return Rule{}, err
	}
	actions, err := x.resolveActions(l.scope(), in.Actions)
	if err != nil {
		return Rule{}, err
	}
	if x.ruleAt(l.ARN, in.Priority) != nil {
		return Rule{}, priorityInUse(in.Priority)
	}
	if x.countRules(l.LoadBalancerARN) >= maxRules {
		return Rule{}, refuse("TooManyRules", "The maximum number of rules has been reached on load balancer '%s'", l.LoadBalancerARN)
	}
	rule := Rule{
		ARN: x.b.ruleARN(l.ARN), ListenerARN: l.ARN, Priority: strconv.Itoa(in.Priority),
		Conditions: conditions, Actions: actions, Transforms: in.Transforms, Tags: in.Tags,
	}
	x.rules.put(x, rule.ARN, &rule)
	cause := x.event(timeline.Config, rule.ARN, fmt.Sprintf("created rule %d of the listener on port %d", in.Priority, l.Port), nil)
	x.warnConditions(rule.ARN, conditions)
	x.settle(cause)
	return rule, nil
}

func priorityInUse(priority int) error {
	return refuse("PriorityInUse", "Priority '%d' is currently in use", priority)
}

func (s state) ruleAt(listener string, priority int) *Rule {
	for _, r := range s.rules.rows {
		if r.ListenerARN == listener && r.Priority == strconv.Itoa(priority) {
			return r
		}
	}
	return nil
}

func (s state) countRules(lb string) int {
	n := 0
	for _, r := range s.rules.rows {
		if !r.IsDefault && s.listeners.rows[r.ListenerARN].LoadBalancerARN == lb {
			n++
		}
	}
	return n
}

// ModifyRuleInput holds what ModifyRule takes. Nil leaves a setting as it is.
type ModifyRuleInput struct {
	RuleARN         string
	Conditions      []Condition
	Actions         []Action
	Transforms      []Transform
	ResetTransforms bool // remove all transforms
}

// ModifyRule changes a rule. The default rule's actions change with ModifyListener.
func (b *Balancer) ModifyRule(ctx context.Context, in ModifyRuleInput) (Rule, error) {
	if in.ResetTransforms && len(in.Transforms) > 0 {
		return Rule{}, invalid("You cannot specify both 'Transforms' and 'ResetTransforms'")
	}
	if err := checkTransforms(in.Transforms); err != nil {
		return Rule{}, err
	}
	var rule Rule
	err := b.update(ctx, func(x *tx) (err error) {
		rule, err = x.modifyRule(in)
		return err
	})
	return rule, err
}

func (x *tx) modifyRule(in ModifyRuleInput) (Rule, error) {
	old, err := x.changeable(in.RuleARN, "modified")
	if err != nil {
		return Rule{}, err
	}
	rule := *old
	l := x.listeners.rows[rule.ListenerARN]
	if in.Conditions != nil {
		if rule.Conditions, err = resolveConditions(in.Conditions); err != nil {
			return Rule{}, err
		}
		x.warnConditions(rule.ARN, rule.Conditions)
	}
	if in.Actions != nil {
		if rule.Actions, err = x.resolveActions(l.scope(), in.Actions); err != nil {
			return Rule{}, err
		}
	}
	if in.Transforms != nil || in.ResetTransforms {
		rule.Transforms = in.Transforms
	}
	x.rules.put(x, rule.ARN, &rule)
	x.settle(x.event(timeline.Config, rule.ARN, fmt.Sprintf("modified rule %s of the listener on port %d", rule.Priority, l.Port), nil))
	return rule, nil
}

// changeable returns a rule that is not a default rule.
func (x *tx) changeable(arn, verb string) (*Rule, error) {
	rule, err := x.rule(arn)
	if err != nil {
		return nil, err
	}
	if rule.IsDefault {
		return nil, refuse("OperationNotPermitted", "Default rule '%s' cannot be %s", arn, verb)
	}
	return rule, nil
}

func (s state) rule(arn string) (*Rule, error) {
	if err := checkARN("listener rule", arn); err != nil {
		return nil, err
	}
	if rule := s.rules.rows[arn]; rule != nil {
		return rule, nil
	}
	return nil, rulesNotFound()
}

// DescribeRules returns the rules of a listener, or those with these ARNs, in order of evaluation.
func (b *Balancer) DescribeRules(_ context.Context, listener string, arns []string) ([]Rule, error) {
	v := b.view.Load()
	if (listener == "") == (len(arns) == 0) {
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	}
	found := []Rule{}
	if listener != "" {
		if _, err := v.listener(listener); err != nil {
			return nil, err
		}
		for _, rule := range v.rulesOf(listener) {
			found = append(found, *rule)
		}
	}
	for _, arn := range arns {
		rule, err := v.rule(arn)
		if err != nil {
			return nil, err
		}
		found = append(found, *rule)
	}
	return found, nil
}

// DeleteRule deletes a rule.
func (b *Balancer) DeleteRule(ctx context.Context, arn string) error {
	return b.update(ctx, func(x *tx) error {
		rule, err := x.changeable(arn, "deleted")
		if err != nil {
			return err
		}
		x.rules.remove(x, arn)
		x.settle(x.event(timeline.Config, arn, "deleted rule "+rule.Priority, nil))
		return nil
	})
}

// RulePriority is a rule and the priority it shall get.
type RulePriority struct {
	RuleARN  string
	Priority int
}

// SetRulePriorities changes the priorities of rules, all at once.
func (b *Balancer) SetRulePriorities(ctx context.Context, priorities []RulePriority) ([]Rule, error) {
	var changed []Rule
	err := b.update(ctx, func(x *tx) error {
		for _, p := range priorities {
			rule, err := x.changeable(p.RuleARN, "given a priority")
			if err != nil {
				return err
			}
			if err := checkPriority(p.Priority); err != nil {
				return err
			}
			next := *rule
			next.Priority = strconv.Itoa(p.Priority)
			x.rules.put(x, p.RuleARN, &next)
			x.event(timeline.Config, p.RuleARN, "set priority "+next.Priority+", was "+rule.Priority, nil)
			changed = append(changed, next)
		}
		return x.checkPriorities(priorities)
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

func (x *tx) checkPriorities(priorities []RulePriority) error {
	for _, p := range priorities {
		same := func(r *Rule) bool { return r.rank() == p.Priority }
		if rules := x.rulesOf(x.rules.rows[p.RuleARN].ListenerARN); len(slices.DeleteFunc(rules, func(r *Rule) bool { return !same(r) })) > 1 {
			return priorityInUse(p.Priority)
		}
	}
	return nil
}
