package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

// Run is the loop: observe, plan, commit, dispatch, sleep. It returns when ctx has ended and
// every runner has.
func (c *Controller) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all.Go(func() { c.watchEngine(ctx) })
	all.Go(func() { c.watchBalancer(ctx) })
	defer c.runners.wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-c.poke:
		}
		wake := c.pass(ctx)
		timer.Reset(wake)
	}
}

// pass is one turn of the loop. It returns how long to sleep if nothing happens.
func (c *Controller) pass(ctx context.Context) time.Duration {
	c.watch.observe(ctx, c.engine, c.config.Sweep)
	results := c.runners.take()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	plan := Reconcile(c.input(now, results))
	if err := c.commit(ctx, plan); err != nil {
		// Nothing was published: the results are offered again, and so is everything else.
		c.runners.giveBack(results)
		c.config.Logger.Error("commit a plan", "error", err)
		return time.Second
	}
	for _, a := range plan.Actions {
		c.dispatch(ctx, a)
	}
	sleep := c.config.Sweep
	if !plan.Wake.IsZero() {
		sleep = min(sleep, max(plan.Wake.Sub(now), time.Millisecond))
	}
	return sleep
}

func (c *Controller) input(now time.Time, results []Result) Input {
	c.engineOK = c.watch.trouble()
	return Input{
		Now: now, Pace: c.config.Pace, Services: c.services, Tasks: c.tasks,
		EngineUp: c.engineOK == "", Engine: c.watch.tasks, Targets: c.balancer.Targets(),
		Results: results, TickAt: c.tickAt,
		Definition: c.definition, Seq: c.store.NextSeq, ID: randomHex,
	}
}

// commit makes a plan durable and publishes its rows. The caller holds the lock.
func (c *Controller) commit(ctx context.Context, plan Plan) error {
	rows := make(map[string]any, len(plan.Services)+len(plan.Tasks)+len(plan.Gone))
	for arn, s := range plan.Services {
		rows[serviceRow+arn] = s
	}
	for arn, t := range plan.Tasks {
		rows[taskRow+arn] = t
	}
	for _, arn := range plan.Gone {
		rows[c.rowOf(arn)] = nil
	}
	if err := c.store.Commit(ctx, rows, plan.Events); err != nil {
		return fmt.Errorf("commit %d rows and %d events: %w", len(rows), len(plan.Events), err)
	}
	for arn, s := range plan.Services {
		c.services[arn] = s
	}
	for arn, t := range plan.Tasks {
		c.tasks[arn] = t
	}
	for _, arn := range plan.Gone {
		delete(c.services, arn)
		delete(c.tasks, arn)
	}
	for arn, at := range plan.TickAt {
		c.tickAt[arn] = at
	}
	return nil
}

func (c *Controller) rowOf(arn string) string {
	if c.services[arn] != nil {
		return serviceRow + arn
	}
	return taskRow + arn
}

// observer keeps the last look at the engine. Only the loop uses tasks and err; anyone may
// set dirty.
type observer struct {
	dirty atomic.Bool
	tasks map[string]TaskObservation
	last  time.Time
	err   error
}

// observe looks at the engine if something may have changed there, or the last look is old.
func (o *observer) observe(ctx context.Context, engine Engine, sweep time.Duration) {
	if !o.dirty.Swap(false) && time.Since(o.last) < sweep {
		return
	}
	list, err := engine.List(ctx)
	o.last, o.err = time.Now(), err
	if err != nil {
		return
	}
	o.tasks = make(map[string]TaskObservation, len(list))
	for _, t := range list {
		o.tasks[t.Task] = t
	}
}

// trouble returns why the engine is not known, empty if it is.
func (o *observer) trouble() string {
	if o.err != nil {
		return o.err.Error()
	}
	return ""
}

// watchEngine turns the engine's changes into pokes; when it loses them it subscribes again.
func (c *Controller) watchEngine(ctx context.Context) {
	for ctx.Err() == nil {
		changes, err := c.engine.Changes(ctx)
		if err != nil {
			c.config.Logger.Warn("watch the engine", "error", err)
			sleep(ctx, time.Second)
			continue
		}
		for range changes {
			c.observeAgain()
		}
	}
}

func (c *Controller) watchBalancer(ctx context.Context) {
	changes := c.balancer.Changes(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			c.Poke()
		}
	}
}

func (c *Controller) observeAgain() {
	c.watch.dirty.Store(true)
	c.Poke()
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// note logs what a runner did, for the people who work on drydock.
func (c *Controller) note(a Action, err error) {
	level := slog.LevelDebug
	if err != nil {
		level = slog.LevelWarn
	}
	c.config.Logger.Log(context.Background(), level, "action", "kind", a.Kind, "task", a.Task, "error", err)
}

// withCause returns ctx with the event that caused an action.
func withCause(ctx context.Context, a Action) context.Context {
	if a.Cause == 0 {
		return ctx
	}
	return timeline.WithCause(ctx, a.Cause)
}
