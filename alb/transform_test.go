package alb

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"drydock/alb/node"
)

var (
	hostRewrite = Transform{hostHeaderRewrite, []Rewrite{{`^(.+)\.example\.com$`, "$1.internal"}}}
	pathRewrite = Transform{urlRewrite, []Rewrite{{"^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1"}}}
)

func TestRefusals_Transforms(t *testing.T) {
	w := newWorld(t, Config{})
	l := w.listener(w.loadBalancer("shop").ARN, 80, fixed404)
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/"), Actions: fixed404}))
	byDefault := must(w.DescribeRules(t.Context(), l.ARN, nil))[1]
	create := func(transforms ...Transform) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.CreateRule(ctx, CreateRuleInput{ListenerARN: l.ARN, Priority: 2, Conditions: pathIs("/"), Actions: fixed404, Transforms: transforms}))
		}
	}
	rewrite := func(regex, replace string) func(context.Context) error {
		return create(Transform{urlRewrite, []Rewrite{{regex, replace}}})
	}
	checkRefusals(t, w, []refusal{
		{"type", "ValidationError", "[host-header-rewrite, url-rewrite]", create(Transform{Type: "path-rewrite"})},
		{"twice", "ValidationError", "A rule can only have one 'url-rewrite' transform", create(pathRewrite, hostRewrite, pathRewrite)},
		{"no rewrite", "ValidationError", "exactly one rewrite", create(Transform{Type: urlRewrite})},
		{"two rewrites", "ValidationError", "exactly one rewrite", create(Transform{urlRewrite, append(pathRewrite.Rewrites, hostRewrite.Rewrites...)})},
		{"no regex", "ValidationError", "1 to 1024 characters", rewrite("", "/")},
		{"long regex", "ValidationError", "1 to 1024 characters", rewrite(strings.Repeat("a", 1025), "/")},
		{"regex", "ValidationError", "is not a valid regular expression", rewrite(`(a)\1`, "/")},
		{"long replacement", "ValidationError", "'1024'", rewrite("a", strings.Repeat("a", 1025))},
		{"line break", "ValidationError", "contains a character that is not valid", rewrite("a", "a\r\nX-Evil: 1")},
		{"set and reset", "ValidationError", "both 'Transforms' and 'ResetTransforms'", func(ctx context.Context) error {
			return second(w.ModifyRule(ctx, ModifyRuleInput{RuleARN: rule.ARN, Transforms: []Transform{pathRewrite}, ResetTransforms: true}))
		}},
		{"of the default rule", "OperationNotPermitted", "Default rule", func(ctx context.Context) error {
			return second(w.ModifyRule(ctx, ModifyRuleInput{RuleARN: byDefault.ARN, Transforms: []Transform{pathRewrite}}))
		}},
	})
}

func TestTransforms_ReachTheNodeUntilTheyAreReset(t *testing.T) {
	w := newWorld(t, Config{})
	l := w.listener(w.loadBalancer("shop").ARN, 80, fixed404)
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 1, Conditions: pathIs("/"), Actions: fixed404, Transforms: []Transform{hostRewrite, pathRewrite}}))
	want := []node.Transform{{Type: hostHeaderRewrite, Regex: `^(.+)\.example\.com$`, Replace: "$1.internal"}, {Type: urlRewrite, Regex: "^/dp/([A-Za-z0-9]+)/?$", Replace: "/product.php?id=$1"}}
	if got := w.compiled(l.ARN).Rules[0].Transforms; !reflect.DeepEqual(got, want) {
		t.Errorf("the node transforms %+v; want %+v", got, want)
	}
	must(w.ModifyRule(t.Context(), ModifyRuleInput{RuleARN: rule.ARN, Conditions: pathIs("/a")}))
	must(w.ModifyRule(t.Context(), ModifyRuleInput{RuleARN: rule.ARN, Transforms: []Transform{pathRewrite}}))
	if got := w.compiled(l.ARN).Rules[0].Transforms; !reflect.DeepEqual(got, want[1:]) {
		t.Errorf("the node transforms %+v; want %+v", got, want[1:])
	}
	must(w.ModifyRule(t.Context(), ModifyRuleInput{RuleARN: rule.ARN, ResetTransforms: true}))
	if got := w.compiled(l.ARN).Rules[0].Transforms; got != nil {
		t.Errorf("the node still transforms %+v", got)
	}
}

func TestRules_RegularExpressionsAndStickinessReachTheNode(t *testing.T) {
	w := newWorld(t, Config{})
	l := w.listener(w.loadBalancer("shop").ARN, 80, fixed404)
	users, orders := w.targetGroup("users"), w.targetGroup("orders")
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{
		ListenerARN: l.ARN, Priority: 1, Actions: weighted(TargetGroupStickiness{Enabled: true, DurationSeconds: 90}, users, orders), Conditions: []Condition{
			{Field: hostHeader, HostHeaderConfig: &ValuesConfig{RegexValues: []string{`^[a-z]+\.example\.com$`}}},
			{Field: pathPattern, RegexValues: []string{"^/api/", "^/v[0-9]+/"}},
			{Field: httpHeader, HTTPHeaderConfig: &HTTPHeaderConfig{HTTPHeaderName: "User-Agent", RegexValues: []string{"^curl/"}}},
			{Field: httpHeader, HTTPHeaderConfig: &HTTPHeaderConfig{HTTPHeaderName: "X-A"}, RegexValues: []string{"a"}},
		},
	}))
	got := w.compiled(l.ARN).Rules[0]
	want := []node.Condition{
		{Field: hostHeader, Regex: []string{`^[a-z]+\.example\.com$`}},
		{Field: pathPattern, Regex: []string{"^/api/", "^/v[0-9]+/"}},
		{Field: httpHeader, Name: "User-Agent", Regex: []string{"^curl/"}},
		{Field: httpHeader, Name: "X-A", Regex: []string{"a"}},
	}
	if !reflect.DeepEqual(got.Conditions, want) {
		t.Errorf("the node matches %+v; want %+v", got.Conditions, want)
	}
	if got.Action.Forward.Stickiness != 90*time.Second || got.Action.Forward.TargetGroups[1].Weight != 1 {
		t.Errorf("the node forwards %+v", got.Action.Forward)
	}
	if c := rule.Conditions[1]; !reflect.DeepEqual(c.PathPatternConfig.RegexValues, c.RegexValues) {
		t.Errorf("the condition is described as %+v", c)
	}
}
