package main

import (
	"errors"
	"testing"
	"time"
)

// TestDown_WhileThePoolFills takes everything down while Docker, which is slow, has been asked for
// containers that it has not made yet, and which it makes whether anybody waits or not.
func TestDown_WhileThePoolFills(t *testing.T) {
	t.Parallel()
	const slow = 2 * time.Second
	r := newRelay(t)
	p := newProgramBehind(t, r, "--warm-pool", "8")
	for _, test := range []struct {
		name  string
		after time.Duration // since the pool began to fill
		down  func(p *program)
	}{
		{"StackFirst", slow / 2, func(p *program) { p.Run("down", smallDir); p.downAll() }},
		{"Stopped", slow + slow/4, func(p *program) { p.Terminate(); p.downAll() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.on(t)
			p.Run("up", smallDir)
			r.Slow(slow)
			defer r.Slow(0)
			p.Eventually("the pool fills", func() error {
				if len(p.pool()) == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			time.Sleep(test.after)
			test.down(p)
			time.Sleep(slow) // for what Docker still makes
			p.checkNothingLeft()
			p.Start()
			p.instance = p.Status().Daemon.Instance
		})
	}
}
