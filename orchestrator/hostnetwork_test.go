package orchestrator_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// registerIn registers a revision with a network mode and one port mapping.
func (w *world) registerIn(family, mode, mapping string) string {
	w.t.Helper()
	doc := fmt.Sprintf(`{"family":%q,"networkMode":%q,"memory":"512",
		"containerDefinitions":[{"name":"app","image":"app:1","stopTimeout":10,"portMappings":[%s]}]}`, family, mode, mapping)
	r, err := w.defs.Register(w.t.Context(), []byte(doc), nil, "me", time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return r.ARN
}

// createIn creates the service web of a task definition that gets no interface.
func (w *world) createIn(definition string, desired int, balancers ...orchestrator.LoadBalancer) {
	w.t.Helper()
	least, most, grace := 0, 100, 0
	in := orchestrator.ServiceInput{Cluster: "default", Name: "web", TaskDefinition: definition, DesiredCount: &desired,
		MinimumHealthy: &least, Maximum: &most, LoadBalancers: balancers}
	if len(balancers) > 0 {
		in.GracePeriod = &grace
	}
	if _, err := w.c.CreateService(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
}

func TestBridge_TargetsAreTheInstanceAndAPortOfIt(t *testing.T) { // ECS-340, ECS-341
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.balancer.kind = "instance"
		w.createIn(w.registerIn("web", "bridge", `{"containerPort":80}`), 2, orchestrator.LoadBalancer{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80})
		w.steady(time.Minute)
		ports := map[int]bool{}
		for _, task := range w.tasks() {
			b := task.Ports[0]
			if task.Interface != nil || b.Container != "app" || b.ContainerPort != 80 || b.HostPort < 49153 || !b.Dynamic {
				t.Errorf("task has interface %v and ports %+v", task.Interface, task.Ports)
			}
			ports[b.HostPort] = true
			h := w.balancer.Targets()[alb.TargetKey{TargetGroup: groupARN, ID: task.Instance, Port: b.HostPort}]
			if h.Target.Task != task.ARN || !strings.HasPrefix(task.Instance, "i-") {
				t.Errorf("target of port %d on %q is %+v", b.HostPort, task.Instance, h)
			}
		}
		if len(ports) != 2 {
			t.Errorf("ports %v, want two", ports)
		}
		for _, s := range w.engine.Specs() {
			if len(s.Ports) != 1 || s.NetworkMode != "bridge" {
				t.Errorf("engine was asked for %+v in %s", s.Ports, s.NetworkMode)
			}
		}
	})
}

// A port that somebody else on the machine has is not the task's fault.
func TestBridge_PortOfSomebodyElseIsChanged(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{Start: 200 * time.Millisecond,
			Fail: &orchestrator.StartError{Name: "CannotStartContainerError", Err: orchestrator.ErrPortTaken}})
		w.createIn(w.registerIn("web", "bridge", `{"containerPort":80}`), 1)
		if !w.eventually(time.Minute, func() bool { return len(w.tasks()) == 1 && len(w.tasks()[0].Ports) == 1 }) {
			t.Fatal(w.story())
		}
		before := w.tasks()[0]
		w.engine.Script("app", enginetest.Script{Start: 200 * time.Millisecond})
		w.steady(time.Minute)
		after := w.tasks()[0]
		if after.ARN != before.ARN || after.Ports[0].HostPort == before.Ports[0].HostPort {
			t.Errorf("task %s with port %d became %s with %d", before.ID, before.Ports[0].HostPort, after.ID, after.Ports[0].HostPort)
		}
	})
}

func TestHost_PortInUseIsAPlacementFailure(t *testing.T) { // ECS-343
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.registerIn("web", "host", `{"containerPort":8080}`)
		made, err := w.c.RunTask(w.t.Context(), orchestrator.RunTaskInput{TaskDefinition: "web", Count: 2})
		var short *orchestrator.PlacementError
		if !errors.As(err, &short) || len(made) != 1 || len(short.Failures) != 1 || short.Failures[0].Reason != "RESOURCE:PORTS" {
			t.Fatalf("RunTask = %d tasks, %v", len(made), err)
		}
		w.eventually(time.Minute, func() bool { return len(w.tasks()) == 1 && w.tasks()[0].Status == orchestrator.Running })
		if ports := w.tasks()[0].Ports; len(ports) != 1 || ports[0].HostPort != 8080 || ports[0].Dynamic {
			t.Errorf("ports %+v, want 8080", ports)
		}
	})
}

func TestHost_ServiceWaitsForItsPort(t *testing.T) { // ECS-342
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		definition := w.registerIn("web", "host", `{"containerPort":8080}`)
		made, err := w.c.RunTask(w.t.Context(), orchestrator.RunTaskInput{TaskDefinition: "web"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.createIn(definition, 1)
		time.Sleep(10 * time.Second)
		const said = "is already using a port required by your task. For more information, see the Troubleshooting section"
		if n := strings.Count(w.story(), said); n != 1 {
			t.Fatalf("said %d times:\n%s", n, w.story())
		}
		if _, err := w.c.StopTask(w.t.Context(), "default", made[0].ARN, ""); err != nil {
			t.Fatal(err)
		}
		w.steady(time.Minute)
	})
}

// A port that was asked for by number and is somebody else's fails the task, also one that has
// another port that could be changed.
func TestBridge_FixedPortOfSomebodyElseFailsTheTask(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.engine.Script("app", enginetest.Script{Start: 200 * time.Millisecond, Fail: &orchestrator.StartError{
			Name: "CannotStartContainerError", Err: fmt.Errorf("Bind for 127.0.0.1:8080 failed: %w", orchestrator.ErrPortTaken)}})
		w.registerIn("web", "bridge", `{"containerPort":80},{"containerPort":81,"hostPort":8080}`)
		made, err := w.c.RunTask(t.Context(), orchestrator.RunTaskInput{TaskDefinition: "web"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		after, err := w.c.Task("default", made[0].ARN)
		if err != nil || after.StopCode != orchestrator.TaskFailedToStart {
			t.Errorf("%+v, %v, %d warnings", after, err, len(w.told(timeline.Warning)))
		}
	})
}
