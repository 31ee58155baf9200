package alb

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"drydock/alb/node"
)

func weighted(stickiness TargetGroupStickiness, groups ...TargetGroup) []Action {
	config := &ForwardConfig{Stickiness: stickiness}
	for i, tg := range groups {
		config.TargetGroups = append(config.TargetGroups, TargetGroupTuple{tg.ARN, &i})
	}
	return []Action{{Type: "forward", ForwardConfig: config}}
}

// TestRefusals_Stickiness has a weighted rule without group stickiness, and groups that want
// to be sticky by themselves.
func TestRefusals_Stickiness(t *testing.T) {
	w := newWorld(t, Config{})
	l := w.listener(w.loadBalancer("shop").ARN, 80, fixed404)
	users, orders := w.targetGroup("users"), w.targetGroup("orders")
	sticky, app := w.targetGroup("sticky"), w.targetGroup("app")
	must(w.ModifyTargetGroupAttributes(t.Context(), sticky.ARN, []Attribute{{"stickiness.enabled", "true"}}))
	appCookie := []Attribute{{"stickiness.enabled", "true"}, {"stickiness.type", "app_cookie"}, {"stickiness.app_cookie.cookie_name", "SESSION"}}
	must(w.ModifyTargetGroupAttributes(t.Context(), app.ARN, appCookie))
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/"), Actions: weighted(TargetGroupStickiness{}, users, orders)}))
	create := func(actions []Action) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.CreateRule(ctx, CreateRuleInput{ListenerARN: l.ARN, Priority: 2, Conditions: pathIs("/"), Actions: actions}))
		}
	}
	set := func(tg TargetGroup, changes ...Attribute) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.ModifyTargetGroupAttributes(ctx, tg.ARN, changes))
		}
	}
	on := TargetGroupStickiness{Enabled: true, DurationSeconds: 60}
	six := []TargetGroup{users, orders, sticky, app}
	for i := range 2 {
		six = append(six, w.targetGroup(fmt.Sprint("more", i)))
	}
	checkRefusals(t, w, []refusal{
		{"no duration", "ValidationError", "Target group stickiness duration must be between 1 and 604800 seconds", create(weighted(TargetGroupStickiness{Enabled: true}, users, orders))},
		{"long duration", "ValidationError", "Target group stickiness duration must be between 1 and 604800 seconds", create(weighted(TargetGroupStickiness{DurationSeconds: 604801}, users, orders))},
		{"a sticky group", "InvalidConfigurationRequest", "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups", create(weighted(TargetGroupStickiness{}, users, sticky))},
		{"a group with app_cookie", "InvalidConfigurationRequest", "'app_cookie' is not supported for a target group that is weighted", create(weighted(on, users, app))},
		{"becomes sticky", "InvalidConfigurationRequest", "This target group appears behind a rule with group stickiness disabled (" + rule.ARN + "). You must enable group stickiness before enabling target stickiness", set(users, Attribute{"stickiness.enabled", "true"})},
		{"becomes sticky by app_cookie", "InvalidConfigurationRequest", "'app_cookie' is not supported for a target group that is weighted", set(users, appCookie...)},
		{"six groups", "TooManyTargetGroups", "at most '5'", create(weighted(on, six...))},
	})
	must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 2, Conditions: pathIs("/"), Actions: forwardTo(app.ARN)}))
	must(w.ModifyRule(t.Context(), ModifyRuleInput{RuleARN: rule.ARN, Actions: weighted(on, users, orders)}))
	must(w.ModifyTargetGroupAttributes(t.Context(), users.ARN, []Attribute{{"stickiness.enabled", "true"}}))
}

func TestRefusals_TooManyGroupsPerLoadBalancer(t *testing.T) {
	w := newWorld(t, Config{})
	first, other := w.listener(w.loadBalancer("shop").ARN, 80, fixed404), Listener{}
	other = w.listener(first.LoadBalancerARN, 81, fixed404)
	create := func(l Listener, priority, from, to int) error {
		var groups []TargetGroup
		for i := from; i < to; i++ {
			groups = append(groups, w.targetGroup(fmt.Sprint("g", i)))
		}
		return second(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: priority, Conditions: pathIs("/"), Actions: weighted(TargetGroupStickiness{}, groups...)}))
	}
	for i := range 20 {
		if err := create(first, i+1, 5*i, 5*i+5); err != nil {
			t.Fatal(err)
		}
	}
	if err := create(other, 1, 98, 100); err != nil {
		t.Errorf("groups that are in use already: %v", err)
	}
	wantError(t, create(other, 2, 99, 101), "TooManyUniqueTargetGroupsPerLoadBalancer", "'100'")
}

// group returns a target group as the node got it.
func (w *world) group(tg TargetGroup) node.TargetGroup {
	for _, g := range w.node.last().TargetGroups {
		if g.ARN == tg.ARN {
			return g
		}
	}
	w.t.Fatalf("the node has no target group %s", tg.ARN)
	return node.TargetGroup{}
}

func TestAttributes_OfTargetGroupsReachTheNode(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	if g := w.group(tg); g.Algorithm != "round_robin" || g.SlowStart != 0 || g.Stickiness != nil || g.MinimumHealthyCount != 0 || g.MinimumHealthyPercentage != 0 || g.StaleConnection != 0 {
		t.Errorf("defaults are %+v", g)
	}
	set := func(changes ...Attribute) node.TargetGroup {
		must(w.ModifyTargetGroupAttributes(t.Context(), tg.ARN, changes))
		return w.group(tg)
	}
	if g := set(Attribute{"slow_start.duration_seconds", "30"}); g.SlowStart != 30*time.Second {
		t.Errorf("slow start is %v", g.SlowStart)
	}
	if g := set(Attribute{"slow_start.duration_seconds", "0"}, Attribute{"load_balancing.algorithm.type", "least_outstanding_requests"}); g.Algorithm != "least_outstanding_requests" || g.SlowStart != 0 {
		t.Errorf("algorithm is %+v", g)
	}
	if g := set(Attribute{"stickiness.enabled", "true"}, Attribute{"stickiness.lb_cookie.duration_seconds", "60"}); !reflect.DeepEqual(g.Stickiness, &node.Stickiness{Type: "lb_cookie", Duration: time.Minute}) {
		t.Errorf("stickiness is %+v", g.Stickiness)
	}
	if g := set(Attribute{"stickiness.type", "app_cookie"}, Attribute{"stickiness.app_cookie.cookie_name", "SESSION"}); !reflect.DeepEqual(g.Stickiness, &node.Stickiness{Type: "app_cookie", Duration: 24 * time.Hour, CookieName: "SESSION"}) {
		t.Errorf("stickiness is %+v", g.Stickiness)
	}
	if g := set(Attribute{"stickiness.enabled", "false"}, Attribute{"load_balancing.algorithm.type", "weighted_random"}); g.Stickiness != nil || g.Algorithm != "weighted_random" {
		t.Errorf("weighted random is %+v", g)
	}
	if g := set(Attribute{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "3"}, Attribute{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "50"}); g.MinimumHealthyCount != 3 || g.MinimumHealthyPercentage != 50 {
		t.Errorf("minimums are %+v", g)
	}
}

func TestTargetGroups_OfEveryProtocolReachTheNode(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main")})
	l := w.secureListener(w.loadBalancer("shop").ARN, 443, fixed404)
	for i, want := range []struct{ protocol, version, path, matcher string }{
		{"HTTP", "HTTP1", "/", "200"}, {"HTTPS", "HTTP1", "/", "200"}, {"HTTP", "HTTP2", "/", "200"}, {"HTTPS", "GRPC", "/AWS.ALB/healthcheck", "12"},
	} {
		in := groupInput(w, fmt.Sprint("g", i))
		in.Protocol, in.ProtocolVersion = want.protocol, want.version
		in.HealthCheck.Protocol = want.protocol
		tg := must(w.CreateTargetGroup(t.Context(), in))
		must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: i + 1, Conditions: pathIs("/"), Actions: forwardTo(tg.ARN)}))
		g := w.group(tg)
		if g.Protocol != want.protocol || g.ProtocolVersion != want.version || g.HealthCheck.Protocol != want.protocol || g.HealthCheck.Path != want.path || g.HealthCheck.Matcher != want.matcher || !g.InUse {
			t.Errorf("group %v is %+v", want, g)
		}
		if again := must(w.CreateTargetGroup(t.Context(), in)); again.ARN != tg.ARN {
			t.Errorf("created again: %s", again.ARN)
		}
	}
	grpc := must(w.DescribeTargetGroups(t.Context(), "", nil, []string{"g3"}))[0]
	must(w.ModifyTargetGroup(t.Context(), grpc.ARN, HealthCheck{GRPCMatcher: "0,5-7"}))
	if g := w.group(grpc); g.HealthCheck.Matcher != "0,5-7" {
		t.Errorf("the gRPC matcher is %q", g.HealthCheck.Matcher)
	}
	_, err := w.ModifyTargetGroup(t.Context(), grpc.ARN, HealthCheck{Matcher: "200"})
	wantError(t, err, "ValidationError", "HTTP code")
}
