package main

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"drydock/alb/control"
	"drydock/alb/node"
	"drydock/timeline"
)

// newNode makes the daemon's side of the load balancer node, a process that outlives it.
func (d *daemon) newNode() (*control.Client, error) {
	build, err := control.Build()
	if err != nil {
		return nil, err
	}
	stateDir, err := filepath.Abs(d.config.StateDir)
	if err != nil {
		return nil, err
	}
	config := control.Config{
		StateDir: stateDir, Build: build, Sink: nodeSink{d}, Logger: d.log,
		Ready: d.network.Applied, // before, the rules of an earlier daemon would drop what the balancer sends
		Say:   d.sayNode, Effective: d.effective,
	}
	if !d.config.Leaving {
		config.Command = []string{control.SelfPath(), "alb", "--state-dir", stateDir}
	}
	return control.NewClient(config), nil
}

// nodeSink takes in what the load balancer node reports.
type nodeSink struct{ d *daemon }

func (s nodeSink) HealthChanged(h node.HealthChange) { s.d.balancer.HealthChanged(h) }

func (s nodeSink) Keep(ctx context.Context, outcomes []timeline.Outcome, epilogues []timeline.Epilogue) error {
	if err := s.d.requests.Keep(ctx, outcomes); err != nil {
		return err
	}
	return s.d.requests.KeepEpilogues(ctx, epilogues)
}

func (s nodeSink) Refused() {
	select {
	case s.d.refused <- struct{}{}:
	default:
	}
}

// sayNode puts what happens to the node's process on the timeline.
func (d *daemon) sayNode(n control.News) int64 {
	kind := timeline.Daemon
	if n.Bad {
		kind = timeline.Warning
	}
	e := timeline.Event{Seq: d.store.NextSeq(), Time: time.Now(), Kind: kind, Subject: "load balancer node", Cause: n.Cause, Message: n.Message}
	if err := d.store.Commit(context.Background(), nil, []timeline.Event{e}); err != nil {
		d.log.Error("tell of the load balancer node", "error", err)
		return 0
	}
	return e.Seq
}

// runNode keeps the node's process alive and connected.
func (d *daemon) runNode(ctx context.Context) error {
	if err := d.requests.Restore(ctx); err != nil {
		d.log.Error("read the failed requests of earlier runs", "error", err)
	}
	return d.node.Run(ctx)
}

// tryRefused opens listeners again of which the node told late that it could not.
func (d *daemon) tryRefused(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.refused:
			d.balancer.Reapply(ctx)
		}
	}
}

// effective has targets dialled from the balancer's own address as the host has it when the
// snapshot is sent: one that was compiled before the rules were in force does not know it, and
// what came from elsewhere they would drop.
func (d *daemon) effective(s node.Snapshot) node.Snapshot {
	s.LoadBalancers, s.TargetGroups = slices.Clone(s.LoadBalancers), slices.Clone(s.TargetGroups)
	balancer := map[string]*node.LoadBalancer{} // by target group
	for i := range s.LoadBalancers {
		lb := &s.LoadBalancers[i]
		lb.Source, lb.Mark = d.network.DialFrom(lb.Address)
		for _, l := range lb.Listeners {
			for _, r := range l.Rules {
				for _, g := range forwardsTo(r) {
					balancer[g.ARN] = lb
				}
			}
		}
	}
	for i := range s.TargetGroups {
		g := &s.TargetGroups[i]
		if lb := balancer[g.ARN]; lb != nil {
			g.Source, g.Mark = lb.Source, lb.Mark
		}
	}
	return s
}

func forwardsTo(r node.Rule) []node.WeightedTargetGroup {
	if r.Action.Forward == nil {
		return nil
	}
	return r.Action.Forward.TargetGroups
}

// memory is what is remembered of requests: the failed ones here, and with the node how many
// there were.
type memory struct {
	*timeline.Recorder
	ctx     context.Context
	node    *control.Client
	missing *string // what the node did not say
}

// remembered is the memory once all that has failed by now is in it.
func (d *daemon) remembered(ctx context.Context) memory {
	m := memory{d.requests, ctx, d.node, new(string)}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	m.miss(d.node.Sync(ctx))
	return m
}

func (m memory) miss(err error) {
	if err != nil {
		*m.missing = "The number of requests, and the last failures, may be missing: " + err.Error() + "."
	}
}

// Requests asks the node: it counts all.
func (m memory) Requests(from, _ time.Time) (requests, failed int) {
	counted, err := m.node.Requests(m.ctx, from)
	m.miss(err)
	return counted.Requests, counted.Failed
}

// Drops counts what neither has any more.
func (m memory) Drops() timeline.Drops {
	drops := m.Recorder.Drops()
	if s, err := m.node.State(m.ctx); err == nil {
		drops.Forgotten += s.Dropped
	}
	return drops
}
