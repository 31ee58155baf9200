package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb"
	"drydock/alb/node"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/taskdefs"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// bubbleConfig says what a bubble is made of. Zero values are the defaults in brackets.
type bubbleConfig struct {
	desired, min, max int
	delay             time.Duration // deregistration_delay (0)
	grace             int           // healthCheckGracePeriodSeconds
	breaker           bool
	pace              string            // fast or aws (fast)
	cidr              string            // of the VPC (10.0.0.0/16)
	quarantine        time.Duration     // of addresses (60 s)
	warm              int               // size of the pool of warm interfaces (0)
	behave            behaviour         // of the first image
	script            enginetest.Script // of its containers (wellBehaved)
	interval          int               // of the health checks, in seconds (5)
	threshold         int               // of the health checks, both ways (2)
	containers        string            // containerDefinitions of every revision; %q is the image (defaultContainers)
	strategy          orchestrator.StrategyInput
	scaling           bool // CloudWatch and Application Auto Scaling run too
	alarms            orchestrator.Alarms
}

// bubble is the whole of drydock but Docker, iptables, SQLite and sockets, in virtual time: the
// real scheduler, balancer, node, network and task definitions.
type bubble struct {
	t      *testing.T
	config bubbleConfig
	wire   *wire
	store  *bubbleStore
	engine *bubbleEngine
	life   atomic.Pointer[life] // nil while no daemon runs
	group  string               // target group ARN
	front  netip.AddrPort       // of the listener

	advanced *orchestrator.AdvancedConfiguration // with a strategy that shifts traffic
	hook     func() string                       // answers lifecycle hooks
	hosts    atomic.Pointer[map[string]string]   // names that tasks can look up
	victim   string                              // of a scene: a task

	mu       sync.Mutex
	images   map[string]behaviour
	apps     map[string]*bubbleApp // by task ARN: the last one
	signals  []bubbleSignal
	outcomes []timeline.Outcome
	arrivals map[string]string // by path: the task that a request reached
	loads    []*bubbleLoad
	faults   []string // invariants that were broken

	over chan struct{} // closed at the end
}

// bubbleSignal is a signal that a container got, and the state of its target at that moment.
type bubbleSignal struct {
	at        time.Time
	task      string
	container string
	signal    string
	target    alb.State
}

// life is one run of the daemon's parts.
type life struct {
	store     *lifeStore
	network   *network.Network
	node      *node.Node
	balancer  *alb.Balancer
	defs      *taskdefs.Catalogue
	scheduler *orchestrator.Controller
	scaling   *bubbleScaling // nil unless the bubble is configured so
	stop      func()
}

// bubbleEngine is the fake engine, with an API that can fail.
type bubbleEngine struct {
	*enginetest.Fake
	broken atomic.Bool
}

var errNoDocker = errors.New("cannot connect to the Docker daemon at unix:///var/run/docker.sock")

func (e *bubbleEngine) down() bool { return e.broken.Load() }

func (e *bubbleEngine) List(ctx context.Context) ([]orchestrator.TaskObservation, error) {
	if e.down() {
		return nil, errNoDocker
	}
	return e.Fake.List(ctx)
}

func (e *bubbleEngine) Observe(ctx context.Context, what orchestrator.Change) ([]orchestrator.TaskObservation, []orchestrator.WarmObservation, error) {
	if e.down() {
		return nil, nil, errNoDocker
	}
	return e.Fake.Observe(ctx, what)
}

// lifeEngine is the engine as one daemon uses it: a killed one asks for nothing any more.
type lifeEngine struct {
	*bubbleEngine
	store *lifeStore
}

func (e lifeEngine) unlessDead(ask func() error) error {
	if e.store.isDead() {
		return errDead
	}
	return ask()
}

func (e lifeEngine) Run(ctx context.Context, spec orchestrator.TaskSpec) error {
	return e.unlessDead(func() error { return e.Fake.Run(ctx, spec) })
}

func (e lifeEngine) Stop(ctx context.Context, task string) error {
	return e.unlessDead(func() error { return e.Fake.Stop(ctx, task) })
}

func (e lifeEngine) Remove(ctx context.Context, task string) error {
	return e.unlessDead(func() error { return e.Fake.Remove(ctx, task) })
}

func (e lifeEngine) Warm(ctx context.Context, spec orchestrator.WarmSpec) error {
	return e.unlessDead(func() error { return e.Fake.Warm(ctx, spec) })
}

func (e lifeEngine) Cool(ctx context.Context, id string) error {
	return e.unlessDead(func() error { return e.Fake.Cool(ctx, id) })
}

// inBubble runs a test in virtual time: a service behind a load balancer, steady. Broken
// invariants fail the test.
func inBubble(t *testing.T, config bubbleConfig, test func(t *testing.T, b *bubble)) {
	timelinetest.Bubble(t, func(t *testing.T) {
		b := newBubble(t, config)
		defer func() {
			b.close()
			for _, fault := range b.faults {
				t.Error(fault)
			}
		}()
		b.steady(10 * time.Minute)
		test(t, b)
	})
}

func newBubble(t *testing.T, config bubbleConfig) *bubble {
	config.pace = cmp.Or(config.pace, "fast")
	b := &bubble{t: t, config: config, images: map[string]behaviour{}, apps: map[string]*bubbleApp{}, arrivals: map[string]string{}, over: make(chan struct{})}
	b.wire = newWire(b.occupied)
	b.store = newBubbleStore(b)
	b.engine = &bubbleEngine{Fake: enginetest.NewFake(enginetest.Hooks{Start: b.started, Signal: b.signalled, Exit: b.exited})}
	b.image("app:1", config.behave, cmp.Or(config.script, wellBehaved))
	b.must(b.start())
	b.setUp()
	go b.watch(b.over)
	return b
}

// wellBehaved is how most containers start and stop.
var wellBehaved = enginetest.Script{Start: 200 * time.Millisecond, StopAfter: 100 * time.Millisecond}

// image says how containers of an image behave, and the application in them.
func (b *bubble) image(name string, behave behaviour, script enginetest.Script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.images[name] = behave
	b.engine.Script(name, script)
}

// occupied reports whether a container runs at an address, or one that only holds it.
func (b *bubble) occupied(addr netip.Addr) bool {
	for _, spec := range b.engine.Specs() {
		held := spec.Warm != "" || len(spec.Containers) > 1 || spec.Containers[0].RestartPolicy != nil
		if spec.Interface.Address == addr && held {
			return true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.apps {
		if a.addr.Addr() == addr && !a.ended() {
			return true
		}
	}
	return false
}

// start starts a daemon on what the store holds: the first, or one after a crash.
func (b *bubble) start() error {
	l := &life{store: &lifeStore{bubbleStore: b.store, died: make(chan struct{})}}
	if err := l.open(b); err != nil {
		return err
	}
	l.run(b.wire)
	b.life.Store(l)
	return nil
}

func (l *life) open(b *bubble) error {
	ctx := context.Background()
	daemon := daemon{config: daemonConfig{Pace: b.config.pace}}
	pace, balancerPace, err := daemon.config.paces()
	if err != nil {
		return err
	}
	l.network, err = network.Open(ctx, l.store, network.Config{CIDR: b.cidr(), Enforced: true, Quarantine: b.config.quarantine, Linger: daemon.linger()})
	if err != nil {
		return err
	}
	l.node = node.New(node.Config{Sink: bubbleSink{b, l}, Listen: b.wire.Listen, Dial: b.wire.Dial, Grace: time.Nanosecond})
	var applied alb.Node = l.node
	if b.config.scaling {
		l.scaling = newBubbleScaling(l)
		applied = l.scaling
	}
	if l.balancer, err = alb.Open(ctx, l.store, applied, l.network, alb.Config{Pace: balancerPace}); err != nil {
		return err
	}
	if l.defs, err = taskdefs.Open(ctx, l.store, "us-east-1", "123456789012"); err != nil {
		return err
	}
	l.scheduler, err = orchestrator.New(ctx, l.store, lifeEngine{b.engine, l.store}, l.balancer, l.network, l.defs, orchestrator.Config{
		Region: "us-east-1", Account: "123456789012", Pace: pace, WarmPool: b.config.warm, CallHook: b.callHook, Alarms: b.config.alarms,
		Hosts: func() map[string]string {
			if hosts := b.hosts.Load(); hosts != nil {
				return *hosts
			}
			return nil
		},
	})
	if err == nil && l.scaling != nil {
		err = l.scaling.open(ctx, b.config.pace)
	}
	return err
}

func (b *bubble) cidr() netip.Prefix {
	if b.config.cidr != "" {
		return netip.MustParsePrefix(b.config.cidr)
	}
	return netip.MustParsePrefix("10.0.0.0/16")
}

func (b *bubble) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// run starts what the daemon runs.
func (l *life) run(w *wire) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		parts := map[string]func(context.Context) error{
			"security groups": func(ctx context.Context) error { return l.network.Enforce(ctx, w, 10*time.Second) },
			"addresses":       l.freeAddresses,
			"load balancer":   l.node.Run,
			"target health":   l.balancer.Run,
			"scheduler":       l.scheduler.Run,
		}
		if l.scaling != nil {
			parts["metrics"], parts["auto scaling"] = l.scaling.monitor.Run, l.scaling.scaler.Run
		}
		serveUntil(ctx, parts)
	}()
	l.stop = func() { cancel(); <-done }
}

func (l *life) freeAddresses(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.network.Expire(ctx, time.Now())
		}
	}
}

// kill ends the daemon as SIGKILL does: from this moment on it writes nothing and answers
// nobody, and nothing is tidied up.
func (b *bubble) kill() {
	l := b.life.Swap(nil)
	if l == nil {
		return
	}
	l.store.kill()
	b.wire.sever(b.front)
	b.wire.sever(testFront)
	l.stop()
	synctest.Wait()
}

// close ends everything.
func (b *bubble) close() {
	b.mu.Lock()
	loads := b.loads
	b.mu.Unlock()
	for _, g := range loads {
		g.stop()
	}
	close(b.over)
	b.kill()
	for _, addr := range b.wire.bound() {
		b.wire.sever(addr)
	}
	time.Sleep(time.Hour) // what sleeps in an application ends
}

// bubbleSink takes in what a node reports, unless its daemon was killed.
type bubbleSink struct {
	b *bubble
	l *life
}

func (s bubbleSink) HealthChanged(h node.HealthChange) {
	if s.l.scaling != nil {
		s.l.scaling.counted.HealthChanged(h)
	}
	s.l.balancer.HealthChanged(h)
}

func (s bubbleSink) Finished(o *timeline.Outcome) {
	if s.b.life.Load() != s.l {
		return
	}
	if s.l.scaling != nil {
		s.l.scaling.counted.Finished(o)
	}
	s.b.checkOutcome(*o)
}

// broken notes that an invariant does not hold.
func (b *bubble) broken(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) < 5 {
		b.faults = append(b.faults, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// call puts an API call on the timeline, as the daemon does, and returns its context.
func (b *bubble) call(service, operation string, data map[string]string) context.Context {
	all := map[string]string{"service": service, "operation": operation, "caller": "aws-cli/2.1"}
	maps.Copy(all, data)
	l := b.life.Load()
	e := timeline.Event{Seq: l.store.NextSeq(), Time: time.Now(), Kind: timeline.APICall, Subject: service + ":" + operation,
		Message: operation + " by aws-cli", Data: all}
	if l.store.Commit(b.t.Context(), nil, []timeline.Event{e}) != nil {
		return b.t.Context()
	}
	return timeline.WithCause(b.t.Context(), e.Seq)
}

// setUp makes a load balancer that forwards to one target group, and the service web behind it.
func (b *bubble) setUp() {
	b.t.Helper()
	l, ctx := b.life.Load(), b.t.Context()
	lb, err := l.balancer.CreateLoadBalancer(ctx, alb.CreateLoadBalancerInput{Name: "front", Subnets: b.subnets()[:2]})
	b.must(err)
	tg, err := l.balancer.CreateTargetGroup(ctx, alb.CreateTargetGroupInput{
		Name: "web", Protocol: "HTTP", Port: 80, VPCID: l.network.DefaultVPC().ID, TargetType: "ip",
		HealthCheck: b.healthCheck(),
	})
	b.must(err)
	_, err = l.balancer.CreateListener(ctx, alb.CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTP", Port: 80,
		DefaultActions: []alb.Action{{Type: "forward", TargetGroupARN: tg.ARN}}})
	b.must(err)
	b.group, b.front = tg.ARN, netip.MustParseAddrPort("127.0.0.1:80")
	b.setDelay(b.config.delay)
	if b.config.strategy.Strategy != "" {
		b.prepareShift(lb)
	}
	b.createService()
}

func (b *bubble) healthCheck() alb.HealthCheck {
	times := cmp.Or(b.config.threshold, 2)
	return alb.HealthCheck{Path: "/health", IntervalSeconds: cmp.Or(b.config.interval, 5), TimeoutSeconds: 2, HealthyThresholdCount: times, UnhealthyThresholdCount: times}
}

func (b *bubble) subnets() []string {
	all, err := b.life.Load().network.Subnets(nil)
	b.must(err)
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

func (b *bubble) setDelay(d time.Duration) {
	b.t.Helper()
	_, err := b.life.Load().balancer.ModifyTargetGroupAttributes(b.t.Context(), b.group,
		[]alb.Attribute{{Key: "deregistration_delay.timeout_seconds", Value: fmt.Sprint(int(d / time.Second))}})
	b.must(err)
}

func (b *bubble) createService() {
	b.t.Helper()
	b.must(b.tryCreateService())
}

func (b *bubble) tryCreateService() error {
	b.t.Helper()
	return b.tryCreate(b.register("app:1"), b.config.desired)
}

func (b *bubble) tryCreate(definition string, desired int) error {
	c := b.config
	_, err := b.life.Load().scheduler.CreateService(b.t.Context(), orchestrator.ServiceInput{
		Cluster: "default", Name: "web", TaskDefinition: definition, DesiredCount: &desired,
		MinimumHealthy: &c.min, Maximum: &c.max, GracePeriod: &c.grace,
		Network:       &orchestrator.NetworkConfiguration{Subnets: b.subnets()},
		Breaker:       &orchestrator.Breaker{Enable: c.breaker, Rollback: c.breaker},
		LoadBalancers: []orchestrator.LoadBalancer{{TargetGroupARN: b.group, ContainerName: "app", ContainerPort: 80, Advanced: b.advanced}},
		StrategyInput: c.strategy,
	})
	return err
}

const defaultContainers = `{"name":"app","image":%q,"stopTimeout":10,"portMappings":[{"containerPort":80}]}`

// register registers a revision with an image, and returns its ARN.
func (b *bubble) register(image string) string {
	b.t.Helper()
	arn, err := b.tryRegister(image)
	b.must(err)
	return arn
}

func (b *bubble) tryRegister(image string) (string, error) {
	containers := fmt.Sprintf(cmp.Or(b.config.containers, defaultContainers), image)
	doc := fmt.Sprintf(`{"family":"web","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],
		"containerDefinitions":[%s]}`, containers)
	r, err := b.life.Load().defs.Register(b.t.Context(), []byte(doc), nil, "me", time.Now())
	return r.ARN, err
}

// deploy deploys a new image whose application behaves so.
func (b *bubble) deploy(image string, behave behaviour) {
	b.t.Helper()
	b.deployScript(image, behave, wellBehaved)
}

// deployScript deploys a new image whose containers and application behave so.
func (b *bubble) deployScript(image string, behave behaviour, script enginetest.Script) {
	b.t.Helper()
	b.image(image, behave, script)
	arn := b.register(image)
	b.must(b.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = arn }))
}

func (b *bubble) update(change func(*orchestrator.ServiceInput)) error {
	in := orchestrator.ServiceInput{Cluster: "default", Name: "web"}
	change(&in)
	_, err := b.life.Load().scheduler.UpdateService(b.call("ecs", "UpdateService", map[string]string{"ecsService": "web"}), in)
	return err
}

func (b *bubble) stopTask(t *orchestrator.Task) error {
	_, err := b.life.Load().scheduler.StopTask(b.call("ecs", "StopTask", map[string]string{"task": t.ARN}), "default", t.ARN, "")
	return err
}

func (b *bubble) web() *orchestrator.Service {
	b.t.Helper()
	s, err := b.life.Load().scheduler.Service("default", "web")
	b.must(err)
	return s
}

// tasks returns the tasks that are not STOPPED, oldest first.
func (b *bubble) tasks() []*orchestrator.Task {
	var all []*orchestrator.Task
	for _, t := range b.life.Load().scheduler.Snapshot().Tasks {
		if t.Status != orchestrator.Stopped {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(x, y *orchestrator.Task) int {
		return strings.Compare(x.CreatedAt.Format(time.RFC3339Nano)+x.ID, y.CreatedAt.Format(time.RFC3339Nano)+y.ID)
	})
	return all
}

func (b *bubble) task(arn string) *orchestrator.Task {
	return b.life.Load().scheduler.Snapshot().Tasks[arn]
}

// targetState returns the state of a task's target; empty if it has none.
func (b *bubble) targetState(task string) alb.State {
	l := b.life.Load()
	if l == nil {
		return ""
	}
	for _, h := range l.balancer.Targets() {
		if h.Target.Task == task {
			return h.State
		}
	}
	return ""
}

func (b *bubble) eventually(most time.Duration, ok func() bool) bool {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// steady waits until the service is steady, at most for so long.
func (b *bubble) steady(most time.Duration) {
	b.t.Helper()
	if !b.eventually(most, func() bool { return b.web().Steady }) {
		b.t.Fatalf("not steady after %s:\n%s", most, b.story())
	}
}

// said returns the service's events, oldest first, with ids shortened to what they stand for.
func (b *bubble) said() []string {
	var out []string
	for _, e := range slices.Backward(b.web().Events) {
		out = append(out, timelinetest.ShortenIDs(e.Message))
	}
	return out
}

func (b *bubble) story() string { return strings.Join(b.said(), "\n") }

// failures returns the outcomes that failed since a time.
func (b *bubble) failures(since time.Time) []timeline.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	var failed []timeline.Outcome
	for _, o := range b.outcomes {
		if o.Failed() && !o.End.Before(since) {
			failed = append(failed, o)
		}
	}
	return failed
}

// explain explains all outcomes so far.
func (b *bubble) explain() timeline.Explanation {
	b.mu.Lock()
	outcomes := slices.Clone(b.outcomes)
	b.mu.Unlock()
	return timeline.Explain(outcomes, b.store.told(), time.Now())
}

// explained fails the test unless every failure has one of the codes, and returns the clusters.
func (b *bubble) explained(codes ...timeline.Code) []timeline.Cluster {
	b.t.Helper()
	e := b.explain()
	for _, c := range e.Clusters {
		if !slices.Contains(codes, c.Code) {
			b.t.Errorf("%d × %d: %s (%s): %s %v", c.Count, c.Status, c.Code, c.Confidence, c.Sentence, c.Causes)
		}
	}
	return e.Clusters
}

func (bubbleSink) Followed(timeline.Epilogue) {}
func (bubbleSink) Connected(node.Connection)  {}
func (bubbleSink) Checked(node.Check)         {}
