package awsapi_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// stub is a server with a few operations of every protocol.
func stub(t *testing.T) *httptest.Server {
	s := newServer()
	whoAmI(s)
	created := time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC)
	awsapi.Handle(s, "ecs", "DescribeServices", func(_ context.Context, in *ecs.DescribeServicesRequest) (*ecs.DescribeServicesResponse, error) {
		if in.Services[0] == "missing" {
			return nil, &nounError{"ClusterNotFoundException", "Cluster not found."}
		}
		return &ecs.DescribeServicesResponse{Failures: []ecs.Failure{}, Services: []ecs.Service{{
			ServiceName: &in.Services[0], RunningCount: ptr(int64(0)), DesiredCount: ptr(int64(3)), CreatedAt: &created, Events: []ecs.ServiceEvent{},
		}}}, nil
	})
	awsapi.Handle(s, "ecs", "CreateService", func(_ context.Context, in *ecs.CreateServiceRequest) (*ecs.CreateServiceResponse, error) {
		return &ecs.CreateServiceResponse{Service: &ecs.Service{ServiceName: in.ServiceName, NetworkConfiguration: in.NetworkConfiguration, LoadBalancers: in.LoadBalancers}}, nil
	})
	awsapi.Handle(s, "elbv2", "CreateRule", func(_ context.Context, in *elbv2.CreateRuleInput) (*elbv2.CreateRuleOutput, error) {
		return &elbv2.CreateRuleOutput{Rules: []elbv2.Rule{{Conditions: in.Conditions, Actions: in.Actions, IsDefault: ptr(false)}}}, nil
	})
	awsapi.Handle(s, "elbv2", "DescribeLoadBalancers", func(_ context.Context, in *elbv2.DescribeLoadBalancersInput) (*elbv2.DescribeLoadBalancersOutput, error) {
		if len(in.Names) > 0 && in.Names[0] == "missing" {
			return nil, &nounError{"LoadBalancerNotFound", "Load balancers '[missing]' not found"}
		}
		return &elbv2.DescribeLoadBalancersOutput{LoadBalancers: []elbv2.LoadBalancer{{LoadBalancerName: ptr("a"), CreatedTime: &created, SecurityGroups: []string{"sg-1", "sg-2"}}}}, nil
	})
	awsapi.Handle(s, "ec2", "AuthorizeSecurityGroupIngress", func(_ context.Context, in *ec2.AuthorizeSecurityGroupIngressRequest) (*ec2.AuthorizeSecurityGroupIngressResult, error) {
		p := in.IpPermissions[0]
		return &ec2.AuthorizeSecurityGroupIngressResult{Return: ptr(true), SecurityGroupRules: []ec2.SecurityGroupRule{{
			GroupId: in.GroupId, FromPort: p.FromPort, ReferencedGroupInfo: &ec2.ReferencedSecurityGroup{GroupId: p.UserIdGroupPairs[0].GroupId},
		}}}, nil
	})
	awsapi.Handle(s, "ec2", "DescribeSecurityGroups", func(context.Context, *ec2.DescribeSecurityGroupsRequest) (*ec2.DescribeSecurityGroupsResult, error) {
		return nil, &nounError{"InvalidGroup.NotFound", "The security group 'sg-0' does not exist"}
	})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func TestClients_AWSCommandLine(t *testing.T) {
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	env := apitest.Environment(stub(t).URL, t.TempDir())
	for _, c := range []struct {
		name, line string
		want       []string
	}{
		{"sts", "sts get-caller-identity", []string{`"Account": "123456789012"`, `"UserId": "AKIDEXAMPLE"`}},
		{"json", "ecs describe-services --services web", []string{`"serviceName": "web"`, `"runningCount": 0`, `"failures": []`, `"createdAt"`}},
		{"json error", "ecs describe-services --services missing", []string{"An error occurred (ClusterNotFoundException) when calling the DescribeServices operation: Cluster not found."}},
		{"json in", "ecs create-service --service-name a --network-configuration awsvpcConfiguration={subnets=[s-1,s-2],securityGroups=[sg-1]} --load-balancers targetGroupArn=t,containerName=c,containerPort=80",
			[]string{`"s-2"`, `"containerPort": 80`}},
		{"query", "elbv2 describe-load-balancers", []string{`"sg-2"`, `"2026-01-02T03:04:05.250`}},
		{"query error", "elbv2 describe-load-balancers --names missing", []string{"An error occurred (LoadBalancerNotFound) when calling the DescribeLoadBalancers operation: Load balancers '[missing]' not found"}},
		{"query in", "elbv2 create-rule --listener-arn l --priority 5 --conditions Field=path-pattern,Values=/api/* --actions Type=forward,TargetGroupArn=t", []string{`"/api/*"`, `"IsDefault": false`}},
		{"ec2", "ec2 authorize-security-group-ingress --group-id sg-1 --protocol tcp --port 3000 --source-group sg-2", []string{`"GroupId": "sg-2"`, `"FromPort": 3000`, `"Return": true`}},
		{"ec2 error", "ec2 describe-security-groups --group-ids sg-0", []string{"(InvalidGroup.NotFound)", "The security group 'sg-0' does not exist"}},
		{"not implemented", "ecs list-account-settings", []string{"(UnknownOperationException)", "does not implement"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			command := exec.Command(path, strings.Fields(c.line)...)
			command.Env = env
			out, _ := command.CombinedOutput() // some fail on purpose
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("aws %s: no %s in\n%s", c.line, want, out)
				}
			}
		})
	}
}

const botoScript = `
import boto3
ecs, elb, ec2, sts = (boto3.client(name) for name in ("ecs", "elbv2", "ec2", "sts"))
assert sts.get_caller_identity()["Account"] == "123456789012"
answer = ecs.describe_services(services=["web"])
assert answer["failures"] == [] and answer["services"][0]["runningCount"] == 0, answer
assert answer["services"][0]["createdAt"].timestamp() == 1767323045.25
assert answer["ResponseMetadata"]["RequestId"]
try:
    ecs.describe_services(services=["missing"])
    raise SystemExit("no error")
except ecs.exceptions.ClusterNotFoundException as e:
    assert e.response["Error"]["Message"] == "Cluster not found."
balancer = elb.describe_load_balancers()["LoadBalancers"][0]
assert balancer["SecurityGroups"] == ["sg-1", "sg-2"] and balancer["CreatedTime"].timestamp() == 1767323045.25
try:
    elb.describe_load_balancers(Names=["missing"])
    raise SystemExit("no error")
except elb.exceptions.LoadBalancerNotFoundException as e:
    assert e.response["Error"]["Code"] == "LoadBalancerNotFound"
rules = ec2.authorize_security_group_ingress(GroupId="sg-1", IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": "sg-2"}]}])
assert rules["SecurityGroupRules"][0]["ReferencedGroupInfo"]["GroupId"] == "sg-2", rules
try:
    ec2.describe_security_groups(GroupIds=["sg-0"])
    raise SystemExit("no error")
except ec2.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "InvalidGroup.NotFound" and e.response["ResponseMetadata"]["RequestId"]
print("all well")
`

func TestClients_Boto3(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("python3 with boto3 is not installed")
	}
	command := exec.Command("python3", "-c", botoScript)
	command.Env = apitest.Environment(stub(t).URL, t.TempDir())
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestClient_ReturnsAWSErrors(t *testing.T) {
	c := &awsapi.Client{Endpoint: stub(t).URL}
	for _, call := range []struct {
		service, operation string
		in                 any
		code               string
	}{
		{"ecs", "DescribeServices", &ecs.DescribeServicesRequest{Services: []string{"missing"}}, "ClusterNotFoundException"},
		{"elbv2", "DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{Names: []string{"missing"}}, "LoadBalancerNotFound"},
		{"ec2", "DescribeSecurityGroups", nil, "InvalidGroup.NotFound"},
	} {
		err := c.Do(context.Background(), call.service, call.operation, call.in, nil)
		var e *awsapi.Error
		if !errors.As(err, &e) || e.Code != call.code || e.Message == "" || e.Status != 400 {
			t.Errorf("%s: %v, want %s", call.operation, err, call.code)
		}
	}
	if err := c.Do(context.Background(), "ecs", "MakeCoffee", nil, nil); err == nil {
		t.Error("an operation without shapes is sent")
	}
	other := &awsapi.Client{Endpoint: "http://127.0.0.1:1"}
	var e *awsapi.Error
	if err := other.Do(context.Background(), "sts", "GetCallerIdentity", nil, nil); err == nil || errors.As(err, &e) {
		t.Errorf("no daemon: %v", err)
	}
}

func FuzzServer(f *testing.F) {
	f.Add("", "Action=CreateRule&Version=2015-12-01&ListenerArn=a&Conditions.member.1.Values.member.2=b&Priority=1")
	f.Add("", "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&IpPermissions.1.FromPort=x")
	f.Add(ecsTarget+"CreateService", `{"serviceName":"a","loadBalancers":[{"containerPort":1e3}],"tags":null}`)
	f.Fuzz(func(t *testing.T, target, body string) {
		s := newServer()
		awsapi.Handle(s, "ecs", "CreateService", func(_ context.Context, in *ecs.CreateServiceRequest) (*ecs.CreateServiceRequest, error) {
			return in, nil
		})
		awsapi.Handle(s, "elbv2", "CreateRule", func(_ context.Context, in *elbv2.CreateRuleInput) (*elbv2.CreateRuleInput, error) { return in, nil })
		awsapi.Handle(s, "ec2", "AuthorizeSecurityGroupIngress", func(_ context.Context, in *ec2.AuthorizeSecurityGroupIngressRequest) (*ec2.AuthorizeSecurityGroupIngressRequest, error) {
			return in, nil
		})
		if got := post(t, s, "ec2", target, body); got.status >= 500 {
			t.Errorf("status %d: %s", got.status, got.body)
		}
	})
}
