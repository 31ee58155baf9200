package enginetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// machine is where containers live. Timers drive it (time.AfterFunc), so that it owns no goroutine.
type machine struct {
	hooks Hooks

	mu       sync.Mutex
	scripts  map[string]Script // by container name, else by image
	images   map[string]bool   // pulled
	retagged map[string]int    // how often an image's tag was given to another one
	tasks    map[string]*task  // by instance and ARN
	watchers map[chan struct{}]string
	engines  map[*Fake]bool

	namespaces map[string]*namespace // by instance and id

	changed chan struct{} // closed and replaced at every change
	serial  int
	deaf    bool  // who watches is told nothing
	cpu     int64 // CPU units; 0: nobody knows
}

// task is a task's share of the machine.
type task struct {
	instance   string
	spec       orchestrator.TaskSpec
	containers []*container // created ones, in start order

	disconnected bool
}

// container is one container; machine.mu guards it.
type container struct {
	task   *task
	def    taskdefs.ContainerDefinition
	script Script
	obs    orchestrator.ContainerObservation

	starting, signalled, exiting bool

	timers []*time.Timer
}

func newMachine(hooks Hooks) *machine {
	return &machine{
		hooks:    hooks,
		scripts:  map[string]Script{},
		images:   map[string]bool{},
		retagged: map[string]int{},
		tasks:    map[string]*task{},
		watchers: map[chan struct{}]string{},
		engines:  map[*Fake]bool{},

		namespaces: map[string]*namespace{},

		changed: make(chan struct{}),
	}
}

// script returns how a container behaves: by its name, unless its image cannot be pulled.
func (m *machine) script(def taskdefs.ContainerDefinition) Script {
	m.mu.Lock()
	defer m.mu.Unlock()
	image := m.scripts[def.Image]
	if s, ok := m.scripts[def.Name]; ok && !image.failsPull() {
		return s
	}
	return image
}

// create returns the task's container of that name, made now if it was not there.
func (m *machine) create(instance string, spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) *container {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[instance+spec.ARN]
	if t == nil {
		t = &task{instance: instance, spec: spec}
		m.tasks[instance+spec.ARN] = t
	}
	if c := t.find(def.Name); c != nil {
		return c
	}
	m.serial++
	c := &container{task: t, def: def}
	c.obs = orchestrator.ContainerObservation{
		Name:        def.Name,
		RuntimeID:   digest(fmt.Sprint(instance, spec.ARN, def.Name, m.serial)),
		Image:       def.Image,
		ImageDigest: cmp.Or(spec.Images[def.Name], m.imageID(def.Image)),
		RepoDigest:  cmp.Or(m.scripts[def.Name].RepoDigest, m.scripts[def.Image].RepoDigest),
		Status:      orchestrator.ContainerCreated,
		Health:      "UNKNOWN",
	}
	t.containers = append(t.containers, c)
	m.change(t)
	return c
}

// imageID is what an image's tag means now. m.mu is held.
func (m *machine) imageID(image string) string {
	return "sha256:" + digest(fmt.Sprint(image, m.retagged[image]))
}

func (t *task) find(name string) *container {
	for _, c := range t.containers {
		if c.def.Name == name {
			return c
		}
	}
	return nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// change wakes who waits, and tells who watches the task's instance. m.mu is held.
func (m *machine) change(t *task) {
	for f := range m.engines {
		if f.instance == t.instance && !m.deaf {
			f.changed.Tasks = append(f.changed.Tasks, t.spec.ARN)
		}
	}
	m.poke(t.instance)
}

// changeWarm does the same for a namespace. m.mu is held.
func (m *machine) changeWarm(n *namespace) {
	for f := range m.engines {
		if f.instance == n.instance && !m.deaf {
			f.changed.Namespaces = append(f.changed.Namespaces, n.spec.ID)
		}
	}
	m.poke(n.instance)
}

// poke wakes who waits and pokes who watches an instance. m.mu is held.
func (m *machine) poke(of string) {
	close(m.changed)
	m.changed = make(chan struct{})
	for ch, instance := range m.watchers {
		if instance == of && !m.deaf {
			poke(ch)
		}
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// wait returns when cond, called with m.mu held, is true.
func (m *machine) wait(ctx context.Context, cond func() bool) error {
	for {
		m.mu.Lock()
		ok, changed := cond(), m.changed
		m.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pull makes an image present, which takes the script's time.
func (m *machine) pull(ctx context.Context, c taskdefs.ContainerDefinition, s Script) error {
	m.mu.Lock()
	have := m.images[c.Image]
	m.mu.Unlock()
	if !have {
		if err := sleep(ctx, s.Pull); err != nil {
			return err
		}
	}
	if s.failsPull() {
		return startError(c.Name, s.Fail)
	}
	m.mu.Lock()
	m.images[c.Image] = true
	m.mu.Unlock()
	return nil
}

func (s Script) failsPull() bool {
	return s.Fail != nil && strings.HasPrefix(s.Fail.Name, "CannotPull")
}

func startError(container string, fail *orchestrator.StartError) error {
	return &orchestrator.StartError{Container: container, Name: fail.Name, Err: fail.Err}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run turns a created container into a running one. Callers go through Fake.start.
func (m *machine) run(c *container) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.starting = false
	c.obs.Status = orchestrator.ContainerRunning
	c.obs.StartedAt = time.Now()
	s := c.script
	if s.ExitAfter > 0 {
		c.after(s.ExitAfter, func() { m.exit(c, s.ExitCode, false) })
	}
	if s.OOMAfter > 0 {
		c.after(s.OOMAfter, func() { m.exit(c, 137, true) })
	}
	if c.def.HealthCheck != nil {
		c.after(s.HealthyAfter, func() { m.setHealth(c, "HEALTHY") })
		if s.UnhealthyAfter > 0 {
			c.after(s.UnhealthyAfter, func() { m.setHealth(c, "UNHEALTHY") })
		}
	}
	m.change(c.task)
}

// gone reports whether a container was removed before it had started.
func (m *machine) gone(c *container) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[c.task.instance+c.task.spec.ARN]
	return t != c.task || t.find(c.def.Name) != c
}

// after runs f when the container has lived for another d. m.mu is held.
func (c *container) after(d time.Duration, f func()) {
	c.timers = append(c.timers, time.AfterFunc(d, f))
}

func (m *machine) setHealth(c *container, health string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.obs.Status != orchestrator.ContainerRunning {
		return
	}
	c.obs.Health = health
	m.change(c.task)
}

// exit ends a running container: first its process, then what is seen of it.
func (m *machine) exit(c *container, code int, oom bool) {
	m.mu.Lock()
	if c.obs.Status != orchestrator.ContainerRunning || c.exiting {
		m.mu.Unlock()
		return
	}
	c.exiting = true
	for _, t := range c.timers {
		t.Stop()
	}
	m.mu.Unlock()
	if m.hooks.Exit != nil {
		m.hooks.Exit(m.process(c), code)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.obs.Status = orchestrator.ContainerStopped
	c.obs.FinishedAt = time.Now()
	c.obs.ExitCode = code
	c.obs.OOMKilled = oom
	c.obs.Paused = false
	m.change(c.task)
}

func (m *machine) process(c *container) Process {
	return Process{
		Task: c.task.spec, Container: c.def, RuntimeID: c.obs.RuntimeID,
		fake: &Fake{machine: m, instance: c.task.instance}, c: c,
	}
}

// signal delivers a signal to a running container's hook.
func (m *machine) signal(c *container, signal string) {
	if m.hooks.Signal != nil {
		m.hooks.Signal(m.process(c), signal)
	}
}
