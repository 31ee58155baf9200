package metrics

import "drydock/alb/node"

// groupHealth is what the gauges of a target group's health need beyond the health itself.
type groupHealth struct {
	loadBalancer string
	id           string
	zones        map[string]string // of registrations
	count        int               // healthy targets below which requests go to all
	percentage   int
}

func newGroupHealth(loadBalancer string, spec *node.TargetGroup) *groupHealth {
	h := &groupHealth{loadBalancer: loadBalancer, id: groupID(spec.ARN), zones: map[string]string{},
		count: max(1, spec.MinimumHealthyCount), percentage: spec.MinimumHealthyPercentage}
	for _, t := range spec.Targets {
		h.zones[t.Registration] = t.Zone
	}
	return h
}

// hosts counts the targets of a group, or of one of its zones. Draining ones are neither.
type hosts struct{ healthy, unhealthy, registered int }

func (h *hosts) add(t node.TargetStatus) {
	if t.Draining {
		return
	}
	h.registered++
	switch t.State {
	case node.Healthy:
		h.healthy++
	case node.Unhealthy:
		h.unhealthy++
	}
}

// routing reports whether a group meets the requirements of routing (LOG-055). Those of DNS
// are always one healthy target.
func (h *groupHealth) routing(n hosts) bool {
	return n.healthy >= h.count && n.healthy*100 >= h.percentage*n.registered
}
