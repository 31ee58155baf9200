package metrics

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"drydock/alb/node"
	"drydock/timeline"
)

// Sources say at each scrape what is not counted here. Those that are nil are left out.
type Sources struct {
	Targets     func() []node.TargetStatus // the health of targets; nil: what snapshots and HealthChanged said
	Connections func() []Connections       // of load balancers
	Lost        func() []Lost              // records that did not get where they should
}

// Connections is what is known of the connections of one load balancer, those of clients
// and those to targets together, as CloudWatch has it.
type Connections struct {
	LoadBalancer string // app/name/id
	Active       int64  // now
	New          uint64 // since the process started
	Rejected     uint64 // since the process started
}

// Lost counts records that were lost.
type Lost struct {
	Record  string // what was lost: access, connection, health_check, outcome
	Reason  string // why: queue, disk, memory
	Records uint64
}

// Metrics counts. All methods are safe for concurrent use.
type Metrics struct {
	sources  Sources
	registry *prometheus.Registry
	table    atomic.Pointer[table]

	mu         sync.Mutex // guards what is below, and replacing the table
	balancers  map[string]*balancer
	registered map[string]*cell        // by registration
	gone       []string                // registrations of registered that are in no snapshot any more
	health     map[string]*groupHealth // by ARN
	states     map[string]node.State   // of the registrations in the snapshot
}

// table is what the request path looks up. It is never changed, only replaced.
type table struct {
	balancers map[string]*balancer // by app/name/id
	targets   map[string]*cell     // by registration
}

// balancer is what is counted for one load balancer.
type balancer struct {
	id          string
	connections atomic.Uint64 // of clients
	tlsErrors   atomic.Uint64
	own         cell              // requests for which no target was chosen
	groups      map[string]*group // by ARN; guarded by Metrics.mu
}

// group is what is counted for one target group of a load balancer.
type group struct {
	id    string           // targetgroup/name/id
	zones map[string]*cell // by availability zone
	share share
}

// goneKept is how many registrations are remembered that are not registered any more: their
// last requests may still be under way.
const goneKept = 4096

// New returns metrics that know no load balancer yet.
func New(sources Sources) *Metrics {
	m := &Metrics{sources: sources, registry: prometheus.NewRegistry(), balancers: map[string]*balancer{},
		registered: map[string]*cell{}, states: map[string]node.State{}}
	m.publish()
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in the formats of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

var _ node.Sink = (*Metrics)(nil)

// Finished counts a request. It costs what Observe costs.
func (m *Metrics) Finished(o *timeline.Outcome) { m.Observe(o) }

// HealthChanged takes in the health of a target, which can be one of the next snapshot.
func (m *Metrics) HealthChanged(h node.HealthChange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[h.Registration] = h.To
}

// Followed does nothing: the request was counted when it ended.
func (m *Metrics) Followed(timeline.Epilogue) {}

// Checked does nothing: CloudWatch does not count health checks.
func (m *Metrics) Checked(node.Check) {}

// Observe counts a request. O is not kept. It costs one look-up and a handful of atomic
// additions, some 50 ns, and takes no lock.
func (m *Metrics) Observe(o *timeline.Outcome) {
	t := m.table.Load()
	if o.Target.Registration != "" {
		if c := t.targets[o.Target.Registration]; c != nil {
			c.count(o)
			return
		}
		m.unknownTarget(o).count(o)
		return
	}
	m.balancer(t, o.LoadBalancer).own.count(o)
}

// Connected counts a client connection. It costs what Observe costs.
func (m *Metrics) Connected(c node.Connection) {
	b := m.balancer(m.table.Load(), c.LoadBalancer)
	b.connections.Add(1)
	if c.Failed != "" {
		b.tlsErrors.Add(1)
	}
}

// balancer returns a load balancer, also one that no snapshot has told of.
func (m *Metrics) balancer(t *table, id string) *balancer {
	if b := t.balancers[id]; b != nil {
		return b
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.addBalancer(id)
	m.publish()
	return b
}

// unknownTarget returns the cell for a target that no snapshot has told of.
func (m *Metrics) unknownTarget(o *timeline.Outcome) *cell {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addBalancer(o.LoadBalancer).group(o.TargetGroup).zone("")
}

// addBalancer returns the load balancer of an id. m.mu is held.
func (m *Metrics) addBalancer(id string) *balancer {
	b := m.balancers[id]
	if b == nil {
		b = &balancer{id: id, groups: map[string]*group{}}
		m.balancers[id] = b
	}
	return b
}

func (b *balancer) group(arn string) *group {
	g := b.groups[arn]
	if g == nil {
		g = &group{id: groupID(arn), zones: map[string]*cell{}}
		b.groups[arn] = g
	}
	return g
}

func (g *group) zone(name string) *cell {
	c := g.zones[name]
	if c == nil {
		c = &cell{}
		g.zones[name] = c
	}
	return c
}

// groupID returns what CloudWatch calls a target group: the end of its ARN.
func groupID(arn string) string {
	if i := strings.LastIndex(arn, ":targetgroup/"); i >= 0 {
		return arn[i+1:]
	}
	return arn
}

// publish lets the request path know what there is. m.mu is held.
func (m *Metrics) publish() {
	m.table.Store(&table{balancers: maps.Clone(m.balancers), targets: maps.Clone(m.registered)})
}

// Configure makes the load balancers and targets of a snapshot known: their counters begin
// at 0, and their targets' zones and healths are shown.
func (m *Metrics) Configure(s node.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	users := usersOf(s)
	for i := range s.LoadBalancers {
		m.addBalancer(s.LoadBalancers[i].ID)
	}
	m.health = map[string]*groupHealth{}
	m.keepStates(s)
	listed := map[string]bool{}
	for i := range s.TargetGroups {
		spec := &s.TargetGroups[i]
		for _, id := range users[spec.ARN] {
			m.addGroup(id, spec, listed)
		}
	}
	m.forget(listed)
	m.publish()
}

// keepStates keeps the states of targets that are known. The others begin with what the
// snapshot says, as they do in the node.
func (m *Metrics) keepStates(s node.Snapshot) {
	before := m.states
	m.states = map[string]node.State{}
	for _, g := range s.TargetGroups {
		for _, t := range g.Targets {
			if state, known := before[t.Registration]; known {
				m.states[t.Registration] = state
			} else {
				m.states[t.Registration] = t.State
			}
		}
	}
}

// addGroup makes a target group of a load balancer known.
func (m *Metrics) addGroup(id string, spec *node.TargetGroup, listed map[string]bool) {
	g := m.addBalancer(id).group(spec.ARN)
	open := 0
	for _, t := range spec.Targets {
		listed[t.Registration] = true
		m.registered[t.Registration] = g.zone(t.Zone)
		if !t.Draining {
			open++
		}
	}
	g.share.change(g.requests(), open)
	m.health[spec.ARN] = newGroupHealth(id, spec)
}

// requests returns how many requests were sent to a group.
func (g *group) requests() (n uint64) {
	for _, c := range g.zones {
		n += c.requests.Load()
	}
	return n
}

// forget forgets registrations that have not been listed for long.
func (m *Metrics) forget(listed map[string]bool) {
	known := map[string]bool{}
	kept := m.gone[:0]
	for _, registration := range m.gone {
		if !listed[registration] {
			known[registration] = true
			kept = append(kept, registration)
		}
	}
	m.gone = kept
	for registration := range m.registered {
		if !listed[registration] && !known[registration] {
			m.gone = append(m.gone, registration)
		}
	}
	for len(m.gone) > goneKept {
		delete(m.registered, m.gone[0])
		m.gone = m.gone[1:]
	}
}

// usersOf returns the load balancers whose rules forward to a target group, by its ARN.
func usersOf(s node.Snapshot) map[string][]string {
	users := map[string][]string{}
	seen := map[[2]string]bool{}
	for _, lb := range s.LoadBalancers {
		for _, l := range lb.Listeners {
			for _, r := range l.Rules {
				if r.Action.Forward == nil {
					continue
				}
				for _, g := range r.Action.Forward.TargetGroups {
					if key := [2]string{g.ARN, lb.ID}; !seen[key] {
						seen[key] = true
						users[g.ARN] = append(users[g.ARN], lb.ID)
					}
				}
			}
		}
	}
	return users
}

// share adds up the requests of a target group, each divided by the number of its targets
// at the time: RequestCountPerTarget (LOG-054).
type share struct {
	sum     float64
	counted uint64 // requests that are in sum
	targets int
}

// change takes the number of targets from now on.
func (s *share) change(requests uint64, targets int) {
	s.sum, s.counted = s.value(requests), requests
	if targets > 0 {
		s.targets = targets
	}
}

func (s *share) value(requests uint64) float64 {
	return s.sum + float64(requests-s.counted)/float64(max(1, s.targets))
}
