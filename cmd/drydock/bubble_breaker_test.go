package main

import (
	"testing"
	"time"

	"drydock/orchestrator"
)

// TestBreaker_ARollbackIsNotRolledBack: a revision that cannot start can be the last completed one,
// if it was deployed while nothing was desired. Rolling back to it must end there.
func TestBreaker_ARollbackIsNotRolledBack(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 0, min: 100, max: 200, breaker: true}, func(t *testing.T, b *bubble) {
		noImage := wellBehaved
		noImage.Fail = &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errNoDocker}
		b.deployScript("app:2", behaviour{}, noImage)
		b.steady(time.Minute)
		three := 3
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount, in.ForceNewDeployment = &three, true }))
		time.Sleep(time.Minute)
		if n := len(b.life.Load().scheduler.Snapshot().Tasks); n > 30 {
			t.Errorf("%d tasks were started within a minute", n)
		}
	})
}
