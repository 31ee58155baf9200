package alb

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"drydock/alb/node"
)

// TaskFault is a fault that is injected into the traffic between load balancers and a task: see
// [node.TargetFault].
type TaskFault struct {
	Delay, Jitter time.Duration
	Loss          int            // percent
	Sources       []netip.Prefix // load balancers, by their VPC address, that are concerned
	Except        []netip.Prefix // those among them that are not
}

// SetTaskFaults replaces the faults of all tasks, by ARN. They are not kept: who injects them does
// that, and gives them again after a restart.
func (b *Balancer) SetTaskFaults(faults map[string]TaskFault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(faults) == 0 && len(b.taskFaults) == 0 || reflect.DeepEqual(faults, b.taskFaults) {
		return
	}
	b.taskFaults = maps.Clone(faults)
	b.apply(context.Background(), "")
}

// faultOf returns the fault of a task's targets; nil if there is none. The caller holds mu.
func (b *Balancer) faultOf(task string) *node.TargetFault {
	f, ok := b.taskFaults[task]
	if !ok || task == "" {
		return nil
	}
	return &node.TargetFault{Delay: f.Delay, Jitter: f.Jitter, Loss: f.Loss, Sources: f.Sources, Except: f.Except}
}

// BalancersOf returns the VPC addresses of the load balancers that forward to a task, in order.
func (b *Balancer) BalancersOf(task string) []netip.Addr {
	v := b.view.Load()
	uses := v.uses()
	var addresses []netip.Addr
	for _, r := range v.allRegistrations() {
		if task == "" || r.Target.Task != task {
			continue
		}
		for _, arn := range uses[r.TargetGroup] {
			if lb := v.loadBalancers.rows[arn]; lb != nil && !slices.Contains(addresses, lb.VPCAddress) {
				addresses = append(addresses, lb.VPCAddress)
			}
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return addresses
}
