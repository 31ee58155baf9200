package awsapi_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// validating is a server whose handlers accept whatever passes the model's constraints.
func validating() *awsapi.Server {
	s := newServer()
	awsapi.Handle(s, "ecs", "RunTask", func(context.Context, *ecs.RunTaskRequest) (*ecs.RunTaskResponse, error) { return nil, nil })
	awsapi.Handle(s, "ecs", "RegisterTaskDefinition", func(context.Context, *ecs.RegisterTaskDefinitionRequest) (*ecs.RegisterTaskDefinitionResponse, error) {
		return nil, nil
	})
	awsapi.Handle(s, "elbv2", "CreateTargetGroup", func(context.Context, *elbv2.CreateTargetGroupInput) (*elbv2.CreateTargetGroupOutput, error) {
		return nil, nil
	})
	awsapi.Handle(s, "elbv2", "CreateListener", func(context.Context, *elbv2.CreateListenerInput) (*elbv2.CreateListenerOutput, error) {
		return nil, nil
	})
	awsapi.Handle(s, "ec2", "CreateSecurityGroup", func(context.Context, *ec2.CreateSecurityGroupRequest) (*ec2.CreateSecurityGroupResult, error) {
		return nil, nil
	})
	awsapi.Handle(s, "ec2", "DescribeVpcs", func(context.Context, *ec2.DescribeVpcsRequest) (*ec2.DescribeVpcsResult, error) { return nil, nil })
	return s
}

func TestValidate_ECS(t *testing.T) {
	s := validating()
	for _, c := range []struct{ operation, body, code, message string }{
		{"RunTask", `{}`, "InvalidParameterException", "TaskDefinition can not be blank."},
		{"RunTask", `{"taskDefinition":"a","launchType":"MOON"}`, "InvalidParameterException",
			"1 validation error detected: Value 'MOON' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: ["},
		{"RunTask", `{"taskDefinition":"a","networkConfiguration":{"awsvpcConfiguration":{}}}`, "InvalidParameterException",
			"1 validation error detected: Value null at 'networkConfiguration.awsvpcConfiguration.subnets' failed to satisfy constraint: Member must not be null"},
		{"RegisterTaskDefinition", `{"containerDefinitions":[]}`, "ClientException", "Family should not be null or empty."},
		{"RegisterTaskDefinition", `{"family":"a","containerDefinitions":[],"networkMode":"x","requiresCompatibilities":["FARGATE","MOON"]}`, "ClientException",
			"2 validation errors detected: Value 'x' at 'networkMode'"},
		{"RegisterTaskDefinition", `{"family":"a","containerDefinitions":[],"requiresCompatibilities":["FARGATE","MOON"]}`, "ClientException",
			"Value 'MOON' at 'requiresCompatibilities.2.member' failed"},
	} {
		post(t, s, "ecs", ecsTarget+c.operation, c.body).want(t, 400, `"__type":"`+c.code+`"`, c.message)
	}
	// ECS checks patterns itself, with other words than the framework's.
	post(t, s, "ecs", ecsTarget+"RunTask", `{"taskDefinition":"a","tags":[{"key":"!","value":"!"}]}`).want(t, 200)
}

func TestValidate_ELB(t *testing.T) {
	s := validating()
	for form, message := range map[string]string{
		"Action=CreateTargetGroup":                                                "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
		"Action=CreateTargetGroup&Name=a&Port=0":                                  "1 validation error detected: Value '0' at 'port' failed to satisfy constraint: Member must have value greater than or equal to 1",
		"Action=CreateTargetGroup&Name=a&Port=65536":                              "Member must have value less than or equal to 65535",
		"Action=CreateTargetGroup&Name=a&Protocol=FTP":                            "Value 'FTP' at 'protocol' failed to satisfy constraint: Member must satisfy enum value set: [HTTP, HTTPS,",
		"Action=CreateTargetGroup&Name=a&Tags.member.1.Key=":                      "Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
		"Action=CreateTargetGroup&Name=a&Tags.member.1.Key=%21":                   "Value '!' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: ^([\\p{L}",
		"Action=CreateListener&LoadBalancerArn=a&DefaultActions.member.1.Order=1": "Value null at 'defaultActions.1.member.type' failed to satisfy constraint: Member must not be null",
	} {
		got := post(t, s, "elasticloadbalancing", "", form+"&Version=2015-12-01")
		got.body = strings.NewReplacer("&#39;", "'").Replace(got.body)
		got.want(t, 400, "<Code>ValidationError</Code>", message)
	}
}

func TestValidate_EC2(t *testing.T) {
	s := validating()
	post(t, s, "ec2", "", "Action=CreateSecurityGroup&Version=2016-11-15&GroupName=a").
		want(t, 400, "<Code>MissingParameter</Code>", "The request must contain the parameter GroupDescription")
	post(t, s, "ec2", "", "Action=DescribeVpcs&Version=2016-11-15&MaxResults=1").
		want(t, 400, "<Code>InvalidParameterValue</Code>", "Value (1) for parameter MaxResults is invalid.")
	post(t, s, "ec2", "", "Action=CreateSecurityGroup&Version=2016-11-15&GroupName=a&GroupDescription=b&"+url.Values{"TagSpecification.1.ResourceType": {"moon"}}.Encode()).
		want(t, 400, "Value (moon) for parameter TagSpecification.1.ResourceType is invalid.")
}
