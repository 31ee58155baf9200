package orchestrator

import (
	"errors"
	"testing"
)

// TestRunners_WhatIsPlannedInIgnoranceWaits: an action that ends while a pass plans it again is not
// done again before a pass knows what it came to. A warm interface was made twice so: a task got
// the first one, and nobody knew of the second.
func TestRunners_WhatIsPlannedInIgnoranceWaits(t *testing.T) {
	var r runners
	r.init()
	a := Action{Kind: Prepare, Task: warmSubject("w")}
	for _, came := range []error{nil, errors.New("no address")} {
		r.take() // the pass begins
		if _, ok := r.claim(t.Context(), a); !ok {
			t.Fatal("refused at first")
		}
		r.finish(a, Result{Task: a.Task, Action: a.Kind, Err: came}, 0)
		if _, ok := r.claim(t.Context(), a); ok {
			t.Errorf("done again, while nobody knows that it came to %v", came)
			r.finish(a, Result{}, 0)
		}
		discard := Action{Kind: Discard, Task: a.Task}
		if _, ok := r.claim(t.Context(), discard); !ok {
			t.Error("another action is refused")
		}
		r.finish(discard, Result{}, 0)
		r.seen(1)
	}
}
