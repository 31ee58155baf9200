package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// defaultStopTimeout is what a container gets that sets no stopTimeout (ECS-203).
const defaultStopTimeout = 30 * time.Second

// Fake is an [orchestrator.Engine] in memory.
type Fake struct {
	machine  *machine
	instance string
	changed  orchestrator.Change // since Changed was called last; machine.mu guards it
	calls    map[string]int      // by method; machine.mu guards it
}

var (
	_ orchestrator.Engine    = (*Fake)(nil)
	_ orchestrator.Machine   = (*Fake)(nil)
	_ orchestrator.Restarter = (*Fake)(nil)
	_ orchestrator.Observer  = (*Fake)(nil)
)

// NewFake returns an engine with a machine of its own.
func NewFake(hooks Hooks) *Fake {
	return newFake(newMachine(hooks), "00000000")
}

func newFake(m *machine, instance string) *Fake {
	f := &Fake{machine: m, instance: instance, changed: orchestrator.Change{All: true}, calls: map[string]int{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.engines[f] = true
	return f
}

// Again returns another engine value for an instance on f's machine: the same instance's is what
// drydock has after its restart, another's is a second drydock on the same Docker.
func (f *Fake) Again(instance string) *Fake {
	return newFake(f.machine, instance)
}

// Instance is the instance that f works for.
func (f *Fake) Instance() string { return f.instance }

// Script sets how containers behave that are started from now on. The name is a container's
// name or an image; the container's name wins.
func (f *Fake) Script(name string, s Script) {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	f.machine.scripts[name] = s
}

// Run implements [orchestrator.Engine].
func (f *Fake) Run(ctx context.Context, spec orchestrator.TaskSpec) error {
	f.called("Run")
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	tried := map[string]chan struct{}{}
	for _, def := range spec.Containers {
		tried[def.Name] = make(chan struct{})
	}
	var all sync.WaitGroup
	for _, def := range spec.Containers {
		all.Go(func() {
			defer close(tried[def.Name])
			err := f.awaitAll(waiting, spec, def, tried)
			if err == nil {
				err = f.bringUp(ctx, spec, def)
			}
			if err != nil {
				giveUp(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(waiting); err != nil {
		return fmt.Errorf("run task %s: %w", spec.ARN, err)
	}
	return nil
}

// awaitAll waits for all that a container's start depends on.
func (f *Fake) awaitAll(ctx context.Context, spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition, tried map[string]chan struct{}) error {
	for _, dep := range orchestrator.Orderings(def) {
		select {
		case <-tried[dep.ContainerName]:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := f.await(ctx, spec, def.Name, dep); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fake) bringUp(ctx context.Context, spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) error {
	script := f.machine.script(def)
	if err := f.machine.pull(ctx, def, script); err != nil {
		return err
	}
	return f.start(ctx, f.machine.create(f.instance, spec, def), script)
}

// start starts a created container once; a container that has run is left as it is.
func (f *Fake) start(ctx context.Context, c *container, script Script) error {
	m := f.machine
	m.mu.Lock()
	mine := c.obs.Status == orchestrator.ContainerCreated && !c.starting
	c.starting = c.starting || mine
	m.mu.Unlock()
	if !mine {
		return m.wait(ctx, func() bool { return !c.starting })
	}
	err := sleep(ctx, script.Start)
	if err == nil && script.Fail != nil {
		err = startError(c.def.Name, script.Fail)
	}
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		c.starting = false
		if script.Fail != nil {
			c.obs.Error = script.Fail.Err.Error()
		}
		m.change(c.task)
		return err
	}
	if m.gone(c) {
		return fmt.Errorf("start container %s: removed meanwhile", c.def.Name)
	}
	c.script = script
	if m.hooks.Start != nil {
		m.hooks.Start(m.process(c))
	}
	m.run(c)
	return nil
}

// await waits until a dependency's condition holds (ECS-204).
func (f *Fake) await(ctx context.Context, spec orchestrator.TaskSpec, name string, dep taskdefs.ContainerDependency) error {
	m := f.machine
	m.mu.Lock()
	var c *container
	if t := m.tasks[f.instance+spec.ARN]; t != nil {
		c = t.find(dep.ContainerName)
	}
	m.mu.Unlock()
	if c == nil {
		return dependencyError(name, dep, errors.New("it has not been started"))
	}
	timed, cancel := context.WithCancel(ctx)
	timeout := time.Duration(c.def.StartTimeout) * time.Second
	if timeout > 0 { // ECS-205
		timed, cancel = context.WithDeadline(ctx, c.obs.StartedAt.Add(timeout))
	}
	defer cancel()
	var never error
	err := m.wait(timed, func() bool {
		var ok bool
		ok, never = satisfied(c.obs, dep.Condition)
		return ok || never != nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return dependencyError(name, dep, fmt.Errorf("timed out after %s", timeout))
	case never != nil:
		return dependencyError(name, dep, never)
	}
	return nil
}

func satisfied(obs orchestrator.ContainerObservation, condition string) (bool, error) {
	stopped := obs.Status == orchestrator.ContainerStopped
	switch condition {
	case "COMPLETE":
		return stopped, nil
	case "SUCCESS":
		if stopped && obs.ExitCode != 0 {
			return false, fmt.Errorf("it exited with code %d", obs.ExitCode)
		}
		return stopped, nil
	case "HEALTHY":
		if stopped {
			return false, errors.New("it stopped")
		}
		return obs.Health == "HEALTHY", nil
	}
	return condition == "CREATE" || obs.Status != orchestrator.ContainerCreated, nil
}

func dependencyError(name string, dep taskdefs.ContainerDependency, err error) error {
	return &orchestrator.StartError{
		Container: name,
		Name:      "CannotStartContainerError",
		Err:       fmt.Errorf("dependency %s (%s): %w", dep.ContainerName, dep.Condition, err),
	}
}

// Stop implements [orchestrator.Engine].
func (f *Fake) Stop(ctx context.Context, arn string) error {
	m := f.machine
	m.mu.Lock()
	t := m.tasks[f.instance+arn]
	m.mu.Unlock()
	if t == nil {
		return nil
	}
	for {
		m.mu.Lock()
		ready, running, changed := t.stoppable(), t.running(), m.changed
		m.mu.Unlock()
		if !running {
			return nil
		}
		for _, c := range ready {
			f.terminate(c)
		}
		if len(ready) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("stop task %s: %w", arn, ctx.Err())
		}
	}
}

// stoppable claims the running containers that no running container depends on.
func (t *task) stoppable() []*container {
	var ready []*container
	for _, c := range t.containers {
		if c.obs.Status == orchestrator.ContainerRunning && !c.signalled && !t.needed(c) {
			c.signalled = true
			ready = append(ready, c)
		}
	}
	return ready
}

// needed reports whether a running container depends on c.
func (t *task) needed(c *container) bool {
	for _, other := range t.containers {
		for _, dep := range orchestrator.Orderings(other.def) {
			if dep.ContainerName == c.def.Name && other.obs.Status == orchestrator.ContainerRunning {
				return true
			}
		}
	}
	return false
}

func (t *task) running() bool {
	return slices.ContainsFunc(t.containers, func(c *container) bool {
		return c.obs.Status == orchestrator.ContainerRunning
	})
}

// terminate sends the stop signal and sets the deadline of the kill.
func (f *Fake) terminate(c *container) {
	m := f.machine
	timeout := defaultStopTimeout
	if c.def.StopTimeout > 0 {
		timeout = time.Duration(c.def.StopTimeout) * time.Second
	}
	m.mu.Lock()
	c.after(timeout, func() { m.exit(c, 137, false) })
	m.mu.Unlock()
	m.signal(c, "SIGTERM")
	switch {
	case c.script.IgnoreSIGTERM:
	case c.script.StopAfter > 0:
		m.mu.Lock()
		c.after(c.script.StopAfter, func() { m.exit(c, c.script.StopCode, false) })
		m.mu.Unlock()
	default:
		m.exit(c, c.script.StopCode, false)
	}
}

// Restart implements [orchestrator.Restarter].
func (f *Fake) Restart(ctx context.Context, arn, name string, run time.Time) error {
	m := f.machine
	m.mu.Lock()
	t := m.tasks[f.instance+arn]
	if t == nil || t.find(name) == nil {
		m.mu.Unlock()
		return startError(name, &orchestrator.StartError{Name: "CannotStartContainerError", Err: errors.New("no such container")})
	}
	c := t.find(name)
	mine := c.obs.Status == orchestrator.ContainerStopped && c.obs.StartedAt.Equal(run) && !c.starting
	c.starting = c.starting || mine
	m.mu.Unlock()
	if !mine {
		return m.wait(ctx, func() bool { return !c.starting })
	}
	return f.startAgain(ctx, c, m.script(c.def))
}

// startAgain gives a stopped container another run.
func (f *Fake) startAgain(ctx context.Context, c *container, script Script) error {
	m := f.machine
	err := sleep(ctx, script.Start)
	if err == nil && script.Fail != nil {
		err = startError(c.def.Name, script.Fail)
	}
	if err == nil && m.gone(c) {
		err = startError(c.def.Name, &orchestrator.StartError{Name: "CannotStartContainerError", Err: errors.New("removed meanwhile")})
	}
	m.mu.Lock()
	if err != nil {
		c.starting = false
		m.mu.Unlock()
		return err
	}
	c.obs.ExitCode, c.obs.OOMKilled, c.obs.Health, c.obs.FinishedAt = 0, false, "UNKNOWN", time.Time{}
	c.exiting, c.signalled, c.script = false, false, script
	m.mu.Unlock()
	if m.hooks.Start != nil {
		m.hooks.Start(m.process(c))
	}
	m.run(c)
	return nil
}

// CPU implements [orchestrator.Machine]: what [Fake.SetCPU] has set, else unknown.
func (f *Fake) CPU() int64 {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	return f.machine.cpu
}

// Remove implements [orchestrator.Engine]. Running containers are killed.
func (f *Fake) Remove(_ context.Context, arn string) error {
	m := f.machine
	m.mu.Lock()
	t := m.tasks[f.instance+arn]
	delete(m.tasks, f.instance+arn)
	m.mu.Unlock()
	if t == nil {
		return nil
	}
	for _, c := range t.containers {
		m.exit(c, 137, false)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change(t)
	return nil
}

// Purge removes everything of the instance.
func (f *Fake) Purge(ctx context.Context) error {
	tasks, err := f.List(ctx)
	for _, t := range tasks {
		err = errors.Join(err, f.Remove(ctx, t.Task))
	}
	namespaces, listErr := f.ListWarm(ctx)
	for _, n := range namespaces {
		listErr = errors.Join(listErr, f.Cool(ctx, n.ID))
	}
	return errors.Join(err, listErr)
}

// List implements [orchestrator.Engine]. It is sorted by ARN.
func (f *Fake) List(context.Context) ([]orchestrator.TaskObservation, error) {
	f.called("List")
	m := f.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []orchestrator.TaskObservation
	for _, t := range m.tasks {
		if t.instance == f.instance && t.present() {
			list = append(list, t.observe())
		}
	}
	slices.SortFunc(list, func(a, b orchestrator.TaskObservation) int { return cmp.Compare(a.Task, b.Task) })
	return list, nil
}

// Changed implements [orchestrator.Observer].
func (f *Fake) Changed() orchestrator.Change {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	changed := f.changed
	f.changed = orchestrator.Change{}
	return changed
}

// Observe implements [orchestrator.Observer].
func (f *Fake) Observe(_ context.Context, what orchestrator.Change) (tasks []orchestrator.TaskObservation, namespaces []orchestrator.WarmObservation, err error) {
	f.called("Observe")
	m := f.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, arn := range what.Tasks {
		if t := m.tasks[f.instance+arn]; t != nil && t.present() {
			tasks = append(tasks, t.observe())
		}
	}
	for _, id := range what.Namespaces {
		if n := m.namespaces[f.instance+id]; n != nil {
			namespaces = append(namespaces, n.observe())
		}
	}
	return tasks, namespaces, nil
}

// present reports whether there is anything to be seen of a task.
func (t *task) present() bool { return len(t.containers) > 0 }

func (t *task) observe() orchestrator.TaskObservation {
	obs := orchestrator.TaskObservation{Task: t.spec.ARN, Address: t.spec.Interface.Address, Disconnected: t.disconnected && t.running()}
	for _, c := range t.containers {
		obs.Containers = append(obs.Containers, c.obs)
	}
	return obs
}

// Changes implements [orchestrator.Engine].
func (f *Fake) Changes(ctx context.Context) (<-chan struct{}, error) {
	m := f.machine
	ch := make(chan struct{}, 1)
	m.mu.Lock()
	m.watchers[ch] = f.instance
	poke(ch)
	m.mu.Unlock()
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, ch)
		close(ch)
	})
	return ch, nil
}
