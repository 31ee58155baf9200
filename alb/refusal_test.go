package alb

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// refusal is a call that AWS refuses, and how.
type refusal struct {
	name, code, message string
	call                func(ctx context.Context) error
}

func second[T any](_ T, err error) error { return err }

// checkRefusals makes every call and checks that it changed nothing.
func checkRefusals(t *testing.T, w *world, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			rows, version := len(w.store.Rows), w.node.last().Version
			wantError(t, r.call(t.Context()), r.code, r.message)
			if len(w.store.Rows) != rows || w.node.last().Version != version {
				t.Error("the refused call changed something")
			}
		})
	}
}

const missing = "/missing/0123456789abcdef"

func missingARN(kind string) string {
	return "arn:aws:elasticloadbalancing:us-east-1:123456789012:" + kind + missing
}

func TestRefusals_LoadBalancers(t *testing.T) {
	w := newWorld(t, Config{})
	lb := w.loadBalancer("shop")
	must(w.ModifyLoadBalancerAttributes(t.Context(), lb.ARN, []Attribute{{"deletion_protection.enabled", "true"}}))
	create := func(change func(*CreateLoadBalancerInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := CreateLoadBalancerInput{Name: "other", Subnets: w.subnets[:2]}
			change(&in)
			return second(w.CreateLoadBalancer(ctx, in))
		}
	}
	attribute := func(key, value string) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.ModifyLoadBalancerAttributes(ctx, lb.ARN, []Attribute{{key, value}}))
		}
	}
	checkRefusals(t, w, []refusal{
		{"long name", "ValidationError", "cannot be longer than '32' characters", create(func(in *CreateLoadBalancerInput) { in.Name = strings.Repeat("a", 33) })},
		{"bad name", "ValidationError", "can only contain characters that are alphanumeric", create(func(in *CreateLoadBalancerInput) { in.Name = "a_b" })},
		{"hyphen first", "ValidationError", "cannot begin or end with '-'", create(func(in *CreateLoadBalancerInput) { in.Name = "-a" })},
		{"internal- first", "ValidationError", "cannot start with 'internal-'", create(func(in *CreateLoadBalancerInput) { in.Name = "internal-a" })},
		{"one subnet", "ValidationError", "At least two subnets in two different Availability Zones must be specified", create(func(in *CreateLoadBalancerInput) { in.Subnets = in.Subnets[:1] })},
		{"same zone", "InvalidConfigurationRequest", "multiple subnets in the same Availability Zone", create(func(in *CreateLoadBalancerInput) { in.Subnets = []string{w.subnets[0], w.subnets[0]} })},
		{"unknown subnet", "SubnetNotFound", "subnet-0123456789abcdef0", create(func(in *CreateLoadBalancerInput) { in.Subnets = []string{w.subnets[0], "subnet-0123456789abcdef0"} })},
		{"unknown group", "InvalidSecurityGroup", "sg-0123456789abcdef0", create(func(in *CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-0123456789abcdef0"} })},
		{"bad scheme", "ValidationError", "at 'scheme' failed to satisfy constraint", create(func(in *CreateLoadBalancerInput) { in.Scheme = "outside" })},
		{"network load balancer", "InvalidConfigurationRequest", "not supported by drydock yet", create(func(in *CreateLoadBalancerInput) { in.Type = "network" })},
		{"dualstack", "InvalidConfigurationRequest", "not supported by drydock yet", create(func(in *CreateLoadBalancerInput) { in.IPAddressType = "dualstack" })},
		{"same name, other settings", "DuplicateLoadBalancerName", "A load balancer with the same name 'shop' exists, but with different settings", create(func(in *CreateLoadBalancerInput) { in.Name, in.Scheme = "shop", "internal" })},
		{"same tag twice", "DuplicateTagKeys", "'a'", create(func(in *CreateLoadBalancerInput) { in.Tags = []Tag{{"a", "1"}, {"a", "2"}} })},
		{"describe unknown ARN", "LoadBalancerNotFound", "One or more load balancers not found", func(ctx context.Context) error {
			return second(w.DescribeLoadBalancers(ctx, []string{missingARN("loadbalancer/app")}, nil))
		}},
		{"describe unknown name", "LoadBalancerNotFound", "Load balancers '[nobody]' not found", func(ctx context.Context) error {
			return second(w.DescribeLoadBalancers(ctx, nil, []string{"nobody"}))
		}},
		{"describe no ARN", "ValidationError", "'shop' is not a valid load balancer ARN", func(ctx context.Context) error {
			return second(w.DescribeLoadBalancers(ctx, []string{"shop"}, nil))
		}},
		{"delete protected", "OperationNotPermitted", "deletion protection is enabled", func(ctx context.Context) error { return w.DeleteLoadBalancer(ctx, lb.ARN) }},
		{"no groups", "InvalidConfigurationRequest", "at least one security group", func(ctx context.Context) error { return second(w.SetSecurityGroups(ctx, lb.ARN, nil)) }},
		{"unknown attribute", "ValidationError", "attribute key 'idle.timeout' is not recognized", attribute("idle.timeout", "1")},
		{"attribute out of range", "ValidationError", "'4001' is not valid for key 'idle_timeout.timeout_seconds'", attribute("idle_timeout.timeout_seconds", "4001")},
		{"attribute no boolean", "ValidationError", "'yes' is not valid", attribute("routing.http.preserve_host_header.enabled", "yes")},
		{"logs without bucket", "InvalidConfigurationRequest", "'access_logs.s3.bucket'", attribute("access_logs.s3.enabled", "true")},
		{"tags of nothing", "LoadBalancerNotFound", "not found", func(ctx context.Context) error {
			return w.AddTags(ctx, []string{missingARN("loadbalancer/app")}, []Tag{{"a", "b"}})
		}},
	})
}

func TestRefusals_TargetGroups(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	create := func(change func(*CreateTargetGroupInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := groupInput(w, "other")
			change(&in)
			return second(w.CreateTargetGroup(ctx, in))
		}
	}
	check := func(h HealthCheck) func(context.Context) error {
		return func(ctx context.Context) error { return second(w.ModifyTargetGroup(ctx, tg.ARN, h)) }
	}
	attributes := func(changes ...Attribute) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.ModifyTargetGroupAttributes(ctx, tg.ARN, changes))
		}
	}
	off := false
	checkRefusals(t, w, []refusal{
		{"no VPC", "ValidationError", "A VPC must be specified", create(func(in *CreateTargetGroupInput) { in.VPCID = "" })},
		{"unknown VPC", "ValidationError", "does not exist", create(func(in *CreateTargetGroupInput) { in.VPCID = "vpc-0123456789abcdef0" })},
		{"no port", "ValidationError", "A port must be specified", create(func(in *CreateTargetGroupInput) { in.Port = 0 })},
		{"high port", "ValidationError", "less than or equal to 65535", create(func(in *CreateTargetGroupInput) { in.Port = 65536 })},
		{"no protocol", "ValidationError", "A protocol must be specified", create(func(in *CreateTargetGroupInput) { in.Protocol = "" })},
		{"TCP", "UnsupportedProtocol", "use HTTP or HTTPS", create(func(in *CreateTargetGroupInput) { in.Protocol = "TCP" })},
		{"protocol version", "ValidationError", "Protocol version 'HTTP3' must be one of '[HTTP1, HTTP2, GRPC]'", create(func(in *CreateTargetGroupInput) { in.ProtocolVersion = "HTTP3" })},
		{"gRPC with an HTTP code", "ValidationError", "Health check matcher HTTP code cannot be specified", create(func(in *CreateTargetGroupInput) { in.ProtocolVersion, in.HealthCheck.Matcher = "GRPC", "200" })},
		{"HTTP with a gRPC code", "ValidationError", "Health check matcher GRPC code cannot be specified", create(func(in *CreateTargetGroupInput) { in.HealthCheck.GRPCMatcher = "0" })},
		{"gRPC code", "ValidationError", "Health check matcher GRPC code '0-100' must be within '0-99'", create(func(in *CreateTargetGroupInput) { in.ProtocolVersion, in.HealthCheck.GRPCMatcher = "GRPC", "0-100" })},
		{"health check protocol", "ValidationError", "Health check protocol 'TCP' must be HTTP or HTTPS", create(func(in *CreateTargetGroupInput) { in.HealthCheck.Protocol = "TCP" })},
		{"health check port", "ValidationError", "Health check port '65536'", create(func(in *CreateTargetGroupInput) { in.HealthCheck.Port = "65536" })},
		{"lambda", "InvalidConfigurationRequest", "not supported by drydock yet", create(func(in *CreateTargetGroupInput) { in.TargetType = "lambda" })},
		{"bad type", "ValidationError", "at 'targetType'", create(func(in *CreateTargetGroupInput) { in.TargetType = "pod" })},
		{"same name, other settings", "DuplicateTargetGroupName", "A target group with the same name 'users' exists, but with different settings", create(func(in *CreateTargetGroupInput) { in.Name, in.Port = "users", 81 })},
		{"interval ≤ timeout", "ValidationError", "Health check interval must be greater than the timeout.", check(HealthCheck{IntervalSeconds: 5})},
		{"long interval", "ValidationError", "Value '600' at 'healthCheckIntervalSeconds' failed to satisfy constraint: Member must have value less than or equal to 300", check(HealthCheck{IntervalSeconds: 600})},
		{"short interval", "ValidationError", "greater than or equal to 5", check(HealthCheck{IntervalSeconds: 4, TimeoutSeconds: 2})},
		{"long timeout", "ValidationError", "healthCheckTimeoutSeconds", check(HealthCheck{TimeoutSeconds: 121})},
		{"threshold", "ValidationError", "healthyThresholdCount", check(HealthCheck{HealthyThresholdCount: 11})},
		{"disabled", "ValidationError", "enabled must be true", check(HealthCheck{Enabled: &off})},
		{"path", "ValidationError", "must begin with '/'", check(HealthCheck{Path: "health"})},
		{"path of two lines", "ValidationError", "printable", check(HealthCheck{Path: "/ HTTP/1.1\r\nHost: a\r\n"})},
		{"matcher", "ValidationError", "must be within '200-499'", check(HealthCheck{Matcher: "200,500"})},
		{"matcher backwards", "ValidationError", "must be within '200-499'", check(HealthCheck{Matcher: "299-200"})},
		{"check port", "ValidationError", "from 1 to 65535", check(HealthCheck{Port: "0"})},
		{"delay too long", "ValidationError", "'3601' is not valid", attributes(Attribute{"deregistration_delay.timeout_seconds", "3601"})},
		{"slow start too short", "ValidationError", "'29' is not valid", attributes(Attribute{"slow_start.duration_seconds", "29"})},
		{"unknown attribute", "ValidationError", "attribute key 'nothing' is not recognized", attributes(Attribute{"nothing", "1"})},
		{"reserved cookie", "ValidationError", "'AWSALBX' is not valid", attributes(Attribute{"stickiness.app_cookie.cookie_name", "AWSALBX"})},
		{"slow start and least outstanding", "InvalidConfigurationRequest", "You cannot enable both slow start and least outstanding requests algorithm on a target group", attributes(Attribute{"slow_start.duration_seconds", "30"}, Attribute{"load_balancing.algorithm.type", "least_outstanding_requests"})},
		{"stickiness without cross-zone", "InvalidConfigurationRequest", "cross-zone", attributes(Attribute{"stickiness.enabled", "true"}, Attribute{"load_balancing.cross_zone.enabled", "false"})},
		{"slow start and weighted random", "InvalidConfigurationRequest", "You cannot enable both slow start and weighted random algorithm on a target group", attributes(Attribute{"slow_start.duration_seconds", "30"}, Attribute{"load_balancing.algorithm.type", "weighted_random"})},
		{"slow start too short", "ValidationError", "'29' is not valid", attributes(Attribute{"slow_start.duration_seconds", "29"})},
		{"stickiness and weighted random", "InvalidConfigurationRequest", "You cannot have both stickiness and weighted random algorithm enabled on the same target group.", attributes(Attribute{"stickiness.enabled", "true"}, Attribute{"load_balancing.algorithm.type", "weighted_random"})},
		{"anomaly mitigation", "InvalidConfigurationRequest", "anomaly mitigation", attributes(Attribute{"load_balancing.algorithm.anomaly_mitigation", "on"})},
		{"app_cookie without a name", "InvalidConfigurationRequest", "You must set an application cookie name to enable stickiness of type 'app_cookie'", attributes(Attribute{"stickiness.enabled", "true"}, Attribute{"stickiness.type", "app_cookie"})},
		{"cookie name", "ValidationError", "'a;b' is not valid", attributes(Attribute{"stickiness.app_cookie.cookie_name", "a;b"})},
		{"long stickiness", "ValidationError", "'604801' is not valid", attributes(Attribute{"stickiness.lb_cookie.duration_seconds", "604801"})},
		{"no stickiness", "ValidationError", "'0' is not valid", attributes(Attribute{"stickiness.app_cookie.duration_seconds", "0"})},
		{"stickiness type", "ValidationError", "'source_ip' is not valid", attributes(Attribute{"stickiness.type", "source_ip"})},
		{"algorithm", "ValidationError", "'least_latency' is not valid", attributes(Attribute{"load_balancing.algorithm.type", "least_latency"})},
		{"minimum", "ValidationError", "'0' is not valid", attributes(Attribute{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "0"})},
		{"minimum percentage", "ValidationError", "'101' is not valid", attributes(Attribute{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "101"})},
		{"of another load balancer", "InvalidConfigurationRequest", "The provided target group attribute is not supported", attributes(Attribute{"proxy_protocol_v2.enabled", "true"})},
		{"fault", "ValidationError", "from 0s to 1m0s", func(ctx context.Context) error { return w.SetFault(ctx, tg.ARN, time.Hour) }},
		{"fault of nothing", "TargetGroupNotFound", "One or more target groups not found", func(ctx context.Context) error { return w.SetFault(ctx, missingARN("targetgroup"), time.Second) }},
		{"delete in use", "ResourceInUse", "Target group '" + tg.ARN + "' is currently in use by a listener or a rule", func(ctx context.Context) error { return w.DeleteTargetGroup(ctx, tg.ARN) }},
		{"describe unknown", "TargetGroupNotFound", "One or more target groups not found", func(ctx context.Context) error {
			return second(w.DescribeTargetGroups(ctx, "", nil, []string{"nobody"}))
		}},
		{"health of unknown", "TargetGroupNotFound", "One or more target groups not found", func(ctx context.Context) error {
			return second(w.DescribeTargetHealth(ctx, missingARN("targetgroup"), nil))
		}},
	})
}

func TestRefusals_Targets(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.targetGroup("users")
	in := groupInput(w, "instances")
	in.TargetType = "instance"
	instances := must(w.CreateTargetGroup(t.Context(), in))
	register := func(tg TargetGroup, target Target) func(context.Context) error {
		return func(ctx context.Context) error {
			return w.RegisterTargets(ctx, tg.ARN, []Target{{ID: userIP}, target}[1:])
		}
	}
	checkRefusals(t, w, []refusal{
		{"instance id", "ValidationError", "The IP address 'i-0123' is not a valid IPv4 address", register(tg, Target{ID: "i-0123"})},
		{"IPv6", "ValidationError", "is not a valid IPv4 address", register(tg, Target{ID: "fd00::1"})},
		{"public", "InvalidTarget", "'8.8.8.8'", register(tg, Target{ID: "8.8.8.8", AvailabilityZone: "all"})},
		{"outside without zone", "ValidationError", "The Availability Zone is required for IP address '10.9.8.7' because it is not in the VPC", register(tg, Target{ID: "10.9.8.7"})},
		{"inside with all", "ValidationError", "is within the VPC, and cannot have its Availability Zone overridden to 'all' from 'us-east-1", register(tg, Target{ID: userIP, AvailabilityZone: "all"})},
		{"port", "ValidationError", "at 'targets.1.member.port'", register(tg, Target{ID: userIP, Port: 65536})},
		{"address for instance", "ValidationError", "Instance ID '10.0.0.1' is not valid", register(instances, Target{ID: "10.0.0.1"})},
		{"instance", "InvalidTarget", "not supported by drydock yet", register(instances, Target{ID: "i-0123456789abcdef0"})},
		{"unknown group", "TargetGroupNotFound", "One or more target groups not found", func(ctx context.Context) error {
			return w.RegisterTargets(ctx, missingARN("targetgroup"), []Target{{ID: userIP}})
		}},
		{"too many", "TooManyTargets", "maximum number of targets", func(ctx context.Context) error {
			var many []Target
			for i := range maxTargets + 1 {
				many = append(many, Target{ID: userIP, Port: 1000 + i})
			}
			return w.RegisterTargets(ctx, tg.ARN, many)
		}},
	})
}

func TestRefusals_Listeners(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	lb := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0]
	other := w.loadBalancer("other")
	create := func(change func(*CreateListenerInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTP", Port: 81, DefaultActions: forwardTo(tg.ARN)}
			change(&in)
			return second(w.CreateListener(ctx, in))
		}
	}
	checkRefusals(t, w, []refusal{
		{"HTTPS without certificate", "ValidationError", "A certificate must be specified for HTTPS listeners", create(func(in *CreateListenerInput) { in.Protocol = "HTTPS" })},
		{"TCP", "UnsupportedProtocol", "load balancers of type 'application'", create(func(in *CreateListenerInput) { in.Protocol = "TCP" })},
		{"no protocol", "ValidationError", "protocol must be specified", create(func(in *CreateListenerInput) { in.Protocol = "" })},
		{"no port", "ValidationError", "port must be specified", create(func(in *CreateListenerInput) { in.Port = 0 })},
		{"unknown balancer", "LoadBalancerNotFound", "not found", create(func(in *CreateListenerInput) { in.LoadBalancerARN = missingARN("loadbalancer/app") })},
		{"same port", "DuplicateListener", "A listener already exists on this port for this load balancer '" + lb.ARN + "'", create(func(in *CreateListenerInput) {
			in.Port, in.DefaultActions = 80, []Action{{Type: "fixed-response", FixedResponseConfig: &FixedResponseConfig{StatusCode: "404"}}}
		})},
		{"group of another balancer", "TargetGroupAssociationLimit", "cannot be associated with more than one load balancer: " + tg.ARN, create(func(in *CreateListenerInput) { in.LoadBalancerARN = other.ARN })},
		{"no actions", "ValidationError", "at least one action", create(func(in *CreateListenerInput) { in.DefaultActions = nil })},
		{"unknown group", "TargetGroupNotFound", "One or more target groups not found", create(func(in *CreateListenerInput) { in.DefaultActions = forwardTo(missingARN("targetgroup")) })},
		{"modify unknown", "ListenerNotFound", "One or more listeners not found", func(ctx context.Context) error {
			return second(w.ModifyListener(ctx, ModifyListenerInput{ListenerARN: missingARN("listener/app/x")}))
		}},
		{"delete unknown", "ListenerNotFound", "One or more listeners not found", func(ctx context.Context) error { return w.DeleteListener(ctx, missingARN("listener/app/x")) }},
		{"describe nothing", "ValidationError", "either listener ARNs or a load balancer ARN", func(ctx context.Context) error { return second(w.DescribeListeners(ctx, "", nil)) }},
	})
}

func TestRefusals_Actions(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	l := must(w.DescribeListeners(t.Context(), must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0].ARN, nil))[0]
	action := func(actions ...Action) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.CreateRule(ctx, CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/a"), Actions: actions}))
		}
	}
	redirect := func(r RedirectConfig) func(context.Context) error {
		if r.StatusCode == "" {
			r.StatusCode = "HTTP_301"
		}
		return action(Action{Type: "redirect", RedirectConfig: &r})
	}
	fixed := func(f FixedResponseConfig) func(context.Context) error {
		return action(Action{Type: "fixed-response", FixedResponseConfig: &f})
	}
	thousand := 1000
	checkRefusals(t, w, []refusal{
		{"forward nowhere", "InvalidLoadBalancerAction", "For actions of type 'forward', you must specify the following fields: 'TargetGroupArn'", action(Action{Type: "forward"})},
		{"redirect nowhere", "InvalidLoadBalancerAction", "For actions of type 'redirect', you must specify the following fields: 'RedirectConfig'", action(Action{Type: "redirect"})},
		{"two configurations", "InvalidLoadBalancerAction", "you cannot specify the following fields: 'RedirectConfig'", action(Action{Type: "forward", TargetGroupARN: tg.ARN, RedirectConfig: &RedirectConfig{}})},
		{"two actions", "TooManyActions", "only one action", action(forwardTo(tg.ARN)[0], forwardTo(tg.ARN)[0])},
		{"unknown type", "ValidationError", "at 'actions.1.member.type'", action(Action{Type: "drop"})},
		{"authenticate", "InvalidLoadBalancerAction", "'authenticate-oidc' is not supported by drydock yet", action(Action{Type: "authenticate-oidc"})},
		{"jwt", "InvalidLoadBalancerAction", "'jwt-validation' is not supported by drydock yet", action(Action{Type: "jwt-validation"})},
		{"weight", "ValidationError", "between 0 and 999", action(Action{Type: "forward", ForwardConfig: &ForwardConfig{TargetGroups: []TargetGroupTuple{{tg.ARN, &thousand}}}})},
		{"groups disagree", "InvalidLoadBalancerAction", "only with the same, single target group", action(Action{Type: "forward", TargetGroupARN: missingARN("targetgroup"), ForwardConfig: &ForwardConfig{TargetGroups: []TargetGroupTuple{{tg.ARN, nil}}}})},
		{"same group twice", "InvalidLoadBalancerAction", "only once", action(Action{Type: "forward", ForwardConfig: &ForwardConfig{TargetGroups: []TargetGroupTuple{{tg.ARN, nil}, {tg.ARN, nil}}}})},
		{"redirect loop", "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop.", redirect(RedirectConfig{Protocol: "HTTP", Port: "80", Query: "a=b"})},
		{"redirect status", "ValidationError", "[HTTP_301, HTTP_302]", redirect(RedirectConfig{StatusCode: "HTTP_307", Host: "a.com"})},
		{"redirect path", "ValidationError", "must begin with '/'", redirect(RedirectConfig{Path: "a"})},
		{"redirect query", "ValidationError", "must not begin with '?'", redirect(RedirectConfig{Path: "/a", Query: "?b"})},
		{"redirect host of two lines", "ValidationError", "printable", redirect(RedirectConfig{Host: "a.com\r\nSet-Cookie: a=b"})},
		{"redirect query of two lines", "ValidationError", "printable", redirect(RedirectConfig{Path: "/a", Query: "a\n"})},
		{"redirect port", "ValidationError", "from 1 to 65535", redirect(RedirectConfig{Port: "70000"})},
		{"fixed 3xx", "ValidationError", "^(2|4|5)", fixed(FixedResponseConfig{StatusCode: "302"})},
		{"fixed type", "InvalidLoadBalancerAction", "'image/png'", fixed(FixedResponseConfig{StatusCode: "200", ContentType: "image/png"})},
		{"fixed body", "ValidationError", "less than or equal to 1024", fixed(FixedResponseConfig{StatusCode: "200", MessageBody: strings.Repeat("a", 1025)})},
	})
}

func pathIs(values ...string) []Condition {
	return []Condition{{Field: "path-pattern", Values: values}}
}

func TestRefusals_Rules(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	l := must(w.DescribeListeners(t.Context(), must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0].ARN, nil))[0]
	rules := must(w.DescribeRules(t.Context(), l.ARN, nil))
	one := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/a"), Actions: forwardTo(tg.ARN)}))
	two := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 2, Conditions: pathIs("/b"), Actions: forwardTo(tg.ARN)}))
	create := func(priority int, conditions ...Condition) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.CreateRule(ctx, CreateRuleInput{ListenerARN: l.ARN, Priority: priority, Conditions: conditions, Actions: forwardTo(tg.ARN)}))
		}
	}
	priorities := func(p ...RulePriority) func(context.Context) error {
		return func(ctx context.Context) error { return second(w.SetRulePriorities(ctx, p)) }
	}
	condition := func(field string, values ...string) Condition {
		c := Condition{Field: field}
		switch config := (&ValuesConfig{Values: values}); field {
		case hostHeader:
			c.HostHeaderConfig = config
		case pathPattern:
			c.PathPatternConfig = config
		case requestMethod:
			c.HTTPRequestMethodConfig = config
		case sourceIP:
			c.SourceIPConfig = config
		}
		return c
	}
	header := func(name, value string) Condition {
		return Condition{Field: httpHeader, HTTPHeaderConfig: &HTTPHeaderConfig{HTTPHeaderName: name, Values: []string{value}}}
	}
	checkRefusals(t, w, []refusal{
		{"priority taken", "PriorityInUse", "Priority '1' is currently in use", create(1, pathIs("/c")...)},
		{"priority 0", "ValidationError", "greater than or equal to 1", create(0, pathIs("/c")...)},
		{"priority 50001", "ValidationError", "less than or equal to 50000", create(50001, pathIs("/c")...)},
		{"no conditions", "ValidationError", "A condition must be specified", create(3)},
		{"six values", "ValidationError", "A rule can only have '5' condition values", create(3, pathIs("/1", "/2", "/3", "/4", "/5", "/6")...)},
		{"six wildcards", "ValidationError", "A rule can only have '5' condition wildcards", create(3, pathIs("/***", "/???")...)},
		{"two paths", "ValidationError", "A rule can only have one 'path-pattern' condition", create(3, pathIs("/c")[0], pathIs("/d")[0])},
		{"field", "ValidationError", "Condition field 'cookie' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'", create(3, Condition{Field: "cookie", Values: []string{"a"}})},
		{"path characters", "ValidationError", "Condition value '/a{b}' contains a character that is not valid", create(3, pathIs("/a{b}")...)},
		{"long path", "ValidationError", "1 to 128 characters", create(3, pathIs("/"+strings.Repeat("a", 128))...)},
		{"host without dot", "ValidationError", "is not valid", create(3, condition(hostHeader, "localhost"))},
		{"method", "ValidationError", "Condition value 'get' contains a character that is not valid", create(3, condition(requestMethod, "get"))},
		{"source", "ValidationError", "is not a valid CIDR block", create(3, condition(sourceIP, "10.0.0.1"))},
		{"source broadcast", "ValidationError", "is not allowed", create(3, condition(sourceIP, "255.255.255.255/32"))},
		{"host as header", "ValidationError", "'Host'", create(3, header("Host", "a"))},
		{"header name", "ValidationError", "is not valid", create(3, header("a b", "a"))},
		{"values of another field", "ValidationError", "You cannot specify 'SourceIpConfig'", create(3, Condition{Field: pathPattern, Values: []string{"/"}, SourceIPConfig: &ValuesConfig{Values: []string{"10.0.0.0/8"}}})},
		{"no values", "ValidationError", "You must specify 'HttpHeaderConfig'", create(3, Condition{Field: httpHeader})},
		{"regex", "ValidationError", "'(' is not a valid regular expression", create(3, Condition{Field: pathPattern, RegexValues: []string{"("}})},
		{"regex with lookahead", "ValidationError", "is not a valid regular expression", create(3, Condition{Field: hostHeader, HostHeaderConfig: &ValuesConfig{RegexValues: []string{"(?=a)b"}}})},
		{"long regex", "ValidationError", "1 to 128 characters", create(3, Condition{Field: pathPattern, RegexValues: []string{strings.Repeat("a", 129)}})},
		{"regex and values", "ValidationError", "both 'Values' and 'RegexValues'", create(3, Condition{Field: pathPattern, Values: []string{"/a"}, RegexValues: []string{"a"}})},
		{"regex of a method", "ValidationError", "You cannot specify 'RegexValues' for a condition of field 'http-request-method'", create(3, Condition{Field: requestMethod, HTTPRequestMethodConfig: &ValuesConfig{Values: []string{"GET"}}, RegexValues: []string{"a"}})},
		{"six regexes", "ValidationError", "A rule can only have '5' condition values", create(3, Condition{Field: pathPattern, RegexValues: []string{"1", "2", "3", "4", "5", "6"}})},
		{"values twice", "ValidationError", "You cannot provide both Values and 'PathPatternConfig' for a condition of type 'path-pattern'", create(3, Condition{Field: pathPattern, Values: []string{"/a"}, PathPatternConfig: &ValuesConfig{Values: []string{"/a"}}})},
		{"query characters", "ValidationError", "contains a character that is not valid", create(3, Condition{Field: queryString, QueryStringConfig: &QueryStringConfig{[]QueryStringKeyValue{{"a", "b\n"}}}})},
		{"unknown listener", "ListenerNotFound", "One or more listeners not found", func(ctx context.Context) error {
			return second(w.CreateRule(ctx, CreateRuleInput{ListenerARN: missingARN("listener/app/x"), Priority: 3, Conditions: pathIs("/"), Actions: forwardTo(tg.ARN)}))
		}},
		{"modify default", "OperationNotPermitted", "Default rule", func(ctx context.Context) error {
			return second(w.ModifyRule(ctx, ModifyRuleInput{RuleARN: rules[0].ARN, Actions: forwardTo(tg.ARN)}))
		}},
		{"delete default", "OperationNotPermitted", "Default rule", func(ctx context.Context) error { return w.DeleteRule(ctx, rules[0].ARN) }},
		{"delete unknown", "RuleNotFound", "One or more rules not found", func(ctx context.Context) error { return w.DeleteRule(ctx, missingARN("listener-rule/app/x/y")) }},
		{"move onto another", "PriorityInUse", "Priority '2' is currently in use", priorities(RulePriority{one.ARN, 2})},
		{"move both to one", "PriorityInUse", "Priority '3' is currently in use", priorities(RulePriority{one.ARN, 3}, RulePriority{two.ARN, 3})},
		{"describe both", "ValidationError", "either listener rule ARNs or a listener ARN", func(ctx context.Context) error { return second(w.DescribeRules(ctx, l.ARN, []string{one.ARN})) }},
	})
}

func TestRefusals_TooManyRules(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	l := must(w.DescribeListeners(t.Context(), must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0].ARN, nil))[0]
	var err error
	for i := range maxRules + 1 {
		_, err = w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: i + 1, Conditions: pathIs(fmt.Sprint("/", i)), Actions: forwardTo(tg.ARN)})
	}
	wantError(t, err, "TooManyRules", "maximum number of rules")
}
