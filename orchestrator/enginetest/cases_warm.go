package enginetest

import (
	"context"
	"fmt"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// warmed makes a namespace for a task that does not run yet, and has the task join it.
func (tr *trial) warmed(s *orchestrator.TaskSpec) orchestrator.Warmer {
	tr.Helper()
	w, ok := tr.Engine.(orchestrator.Warmer)
	if !ok {
		tr.Skip("the engine keeps no namespaces ready")
	}
	s.Warm = fmt.Sprintf("%016x", serial.Add(1))
	tr.Cleanup(func() { w.Cool(context.Background(), s.Warm) })
	tr.warm(w, *s)
	return w
}

func (tr *trial) warm(w orchestrator.Warmer, s orchestrator.TaskSpec) {
	tr.Helper()
	if err := w.Warm(tr.Context(), orchestrator.WarmSpec{ID: s.Warm, Interface: s.Interface}); err != nil {
		tr.Fatalf("Warm: %v", err)
	}
}

// ready reports whether a namespace is there, and whether it can be joined.
func (tr *trial) ready(w orchestrator.Warmer, id string) (there, ready bool) {
	tr.Helper()
	list, err := w.ListWarm(tr.Context())
	if err != nil {
		tr.Fatalf("ListWarm: %v", err)
	}
	for _, o := range list {
		if o.ID == id {
			return true, o.Ready
		}
	}
	return false, false
}

func warmIsNoTask(tr *trial) {
	s := tr.spec(Graceful)
	w := tr.warmed(&s)
	tr.warm(w, s) // a second call changes nothing
	if _, ready := tr.ready(w, s.Warm); !ready {
		tr.Errorf("namespace %s is not ready", s.Warm)
	}
	list, err := tr.Engine.List(tr.Context())
	for _, o := range list {
		if o.Task == "" || o.Address == s.Interface.Address {
			tr.Errorf("listed as a task: %+v", o)
		}
	}
	if err != nil {
		tr.Errorf("List: %v", err)
	}
	if there, _ := tr.ready(tr.Other().(orchestrator.Warmer), s.Warm); there {
		tr.Error("another instance lists it")
	}
}

func warmIsJoined(tr *trial) {
	for _, names := range [][]string{{Graceful}, {Graceful, Default}} {
		s := tr.spec(names...)
		s.Containers[0].PortMappings = []taskdefs.PortMapping{{ContainerPort: 80, HostPort: 80, Protocol: "tcp"}}
		w := tr.warmed(&s)
		tr.run(s)
		before := tr.container(s, Graceful)
		tr.run(s)
		tr.same(before, tr.container(s, Graceful))
		o, _ := tr.observe(tr.Engine, s.ARN)
		if len(o.Containers) != len(names) || o.Address != s.Interface.Address {
			tr.Errorf("observed %+v, want %d containers at %s", o, len(names), s.Interface.Address)
		}
		tr.stop(s)
		if c := tr.container(s, Graceful); c.ExitCode != 0 {
			tr.Errorf("after Stop: %+v", c)
		}
		tr.remove(s)
		if there, _ := tr.ready(w, s.Warm); !there {
			tr.Error("Remove took the namespace too: it is its owner's to remove")
		}
		tr.cool(w, s.Warm)
	}
}

func (tr *trial) cool(w orchestrator.Warmer, id string) {
	tr.Helper()
	for range 2 {
		if err := w.Cool(tr.Context(), id); err != nil {
			tr.Fatalf("Cool: %v", err)
		}
	}
	if there, _ := tr.ready(w, id); there {
		tr.Error("it is still there after Cool")
	}
}

// A namespace that is gone when its task starts must not keep the task from starting.
func warmIsGone(tr *trial) {
	s := tr.spec(Graceful)
	w := tr.warmed(&s)
	tr.cool(w, s.Warm)
	tr.run(s)
	if c := tr.container(s, Graceful); c.Status != orchestrator.ContainerRunning {
		tr.Errorf("container %+v, want running", c)
	}
}

func warmIsAdopted(tr *trial) {
	s := tr.spec(Graceful)
	tr.warmed(&s)
	again := tr.Again()
	if _, ready := tr.ready(again.(orchestrator.Warmer), s.Warm); !ready {
		tr.Error("a new engine does not see it")
	}
	if err := again.Run(tr.Context(), s); err != nil {
		tr.Fatalf("Run: %v", err)
	}
	other := tr.Other().(orchestrator.Warmer)
	if err := other.Cool(tr.Context(), s.Warm); err != nil {
		tr.Errorf("another instance's Cool: %v", err)
	}
	if _, ready := tr.ready(tr.Engine.(orchestrator.Warmer), s.Warm); !ready {
		tr.Error("another instance's Cool removed it")
	}
}
