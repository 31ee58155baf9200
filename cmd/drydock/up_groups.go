package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drydock/awsapi/ec2"
)

// securityGroups creates all groups before it sets rules: rules refer to groups.
func (u *up) securityGroups(ctx context.Context) error {
	existing := map[string]ec2.SecurityGroup{}
	for _, g := range u.stack.securityGroups {
		found, err := u.securityGroup(ctx, g)
		if err != nil {
			return err
		}
		existing[g.name()] = found
		u.groups[g.name()] = deref(found.GroupId)
	}
	for _, g := range u.stack.securityGroups {
		if err := u.groupRules(ctx, g, existing[g.name()]); err != nil {
			return err
		}
	}
	return nil
}

// securityGroup returns the group of a name, created if need be.
func (u *up) securityGroup(ctx context.Context, g stackGroup) (ec2.SecurityGroup, error) {
	filters := append(filter("group-name", g.name()), filter("vpc-id", u.vpc)...)
	found, err := call[ec2.DescribeSecurityGroupsResult](ctx, u.api, "ec2", "DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{Filters: filters})
	if err != nil {
		return ec2.SecurityGroup{}, fmt.Errorf("describe security group %s: %w", g.name(), err)
	}
	if len(found.SecurityGroups) > 0 {
		return found.SecurityGroups[0], nil
	}
	input := cloneShape(g.input)
	if input.VpcId == nil {
		input.VpcId = &u.vpc
	}
	created, err := call[ec2.CreateSecurityGroupResult](ctx, u.api, "ec2", "CreateSecurityGroup", &input)
	if err != nil {
		return ec2.SecurityGroup{}, fmt.Errorf("create security group %s: %w", g.name(), err)
	}
	u.did("created", "security group", g.name(), deref(created.GroupId))
	return u.securityGroup(ctx, g)
}

// groupRules authorizes the rules that a group lacks, then revokes those it should not have.
func (u *up) groupRules(ctx context.Context, g stackGroup, existing ec2.SecurityGroup) error {
	ingress, err := u.permissions(g.ingress)
	if err != nil {
		return fmt.Errorf("security group %s: %w", g.name(), err)
	}
	egress, err := u.permissions(g.egress)
	if err != nil {
		return fmt.Errorf("security group %s: %w", g.name(), err)
	}
	changed, err := u.changeRules(ctx, deref(existing.GroupId), "Ingress", flatten(existing.IpPermissions), ingress)
	if err == nil && g.egressGiven {
		var more bool
		more, err = u.changeRules(ctx, deref(existing.GroupId), "Egress", flatten(existing.IpPermissionsEgress), egress)
		changed = changed || more
	}
	if err != nil {
		return fmt.Errorf("security group %s: %w", g.name(), err)
	}
	if changed {
		u.did("set", "rules of group", g.name(), "")
	} else {
		u.kept("security group", g.name())
	}
	return nil
}

func (u *up) permissions(wanted []ec2.IpPermission) ([]ec2.IpPermission, error) {
	wanted = cloneShape(wanted)
	if err := expand(&wanted, u.resolve); err != nil {
		return nil, err
	}
	return flatten(wanted), nil
}

// changeRules takes a group's rules in one direction from have to want.
func (u *up) changeRules(ctx context.Context, group, direction string, have, want []ec2.IpPermission) (changed bool, err error) {
	missing, extra := without(want, have), without(have, want)
	if len(missing) > 0 {
		in := &ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &group, IpPermissions: missing}
		if _, err := call[struct{}](ctx, u.api, "ec2", "AuthorizeSecurityGroup"+direction, in); err != nil {
			return false, fmt.Errorf("authorize %s: %w", strings.ToLower(direction), err)
		}
	}
	if len(extra) > 0 {
		in := &ec2.RevokeSecurityGroupIngressRequest{GroupId: &group, IpPermissions: extra}
		if _, err := call[struct{}](ctx, u.api, "ec2", "RevokeSecurityGroup"+direction, in); err != nil {
			return false, fmt.Errorf("revoke %s: %w", strings.ToLower(direction), err)
		}
	}
	return len(missing)+len(extra) > 0, nil
}

// flatten splits permissions until each has one source, and leaves out what does not
// distinguish rules.
func flatten(permissions []ec2.IpPermission) []ec2.IpPermission {
	var flat []ec2.IpPermission
	for _, p := range permissions {
		base := ec2.IpPermission{IpProtocol: normalProtocol(p.IpProtocol), FromPort: p.FromPort, ToPort: p.ToPort}
		if *base.IpProtocol == "-1" {
			base.FromPort, base.ToPort = nil, nil
		}
		for _, r := range p.IpRanges {
			one := base
			one.IpRanges = []ec2.IpRange{{CidrIp: r.CidrIp, Description: r.Description}}
			flat = append(flat, one)
		}
		for _, r := range p.Ipv6Ranges {
			one := base
			one.Ipv6Ranges = []ec2.Ipv6Range{r}
			flat = append(flat, one)
		}
		for _, g := range p.UserIdGroupPairs {
			one := base
			one.UserIdGroupPairs = []ec2.UserIdGroupPair{{GroupId: g.GroupId, Description: g.Description}}
			flat = append(flat, one)
		}
	}
	return flat
}

func normalProtocol(p *string) *string {
	names := map[string]string{"": "-1", "all": "-1", "6": "tcp", "17": "udp", "1": "icmp"}
	protocol := strings.ToLower(deref(p))
	if name, ok := names[protocol]; ok {
		protocol = name
	}
	return &protocol
}

// without returns the rules that are not among others.
func without(rules, others []ec2.IpPermission) []ec2.IpPermission {
	known := map[string]bool{}
	for _, o := range others {
		known[ruleKey(o)] = true
	}
	return slices.DeleteFunc(slices.Clone(rules), func(p ec2.IpPermission) bool { return known[ruleKey(p)] })
}

func ruleKey(p ec2.IpPermission) string {
	key := fmt.Sprint(deref(p.IpProtocol), " ", deref(p.FromPort), " ", deref(p.ToPort))
	for _, r := range p.IpRanges {
		key += " " + deref(r.CidrIp)
	}
	for _, r := range p.Ipv6Ranges {
		key += " " + deref(r.CidrIpv6)
	}
	for _, g := range p.UserIdGroupPairs {
		key += " " + deref(g.GroupId)
	}
	return key
}
