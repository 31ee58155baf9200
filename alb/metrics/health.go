package metrics

import "drydock/alb/node"

// groupHealth is what the gauges of a target group's health need beyond the states.
type groupHealth struct {
	loadBalancer string
	id           string
	targets      []node.Target
	count        int // healthy targets below which requests go to all
	percentage   int
}

func newGroupHealth(loadBalancer string, spec *node.TargetGroup) *groupHealth {
	return &groupHealth{loadBalancer: loadBalancer, id: groupID(spec.ARN), targets: spec.Targets,
		count: max(1, spec.MinimumHealthyCount), percentage: spec.MinimumHealthyPercentage}
}

// hosts counts the targets of a group, or of one of its zones. Draining ones are neither.
type hosts struct{ healthy, unhealthy, registered int }

func (h *hosts) add(state node.State) {
	h.registered++
	switch state {
	case node.Healthy:
		h.healthy++
	case node.Unhealthy:
		h.unhealthy++
	}
}

// hosts counts the targets by zone, and all together.
func (h *groupHealth) hosts(states map[string]node.State) (zones map[string]*hosts, all hosts) {
	zones = map[string]*hosts{}
	for _, t := range h.targets {
		if zones[t.Zone] == nil {
			zones[t.Zone] = &hosts{}
		}
		if !t.Draining {
			zones[t.Zone].add(states[t.Registration])
			all.add(states[t.Registration])
		}
	}
	return zones, all
}

// routing reports whether a group meets the requirements of routing (LOG-055). Those of DNS
// are always one healthy target.
func (h *groupHealth) routing(n hosts) bool {
	return n.healthy >= h.count && n.healthy*100 >= h.percentage*n.registered
}
