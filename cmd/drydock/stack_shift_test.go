package main

import (
	"strings"
	"testing"

	"drydock/awsapi/elbv2"
)

// TestReadStack_ShortFormOfAdvancedConfiguration: names stand for ARNs, a listener for its
// default rule.
func TestReadStack_ShortFormOfAdvancedConfiguration(t *testing.T) {
	s, err := readStack("../../examples/canary/" + stackFile)
	if err != nil {
		t.Fatal(err)
	}
	a := s.services[0].input.LoadBalancers[0].AdvancedConfiguration
	for got, want := range map[string]string{
		deref(a.AlternateTargetGroupArn): "${targetGroup.web-b.arn}",
		deref(a.ProductionListenerRule):  "${listenerRule.canary:80:default.arn}",
		deref(a.TestListenerRule):        "${listenerRule.canary:8080:default.arn}",
		deref(a.RoleArn):                 defaultShiftRole,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if c := s.services[0].input.DeploymentConfiguration; deref(c.Strategy) != "CANARY" || deref(c.CanaryConfiguration.CanaryPercent) != 10 {
		t.Errorf("%+v", c)
	}
}

// TestReadStack_UnknownListener is a mistake that the file shows.
func TestReadStack_UnknownListener(t *testing.T) {
	text := strings.Replace(goodStack, "{targetGroup: web, containerName", "{targetGroup: web, alternateTargetGroup: web, productionListener: front:81, containerName", 1)
	_, err := readStack(writeStack(t, text) + "/" + stackFile)
	if err == nil || !strings.Contains(err.Error(), `there is no listenerRule "front:81:default" in this stack`) {
		t.Errorf("err = %v", err)
	}
}

// TestUp_KeepsTheWeightsOfDeployments: the stack's weights are for the beginning only.
func TestUp_KeepsTheWeightsOfDeployments(t *testing.T) {
	s, err := readStack("../../examples/canary/" + stackFile)
	if err != nil {
		t.Fatal(err)
	}
	u := newUp(nil, s, nil)
	u.targetGroups = map[string]string{"web-a": "a", "web-b": "b", "other": "c"}
	forward := func(group string, x, y int64) []elbv2.Action {
		a := "a"
		return []elbv2.Action{{ForwardConfig: &elbv2.ForwardActionConfig{TargetGroups: []elbv2.TargetGroupTuple{{TargetGroupArn: &a, Weight: &x}, {TargetGroupArn: &group, Weight: &y}}}}}
	}
	for group, want := range map[string]int64{"b": 0, "c": 100} { // c is nobody's alternate
		wanted := forward(group, 100, 0)
		u.keepWeights(wanted, forward(group, 0, 100))
		if got := *wanted[0].ForwardConfig.TargetGroups[0].Weight; got != want {
			t.Errorf("weight beside %s is %d, want %d", group, got, want)
		}
	}
}

// TestStatus_ShowsStageAndTraffic of a deployment that shifts it.
func TestStatus_ShowsStageAndTraffic(t *testing.T) {
	share, rest := 12.5, 87.5
	s := ServiceStatus{Deployments: []DeploymentStatus{
		{Status: "PRIMARY", TaskDefinition: "web:2", Running: 2, RolloutState: "IN_PROGRESS", Stage: "PRODUCTION_TRAFFIC_SHIFT", Production: &share},
		{Status: "ACTIVE", TaskDefinition: "web:1", Running: 2, RolloutState: "COMPLETED", Stage: "CLEAN_UP", Production: &rest},
	}}
	if got := (statusView{screen: &screen{}}).rollout(s); !strings.Contains(got, "IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT, 12.5 % of the traffic") {
		t.Errorf("status says %q", got)
	}
	want := "primary web:2: 2 running, 12.5 % of the traffic, PRODUCTION_TRAFFIC_SHIFT · active web:1: 2 running, 87.5 % of the traffic"
	if got := (&watcher{}).summary(&s); got != want {
		t.Errorf("deploy says %q", got)
	}
}
