package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// defaultShiftRole is the role of the short form of an advancedConfiguration: ECS asks for one,
// here nobody checks it.
const defaultShiftRole = "arn:aws:iam::123456789012:role/ecsInfrastructureRoleForLoadBalancers"

// shiftName reads the short form of a service's advancedConfiguration: alternateTargetGroup by
// its name, productionListener and testListener as BALANCER:PORT for the listener's default rule,
// or BALANCER:PORT:PRIORITY.
func shiftName(d *stackDecoder, into *ecs.LoadBalancer, key, value *yaml.Node, path string) bool {
	kind, rule := "listenerRule", value
	switch key.Value {
	case "alternateTargetGroup":
		kind = "targetGroup"
	case "productionListener", "testListener":
		if strings.Count(value.Value, ":") == 1 {
			whole := *value
			whole.Value += ":default"
			rule = &whole
		}
	default:
		return false
	}
	if into.AdvancedConfiguration == nil {
		role := defaultShiftRole
		into.AdvancedConfiguration = &ecs.AdvancedConfiguration{RoleArn: &role}
	}
	a, arn := into.AdvancedConfiguration, d.name(kind, rule, "arn", path)
	switch key.Value {
	case "alternateTargetGroup":
		a.AlternateTargetGroupArn = arn
	case "productionListener":
		a.ProductionListenerRule = arn
	default:
		a.TestListenerRule = arn
	}
	return true
}

// ruleNames returns how services may name the rules of a load balancer.
func (b stackLoadBalancer) ruleNames() []string {
	var names []string
	for _, l := range b.listeners {
		at := fmt.Sprintf("%s:%d:", b.name(), deref(l.input.Port))
		names = append(names, at+"default")
		for _, r := range l.rules {
			names = append(names, at+fmt.Sprint(deref(r.input.Priority)))
		}
	}
	return names
}

// learnRules notes the ARNs of a listener's rules, for services that name them.
func (u *up) learnRules(ctx context.Context, listener string, arn *string) error {
	all := int64(400)
	found, err := call[elbv2.DescribeRulesOutput](ctx, u.api, "elbv2", "DescribeRules", &elbv2.DescribeRulesInput{ListenerArn: arn, PageSize: &all})
	if err != nil {
		return err
	}
	for _, r := range found.Rules {
		u.rulesByName[listener+":"+deref(r.Priority)] = deref(r.RuleArn)
	}
	return nil
}

// keepWeights gives actions the weights that are in force, where a service's deployments rewrite
// them: the stack's are for the beginning only.
func (u *up) keepWeights(wanted, have []elbv2.Action) {
	for i := range wanted {
		if i >= len(have) || wanted[i].ForwardConfig == nil || have[i].ForwardConfig == nil || !u.shifts(wanted[i].ForwardConfig) {
			continue
		}
		for n, tuple := range wanted[i].ForwardConfig.TargetGroups {
			at := slices.IndexFunc(have[i].ForwardConfig.TargetGroups, func(t elbv2.TargetGroupTuple) bool {
				return deref(t.TargetGroupArn) == deref(tuple.TargetGroupArn)
			})
			if at >= 0 {
				wanted[i].ForwardConfig.TargetGroups[n].Weight = have[i].ForwardConfig.TargetGroups[at].Weight
			}
		}
	}
}

// shifts reports whether a service of the stack shifts traffic between target groups of an action.
func (u *up) shifts(config *elbv2.ForwardActionConfig) bool {
	has := func(arn string) bool {
		return slices.ContainsFunc(config.TargetGroups, func(t elbv2.TargetGroupTuple) bool { return deref(t.TargetGroupArn) == arn })
	}
	for _, s := range u.stack.services {
		for _, lb := range s.input.LoadBalancers {
			if lb.AdvancedConfiguration == nil {
				continue
			}
			primary, err := expandText(deref(lb.TargetGroupArn), u.resolve)
			alternate, err2 := expandText(deref(lb.AdvancedConfiguration.AlternateTargetGroupArn), u.resolve)
			if err == nil && err2 == nil && has(primary) && has(alternate) {
				return true
			}
		}
	}
	return false
}
