package enginetest

import (
	"errors"
	"time"

	"drydock/orchestrator"
)

func (tr *trial) restarter() orchestrator.Restarter {
	tr.Helper()
	r, ok := tr.Engine.(orchestrator.Restarter)
	if !ok {
		tr.Fatal("the engine cannot restart")
	}
	return r
}

// restartInPlace: a restart is for one run that has ended, however often it is asked for.
func restartInPlace(tr *trial) {
	r := tr.restarter()
	s := tr.spec(Failing)
	tr.run(s)
	first := tr.eventually(s, Failing, stopped)
	for range 2 {
		if err := r.Restart(tr.Context(), s.ARN, Failing, first.StartedAt); err != nil {
			tr.Fatalf("Restart: %v", err)
		}
	}
	second := tr.eventually(s, Failing, stopped)
	if second.RuntimeID != first.RuntimeID || !second.StartedAt.After(first.StartedAt) || second.ExitCode != 3 || second.FinishedAt.Before(second.StartedAt) {
		tr.Errorf("restarted from %+v to %+v, want another run of the same container", first, second)
	}
	// Late, and again: that run has been followed by another.
	if err := r.Restart(tr.Context(), s.ARN, Failing, first.StartedAt); err != nil {
		tr.Fatalf("Restart: %v", err)
	}
	tr.same(second, tr.container(s, Failing))

	up := tr.spec(Graceful)
	tr.run(up)
	before := tr.container(up, Graceful)
	if err := r.Restart(tr.Context(), up.ARN, Graceful, before.StartedAt); err != nil {
		tr.Fatalf("Restart: %v", err)
	}
	tr.same(before, tr.container(up, Graceful))
	// What has been restarted is stopped like anything else.
	tr.stop(up)
	if err := r.Restart(tr.Context(), up.ARN, Graceful, before.StartedAt); err != nil {
		tr.Fatalf("Restart: %v", err)
	}
	if c := tr.container(up, Graceful); c.Status != orchestrator.ContainerRunning || !c.FinishedAt.IsZero() {
		tr.Errorf("restarted: %+v", c)
	}
	tr.stop(up)
	if c := tr.container(up, Graceful); !stopped(c) || c.ExitCode != 0 {
		tr.Errorf("after Stop: %+v", c)
	}
}

func restartRefused(tr *trial) {
	s := tr.spec(Graceful)
	err := tr.restarter().Restart(tr.Context(), s.ARN, Graceful, time.Now())
	var why *orchestrator.StartError
	if !errors.As(err, &why) || why.Container != Graceful || why.Name != "CannotStartContainerError" {
		tr.Errorf("Restart of nothing = %v, want CannotStartContainerError", err)
	}
}

func pausedOutside(tr *trial) {
	s := tr.spec(Graceful)
	tr.run(s)
	before := tr.container(s, Graceful)
	tr.Outside.Pause(s.ARN, Graceful)
	c := tr.eventually(s, Graceful, func(c orchestrator.ContainerObservation) bool { return c.Paused })
	tr.same(before, c)
	if c.Status != orchestrator.ContainerRunning {
		tr.Errorf("paused: %+v, want it running still", c)
	}
	tr.Outside.Unpause(s.ARN, Graceful)
	tr.eventually(s, Graceful, func(c orchestrator.ContainerObservation) bool { return !c.Paused })
	tr.Outside.Pause(s.ARN, Graceful)
	tr.stop(s)
	if c := tr.container(s, Graceful); !stopped(c) || c.Paused {
		tr.Errorf("paused and stopped: %+v", c)
	}
}

func bouncedOutside(tr *trial) {
	s := tr.spec(Graceful)
	ch, err := tr.Engine.Changes(tr.Context())
	if err != nil {
		tr.Fatalf("Changes: %v", err)
	}
	tr.run(s)
	before := tr.container(s, Graceful)
	time.Sleep(10 * time.Millisecond) // a run is known by its start
	tr.Outside.Bounce(s.ARN, Graceful)
	for {
		c := tr.container(s, Graceful)
		if c.Status == orchestrator.ContainerRunning && c.StartedAt.After(before.StartedAt) && c.RuntimeID == before.RuntimeID {
			return
		}
		tr.changed(ch)
	}
}

func vanishedOutside(tr *trial) {
	s := tr.spec(Graceful, Default)
	tr.run(s)
	tr.Outside.Vanish(s.ARN, Graceful)
	o, ok := tr.observe(tr.Engine, s.ARN)
	if !ok || len(o.Containers) != 1 || o.Containers[0].Name != Default {
		tr.Errorf("one of two was removed: %+v", o)
	}
	tr.stop(s)
}

func disconnectedOutside(tr *trial) {
	for _, s := range []orchestrator.TaskSpec{tr.spec(Graceful), tr.spec(Graceful, Default)} {
		tr.run(s)
		if o, _ := tr.observe(tr.Engine, s.ARN); o.Disconnected {
			tr.Errorf("%+v has its network", o)
		}
		tr.Outside.Disconnect(s.ARN)
		if o, _ := tr.observe(tr.Engine, s.ARN); !o.Disconnected {
			tr.Errorf("%+v has lost its network", o)
		}
		tr.stop(s)
		if o, _ := tr.observe(tr.Engine, s.ARN); o.Disconnected && len(o.Containers) == 1 {
			tr.Errorf("%+v has stopped", o)
		}
	}
}
