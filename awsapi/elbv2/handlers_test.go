package elbv2_test

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"drydock/alb"
	"drydock/alb/node"
	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/awsapi/elbv2"
	"drydock/network"
)

// idleNode accepts every snapshot and serves nothing.
type idleNode struct{}

func (idleNode) Apply(node.Snapshot) map[string]error { return nil }

func newServer(t *testing.T) (*awsapi.Server, *network.Network) {
	t.Helper()
	return newServerWith(t, idleNode{}, alb.Config{})
}

func newServerWith(t *testing.T, balancerNode alb.Node, config alb.Config) (*awsapi.Server, *network.Network) {
	t.Helper()
	store := &apitest.Store{}
	n, err := network.Open(t.Context(), store, network.Config{
		Region: "us-east-1", Account: awsapi.DefaultAccount, CIDR: netip.MustParsePrefix("172.31.0.0/16"),
	})
	if err != nil {
		t.Fatal(err)
	}
	config.Region, config.Account, config.Pace = "us-east-1", awsapi.DefaultAccount, alb.FastPace
	b, err := alb.Open(t.Context(), store, balancerNode, n, config)
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	elbv2.Register(s, b)
	return s, n
}

// caller calls operations of a fresh server.
type caller struct {
	t       *testing.T
	c       *awsapi.Client
	network *network.Network
}

func newCaller(t *testing.T) caller {
	s, n := newServer(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return caller{t, &awsapi.Client{Endpoint: server.URL, HTTP: server.Client()}, n}
}

func do[Out any](c caller, operation string, in any) *Out {
	c.t.Helper()
	out := new(Out)
	if err := c.c.Do(c.t.Context(), "elbv2", operation, in, out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c caller) refused(operation string, in any, code, part string) {
	c.t.Helper()
	err := c.c.Do(c.t.Context(), "elbv2", operation, in, nil)
	var e *awsapi.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, part) {
		c.t.Errorf("%s: %v, want %s … %s", operation, err, code, part)
	}
}

func (c caller) subnets() []string {
	c.t.Helper()
	subnets, err := c.network.Subnets(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return []string{subnets[0].ID, subnets[1].ID}
}

// stack is a load balancer with a listener and two target groups.
type stack struct {
	lb, listener, users, orders string
}

func (c caller) stack() stack {
	c.t.Helper()
	var s stack
	s.lb = *do[elbv2.CreateLoadBalancerOutput](c, "CreateLoadBalancer", &elbv2.CreateLoadBalancerInput{Name: new("lb"), Subnets: c.subnets()}).LoadBalancers[0].LoadBalancerArn
	for name, arn := range map[string]*string{"users": &s.users, "orders": &s.orders} {
		*arn = *do[elbv2.CreateTargetGroupOutput](c, "CreateTargetGroup", &elbv2.CreateTargetGroupInput{
			Name: &name, Protocol: new("HTTP"), Port: new(int64(3000)), VpcId: new(c.network.DefaultVPC().ID), TargetType: new("ip"),
			HealthCheckPath: new("/health"), Matcher: &elbv2.Matcher{HttpCode: new("200-299")},
		}).TargetGroups[0].TargetGroupArn
	}
	s.listener = *do[elbv2.CreateListenerOutput](c, "CreateListener", &elbv2.CreateListenerInput{
		LoadBalancerArn: &s.lb, Protocol: new("HTTP"), Port: new(int64(80)), DefaultActions: []elbv2.Action{notFound()},
	}).Listeners[0].ListenerArn
	return s
}

func notFound() elbv2.Action {
	return elbv2.Action{Type: new("fixed-response"), FixedResponseConfig: &elbv2.FixedResponseActionConfig{
		StatusCode: new("404"), ContentType: new("application/json"), MessageBody: new(`{"error": "Not Found"}`),
	}}
}

func TestRegister_ServesEveryListedOperation(t *testing.T) {
	s, _ := newServer(t)
	for _, operation := range awsapi.LookupService("elbv2").Operations() {
		if !s.Handles("elbv2", operation) {
			t.Errorf("%s has no handler", operation)
		}
	}
}

func TestLoadBalancer_WholeLife(t *testing.T) {
	c := newCaller(t)
	subnets := c.subnets()
	mappings := []elbv2.SubnetMapping{{SubnetId: &subnets[0]}, {SubnetId: &subnets[1]}}
	in := &elbv2.CreateLoadBalancerInput{Name: new("lb"), SubnetMappings: mappings, Scheme: new("internal"), Tags: []elbv2.Tag{{Key: new("k"), Value: new("v")}}}
	created := do[elbv2.CreateLoadBalancerOutput](c, "CreateLoadBalancer", in).LoadBalancers[0]
	if *created.State.Code != "provisioning" || *created.Scheme != "internal" || len(created.AvailabilityZones) != 2 || *created.AvailabilityZones[0].ZoneName != "us-east-1a" {
		t.Errorf("created %+v", created)
	}
	out := do[elbv2.DescribeLoadBalancersOutput](c, "DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{Names: []string{"lb"}})
	if lb := out.LoadBalancers[0]; *lb.State.Code != "active" || lb.CreatedTime.IsZero() || !strings.HasSuffix(*lb.DNSName, ".elb.localhost") {
		t.Errorf("described %+v", lb)
	}
	attributes := do[elbv2.ModifyLoadBalancerAttributesOutput](c, "ModifyLoadBalancerAttributes", &elbv2.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: created.LoadBalancerArn, Attributes: []elbv2.LoadBalancerAttribute{{Key: new("idle_timeout.timeout_seconds"), Value: new("30")}},
	})
	all := do[elbv2.DescribeLoadBalancerAttributesOutput](c, "DescribeLoadBalancerAttributes", &elbv2.DescribeLoadBalancerAttributesInput{LoadBalancerArn: created.LoadBalancerArn})
	if !reflect.DeepEqual(all.Attributes, attributes.Attributes) || len(all.Attributes) < 10 {
		t.Errorf("%d attributes", len(all.Attributes))
	}
	groups, err := c.network.SecurityGroups(nil)
	if err != nil {
		t.Fatal(err)
	}
	set := do[elbv2.SetSecurityGroupsOutput](c, "SetSecurityGroups", &elbv2.SetSecurityGroupsInput{LoadBalancerArn: created.LoadBalancerArn, SecurityGroups: []string{groups[0].ID}})
	if !reflect.DeepEqual(set.SecurityGroupIds, []string{groups[0].ID}) {
		t.Errorf("groups %v", set.SecurityGroupIds)
	}
	do[elbv2.DeleteLoadBalancerOutput](c, "DeleteLoadBalancer", &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: created.LoadBalancerArn})
	c.refused("DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{Names: []string{"lb"}}, "LoadBalancerNotFound", "")
	if out := do[elbv2.DescribeLoadBalancersOutput](c, "DescribeLoadBalancers", nil); out.LoadBalancers == nil || len(out.LoadBalancers) != 0 {
		t.Error("an empty list is not sent")
	}
}

func TestTargetGroup_KeepsWhatItIsTold(t *testing.T) {
	c := newCaller(t)
	s := c.stack()
	tg := do[elbv2.DescribeTargetGroupsOutput](c, "DescribeTargetGroups", &elbv2.DescribeTargetGroupsInput{Names: []string{"users"}}).TargetGroups[0]
	if *tg.HealthCheckPath != "/health" || *tg.Matcher.HttpCode != "200-299" || *tg.Port != 3000 || *tg.TargetType != "ip" || !*tg.HealthCheckEnabled || tg.LoadBalancerArns == nil {
		t.Errorf("described %+v", tg)
	}
	tg = do[elbv2.ModifyTargetGroupOutput](c, "ModifyTargetGroup", &elbv2.ModifyTargetGroupInput{TargetGroupArn: &s.users, HealthCheckIntervalSeconds: new(int64(10))}).TargetGroups[0]
	if *tg.HealthCheckIntervalSeconds != 10 || *tg.HealthCheckPath != "/health" {
		t.Errorf("modified %+v", tg)
	}
	c.refused("ModifyTargetGroup", &elbv2.ModifyTargetGroupInput{TargetGroupArn: &s.users, Matcher: &elbv2.Matcher{GrpcCode: new("0")}}, "ValidationError", "GRPC code")
	do[elbv2.ModifyTargetGroupAttributesOutput](c, "ModifyTargetGroupAttributes", &elbv2.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &s.users, Attributes: []elbv2.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new("30")}},
	})
	all := do[elbv2.DescribeTargetGroupAttributesOutput](c, "DescribeTargetGroupAttributes", &elbv2.DescribeTargetGroupAttributesInput{TargetGroupArn: &s.users})
	got := map[string]string{}
	for _, at := range all.Attributes {
		got[*at.Key] = *at.Value
	}
	if got["deregistration_delay.timeout_seconds"] != "30" {
		t.Errorf("attributes %v", got)
	}
	do[elbv2.DeleteTargetGroupOutput](c, "DeleteTargetGroup", &elbv2.DeleteTargetGroupInput{TargetGroupArn: &s.users})
	c.refused("DescribeTargetGroups", &elbv2.DescribeTargetGroupsInput{TargetGroupArns: []string{s.users}}, "TargetGroupNotFound", "One or more target groups not found")
}

func TestTargets_RegisterDescribeDeregister(t *testing.T) {
	c := newCaller(t)
	s := c.stack()
	target := []elbv2.TargetDescription{{Id: new("172.31.0.200")}}
	do[elbv2.RegisterTargetsOutput](c, "RegisterTargets", &elbv2.RegisterTargetsInput{TargetGroupArn: &s.users, Targets: target})
	in := &elbv2.DescribeTargetHealthInput{TargetGroupArn: &s.users, Include: []string{"All"}}
	health := do[elbv2.DescribeTargetHealthOutput](c, "DescribeTargetHealth", in).TargetHealthDescriptions
	if len(health) != 1 || *health[0].Target.Port != 3000 || *health[0].TargetHealth.State != "unused" || *health[0].TargetHealth.Reason != "Target.NotInUse" || *health[0].AnomalyDetection.Result != "normal" {
		t.Errorf("health %+v", health)
	}
	do[elbv2.DeregisterTargetsOutput](c, "DeregisterTargets", &elbv2.DeregisterTargetsInput{TargetGroupArn: &s.users, Targets: target})
	in.Targets = target
	if health := do[elbv2.DescribeTargetHealthOutput](c, "DescribeTargetHealth", in).TargetHealthDescriptions; *health[0].TargetHealth.State == "healthy" {
		t.Errorf("health %+v", health)
	}
	c.refused("RegisterTargets", &elbv2.RegisterTargetsInput{TargetGroupArn: &s.users, Targets: []elbv2.TargetDescription{{Id: new("not an address")}}}, "ValidationError", "")
}

// TestRule_EveryConditionAndActionComesBack sends every kind of condition and action that
// alb knows and reads it again.
func TestRule_EveryConditionAndActionComesBack(t *testing.T) {
	c := newCaller(t)
	s := c.stack()
	paths := []string{"/api/users/*"}
	conditions := []elbv2.RuleCondition{
		{Field: new("path-pattern"), Values: paths},
		{Field: new("http-header"), HttpHeaderConfig: &elbv2.HttpHeaderConditionConfig{HttpHeaderName: new("X-A"), Values: []string{"a"}}},
		{Field: new("http-request-method"), HttpRequestMethodConfig: &elbv2.HttpRequestMethodConditionConfig{Values: []string{"GET"}}},
		{Field: new("query-string"), QueryStringConfig: &elbv2.QueryStringConditionConfig{Values: []elbv2.QueryStringKeyValuePair{{Key: new("k"), Value: new("v")}}}},
		{Field: new("source-ip"), SourceIpConfig: &elbv2.SourceIpConditionConfig{Values: []string{"10.0.0.0/8"}}},
	}
	forward := elbv2.Action{Type: new("forward"), ForwardConfig: &elbv2.ForwardActionConfig{
		TargetGroups:                []elbv2.TargetGroupTuple{{TargetGroupArn: &s.users, Weight: new(int64(0))}, {TargetGroupArn: &s.orders, Weight: new(int64(9))}},
		TargetGroupStickinessConfig: &elbv2.TargetGroupStickinessConfig{Enabled: new(true), DurationSeconds: new(int64(60))},
	}}
	in := &elbv2.CreateRuleInput{ListenerArn: &s.listener, Priority: new(int64(5)), Conditions: conditions, Actions: []elbv2.Action{forward}}
	created := do[elbv2.CreateRuleOutput](c, "CreateRule", in).Rules[0]
	conditions[0].PathPatternConfig = &elbv2.PathPatternConditionConfig{Values: paths} // described both ways
	if !reflect.DeepEqual(created.Conditions, conditions) || !reflect.DeepEqual(created.Actions, in.Actions) || *created.Priority != "5" || *created.IsDefault {
		t.Errorf("created %+v", created)
	}
	c.refused("CreateRule", in, "ValidationError", "You cannot provide both Values and 'PathPatternConfig'")
	conditions[0].Values = nil
	c.refused("CreateRule", in, "PriorityInUse", "")
	conditions[0].Values = paths

	redirect := elbv2.Action{Type: new("redirect"), RedirectConfig: &elbv2.RedirectActionConfig{
		StatusCode: new("HTTP_301"), Protocol: new("HTTPS"), Port: new("443"), Host: new("#{host}"), Path: new("/#{path}"), Query: new("#{query}"),
	}}
	modified := do[elbv2.ModifyRuleOutput](c, "ModifyRule", &elbv2.ModifyRuleInput{RuleArn: created.RuleArn, Actions: []elbv2.Action{redirect}}).Rules[0]
	if !reflect.DeepEqual(modified.Conditions, conditions) || !reflect.DeepEqual(modified.Actions, []elbv2.Action{redirect}) {
		t.Errorf("modified %+v", modified)
	}
	do[elbv2.SetRulePrioritiesOutput](c, "SetRulePriorities", &elbv2.SetRulePrioritiesInput{RulePriorities: []elbv2.RulePriorityPair{{RuleArn: created.RuleArn, Priority: new(int64(7))}}})
	rules := do[elbv2.DescribeRulesOutput](c, "DescribeRules", &elbv2.DescribeRulesInput{ListenerArn: &s.listener}).Rules
	if len(rules) != 2 || *rules[0].Priority != "7" || *rules[1].Priority != "default" || !*rules[1].IsDefault || len(rules[1].Conditions) != 0 || !reflect.DeepEqual(rules[1].Actions, []elbv2.Action{notFound()}) {
		t.Errorf("rules %+v", rules)
	}
	c.refused("DeleteTargetGroup", &elbv2.DeleteTargetGroupInput{TargetGroupArn: rules[0].RuleArn}, "ValidationError", "")
	do[elbv2.DeleteRuleOutput](c, "DeleteRule", &elbv2.DeleteRuleInput{RuleArn: created.RuleArn})
	c.refused("DescribeRules", &elbv2.DescribeRulesInput{RuleArns: []string{*created.RuleArn}}, "RuleNotFound", "")
}

func TestListener_WholeLife(t *testing.T) {
	c := newCaller(t)
	s := c.stack()
	forward := []elbv2.Action{{Type: new("forward"), TargetGroupArn: &s.users}}
	l := do[elbv2.ModifyListenerOutput](c, "ModifyListener", &elbv2.ModifyListenerInput{ListenerArn: &s.listener, Port: new(int64(8080)), DefaultActions: forward}).Listeners[0]
	if *l.Port != 8080 || *l.DefaultActions[0].TargetGroupArn != s.users || len(l.DefaultActions[0].ForwardConfig.TargetGroups) != 1 {
		t.Errorf("modified %+v", l)
	}
	c.refused("DeleteTargetGroup", &elbv2.DeleteTargetGroupInput{TargetGroupArn: &s.users}, "ResourceInUse", "is currently in use by a listener or a rule")
	c.refused("ModifyListener", &elbv2.ModifyListenerInput{ListenerArn: &s.listener, SslPolicy: new("x")}, "ValidationError", "SSL policy")
	listeners := do[elbv2.DescribeListenersOutput](c, "DescribeListeners", &elbv2.DescribeListenersInput{LoadBalancerArn: &s.lb}).Listeners
	if len(listeners) != 1 || *listeners[0].ListenerArn != s.listener {
		t.Errorf("listeners %+v", listeners)
	}
	do[elbv2.DeleteListenerOutput](c, "DeleteListener", &elbv2.DeleteListenerInput{ListenerArn: &s.listener})
	c.refused("DescribeListeners", &elbv2.DescribeListenersInput{ListenerArns: []string{s.listener}}, "ListenerNotFound", "")
}

func TestTags_AddDescribeRemove(t *testing.T) {
	c := newCaller(t)
	s := c.stack()
	arns := []string{s.lb, s.users}
	do[elbv2.AddTagsOutput](c, "AddTags", &elbv2.AddTagsInput{ResourceArns: arns, Tags: []elbv2.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("")}}})
	do[elbv2.RemoveTagsOutput](c, "RemoveTags", &elbv2.RemoveTagsInput{ResourceArns: arns[:1], TagKeys: []string{"a"}})
	got := do[elbv2.DescribeTagsOutput](c, "DescribeTags", &elbv2.DescribeTagsInput{ResourceArns: arns}).TagDescriptions
	if *got[0].ResourceArn != s.lb || len(got[0].Tags) != 1 || *got[0].Tags[0].Key != "b" || len(got[1].Tags) != 2 {
		t.Errorf("tags %+v", got)
	}
}

func TestDescribe_Pages(t *testing.T) {
	c := newCaller(t)
	c.stack()
	in := &elbv2.DescribeTargetGroupsInput{PageSize: new(int64(1))}
	first := do[elbv2.DescribeTargetGroupsOutput](c, "DescribeTargetGroups", in)
	if len(first.TargetGroups) != 1 || first.NextMarker == nil {
		t.Fatalf("first page %+v", first)
	}
	in.Marker = first.NextMarker
	second := do[elbv2.DescribeTargetGroupsOutput](c, "DescribeTargetGroups", in)
	if len(second.TargetGroups) != 1 || second.NextMarker != nil || *second.TargetGroups[0].TargetGroupName == *first.TargetGroups[0].TargetGroupName {
		t.Errorf("second page %+v", second)
	}
	in.Marker = new("x")
	c.refused("DescribeTargetGroups", in, "ValidationError", "marker")
}
