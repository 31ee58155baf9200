package docker

import (
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
)

// cache keeps what inspecting a container said, for as long as its state is the same, and what
// Docker's events have told since.
type cache struct {
	mu      sync.Mutex
	entries map[string]entry // by container id
	exits   map[string]exit  // by container id
}

type entry struct {
	state container.ContainerState
	obs   orchestrator.ContainerObservation
}

// exit is what events tell of a run's end.
type exit struct {
	at   time.Time // zero: it goes on, but memory has run out
	code int
	oom  bool
}

func (c *cache) get(s container.Summary) (orchestrator.ContainerObservation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A created container may get an error without changing its state.
	found, ok := c.entries[s.ID]
	if !ok || found.state != s.State || s.State == container.StateCreated {
		return found.obs, false
	}
	x := c.exits[s.ID]
	if found.obs.Status == orchestrator.ContainerStopped && x.oom && found.obs.ExitCode == 137 {
		found.obs.OOMKilled = true // the event came after the exit: Docker itself forgets it
	}
	if s.State == container.StateRunning && x.at.After(found.obs.StartedAt) {
		found.obs.Status, found.obs.Paused = orchestrator.ContainerStopped, false
		found.obs.FinishedAt, found.obs.ExitCode, found.obs.OOMKilled = x.at, x.code, x.oom
	}
	return found.obs, true
}

func (c *cache) put(id string, state container.ContainerState, obs orchestrator.ContainerObservation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]entry{}
	}
	c.entries[id] = entry{state, obs}
}

// died notes the end of a container's run.
func (c *cache) died(id string, code int, at time.Time) {
	c.setExit(id, func(x *exit) { x.code, x.at = code, at })
}

// outOfMemory notes that the kernel has killed in a container, for its memory.
func (c *cache) outOfMemory(id string) {
	c.setExit(id, func(x *exit) { x.oom = true })
}

func (c *cache) setExit(id string, set func(*exit)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exits == nil {
		c.exits = map[string]exit{}
	}
	x := c.exits[id]
	set(&x)
	c.exits[id] = x
}

// forget drops an entry: its container was restarted behind our back, perhaps.
func (c *cache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, id)
	delete(c.exits, id)
}

// keep drops what is no longer there.
func (c *cache) keep(present []container.Summary) {
	ids := map[string]bool{}
	for _, s := range present {
		ids[s.ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.entries {
		if !ids[id] {
			delete(c.entries, id)
		}
	}
	for id := range c.exits {
		if !ids[id] {
			delete(c.exits, id)
		}
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	clear(c.exits)
}
