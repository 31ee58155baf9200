package elbv2

import (
	"errors"

	"drydock/alb"
	"drydock/awsapi"
)

// api holds what the handlers need.
type api struct {
	balancer *alb.Balancer
}

// Register registers the handlers of ELBv2.
func Register(s *awsapi.Server, b *alb.Balancer) {
	a := api{b}
	awsapi.Handle(s, "elbv2", "CreateLoadBalancer", a.createLoadBalancer)
	awsapi.Handle(s, "elbv2", "DescribeLoadBalancers", a.describeLoadBalancers)
	awsapi.Handle(s, "elbv2", "DeleteLoadBalancer", a.deleteLoadBalancer)
	awsapi.Handle(s, "elbv2", "DescribeLoadBalancerAttributes", a.describeLoadBalancerAttributes)
	awsapi.Handle(s, "elbv2", "ModifyLoadBalancerAttributes", a.modifyLoadBalancerAttributes)
	awsapi.Handle(s, "elbv2", "SetSecurityGroups", a.setSecurityGroups)
	awsapi.Handle(s, "elbv2", "SetSubnets", a.setSubnets)
	awsapi.Handle(s, "elbv2", "SetIpAddressType", a.setIPAddressType)
	awsapi.Handle(s, "elbv2", "DescribeCapacityReservation", a.describeCapacityReservation)
	awsapi.Handle(s, "elbv2", "DescribeAccountLimits", a.describeAccountLimits)

	awsapi.Handle(s, "elbv2", "CreateTargetGroup", a.createTargetGroup)
	awsapi.Handle(s, "elbv2", "DescribeTargetGroups", a.describeTargetGroups)
	awsapi.Handle(s, "elbv2", "ModifyTargetGroup", a.modifyTargetGroup)
	awsapi.Handle(s, "elbv2", "DeleteTargetGroup", a.deleteTargetGroup)
	awsapi.Handle(s, "elbv2", "DescribeTargetGroupAttributes", a.describeTargetGroupAttributes)
	awsapi.Handle(s, "elbv2", "ModifyTargetGroupAttributes", a.modifyTargetGroupAttributes)
	awsapi.Handle(s, "elbv2", "RegisterTargets", a.registerTargets)
	awsapi.Handle(s, "elbv2", "DeregisterTargets", a.deregisterTargets)
	awsapi.Handle(s, "elbv2", "DescribeTargetHealth", a.describeTargetHealth)

	awsapi.Handle(s, "elbv2", "CreateListener", a.createListener)
	awsapi.Handle(s, "elbv2", "DescribeListeners", a.describeListeners)
	awsapi.Handle(s, "elbv2", "ModifyListener", a.modifyListener)
	awsapi.Handle(s, "elbv2", "DeleteListener", a.deleteListener)
	awsapi.Handle(s, "elbv2", "DescribeListenerAttributes", a.describeListenerAttributes)
	awsapi.Handle(s, "elbv2", "ModifyListenerAttributes", a.modifyListenerAttributes)
	awsapi.Handle(s, "elbv2", "AddListenerCertificates", a.addListenerCertificates)
	awsapi.Handle(s, "elbv2", "RemoveListenerCertificates", a.removeListenerCertificates)
	awsapi.Handle(s, "elbv2", "DescribeListenerCertificates", a.describeListenerCertificates)
	awsapi.Handle(s, "elbv2", "DescribeSSLPolicies", a.describeSSLPolicies)
	awsapi.Handle(s, "elbv2", "CreateRule", a.createRule)
	awsapi.Handle(s, "elbv2", "DescribeRules", a.describeRules)
	awsapi.Handle(s, "elbv2", "ModifyRule", a.modifyRule)
	awsapi.Handle(s, "elbv2", "DeleteRule", a.deleteRule)
	awsapi.Handle(s, "elbv2", "SetRulePriorities", a.setRulePriorities)

	awsapi.Handle(s, "elbv2", "AddTags", a.addTags)
	awsapi.Handle(s, "elbv2", "RemoveTags", a.removeTags)
	awsapi.Handle(s, "elbv2", "DescribeTags", a.describeTags)
}

// pageSize is the most that ELBv2 returns at once (WIRE-020).
const pageSize = 400

// page is [awsapi.Page] in ELBv2's words.
func page[T any](items []T, marker *string, size *int64) ([]T, *string, error) {
	part, next, err := awsapi.Page(items, marker, size, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		return nil, nil, &awsapi.Error{Code: "ValidationError", Message: "The marker '" + *marker + "' is not valid"}
	}
	return part, next, err
}

// refused is a member of a request, by name, and whether it was sent.
type refused struct {
	member string
	sent   bool
}

// unsupported refuses members that alb has no word for.
func unsupported(members ...refused) error {
	for _, m := range members {
		if m.sent {
			return &awsapi.Error{Code: "InvalidConfigurationRequest", Message: m.member + " is not supported by drydock yet; leave it out"}
		}
	}
	return nil
}

func number(p *int64) int { return int(awsapi.Value(p)) }

func tags(shapes []Tag) []alb.Tag {
	return awsapi.List(shapes, func(t Tag) alb.Tag { return alb.Tag{Key: awsapi.Value(t.Key), Value: awsapi.Value(t.Value)} })
}
