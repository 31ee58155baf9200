package main

import (
	"context"
	"fmt"
)

// flatAim is how much more a request may cost with the most targets or rules than with the
// fewest: near flat.
const flatAim = 1.2

// A grown listener has a port and a size of its own.
type grown struct {
	Port, Size int
}

var (
	// grownTargets are listeners in front of a group of so many targets.
	grownTargets = []grown{{1000, 10}, {1001, 100}, {1002, 1000}}
	// grownRules are listeners with so many rules, none of which matches.
	grownRules = []grown{{1100, 0}, {1101, 10}, {1102, 100}}
)

// measureGrowth measures what a small request costs as the targets of a group and the rules
// of a listener grow.
func (a *arena) measureGrowth(ctx context.Context) error {
	if !a.wants("growth") {
		return nil
	}
	a.say("proxy: growth: making groups of up to 1,000 targets and listeners of up to 100 rules")
	if err := a.ours.grow(ctx); err != nil {
		return err
	}
	if err := a.growth(ctx, "%d targets in the group", grownTargets); err != nil {
		return err
	}
	return a.growth(ctx, "%d rules on the listener", grownRules)
}

// growth compares the proxies at each size, and drydock with itself at the smallest one.
func (a *arena) growth(ctx context.Context, title string, sizes []grown) error {
	var all []*comparison
	for _, g := range sizes {
		c, err := a.prepareComparison(ctx, workload{
			title: fmt.Sprintf(title, g.Size), port: g.Port, load: overWrk("http", "/", 64), probe: gets("http", "/"), aims: noAim,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.title, err)
		}
		all = append(all, c)
	}
	for round := range a.rounds {
		for _, c := range all {
			if err := a.round(ctx, c, round); err != nil {
				return fmt.Errorf("%s: %w", c.title, err)
			}
		}
	}
	a.reportGrowth(all)
	return nil
}

// reportGrowth sets each size beside the smallest one, too.
func (a *arena) reportGrowth(all []*comparison) {
	for i, c := range all {
		f := c.figure(views[0])
		f.Section = "proxy: growth, CPU a small request"
		if least := all[0]; i > 0 && c.notYet == nil {
			f.Peers = append(f.Peers, peer{Name: least.title, Rounds: least.rounds["drydock"].cpu})
			f.Aims = append(f.Aims, aim{Of: least.title, AtMost: flatAim})
		}
		a.report.add(f)
	}
}

// grow makes the listeners. Those with rules take balancers of their own: the quota of rules
// is the balancer's, and a target group belongs to one balancer.
func (o *ours) grow(ctx context.Context) error {
	lb, err := o.makeBalancer(ctx, "targets")
	if err != nil {
		return err
	}
	for _, g := range grownTargets {
		name := fmt.Sprintf("targets-%d", g.Size)
		if err := o.growGroup(ctx, lb, name, g.Port, g.Size, 0); err != nil {
			return err
		}
	}
	for _, g := range grownRules {
		name := fmt.Sprintf("rules-%d", g.Size)
		lb, err := o.makeBalancer(ctx, name)
		if err != nil {
			return err
		}
		if err := o.growGroup(ctx, lb, name, g.Port, 3, g.Size); err != nil {
			return err
		}
	}
	return nil
}

// growGroup makes a target group and a listener in front of it.
func (o *ours) growGroup(ctx context.Context, lb, name string, port, targets, rules int) error {
	if err := o.makeGroup(ctx, name, targetsAt(targets, staticPort)); err != nil {
		return err
	}
	if _, err := o.makeListener(ctx, lb, port, name, rules, name, ""); err != nil {
		return err
	}
	return o.awaitTargets(ctx, map[string]int{name: targets})
}
