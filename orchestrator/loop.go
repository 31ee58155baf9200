package orchestrator

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"drydock/alb"
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
	all.Go(func() { c.observeEngine(ctx) })
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
	results := c.runners.take()
	seen, targets := c.watch.last(), c.balancer.Targets()
	c.runners.seen(seen.number)
	c.writing.Lock()
	defer c.writing.Unlock()
	now := time.Now()
	plan := Reconcile(c.input(now, results, seen, targets))
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

func (c *Controller) input(now time.Time, results []Result, seen sight, targets map[alb.TargetKey]alb.TargetHealth) Input {
	alarms := c.alarmStates()
	return Input{
		CPU: c.machineCPU(),
		Now: now, Pace: c.config.Pace, Services: c.services, Tasks: c.tasks,
		EngineUp: seen.trouble == "", Engine: seen.tasks, Targets: targets, Weights: c.weights(),
		Results: results, TickAt: c.tickAt, Records: c.records, Revisions: c.revisions, Alarms: alarms.states, Windows: alarms.windows, AlarmEvents: alarms.events,
		Machine: c.config.Machine, WarmSize: c.warmSize(), Warm: c.warm, WarmSeen: seen.warm, Hosts: c.warmHosts(),
		Definition: c.definition, Tags: c.definitionTags, Seq: c.store.NextSeq, ID: randomHex,
	}
}

// machineCPU is what the engine's machine has, in CPU units; 0 if the engine cannot tell.
func (c *Controller) machineCPU() int64 {
	if m, ok := c.engine.(Machine); ok {
		return m.CPU()
	}
	return 0
}

// commit makes a plan durable and publishes its rows. The caller is the one who writes.
func (c *Controller) commit(ctx context.Context, plan Plan) error {
	rows := make(map[string]any, len(plan.Services)+len(plan.Tasks)+len(plan.Gone))
	for arn, s := range plan.Services {
		rows[serviceRow+arn] = s
	}
	for arn, t := range plan.Tasks {
		rows[taskRow+arn] = t
	}
	for arn, r := range plan.Records {
		rows[recordRow+arn] = r
	}
	for arn, r := range plan.Revisions {
		rows[revisionRow+arn] = r
	}
	for _, arn := range plan.Gone {
		rows[c.rowOf(arn)] = nil
	}
	plan.warmRows(rows)
	if err := c.store.Commit(ctx, rows, plan.Events); err != nil {
		return fmt.Errorf("commit %d rows and %d events: %w", len(rows), len(plan.Events), err)
	}
	c.publish(func() { c.take(plan) })
	return nil
}

// take takes a plan's rows in place of those that were there.
func (c *Controller) take(plan Plan) {
	maps.Copy(c.services, plan.Services)
	maps.Copy(c.tasks, plan.Tasks)
	maps.Copy(c.records, plan.Records)
	maps.Copy(c.revisions, plan.Revisions)
	for _, arn := range plan.Gone {
		delete(c.services, arn)
		delete(c.tasks, arn)
		delete(c.records, arn)
		delete(c.revisions, arn)
		delete(c.tickAt, arn)
	}
	plan.publishWarm(c.warm)
	maps.Copy(c.tickAt, plan.TickAt)
}

func (c *Controller) rowOf(arn string) string {
	switch {
	case c.services[arn] != nil:
		return serviceRow + arn
	case c.records[arn] != nil:
		return recordRow + arn
	case c.revisions[arn] != nil:
		return revisionRow + arn
	}
	return taskRow + arn
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

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// note logs what a runner did, for the people who work on drydock. Users find a failure in
// the task's events, once.
func (c *Controller) note(a Action, err error) {
	c.config.Logger.Debug("action", "kind", a.Kind, "task", a.Task, "error", err)
}

// withCause returns ctx with the event that caused an action.
func withCause(ctx context.Context, a Action) context.Context {
	if a.Cause == 0 {
		return ctx
	}
	return timeline.WithCause(ctx, a.Cause)
}
