package alb

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/network"
	"drydock/store/storetest"
)

// fakeNode remembers the last snapshot and refuses ports that are taken.
type fakeNode struct {
	mu       sync.Mutex
	snapshot node.Snapshot
	taken    map[netip.AddrPort]error
	before   func() // called before a snapshot is in force
}

func (n *fakeNode) Apply(s node.Snapshot) map[string]error {
	if n.before != nil {
		n.before()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.snapshot = s
	problems := map[string]error{}
	for _, lb := range s.LoadBalancers {
		for _, l := range lb.Listeners {
			for _, at := range l.Addresses {
				if err := n.taken[at]; err != nil {
					problems[l.ARN] = fmt.Errorf("listen tcp %s: %w", at, err)
				}
			}
		}
	}
	return problems
}

func (n *fakeNode) take(at string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.taken == nil {
		n.taken = map[netip.AddrPort]error{}
	}
	n.taken[netip.MustParseAddrPort(at)] = err
}

func (n *fakeNode) last() node.Snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.snapshot
}

// bridge is a network whose host has the addresses of all load balancers.
type bridge struct {
	*network.Network
	mu      sync.Mutex
	absent  bool // the host does not have them
	changed chan struct{}
}

const mark = 77

func (b *bridge) DialFrom(address netip.Addr) (netip.Addr, uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.absent {
		return netip.Addr{}, 0
	}
	return address, mark
}

func (b *bridge) Changed() <-chan struct{} { return b.changed }

func (b *bridge) take(absent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.absent = absent
	poke(b.changed)
}

// fakeCertificates holds certificates whose documents are their ARNs, and how often they
// were renewed.
type fakeCertificates struct {
	mu      sync.Mutex
	renewed map[string]int
	changed chan struct{}
}

func certificateNamed(name string) string {
	return "arn:aws:acm:us-east-1:123456789012:certificate/" + name
}

func newCertificates(names ...string) *fakeCertificates {
	c := &fakeCertificates{renewed: map[string]int{}, changed: make(chan struct{}, 1)}
	for _, name := range names {
		c.renewed[certificateNamed(name)] = 0
	}
	return c
}

func (c *fakeCertificates) Certificate(arn string) (chain, key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.renewed[arn]
	if !ok {
		return "", "", errors.New("no such certificate")
	}
	return fmt.Sprint("chain ", n, " of ", arn), fmt.Sprint("key ", n, " of ", arn), nil
}

func (c *fakeCertificates) Changed() <-chan struct{} { return c.changed }

func (c *fakeCertificates) renew(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed[certificateNamed(name)]++
	poke(c.changed)
}

// world is a balancer with everything around it.
type world struct {
	*Balancer
	t       *testing.T
	store   *storetest.Memory
	node    *fakeNode
	network *bridge
	subnets []string
}

func newWorld(t *testing.T, config Config) *world {
	t.Helper()
	w := &world{t: t, store: &storetest.Memory{}, node: &fakeNode{}}
	n, err := network.Open(t.Context(), &storetest.Memory{}, network.Config{CIDR: netip.MustParsePrefix("172.31.0.0/16"), StrictIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	w.network = &bridge{Network: n, changed: make(chan struct{}, 1)}
	subnets, err := w.network.Subnets(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subnets {
		w.subnets = append(w.subnets, s.ID)
	}
	w.open(config)
	return w
}

// open opens a balancer on what is stored: the first one, or after a restart.
func (w *world) open(config Config) {
	w.t.Helper()
	b, err := Open(w.t.Context(), w.store, w.node, w.network, config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Balancer = b
	ids := 0
	b.newID = func() string { ids++; return fmt.Sprintf("%016x", ids+int(w.store.Seq)<<8) }
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (w *world) loadBalancer(name string) LoadBalancer {
	w.t.Helper()
	return must(w.CreateLoadBalancer(w.t.Context(), CreateLoadBalancerInput{Name: name, Subnets: w.subnets[:2]}))
}

func (w *world) targetGroup(name string) TargetGroup {
	w.t.Helper()
	return must(w.CreateTargetGroup(w.t.Context(), groupInput(w, name)))
}

func groupInput(w *world, name string) CreateTargetGroupInput {
	return CreateTargetGroupInput{Name: name, Protocol: "HTTP", Port: 80, VPCID: w.network.DefaultVPC().ID, TargetType: "ip"}
}

func forwardTo(arn string) []Action { return []Action{{Type: "forward", TargetGroupARN: arn}} }

func (w *world) listener(lb string, port int, actions []Action) Listener {
	w.t.Helper()
	return must(w.CreateListener(w.t.Context(), CreateListenerInput{LoadBalancerARN: lb, Protocol: "HTTP", Port: port, DefaultActions: actions}))
}

// serving makes a load balancer that forwards port 80 to a new target group.
func (w *world) serving() TargetGroup {
	w.t.Helper()
	tg := w.targetGroup("users")
	w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(tg.ARN))
	return tg
}

func (w *world) register(tg TargetGroup, ips ...string) {
	w.t.Helper()
	for _, ip := range ips {
		if err := w.RegisterTargets(w.t.Context(), tg.ARN, []Target{{ID: ip, Task: "task-" + ip}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) deregister(tg TargetGroup, ip string) {
	w.t.Helper()
	if err := w.DeregisterTargets(w.t.Context(), tg.ARN, []Target{{ID: ip}}); err != nil {
		w.t.Fatal(err)
	}
}

// health returns the health of a target of tg; its zero value if it is gone.
func (w *world) health(tg TargetGroup, ip string) TargetHealth {
	return w.Targets()[TargetKey{TargetGroup: tg.ARN, ID: ip, Port: tg.Port}]
}

// probe reports a health change of a target's present registration and applies it.
func (w *world) probe(tg TargetGroup, ip string, to node.State) {
	w.probeRegistration(tg, w.health(tg, ip).Registration, to)
}

func (w *world) probeRegistration(tg TargetGroup, registration string, to node.State) {
	w.t.Helper()
	w.HealthChanged(node.HealthChange{Time: time.Now(), TargetGroup: tg.ARN, Registration: registration, To: to, Reason: "Target.Timeout", Description: "Request timed out"})
	w.pass(w.t.Context())
}

func (w *world) delay(tg TargetGroup, seconds string) {
	w.t.Helper()
	must(w.ModifyTargetGroupAttributes(w.t.Context(), tg.ARN, []Attribute{{"deregistration_delay.timeout_seconds", seconds}}))
}

func wantState(t *testing.T, h TargetHealth, state State, reason, description string) {
	t.Helper()
	if h.State != state || h.Reason != reason || h.Description != description {
		t.Errorf("target %s is %q %q %q; want %q %q %q", h.Target.ID, h.State, h.Reason, h.Description, state, reason, description)
	}
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	if !IsCode(err, code) || !strings.Contains(err.Error(), message) {
		t.Errorf("error is %v; want %s: …%s…", err, code, message)
	}
}
