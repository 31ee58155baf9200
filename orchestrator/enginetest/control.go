package enginetest

import (
	"context"
	"maps"
	"slices"

	"drydock/orchestrator"
)

// What happens to containers behind the engine's back. An empty container name means the
// task's first one; unknown tasks and containers are a test's mistake and panic.

// Crash makes a container exit by itself.
func (f *Fake) Crash(task, name string, code int) {
	f.machine.exit(f.find(task, name), code, false)
}

// OOM kills a container as the kernel does when it exceeds its memory.
func (f *Fake) OOM(task, name string) {
	f.machine.exit(f.find(task, name), 137, true)
}

// OOMAfterAll has the engine learn why a container has exited after it has seen the exit.
func (f *Fake) OOMAfterAll(task, name string) {
	c := f.find(task, name)
	f.machine.mu.Lock()
	c.obs.OOMKilled = true
	f.machine.change(c.task)
	f.machine.mu.Unlock()
}

// Pause freezes a container: its hook gets SIGSTOP.
func (f *Fake) Pause(task, name string) { f.setPaused(task, name, true, "SIGSTOP") }

// Unpause resumes a container: its hook gets SIGCONT.
func (f *Fake) Unpause(task, name string) { f.setPaused(task, name, false, "SIGCONT") }

func (f *Fake) setPaused(task, name string, paused bool, signal string) {
	c := f.find(task, name)
	f.machine.mu.Lock()
	changed := c.obs.Status == orchestrator.ContainerRunning && c.obs.Paused != paused
	if changed {
		c.obs.Paused = paused
		f.machine.change(c.task)
	}
	f.machine.mu.Unlock()
	if changed {
		f.machine.signal(c, signal)
	}
}

// SetHealth sets a running container's health: HEALTHY, UNHEALTHY or UNKNOWN.
func (f *Fake) SetHealth(task, name, health string) {
	f.machine.setHealth(f.find(task, name), health)
}

// Vanish removes a container as `docker rm -f` does.
func (f *Fake) Vanish(task, name string) {
	c := f.find(task, name)
	f.machine.exit(c, 137, false)
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	c.task.containers = slices.DeleteFunc(c.task.containers, func(x *container) bool { return x == c })
	f.machine.change(c.task)
}

// Bounce restarts a container as `docker restart` does: it exits and runs again before anybody looks.
func (f *Fake) Bounce(task, name string) {
	c := f.find(task, name)
	f.machine.exit(c, 143, false)
	f.machine.mu.Lock()
	run := c.obs.StartedAt
	f.machine.mu.Unlock()
	f.Restart(context.Background(), task, c.def.Name, run)
}

// Disconnect takes a task's network interface away, as `docker network disconnect` does.
func (f *Fake) Disconnect(task string) {
	c := f.find(task, "")
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	c.task.disconnected = true
	f.machine.change(c.task)
}

// Deafen makes who watches the engine miss what changes from now on, or miss nothing again.
func (f *Fake) Deafen(deaf bool) {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	f.machine.deaf = deaf
}

// Calls returns how often Run, List, ListWarm and Observe were called, by name.
func (f *Fake) Calls() map[string]int {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	return maps.Clone(f.calls)
}

func (f *Fake) called(method string) {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	if f.calls != nil { // a process's own is not counted
		f.calls[method]++
	}
}

// SetCPU says how many CPU units the machine has.
func (f *Fake) SetCPU(units int64) {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	f.machine.cpu = units
}

// Retag gives an image's tag to another image, as `docker build` does.
func (f *Fake) Retag(image string) {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	f.machine.retagged[image]++
}

// Specs returns what was asked to run and is not removed, in no particular order.
func (f *Fake) Specs() []orchestrator.TaskSpec {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	var specs []orchestrator.TaskSpec
	for _, t := range f.machine.tasks {
		if t.instance == f.instance {
			specs = append(specs, t.spec)
		}
	}
	return specs
}

func (f *Fake) find(arn, name string) *container {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	t := f.machine.tasks[f.instance+arn]
	if t == nil || len(t.containers) == 0 {
		panic("enginetest: no task " + arn)
	}
	if name == "" {
		return t.containers[0]
	}
	if c := t.find(name); c != nil {
		return c
	}
	panic("enginetest: no container " + name + " in task " + arn)
}
