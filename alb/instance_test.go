package alb

import (
	"strings"
	"testing"
)

func TestRegister_InstanceIsThisMachine(t *testing.T) { // ALB-257
	const here = "i-00123abcd0123abcd"
	w := newWorld(t, Config{Instance: here})
	tg := must(w.CreateTargetGroup(t.Context(), CreateTargetGroupInput{Name: "hosts", Protocol: "HTTP", Port: 80, VPCID: w.network.DefaultVPC().ID}))
	if err := w.RegisterTargets(t.Context(), tg.ARN, []Target{{ID: here, Port: 49200, Task: "task-1"}}); err != nil {
		t.Fatal(err)
	}
	h, ok := w.Targets()[TargetKey{tg.ARN, here, 49200}]
	if !ok || h.Target.AvailabilityZone != "us-east-1a" || h.Target.Task != "task-1" {
		t.Errorf("registered as %+v", w.Targets())
	}
	if addr := w.compileTarget(&registration{Target: h.Target}).Addr.String(); addr != "127.0.0.1:49200" {
		t.Errorf("the node dials %s", addr)
	}
	for _, other := range []string{"i-0123456789abcdef0", "10.0.0.1", ""} {
		if err := w.RegisterTargets(t.Context(), tg.ARN, []Target{{ID: other, Port: 80}}); err == nil || !strings.Contains(err.Error(), other) {
			t.Errorf("target %q: %v", other, err)
		}
	}
}
