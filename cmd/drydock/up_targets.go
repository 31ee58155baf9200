package main

import (
	"context"
	"fmt"
	"strings"

	"drydock/awsapi/elbv2"
)

func (u *up) applyTargetGroups(ctx context.Context) error {
	for _, g := range u.stack.targetGroups {
		if err := u.targetGroup(ctx, g); err != nil {
			return fmt.Errorf("target group %s: %w", g.name(), err)
		}
	}
	return nil
}

func (u *up) targetGroup(ctx context.Context, g stackTargetGroup) error {
	input := cloneShape(g.input)
	if input.VpcId == nil {
		input.VpcId = &u.vpc
	}
	if err := expand(&input, u.resolve); err != nil {
		return err
	}
	found, err := call[elbv2.DescribeTargetGroupsOutput](ctx, u.api, "elbv2", "DescribeTargetGroups", &elbv2.DescribeTargetGroupsInput{Names: []string{g.name()}})
	created := refusedWith(err, "TargetGroupNotFound") || err == nil && len(found.TargetGroups) == 0
	var changed bool
	switch {
	case created:
		err = u.createTargetGroup(ctx, g.name(), &input)
	case err == nil:
		u.targetGroups[g.name()] = deref(found.TargetGroups[0].TargetGroupArn)
		changed, err = u.modifyTargetGroup(ctx, found.TargetGroups[0], input)
	}
	if err != nil {
		return err
	}
	attributes, err := u.targetGroupAttributes(ctx, g)
	switch {
	case err != nil || created:
		return err
	case changed || attributes != "":
		u.did("modified", "target group", g.name(), attributes)
	default:
		u.kept("target group", g.name())
	}
	return nil
}

func (u *up) createTargetGroup(ctx context.Context, name string, input *elbv2.CreateTargetGroupInput) error {
	out, err := call[elbv2.CreateTargetGroupOutput](ctx, u.api, "elbv2", "CreateTargetGroup", input)
	if err != nil {
		return err
	}
	if len(out.TargetGroups) == 0 {
		return fmt.Errorf("the daemon answered no target group")
	}
	u.targetGroups[name] = deref(out.TargetGroups[0].TargetGroupArn)
	u.did("created", "target group", name, "")
	return nil
}

// modifyTargetGroup changes what can be changed; for the rest it asks the user to replace
// the group.
func (u *up) modifyTargetGroup(ctx context.Context, have elbv2.TargetGroup, want elbv2.CreateTargetGroupInput) (bool, error) {
	fixed := elbv2.CreateTargetGroupInput{Protocol: want.Protocol, Port: want.Port, VpcId: want.VpcId, TargetType: want.TargetType, ProtocolVersion: want.ProtocolVersion}
	if !covers(have, fixed) {
		return false, fmt.Errorf("its protocol, port, VPC or target type differs and cannot be changed: give the group another name, or take the stack down first with `drydock down %s`", u.stack.file)
	}
	if covers(have, want) {
		return false, nil
	}
	var modify elbv2.ModifyTargetGroupInput
	copyMembers(want, &modify)
	modify.TargetGroupArn = have.TargetGroupArn
	_, err := call[elbv2.ModifyTargetGroupOutput](ctx, u.api, "elbv2", "ModifyTargetGroup", &modify)
	return true, err
}

// targetGroupAttributes sets the attributes that differ and says which.
func (u *up) targetGroupAttributes(ctx context.Context, g stackTargetGroup) (string, error) {
	if len(g.attributes) == 0 {
		return "", nil
	}
	arn := u.targetGroups[g.name()]
	found, err := call[elbv2.DescribeTargetGroupAttributesOutput](ctx, u.api, "elbv2", "DescribeTargetGroupAttributes", &elbv2.DescribeTargetGroupAttributesInput{TargetGroupArn: &arn})
	if err != nil {
		return "", err
	}
	have := map[string]string{}
	for _, a := range found.Attributes {
		have[deref(a.Key)] = deref(a.Value)
	}
	modify := elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: &arn}
	differing := differingAttributes(g.attributes, have)
	for _, a := range differing {
		modify.Attributes = append(modify.Attributes, elbv2.TargetGroupAttribute{Key: &a.key, Value: &a.value})
	}
	if len(differing) == 0 {
		return "", nil
	}
	_, err = call[elbv2.ModifyTargetGroupAttributesOutput](ctx, u.api, "elbv2", "ModifyTargetGroupAttributes", &modify)
	return listAttributes(differing), err
}

func differingAttributes(want []attribute, have map[string]string) []attribute {
	var differing []attribute
	for _, a := range want {
		if have[a.key] != a.value {
			differing = append(differing, a)
		}
	}
	return differing
}

func listAttributes(all []attribute) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
