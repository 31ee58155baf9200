package docker

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"drydock/orchestrator"
)

// index knows which containers are ours, as Docker's lists and events and our own calls have told,
// and what of them may have changed. It only says where to look: what is there is what Docker lists.
type index struct {
	mu      sync.Mutex
	members map[string]member // by container id
	lists   int               // how many were begun
	all     bool              // anything may have changed
	tasks   map[string]bool   // that may have changed, by ARN
	spaces  map[string]bool   // namespaces that may have changed, by id
	ready   func(container.Summary) bool
}

// member is a container.
type member struct {
	task  string // ARN; empty: a namespace that is no task's
	warm  string // id of a namespace that was made before its task
	owner string // id of the container whose namespace it has joined
	ready bool   // whether its namespace can be joined, as far as it is known
	since int    // the list that was begun last when it became known
}

func (x *index) init(ready func(container.Summary) bool) {
	x.ready = ready
	x.members, x.tasks, x.spaces = map[string]member{}, map[string]bool{}, map[string]bool{}
	x.all = true
}

// add takes in a container that was created.
func (x *index) add(id string, labels map[string]string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.know(id, labels)
}

func (x *index) know(id string, labels map[string]string) member {
	m, known := x.members[id]
	if !known {
		m = member{task: labels[labelTask], warm: labels[labelWarm], since: x.lists}
		x.members[id] = m
	}
	return m
}

// note takes in an event.
func (x *index) note(e events.Message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id := e.Actor.ID
	m := x.know(id, e.Actor.Attributes)
	switch e.Action {
	case events.ActionStart:
		m.ready = true
	case events.ActionDie:
		m.ready = false
	}
	x.set(id, m)
	if e.Action == events.ActionDestroy {
		delete(x.members, id)
	}
}

// disconnected takes in that a container was taken off a network, and reports whether it is ours.
func (x *index) disconnected(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	m, known := x.members[id]
	if known {
		m.ready = false
		x.set(id, m)
	}
	return known
}

// set notes that a container has changed, and with it those that have joined its namespace.
func (x *index) set(id string, m member) {
	x.members[id] = m
	x.mark(m)
	for _, other := range x.members {
		if other.owner == id {
			x.mark(other)
		}
	}
}

func (x *index) mark(m member) {
	if m.task != "" {
		x.tasks[m.task] = true
	}
	if m.warm != "" {
		x.spaces[m.warm] = true
	}
}

// lost forgets what may have changed: it is not known.
func (x *index) lost() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = true
	for id, m := range x.members {
		m.ready = false
		x.members[id] = m
	}
}

// take returns what may have changed since it was called last.
func (x *index) take() orchestrator.Change {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := orchestrator.Change{All: x.all, Tasks: slices.Sorted(maps.Keys(x.tasks)), Namespaces: slices.Sorted(maps.Keys(x.spaces))}
	x.all = false
	clear(x.tasks)
	clear(x.spaces)
	return c
}

// begin begins a list of everything and returns its number.
func (x *index) begin() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lists++
	return x.lists
}

// end takes in a list of everything: what is not in it is gone, unless it became known since it began.
func (x *index) end(list int, all []container.Summary) {
	x.see(all)
	there := make(map[string]bool, len(all))
	for _, s := range all {
		there[s.ID] = true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.members, func(id string, m member) bool { return !there[id] && m.since < list })
}

// see takes in what Docker has listed.
func (x *index) see(some []container.Summary) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range some {
		m := x.know(s.ID, s.Labels)
		m.owner, _ = owner(s)
		m.ready = x.ready(s)
		x.members[s.ID] = m
	}
}

// owner returns the id of the container whose namespace a container has joined, if it has.
func owner(s container.Summary) (string, bool) {
	return strings.CutPrefix(s.HostConfig.NetworkMode, "container:")
}

// of returns the ids of the containers of some tasks and namespaces, and of those whose namespaces
// the tasks have joined.
func (x *index) of(what orchestrator.Change) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	ids := map[string]bool{}
	for id, m := range x.members {
		if m.task != "" && slices.Contains(what.Tasks, m.task) {
			ids[id] = true
			if m.owner != "" {
				ids[m.owner] = true
			}
		}
		if m.warm != "" && slices.Contains(what.Namespaces, m.warm) {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// namespace returns the container that holds a warm namespace, if that is known to be ready.
func (x *index) namespace(warm string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, m := range x.members {
		if m.warm == warm && m.ready {
			return id
		}
	}
	return ""
}

// unready notes that a container's namespace was found not to be ready.
func (x *index) unready(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m, known := x.members[id]; known {
		m.ready = false
		x.members[id] = m
	}
}
