package ecs_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"testing"
	"time"

	"drydock/alb"
	"drydock/awsapi/ecs"
)

// What the services of these tests shift traffic with.
const (
	greenGroup = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/green/0123456789abcdef"
	prodRule   = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/front/1/2/prod"

	shifting = `"loadBalancers":[{"targetGroupArn":"` + group + `","containerName":"app","containerPort":80,"advancedConfiguration":{
		"alternateTargetGroupArn":"` + greenGroup + `","productionListenerRule":"` + prodRule + `","roleArn":"arn:aws:iam::123456789012:role/ecs"}}]`
	canary = `"deploymentConfiguration":{"strategy":"CANARY","bakeTimeInMinutes":5,"canaryConfiguration":{"canaryPercent":12.5},
		"lifecycleHooks":[{"targetType":"PAUSE","lifecycleStages":["POST_SCALE_UP"],"timeoutConfiguration":{"timeoutInMinutes":30,"action":"CONTINUE"}}]}`
)

func (b *fakeBalancer) ForwardWeights(rule string) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rule != prodRule {
		return nil
	}
	if b.rules == nil {
		b.rules = map[string]map[string]int{prodRule: {group: 1, greenGroup: 0}}
	}
	return maps.Clone(b.rules[rule])
}

func (b *fakeBalancer) SetForwardWeights(_ context.Context, rule string, weights map[string]int) error {
	b.mu.Lock()
	maps.Copy(b.rules[rule], weights)
	b.mu.Unlock()
	b.set(alb.TargetKey{}, nil)
	return nil
}

func (b *fakeBalancer) DescribeRules(_ context.Context, _ string, arns []string) ([]alb.Rule, error) {
	if arns[0] != prodRule {
		return nil, io.EOF
	}
	return []alb.Rule{{ARN: arns[0], ListenerARN: "listener"}}, nil
}

func (b *fakeBalancer) DescribeListeners(context.Context, string, []string) ([]alb.Listener, error) {
	return []alb.Listener{{ARN: "listener", LoadBalancerARN: "lb"}}, nil
}

// TestStrategy_IsKeptAndShown with AWS's defaults, also by Terraform's reading of it.
func TestStrategy_IsKeptAndShown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		s := w.create("web", 1, shifting, canary)
		c := s.DeploymentConfiguration
		if *c.Strategy != "CANARY" || *c.BakeTimeInMinutes != 5 || *c.CanaryConfiguration.CanaryPercent != 12.5 || *c.CanaryConfiguration.CanaryBakeTimeInMinutes != 10 {
			t.Errorf("created: %s", w.raw)
		}
		h := c.LifecycleHooks[0]
		if *h.TargetType != "PAUSE" || h.HookTargetArn != nil || h.LifecycleStages[0] != "POST_SCALE_UP" || *h.TimeoutConfiguration.Action != "CONTINUE" || *h.TimeoutConfiguration.TimeoutInMinutes != 30 {
			t.Errorf("hook: %s", w.raw)
		}
		a := s.LoadBalancers[0].AdvancedConfiguration
		if *a.AlternateTargetGroupArn != greenGroup || *a.ProductionListenerRule != prodRule || a.TestListenerRule != nil || *a.RoleArn != "arn:aws:iam::123456789012:role/ecs" {
			t.Errorf("load balancer: %s", w.raw)
		}
		w.update(`"deploymentConfiguration":{"strategy":"LINEAR","linearConfiguration":{},"lifecycleHooks":[]}`)
		c = w.describe("web").DeploymentConfiguration
		if *c.Strategy != "LINEAR" || c.CanaryConfiguration != nil || *c.LinearConfiguration.StepPercent != 10 || *c.LinearConfiguration.StepBakeTimeInMinutes != 6 || len(c.LifecycleHooks) != 0 || *c.BakeTimeInMinutes != 5 {
			t.Errorf("updated: %s", w.raw)
		}
	})
}

// TestStrategy_Refused in AWS's manner.
func TestStrategy_Refused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		create := func(more string) string {
			return `{"serviceName":"web","taskDefinition":"web","desiredCount":1,"launchType":"FARGATE",` + inVPC + `,` + more + `}`
		}
		w.refused("CreateService", create(balanced+`,`+canary), "InvalidParameterException: advancedConfiguration must be specified for each load balancer when the deployment strategy is CANARY.")
		w.refused("CreateService", create(shifting+`,"deploymentConfiguration":{"strategy":"BLUE_GREEN"}`), "InvalidParameterException: bakeTimeInMinutes must be specified when the deployment strategy is BLUE_GREEN.")
		w.refused("ContinueServiceDeployment", `{"serviceDeploymentArn":"arn:aws:ecs:us-east-1:123456789012:service-deployment/default/web/1","hookId":"1"}`,
			"ServiceDeploymentNotFoundException: Service deployment not found.")
	})
}

// TestShift_IsShownByDescribeServiceDeployments: stage, weights, and a pause that is continued.
func TestShift_IsShownByDescribeServiceDeployments(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		arn := *w.create("web", 1, shifting, canary).CurrentServiceDeployment
		var d ecs.ServiceDeployment
		paused := func() bool {
			d = w.serviceDeployment(arn)
			return len(d.LifecycleHookDetails) > 0 && *d.LifecycleHookDetails[0].Status == "AWAITING_ACTION"
		}
		w.until("it pauses", paused)
		if *d.LifecycleStage != "POST_SCALE_UP" || d.LifecycleHookDetails[0].TargetArn != nil || *d.LifecycleHookDetails[0].TimeoutAction != "CONTINUE" || d.LifecycleHookDetails[0].ExpiresAt == nil {
			t.Errorf("paused: %s", w.raw)
		}
		out := call[ecs.ContinueServiceDeploymentResponse](w, "ContinueServiceDeployment", fmt.Sprintf(`{"serviceDeploymentArn":%q,"hookId":%q}`, arn, *d.LifecycleHookDetails[0].HookId))
		if *out.ServiceDeploymentArn != arn {
			t.Errorf("continued: %s", w.raw)
		}
		w.stable("web")
		w.register("web")
		arn = *w.update(`"taskDefinition":"web"`).CurrentServiceDeployment
		w.until("it pauses", paused)
		w.do("ContinueServiceDeployment", fmt.Sprintf(`{"serviceDeploymentArn":%q,"hookId":%q,"action":"CONTINUE"}`, arn, *d.LifecycleHookDetails[0].HookId))
		w.until("the canary sings", func() bool { d = w.serviceDeployment(arn); return *d.LifecycleStage == "PRODUCTION_TRAFFIC_SHIFT" })
		blue, green := d.SourceServiceRevisions[0], d.TargetServiceRevision
		if *green.RequestedProductionTrafficWeight != 12.5 || *blue.RequestedProductionTrafficWeight != 87.5 || *green.RequestedTestTrafficWeight != 100 || *green.RunningTaskCount != 1 || *blue.RunningTaskCount != 1 {
			t.Errorf("canary: %s", w.raw)
		}
		revision := call[ecs.DescribeServiceRevisionsResponse](w, "DescribeServiceRevisions", fmt.Sprintf(`{"serviceRevisionArns":[%q]}`, *green.Arn)).ServiceRevisions[0]
		if got := revision.ResolvedConfiguration.LoadBalancers[0]; *got.TargetGroupArn != greenGroup || *got.ProductionListenerRule != prodRule {
			t.Errorf("revision: %s", w.raw)
		}
		w.do("StopServiceDeployment", fmt.Sprintf(`{"serviceDeploymentArn":%q}`, arn))
		w.until("it is rolled back", func() bool { d = w.serviceDeployment(arn); return *d.Status == "ROLLBACK_SUCCESSFUL" })
		if *d.Rollback.ServiceRevisionArn != *blue.Arn || d.FinishedAt.Sub(*d.Rollback.StartedAt) > 2*time.Minute {
			t.Errorf("rolled back: %s", w.raw)
		}
		w.stable("web")
	})
}
