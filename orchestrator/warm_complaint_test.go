package orchestrator_test

import (
	"errors"
	"testing"
	"time"

	"drydock/network"
	"drydock/orchestrator"
)

// TestWarm_FailsWithOneWarning, however often it is tried again: nobody waits for it.
func TestWarm_FailsWithOneWarning(t *testing.T) {
	now, seq := time.Now(), int64(0)
	in := orchestrator.Input{
		EngineUp: true, WarmSize: 1, WarmSeen: map[string]bool{}, Warm: map[string]*orchestrator.WarmInterface{"0": {ID: "0"}},
		Results: []orchestrator.Result{{Task: network.WarmOwner + "0", Action: orchestrator.Prepare, Err: errors.New("no address is free")}},
		Seq:     func() int64 { seq++; return seq }, ID: func(n int) string { return "0123456789abcdef0123456789abcdef"[:n] },
	}
	told := 0
	for range 5 {
		in.Now = now
		plan := orchestrator.Reconcile(in)
		told += len(plan.Events)
		in.Warm, now = plan.Warm, now.Add(time.Minute)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
