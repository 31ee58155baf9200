package elbv2

import (
	"context"
	"strconv"

	"drydock/alb"
	"drydock/awsapi"
)

func (a api) createLoadBalancer(ctx context.Context, in *CreateLoadBalancerInput) (*CreateLoadBalancerOutput, error) {
	err := unsupported(
		refused{"CustomerOwnedIpv4Pool", in.CustomerOwnedIpv4Pool != nil},
		refused{"EnablePrefixForIpv6SourceNat", in.EnablePrefixForIpv6SourceNat != nil},
		refused{"IpamPools", in.IpamPools != nil},
	)
	if err != nil {
		return nil, err
	}
	subnets, err := subnetsOf(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	lb, err := a.balancer.CreateLoadBalancer(ctx, alb.CreateLoadBalancerInput{
		Name: *in.Name, Subnets: subnets, SecurityGroups: in.SecurityGroups, Scheme: awsapi.Value(in.Scheme),
		Type: awsapi.Value(in.Type), IPAddressType: awsapi.Value(in.IpAddressType), Tags: tags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &CreateLoadBalancerOutput{LoadBalancers: []LoadBalancer{loadBalancerShape(lb)}}, nil
}

// subnetsOf returns the subnets that a request names in either of its two ways.
func subnetsOf(subnets []string, mappings []SubnetMapping) ([]string, error) {
	if len(subnets) > 0 && len(mappings) > 0 {
		return nil, &awsapi.Error{Code: "ValidationError", Message: "You can specify either subnets or subnet mappings, not both"}
	}
	for _, m := range mappings {
		err := unsupported(
			refused{"AllocationId of a subnet mapping", m.AllocationId != nil},
			refused{"PrivateIPv4Address of a subnet mapping", m.PrivateIPv4Address != nil},
			refused{"IPv6Address of a subnet mapping", m.IPv6Address != nil},
			refused{"SourceNatIpv6Prefix of a subnet mapping", m.SourceNatIpv6Prefix != nil},
		)
		if err != nil {
			return nil, err
		}
		subnets = append(subnets, awsapi.Value(m.SubnetId))
	}
	return subnets, nil
}

func loadBalancerShape(lb alb.LoadBalancer) LoadBalancer {
	return LoadBalancer{
		LoadBalancerArn: &lb.ARN, LoadBalancerName: &lb.Name, DNSName: &lb.DNSName, CanonicalHostedZoneId: &lb.CanonicalHostedZoneID,
		CreatedTime: &lb.CreatedTime, Scheme: &lb.Scheme, VpcId: &lb.VPCID, Type: &lb.Type, IpAddressType: &lb.IPAddressType,
		State:             &LoadBalancerState{Code: &lb.State.Code, Reason: awsapi.NonZero(lb.State.Reason)},
		SecurityGroups:    awsapi.List(lb.SecurityGroups, func(id string) string { return id }),
		AvailabilityZones: zoneShapes(lb.AvailabilityZones),
	}
}

func zoneShapes(zones []alb.AvailabilityZone) []AvailabilityZone {
	return awsapi.List(zones, func(z alb.AvailabilityZone) AvailabilityZone {
		return AvailabilityZone{ZoneName: &z.ZoneName, SubnetId: &z.SubnetID, LoadBalancerAddresses: []LoadBalancerAddress{}}
	})
}

func (a api) describeLoadBalancers(ctx context.Context, in *DescribeLoadBalancersInput) (*DescribeLoadBalancersOutput, error) {
	found, err := a.balancer.DescribeLoadBalancers(ctx, in.LoadBalancerArns, in.Names)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeLoadBalancersOutput{LoadBalancers: awsapi.List(part, loadBalancerShape), NextMarker: next}, nil
}

func (a api) deleteLoadBalancer(ctx context.Context, in *DeleteLoadBalancerInput) (*DeleteLoadBalancerOutput, error) {
	return nil, a.balancer.DeleteLoadBalancer(ctx, *in.LoadBalancerArn)
}

func loadBalancerAttribute(at alb.Attribute) LoadBalancerAttribute {
	return LoadBalancerAttribute{Key: &at.Key, Value: &at.Value}
}

func (a api) describeLoadBalancerAttributes(ctx context.Context, in *DescribeLoadBalancerAttributesInput) (*DescribeLoadBalancerAttributesOutput, error) {
	attributes, err := a.balancer.DescribeLoadBalancerAttributes(ctx, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &DescribeLoadBalancerAttributesOutput{Attributes: awsapi.List(attributes, loadBalancerAttribute)}, nil
}

func (a api) modifyLoadBalancerAttributes(ctx context.Context, in *ModifyLoadBalancerAttributesInput) (*ModifyLoadBalancerAttributesOutput, error) {
	changes := awsapi.List(in.Attributes, func(at LoadBalancerAttribute) alb.Attribute {
		return alb.Attribute{Key: awsapi.Value(at.Key), Value: awsapi.Value(at.Value)}
	})
	attributes, err := a.balancer.ModifyLoadBalancerAttributes(ctx, *in.LoadBalancerArn, changes)
	if err != nil {
		return nil, err
	}
	return &ModifyLoadBalancerAttributesOutput{Attributes: awsapi.List(attributes, loadBalancerAttribute)}, nil
}

func (a api) setSecurityGroups(ctx context.Context, in *SetSecurityGroupsInput) (*SetSecurityGroupsOutput, error) {
	const member = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"
	if err := unsupported(refused{member, in.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic != nil}); err != nil {
		return nil, err
	}
	groups, err := a.balancer.SetSecurityGroups(ctx, *in.LoadBalancerArn, in.SecurityGroups)
	if err != nil {
		return nil, err
	}
	return &SetSecurityGroupsOutput{SecurityGroupIds: groups}, nil
}

func (a api) setSubnets(ctx context.Context, in *SetSubnetsInput) (*SetSubnetsOutput, error) {
	if err := unsupported(refused{"EnablePrefixForIpv6SourceNat", in.EnablePrefixForIpv6SourceNat != nil}); err != nil {
		return nil, err
	}
	subnets, err := subnetsOf(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	lb, err := a.balancer.SetSubnets(ctx, *in.LoadBalancerArn, subnets, awsapi.Value(in.IpAddressType))
	if err != nil {
		return nil, err
	}
	return &SetSubnetsOutput{AvailabilityZones: zoneShapes(lb.AvailabilityZones), IpAddressType: &lb.IPAddressType}, nil
}

func (a api) setIPAddressType(ctx context.Context, in *SetIpAddressTypeInput) (*SetIpAddressTypeOutput, error) {
	set, err := a.balancer.SetIPAddressType(ctx, *in.LoadBalancerArn, *in.IpAddressType)
	if err != nil {
		return nil, err
	}
	return &SetIpAddressTypeOutput{IpAddressType: &set}, nil
}

// describeCapacityReservation answers that nothing is reserved: nobody can reserve here.
func (a api) describeCapacityReservation(ctx context.Context, in *DescribeCapacityReservationInput) (*DescribeCapacityReservationOutput, error) {
	if _, err := a.balancer.DescribeLoadBalancerAttributes(ctx, *in.LoadBalancerArn); err != nil {
		return nil, err
	}
	return &DescribeCapacityReservationOutput{CapacityReservationState: []ZonalCapacityReservationState{}}, nil
}

func (a api) describeAccountLimits(_ context.Context, in *DescribeAccountLimitsInput) (*DescribeAccountLimitsOutput, error) {
	part, next, err := page(alb.AccountLimits(), in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeAccountLimitsOutput{Limits: awsapi.List(part, func(l alb.Limit) Limit {
		return Limit{Name: &l.Name, Max: new(strconv.Itoa(l.Max))}
	}), NextMarker: next}, nil
}
