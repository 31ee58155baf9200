package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestScaling_OnDocker scales real containers on what the real balancer counts, out and in, with
// the AWS command line; an alarm of `drydock alarm` watches, and CPU is measured.
func TestScaling_OnDocker(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.Run("up", smallDir)
	aws := p.AWS()
	scope := strings.Fields("--service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id service/small/web")
	scaling := func(args ...string) string {
		return aws.Run(append(append([]string{"application-autoscaling"}, args...), scope...)...)
	}
	scaling("register-scalable-target", "--min-capacity", "1", "--max-capacity", "4")
	group, balancer := dimensionsOf(aws)
	scaling("put-scaling-policy", "--policy-name", "requests", "--policy-type", "TargetTrackingScaling", "--target-tracking-scaling-policy-configuration",
		fmt.Sprintf(`{"TargetValue":1500,"ScaleInCooldown":0,"ScaleOutCooldown":10,"PredefinedMetricSpecification":{"PredefinedMetricType":"ALBRequestCountPerTarget","ResourceLabel":"%s/%s"}}`, balancer, group))
	p.Run("alarm", "put", "busy", "--metric", "CPUUtilization", "--service", "web", "--cluster", "small", "--threshold", "0", "--comparison", ">", "--period", "10s")
	requests := p.loadAt(100, "/api/users/1") // 6000 a minute: 4 tasks
	p.Eventually("it has scaled out", func() error { return p.runs("web", 4) })
	p.Eventually("CPU is measured", func() error {
		if list := p.Run("alarm", "list").stdout; !strings.Contains(list, "ALARM              busy") {
			return fmt.Errorf("%s", list)
		}
		return nil
	})
	p.checkNoneFailed(requests)
	for end := time.Now().Add(3 * patience); p.runs("web", 1) != nil; time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatalf("not scaled in: %v\n%s", p.runs("web", 1), scaling("describe-scaling-activities"))
		}
	}
	told := scaling("describe-scaling-activities")
	for _, want := range []string{"Setting desired count to 4.", "Setting desired count to 1.", "triggered policy requests"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in\n%s", want, told)
		}
	}
}

// dimensionsOf returns the ends of the ARNs of the one target group and the one load balancer.
func dimensionsOf(aws *awsCLI) (group, balancer string) {
	arn := aws.Run("elbv2", "describe-target-groups", "--query", "TargetGroups[0].TargetGroupArn", "--output", "text")
	group = arn[strings.Index(arn, "targetgroup/"):]
	arn = aws.Run("elbv2", "describe-load-balancers", "--query", "LoadBalancers[0].LoadBalancerArn", "--output", "text")
	return group, arn[strings.Index(arn, "app/"):]
}

// runs says whether so many tasks of a service run.
func (p *program) runs(service string, want int) error {
	n := 0
	for _, task := range p.tasksOf(service) {
		if task.LastStatus == "RUNNING" {
			n++
		}
	}
	if n != want {
		return fmt.Errorf("%d tasks run", n)
	}
	return nil
}
