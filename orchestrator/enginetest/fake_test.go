package enginetest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
	"drydock/timeline/timelinetest"
)

func spec(arn string, defs ...taskdefs.ContainerDefinition) orchestrator.TaskSpec {
	return orchestrator.TaskSpec{
		ARN:        arn,
		Interface:  orchestrator.Interface{Address: netip.MustParseAddr("172.31.0.10")},
		Containers: defs,
	}
}

// observe returns the only container of the only task.
func observe(t *testing.T, f *Fake) orchestrator.ContainerObservation {
	t.Helper()
	list, err := f.List(t.Context())
	if err != nil || len(list) != 1 || len(list[0].Containers) != 1 {
		t.Fatalf("List() = %+v, %v, want one container", list, err)
	}
	return list[0].Containers[0]
}

func TestFake_RunTakesTheScriptsTime(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		f := NewFake(Hooks{})
		f.Script("app:1", Script{Pull: 20 * time.Second, Start: time.Second, ExitAfter: time.Minute, ExitCode: 3})
		began := time.Now()
		for i, want := range []time.Duration{21 * time.Second, 22 * time.Second} { // the image is pulled once
			arn := string(rune('a' + i))
			if err := f.Run(t.Context(), spec(arn, taskdefs.ContainerDefinition{Name: "app", Image: "app:1"})); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("started %s after %s, want %s", arn, took, want)
			}
		}
		time.Sleep(2 * time.Minute)
		list, _ := f.List(t.Context())
		for _, task := range list {
			c := task.Containers[0]
			if c.Status != orchestrator.ContainerStopped || c.ExitCode != 3 || c.FinishedAt.Sub(c.StartedAt) != time.Minute {
				t.Errorf("container %+v, want stopped with 3 after a minute", c)
			}
		}
	})
}

func TestFake_HooksFollowTheContainer(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		var calls []string
		f := NewFake(Hooks{
			Start: func(p Process) { calls = append(calls, "start "+p.Address().String()) },
			Signal: func(p Process, signal string) {
				calls = append(calls, signal)
				if signal == "SIGTERM" {
					time.AfterFunc(3*time.Second, func() { p.Exit(0) })
				}
			},
			Exit: func(p Process, code int) { calls = append(calls, "exit") },
		})
		f.Script("app", Script{IgnoreSIGTERM: true})
		if err := f.Run(t.Context(), spec("a", taskdefs.ContainerDefinition{Name: "app"})); err != nil {
			t.Fatal(err)
		}
		f.Pause("a", "")
		f.Unpause("a", "")
		began := time.Now()
		if err := f.Stop(t.Context(), "a"); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("Stop() = %v after %s, want nil after 3s", err, time.Since(began))
		}
		if want := []string{"start 172.31.0.10", "SIGSTOP", "SIGCONT", "SIGTERM", "exit"}; !slices.Equal(calls, want) {
			t.Errorf("hooks called: %q, want %q", calls, want)
		}
		if c := observe(t, f); c.ExitCode != 0 {
			t.Errorf("exit code %d, want 0", c.ExitCode)
		}
	})
}

func TestFake_Controls(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		f := NewFake(Hooks{})
		check := &taskdefs.HealthCheck{Command: []string{"CMD", "true"}}
		f.Script("app", Script{UnhealthyAfter: time.Minute})
		if err := f.Run(t.Context(), spec("a", taskdefs.ContainerDefinition{Name: "app", HealthCheck: check})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c := observe(t, f); c.Health != "HEALTHY" {
			t.Errorf("health %s, want HEALTHY", c.Health)
		}
		time.Sleep(time.Minute)
		if c := observe(t, f); c.Health != "UNHEALTHY" {
			t.Errorf("health %s, want UNHEALTHY", c.Health)
		}
		f.OOM("a", "app")
		if c := observe(t, f); c.ExitCode != 137 || !c.OOMKilled {
			t.Errorf("container %+v, want killed for memory", c)
		}
		f.Vanish("a", "app")
		if list, _ := f.List(t.Context()); len(list) != 0 {
			t.Errorf("List() = %+v after Vanish, want none", list)
		}
	})
}

func TestFake_PullFailureLeavesNothing(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		f := NewFake(Hooks{})
		f.Script("app", Script{Pull: time.Second, Fail: &orchestrator.StartError{Name: "CannotPullContainerError", Err: errors.New("no")}})
		err := f.Run(t.Context(), spec("a", taskdefs.ContainerDefinition{Name: "app"}))
		var start *orchestrator.StartError
		if !errors.As(err, &start) || start.Container != "app" {
			t.Errorf("Run() = %v, want a StartError of app", err)
		}
		if list, _ := f.List(t.Context()); len(list) != 0 {
			t.Errorf("List() = %+v, want none", list)
		}
	})
}

func TestFake_RunEndsWithItsContext(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		f := NewFake(Hooks{})
		f.Script("app", Script{Start: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Run(ctx, spec("a", taskdefs.ContainerDefinition{Name: "app"})); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run() = %v, want deadline exceeded", err)
		}
		if c := observe(t, f); c.Status != orchestrator.ContainerCreated {
			t.Errorf("status %s, want created", c.Status)
		}
	})
}
