package ec2

import (
	"context"

	"drydock/awsapi"
	"drydock/network"
)

// legacyRule is a rule given by members of the request itself, as the CLI's --protocol,
// --port and --cidr do, instead of by IpPermissions.
type legacyRule struct {
	protocol         *string
	from, to         *int64
	cidr             *string
	sourceGroup      *string // a name
	sourceGroupOwner *string
}

// permissionsOf returns the rules that a request adds or removes.
func permissionsOf(shapes []IpPermission, legacy legacyRule) []network.Permission {
	permissions := awsapi.List(shapes, permissionOf)
	if legacy.protocol == nil && legacy.cidr == nil && legacy.sourceGroup == nil {
		return permissions
	}
	p := network.Permission{Protocol: awsapi.Value(legacy.protocol), FromPort: port(legacy.from), ToPort: port(legacy.to)}
	if legacy.cidr != nil {
		p.Ranges = []network.Peer{{Value: *legacy.cidr}}
	}
	if legacy.sourceGroup != nil {
		p.Groups = []network.GroupPair{{GroupName: *legacy.sourceGroup, UserID: awsapi.Value(legacy.sourceGroupOwner)}}
		if legacy.protocol == nil {
			p.Protocol = network.AllProtocols
		}
	}
	return append(permissions, p)
}

func port(p *int64) *int {
	if p == nil {
		return nil
	}
	return new(int(*p))
}

func permissionOf(shape IpPermission) network.Permission {
	return network.Permission{
		Protocol: awsapi.Value(shape.IpProtocol), FromPort: port(shape.FromPort), ToPort: port(shape.ToPort),
		Ranges:     awsapi.List(shape.IpRanges, func(r IpRange) network.Peer { return peer(r.CidrIp, r.Description) }),
		IPv6Ranges: awsapi.List(shape.Ipv6Ranges, func(r Ipv6Range) network.Peer { return peer(r.CidrIpv6, r.Description) }),
		PrefixLists: awsapi.List(shape.PrefixListIds, func(l PrefixListId) network.Peer {
			return peer(l.PrefixListId, l.Description)
		}),
		Groups: awsapi.List(shape.UserIdGroupPairs, func(g UserIdGroupPair) network.GroupPair {
			return network.GroupPair{
				GroupID: awsapi.Value(g.GroupId), GroupName: awsapi.Value(g.GroupName),
				UserID: awsapi.Value(g.UserId), Description: awsapi.Value(g.Description),
			}
		}),
	}
}

func peer(value, description *string) network.Peer {
	return network.Peer{Value: awsapi.Value(value), Description: awsapi.Value(description)}
}

func permissionShape(p network.Permission, account string) IpPermission {
	shape := IpPermission{
		IpProtocol: &p.Protocol,
		IpRanges: awsapi.List(p.Ranges, func(r network.Peer) IpRange {
			return IpRange{CidrIp: &r.Value, Description: awsapi.NonZero(r.Description)}
		}),
		Ipv6Ranges: awsapi.List(p.IPv6Ranges, func(r network.Peer) Ipv6Range {
			return Ipv6Range{CidrIpv6: &r.Value, Description: awsapi.NonZero(r.Description)}
		}),
		PrefixListIds: awsapi.List(p.PrefixLists, func(r network.Peer) PrefixListId {
			return PrefixListId{PrefixListId: &r.Value, Description: awsapi.NonZero(r.Description)}
		}),
		UserIdGroupPairs: awsapi.List(p.Groups, func(g network.GroupPair) UserIdGroupPair {
			if g.UserID == "" {
				g.UserID = account
			}
			return UserIdGroupPair{GroupId: &g.GroupID, UserId: &g.UserID, Description: awsapi.NonZero(g.Description)}
		}),
	}
	if p.FromPort != nil {
		shape.FromPort = new(int64(*p.FromPort))
	}
	if p.ToPort != nil {
		shape.ToPort = new(int64(*p.ToPort))
	}
	return shape
}

// noRules refuses a request that names no rule.
func noRules(permissions []network.Permission) error {
	if len(permissions) > 0 {
		return nil
	}
	return &awsapi.Error{Code: "MissingParameter", Message: "The request must contain the parameter ipPermissions"}
}

func (a api) authorizeIngress(ctx context.Context, in *AuthorizeSecurityGroupIngressRequest) (*AuthorizeSecurityGroupIngressResult, error) {
	group, err := a.groupID(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	permissions := permissionsOf(in.IpPermissions, legacyRule{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId})
	if err := noRules(permissions); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagSpecifications, "security-group-rule")
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.network.AuthorizeIngress(ctx, group, permissions)
	if err != nil {
		return nil, err
	}
	if err := a.tagRules(ctx, rules, tags); err != nil {
		return nil, err
	}
	return &AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: a.ruleShapes(ctx, rules)}, nil
}

func (a api) authorizeEgress(ctx context.Context, in *AuthorizeSecurityGroupEgressRequest) (*AuthorizeSecurityGroupEgressResult, error) {
	permissions := permissionsOf(in.IpPermissions, legacyRule{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId})
	if err := noRules(permissions); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagSpecifications, "security-group-rule")
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.network.AuthorizeEgress(ctx, *in.GroupId, permissions)
	if err != nil {
		return nil, err
	}
	if err := a.tagRules(ctx, rules, tags); err != nil {
		return nil, err
	}
	return &AuthorizeSecurityGroupEgressResult{Return: new(true), SecurityGroupRules: a.ruleShapes(ctx, rules)}, nil
}

func (a api) revokeIngress(ctx context.Context, in *RevokeSecurityGroupIngressRequest) (*RevokeSecurityGroupIngressResult, error) {
	group, err := a.groupID(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	permissions := permissionsOf(in.IpPermissions, legacyRule{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId})
	revoked, err := a.revoke(ctx, revocation{group, false, in.SecurityGroupRuleIds, permissions, in.DryRun})
	if err != nil {
		return nil, err
	}
	return &RevokeSecurityGroupIngressResult{Return: new(true), UnknownIpPermissions: []IpPermission{}, RevokedSecurityGroupRules: revoked}, nil
}

func (a api) revokeEgress(ctx context.Context, in *RevokeSecurityGroupEgressRequest) (*RevokeSecurityGroupEgressResult, error) {
	permissions := permissionsOf(in.IpPermissions, legacyRule{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId})
	revoked, err := a.revoke(ctx, revocation{*in.GroupId, true, in.SecurityGroupRuleIds, permissions, in.DryRun})
	if err != nil {
		return nil, err
	}
	return &RevokeSecurityGroupEgressResult{Return: new(true), UnknownIpPermissions: []IpPermission{}, RevokedSecurityGroupRules: revoked}, nil
}

// revocation is a request to remove rules of one direction, by id or by what they allow.
type revocation struct {
	group       string
	egress      bool
	ids         []string
	permissions []network.Permission
	dryRun      *bool
}

// revoke removes rules and returns those that are gone.
func (a api) revoke(ctx context.Context, r revocation) ([]RevokedSecurityGroupRule, error) {
	if len(r.ids) == 0 {
		if err := noRules(r.permissions); err != nil {
			return nil, err
		}
	}
	if err := dryRun(r.dryRun); err != nil {
		return nil, err
	}
	before, err := a.rulesOf(r.group)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.ids) > 0:
		err = a.network.RevokeRules(ctx, r.group, r.egress, r.ids)
	case r.egress:
		err = a.network.RevokeEgress(ctx, r.group, r.permissions)
	default:
		err = a.network.RevokeIngress(ctx, r.group, r.permissions)
	}
	if err != nil {
		return nil, err
	}
	after, err := a.rulesOf(r.group)
	if err != nil {
		return nil, err
	}
	return revokedShapes(before, after), nil
}

func (a api) rulesOf(group string) (map[string]network.Rule, error) {
	groups, err := a.network.SecurityGroups([]string{group})
	if err != nil {
		return nil, err
	}
	rules := map[string]network.Rule{}
	for _, r := range groups[0].Rules {
		rules[r.ID] = r
	}
	return rules, nil
}

func revokedShapes(before, after map[string]network.Rule) []RevokedSecurityGroupRule {
	revoked := []RevokedSecurityGroupRule{}
	for _, id := range sortedKeys(before) {
		r := before[id]
		if _, stays := after[id]; stays {
			continue
		}
		revoked = append(revoked, RevokedSecurityGroupRule{
			SecurityGroupRuleId: &r.ID, GroupId: &r.GroupID, IsEgress: &r.Egress, IpProtocol: &r.Protocol,
			FromPort: new(int64(r.FromPort)), ToPort: new(int64(r.ToPort)), CidrIpv4: awsapi.NonZero(r.CIDR), CidrIpv6: awsapi.NonZero(r.CIDRv6),
			PrefixListId: awsapi.NonZero(r.PrefixList), ReferencedGroupId: awsapi.NonZero(r.SourceGroup), Description: awsapi.NonZero(r.Description),
		})
	}
	return revoked
}
