package main

import (
	"context"
	"math"
	"sync"
	"time"
)

// generator sends requests at times fixed in advance (an open loop): a slow server
// does not slow it down, and latency counts from when a request was due, so that waiting
// is not left out of the figures (coordinated omission).
type generator struct {
	send        func(context.Context) exchangeResult
	rate        float64 // requests per second
	count       int     // requests in all
	maxInFlight int     // beyond it a request that is due counts as failed, unsent
	tally       *tally
}

// requestCount is how many requests fall due in d at a rate.
func requestCount(rate float64, d time.Duration) int {
	return max(1, int(math.Round(rate*d.Seconds())))
}

// Run sends all requests and returns when the last is answered. When ctx is done it sends
// no more and still waits for those under way.
func (g *generator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, g.maxInFlight)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range g.count {
		due := start.Add(time.Duration(float64(i) / g.rate * float64(time.Second)))
		if !sleepUntil(ctx, timer, due) {
			return ctx.Err()
		}
		g.tally.sent()
		select {
		case slots <- struct{}{}:
		default:
			g.tally.done(due, exchangeResult{failure: "not sent: too many in flight"})
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			g.tally.done(due, g.send(context.WithoutCancel(ctx)))
		})
	}
	return nil
}

// sleepUntil reports whether the time came before ctx was done.
func sleepUntil(ctx context.Context, timer *time.Timer, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}
