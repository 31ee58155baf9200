package ec2

import (
	"context"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/network"
)

// What surrounds a VPC is derived from it: nothing here can be changed (NET-053).

func (a api) describeVpcAttribute(_ context.Context, in *DescribeVpcAttributeRequest) (*DescribeVpcAttributeResult, error) {
	if _, err := a.network.VPCs([]string{*in.VpcId}); err != nil {
		return nil, err
	}
	out := &DescribeVpcAttributeResult{VpcId: in.VpcId}
	switch *in.Attribute {
	case "enableDnsSupport":
		out.EnableDnsSupport = &AttributeBooleanValue{Value: new(true)}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &AttributeBooleanValue{Value: new(true)}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &AttributeBooleanValue{Value: new(false)}
	default:
		return nil, &awsapi.Error{Code: "InvalidParameterValue", Message: "Value (" + *in.Attribute + ") for parameter attribute is invalid. Unknown attribute."}
	}
	return out, nil
}

// surrounding is what every VPC has exactly one of.
type surrounding struct {
	vpc     network.VPC
	id      string
	subnets []network.Subnet
}

// surroundings returns those of a prefix that have one of the ids, if there are any, and pass the
// filters: attributes says what filters look at, beside the VPC and the default.
func (a api) surroundings(prefix, notFound string, ids []string, filters []network.Filter, attributes func(surrounding) map[string][]string) ([]surrounding, error) {
	vpcs, err := a.network.VPCs(nil)
	if err != nil {
		return nil, err
	}
	var found []surrounding
	var known []string
	for _, vpc := range vpcs {
		s := surrounding{vpc: vpc, id: prefix + strings.TrimPrefix(vpc.ID, "vpc-")}
		known = append(known, s.id)
		if s.subnets, err = a.network.Subnets(nil, network.Filter{Name: "vpc-id", Values: []string{vpc.ID}}); err != nil {
			return nil, err
		}
		wanted, err := network.Matches(attributes(s), filters)
		if err != nil {
			return nil, err
		}
		if wanted && (len(ids) == 0 || slices.Contains(ids, s.id)) {
			found = append(found, s)
		}
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, &awsapi.Error{Code: notFound, Message: "The ID '" + id + "' does not exist"}
		}
	}
	return found, nil
}

func (s surrounding) subnetIDs() []string {
	return awsapi.List(s.subnets, func(n network.Subnet) string { return n.ID })
}

func (a api) describeRouteTables(ctx context.Context, in *DescribeRouteTablesRequest) (*DescribeRouteTablesResult, error) {
	found, err := a.surroundings("rtb-", "InvalidRouteTableID.NotFound", in.RouteTableIds, filters(in.Filters), func(s surrounding) map[string][]string {
		return map[string][]string{
			"vpc-id": {s.vpc.ID}, "route-table-id": {s.id}, "association.main": {"true"}, "association.route-table-id": {s.id},
			"association.subnet-id": nil, "association.gateway-id": nil, "route.gateway-id": {"local", s.gateway()},
		}
	})
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeRouteTablesResult{NextToken: next, RouteTables: awsapi.List(part, func(s surrounding) RouteTable { return s.routeTable(ctx) })}, nil
}

// gateway is the id of the VPC's internet gateway.
func (s surrounding) gateway() string { return "igw-" + strings.TrimPrefix(s.vpc.ID, "vpc-") }

func (s surrounding) routeTable(ctx context.Context) RouteTable {
	route := func(to, gateway, origin string) Route {
		return Route{DestinationCidrBlock: &to, GatewayId: &gateway, Origin: &origin, State: new("active")}
	}
	return RouteTable{
		RouteTableId: &s.id, VpcId: &s.vpc.ID, OwnerId: new(awsapi.CallFrom(ctx).Account), Tags: []Tag{}, PropagatingVgws: []PropagatingVgw{},
		Routes: []Route{route(s.vpc.CIDR.String(), "local", "CreateRouteTable"), route("0.0.0.0/0", s.gateway(), "CreateRoute")},
		Associations: []RouteTableAssociation{{
			Main: new(true), RouteTableId: &s.id, RouteTableAssociationId: new("rtbassoc-" + strings.TrimPrefix(s.id, "rtb-")),
			AssociationState: &RouteTableAssociationState{State: new("associated")},
		}},
	}
}

func (a api) describeNetworkAcls(ctx context.Context, in *DescribeNetworkAclsRequest) (*DescribeNetworkAclsResult, error) {
	found, err := a.surroundings("acl-", "InvalidNetworkAclID.NotFound", in.NetworkAclIds, filters(in.Filters), func(s surrounding) map[string][]string {
		return map[string][]string{"vpc-id": {s.vpc.ID}, "network-acl-id": {s.id}, "default": {"true"}, "association.network-acl-id": {s.id}, "association.subnet-id": s.subnetIDs()}
	})
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeNetworkAclsResult{NextToken: next, NetworkAcls: awsapi.List(part, func(s surrounding) NetworkAcl { return s.networkACL(ctx) })}, nil
}

func (s surrounding) networkACL(ctx context.Context) NetworkAcl {
	shape := NetworkAcl{NetworkAclId: &s.id, VpcId: &s.vpc.ID, IsDefault: new(true), OwnerId: new(awsapi.CallFrom(ctx).Account), Tags: []Tag{}}
	for _, egress := range []bool{true, false} {
		shape.Entries = append(shape.Entries, aclEntry(egress, 100, "allow"), aclEntry(egress, 32767, "deny"))
	}
	shape.Associations = awsapi.List(s.subnetIDs(), func(subnet string) NetworkAclAssociation {
		return NetworkAclAssociation{NetworkAclAssociationId: new("aclassoc-" + strings.TrimPrefix(subnet, "subnet-")), NetworkAclId: &s.id, SubnetId: &subnet}
	})
	return shape
}

func aclEntry(egress bool, number int64, action string) NetworkAclEntry {
	return NetworkAclEntry{CidrBlock: new("0.0.0.0/0"), Egress: &egress, Protocol: new(network.AllProtocols), RuleAction: &action, RuleNumber: &number}
}

func (a api) describeInternetGateways(ctx context.Context, in *DescribeInternetGatewaysRequest) (*DescribeInternetGatewaysResult, error) {
	found, err := a.surroundings("igw-", "InvalidInternetGatewayID.NotFound", in.InternetGatewayIds, filters(in.Filters), func(s surrounding) map[string][]string {
		return map[string][]string{"internet-gateway-id": {s.id}, "attachment.vpc-id": {s.vpc.ID}, "attachment.state": {"available"}}
	})
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeInternetGatewaysResult{NextToken: next, InternetGateways: awsapi.List(part, func(s surrounding) InternetGateway {
		return InternetGateway{InternetGatewayId: &s.id, OwnerId: new(awsapi.CallFrom(ctx).Account), Tags: []Tag{},
			Attachments: []InternetGatewayAttachment{{State: new("available"), VpcId: &s.vpc.ID}}}
	})}, nil
}

func (a api) describeAccountAttributes(_ context.Context, in *DescribeAccountAttributesRequest) (*DescribeAccountAttributesResult, error) {
	out := &DescribeAccountAttributesResult{AccountAttributes: []AccountAttribute{}}
	for _, attribute := range [][2]string{{"supported-platforms", "VPC"}, {"default-vpc", a.network.DefaultVPC().ID}} {
		if len(in.AttributeNames) > 0 && !slices.Contains(in.AttributeNames, attribute[0]) {
			continue
		}
		out.AccountAttributes = append(out.AccountAttributes, AccountAttribute{
			AttributeName: &attribute[0], AttributeValues: []AccountAttributeValue{{AttributeValue: &attribute[1]}},
		})
	}
	return out, nil
}
