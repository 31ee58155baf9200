package alb

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestTaskFault_IsOfTheTasksTargetsOnly(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	for ip, task := range map[string]string{userIP: "arn:task/1", "172.31.0.51": "arn:task/2", "172.31.0.52": ""} {
		if err := w.RegisterTargets(t.Context(), tg.ARN, []Target{{ID: ip, Task: task}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := w.BalancersOf("arn:task/1"), []netip.Addr{w.loadBalancer("shop").VPCAddress}; !slices.Equal(got, want) {
		t.Errorf("the task is behind %v, want %v", got, want)
	}
	if got := w.BalancersOf("arn:task/3"); len(got) != 0 {
		t.Errorf("an unknown task is behind %v", got)
	}
	w.SetTaskFaults(map[string]TaskFault{"arn:task/1": {Delay: time.Second, Loss: 7, Sources: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}})
	for _, target := range w.node.last().TargetGroups[0].Targets {
		faulty := target.Task == "arn:task/1"
		if (target.Fault != nil) != faulty || faulty && (target.Fault.Delay != time.Second || target.Fault.Loss != 7 || len(target.Fault.Sources) != 1) {
			t.Errorf("target of %q has fault %+v", target.Task, target.Fault)
		}
	}
	before := w.node.last().Version
	w.SetTaskFaults(nil)
	for _, target := range w.node.last().TargetGroups[0].Targets {
		if target.Fault != nil {
			t.Errorf("target of %q still has fault %+v", target.Task, target.Fault)
		}
	}
	if w.node.last().Version <= before {
		t.Error("the snapshot has no new version")
	}
}
