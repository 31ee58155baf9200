package orchestrator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"drydock/taskdefs"
	"drydock/timeline"
)

// withoutEffect are the members of a service that are kept and shown, and why nothing here acts
// on them.
var withoutEffect = map[string]string{
	"placementConstraints":        "there is one container instance, and it takes every task",
	"placementStrategy":           "there is one container instance, and it takes every task",
	"capacityProviderStrategy":    "every task runs on this machine, whatever its capacity provider",
	"serviceRegistries":           "Cloud Map is not emulated: tasks are found through the load balancer",
	"serviceConnectConfiguration": "Service Connect is not emulated: tasks are found through the load balancer",
	"volumeConfigurations":        "EBS volumes are not emulated",
	"vpcLatticeConfigurations":    "VPC Lattice is not emulated",
}

// WithoutEffect returns the members of the service that are accepted but have no effect here,
// in the order of their names.
func (s *Service) WithoutEffect() []taskdefs.Unregarded {
	all := unregarded(s.Echo)
	if s.AZRebalancing == "ENABLED" && zones(s) > 1 {
		all = append(all, taskdefs.Unregarded{Member: "availabilityZoneRebalancing", Why: "tasks are spread over zones as they start, and are not moved afterwards"})
	}
	slices.SortFunc(all, func(a, b taskdefs.Unregarded) int { return strings.Compare(a.Member, b.Member) })
	return all
}

// zones returns how many subnets the service's tasks are spread over, at most one a zone.
func zones(s *Service) int {
	if s.Network == nil {
		return 0
	}
	return len(s.Network.Subnets)
}

// unregarded returns those kept members that say something.
func unregarded(kept map[string]json.RawMessage) []taskdefs.Unregarded {
	var all []taskdefs.Unregarded
	for _, member := range sortedKeys(kept) {
		raw := kept[member]
		why, known := withoutEffect[member]
		switch {
		case member == "deploymentConfiguration":
			all = append(all, unregardedParts(member, raw)...)
		case known && !empty(raw) && !plain(member, raw):
			all = append(all, taskdefs.Unregarded{Member: member, Why: why})
		}
	}
	return all
}

// unregardedParts returns the members of an object of which only the rest is acted on.
func unregardedParts(member string, raw json.RawMessage) []taskdefs.Unregarded {
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil
	}
	var all []taskdefs.Unregarded
	for _, name := range sortedKeys(parts) {
		all = append(all, taskdefs.Unregarded{Member: member + "." + name, Why: "it is kept and shown, but nothing here acts on it"})
	}
	return all
}

func empty(raw json.RawMessage) bool { return strings.Trim(string(raw), " []{}\n") == "" }

// plain reports whether a member only says what is so anyway.
func plain(member string, raw json.RawMessage) bool {
	switch member {
	case "serviceConnectConfiguration":
		var c struct{ Enabled bool }
		return json.Unmarshal(raw, &c) == nil && !c.Enabled
	case "capacityProviderStrategy":
		var items []struct{ CapacityProvider string }
		return json.Unmarshal(raw, &items) == nil && len(items) == 1 && items[0].CapacityProvider == "FARGATE"
	}
	return false
}

// sayWithoutEffect warns of the members of a call that have no effect here: silently ignored
// input would be a lie.
func (x *change) sayWithoutEffect(s *Service, in ServiceInput) {
	for _, m := range unregarded(in.Echo) {
		x.event(timeline.Warning, s.ARN, fmt.Sprintf("service %s: %s is accepted, but without effect: %s", s.Name, m.Member, m.Why),
			map[string]string{"service": s.Name, "cluster": s.Cluster, "member": m.Member})
	}
}
