package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/docker"
	"drydock/timeline"
)

// chooseCIDR returns the range for a new default VPC: the wanted one, unless a Docker
// network or a route of this machine is in it.
func (d *daemon) chooseCIDR(ctx context.Context) (netip.Prefix, error) {
	known := false
	if err := d.store.Load(ctx, "vpc", func(string, []byte) error { known = true; return nil }); err != nil || known {
		return d.config.CIDR, err
	}
	return d.freeRange(ctx, d.config.CIDR)
}

// freeRange returns the wanted range, or one that is free and none of those that were refused.
func (d *daemon) freeRange(ctx context.Context, wanted netip.Prefix, refused ...netip.Prefix) (netip.Prefix, error) {
	taken, err := d.engine.UsedPrefixes(ctx)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("look for a free address range: %w", err)
	}
	taken = append(taken, refused...)
	routes, err := docker.HostRoutes()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("look for a free address range: %w", err)
	}
	for _, r := range routes {
		taken = append(taken, r.Prefix)
	}
	chosen, ok := network.PickCIDR(wanted, taken)
	if !ok {
		return netip.Prefix{}, fmt.Errorf("every address range that drydock knows is in use by Docker networks or routes of this machine: name a free one with --vpc-cidr")
	}
	if chosen == wanted {
		return chosen, nil
	}
	message := fmt.Sprintf("the address range %s is in use on this machine: the default VPC gets %s", wanted, chosen)
	d.log.Warn(message)
	return chosen, d.say(ctx, timeline.Warning, message, nil)
}

// rangeAttempts is how often a daemon gives way to others that start at the same time.
const rangeAttempts = 20

// claimRange makes the VPC's network before anybody has an address in it: of daemons that choose
// the same range at the same time one gets it, the others choose again. Where the range was lost
// later, tasks that start say so.
func (d *daemon) claimRange(ctx context.Context) error {
	if d.config.Leaving {
		return nil
	}
	var err error
	var refused []netip.Prefix // Docker does not list a network that is being made
	for range rangeAttempts {
		vpc := d.network.DefaultVPC()
		err = d.engine.Claim(ctx, orchestrator.VPC{ID: vpc.ID, CIDR: vpc.CIDR, Gateway: vpc.Gateway()})
		if !errors.Is(err, docker.ErrRangeTaken) {
			break
		}
		refused = append(refused, vpc.CIDR)
		other, chooseErr := d.freeRange(ctx, vpc.CIDR, refused...)
		if chooseErr != nil {
			return chooseErr
		}
		if moveErr := d.network.Move(ctx, other); moveErr != nil {
			err = errors.Join(err, moveErr)
			break
		}
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	d.log.Error("claim the range of the VPC", "error", err)
	return d.say(ctx, timeline.Warning, fmt.Sprintf("the VPC has no network, so that no task can start: %v", err), nil)
}
