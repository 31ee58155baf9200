package main

import (
	"runtime"
	"testing"
	"time"

	"drydock/orchestrator"
)

// TestStop_WhileAttachingKeepsNoAddress: tasks that are stopped while they get their addresses
// give them back.
func TestStop_WhileAttachingKeepsNoAddress(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 3, min: 100, max: 200}, func(t *testing.T, b *bubble) {
		for range 20 {
			b.must(b.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true }))
			runtime.Gosched() // virtual time stands still: the second comes while the first is under way
			b.must(b.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true }))
			time.Sleep(time.Second)
		}
		b.steady(time.Minute)
		time.Sleep(2 * time.Minute)
		held := b.life.Load().held()
		if len(held) != 1+3 {
			t.Errorf("%d addresses are held by the balancer and 3 tasks", len(held))
		}
	})
}
