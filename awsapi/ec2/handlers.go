package ec2

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"drydock/awsapi"
	"drydock/network"
)

// api holds what the handlers need.
type api struct {
	network *network.Network
}

// Register registers the handlers of EC2.
func Register(s *awsapi.Server, n *network.Network) {
	a := api{n}
	awsapi.Handle(s, "ec2", "DescribeVpcs", a.describeVpcs)
	awsapi.Handle(s, "ec2", "DescribeSubnets", a.describeSubnets)
	awsapi.Handle(s, "ec2", "DescribeAvailabilityZones", a.describeAvailabilityZones)
	awsapi.Handle(s, "ec2", "DescribeNetworkInterfaces", a.describeNetworkInterfaces)
	awsapi.Handle(s, "ec2", "CreateSecurityGroup", a.createSecurityGroup)
	awsapi.Handle(s, "ec2", "DescribeSecurityGroups", a.describeSecurityGroups)
	awsapi.Handle(s, "ec2", "DeleteSecurityGroup", a.deleteSecurityGroup)
	awsapi.Handle(s, "ec2", "AuthorizeSecurityGroupIngress", a.authorizeIngress)
	awsapi.Handle(s, "ec2", "RevokeSecurityGroupIngress", a.revokeIngress)
	awsapi.Handle(s, "ec2", "AuthorizeSecurityGroupEgress", a.authorizeEgress)
	awsapi.Handle(s, "ec2", "RevokeSecurityGroupEgress", a.revokeEgress)
	awsapi.Handle(s, "ec2", "DescribeSecurityGroupRules", a.describeSecurityGroupRules)
	awsapi.Handle(s, "ec2", "ModifySecurityGroupRules", a.modifySecurityGroupRules)
	awsapi.Handle(s, "ec2", "UpdateSecurityGroupRuleDescriptionsIngress", a.updateIngressDescriptions)
	awsapi.Handle(s, "ec2", "UpdateSecurityGroupRuleDescriptionsEgress", a.updateEgressDescriptions)
	awsapi.Handle(s, "ec2", "CreateTags", a.createTags)
	awsapi.Handle(s, "ec2", "DeleteTags", a.deleteTags)
	awsapi.Handle(s, "ec2", "DescribeVpcAttribute", a.describeVpcAttribute)
	awsapi.Handle(s, "ec2", "DescribeRouteTables", a.describeRouteTables)
	awsapi.Handle(s, "ec2", "DescribeNetworkAcls", a.describeNetworkAcls)
	awsapi.Handle(s, "ec2", "DescribeInternetGateways", a.describeInternetGateways)
	awsapi.Handle(s, "ec2", "DescribeAccountAttributes", a.describeAccountAttributes)
}

// dryRun is the answer to a call that asks whether it would be allowed: nothing is done (WIRE-017).
func dryRun(asked *bool) error {
	if !awsapi.Value(asked) {
		return nil
	}
	return &awsapi.Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: http.StatusPreconditionFailed}
}

// pageSize is the most that EC2 returns at once (WIRE-020).
const pageSize = 1000

// page is [awsapi.Page] in EC2's words.
func page[T any](items []T, token *string, size *int64) ([]T, *string, error) {
	part, next, err := awsapi.Page(items, token, size, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		return nil, nil, &awsapi.Error{Code: "InvalidNextToken", Message: "The token '" + *token + "' is invalid."}
	}
	return part, next, err
}

func filters(shapes []Filter) []network.Filter {
	return awsapi.List(shapes, func(f Filter) network.Filter {
		return network.Filter{Name: awsapi.Value(f.Name), Values: f.Values}
	})
}

func tagShapes(tags map[string]string) []Tag {
	var shapes []Tag
	for _, key := range sortedKeys(tags) {
		shapes = append(shapes, Tag{Key: &key, Value: new(tags[key])})
	}
	return shapes
}

// tagsOf returns the tags that a request gives to what it creates.
func tagsOf(specifications []TagSpecification, resourceType string) (map[string]string, error) {
	tags := map[string]string{}
	for _, s := range specifications {
		if got := awsapi.Value(s.ResourceType); got != resourceType {
			return nil, &awsapi.Error{Code: "InvalidParameterValue", Message: "'" + got + "' is not a valid taggable resource type for this operation."}
		}
		for _, tag := range s.Tags {
			tags[awsapi.Value(tag.Key)] = awsapi.Value(tag.Value)
		}
	}
	return tags, nil
}

// arn names a resource of the account that calls, in the network's region.
func (a api) arn(ctx context.Context, resource string) *string {
	return new(strings.Join([]string{"arn:aws:ec2", a.region(), awsapi.CallFrom(ctx).Account, resource}, ":"))
}

func (a api) region() string { return a.network.AvailabilityZones()[0].Region }
