package ec2

import (
	"context"

	"drydock/awsapi"
	"drydock/network"
)

func (a api) modifySecurityGroupRules(ctx context.Context, in *ModifySecurityGroupRulesRequest) (*ModifySecurityGroupRulesResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	changes := awsapi.List(in.SecurityGroupRules, func(u SecurityGroupRuleUpdate) network.RuleChange {
		return network.RuleChange{ID: awsapi.Value(u.SecurityGroupRuleId), Permission: singlePermission(u.SecurityGroupRule)}
	})
	if err := a.network.ModifyRules(ctx, *in.GroupId, changes); err != nil {
		return nil, err
	}
	return &ModifySecurityGroupRulesResult{Return: new(true)}, nil
}

// singlePermission returns what a rule by itself allows.
func singlePermission(r *SecurityGroupRuleRequest) network.Permission {
	if r == nil {
		return network.Permission{}
	}
	p := network.Permission{Protocol: awsapi.Value(r.IpProtocol), FromPort: port(r.FromPort), ToPort: port(r.ToPort)}
	if r.CidrIpv4 != nil {
		p.Ranges = []network.Peer{peer(r.CidrIpv4, r.Description)}
	}
	if r.CidrIpv6 != nil {
		p.IPv6Ranges = []network.Peer{peer(r.CidrIpv6, r.Description)}
	}
	if r.PrefixListId != nil {
		p.PrefixLists = []network.Peer{peer(r.PrefixListId, r.Description)}
	}
	if r.ReferencedGroupId != nil {
		p.Groups = []network.GroupPair{{GroupID: *r.ReferencedGroupId, Description: awsapi.Value(r.Description)}}
	}
	return p
}

func (a api) updateIngressDescriptions(ctx context.Context, in *UpdateSecurityGroupRuleDescriptionsIngressRequest) (*UpdateSecurityGroupRuleDescriptionsIngressResult, error) {
	group, err := a.groupID(in.GroupId, in.GroupName)
	if err == nil {
		err = a.describeRules(ctx, ruleDescriptions{group, false, in.IpPermissions, in.SecurityGroupRuleDescriptions, in.DryRun})
	}
	if err != nil {
		return nil, err
	}
	return &UpdateSecurityGroupRuleDescriptionsIngressResult{Return: new(true)}, nil
}

func (a api) updateEgressDescriptions(ctx context.Context, in *UpdateSecurityGroupRuleDescriptionsEgressRequest) (*UpdateSecurityGroupRuleDescriptionsEgressResult, error) {
	group, err := a.groupID(in.GroupId, in.GroupName)
	if err == nil {
		err = a.describeRules(ctx, ruleDescriptions{group, true, in.IpPermissions, in.SecurityGroupRuleDescriptions, in.DryRun})
	}
	if err != nil {
		return nil, err
	}
	return &UpdateSecurityGroupRuleDescriptionsEgressResult{Return: new(true)}, nil
}

// ruleDescriptions is a request to describe rules of one direction anew, by what they allow or by id.
type ruleDescriptions struct {
	group       string
	egress      bool
	permissions []IpPermission
	byID        []SecurityGroupRuleDescription
	dryRun      *bool
}

func (a api) describeRules(ctx context.Context, r ruleDescriptions) error {
	if err := dryRun(r.dryRun); err != nil {
		return err
	}
	if len(r.byID) == 0 {
		return a.network.SetRuleDescriptions(ctx, r.group, r.egress, awsapi.List(r.permissions, permissionOf))
	}
	descriptions := map[string]string{}
	for _, d := range r.byID {
		descriptions[awsapi.Value(d.SecurityGroupRuleId)] = awsapi.Value(d.Description)
	}
	return a.network.SetRuleDescriptionsByID(ctx, r.group, r.egress, descriptions)
}
