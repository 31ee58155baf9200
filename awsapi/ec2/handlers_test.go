package ec2_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/awsapi/ec2"
	"drydock/network"
)

func newServer(t *testing.T) (*awsapi.Server, *network.Network) {
	t.Helper()
	n, err := network.Open(t.Context(), &apitest.Store{}, network.Config{
		Region: "us-east-1", Account: awsapi.DefaultAccount, CIDR: netip.MustParsePrefix("172.31.0.0/16"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	ec2.Register(s, n)
	return s, n
}

// caller calls operations of a fresh server.
type caller struct {
	t *testing.T
	c *awsapi.Client
}

func newCaller(t *testing.T) (caller, *network.Network) {
	s, n := newServer(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return caller{t, &awsapi.Client{Endpoint: server.URL, HTTP: server.Client()}}, n
}

func (c caller) do(operation string, in, out any) {
	c.t.Helper()
	if err := c.c.Do(c.t.Context(), "ec2", operation, in, out); err != nil {
		c.t.Fatal(err)
	}
}

func (c caller) refused(operation string, in any, code string) {
	c.t.Helper()
	err := c.c.Do(c.t.Context(), "ec2", operation, in, nil)
	var e *awsapi.Error
	if !errors.As(err, &e) || e.Code != code {
		c.t.Errorf("%s: %v, want %s", operation, err, code)
	}
}

func TestRegister_ServesEveryListedOperation(t *testing.T) {
	s, _ := newServer(t)
	for _, operation := range awsapi.LookupService("ec2").Operations() {
		if !s.Handles("ec2", operation) {
			t.Errorf("%s has no handler", operation)
		}
	}
}

func TestDescribe_TheDefaultNetwork(t *testing.T) {
	c, n := newCaller(t)
	var vpcs ec2.DescribeVpcsResult
	c.do("DescribeVpcs", &ec2.DescribeVpcsRequest{Filters: []ec2.Filter{{Name: new("is-default"), Values: []string{"true"}}}}, &vpcs)
	if len(vpcs.Vpcs) != 1 || *vpcs.Vpcs[0].CidrBlock != "172.31.0.0/16" || !*vpcs.Vpcs[0].IsDefault || *vpcs.Vpcs[0].OwnerId != awsapi.DefaultAccount {
		t.Errorf("VPCs: %+v", vpcs.Vpcs)
	}
	var subnets ec2.DescribeSubnetsResult
	c.do("DescribeSubnets", nil, &subnets)
	if len(subnets.Subnets) != 3 || *subnets.Subnets[0].AvailabilityZone != "us-east-1a" || *subnets.Subnets[0].AvailabilityZoneId != "use1-az1" ||
		*subnets.Subnets[0].AvailableIpAddressCount < 1000 || !strings.HasPrefix(*subnets.Subnets[0].SubnetArn, "arn:aws:ec2:us-east-1:123456789012:subnet/subnet-") {
		t.Errorf("subnets: %+v", subnets.Subnets)
	}
	var zones ec2.DescribeAvailabilityZonesResult
	c.do("DescribeAvailabilityZones", &ec2.DescribeAvailabilityZonesRequest{
		ZoneNames: []string{"us-east-1b"}, Filters: []ec2.Filter{{Name: new("state"), Values: []string{"available"}}},
	}, &zones)
	if len(zones.AvailabilityZones) != 1 || *zones.AvailabilityZones[0].ZoneName != "us-east-1b" || *zones.AvailabilityZones[0].State != "available" {
		t.Errorf("zones: %+v", zones.AvailabilityZones)
	}
	c.refused("DescribeAvailabilityZones", &ec2.DescribeAvailabilityZonesRequest{ZoneNames: []string{"moon-1a"}}, "InvalidParameterValue")
	c.refused("DescribeAvailabilityZones", &ec2.DescribeAvailabilityZonesRequest{Filters: []ec2.Filter{{Name: new("colour")}}}, "InvalidParameterValue")
	c.refused("DescribeVpcs", &ec2.DescribeVpcsRequest{VpcIds: []string{"vpc-00000000"}}, "InvalidVpcID.NotFound")
	c.refused("DescribeSubnets", &ec2.DescribeSubnetsRequest{NextToken: new("x")}, "InvalidNextToken")
	if n.DefaultVPC().ID != *vpcs.Vpcs[0].VpcId {
		t.Error("another VPC is the default one")
	}
}

func TestDescribeNetworkInterfaces_ByDescription(t *testing.T) {
	c, n := newCaller(t)
	made, err := n.CreateInterface(context.Background(), network.CreateInterfaceInput{Description: "ELB app/a/1", Owner: "arn:aws:elasticloadbalancing:a"})
	if err != nil {
		t.Fatal(err)
	}
	in := &ec2.DescribeNetworkInterfacesRequest{Filters: []ec2.Filter{{Name: new("description"), Values: []string{"ELB app/a/1"}}}}
	var out ec2.DescribeNetworkInterfacesResult
	c.do("DescribeNetworkInterfaces", in, &out)
	if len(out.NetworkInterfaces) != 1 {
		t.Fatalf("%d interfaces", len(out.NetworkInterfaces))
	}
	i := out.NetworkInterfaces[0]
	if *i.PrivateIpAddress != made.Address.String() || *i.RequesterId != "amazon-elb" || *i.Groups[0].GroupName != "default" ||
		!*i.PrivateIpAddresses[0].Primary || i.Attachment.AttachTime.IsZero() {
		t.Errorf("interface: %+v", i)
	}
	if err := n.DeleteInterface(context.Background(), made.ID, made.Created); err != nil {
		t.Fatal(err)
	}
	c.do("DescribeNetworkInterfaces", in, &out)
	if len(out.NetworkInterfaces) != 0 {
		t.Error("an interface that is gone is described")
	}
}

func TestSecurityGroup_WholeLife(t *testing.T) {
	c, _ := newCaller(t)
	create := &ec2.CreateSecurityGroupRequest{
		GroupName: new("web"), Description: new("d"),
		TagSpecifications: []ec2.TagSpecification{{ResourceType: new("security-group"), Tags: []ec2.Tag{{Key: new("k"), Value: new("v")}}}},
	}
	dry := *create
	dry.DryRun = new(true)
	c.refused("CreateSecurityGroup", &dry, "DryRunOperation")
	var created ec2.CreateSecurityGroupResult
	c.do("CreateSecurityGroup", create, &created)
	if *created.SecurityGroupArn != "arn:aws:ec2:us-east-1:123456789012:security-group/"+*created.GroupId || *created.Tags[0].Value != "v" {
		t.Errorf("created %+v", created)
	}
	c.refused("CreateSecurityGroup", create, "InvalidGroup.Duplicate")
	wrong := *create
	wrong.TagSpecifications = []ec2.TagSpecification{{ResourceType: new("vpc")}}
	c.refused("CreateSecurityGroup", &wrong, "InvalidParameterValue")

	var groups ec2.DescribeSecurityGroupsResult
	c.do("DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{GroupNames: []string{"web"}}, &groups)
	g := groups.SecurityGroups[0]
	if len(g.IpPermissions) != 0 || g.IpPermissions == nil || *g.IpPermissionsEgress[0].IpProtocol != "-1" ||
		*g.IpPermissionsEgress[0].IpRanges[0].CidrIp != "0.0.0.0/0" || g.IpPermissionsEgress[0].FromPort != nil {
		t.Errorf("a new group is %+v", g)
	}
	c.refused("DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{GroupNames: []string{"none"}}, "InvalidGroup.NotFound")

	// Terraform revokes the default egress rule of a group it made.
	var gone ec2.RevokeSecurityGroupEgressResult
	c.do("RevokeSecurityGroupEgress", &ec2.RevokeSecurityGroupEgressRequest{GroupId: created.GroupId, IpPermissions: g.IpPermissionsEgress}, &gone)
	if !*gone.Return || len(gone.RevokedSecurityGroupRules) != 1 || !*gone.RevokedSecurityGroupRules[0].IsEgress {
		t.Errorf("revoked %+v", gone)
	}
	c.do("DeleteSecurityGroup", &ec2.DeleteSecurityGroupRequest{GroupName: new("web")}, nil)
	c.refused("DeleteSecurityGroup", &ec2.DeleteSecurityGroupRequest{GroupId: created.GroupId}, "InvalidGroup.NotFound")
	c.refused("DeleteSecurityGroup", &ec2.DeleteSecurityGroupRequest{}, "MissingParameter")
}

func TestSecurityGroup_RulesGivenInEitherWay(t *testing.T) {
	c, _ := newCaller(t)
	var web, lb ec2.CreateSecurityGroupResult
	c.do("CreateSecurityGroup", &ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("d")}, &web)
	c.do("CreateSecurityGroup", &ec2.CreateSecurityGroupRequest{GroupName: new("lb"), Description: new("d")}, &lb)

	legacy := &ec2.AuthorizeSecurityGroupIngressRequest{GroupName: new("lb"), IpProtocol: new("tcp"), FromPort: new(int64(80)), ToPort: new(int64(80)), CidrIp: new("0.0.0.0/0")}
	var added ec2.AuthorizeSecurityGroupIngressResult
	c.do("AuthorizeSecurityGroupIngress", legacy, &added)
	if r := added.SecurityGroupRules[0]; *r.CidrIpv4 != "0.0.0.0/0" || *r.FromPort != 80 || *r.IsEgress {
		t.Errorf("added %+v", r)
	}
	c.refused("AuthorizeSecurityGroupIngress", legacy, "InvalidPermission.Duplicate")
	fromGroup := []ec2.IpPermission{{
		IpProtocol: new("tcp"), FromPort: new(int64(3000)), ToPort: new(int64(3001)),
		UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: lb.GroupId, Description: new("the balancer")}},
	}}
	c.do("AuthorizeSecurityGroupIngress", &ec2.AuthorizeSecurityGroupIngressRequest{GroupId: web.GroupId, IpPermissions: fromGroup}, &added)
	if r := added.SecurityGroupRules[0]; *r.ReferencedGroupInfo.GroupId != *lb.GroupId || *r.Description != "the balancer" {
		t.Errorf("added %+v", r)
	}
	c.refused("DeleteSecurityGroup", &ec2.DeleteSecurityGroupRequest{GroupId: lb.GroupId}, "DependencyViolation")

	var groups ec2.DescribeSecurityGroupsResult
	c.do("DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{GroupIds: []string{*web.GroupId}}, &groups)
	want := ec2.IpPermission{
		IpProtocol: new("tcp"), FromPort: new(int64(3000)), ToPort: new(int64(3001)), IpRanges: []ec2.IpRange{}, Ipv6Ranges: []ec2.Ipv6Range{},
		PrefixListIds:    []ec2.PrefixListId{},
		UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: lb.GroupId, UserId: new(awsapi.DefaultAccount), Description: new("the balancer")}},
	}
	if got := groups.SecurityGroups[0].IpPermissions; len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("described %+v", got)
	}
	var rules ec2.DescribeSecurityGroupRulesResult
	c.do("DescribeSecurityGroupRules", &ec2.DescribeSecurityGroupRulesRequest{Filters: []ec2.Filter{{Name: new("group-id"), Values: []string{*web.GroupId}}}}, &rules)
	if len(rules.SecurityGroupRules) != 2 { // and the default egress rule
		t.Errorf("rules %+v", rules.SecurityGroupRules)
	}
	c.do("RevokeSecurityGroupIngress", &ec2.RevokeSecurityGroupIngressRequest{GroupId: web.GroupId, SecurityGroupRuleIds: []string{*added.SecurityGroupRules[0].SecurityGroupRuleId}}, nil)
	c.refused("RevokeSecurityGroupIngress", &ec2.RevokeSecurityGroupIngressRequest{GroupId: web.GroupId, IpPermissions: fromGroup}, "InvalidPermission.NotFound")
	c.refused("RevokeSecurityGroupIngress", &ec2.RevokeSecurityGroupIngressRequest{GroupId: web.GroupId}, "MissingParameter")
	c.do("AuthorizeSecurityGroupEgress", &ec2.AuthorizeSecurityGroupEgressRequest{GroupId: web.GroupId, IpPermissions: fromGroup}, nil)
}

func TestCommandLine_SecurityGroups(t *testing.T) {
	s, _ := newServer(t)
	aws := apitest.NewCLI(t, s)
	vpc := aws.Run("ec2", "describe-vpcs", "--query", "Vpcs[0].VpcId", "--output", "text")
	group := aws.Run("ec2", "create-security-group", "--group-name", "web", "--description", "tasks", "--vpc-id", vpc, "--query", "GroupId", "--output", "text")
	aws.Run("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "3000", "--source-group", group)
	got := aws.Run("ec2", "describe-security-groups", "--group-ids", group, "--query", "SecurityGroups[0].IpPermissions[0].[IpProtocol,FromPort,UserIdGroupPairs[0].GroupId]", "--output", "text")
	if want := "tcp\t3000\t" + group; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if out := aws.Fail("ec2", "describe-subnets", "--subnet-ids", "subnet-00000000"); !strings.Contains(out, "(InvalidSubnetID.NotFound)") {
		t.Error(out)
	}
}
