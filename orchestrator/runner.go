package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/taskdefs"
)

// runners holds what is under way outside the loop: at most one action a task and lane.
// Actions on a task's containers, its targets and its interface's end go side by side.
type runners struct {
	mu      sync.Mutex
	busy    map[lane]*running
	done    map[lane]done
	untold  map[lane]ActionKind // what has ended, and no pass has the result of
	results []Result
	all     sync.WaitGroup
}

// done is an action that nobody has seen the effect of yet.
type done struct {
	kind  ActionKind
	looks int64 // at the engine that had begun by then
}

type lane struct {
	task string // or service
	of   string // containers, targets or interface; a listener rule or a hook's run
}

type running struct {
	kind   ActionKind
	cancel context.CancelFunc
}

func (r *runners) init() {
	r.busy, r.done, r.untold = map[lane]*running{}, map[lane]done{}, map[lane]ActionKind{}
}

// wait returns when nothing is under way.
func (r *runners) wait() { r.all.Wait() }

// take returns the results since the last call.
func (r *runners) take() []Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	results := r.results
	r.results = nil
	clear(r.untold)
	return results
}

func (r *runners) giveBack(results []Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(results, r.results...)
}

// seen forgets the actions whose effect is in a look at the engine.
func (r *runners) seen(look int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.done, func(_ lane, d done) bool { return look > d.looks })
}

// claim takes the action's lane. It is refused while another action is in it; a Run that
// is no longer wanted is told to end. It is refused also while the same action has been done and
// nobody has looked since: while an engine is slow to answer, it would be done again without end.
// And it is refused while the pass that plans it does not know yet what the same action has come to.
func (r *runners) claim(ctx context.Context, a Action) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := laneOf(a)
	if d, ok := r.done[l]; ok && d.kind == a.Kind || r.untold[l] == a.Kind {
		return nil, false
	}
	if now := r.busy[l]; now != nil {
		if now.kind == Run && a.Kind != Run {
			now.cancel()
		}
		return nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	r.busy[l] = &running{a.Kind, cancel}
	r.all.Add(1)
	return ctx, true
}

// finish gives the action's lane back; looks is how many looks at the engine have begun.
func (r *runners) finish(a Action, result Result, looks int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[laneOf(a)].cancel()
	delete(r.busy, laneOf(a))
	if result.Err == nil && a.Kind.seen() {
		r.done[laneOf(a)] = done{a.Kind, looks}
	}
	r.results = append(r.results, result)
	r.untold[laneOf(a)] = a.Kind
	r.all.Done()
}

// seen reports whether the engine shows that an action was done.
func (k ActionKind) seen() bool {
	switch k {
	case Run, Restart, Stop, Remove, Discard:
		return true
	}
	return false
}

func laneOf(a Action) lane {
	switch a.Kind {
	case Register, Deregister:
		return lane{a.Task, "targets"}
	case Close:
		return lane{a.Task, "interface"}
	case Prepare, Discard:
		return lane{a.Task, "warm"}
	case ShiftTraffic:
		return lane{a.Service, a.Split.Rule}
	case CallHook:
		return lane{a.Service, a.Hook}
	}
	return lane{a.Task, "containers"}
}

// dispatch starts an action, unless its lane is busy: then a later pass plans it again.
func (c *Controller) dispatch(ctx context.Context, a Action) {
	if a.Service != "" {
		c.dispatchShift(ctx, a)
		return
	}
	t, w := c.tasks[a.Task], c.warm[strings.TrimPrefix(a.Task, network.WarmOwner)]
	run, ok := c.runners.claim(ctx, a)
	if !ok {
		return
	}
	go func() {
		result := Result{Task: a.Task, Action: a.Kind}
		result.Interface, result.Err = c.perform(withCause(run, a), a, t, w)
		c.note(a, result.Err)
		if a.Kind == Run && run.Err() != nil && result.Err != nil {
			result.Err = nil // told to end: nothing to report
		}
		look := c.watch.at(a) // before others may begin
		c.runners.finish(a, result, look)
		c.Poke()
	}()
}

// perform does one idempotent step. t is nil for what is left of an unknown task, w for all
// that is not about a warm interface.
func (c *Controller) perform(ctx context.Context, a Action, t *Task, w *WarmInterface) (*TaskInterface, error) {
	switch a.Kind {
	case Attach:
		return c.attach(ctx, t)
	case Run:
		return nil, c.run(ctx, t)
	case Register:
		return nil, c.eachTarget(ctx, t, c.balancer.RegisterTargets)
	case Deregister:
		return nil, c.eachTarget(ctx, t, c.deregister)
	case Restart:
		return nil, c.restart(ctx, t)
	case Stop:
		return nil, c.engine.Stop(ctx, a.Task)
	case Close:
		return nil, c.network.CloseInterface(ctx, t.Interface.ID)
	case Remove:
		if t != nil && c.config.BeforeRemove != nil {
			c.config.BeforeRemove(ctx, *t)
		}
		return nil, errors.Join(c.engine.Remove(ctx, a.Task), c.coolTask(ctx, t))
	case Detach:
		return nil, c.network.DeleteInterfacesOf(ctx, a.Task, time.Now())
	case Prepare:
		return c.prepareWarm(ctx, w)
	case Discard:
		return nil, c.discardWarm(ctx, strings.TrimPrefix(a.Task, network.WarmOwner))
	}
	return nil, fmt.Errorf("unknown action %s", a.Kind)
}

func (c *Controller) attach(ctx context.Context, t *Task) (*TaskInterface, error) {
	in := network.CreateInterfaceInput{Owner: t.ARN, Description: "ECS task " + t.ID}
	if t.Network != nil {
		in.SubnetIDs, in.Groups = t.Network.Subnets, t.Network.SecurityGroups
	}
	warm := ""
	give := c.network.CreateInterface
	if w := c.claimed(t.ARN); w != nil {
		warm = w.ID
		give = func(ctx context.Context, in network.CreateInterfaceInput) (network.Interface, error) {
			return c.network.AssignInterface(ctx, w.Interface.ID, in)
		}
	}
	i, err := give(ctx, in)
	if err != nil {
		return nil, err
	}
	given := taskInterface(i)
	given.Attachment, given.Warm = uuid(randomHex), warm
	return given, nil
}

// run brings the task's containers up, once its security groups are in force.
func (c *Controller) run(ctx context.Context, t *Task) error {
	if err := c.network.Applied(ctx); err != nil {
		return err
	}
	spec, err := c.spec(ctx, t)
	var start *StartError
	switch {
	case errors.As(err, &start):
		return start
	case err != nil:
		return &StartError{Name: "ResourceInitializationError", Err: err}
	}
	return c.engine.Run(ctx, spec)
}

// restart starts those containers of a task again that are to be.
func (c *Controller) restart(ctx context.Context, t *Task) error {
	for _, container := range t.Containers {
		if container.Restarting.IsZero() {
			continue
		}
		r, ok := c.engine.(Restarter)
		if !ok {
			return &StartError{Container: container.Name, Name: "CannotStartContainerError", Err: errors.New("the engine cannot restart containers")}
		}
		if err := r.Restart(ctx, t.ARN, container.Name, container.Restarting); err != nil {
			return err
		}
	}
	return nil
}

// spec is what the engine needs to know of a task.
func (c *Controller) spec(ctx context.Context, t *Task) (TaskSpec, error) {
	def := c.definition(t.TaskDefinition)
	if def == nil {
		return TaskSpec{}, fmt.Errorf("task definition %s is gone: it was deleted", t.TaskDefinition)
	}
	containers, err := overridden(def.ContainerDefinitions, t.Overrides)
	if err == nil {
		containers, err = c.withEnvironment(ctx, containers)
	}
	if err != nil {
		return TaskSpec{}, err
	}
	return TaskSpec{
		ARN: t.ARN, ID: t.ID, Cluster: t.Cluster, Family: def.Family, Revision: revisionOf(t.TaskDefinition),
		Service: strings.TrimPrefix(t.Group, "service:"), NetworkMode: def.NetworkMode,
		Interface: c.engineInterface(t.Interface), Warm: t.Interface.warm(), Ports: t.Ports,
		CPU: number(t.CPU), Memory: number(t.Memory),
		Containers: containers, Volumes: def.Volumes, Platform: platform(def), Images: pinnedImages(t),
		PIDMode: def.PIDMode, IPCMode: def.IPCMode,
		Env: c.environment(t), Injected: c.injected(t, containers), Hosts: c.hosts(),
	}, nil
}

// platform is what Docker calls a definition's runtimePlatform (ECS-444).
func platform(def *taskdefs.TaskDefinition) string {
	if def.RuntimePlatform == nil {
		return ""
	}
	return map[string]string{"ARM64": "linux/arm64", "X86_64": "linux/amd64"}[def.RuntimePlatform.CPUArchitecture]
}

// environment is what every container gets (ECS-220).
func (c *Controller) environment(t *Task) map[string]string {
	execution := "AWS_ECS_FARGATE"
	if t.LaunchType == "EC2" {
		execution = "AWS_ECS_EC2"
	}
	return map[string]string{
		"AWS_EXECUTION_ENV":  execution,
		"AWS_REGION":         c.config.Region,
		"AWS_DEFAULT_REGION": c.config.Region,
	}
}

// injected is what each container gets of its own.
func (c *Controller) injected(t *Task, containers []taskdefs.ContainerDefinition) map[string]map[string]string {
	if c.config.Inject == nil {
		return nil
	}
	env := make(map[string]map[string]string, len(containers))
	for _, def := range containers {
		env[def.Name] = c.config.Inject(*t, def.Name)
	}
	return env
}

func (c *Controller) hosts() map[string]string {
	if c.config.Hosts == nil {
		return nil
	}
	return maps.Clone(c.config.Hosts())
}

func (c *Controller) eachTarget(ctx context.Context, t *Task, do func(context.Context, string, []alb.Target) error) error {
	var errs []error
	for _, k := range targetKeys(t) {
		target := alb.Target{ID: k.ID, Port: k.Port, AvailabilityZone: t.zone(), Task: t.ARN}
		errs = append(errs, do(ctx, k.TargetGroup, []alb.Target{target}))
	}
	return errors.Join(errs...)
}

// deregister takes no offence at a target, or a target group, that is gone already.
func (c *Controller) deregister(ctx context.Context, group string, targets []alb.Target) error {
	err := c.balancer.DeregisterTargets(ctx, group, targets)
	if alb.IsCode(err, "TargetGroupNotFound") || alb.IsCode(err, "InvalidTarget") {
		return nil
	}
	return err
}

var _ Definitions = (*taskdefs.Catalogue)(nil)
