package awsapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/cloudwatch"
	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
	"drydock/awsapi/sts"
)

const signature = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/%/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"

// answer is what a raw request got back.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends a raw signed request; target is empty for forms.
func post(t *testing.T, s http.Handler, scope, target, body string, change ...func(r *http.Request)) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://localhost:4566/", strings.NewReader(body))
	r.Header.Set("Authorization", strings.Replace(signature, "%", scope, 1))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	got := answer{w.Code, w.Header(), w.Body.String()}
	if got.header.Get("x-amzn-RequestId") == "" {
		t.Errorf("no x-amzn-RequestId in the answer to %s", body)
	}
	return got
}

func (a answer) want(t *testing.T, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("answer lacks %s:\n%s", part, a.body)
		}
	}
}

const ecsTarget = "AmazonEC2ContainerServiceV20141113."

func ptr[T any](x T) *T { return &x }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newServer() *awsapi.Server {
	s := awsapi.NewServer()
	s.Log = quiet()
	return s
}

func whoAmI(s *awsapi.Server) {
	awsapi.Handle(s, "sts", "GetCallerIdentity", func(ctx context.Context, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
		c := awsapi.CallFrom(ctx)
		return &sts.GetCallerIdentityResponse{Account: &c.Account, UserId: &c.AccessKey, Arn: ptr("arn:aws:iam::" + c.Account + ":root")}, nil
	})
}

func TestDispatch_ByTargetVersionAndScopeNotByPath(t *testing.T) {
	s := newServer()
	whoAmI(s)
	awsapi.Handle(s, "ecs", "ListClusters", func(ctx context.Context, in *ecs.ListClustersRequest) (*ecs.ListClustersResponse, error) {
		return &ecs.ListClustersResponse{ClusterArns: []string{awsapi.CallFrom(ctx).Region}}, nil
	})
	elsewhere := func(r *http.Request) { r.URL.Path, r.Host = "/some/path", "sts.localhost" }
	post(t, s, "ecs", ecsTarget+"ListClusters", "{}", elsewhere).want(t, 200, `{"clusterArns":["eu-west-1"]}`)
	post(t, s, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15", elsewhere).want(t, 200, "<Account>123456789012</Account>", "<UserId>AKIDEXAMPLE</UserId>")
	post(t, s, "sts", "", "Action=GetCallerIdentity").want(t, 200, "<Account>") // no version: the scope tells
	post(t, s, "sqs", "", "Action=ListQueues&Version=2012-11-05").want(t, 400, "InvalidAction", "does not serve the service &#34;sqs&#34;")
	post(t, s, "kinesis", "Kinesis_20131202.ListStreams", "{}").want(t, 400, "UnknownOperationException", `does not serve the service \"kinesis\"`)
}

func TestDispatch_PresignedURL(t *testing.T) {
	s := newServer()
	whoAmI(s)
	r := httptest.NewRequest(http.MethodGet, "http://localhost/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"+
		"&X-Amz-Credential=AKID%2F20260102%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Signature=00&X-Amz-SignedHeaders=host", nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	answer{w.Code, w.Header(), w.Body.String()}.want(t, 200, "<UserId>AKID</UserId>")
}

func TestDispatch_UnknownAndUnimplementedOperations(t *testing.T) {
	s := newServer()
	for _, c := range []struct {
		scope, target, body string
		want                []string
	}{
		{"ecs", ecsTarget + "MakeCoffee", "{}", []string{`"__type":"UnknownOperationException"`, "has no operation"}},
		{"ecs", ecsTarget + "CreateTaskSet", "{}", []string{`"__type":"UnknownOperationException"`, "does not implement", "yet"}},
		{"ecs", ecsTarget + "ListClusters", "{}", []string{`"__type":"UnknownOperationException"`, "does not implement", "yet"}},
		{"elasticloadbalancing", "", "Action=MakeCoffee&Version=2015-12-01", []string{"<Code>InvalidAction</Code>", "Could not find operation MakeCoffee for version 2015-12-01"}},
		{"elasticloadbalancing", "", "Action=SetSubnets&Version=2015-12-01", []string{"<Code>InvalidAction</Code>", "does not implement"}},
		{"ec2", "", "Action=MakeCoffee&Version=2016-11-15", []string{"<Code>InvalidAction</Code>", "The action MakeCoffee is not valid for this web service."}},
		{"ec2", "", "Action=RunInstances&Version=2016-11-15", []string{"<Code>InvalidAction</Code>", "does not implement"}},
	} {
		post(t, s, c.scope, c.target, c.body).want(t, 400, c.want...)
	}
}

func TestServer_RefusesCBOR(t *testing.T) {
	post(t, newServer(), "ecs", "", "\xa0", inCBOR("AmazonEC2ContainerServiceV20141113", "ListClusters")).
		want(t, 400, "UnknownOperationException", "rpc-v2-cbor")
}

// inCBOR makes a request one of smithy-rpc-v2-cbor.
func inCBOR(service, operation string) func(r *http.Request) {
	return func(r *http.Request) {
		r.URL.Path = "/service/" + service + "/operation/" + operation
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		r.Header.Set("Content-Type", "application/cbor")
	}
}

const granite = "GraniteServiceVersion20100801"

// setAlarmState is a server whose SetAlarmState knows no alarm.
func setAlarmState() *awsapi.Server {
	s := newServer()
	awsapi.Handle(s, "cloudwatch", "SetAlarmState", func(_ context.Context, in *cloudwatch.SetAlarmStateInput) (*cloudwatch.SetAlarmStateOutput, error) {
		return nil, &nounError{"ResourceNotFound", "no alarm " + *in.AlarmName}
	})
	return s
}

func TestDispatch_CloudWatchByThreeProtocols(t *testing.T) {
	s := setAlarmState()
	cborBody := "\xbf\x69AlarmName\x61a\x6aStateValue\x62OK\x6bStateReason\x61r\xff" // a map of indefinite length
	for name, got := range map[string]answer{
		"cbor":  post(t, s, "monitoring", "", cborBody, inCBOR(granite, "SetAlarmState")),
		"json":  post(t, s, "monitoring", granite+".SetAlarmState", `{"AlarmName":"a","StateValue":"OK","StateReason":"r"}`),
		"query": post(t, s, "monitoring", "", "Action=SetAlarmState&Version=2010-08-01&AlarmName=a&StateValue=OK&StateReason=r"),
	} {
		got.want(t, 404, "ResourceNotFound", "no alarm a")
		if error := got.header.Get("X-Amzn-Query-Error"); error != "ResourceNotFound;Sender" {
			t.Errorf("%s: X-Amzn-Query-Error is %q", name, error)
		}
	}
}

func TestError_CBORHasTheShapesName(t *testing.T) {
	s := newServer()
	awsapi.Handle(s, "cloudwatch", "DeleteAlarms", func(context.Context, *cloudwatch.DeleteAlarmsInput) (*cloudwatch.DeleteAlarmsOutput, error) {
		return nil, &nounError{"InvalidParameterValue", "no"}
	})
	got := post(t, s, "monitoring", "", "\xa1\x6aAlarmNames\x80", inCBOR(granite, "DeleteAlarms"))
	got.want(t, 400, "InvalidParameterValueException")
	if error := got.header.Get("X-Amzn-Query-Error"); error != "InvalidParameterValue;Sender" {
		t.Errorf("X-Amzn-Query-Error is %q", error)
	}
}

func TestServer_RefusesHostileCBOR(t *testing.T) {
	s := setAlarmState()
	for _, body := range []string{"\xff", "\xa1", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("\x81", 100_000)} {
		post(t, s, "monitoring", "", body, inCBOR(granite, "SetAlarmState")).want(t, 400, "SerializationException")
	}
	post(t, s, "monitoring", "", "\xa1\x69AlarmName\x01", inCBOR(granite, "SetAlarmState")).want(t, 400, "SerializationException", "NUMBER_VALUE")
	post(t, s, "monitoring", "", "\xa0", inCBOR(granite, "SetAlarmState")).want(t, 400, "ValidationError", "alarmName")
	post(t, s, "monitoring", "", "\xa0", inCBOR("Nobody", "SetAlarmState")).want(t, 400, "UnknownOperationException")
}

func TestServer_LimitsTheBody(t *testing.T) {
	s := newServer()
	post(t, s, "ecs", ecsTarget+"ListClusters", strings.Repeat(" ", awsapi.MaxBody+1)).want(t, 413, "RequestEntityTooLargeException")
	post(t, s, "sts", "", strings.Repeat("a", awsapi.MaxBody+1)).want(t, 413, "<Code>RequestEntityTooLargeException</Code>")
}

func TestServer_RefusesHostileForms(t *testing.T) {
	s := newServer()
	whoAmI(s)
	deep := "Action=GetCallerIdentity&Version=2011-06-15&a" + strings.Repeat(".a", 100_000) + "=1"
	post(t, s, "sts", "", deep).want(t, 400, "MalformedInput")
	post(t, s, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15&%zz").want(t, 400, "MalformedInput")
	post(t, s, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15"+strings.Repeat("&a=1", 20_000)).want(t, 400, "MalformedInput")
}

func TestServer_RequiresASignature(t *testing.T) {
	s := newServer()
	whoAmI(s)
	set := func(value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	form := "Action=GetCallerIdentity&Version=2011-06-15"
	post(t, s, "sts", "", form, set("")).want(t, 403, "<Code>MissingAuthenticationToken</Code>")
	post(t, s, "ecs", ecsTarget+"ListClusters", "{}", set("")).want(t, 400, "MissingAuthenticationTokenException")
	for _, bad := range []string{
		"Basic YTpi",
		"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
		"AWS4-HMAC-SHA256 Credential=a/b/c/aws4_request, SignedHeaders=host, Signature=00",
	} {
		post(t, s, "sts", "", form, set(bad)).want(t, 400, "<Code>IncompleteSignature</Code>")
	}
}

func TestGuard_RefusesForeignHostsAndPages(t *testing.T) {
	s := newServer()
	s.Hosts = []string{"drydock.test"}
	whoAmI(s)
	page := awsapi.Guard(s.Hosts, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for _, c := range []struct {
		name, host, origin, site string
		ok                       bool
	}{
		{name: "localhost", host: "localhost:4566", ok: true},
		{name: "subdomain of localhost", host: "ecs.Localhost.", ok: true},
		{name: "loopback 4", host: "127.8.8.8:1", ok: true},
		{name: "loopback 6", host: "[::1]:4566", ok: true},
		{name: "bare loopback 6", host: "[::1]", ok: true},
		{name: "configured", host: "drydock.test:4566", ok: true},
		{name: "rebound", host: "evil.example"},
		{name: "look-alike", host: "localhost.evil.example"},
		{name: "other address", host: "192.0.2.1:4566"},
		{name: "none", host: ""},
		{name: "own page", host: "localhost:4566", origin: "http://localhost:4566", site: "same-origin", ok: true},
		{name: "other port", host: "localhost:4566", origin: "http://localhost:3000", site: "same-site"},
		{name: "other page", host: "localhost:4566", origin: "https://evil.example", site: "cross-site"},
		{name: "page without site", host: "localhost:4566", origin: "https://evil.example"},
		{name: "sandbox", host: "localhost:4566", origin: "null"},
		{name: "image", host: "localhost:4566", site: "cross-site"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := map[bool]int{true: 200, false: 403}[c.ok]
			change := func(r *http.Request) {
				r.Host = c.host
				r.Header.Set("Origin", c.origin)
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			got := post(t, s, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15", change)
			got.want(t, status)
			if got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("the answer invites other origins")
			}
			r := httptest.NewRequest(http.MethodPost, "http://localhost/", nil)
			change(r)
			w := httptest.NewRecorder()
			if page.ServeHTTP(w, r); w.Code != status {
				t.Errorf("Guard: status %d, want %d", w.Code, status)
			}
		})
	}
	r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	if page.ServeHTTP(w, r); w.Code != 200 {
		t.Error("Guard refuses a link to a page")
	}
}

func TestCodec_AbsentZeroAndEmptyDiffer(t *testing.T) {
	s := newServer()
	var got *ecs.UpdateServiceRequest
	awsapi.Handle(s, "ecs", "UpdateService", func(_ context.Context, in *ecs.UpdateServiceRequest) (*ecs.UpdateServiceResponse, error) {
		got = in
		return &ecs.UpdateServiceResponse{Service: &ecs.Service{RunningCount: ptr(int64(0)), Events: []ecs.ServiceEvent{}, EnableECSManagedTags: ptr(false)}}, nil
	})
	post(t, s, "ecs", ecsTarget+"UpdateService", `{"service":"a","desiredCount":0,"loadBalancers":[],"tags":1,"serviceRegistries":null}`).
		want(t, 200, `{"service":{"runningCount":0,"events":[],"enableECSManagedTags":false}}`)
	if got.LoadBalancers == nil || got.ServiceRegistries != nil || got.DesiredCount == nil || got.Cluster != nil {
		t.Errorf("absent, zero and empty got mixed up: %+v", got)
	}

	var attributes *elbv2.SetSecurityGroupsInput
	awsapi.Handle(s, "elbv2", "SetSecurityGroups", func(_ context.Context, in *elbv2.SetSecurityGroupsInput) (*elbv2.SetSecurityGroupsOutput, error) {
		attributes = in
		return &elbv2.SetSecurityGroupsOutput{SecurityGroupIds: []string{}}, nil
	})
	post(t, s, "elasticloadbalancing", "", "Action=SetSecurityGroups&Version=2015-12-01&LoadBalancerArn=&SecurityGroups=").
		want(t, 200, "<SetSecurityGroupsResult><SecurityGroupIds></SecurityGroupIds></SetSecurityGroupsResult>")
	if attributes.SecurityGroups == nil || attributes.LoadBalancerArn == nil || *attributes.LoadBalancerArn != "" {
		t.Errorf("empty values of a form got lost: %+v", attributes)
	}
}

func TestCodec_Timestamps(t *testing.T) {
	s := newServer()
	when := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	awsapi.Handle(s, "ecs", "StopTask", func(context.Context, *ecs.StopTaskRequest) (*ecs.StopTaskResponse, error) {
		return &ecs.StopTaskResponse{Task: &ecs.Task{CreatedAt: &when}}, nil
	})
	awsapi.Handle(s, "elbv2", "DescribeLoadBalancers", func(context.Context, *elbv2.DescribeLoadBalancersInput) (*elbv2.DescribeLoadBalancersOutput, error) {
		return &elbv2.DescribeLoadBalancersOutput{LoadBalancers: []elbv2.LoadBalancer{{CreatedTime: &when}}}, nil
	})
	post(t, s, "ecs", ecsTarget+"StopTask", `{"task":"a"}`).want(t, 200, `{"createdAt":1767323045.678}`)
	post(t, s, "elasticloadbalancing", "", "Action=DescribeLoadBalancers&Version=2015-12-01").want(t, 200, "<CreatedTime>2026-01-02T03:04:05.678Z</CreatedTime>")
}

func TestCodec_EC2NamesDifferBothWays(t *testing.T) {
	s := newServer()
	var got *ec2.DescribeVpcsRequest
	awsapi.Handle(s, "ec2", "DescribeVpcs", func(_ context.Context, in *ec2.DescribeVpcsRequest) (*ec2.DescribeVpcsResult, error) {
		got = in
		return &ec2.DescribeVpcsResult{Vpcs: []ec2.Vpc{{VpcId: ptr("vpc-1")}}}, nil
	})
	post(t, s, "ec2", "", "Action=DescribeVpcs&Version=2016-11-15&VpcId.2=b&VpcId.1=a&Filter.1.Name=cidr&Filter.1.Value.1=x").
		want(t, 200, "<requestId>", "<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>")
	want := &ec2.DescribeVpcsRequest{VpcIds: []string{"a", "b"}, Filters: []ec2.Filter{{Name: ptr("cidr"), Values: []string{"x"}}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestCodec_HookDetailsAreFreeForm(t *testing.T) {
	s := newServer()
	awsapi.Handle(s, "ecs", "CreateService", func(_ context.Context, in *ecs.CreateServiceRequest) (*ecs.CreateServiceResponse, error) {
		return &ecs.CreateServiceResponse{Service: &ecs.Service{DeploymentConfiguration: in.DeploymentConfiguration}}, nil
	})
	hooks := `"deploymentConfiguration":{"lifecycleHooks":[{"hookDetails":{"a":[1,2.50,{"b":null}],"big":12345678901234567890}}]}`
	post(t, s, "ecs", ecsTarget+"CreateService", `{"serviceName":"a",`+hooks+`}`).want(t, 200, hooks)
}

func TestCodec_WrongTypesAreSerializationErrors(t *testing.T) {
	s := newServer()
	awsapi.Handle(s, "ecs", "RunTask", func(context.Context, *ecs.RunTaskRequest) (*ecs.RunTaskResponse, error) { return nil, nil })
	for body, want := range map[string]string{
		`{"cluster":1}`:      "NUMBER_VALUE can not be converted to a String",
		`{"count":"1"}`:      "STRING_VALUE can not be converted to an Integer",
		`{"count":1.5}`:      "NUMBER_VALUE can not be converted to an Integer",
		`{"count":[1]}`:      "Start of list found where not expected",
		`{"overrides":"a"}`:  "STRING_VALUE can not be converted to a Structure",
		`{"tags":{}}`:        "Start of structure or map found where not expected.",
		`{"cluster":true}`:   "TRUE_VALUE can not be converted to a String",
		`[]`:                 "Start of list found where not expected",
		`{"cluster":`:        "not valid JSON",
		`{} {}`:              "after its JSON document",
		`{"count":1e999}`:    "NUMBER_VALUE",
		`{"count":99e99}`:    "NUMBER_VALUE",
		"\xff":               "not valid JSON",
		`{"cluster":"\ud800`: "not valid JSON",
	} {
		post(t, s, "ecs", ecsTarget+"RunTask", body).want(t, 400, "SerializationException", want)
	}
	awsapi.Handle(s, "ec2", "DescribeVpcs", func(context.Context, *ec2.DescribeVpcsRequest) (*ec2.DescribeVpcsResult, error) { return nil, nil })
	post(t, s, "ec2", "", "Action=DescribeVpcs&Version=2016-11-15&MaxResults=many").want(t, 400, "Value (many) for parameter MaxResults is invalid.")
	awsapi.Handle(s, "elbv2", "CreateTargetGroup", func(context.Context, *elbv2.CreateTargetGroupInput) (*elbv2.CreateTargetGroupOutput, error) {
		return nil, nil
	})
	post(t, s, "elasticloadbalancing", "", "Action=CreateTargetGroup&Version=2015-12-01&Name=a&Port=http").want(t, 400, "MalformedInput")
}

func TestServer_TellsUnknownMembersOnce(t *testing.T) {
	var log bytes.Buffer
	s := awsapi.NewServer()
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	var unknown []string
	awsapi.Handle(s, "ecs", "RunTask", func(ctx context.Context, _ *ecs.RunTaskRequest) (*ecs.RunTaskResponse, error) {
		unknown = awsapi.CallFrom(ctx).UnknownMembers
		return nil, nil
	})
	awsapi.Handle(s, "elbv2", "DeleteRule", func(ctx context.Context, _ *elbv2.DeleteRuleInput) (*elbv2.DeleteRuleOutput, error) {
		unknown = awsapi.CallFrom(ctx).UnknownMembers
		return nil, nil
	})
	body := `{"taskDefinition":"a","Cluster":"x","tags":[{"key":"a","colour":"red"}]}`
	for range 2 {
		post(t, s, "ecs", ecsTarget+"RunTask", body).want(t, 200)
		if want := []string{"Cluster", "tags.1.colour"}; !reflect.DeepEqual(unknown, want) {
			t.Errorf("unknown members %v, want %v", unknown, want)
		}
	}
	if n := strings.Count(log.String(), "tags.1.colour"); n != 1 {
		t.Errorf("told %d times, want once:\n%s", n, log.String())
	}
	post(t, s, "elasticloadbalancing", "", "Action=DeleteRule&Version=2015-12-01&RuleArn=a&Extra.member.1=b&ruleArn=c").want(t, 200)
	if want := []string{"Extra.member.1", "ruleArn"}; !reflect.DeepEqual(unknown, want) {
		t.Errorf("unknown parameters %v, want %v", unknown, want)
	}
}

// nounError is how the noun packages word errors for AWS.
type nounError struct{ Code, Message string }

func (e *nounError) Error() string              { return e.Code + ": " + e.Message }
func (e *nounError) AWSError() (string, string) { return e.Code, e.Message }

func TestError_DocumentsOfEveryProtocol(t *testing.T) {
	s := newServer()
	var failure error
	awsapi.Handle(s, "ecs", "DeleteCluster", func(context.Context, *ecs.DeleteClusterRequest) (*ecs.DeleteClusterResponse, error) {
		return nil, failure
	})
	awsapi.Handle(s, "elbv2", "DeleteLoadBalancer", func(context.Context, *elbv2.DeleteLoadBalancerInput) (*elbv2.DeleteLoadBalancerOutput, error) {
		return nil, failure
	})
	awsapi.Handle(s, "ec2", "DeleteSecurityGroup", func(context.Context, *ec2.DeleteSecurityGroupRequest) (*ec2.DeleteSecurityGroupResult, error) {
		return nil, failure
	})
	call := map[string]func() answer{
		"ecs": func() answer { return post(t, s, "ecs", ecsTarget+"DeleteCluster", `{"cluster":"a"}`) },
		"elbv2": func() answer {
			return post(t, s, "elasticloadbalancing", "", "Action=DeleteLoadBalancer&Version=2015-12-01&LoadBalancerArn=a")
		},
		"ec2": func() answer { return post(t, s, "ec2", "", "Action=DeleteSecurityGroup&Version=2016-11-15&GroupId=a") },
	}

	failure = &nounError{"ClusterNotFoundException", `no "<a>"`}
	got := call["ecs"]()
	got.want(t, 400, `{"__type":"ClusterNotFoundException","message":"no \"<a>\""}`)
	if code := got.header.Get("X-Amzn-ErrorType"); code != "ClusterNotFoundException" {
		t.Errorf("X-Amzn-ErrorType %q", code)
	}
	failure = &nounError{"LoadBalancerNotFound", "no <a>"}
	call["elbv2"]().want(t, 400, `<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>Sender</Type><Code>LoadBalancerNotFound</Code><Message>no &lt;a&gt;</Message></Error><RequestId>`)
	failure = &nounError{"InvalidGroup.NotFound", "no <a>"}
	call["ec2"]().want(t, 400, "<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no &lt;a&gt;</Message></Error></Errors><RequestID>")

	failure = errors.New("secret detail")
	call["ecs"]().want(t, 500, `"__type":"ServerException"`)
	call["elbv2"]().want(t, 500, "<Type>Receiver</Type><Code>InternalFailure</Code>")
	for name, f := range call {
		if strings.Contains(f().body, "secret") {
			t.Errorf("%s: the answer tells an inner error", name)
		}
	}
	failure = &awsapi.Error{Code: "Throttling", Message: "m", Status: 429}
	call["ec2"]().want(t, 429, "<Code>Throttling</Code>")
}

func TestError_CodesAndStatusComeFromTheModel(t *testing.T) {
	elb := awsapi.LookupService("elbv2")
	if _, ok := elb.Errors["LoadBalancerNotFound"]; !ok {
		t.Error("elbv2 has no error code LoadBalancerNotFound")
	}
	if _, ok := elb.Errors["LoadBalancerNotFoundException"]; ok {
		t.Error("the name of an error shape is taken for its code")
	}
	if status := awsapi.LookupService("ecs").Errors["ServerException"]; status != 500 {
		t.Errorf("ServerException has status %d", status)
	}
}

func TestHandle_TypedNilIsNoAnswer(t *testing.T) {
	s := newServer()
	var failure error
	awsapi.Handle(s, "ecs", "RunTask", func(context.Context, *ecs.RunTaskRequest) (*ecs.RunTaskResponse, error) {
		var none *ecs.RunTaskResponse
		return none, failure
	})
	post(t, s, "ecs", ecsTarget+"RunTask", `{"taskDefinition":"a"}`).want(t, 200, "{}")
	failure = &nounError{"ClientException", "no"}
	post(t, s, "ecs", ecsTarget+"RunTask", `{"taskDefinition":"a"}`).want(t, 400, "ClientException")
}

func TestHandle_PanicsBecomeServerExceptions(t *testing.T) {
	s := newServer()
	awsapi.Handle(s, "ecs", "ListClusters", func(context.Context, *ecs.ListClustersRequest) (*ecs.ListClustersResponse, error) {
		panic("oh")
	})
	post(t, s, "ecs", ecsTarget+"ListClusters", "").want(t, 500, "ServerException")
}

func TestHandle_PanicsForUnlistedOperations(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	awsapi.Handle(newServer(), "ecs", "CreateTaskSet", func(context.Context, *ecs.Tag) (*ecs.Tag, error) { return nil, nil })
}

// verbatim marshals itself.
type verbatim struct{ document string }

func (v *verbatim) MarshalJSON() ([]byte, error) { return []byte(v.document), nil }

func TestHandle_MarshalersAreSentAsTheyAre(t *testing.T) {
	s := newServer()
	awsapi.Handle(s, "ecs", "DescribeTaskDefinition", func(ctx context.Context, _ *ecs.DescribeTaskDefinitionRequest) (*verbatim, error) {
		return &verbatim{`{"a": ` + string(awsapi.CallFrom(ctx).Raw) + `}`}, nil
	})
	post(t, s, "ecs", ecsTarget+"DescribeTaskDefinition", `{ "taskDefinition" : "x" }`).want(t, 200, `{"a": { "taskDefinition" : "x" }}`)
}

func TestServer_HooksSeeMutatingCalls(t *testing.T) {
	s := newServer()
	type mark struct{}
	var calls, ends []string
	s.OnCall = func(ctx context.Context, c awsapi.Call) context.Context {
		calls = append(calls, c.Service+" "+c.Operation)
		return context.WithValue(ctx, mark{}, len(calls))
	}
	s.OnDone = func(ctx context.Context, c awsapi.Call, err error) {
		if ctx.Value(mark{}) != len(calls) {
			t.Error("OnDone has not the context of OnCall")
		}
		ends = append(ends, map[bool]string{true: "ok", false: "refused"}[err == nil])
	}
	awsapi.Handle(s, "ecs", "RunTask", func(ctx context.Context, _ *ecs.RunTaskRequest) (*ecs.RunTaskResponse, error) {
		if ctx.Value(mark{}) != len(calls) {
			t.Error("the handler has not the context of OnCall")
		}
		return nil, nil
	})
	whoAmI(s)
	post(t, s, "ecs", ecsTarget+"RunTask", `{"taskDefinition":"a"}`).want(t, 200)
	post(t, s, "ecs", ecsTarget+"RunTask", `{}`).want(t, 400)
	post(t, s, "ecs", ecsTarget+"RunTask", `[`).want(t, 400)
	post(t, s, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15").want(t, 200)
	if len(calls) != 3 || !reflect.DeepEqual(ends, []string{"ok", "refused", "refused"}) {
		t.Errorf("calls %v, ends %v", calls, ends)
	}
}
