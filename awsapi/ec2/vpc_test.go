package ec2_test

import (
	"testing"

	"drydock/awsapi/ec2"
)

// What Terraform's data sources ask about a VPC.
func TestDescribe_WhatSurroundsTheVPC(t *testing.T) {
	c, n := newCaller(t)
	vpc := n.DefaultVPC().ID
	inVPC := []ec2.Filter{{Name: new("vpc-id"), Values: []string{vpc}}}
	var attribute ec2.DescribeVpcAttributeResult
	c.do("DescribeVpcAttribute", &ec2.DescribeVpcAttributeRequest{VpcId: &vpc, Attribute: new("enableDnsHostnames")}, &attribute)
	if attribute.EnableDnsHostnames == nil || !*attribute.EnableDnsHostnames.Value || attribute.EnableDnsSupport != nil {
		t.Errorf("attribute %+v", attribute)
	}
	c.refused("DescribeVpcAttribute", &ec2.DescribeVpcAttributeRequest{VpcId: new("vpc-0"), Attribute: new("enableDnsSupport")}, "InvalidVpcID.NotFound")
	var tables ec2.DescribeRouteTablesResult
	c.do("DescribeRouteTables", &ec2.DescribeRouteTablesRequest{Filters: append(inVPC, ec2.Filter{Name: new("association.main"), Values: []string{"true"}})}, &tables)
	if len(tables.RouteTables) != 1 || len(tables.RouteTables[0].Routes) != 2 || *tables.RouteTables[0].Routes[0].GatewayId != "local" {
		t.Errorf("route tables %+v", tables)
	}
	c.do("DescribeRouteTables", &ec2.DescribeRouteTablesRequest{Filters: []ec2.Filter{{Name: new("association.subnet-id"), Values: []string{"subnet-1"}}}}, &tables)
	if len(tables.RouteTables) != 0 { // subnets have no table of their own: clients look for the main one then
		t.Errorf("route tables of a subnet %+v", tables)
	}
	var acls ec2.DescribeNetworkAclsResult
	c.do("DescribeNetworkAcls", &ec2.DescribeNetworkAclsRequest{Filters: inVPC}, &acls)
	if len(acls.NetworkAcls) != 1 || len(acls.NetworkAcls[0].Entries) != 4 || len(acls.NetworkAcls[0].Associations) != 3 {
		t.Errorf("ACLs %+v", acls)
	}
	var gateways ec2.DescribeInternetGatewaysResult
	c.do("DescribeInternetGateways", nil, &gateways)
	if len(gateways.InternetGateways) != 1 || *gateways.InternetGateways[0].Attachments[0].VpcId != vpc {
		t.Errorf("gateways %+v", gateways)
	}
	c.refused("DescribeInternetGateways", &ec2.DescribeInternetGatewaysRequest{InternetGatewayIds: []string{"igw-1"}}, "InvalidInternetGatewayID.NotFound")
	var account ec2.DescribeAccountAttributesResult
	c.do("DescribeAccountAttributes", &ec2.DescribeAccountAttributesRequest{AttributeNames: []string{"default-vpc"}}, &account)
	if len(account.AccountAttributes) != 1 || *account.AccountAttributes[0].AttributeValues[0].AttributeValue != vpc {
		t.Errorf("account %+v", account)
	}
}

// Terraform's default_tags tag every rule, and its aws_vpc_security_group_ingress_rule changes one in place.
func TestRule_TagsAndChanges(t *testing.T) {
	c, _ := newCaller(t)
	var group ec2.CreateSecurityGroupResult
	c.do("CreateSecurityGroup", &ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("d")}, &group)
	var added ec2.AuthorizeSecurityGroupIngressResult
	c.do("AuthorizeSecurityGroupIngress", &ec2.AuthorizeSecurityGroupIngressRequest{
		GroupId: group.GroupId, IpPermissions: []ec2.IpPermission{{IpProtocol: new("tcp"), FromPort: new(int64(80)), ToPort: new(int64(80)), IpRanges: []ec2.IpRange{{CidrIp: new("0.0.0.0/0")}}}},
		TagSpecifications: []ec2.TagSpecification{{ResourceType: new("security-group-rule"), Tags: []ec2.Tag{{Key: new("a"), Value: new("b")}}}},
	}, &added)
	rule := added.SecurityGroupRules[0]
	if len(rule.Tags) != 1 || *rule.Tags[0].Value != "b" {
		t.Errorf("added with tags %+v", rule.Tags)
	}
	both := []string{*rule.SecurityGroupRuleId, *group.GroupId}
	c.do("CreateTags", &ec2.CreateTagsRequest{Resources: both, Tags: []ec2.Tag{{Key: new("c"), Value: new("d")}}}, nil)
	c.do("DeleteTags", &ec2.DeleteTagsRequest{Resources: both, Tags: []ec2.Tag{{Key: new("a")}}}, nil)
	c.do("ModifySecurityGroupRules", &ec2.ModifySecurityGroupRulesRequest{GroupId: group.GroupId, SecurityGroupRules: []ec2.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: rule.SecurityGroupRuleId,
		SecurityGroupRule:   &ec2.SecurityGroupRuleRequest{IpProtocol: new("tcp"), FromPort: new(int64(81)), ToPort: new(int64(82)), CidrIpv4: new("10.0.0.0/8")},
	}}}, nil)
	c.do("UpdateSecurityGroupRuleDescriptionsIngress", &ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{GroupId: group.GroupId,
		SecurityGroupRuleDescriptions: []ec2.SecurityGroupRuleDescription{{SecurityGroupRuleId: rule.SecurityGroupRuleId, Description: new("new")}}}, nil)
	var rules ec2.DescribeSecurityGroupRulesResult
	c.do("DescribeSecurityGroupRules", &ec2.DescribeSecurityGroupRulesRequest{SecurityGroupRuleIds: both[:1]}, &rules)
	got := rules.SecurityGroupRules[0]
	if *got.FromPort != 81 || *got.CidrIpv4 != "10.0.0.0/8" || *got.Description != "new" || len(got.Tags) != 1 || *got.Tags[0].Key != "c" {
		t.Errorf("described %+v", got)
	}
	var groups ec2.DescribeSecurityGroupsResult
	c.do("DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{Filters: []ec2.Filter{{Name: new("tag:c"), Values: []string{"d"}}}}, &groups)
	if len(groups.SecurityGroups) != 1 || *groups.SecurityGroups[0].GroupId != *group.GroupId {
		t.Errorf("groups %+v", groups)
	}
}
