package applicationautoscaling_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"drydock/autoscaling"
	"drydock/awsapi"
	"drydock/awsapi/apitest"
	api "drydock/awsapi/applicationautoscaling"
	"drydock/cloudwatch"
)

// web is the one service that there is.
type web struct{ desired int }

func (w *web) ScaledService(cluster, name string) (autoscaling.Service, bool) {
	return autoscaling.Service{Desired: w.desired, Running: w.desired}, cluster == "default" && name == "web"
}

func (w *web) SetDesiredCount(_ context.Context, _, _ string, desired int) error {
	w.desired = desired
	return nil
}

func newServer(t *testing.T) (*awsapi.Server, *web) {
	store, w := &apitest.Store{}, &web{desired: 1}
	m, err := cloudwatch.Open(context.Background(), store, cloudwatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	scaler, err := autoscaling.Open(context.Background(), store, w, m, autoscaling.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	api.Register(s, scaler)
	return s, w
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
}

// TestScalableTarget_WholeLife walks a target through its life with the AWS CLI (AAS-001, AAS-003).
func TestScalableTarget_WholeLife(t *testing.T) {
	s, w := newServer(t)
	cli := apitest.NewCLI(t, s)
	run := func(line string, more ...string) string {
		t.Helper()
		args := append([]string{"application-autoscaling"}, strings.Fields(line)...)
		return cli.Run(append(args, more...)...)
	}
	scope := " --service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id service/default/web"
	wantIn(t, run("register-scalable-target --min-capacity 2 --max-capacity 6"+scope), "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/0ec5")
	if w.desired != 2 {
		t.Errorf("the desired count is %d", w.desired)
	}
	wantIn(t, run("describe-scalable-targets --service-namespace ecs --resource-ids service/default/web"), `"MinCapacity": 2`, `"MaxCapacity": 6`, `"DynamicScalingInSuspended": false`, `"RoleARN"`)
	wantIn(t, run("put-scaling-policy --policy-name req --policy-type TargetTrackingScaling"+scope, "--target-tracking-scaling-policy-configuration",
		`{"TargetValue":100,"ScaleOutCooldown":10,"PredefinedMetricSpecification":{"PredefinedMetricType":"ALBRequestCountPerTarget","ResourceLabel":"app/front/1/targetgroup/web/2"}}`),
		"policyName/req", "TargetTracking-service/default/web-AlarmHigh-", "TargetTracking-service/default/web-AlarmLow-")
	run("put-scaling-policy --policy-name step --policy-type StepScaling"+scope, "--step-scaling-policy-configuration",
		`{"AdjustmentType":"ChangeInCapacity","Cooldown":60,"StepAdjustments":[{"MetricIntervalLowerBound":0,"ScalingAdjustment":2}]}`)
	wantIn(t, run("describe-scaling-policies --service-namespace ecs"), `"PolicyType": "TargetTrackingScaling"`, `"PolicyType": "StepScaling"`, `"TargetValue": 100`, `"ScaleOutCooldown": 10`, `"ResourceLabel": "app/front/1/targetgroup/web/2"`, `"ScalingAdjustment": 2`)
	run("put-scheduled-action --scheduled-action-name night --timezone Europe/Berlin --scalable-target-action MinCapacity=0,MaxCapacity=1"+scope, "--schedule", "cron(0 22 * * ? *)")
	wantIn(t, run("describe-scheduled-actions --service-namespace ecs"), `"Schedule": "cron(0 22 * * ? *)"`, `"Timezone": "Europe/Berlin"`, `"MinCapacity": 0`)
	wantIn(t, run("describe-scaling-activities --service-namespace ecs"), `"Cause": "minimum capacity was set to 2"`, `"Description": "Setting desired count to 2."`)
	run("delete-scheduled-action --scheduled-action-name night" + scope)
	run("delete-scaling-policy --policy-name req" + scope)
	run("deregister-scalable-target" + scope)
	wantIn(t, run("describe-scalable-targets --service-namespace ecs"), `"ScalableTargets": []`)
	wantIn(t, run("describe-scalable-targets --service-namespace dynamodb"), `"ScalableTargets": []`)
}

// TestScaling_RefusesInAWSsWords has the refusals (AAS-002, AAS-019).
func TestScaling_RefusesInAWSsWords(t *testing.T) {
	s, _ := newServer(t)
	server := httptest.NewServer(s)
	defer server.Close()
	client := &awsapi.Client{Endpoint: server.URL}
	ecs, dimension, resource := new("ecs"), new(autoscaling.Dimension), new("service/default/web")
	register := &api.RegisterScalableTargetRequest{ServiceNamespace: ecs, ResourceId: resource, ScalableDimension: dimension, MinCapacity: new(int64(1)), MaxCapacity: new(int64(3))}
	if err := client.Do(t.Context(), "application-autoscaling", "RegisterScalableTarget", register, nil); err != nil {
		t.Fatal(err)
	}
	tracking := func(metric string, label *string) *api.PutScalingPolicyRequest {
		return &api.PutScalingPolicyRequest{PolicyName: new("p"), ServiceNamespace: ecs, ResourceId: resource, ScalableDimension: dimension, PolicyType: new("TargetTrackingScaling"),
			TargetTrackingScalingPolicyConfiguration: &api.TargetTrackingScalingPolicyConfiguration{TargetValue: new(10.0),
				PredefinedMetricSpecification: &api.PredefinedMetricSpecification{PredefinedMetricType: &metric, ResourceLabel: label}}}
	}
	for _, c := range []struct {
		operation string
		in        any
		want      string
	}{
		{"RegisterScalableTarget", &api.RegisterScalableTargetRequest{ServiceNamespace: ecs, ResourceId: new("service/default/nobody"), ScalableDimension: dimension, MinCapacity: new(int64(1)), MaxCapacity: new(int64(3))}, "ValidationException: ECS service doesn't exist: service/default/nobody"},
		{"RegisterScalableTarget", &api.RegisterScalableTargetRequest{ServiceNamespace: ecs, ResourceId: resource, ScalableDimension: dimension, MinCapacity: new(int64(5))}, "ValidationException: Maximum capacity cannot be less than minimum capacity"},
		{"RegisterScalableTarget", &api.RegisterScalableTargetRequest{ServiceNamespace: new("dynamodb"), ResourceId: new("table/t"), ScalableDimension: new("dynamodb:table:ReadCapacityUnits")}, "ValidationException: drydock scales"},
		{"DeregisterScalableTarget", &api.DeregisterScalableTargetRequest{ServiceNamespace: ecs, ResourceId: new("service/default/nobody"), ScalableDimension: dimension}, "ObjectNotFoundException: No scalable target registered for service namespace: ecs, resource ID: service/default/nobody, scalable dimension: ecs:service:DesiredCount"},
		{"DeleteScalingPolicy", &api.DeleteScalingPolicyRequest{ServiceNamespace: ecs, ResourceId: resource, ScalableDimension: dimension, PolicyName: new("x")}, "ObjectNotFoundException: No scaling policy found"},
		{"DeleteScheduledAction", &api.DeleteScheduledActionRequest{ServiceNamespace: ecs, ResourceId: resource, ScalableDimension: dimension, ScheduledActionName: new("x")}, "ObjectNotFoundException: No scheduled action found"},
		{"PutScheduledAction", &api.PutScheduledActionRequest{ServiceNamespace: ecs, ResourceId: resource, ScalableDimension: dimension, ScheduledActionName: new("x"), Schedule: new("cron(0 9 * * *)"), ScalableTargetAction: &api.ScalableTargetAction{MinCapacity: new(int64(1))}}, "ValidationException: Schedule expression"},
		{"PutScalingPolicy", tracking("ALBRequestCountPerTarget", nil), "ValidationException: Invalid ResourceLabel"},
		{"PutScalingPolicy", tracking("LambdaProvisionedConcurrencyUtilization", nil), "ValidationException: The predefined metric"},
		{"DescribeScalableTargets", &api.DescribeScalableTargetsRequest{ServiceNamespace: ecs, NextToken: new("x")}, "InvalidNextTokenException: "},
		{"ListTagsForResource", &api.ListTagsForResourceRequest{ResourceARN: new("arn:aws:application-autoscaling:us-east-1:1:scalable-target/x")}, "ResourceNotFoundException: "},
	} {
		if err := client.Do(t.Context(), "application-autoscaling", c.operation, c.in, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.operation, err, c.want)
		}
	}
}
