package node

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"
)

// route is one listener of a snapshot, compiled. A request loads it once and sees nothing
// of later changes.
type route struct {
	version  uint64
	lb       *LoadBalancer
	listener string // ARN
	scheme   string
	port     int
	portText string
	tally    *tally // of the load balancer
	terms    *terms // nil: no TLS

	schemeBytes, portBytes []byte
	dnsName                []byte
	rules                  []rule
	index                  *ruleIndex // nil: rules are compared one by one
	edits                  edits
	sealer                 *sealer // of stickiness cookies
}

// rule is one compiled rule.
type rule struct {
	priority   string
	conditions []condition
	forward    []weighted
	total      int // sum of weights
	redirect   *Redirect
	fixed      *FixedResponse
	transforms []transform
	stickiness time.Duration // a client stays with a target group for so long; 0: not
	action     string        // as in access logs
}

type weighted struct {
	arn    string
	weight int
	group  *group // nil if the snapshot does not have it
}

func compileRoute(version uint64, lb *LoadBalancer, l Listener, groups map[string]*group, key *sealer) *route {
	r := &route{version: version, lb: lb, listener: l.ARN, scheme: "http", port: l.Port, portText: strconv.Itoa(l.Port)}
	if l.Protocol == "HTTPS" {
		r.scheme = "https"
	}
	r.schemeBytes, r.portBytes = []byte(r.scheme), []byte(r.portText)
	for _, spec := range l.Rules {
		r.rules = append(r.rules, compileRule(spec, groups))
	}
	r.dnsName, r.sealer = []byte(lb.DNSName), key
	r.index, r.edits = newRuleIndex(r.rules), compileEdits(lb.Attributes, l.Attributes)
	return r
}

func compileRule(spec Rule, groups map[string]*group) rule {
	r := rule{priority: spec.Priority, redirect: spec.Action.Redirect, fixed: spec.Action.FixedResponse}
	r.transforms = compileTransforms(spec.Transforms)
	for _, c := range spec.Conditions {
		r.conditions = append(r.conditions, compileCondition(c))
	}
	switch {
	case spec.Action.Forward != nil:
		r.action, r.stickiness = "forward", spec.Action.Forward.Stickiness
		for _, g := range spec.Action.Forward.TargetGroups {
			r.forward = append(r.forward, weighted{g.ARN, g.Weight, groups[g.ARN]})
			r.total += g.Weight
		}
	case r.redirect != nil:
		r.action = "redirect"
	default:
		r.action = "fixed-response"
	}
	return r
}

// match returns the first rule whose conditions all match, or nil, and how many rules were
// evaluated; the default rule is not counted (ALB-081).
func (r *route) match(q *request, client netip.Addr) (match *rule, evaluated int) {
	at := len(r.rules)
	if r.index != nil {
		match, at = r.index.match(r.rules, q, client)
	} else {
		for i := range r.rules {
			if r.rules[i].matches(q, client) {
				match, at = &r.rules[i], i
				break
			}
		}
	}
	if match != nil && match.priority != "default" {
		at++
	}
	return match, at
}

func (r *rule) matches(q *request, client netip.Addr) bool {
	for i := range r.conditions {
		if !r.conditions[i].matches(q, client) {
			return false
		}
	}
	return true
}

// pick chooses a target group by weight, each request on its own. There is no fail-over to
// another group (ALB-036).
func (r *rule) pick() *weighted {
	if r.total <= 0 {
		return nil
	}
	if len(r.forward) == 1 {
		return &r.forward[0]
	}
	n := rand.IntN(r.total)
	for i := range r.forward {
		if n -= r.forward[i].weight; n < 0 {
			return &r.forward[i]
		}
	}
	return nil
}
