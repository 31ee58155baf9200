package main

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// readExtra reads what a stack file may say beside AWS's own members: names in place of
// ARNs and ids, which only exist once the thing does.
func readExtra(d *stackDecoder, shape reflect.Value, key, value *yaml.Node, path string) bool {
	if value.Kind != yaml.ScalarNode || isNull(value) {
		return false
	}
	switch into := shape.Addr().Interface().(type) {
	case *elbv2.Action:
		return targetGroupName(d, &into.TargetGroupArn, key, value, path)
	case *elbv2.TargetGroupTuple:
		return targetGroupName(d, &into.TargetGroupArn, key, value, path)
	case *ecs.LoadBalancer:
		return targetGroupName(d, &into.TargetGroupArn, key, value, path) || shiftName(d, into, key, value, path)
	case *ec2.IpPermission:
		return permissionShortcut(d, into, key, value, path)
	case *ec2.UserIdGroupPair:
		if key.Value == "groupName" {
			into.GroupId = d.name("securityGroup", value, "id", path)
			return true
		}
	}
	return false
}

func targetGroupName(d *stackDecoder, into **string, key, value *yaml.Node, path string) bool {
	if key.Value != "targetGroup" && key.Value != "targetGroupName" {
		return false
	}
	*into = d.name("targetGroup", value, "arn", path)
	return true
}

// permissionShortcut reads cidrIp and a source group, as the flat form of
// AuthorizeSecurityGroupIngress and CloudFormation have them.
func permissionShortcut(d *stackDecoder, into *ec2.IpPermission, key, value *yaml.Node, path string) bool {
	switch lowerFirst(key.Value) {
	case "cidrIp", "cidr":
		into.IpRanges = append(into.IpRanges, ec2.IpRange{CidrIp: &value.Value})
	case "sourceSecurityGroup", "sourceSecurityGroupName", "securityGroup", "destinationSecurityGroup":
		into.UserIdGroupPairs = append(into.UserIdGroupPairs, ec2.UserIdGroupPair{GroupId: d.group(value, path)})
	case "sourceSecurityGroupId", "destinationSecurityGroupId":
		into.UserIdGroupPairs = append(into.UserIdGroupPairs, ec2.UserIdGroupPair{GroupId: &value.Value})
	default:
		return false
	}
	return true
}

// readMember reads members whose values may be names, or one value in place of a list.
func readMember(d *stackDecoder, shape reflect.Value, name string, value *yaml.Node, path string) bool {
	field := shape.FieldByName(name)
	switch shape.Interface().(type) {
	case elbv2.CreateLoadBalancerInput, ecs.AwsVpcConfiguration:
	case ecs.CreateServiceRequest:
		if name == "TaskDefinition" && value.Kind == yaml.ScalarNode && !strings.Contains(value.Value, ":") && !isPlaceholder(value.Value) && !isNull(value) {
			field.Set(reflect.ValueOf(d.name("taskDefinition", value, "arn", path)))
			return true
		}
		return false
	default:
		return false
	}
	if name != "Subnets" && name != "SecurityGroups" || isNull(value) {
		return false
	}
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		values = value.Content
	}
	field.Set(reflect.ValueOf(d.networkNames(name, values, path)))
	return true
}

func (d *stackDecoder) networkNames(member string, values []*yaml.Node, path string) []string {
	all := []string{}
	for _, v := range values {
		v = resolve(v)
		switch {
		case v.Kind != yaml.ScalarNode || isNull(v):
			d.fail(v, path, "is "+describeNode(v)+", not a name or id", "")
		case member == "Subnets" && v.Value == "default":
			all = append(all, defaultSubnets)
		case member == "Subnets":
			all = append(all, *d.known(v, path))
		default:
			all = append(all, *d.group(v, path))
		}
	}
	return all
}

// group reads a security group's name or id.
func (d *stackDecoder) group(n *yaml.Node, path string) *string {
	if strings.HasPrefix(n.Value, "sg-") {
		return d.known(n, path)
	}
	return d.name("securityGroup", n, "id", path)
}

// known reads an id as it stands; it may be a placeholder.
func (d *stackDecoder) known(n *yaml.Node, path string) *string {
	d.text(d.file, n.Line, path, n.Value)
	return &n.Value
}

// name reads the name of something in the stack as the placeholder for its ARN or id.
func (d *stackDecoder) name(kind string, n *yaml.Node, attribute, path string) *string {
	if isPlaceholder(n.Value) || strings.HasPrefix(n.Value, "arn:") {
		return d.known(n, path)
	}
	text := placeholder(kind, n.Value, attribute)
	d.text(d.file, n.Line, path, text)
	return &text
}
