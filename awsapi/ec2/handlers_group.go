package ec2

import (
	"context"
	"slices"

	"drydock/awsapi"
	"drydock/network"
)

func (a api) createSecurityGroup(ctx context.Context, in *CreateSecurityGroupRequest) (*CreateSecurityGroupResult, error) {
	tags, err := tagsOf(in.TagSpecifications, "security-group")
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	g, err := a.network.CreateSecurityGroup(ctx, network.CreateSecurityGroupInput{
		GroupName: *in.GroupName, Description: *in.Description, VPCID: awsapi.Value(in.VpcId), Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return &CreateSecurityGroupResult{GroupId: &g.ID, SecurityGroupArn: a.arn(ctx, "security-group/"+g.ID), Tags: tagShapes(g.Tags)}, nil
}

func (a api) describeSecurityGroups(ctx context.Context, in *DescribeSecurityGroupsRequest) (*DescribeSecurityGroupsResult, error) {
	ids := in.GroupIds
	for _, name := range in.GroupNames {
		id, err := a.groupNamed(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	found, err := a.network.SecurityGroups(ids, filters(in.Filters)...)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeSecurityGroupsResult{NextToken: next, SecurityGroups: awsapi.List(part, func(g network.SecurityGroup) SecurityGroup {
		return a.groupShape(ctx, g)
	})}, nil
}

// groupNamed returns the id of a group of the default VPC.
func (a api) groupNamed(name string) (id string, err error) {
	vpc := a.network.DefaultVPC().ID
	all, err := a.network.SecurityGroups(nil)
	for _, g := range all {
		if g.Name == name && g.VPCID == vpc {
			return g.ID, nil
		}
	}
	if err != nil {
		return "", err
	}
	return "", &awsapi.Error{Code: "InvalidGroup.NotFound", Message: "The security group '" + name + "' does not exist in default VPC '" + vpc + "'"}
}

// groupID returns the id of the group that a request means, by id or name.
func (a api) groupID(id, name *string) (string, error) {
	switch {
	case awsapi.Value(id) != "":
		return *id, nil
	case awsapi.Value(name) != "":
		return a.groupNamed(*name)
	}
	return "", &awsapi.Error{Code: "MissingParameter", Message: "The request must contain the parameter groupName or groupId"}
}

func (a api) groupShape(ctx context.Context, g network.SecurityGroup) SecurityGroup {
	account := awsapi.CallFrom(ctx).Account
	permissions := func(p network.Permission) IpPermission { return permissionShape(p, account) }
	return SecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPCID, OwnerId: &account,
		SecurityGroupArn: a.arn(ctx, "security-group/"+g.ID), Tags: tagShapes(g.Tags),
		IpPermissions: awsapi.List(g.Ingress(), permissions), IpPermissionsEgress: awsapi.List(g.Egress(), permissions),
	}
}

func (a api) deleteSecurityGroup(ctx context.Context, in *DeleteSecurityGroupRequest) (*DeleteSecurityGroupResult, error) {
	id, err := a.groupID(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := a.network.DeleteSecurityGroup(ctx, id); err != nil {
		return nil, err
	}
	return &DeleteSecurityGroupResult{Return: new(true), GroupId: &id}, nil
}

func (a api) describeSecurityGroupRules(ctx context.Context, in *DescribeSecurityGroupRulesRequest) (*DescribeSecurityGroupRulesResult, error) {
	found, err := a.network.SecurityGroupRules(in.SecurityGroupRuleIds, filters(in.Filters)...)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeSecurityGroupRulesResult{NextToken: next, SecurityGroupRules: a.ruleShapes(ctx, part)}, nil
}

func (a api) ruleShapes(ctx context.Context, rules []network.Rule) []SecurityGroupRule {
	return awsapi.List(rules, func(r network.Rule) SecurityGroupRule { return a.ruleShape(ctx, r) })
}

func (a api) ruleShape(ctx context.Context, r network.Rule) SecurityGroupRule {
	account := awsapi.CallFrom(ctx).Account
	shape := SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, SecurityGroupRuleArn: a.arn(ctx, "security-group-rule/"+r.ID), GroupId: &r.GroupID, GroupOwnerId: &account,
		IsEgress: &r.Egress, IpProtocol: &r.Protocol, FromPort: new(int64(r.FromPort)), ToPort: new(int64(r.ToPort)),
		CidrIpv4: awsapi.NonZero(r.CIDR), CidrIpv6: awsapi.NonZero(r.CIDRv6), PrefixListId: awsapi.NonZero(r.PrefixList),
		Description: awsapi.NonZero(r.Description), Tags: append([]Tag{}, tagShapes(a.network.Tags(r.ID))...),
	}
	if r.SourceGroup != "" {
		shape.ReferencedGroupInfo = &ReferencedSecurityGroup{GroupId: &r.SourceGroup, UserId: &account}
	}
	return shape
}
