package orchestrator_test

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/store/storetest"
	"drydock/taskdefs"
	"drydock/timeline/timelinetest"
)

// world is a scheduler with everything around it, in virtual time.
type world struct {
	t        *testing.T
	store    *storetest.Memory
	engine   *enginetest.Fake
	balancer *fakeBalancer
	defs     *taskdefs.Catalogue
	c        *orchestrator.Controller
	pace     orchestrator.Pace
	secrets  orchestrator.Secrets
	alarms   *fakeAlarms
	stop     func()
	hook     func(target string, event []byte) (string, error) // answers lifecycle hooks
}

const groupARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"

// inWorld runs a test in a bubble with a running scheduler.
func inWorld(t *testing.T, pace orchestrator.Pace, test func(w *world)) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := &world{t: t, store: &storetest.Memory{}, pace: pace, alarms: &fakeAlarms{states: map[string]string{}}}
		w.balancer = &fakeBalancer{w: w, targets: map[alb.TargetKey]alb.TargetHealth{}, delay: 5 * time.Second, healthyAfter: time.Second, ill: map[string]bool{}}
		w.engine = enginetest.NewFake(enginetest.Hooks{})
		w.engine.Script("app", enginetest.Script{Start: 200 * time.Millisecond})
		w.start()
		defer w.halt()
		test(w)
	})
}

// start starts a scheduler on what the store holds: the first one, or one after a crash.
func (w *world) start() {
	w.t.Helper()
	var err error
	if w.defs, err = taskdefs.Open(w.t.Context(), w.store, "us-east-1", "123456789012"); err != nil {
		w.t.Fatal(err)
	}
	w.c, err = orchestrator.New(w.t.Context(), w.store, w.engine, w.balancer, &fakeNetwork{w: w}, w.defs, orchestrator.Config{
		Region: "us-east-1", Account: "123456789012", Pace: w.pace, Secrets: w.secrets, Alarms: w.alarms, CallHook: w.callHook,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.c.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
}

// halt ends the scheduler, as SIGKILL would: nothing is tidied up.
func (w *world) halt() {
	w.stop()
	synctest.Wait()
}

// register registers a revision of a family with one container named app.
func (w *world) register(family string) string {
	w.t.Helper()
	doc := fmt.Sprintf(`{"family":%q,"networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],
		"containerDefinitions":[{"name":"app","image":"app:1","stopTimeout":10,"portMappings":[{"containerPort":80}]}]}`, family)
	r, err := w.defs.Register(w.t.Context(), []byte(doc), nil, "me", time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return r.ARN
}

// service describes a service to create.
type service struct {
	desired, min, max int
	grace             int
	balanced          bool
	breaker           bool
}

func (w *world) create(s service) {
	w.t.Helper()
	in := orchestrator.ServiceInput{
		Cluster: "default", Name: "web", TaskDefinition: w.register("web"), DesiredCount: &s.desired,
		MinimumHealthy: &s.min, Maximum: &s.max,
		Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}},
		Breaker: &orchestrator.Breaker{Enable: s.breaker, Rollback: s.breaker},
	}
	if s.balanced {
		in.LoadBalancers = []orchestrator.LoadBalancer{{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80}}
		in.GracePeriod = &s.grace
	}
	if _, err := w.c.CreateService(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update(change func(*orchestrator.ServiceInput)) {
	w.t.Helper()
	in := orchestrator.ServiceInput{Cluster: "default", Name: "web"}
	change(&in)
	if _, err := w.c.UpdateService(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
}

// redeploy registers a new revision and deploys it.
func (w *world) redeploy() {
	w.t.Helper()
	arn := w.register("web")
	w.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = arn })
}

func (w *world) web() *orchestrator.Service {
	w.t.Helper()
	s, err := w.c.Service("default", "web")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// steady waits until the service is steady, at most for so long.
func (w *world) steady(most time.Duration) {
	w.t.Helper()
	if !w.eventually(most, func() bool { return w.web().Steady }) {
		w.t.Fatalf("not steady after %s:\n%s", most, w.story())
	}
}

func (w *world) eventually(most time.Duration, ok func() bool) bool {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// tasks returns the tasks whose containers have not ended, oldest first.
func (w *world) tasks() []*orchestrator.Task {
	var all []*orchestrator.Task
	for _, t := range w.c.Snapshot().Tasks {
		if t.Status != orchestrator.Stopped && t.Status != orchestrator.Deprovisioning {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *orchestrator.Task) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// said returns the service's events, oldest first, ids shortened away.
func (w *world) said() []string {
	var out []string
	events := w.web().Events
	for n := len(events) - 1; n >= 0; n-- {
		out = append(out, timelinetest.ShortenIDs(events[n].Message))
	}
	return out
}

func (w *world) story() string { return strings.Join(w.said(), "\n") }

// fakeAlarms are alarms whose states a test sets; they look 2 minutes back.
type fakeAlarms struct {
	mu     sync.Mutex
	states map[string]string
}

func (a *fakeAlarms) set(name, state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.states[name] = state
}

func (a *fakeAlarms) States(names []string) map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]string{}
	for _, name := range names {
		if state := a.states[name]; state != "" {
			out[name] = state
		}
	}
	return out
}

func (a *fakeAlarms) Windows(names []string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, name := range names {
		out[name] = 2 * time.Minute
	}
	return out
}

// fakeNetwork hands out addresses one after another.
type fakeNetwork struct {
	w    *world
	mu   sync.Mutex
	next byte
	of   map[string]network.Interface

	closed []string
}

func (n *fakeNetwork) ResolveSubnets(_ context.Context, ids []string) ([]network.Subnet, error) {
	return make([]network.Subnet, len(ids)), nil
}

func (n *fakeNetwork) ResolveSecurityGroups(_ context.Context, ids []string) ([]network.SecurityGroup, error) {
	return make([]network.SecurityGroup, len(ids)), nil
}

func (n *fakeNetwork) DefaultVPC() network.VPC {
	return network.VPC{ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/16")}
}

func (n *fakeNetwork) CreateInterface(_ context.Context, in network.CreateInterfaceInput) (network.Interface, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, ok := n.of[in.Owner]; ok {
		return i, nil
	}
	if n.of == nil {
		n.of = map[string]network.Interface{}
	}
	n.next++
	zones := []string{"us-east-1a", "us-east-1b"}
	i := network.Interface{ID: fmt.Sprintf("eni-%d", n.next), Zone: zones[int(n.next)%2], Address: netip.AddrFrom4([4]byte{10, 0, 0, n.next})}
	n.of[in.Owner] = i
	return i, nil
}

func (n *fakeNetwork) CreateWarmInterface(ctx context.Context, id string, subnets []string) (network.Interface, error) {
	return n.CreateInterface(ctx, network.CreateInterfaceInput{Owner: network.WarmOwner + id})
}

func (n *fakeNetwork) AssignInterface(_ context.Context, id string, in network.CreateInterfaceInput) (network.Interface, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for owner, i := range n.of {
		if i.ID == id {
			delete(n.of, owner)
			n.of[in.Owner] = i
			return i, nil
		}
	}
	return network.Interface{}, fmt.Errorf("interface %s is not there", id)
}

func (n *fakeNetwork) DeleteInterfacesOf(context.Context, string, time.Time) error { return nil }

func (n *fakeNetwork) CloseInterface(_ context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = append(n.closed, id)
	return nil
}

func (n *fakeNetwork) Applied(context.Context) error { return nil }

// fakeBalancer makes targets healthy after a while and drains them for the delay.
type fakeBalancer struct {
	w            *world
	mu           sync.Mutex
	targets      map[alb.TargetKey]alb.TargetHealth
	pokes        []chan struct{}
	healthyAfter time.Duration
	delay        time.Duration
	fail         error                     // of RegisterTargets
	gone         bool                      // the load balancer was deleted
	kind         string                    // of its target groups (ip)
	calls        int                       // of RegisterTargets
	ill          map[string]bool           // task definitions whose targets become unhealthy instead
	rules        map[string]map[string]int // weights of listener rules that forward
	shifts       []string                  // how they were rewritten
}

func (b *fakeBalancer) Targets() map[alb.TargetKey]alb.TargetHealth {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[alb.TargetKey]alb.TargetHealth{}
	for k, h := range b.targets {
		out[k] = h
	}
	return out
}

func (b *fakeBalancer) RegisterTargets(_ context.Context, group string, targets []alb.Target) error {
	b.mu.Lock()
	b.calls++
	err := b.fail
	b.mu.Unlock()
	if err != nil {
		return err
	}
	for _, t := range targets {
		k := alb.TargetKey{TargetGroup: group, ID: t.ID, Port: t.Port}
		b.set(k, alb.TargetHealth{Target: t, State: alb.Initial})
		to := alb.TargetHealth{Target: t, State: alb.Healthy}
		if b.ill[b.w.definitionOf(t.Task)] {
			to = alb.TargetHealth{Target: t, State: alb.Unhealthy, Description: "Health checks failed"}
		}
		time.AfterFunc(b.healthyAfter, func() { b.turn(k, t.Task, to) })
	}
	return nil
}

func (w *world) definitionOf(task string) string {
	if t := w.c.Snapshot().Tasks[task]; t != nil {
		return t.TaskDefinition
	}
	return ""
}

// turn changes the state of a target that is still registered for a task.
func (b *fakeBalancer) turn(k alb.TargetKey, task string, to alb.TargetHealth) {
	b.mu.Lock()
	now, ok := b.targets[k]
	b.mu.Unlock()
	if ok && now.Target.Task == task && now.State != alb.Draining {
		b.set(k, to)
	}
}

func (b *fakeBalancer) DeregisterTargets(_ context.Context, group string, targets []alb.Target) error {
	for _, t := range targets {
		k := alb.TargetKey{TargetGroup: group, ID: t.ID, Port: t.Port}
		b.set(k, alb.TargetHealth{Target: t, State: alb.Draining})
		time.AfterFunc(b.delay, func() {
			b.mu.Lock()
			delete(b.targets, k)
			b.mu.Unlock()
			b.poke()
		})
	}
	return nil
}

func (b *fakeBalancer) DescribeTargetGroups(_ context.Context, _ string, arns, _ []string) ([]alb.TargetGroup, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	group := alb.TargetGroup{ARN: arns[0], TargetType: cmp.Or(b.kind, "ip")}
	if !b.gone {
		group.LoadBalancerARNs = []string{"lb"}
	}
	return []alb.TargetGroup{group}, nil
}

func (b *fakeBalancer) Changes(context.Context) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	b.pokes = append(b.pokes, c)
	return c
}

func (b *fakeBalancer) set(k alb.TargetKey, h alb.TargetHealth) {
	b.mu.Lock()
	b.targets[k] = h
	b.mu.Unlock()
	b.poke()
}

func (b *fakeBalancer) poke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.pokes {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// state sets the health of the target of a task.
func (b *fakeBalancer) state(t *orchestrator.Task, state alb.State) {
	k := alb.TargetKey{TargetGroup: groupARN, ID: t.Interface.Address.String(), Port: 80}
	b.turn(k, t.ARN, alb.TargetHealth{Target: alb.Target{ID: k.ID, Port: 80, Task: t.ARN}, State: state, Description: "Request timed out", Detail: "GET /health → no answer within 2 s"})
}
