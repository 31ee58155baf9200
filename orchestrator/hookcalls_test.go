package orchestrator

import (
	"maps"
	"testing"
)

// TestForgetCalls_KeepsThoseOfKnownRuns: the calls of runs that no deployment remembers go.
func TestForgetCalls_KeepsThoseOfKnownRuns(t *testing.T) {
	c := &Controller{hookCalls: map[string]int{"old": 3, "now": 1}, services: map[string]*Service{
		"s": {Deployments: []Deployment{{}, {Shift: &Shift{Hooks: []HookRun{{ID: "now"}}}}}},
	}}
	if c.forgetCalls(); !maps.Equal(c.hookCalls, map[string]int{"now": 1}) {
		t.Errorf("calls %v", c.hookCalls)
	}
}
