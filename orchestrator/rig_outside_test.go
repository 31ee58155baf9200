package orchestrator_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
)

// rigEngine is the fake engine as one scheduler uses it.
type rigEngine struct {
	*enginetest.Fake
	l *rigLife
}

func (e rigEngine) Run(ctx context.Context, spec orchestrator.TaskSpec) error {
	return e.l.try(ctx, "engine", func() error {
		e.l.checkRun(spec)
		return e.Fake.Run(ctx, spec)
	})
}

func (e rigEngine) Stop(ctx context.Context, task string) error {
	return e.l.try(ctx, "engine", func() error {
		if t := e.l.rows.task(task); t == nil || t.Desired != orchestrator.Stopped {
			e.l.broken("%s is stopped, its row is %s", task, describe(t))
		}
		return e.Fake.Stop(ctx, task)
	})
}

func (e rigEngine) Remove(ctx context.Context, task string) error {
	return e.l.try(ctx, "engine", func() error {
		if t := e.l.rows.task(task); t != nil && t.Status != orchestrator.Deprovisioning && t.Status != orchestrator.Stopped {
			e.l.broken("containers of %s are removed, its row is %s", task, describe(t))
		}
		return e.Fake.Remove(ctx, task)
	})
}

func (e rigEngine) Restart(ctx context.Context, task, container string, run time.Time) error {
	return e.l.try(ctx, "engine", func() error { return e.Fake.Restart(ctx, task, container, run) })
}

func (e rigEngine) List(ctx context.Context) (list []orchestrator.TaskObservation, err error) {
	if e.l.trouble("engine") == loses { // reading is either answered or not
		return e.Fake.List(ctx)
	}
	err = e.l.try(ctx, "engine", func() error { list, err = e.Fake.List(ctx); return err })
	return list, err
}

func (e rigEngine) Observe(ctx context.Context, what orchestrator.Change) (tasks []orchestrator.TaskObservation, namespaces []orchestrator.WarmObservation, err error) {
	if e.l.trouble("engine") == loses {
		return e.Fake.Observe(ctx, what)
	}
	err = e.l.try(ctx, "engine", func() error { tasks, namespaces, err = e.Fake.Observe(ctx, what); return err })
	return tasks, namespaces, err
}

func (e rigEngine) Warm(ctx context.Context, spec orchestrator.WarmSpec) error {
	return e.l.try(ctx, "engine", func() error { return e.Fake.Warm(ctx, spec) })
}

func (e rigEngine) Cool(ctx context.Context, id string) error {
	return e.l.try(ctx, "engine", func() error { return e.Fake.Cool(ctx, id) })
}

// Changes passes the engine's pokes on: late, twice or not at all; or the stream is cut off.
func (e rigEngine) Changes(ctx context.Context) (<-chan struct{}, error) {
	ctx, cancel := context.WithCancel(ctx)
	from, err := e.Fake.Changes(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	to := make(chan struct{}, 1)
	go func() {
		defer close(to)
		defer cancel()
		for range from {
			switch e.l.trouble("events") {
			case refuses:
				continue
			case slow:
				time.Sleep(1300 * time.Millisecond)
			case loses:
				time.Sleep(time.Second) // so that it is not subscribed to again without end
				return
			}
			select {
			case to <- struct{}{}:
			default:
			}
		}
	}()
	return to, nil
}

// appStarted is the engine's hook for the start of a container.
func (r *rig) appStarted(p enginetest.Process) {
	if p.Container.Name != "app" {
		return
	}
	r.mu.Lock()
	r.apps[p.Task.ARN] = &rigApp{image: p.Container.Image, started: time.Now(), up: true}
	r.mu.Unlock()
	r.balancer.look(p.Task.ARN)
}

func (r *rig) appExited(p enginetest.Process, _ int) {
	r.change(p, func(a *rigApp) { a.up, a.paused = false, false })
}

// appSignalled is the engine's hook for signals: SIGTERM comes when no request can come any more.
func (r *rig) appSignalled(p enginetest.Process, signal string) {
	switch signal {
	case "SIGTERM":
		r.checkSignal(p.Task.ARN)
	case "SIGSTOP":
		r.change(p, func(a *rigApp) { a.paused = true })
	case "SIGCONT":
		r.change(p, func(a *rigApp) { a.paused = false })
	}
}

func (r *rig) change(p enginetest.Process, change func(*rigApp)) {
	if p.Container.Name == "app" {
		r.changeApp(p.Task.ARN, change)
	}
}

func (r *rig) changeApp(task string, change func(*rigApp)) {
	r.mu.Lock()
	if a := r.apps[task]; a != nil {
		change(a)
	}
	r.mu.Unlock()
	r.balancer.look(task)
}

// answers reports whether a task's application answers health checks.
func (r *rig) answers(task string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.apps[task]
	if a == nil || !a.up || a.paused || a.cut || a.ill || strings.HasSuffix(a.image, "-ill") {
		return false
	}
	return !strings.HasSuffix(a.image, "-slow") || time.Since(a.started) >= 8*time.Second
}

// rigNetwork has a few addresses in two subnets, and gives those first that were used last.
type rigNetwork struct {
	r          *rig
	quarantine time.Duration

	mu     sync.Mutex
	serial int
	free   map[string][]netip.Addr      // by subnet
	given  map[string]network.Interface // by id; an owner may have several
	back   []released
}

type released struct {
	i  network.Interface
	at time.Time
}

var rigSubnets = []string{"subnet-1", "subnet-2"}

func newRigNetwork(r *rig, each int, quarantine time.Duration) *rigNetwork {
	n := &rigNetwork{r: r, quarantine: quarantine, free: map[string][]netip.Addr{}, given: map[string]network.Interface{}}
	for s, subnet := range rigSubnets {
		for h := range each {
			n.free[subnet] = append(n.free[subnet], netip.AddrFrom4([4]byte{10, 0, byte(s), byte(10 + h)}))
		}
	}
	return n
}

func (n *rigNetwork) create(owner string, subnets []string) (network.Interface, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, i := range n.given {
		if i.Owner == owner {
			return i, nil
		}
	}
	n.expire()
	best := slices.MaxFunc(subnets, func(a, b string) int { return len(n.free[a]) - len(n.free[b]) })
	free := n.free[best]
	if len(free) == 0 {
		return network.Interface{}, network.ErrNoAddress
	}
	n.serial++
	i := network.Interface{ID: fmt.Sprintf("eni-%d", n.serial), Owner: owner, SubnetID: best, Zone: "us-east-1" + best[len(best)-1:], Address: free[len(free)-1]}
	n.free[best] = free[:len(free)-1]
	n.given[i.ID] = i
	return i, nil
}

// expire ends the quarantine of addresses.
func (n *rigNetwork) expire() {
	n.back = slices.DeleteFunc(n.back, func(b released) bool {
		over := time.Since(b.at) >= n.quarantine
		if over {
			n.free[b.i.SubnetID] = append(n.free[b.i.SubnetID], b.i.Address)
		}
		return over
	})
}

func (n *rigNetwork) release(owner string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, i := range n.given {
		if i.Owner == owner {
			delete(n.given, id)
			n.back = append(n.back, released{i, time.Now()})
		}
	}
}

// owner returns who has an address, empty if nobody has.
func (n *rigNetwork) owner(addr netip.Addr) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, i := range n.given {
		if i.Address == addr {
			return i.Owner
		}
	}
	return ""
}

func (n *rigNetwork) owners() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, i := range n.given {
		all = append(all, i.Owner)
	}
	slices.Sort(all)
	return all
}

// lifeNetwork is the network as one scheduler uses it.
type lifeNetwork struct {
	n *rigNetwork
	l *rigLife
}

func (n lifeNetwork) ResolveSubnets(_ context.Context, ids []string) ([]network.Subnet, error) {
	return make([]network.Subnet, len(ids)), nil
}

func (n lifeNetwork) ResolveSecurityGroups(_ context.Context, ids []string) ([]network.SecurityGroup, error) {
	return make([]network.SecurityGroup, len(ids)), nil
}

func (n lifeNetwork) DefaultVPC() network.VPC {
	return network.VPC{ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/16")}
}

func (n lifeNetwork) CreateInterface(ctx context.Context, in network.CreateInterfaceInput) (i network.Interface, err error) {
	err = n.l.try(ctx, "network", func() error { i, err = n.n.create(in.Owner, in.SubnetIDs); return err })
	return i, err
}

func (n lifeNetwork) CreateWarmInterface(ctx context.Context, id string, subnets []string) (i network.Interface, err error) {
	err = n.l.try(ctx, "network", func() error { i, err = n.n.create(network.WarmOwner+id, subnets); return err })
	return i, err
}

func (n lifeNetwork) AssignInterface(ctx context.Context, id string, in network.CreateInterfaceInput) (i network.Interface, err error) {
	err = n.l.try(ctx, "network", func() error { i, err = n.n.assign(id, in.Owner); return err })
	return i, err
}

func (n *rigNetwork) assign(id, owner string) (network.Interface, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, ok := n.given[id]; ok {
		if i.Owner != owner && !strings.HasPrefix(i.Owner, network.WarmOwner) {
			return i, fmt.Errorf("interface %s is %s's", id, i.Owner)
		}
		i.Owner = owner
		n.given[id] = i
		return i, nil
	}
	return network.Interface{}, fmt.Errorf("interface %s is not there", id)
}

func (n lifeNetwork) DeleteInterfacesOf(ctx context.Context, owner string, _ time.Time) error {
	return n.l.try(ctx, "network", func() error {
		n.l.checkRelease(owner)
		n.n.release(owner)
		return nil
	})
}

func (n lifeNetwork) CloseInterface(ctx context.Context, _ string) error {
	return n.l.try(ctx, "network", func() error { return nil })
}

func (n lifeNetwork) Applied(ctx context.Context) error {
	return n.l.try(ctx, "network", func() error { return nil })
}

// lifeBalancer is the balancer as one scheduler uses it.
type lifeBalancer struct {
	*rigBalancer
	l *rigLife
}

func (b lifeBalancer) Targets() map[alb.TargetKey]alb.TargetHealth {
	targets := b.rigBalancer.snapshot()
	b.l.mu.Lock()
	defer b.l.mu.Unlock()
	b.l.seen = targets
	return targets
}

func (b lifeBalancer) RegisterTargets(ctx context.Context, group string, targets []alb.Target) error {
	return b.l.try(ctx, "balancer", func() error { b.register(group, targets); return nil })
}

func (b lifeBalancer) DeregisterTargets(ctx context.Context, group string, targets []alb.Target) error {
	return b.l.try(ctx, "balancer", func() error { b.deregister(group, targets); return nil })
}

func (b lifeBalancer) SetForwardWeights(ctx context.Context, rule string, weights map[string]int) error {
	return b.l.try(ctx, "balancer", func() error {
		b.l.checkWeights(rule, weights)
		return b.setWeights(rule, weights)
	})
}

func (b lifeBalancer) Changes(ctx context.Context) <-chan struct{} { return b.rigBalancer.watch(ctx) }
