package elbv2

import (
	"context"

	"drydock/alb"
	"drydock/awsapi"
)

func (a api) createRule(ctx context.Context, in *CreateRuleInput) (*CreateRuleOutput, error) {
	if err := checkTransforms(in.Transforms); err != nil {
		return nil, err
	}
	actions, err := actionsOf(in.Actions)
	if err != nil {
		return nil, err
	}
	r, err := a.balancer.CreateRule(ctx, alb.CreateRuleInput{
		ListenerARN: *in.ListenerArn, Priority: number(in.Priority), Conditions: awsapi.List(in.Conditions, conditionOf),
		Actions: actions, Transforms: awsapi.List(in.Transforms, transformOf), Tags: tags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &CreateRuleOutput{Rules: []Rule{ruleShape(r)}}, nil
}

func ruleShape(r alb.Rule) Rule {
	return Rule{
		RuleArn: &r.ARN, Priority: &r.Priority, IsDefault: &r.IsDefault,
		Conditions: awsapi.List(r.Conditions, conditionShape), Actions: awsapi.List(r.Actions, actionShape),
		Transforms: awsapi.List(r.Transforms, transformShape),
	}
}

func (a api) describeRules(ctx context.Context, in *DescribeRulesInput) (*DescribeRulesOutput, error) {
	found, err := a.balancer.DescribeRules(ctx, awsapi.Value(in.ListenerArn), in.RuleArns)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeRulesOutput{Rules: awsapi.List(part, ruleShape), NextMarker: next}, nil
}

// modifyRule leaves what was not sent as it is; an empty list was sent.
func (a api) modifyRule(ctx context.Context, in *ModifyRuleInput) (*ModifyRuleOutput, error) {
	if err := checkTransforms(in.Transforms); err != nil {
		return nil, err
	}
	change := alb.ModifyRuleInput{RuleARN: *in.RuleArn, ResetTransforms: awsapi.Value(in.ResetTransforms)}
	if in.Conditions != nil {
		change.Conditions = awsapi.List(in.Conditions, conditionOf)
	}
	if in.Actions != nil {
		var err error
		if change.Actions, err = actionsOf(in.Actions); err != nil {
			return nil, err
		}
	}
	if in.Transforms != nil {
		change.Transforms = awsapi.List(in.Transforms, transformOf)
	}
	r, err := a.balancer.ModifyRule(ctx, change)
	if err != nil {
		return nil, err
	}
	return &ModifyRuleOutput{Rules: []Rule{ruleShape(r)}}, nil
}

func (a api) deleteRule(ctx context.Context, in *DeleteRuleInput) (*DeleteRuleOutput, error) {
	return nil, a.balancer.DeleteRule(ctx, *in.RuleArn)
}

func (a api) setRulePriorities(ctx context.Context, in *SetRulePrioritiesInput) (*SetRulePrioritiesOutput, error) {
	rules, err := a.balancer.SetRulePriorities(ctx, awsapi.List(in.RulePriorities, func(p RulePriorityPair) alb.RulePriority {
		return alb.RulePriority{RuleARN: awsapi.Value(p.RuleArn), Priority: number(p.Priority)}
	}))
	if err != nil {
		return nil, err
	}
	return &SetRulePrioritiesOutput{Rules: awsapi.List(rules, ruleShape)}, nil
}
