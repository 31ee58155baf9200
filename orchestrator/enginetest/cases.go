package enginetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

func runTwice(tr *trial) {
	s := tr.spec(Graceful)
	tr.run(s)
	before := tr.container(s, Graceful)
	if before.Status != orchestrator.ContainerRunning || before.StartedAt.IsZero() || before.ImageDigest == "" || before.Image != tr.Image {
		tr.Errorf("after Run: %+v", before)
	}
	tr.run(s)
	tr.same(before, tr.container(s, Graceful))
	o, _ := tr.observe(tr.Engine, s.ARN)
	if len(o.Containers) != 1 || o.Address != s.Interface.Address {
		tr.Errorf("observed %+v, want one container at %s", o, s.Interface.Address)
	}
}

func runFinishes(tr *trial) {
	s := tr.spec(Graceful, Default)
	s.Containers[1].Image = tr.MissingImage
	if why := tr.refused(s); !isPullError(why.Name) || why.Container != Default {
		tr.Errorf("refused for %v of %q", why, why.Container)
	}
	before := tr.container(s, Graceful)
	s.Containers[1].Image = tr.Image
	tr.run(s)
	tr.same(before, tr.container(s, Graceful))
	if c := tr.container(s, Default); c.Status != orchestrator.ContainerRunning {
		tr.Errorf("second container %+v, want running", c)
	}
}

func runDoesNotRestart(tr *trial) {
	s := tr.spec(Failing)
	tr.run(s)
	before := tr.eventually(s, Failing, stopped)
	tr.run(s)
	after := tr.container(s, Failing)
	tr.same(before, after)
	if !stopped(after) {
		tr.Errorf("restarted: %+v", after)
	}
}

func runCancelled(tr *trial) {
	s := tr.spec(Graceful)
	ctx, cancel := context.WithCancel(tr.Context())
	cancel()
	err := tr.Engine.Run(ctx, s)
	var why *orchestrator.StartError
	if !errors.Is(err, context.Canceled) || errors.As(err, &why) {
		tr.Errorf("Run = %v, want context canceled and no StartError", err)
	}
	tr.run(s)
}

func pullFailure(tr *trial) {
	s := tr.spec(Graceful)
	s.Containers[0].Image = tr.MissingImage
	if why := tr.refused(s); !isPullError(why.Name) || why.Container != Graceful {
		tr.Errorf("refused for %v of %q", why, why.Container)
	}
	tr.stop(s)
	tr.remove(s)
}

func startFailure(tr *trial) {
	s := tr.spec(Broken)
	s.Containers[0].EntryPoint = []string{"/no/such/command"}
	if why := tr.refused(s); why.Name != "CannotStartContainerError" || why.Container != Broken {
		tr.Errorf("refused for %v of %q", why, why.Container)
	}
	c := tr.container(s, Broken)
	if c.Status != orchestrator.ContainerCreated || c.Error == "" || !c.StartedAt.IsZero() {
		tr.Errorf("after the failure: %+v, want created with an error", c)
	}
	tr.stop(s)
	tr.remove(s)
}

func stopSignals(tr *trial) {
	for name, code := range map[string]int{Graceful: 0, Default: 143, Stubborn: 137} {
		s := tr.spec(name)
		tr.run(s)
		tr.settle()
		tr.stop(s)
		c := tr.container(s, name)
		if !stopped(c) || c.ExitCode != code || c.OOMKilled || c.FinishedAt.Before(c.StartedAt) {
			tr.Errorf("after Stop: %+v, want exit code %d", c, code)
		}
		tr.stop(s)
	}
}

// settle gives programs that have just been started the moment that they need to handle signals.
func (tr *trial) settle() { time.Sleep(300 * time.Millisecond) }

func stopReverses(tr *trial) {
	s := tr.spec(Graceful, Stubborn)
	s.Containers[1].DependsOn = []taskdefs.ContainerDependency{{ContainerName: Graceful, Condition: "START"}}
	tr.run(s)
	tr.settle()
	tr.stop(s)
	first, last := tr.container(s, Stubborn), tr.container(s, Graceful)
	if first.ExitCode != 137 || last.ExitCode != 0 || last.FinishedAt.Before(first.FinishedAt) {
		tr.Errorf("dependent %+v, dependency %+v: want the dependent to end first", first, last)
	}
}

func dependencyConditions(tr *trial) {
	s := tr.spec(Failing, Finishing, Well, Graceful)
	s.Containers[2].HealthCheck = check(Well)
	s.Containers[3].DependsOn = []taskdefs.ContainerDependency{
		{ContainerName: Failing, Condition: "COMPLETE"},
		{ContainerName: Finishing, Condition: "SUCCESS"},
		{ContainerName: Well, Condition: "HEALTHY"},
	}
	tr.run(s)
	if c := tr.container(s, Failing); !stopped(c) || c.ExitCode != 3 {
		tr.Errorf("COMPLETE dependency %+v", c)
	}
	if c := tr.container(s, Finishing); !stopped(c) || c.ExitCode != 0 {
		tr.Errorf("SUCCESS dependency %+v", c)
	}
	if c := tr.container(s, Well); c.Health != "HEALTHY" {
		tr.Errorf("HEALTHY dependency %+v", c)
	}
	if c := tr.container(s, Graceful); c.Status != orchestrator.ContainerRunning {
		tr.Errorf("dependent %+v", c)
	}
}

func dependencyFails(tr *trial) {
	s := tr.spec(Failing, Graceful)
	s.Containers[1].DependsOn = []taskdefs.ContainerDependency{{ContainerName: Failing, Condition: "SUCCESS"}}
	if why := tr.refused(s); why.Container != Graceful {
		tr.Errorf("refused for %v of %q, want %s", why, why.Container, Graceful)
	}
}

func dependencyTimesOut(tr *trial) {
	s := tr.spec(Graceful, Default)
	s.Containers[0].StartTimeout = 2
	s.Containers[1].DependsOn = []taskdefs.ContainerDependency{{ContainerName: Graceful, Condition: "COMPLETE"}}
	why := tr.refused(s)
	if why.Container != Default || !strings.Contains(why.Error(), "timed out after 2s") {
		tr.Errorf("refused for %v of %q, want the time-out", why, why.Container)
	}
}

func check(behaviour string) *taskdefs.HealthCheck {
	return &taskdefs.HealthCheck{Command: []string{"CMD", "/app", "check-" + behaviour}, Interval: 1, Timeout: 5, Retries: 1}
}

func unknownTask(tr *trial) {
	s := tr.spec()
	tr.stop(s)
	tr.remove(s)
}

func exitIsSeen(tr *trial) {
	s := tr.spec(Failing)
	ch, err := tr.Engine.Changes(tr.Context())
	if err != nil {
		tr.Fatalf("Changes: %v", err)
	}
	tr.run(s)
	for tr.changed(ch); !stopped(tr.container(s, Failing)); {
		tr.changed(ch)
	}
	c := tr.container(s, Failing)
	if c.ExitCode != 3 || c.StartedAt.IsZero() || c.FinishedAt.Before(c.StartedAt) {
		tr.Errorf("after its exit: %+v, want code 3", c)
	}
}

func outOfMemory(tr *trial) {
	s := tr.spec(Hungry)
	s.Containers[0].Memory = 16
	if _, err := tr.Engine.Changes(tr.Context()); err != nil { // Docker may tell the reason after the exit, and only so
		tr.Fatal(err)
	}
	tr.run(s)
	c := tr.eventually(s, Hungry, func(c orchestrator.ContainerObservation) bool { return stopped(c) && c.OOMKilled })
	if c.ExitCode != 137 {
		tr.Errorf("after it took too much: %+v, want 137", c)
	}
}

func healthIsSeen(tr *trial) {
	s := tr.spec(Well, Ill, Graceful)
	s.Containers[0].HealthCheck = check(Well)
	s.Containers[1].HealthCheck = check(Ill)
	tr.run(s)
	for name, want := range map[string]string{Well: "HEALTHY", Ill: "UNHEALTHY", Graceful: "UNKNOWN"} {
		tr.eventually(s, name, func(c orchestrator.ContainerObservation) bool { return c.Health == want })
	}
}

func removeKills(tr *trial) {
	s := tr.spec(Stubborn, Graceful)
	tr.run(s)
	tr.remove(s)
	tr.remove(s)
}

func othersLeftAlone(tr *trial) {
	other := tr.Other()
	s := tr.spec(Graceful)
	tr.run(s)
	if o, ok := tr.observe(other, s.ARN); ok {
		tr.Errorf("another instance lists %+v", o)
	}
	if err := errors.Join(other.Stop(tr.Context(), s.ARN), other.Remove(tr.Context(), s.ARN)); err != nil {
		tr.Errorf("another instance's Stop and Remove: %v", err)
	}
	if c := tr.container(s, Graceful); c.Status != orchestrator.ContainerRunning {
		tr.Errorf("after another instance's Remove: %+v", c)
	}
}

func adoption(tr *trial) {
	s := tr.spec(Graceful, Default)
	tr.run(s)
	before, _ := tr.observe(tr.Engine, s.ARN)
	tr.Engine = tr.Again()
	after, ok := tr.observe(tr.Engine, s.ARN)
	if !ok || len(after.Containers) != 2 || after.Address != before.Address {
		tr.Fatalf("a new engine sees %+v, want %+v", after, before)
	}
	tr.run(s)
	for i := range before.Containers {
		tr.same(before.Containers[i], tr.container(s, before.Containers[i].Name))
	}
	tr.stop(s)
	tr.remove(s)
}

func changesEnds(tr *trial) {
	ctx, cancel := context.WithCancel(tr.Context())
	ch, err := tr.Engine.Changes(ctx)
	if err != nil {
		tr.Fatalf("Changes: %v", err)
	}
	if cap(ch) != 1 {
		tr.Errorf("the channel's size is %d, want 1", cap(ch))
	}
	cancel()
	for range ch { // ends when it is closed
	}
}
