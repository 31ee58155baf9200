package enginetest

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"drydock/orchestrator"
)

// sights is what someone knows of an engine who looks at what has changed only, as the scheduler
// does: at all of it once.
type sights struct {
	*trial
	engine     orchestrator.Observer
	changes    <-chan struct{}
	tasks      map[string]orchestrator.TaskObservation
	namespaces map[string]orchestrator.WarmObservation
	all        int // how often it was all of it
}

func (tr *trial) sights() *sights {
	tr.Helper()
	o, ok := tr.Engine.(orchestrator.Observer)
	if !ok {
		tr.Skip("the engine cannot observe single tasks")
	}
	changes, err := tr.Engine.Changes(tr.Context())
	if err != nil {
		tr.Fatalf("Changes: %v", err)
	}
	s := &sights{trial: tr, engine: o, changes: changes}
	for s.all == 0 { // it knows nothing yet
		tr.changed(changes)
		s.look()
	}
	return s
}

func (s *sights) look() {
	s.Helper()
	what := s.engine.Changed()
	if what.All {
		s.all++
		s.tasks, s.namespaces = s.everything()
		return
	}
	tasks, namespaces, err := s.engine.Observe(s.Context(), what)
	if err != nil {
		s.Fatalf("Observe: %v", err)
	}
	for _, arn := range what.Tasks {
		delete(s.tasks, arn)
	}
	for _, id := range what.Namespaces {
		delete(s.namespaces, id)
	}
	for _, t := range tasks {
		s.tasks[t.Task] = t
	}
	for _, n := range namespaces {
		s.namespaces[n.ID] = n
	}
}

func (s *sights) everything() (map[string]orchestrator.TaskObservation, map[string]orchestrator.WarmObservation) {
	s.Helper()
	tasks, namespaces := map[string]orchestrator.TaskObservation{}, map[string]orchestrator.WarmObservation{}
	list, err := s.Engine.List(s.Context())
	if err != nil {
		s.Fatalf("List: %v", err)
	}
	for _, t := range list {
		tasks[t.Task] = t
	}
	if w, ok := s.Engine.(orchestrator.Warmer); ok {
		list, err := w.ListWarm(s.Context())
		if err != nil {
			s.Fatalf("ListWarm: %v", err)
		}
		for _, n := range list {
			namespaces[n.ID] = n
		}
	}
	return tasks, namespaces
}

// until looks whenever something has changed, until it is as wanted; then it has to be what
// looking at everything shows, and nothing but the first look was at everything.
func (s *sights) until(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); s.look() {
		if time.Now().After(deadline) {
			s.Fatalf("%s: not seen in %+v, %+v", what, s.tasks, s.namespaces)
		}
		s.changed(s.changes)
	}
	tasks, namespaces := s.everything()
	if !reflect.DeepEqual(s.tasks, tasks) || !maps.Equal(s.namespaces, namespaces) {
		s.Errorf("%s: seen %+v, %+v; there is %+v, %+v", what, s.tasks, s.namespaces, tasks, namespaces)
	}
	if s.all > 1 {
		s.Errorf("%s: %d looks at everything, want the first only", what, s.all)
	}
}

// containers reports whether a task's containers all are in a status; false if there is none.
func (s *sights) containers(task orchestrator.TaskSpec, status orchestrator.ContainerStatus) func() bool {
	return func() bool {
		seen := s.tasks[task.ARN].Containers
		return len(seen) == len(task.Containers) && !slices.ContainsFunc(seen, func(c orchestrator.ContainerObservation) bool { return c.Status != status })
	}
}

// startOf returns when a container's run began, as it is seen.
func (s *sights) startOf(task orchestrator.TaskSpec, name string) time.Time {
	for _, c := range s.tasks[task.ARN].Containers {
		if c.Name == name {
			return c.StartedAt
		}
	}
	return time.Time{}
}

func (s *sights) gone(task orchestrator.TaskSpec) func() bool {
	return func() bool { _, there := s.tasks[task.ARN]; return !there }
}

func changeIsObserved(tr *trial) {
	other := tr.spec(Graceful)
	tr.run(other)
	s := tr.sights()
	task := tr.spec(Graceful, Default)
	tr.run(task)
	s.until("Run", s.containers(task, orchestrator.ContainerRunning))
	tr.stop(task)
	s.until("Stop", s.containers(task, orchestrator.ContainerStopped))
	tr.remove(task)
	s.until("Remove", s.gone(task))
	if !s.containers(other, orchestrator.ContainerRunning)() {
		tr.Errorf("the other task is seen as %+v", s.tasks[other.ARN])
	}
}

func changeOutside(tr *trial) {
	if tr.Outside == nil {
		tr.Skip("nobody else is there")
	}
	s := tr.sights()
	task := tr.spec(Graceful, Default)
	tr.run(task)
	s.until("Run", s.containers(task, orchestrator.ContainerRunning))
	tr.Outside.Pause(task.ARN, Graceful)
	s.until("Pause", func() bool { return slices.ContainsFunc(s.tasks[task.ARN].Containers, paused) })
	tr.Outside.Unpause(task.ARN, Graceful)
	s.until("Unpause", func() bool { return !slices.ContainsFunc(s.tasks[task.ARN].Containers, paused) })
	first := s.startOf(task, Graceful)
	time.Sleep(10 * time.Millisecond) // so that its next run begins later, in a bubble too
	tr.Outside.Bounce(task.ARN, Graceful)
	s.until("Bounce", func() bool {
		return s.containers(task, orchestrator.ContainerRunning)() && s.startOf(task, Graceful).After(first)
	})
	tr.Outside.Vanish(task.ARN, Graceful)
	s.until("Vanish", func() bool { return len(s.tasks[task.ARN].Containers) == 1 })
	tr.Outside.Disconnect(task.ARN)
	s.until("Disconnect", func() bool { return s.tasks[task.ARN].Disconnected })
}

func paused(c orchestrator.ContainerObservation) bool { return c.Paused }

func warmIsObserved(tr *trial) {
	s := tr.sights()
	task := tr.spec(Graceful)
	w := tr.warmed(&task)
	s.until("Warm", func() bool { return s.namespaces[task.Warm].Ready })
	tr.run(task)
	s.until("Run", s.containers(task, orchestrator.ContainerRunning))
	if s.tasks[task.ARN].Disconnected {
		tr.Error("the task is seen as cut off from its network")
	}
	tr.remove(task)
	tr.cool(w, task.Warm)
	s.until("Cool", func() bool { _, there := s.namespaces[task.Warm]; return !there && s.gone(task)() })
}
