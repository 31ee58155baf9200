package node

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Counters are what a node knows of the connections of one load balancer, those of clients
// and those to targets.
type Counters struct {
	LoadBalancer string `json:"loadBalancer"` // app/name/id
	// The connections that are open now, and those that were opened since the node began.
	ActiveClients int64  `json:"activeClients"`
	ActiveTargets int64  `json:"activeTargets"`
	NewClients    uint64 `json:"newClients"`
	NewTargets    uint64 `json:"newTargets"`
	// Rejected counts client connections that could not be accepted: no descriptors were left.
	Rejected uint64 `json:"rejected"`
}

// Counters returns the counters of every load balancer that the node has known, by name.
func (n *Node) Counters() []Counters {
	var list []Counters
	n.tallies.Range(func(id, v any) bool {
		t := v.(*tally)
		list = append(list, Counters{LoadBalancer: id.(string), Rejected: t.rejected.Load(),
			ActiveClients: t.clients.active.Load(), NewClients: t.clients.opened.Load(),
			ActiveTargets: t.targets.active.Load(), NewTargets: t.targets.opened.Load()})
		return true
	})
	slices.SortFunc(list, func(a, b Counters) int { return strings.Compare(a.LoadBalancer, b.LoadBalancer) })
	return list
}

// tally counts the connections of one load balancer. It lives across snapshots.
type tally struct {
	clients, targets connectionTally
	rejected         atomic.Uint64
}

type connectionTally struct {
	active atomic.Int64
	opened atomic.Uint64
}

func (c *connectionTally) open() {
	c.active.Add(1)
	c.opened.Add(1)
}

func (c *connectionTally) close() { c.active.Add(-1) }

// tallies holds a tally for each load balancer, by its id.
type tallies struct{ sync.Map }

func (t *tallies) of(loadBalancer string) *tally {
	if v, ok := t.Load(loadBalancer); ok {
		return v.(*tally)
	}
	v, _ := t.LoadOrStore(loadBalancer, new(tally))
	return v.(*tally)
}
