package docker

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"drydock/orchestrator"
)

// TestNote_ExitIsKnownFromItsEvent checks what is known of a container without inspecting it,
// event by event, while Docker's list says that it runs.
func TestNote_ExitIsKnownFromItsEvent(t *testing.T) {
	e := unconnected(t, "1.41")
	began := time.Unix(1000, 0)
	running := container.Summary{ID: "c", State: container.StateRunning, Labels: map[string]string{}}
	inspected := func(at time.Time) {
		e.seen.put("c", container.StateRunning, orchestrator.ContainerObservation{RuntimeID: "c", Status: orchestrator.ContainerRunning, StartedAt: at})
	}
	event := func(action events.Action, after time.Duration, code string) {
		m := events.Message{Action: action, TimeNano: began.Add(after).UnixNano()}
		m.Actor.ID, m.Actor.Attributes = "c", map[string]string{"exitCode": code}
		e.note(m)
	}

	inspected(began)
	event(events.ActionDie, time.Second, "3")
	o, ok := e.known(running)
	if !ok || o.Status != orchestrator.ContainerStopped || o.ExitCode != 3 || o.OOMKilled || !o.FinishedAt.Equal(began.Add(time.Second)) {
		t.Errorf("after its exit: %+v, %v; want it stopped with code 3 after a second", o, ok)
	}
	exited := running
	exited.State = container.StateExited
	if _, ok := e.known(exited); ok {
		t.Error("Docker has caught up with the exit: it is not asked what else it knows")
	}

	event(events.ActionStart, 2*time.Second, "")
	if _, ok := e.known(running); ok {
		t.Error("after another start: known without being inspected")
	}
	inspected(began.Add(2 * time.Second))
	if o, ok := e.known(running); !ok || o.Status != orchestrator.ContainerRunning {
		t.Errorf("its next run: %+v, %v; want it running", o, ok)
	}

	event(events.ActionOOM, 3*time.Second, "")
	if o, ok := e.known(running); !ok || o.Status != orchestrator.ContainerRunning {
		t.Errorf("after one of its processes was killed: %+v, %v; want it running", o, ok)
	}
	event(events.ActionDie, 4*time.Second, "137")
	if o, ok := e.known(running); !ok || o.ExitCode != 137 || !o.OOMKilled {
		t.Errorf("after it was killed for its memory: %+v, %v", o, ok)
	}
}

// TestNote_OutOfMemoryAfterTheExit: the kernel's two messages come on two ways.
func TestNote_OutOfMemoryAfterTheExit(t *testing.T) {
	e := unconnected(t, "1.41")
	exited := container.Summary{ID: "c", State: container.StateExited, Labels: map[string]string{}}
	e.seen.put("c", container.StateExited, orchestrator.ContainerObservation{RuntimeID: "c", Status: orchestrator.ContainerStopped, ExitCode: 137})
	if o, ok := e.known(exited); !ok || o.OOMKilled {
		t.Errorf("before: %+v, %v", o, ok)
	}
	m := events.Message{Action: events.ActionOOM}
	m.Actor.ID = "c"
	e.note(m)
	if o, ok := e.known(exited); !ok || !o.OOMKilled {
		t.Errorf("after: %+v, %v", o, ok)
	}
}

// TestNote_ExitOfAnEarlierRun checks that what is inspected after a restart counts.
func TestNote_ExitOfAnEarlierRun(t *testing.T) {
	e := unconnected(t, "1.41")
	e.seen.died("c", 1, time.Unix(1000, 0))
	e.seen.put("c", container.StateRunning, orchestrator.ContainerObservation{Status: orchestrator.ContainerRunning, StartedAt: time.Unix(1001, 0)})
	if o, ok := e.known(container.Summary{ID: "c", State: container.StateRunning}); !ok || o.Status != orchestrator.ContainerRunning {
		t.Errorf("%+v, %v; want it running", o, ok)
	}
	e.seen.keep(nil)
	if n := len(e.seen.exits) + len(e.seen.entries); n != 0 {
		t.Errorf("%d entries are kept for a container that is gone", n)
	}
}
