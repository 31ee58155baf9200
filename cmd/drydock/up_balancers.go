package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/awsapi/elbv2"
)

func (u *up) applyLoadBalancers(ctx context.Context) error {
	for _, b := range u.stack.loadBalancers {
		if err := u.loadBalancer(ctx, b); err != nil {
			return fmt.Errorf("load balancer %s: %w", b.name(), err)
		}
		if err := u.listeners(ctx, b); err != nil {
			return fmt.Errorf("load balancer %s: %w", b.name(), err)
		}
	}
	return nil
}

func (u *up) loadBalancer(ctx context.Context, b stackLoadBalancer) error {
	input := cloneShape(b.input)
	if err := expand(&input, u.resolve); err != nil {
		return err
	}
	found, err := u.describeLoadBalancer(ctx, b.name())
	if err != nil {
		return err
	}
	created, changes := found == nil, ""
	if created {
		if _, err := call[elbv2.CreateLoadBalancerOutput](ctx, u.api, "elbv2", "CreateLoadBalancer", &input); err != nil {
			return err
		}
		u.did("created", "load balancer", b.name(), "")
		if found, err = u.awaitActive(ctx, b.name()); err != nil {
			return err
		}
	} else if changes, err = u.modifyLoadBalancer(ctx, found, input); err != nil {
		return err
	}
	u.loadBalancers[b.name()] = *found
	attributes, err := u.loadBalancerAttributes(ctx, b)
	switch changes += attributes; {
	case err != nil || created:
		return err
	case changes != "":
		u.did("modified", "load balancer", b.name(), changes)
	default:
		u.kept("load balancer", b.name())
	}
	return nil
}

// describeLoadBalancer returns nil if there is none of that name.
func (u *up) describeLoadBalancer(ctx context.Context, name string) (*elbv2.LoadBalancer, error) {
	found, err := call[elbv2.DescribeLoadBalancersOutput](ctx, u.api, "elbv2", "DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{Names: []string{name}})
	if refusedWith(err, "LoadBalancerNotFound") {
		return nil, nil
	}
	if err != nil || len(found.LoadBalancers) == 0 {
		return nil, err
	}
	return &found.LoadBalancers[0], nil
}

// awaitActive waits until a new load balancer takes traffic.
func (u *up) awaitActive(ctx context.Context, name string) (*elbv2.LoadBalancer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("it did not become active within a minute: see `drydock events`"))
	defer cancel()
	for {
		found, err := u.describeLoadBalancer(ctx, name)
		if err != nil {
			return nil, err
		}
		if found != nil && (found.State == nil || deref(found.State.Code) == "active") {
			return found, nil
		}
		if found != nil && deref(found.State.Code) == "failed" {
			return nil, fmt.Errorf("it failed: %s", deref(found.State.Reason))
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (u *up) modifyLoadBalancer(ctx context.Context, have *elbv2.LoadBalancer, want elbv2.CreateLoadBalancerInput) (string, error) {
	if !covers(*have, elbv2.CreateLoadBalancerInput{Scheme: want.Scheme, Type: want.Type}) {
		return "", fmt.Errorf("its scheme or type differs and cannot be changed: give it another name, or take the stack down first with `drydock down %s`", u.stack.file)
	}
	if want.SecurityGroups == nil || sameSet(have.SecurityGroups, want.SecurityGroups) {
		return "", nil
	}
	in := &elbv2.SetSecurityGroupsInput{LoadBalancerArn: have.LoadBalancerArn, SecurityGroups: want.SecurityGroups}
	_, err := call[elbv2.SetSecurityGroupsOutput](ctx, u.api, "elbv2", "SetSecurityGroups", in)
	return "security groups ", err
}

func (u *up) loadBalancerAttributes(ctx context.Context, b stackLoadBalancer) (string, error) {
	if len(b.attributes) == 0 {
		return "", nil
	}
	arn := u.loadBalancers[b.name()].LoadBalancerArn
	found, err := call[elbv2.DescribeLoadBalancerAttributesOutput](ctx, u.api, "elbv2", "DescribeLoadBalancerAttributes", &elbv2.DescribeLoadBalancerAttributesInput{LoadBalancerArn: arn})
	if err != nil {
		return "", err
	}
	have := map[string]string{}
	for _, a := range found.Attributes {
		have[deref(a.Key)] = deref(a.Value)
	}
	modify := elbv2.ModifyLoadBalancerAttributesInput{LoadBalancerArn: arn}
	differing := differingAttributes(b.attributes, have)
	for _, a := range differing {
		modify.Attributes = append(modify.Attributes, elbv2.LoadBalancerAttribute{Key: &a.key, Value: &a.value})
	}
	if len(differing) == 0 {
		return "", nil
	}
	_, err = call[elbv2.ModifyLoadBalancerAttributesOutput](ctx, u.api, "elbv2", "ModifyLoadBalancerAttributes", &modify)
	return listAttributes(differing), err
}

// listeners makes a load balancer's listeners those of the stack, by port.
func (u *up) listeners(ctx context.Context, b stackLoadBalancer) error {
	arn := u.loadBalancers[b.name()].LoadBalancerArn
	found, err := call[elbv2.DescribeListenersOutput](ctx, u.api, "elbv2", "DescribeListeners", &elbv2.DescribeListenersInput{LoadBalancerArn: arn})
	if err != nil {
		return err
	}
	have := map[int64]elbv2.Listener{}
	for _, l := range found.Listeners {
		have[deref(l.Port)] = l
	}
	for _, l := range b.listeners {
		port := deref(l.input.Port)
		existing, ok := have[port]
		delete(have, port)
		if err := u.listener(ctx, b, l, existing, ok); err != nil {
			return fmt.Errorf("listener %d: %w", port, err)
		}
	}
	for port, l := range have {
		if _, err := call[elbv2.DeleteListenerOutput](ctx, u.api, "elbv2", "DeleteListener", &elbv2.DeleteListenerInput{ListenerArn: l.ListenerArn}); err != nil {
			return fmt.Errorf("delete listener %d: %w", port, err)
		}
		u.did("deleted", "listener", fmt.Sprintf("%s:%d", b.name(), port), "not in the stack")
	}
	return nil
}

func (u *up) listener(ctx context.Context, b stackLoadBalancer, l stackListener, have elbv2.Listener, exists bool) error {
	input := cloneShape(l.input)
	input.LoadBalancerArn = u.loadBalancers[b.name()].LoadBalancerArn
	if err := expand(&input, u.resolve); err != nil {
		return err
	}
	name := fmt.Sprintf("%s:%d", b.name(), deref(input.Port))
	if exists {
		u.keepWeights(input.DefaultActions, have.DefaultActions)
	}
	certificates, err := u.certificates(ctx, l.certificates)
	if err != nil {
		return err
	}
	if len(certificates) > 0 {
		input.Certificates = withCertificate(certificates[0])
	}
	changed := true
	switch {
	case !exists:
		out, err := call[elbv2.CreateListenerOutput](ctx, u.api, "elbv2", "CreateListener", &input)
		if err != nil {
			return err
		}
		if len(out.Listeners) == 0 {
			return fmt.Errorf("the daemon answered no listener")
		}
		have = out.Listeners[0]
		u.did("created", "listener", name, deref(input.Protocol))
	case !covers(have, input):
		var modify elbv2.ModifyListenerInput
		copyMembers(input, &modify)
		modify.ListenerArn = have.ListenerArn
		if _, err := call[elbv2.ModifyListenerOutput](ctx, u.api, "elbv2", "ModifyListener", &modify); err != nil {
			return err
		}
		u.did("modified", "listener", name, "")
	default:
		changed = false
	}
	attributes, err := u.listenerAttributes(ctx, have.ListenerArn, l.attributes)
	switch {
	case err != nil:
		return err
	case !changed && attributes == "":
		u.kept("listener", name)
	case !changed:
		u.did("modified", "listener", name, attributes)
	}
	if len(certificates) > 0 {
		if err := u.listenerCertificates(ctx, name, have.ListenerArn, certificates[1:]); err != nil {
			return err
		}
	}
	if err := u.rules(ctx, name, have.ListenerArn, l.rules); err != nil {
		return err
	}
	return u.learnRules(ctx, name, have.ListenerArn)
}

// rules makes a listener's rules those of the stack, by priority.
func (u *up) rules(ctx context.Context, listener string, arn *string, wanted []stackRule) error {
	all := int64(400)
	found, err := call[elbv2.DescribeRulesOutput](ctx, u.api, "elbv2", "DescribeRules", &elbv2.DescribeRulesInput{ListenerArn: arn, PageSize: &all})
	if err != nil {
		return err
	}
	have := map[string]elbv2.Rule{}
	for _, r := range found.Rules {
		if !deref(r.IsDefault) && deref(r.Priority) != "default" {
			have[deref(r.Priority)] = r
		}
	}
	for _, r := range wanted {
		priority := fmt.Sprint(deref(r.input.Priority))
		existing, ok := have[priority]
		delete(have, priority)
		if err := u.rule(ctx, listener, arn, r, existing, ok); err != nil {
			return fmt.Errorf("rule %s: %w", priority, err)
		}
	}
	for _, priority := range slices.Sorted(slices.Values(keys(have))) {
		if _, err := call[elbv2.DeleteRuleOutput](ctx, u.api, "elbv2", "DeleteRule", &elbv2.DeleteRuleInput{RuleArn: have[priority].RuleArn}); err != nil {
			return fmt.Errorf("delete rule %s: %w", priority, err)
		}
		u.did("deleted", "rule", listener+" "+priority, "not in the stack")
	}
	return nil
}

func (u *up) rule(ctx context.Context, listener string, arn *string, r stackRule, have elbv2.Rule, exists bool) error {
	input := cloneShape(r.input)
	input.ListenerArn = arn
	if err := expand(&input, u.resolve); err != nil {
		return err
	}
	name := fmt.Sprintf("%s %d", listener, deref(input.Priority))
	if !exists {
		if _, err := call[elbv2.CreateRuleOutput](ctx, u.api, "elbv2", "CreateRule", &input); err != nil {
			return err
		}
		u.did("created", "rule", name, matchWords(input.Conditions))
		return nil
	}
	u.keepWeights(input.Actions, have.Actions)
	want := elbv2.Rule{Conditions: explicit(input.Conditions), Actions: input.Actions, Transforms: input.Transforms}
	have.Conditions = explicit(have.Conditions)
	reset := len(input.Transforms) == 0 && len(have.Transforms) > 0
	if covers(have, want) && !reset {
		u.kept("rule", name)
		return nil
	}
	modify := &elbv2.ModifyRuleInput{RuleArn: have.RuleArn, Conditions: input.Conditions, Actions: input.Actions, Transforms: input.Transforms}
	if reset {
		modify.ResetTransforms = &reset
	}
	if _, err := call[elbv2.ModifyRuleOutput](ctx, u.api, "elbv2", "ModifyRule", modify); err != nil {
		return err
	}
	u.did("modified", "rule", name, matchWords(input.Conditions))
	return nil
}

// explicit writes conditions in the long form: Values of a path or host condition mean
// the same as its config.
func explicit(conditions []elbv2.RuleCondition) []elbv2.RuleCondition {
	out := slices.Clone(conditions)
	for i, c := range out {
		switch {
		case len(c.Values)+len(c.RegexValues) == 0:
		case deref(c.Field) == "path-pattern" && c.PathPatternConfig == nil:
			out[i].PathPatternConfig = &elbv2.PathPatternConditionConfig{Values: c.Values, RegexValues: c.RegexValues}
		case deref(c.Field) == "host-header" && c.HostHeaderConfig == nil:
			out[i].HostHeaderConfig = &elbv2.HostHeaderConditionConfig{Values: c.Values, RegexValues: c.RegexValues}
		}
		out[i].Values, out[i].RegexValues = nil, nil
	}
	return out
}

func matchWords(conditions []elbv2.RuleCondition) string {
	var words []string
	for _, c := range explicit(conditions) {
		values := []string{}
		if c.PathPatternConfig != nil {
			values = append(slices.Clone(c.PathPatternConfig.Values), c.PathPatternConfig.RegexValues...)
		} else if c.HostHeaderConfig != nil {
			values = append(slices.Clone(c.HostHeaderConfig.Values), c.HostHeaderConfig.RegexValues...)
		}
		words = append(words, strings.TrimSpace(deref(c.Field)+" "+strings.Join(values, " ")))
	}
	return strings.Join(words, ", ")
}

// pause waits a moment, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
