package elbv2_test

import (
	"strings"
	"testing"

	"drydock/awsapi/apitest"
	"drydock/awsapi/ec2"
)

// TestCommandLine_TheChapter runs the commands of the chapter that drydock started from
// (§4 set up, §7 draining, §9 access logs, §10 sticky sessions) with the real AWS CLI,
// with its made-up subnet, group and VPC ids, and an HTTP listener for its HTTPS one.
func TestCommandLine_TheChapter(t *testing.T) {
	s, n := newServer(t)
	ec2.Register(s, n)
	aws := apitest.NewCLI(t, s)

	lb := aws.Run("elbv2", "create-load-balancer", "--name", "my-app-alb", "--subnets", "subnet-public-1a", "subnet-public-1b",
		"--security-groups", "sg-alb-public", "--scheme", "internet-facing", "--type", "application", "--ip-address-type", "ipv4",
		"--query", "LoadBalancers[0].LoadBalancerArn", "--output", "text", "--region", "us-east-1")
	if !strings.HasPrefix(lb, "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/my-app-alb/") {
		t.Fatalf("load balancer %s", lb)
	}
	groups := map[string]string{}
	for _, name := range []string{"user-service-tg", "order-service-tg"} {
		groups[name] = aws.Run("elbv2", "create-target-group", "--name", name, "--protocol", "HTTP", "--port", "3000", "--vpc-id", "vpc-0a1b2c3d",
			"--target-type", "ip", "--health-check-protocol", "HTTP", "--health-check-path", "/health", "--health-check-interval-seconds", "30",
			"--health-check-timeout-seconds", "5", "--healthy-threshold-count", "2", "--unhealthy-threshold-count", "3",
			"--query", "TargetGroups[0].TargetGroupArn", "--output", "text")
	}

	fixed := `Type=fixed-response,FixedResponseConfig={StatusCode="404",ContentType="application/json",MessageBody="{\"error\": \"Not Found\"}"}`
	https := aws.Fail("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTPS", "--port", "443",
		"--certificates", "CertificateArn=arn:aws:acm:us-east-1:123456789012:certificate/abc-123", "--default-actions", fixed)
	if !strings.Contains(https, "(CertificateNotFound)") || !strings.Contains(https, "certificate/abc-123' not found") {
		t.Errorf("an HTTPS listener with an unknown certificate is refused with %s", https)
	}
	aws.Run("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "80",
		"--default-actions", `Type=redirect,RedirectConfig={Protocol="HTTPS",Port="443",StatusCode="HTTP_301"}`)
	aws.Run("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "443", "--default-actions", fixed)
	listener := aws.Run("elbv2", "describe-listeners", "--load-balancer-arn", lb, "--query", "Listeners[?Port==`443`].ListenerArn", "--output", "text")
	for priority, c := range map[string][2]string{"1": {"/api/users/*", "user-service-tg"}, "2": {"/api/orders/*", "order-service-tg"}} {
		aws.Run("elbv2", "create-rule", "--listener-arn", listener, "--priority", priority,
			"--conditions", `[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["`+c[0]+`"]}}]`,
			"--actions", `[{"Type": "forward", "TargetGroupArn": "`+groups[c[1]]+`"}]`)
	}
	rules := aws.Run("elbv2", "describe-rules", "--listener-arn", listener, "--output", "text",
		"--query", "Rules[].[Priority, Conditions[0].Values[0], Actions[0].TargetGroupArn, Actions[0].FixedResponseConfig.MessageBody]")
	want := "1\t/api/users/*\t" + groups["user-service-tg"] + "\tNone\n2\t/api/orders/*\t" + groups["order-service-tg"] + "\tNone\ndefault\tNone\tNone\t{\"error\": \"Not Found\"}"
	if rules != want {
		t.Errorf("rules:\n%s\nwant:\n%s", rules, want)
	}

	users := groups["user-service-tg"]
	attributes := aws.Run("elbv2", "modify-target-group-attributes", "--target-group-arn", users, "--attributes", "Key=deregistration_delay.timeout_seconds,Value=30")
	if !strings.Contains(attributes, `"deregistration_delay.timeout_seconds"`) {
		t.Error(attributes)
	}
	logs := aws.Run("elbv2", "modify-load-balancer-attributes", "--load-balancer-arn", lb, "--attributes", "Key=access_logs.s3.enabled,Value=true",
		"Key=access_logs.s3.bucket,Value=my-alb-logs-bucket", "Key=access_logs.s3.prefix,Value=alb/my-app")
	if !strings.Contains(logs, `"my-alb-logs-bucket"`) {
		t.Error(logs)
	}
	sticky := aws.Run("elbv2", "modify-target-group-attributes", "--target-group-arn", users, "--attributes", "Key=stickiness.enabled,Value=true",
		"Key=stickiness.type,Value=app_cookie", "Key=stickiness.app_cookie.cookie_name,Value=SESSIONID", "Key=stickiness.app_cookie.duration_seconds,Value=3600")
	if !strings.Contains(sticky, `"SESSIONID"`) {
		t.Error(sticky)
	}
	aws.Run("elbv2", "wait", "load-balancer-available", "--load-balancer-arns", lb)
	if out := aws.Fail("elbv2", "describe-load-balancers", "--names", "missing"); !strings.Contains(out, "(LoadBalancerNotFound)") {
		t.Error(out)
	}
	eni := aws.Run("ec2", "describe-network-interfaces", "--filters", "Name=description,Values=ELB app/my-app-alb/*", "--query", "length(NetworkInterfaces)")
	if eni != "1" {
		t.Errorf("%s network interfaces", eni)
	}
}
