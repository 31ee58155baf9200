package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/network"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a api) describeVpcs(ctx context.Context, in *DescribeVpcsRequest) (*DescribeVpcsResult, error) {
	found, err := a.network.VPCs(in.VpcIds, filters(in.Filters)...)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeVpcsResult{NextToken: next, Vpcs: awsapi.List(part, func(v network.VPC) Vpc { return vpcShape(ctx, v) })}, nil
}

func vpcShape(ctx context.Context, v network.VPC) Vpc {
	_, suffix, _ := strings.Cut(v.ID, "-")
	cidr := v.CIDR.String()
	return Vpc{
		VpcId: &v.ID, CidrBlock: &cidr, IsDefault: &v.Default, State: new("available"), InstanceTenancy: new("default"),
		OwnerId: new(awsapi.CallFrom(ctx).Account), DhcpOptionsId: new("dopt-" + suffix), Tags: tagShapes(v.Tags),
		CidrBlockAssociationSet: []VpcCidrBlockAssociation{{
			AssociationId: new("vpc-cidr-assoc-" + suffix), CidrBlock: &cidr, CidrBlockState: &VpcCidrBlockState{State: new("associated")},
		}},
	}
}

func (a api) describeSubnets(ctx context.Context, in *DescribeSubnetsRequest) (*DescribeSubnetsResult, error) {
	found, err := a.network.Subnets(in.SubnetIds, filters(in.Filters)...)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeSubnetsResult{NextToken: next, Subnets: awsapi.List(part, func(s network.Subnet) Subnet { return a.subnetShape(ctx, s) })}, nil
}

func (a api) subnetShape(ctx context.Context, s network.Subnet) Subnet {
	return Subnet{
		SubnetId: &s.ID, SubnetArn: a.arn(ctx, "subnet/"+s.ID), VpcId: &s.VPCID, CidrBlock: new(s.CIDR.String()), State: new("available"),
		AvailabilityZone: &s.Zone, AvailabilityZoneId: a.zoneID(s.Zone), AvailableIpAddressCount: new(int64(s.Free)),
		DefaultForAz: &s.Default, MapPublicIpOnLaunch: &s.Default, OwnerId: new(awsapi.CallFrom(ctx).Account), Tags: tagShapes(s.Tags),
		AssignIpv6AddressOnCreation: new(false), EnableDns64: new(false), Ipv6Native: new(false), MapCustomerOwnedIpOnLaunch: new(false),
		Ipv6CidrBlockAssociationSet: []SubnetIpv6CidrBlockAssociation{},
	}
}

func (a api) zoneID(name string) *string {
	for _, zone := range a.network.AvailabilityZones() {
		if zone.Name == name {
			return &zone.ID
		}
	}
	return nil
}

func (a api) describeAvailabilityZones(_ context.Context, in *DescribeAvailabilityZonesRequest) (*DescribeAvailabilityZonesResult, error) {
	zones := a.network.AvailabilityZones()
	for _, name := range in.ZoneNames {
		if !slices.ContainsFunc(zones, func(z network.Zone) bool { return z.Name == name }) {
			return nil, &awsapi.Error{Code: "InvalidParameterValue", Message: "Invalid availability zone: [" + name + "]"}
		}
	}
	out := &DescribeAvailabilityZonesResult{AvailabilityZones: []AvailabilityZone{}}
	for _, zone := range zones {
		wanted, err := zoneMatches(zone, in)
		if err != nil {
			return nil, err
		}
		if wanted {
			out.AvailabilityZones = append(out.AvailabilityZones, zoneShape(zone))
		}
	}
	return out, nil
}

func zoneMatches(zone network.Zone, in *DescribeAvailabilityZonesRequest) (bool, error) {
	if in.ZoneNames != nil && !slices.Contains(in.ZoneNames, zone.Name) || in.ZoneIds != nil && !slices.Contains(in.ZoneIds, zone.ID) {
		return false, nil
	}
	values := map[string]string{
		"zone-name": zone.Name, "zone-id": zone.ID, "region-name": zone.Region, "group-name": zone.Region,
		"state": "available", "zone-type": "availability-zone", "opt-in-status": "opt-in-not-required",
	}
	for _, f := range in.Filters {
		value, known := values[awsapi.Value(f.Name)]
		if !known {
			return false, &awsapi.Error{Code: "InvalidParameterValue", Message: "The filter '" + awsapi.Value(f.Name) + "' is invalid"}
		}
		if !slices.Contains(f.Values, value) {
			return false, nil
		}
	}
	return true, nil
}

func zoneShape(zone network.Zone) AvailabilityZone {
	return AvailabilityZone{
		ZoneName: &zone.Name, ZoneId: &zone.ID, RegionName: &zone.Region, GroupName: &zone.Region, NetworkBorderGroup: &zone.Region,
		State: new("available"), ZoneType: new("availability-zone"), OptInStatus: new("opt-in-not-required"), Messages: []AvailabilityZoneMessage{},
	}
}

func (a api) describeNetworkInterfaces(ctx context.Context, in *DescribeNetworkInterfacesRequest) (*DescribeNetworkInterfacesResult, error) {
	found, err := a.network.NetworkInterfaces(in.NetworkInterfaceIds, filters(in.Filters)...)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	groups, err := a.network.SecurityGroups(nil)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	return &DescribeNetworkInterfacesResult{NextToken: next, NetworkInterfaces: awsapi.List(part, func(i network.Interface) NetworkInterface {
		return a.interfaceShape(ctx, i, names)
	})}, nil
}

func (a api) interfaceShape(ctx context.Context, i network.Interface, groupNames map[string]string) NetworkInterface {
	address := i.Address.String()
	requester := "amazon-ecs"
	if i.LoadBalancer() {
		requester = "amazon-elb"
	}
	shape := NetworkInterface{
		NetworkInterfaceId: &i.ID, VpcId: &i.VPCID, SubnetId: &i.SubnetID, Description: &i.Description, InterfaceType: new("interface"),
		AvailabilityZone: &i.Zone, AvailabilityZoneId: a.zoneID(i.Zone), MacAddress: &i.MAC, Status: new(i.Status()),
		PrivateIpAddress: &address, PrivateDnsName: &i.PrivateDNSName, SourceDestCheck: new(true),
		OwnerId: new(awsapi.CallFrom(ctx).Account), RequesterId: &requester, RequesterManaged: new(true),
		PrivateIpAddresses: []NetworkInterfacePrivateIpAddress{{Primary: new(true), PrivateIpAddress: &address, PrivateDnsName: &i.PrivateDNSName}},
		Groups:             awsapi.List(i.Groups, func(id string) GroupIdentifier { return GroupIdentifier{GroupId: &id, GroupName: new(groupNames[id])} }),
		Ipv6Addresses:      []NetworkInterfaceIpv6Address{},
		TagSet:             []Tag{},
		Attachment: &NetworkInterfaceAttachment{
			AttachmentId: &i.AttachmentID, AttachTime: &i.Created, DeleteOnTermination: new(false), DeviceIndex: new(int64(1)),
			InstanceOwnerId: &requester, Status: new("attached"),
		},
	}
	if i.Warm() {
		shape.Attachment = nil
	}
	return shape
}
