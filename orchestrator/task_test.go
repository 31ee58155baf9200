package orchestrator

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTask_StatusOnlyMovesForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		task := &Task{Status: rapid.SampledFrom(taskOrder).Draw(t, "from")}
		for range 5 {
			from, to := task.Status, rapid.SampledFrom(taskOrder).Draw(t, "to")
			err := task.advance(to)
			if forward := from.before(to); (err == nil) != forward {
				t.Fatalf("%s → %s: %v", from, to, err)
			}
			if err != nil && task.Status != from {
				t.Fatalf("a refused step changed the status to %s", task.Status)
			}
		}
	})
}
