package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	docker "github.com/docker/docker/client"

	"drydock/awsapi/ecs"
	"drydock/timeline"
)

// hands is a person at Docker's command line while two services are under load: three tasks of
// users, two of payments.
type hands struct {
	*program
	*twins
	engine *docker.Client // not by way of the relay that the daemon has
	begun  time.Time      // of the step
}

// newHands brings the services up. Addresses are few, so that they come back within the test.
func newHands(p *program) *hands {
	p.Helper()
	p.Run("up", twinsDir)
	p.Run("scale", "users=3")
	for _, service := range []string{"users", "payments"} {
		p.withoutGrace("twins", service)
	}
	engine := dockerClient(p.T)
	p.Cleanup(func() { engine.Close() })
	return &hands{program: p, twins: p.askTwins(), engine: engine, begun: time.Now()}
}

// withoutGrace has a service's tasks replaced as soon as they are unhealthy.
func (p *program) withoutGrace(cluster, service string) {
	p.Helper()
	in := map[string]any{"cluster": cluster, "service": service, "healthCheckGracePeriodSeconds": 0}
	if _, err := call[ecs.UpdateServiceResponse](p.Context(), p.client(), "ecs", "UpdateService", in); err != nil {
		p.Fatal(err)
	}
}

// must fails the test if Docker refused what a person asked for.
func (h *hands) must(err error) {
	h.program.Helper()
	if err != nil {
		h.program.Fatal(err)
	}
}

// deed is what somebody does to one task's container.
type deed struct {
	name     string
	do       func(h *hands, id string) error
	told     string // what the timeline says of it
	reason   string // stoppedReason
	statuses []int  // of requests that may fail, those to this task only
}

var deeds = []deed{
	{"Removed", func(h *hands, id string) error {
		return h.engine.ContainerRemove(h.program.Context(), id, container.RemoveOptions{Force: true})
	}, "from outside", "Essential container in task exited", []int{502}},
	{"Killed", func(h *hands, id string) error { return h.engine.ContainerKill(h.program.Context(), id, "KILL") },
		"was killed (SIGKILL) from outside", "Essential container in task exited", []int{502}},
	{"Stopped", func(h *hands, id string) error {
		return h.engine.ContainerStop(h.program.Context(), id, container.StopOptions{})
	}, "exited with code", "Essential container in task exited", []int{502}},
	{"Restarted", func(h *hands, id string) error {
		return h.engine.ContainerRestart(h.program.Context(), id, container.StopOptions{})
	}, "exited with code", "Essential container in task exited", []int{502}},
	{"Disconnected", func(h *hands, id string) error {
		c, err := h.engine.ContainerInspect(h.program.Context(), h.namespaceOf(id))
		if err != nil {
			return err
		}
		return h.engine.NetworkDisconnect(h.program.Context(), string(c.HostConfig.NetworkMode), c.ID, true)
	}, "was disconnected from outside", "Network interface", []int{502, 504}},
	{"NamespaceRemoved", func(h *hands, id string) error {
		owner := h.namespaceOf(id)
		if owner == id {
			return errors.New("the task has no namespace of its own: the pool was empty")
		}
		return h.engine.ContainerRemove(h.program.Context(), owner, container.RemoveOptions{Force: true})
	}, "was disconnected from outside", "Network interface", []int{502, 504}},
	{"Paused", func(h *hands, id string) error { return h.engine.ContainerPause(h.program.Context(), id) },
		"was paused from outside", "Task failed ELB health checks", []int{502, 504}},
}

// namespaceOf returns the container that owns the network namespace of a container.
func (h *hands) namespaceOf(id string) string {
	h.program.Helper()
	c, err := h.engine.ContainerInspect(h.program.Context(), id)
	h.must(err)
	if owner, joined := strings.CutPrefix(string(c.HostConfig.NetworkMode), "container:"); joined {
		return owner
	}
	return id
}

// TestOutside_OneTaskUnderLoad: whatever is done to one task's containers, the task is replaced,
// the timeline names what was done, and no request is lost but those that the task had.
func TestOutside_OneTaskUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "--vpc-cidr", freeRange(t, 26), "--warm-pool", "2")
	h := newHands(p)
	foreign := newForeigners(p)
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			now := h.on(t)
			victim := now.warmTask()
			now.must(d.do(now, victim.Containers[0].RuntimeID))
			now.checkReplaced(victim, d)
		})
	}
	h.checkNothingStrayed()
	foreign.checkUntouched(p)
}

// on begins a step.
func (h *hands) on(t *testing.T) *hands {
	return &hands{h.program.on(t), h.twins, h.engine, time.Now()}
}

// warmTask returns a task of users that has joined a namespace of the pool, when one is there.
func (h *hands) warmTask() TaskStatus {
	h.program.Helper()
	tasks := h.tasksOf("users")
	for _, t := range tasks {
		if id := t.Containers[0].RuntimeID; h.namespaceOf(id) != id {
			return t
		}
	}
	return tasks[0]
}

// checkReplaced waits until the service is as it was, and wants the task's end told and explained.
func (h *hands) checkReplaced(victim TaskStatus, d deed) {
	h.program.Helper()
	h.program.Eventually("the task is replaced", func() error {
		if now := h.taskNow(victim.ID); now.LastStatus != "STOPPED" {
			return fmt.Errorf("it is %s", now.LastStatus)
		}
		return h.whole()
	})
	if reason := h.taskNow(victim.ID).StoppedReason; !strings.HasPrefix(reason, d.reason) {
		h.program.Errorf("stopped because %q, want %q", reason, d.reason)
	}
	h.checkTold(victim, d.told)
	h.goodFor(500 * time.Millisecond)
	h.checkLost([]TaskStatus{victim}, d.statuses)
}

// whole returns an error unless both services have what they want, all of it healthy.
func (h *hands) whole() error {
	for service, want := range map[string]int{"users": 3, "payments": 2} {
		s := h.service(service)
		if !s.Steady || s.Running != want || s.TargetGroups[0].States["healthy"] != want || len(s.TargetGroups[0].States) != 1 {
			return fmt.Errorf("%s: %d running, steady %t, targets %v", service, s.Running, s.Steady, s.TargetGroups[0].States)
		}
	}
	return nil
}

// checkTold wants an event that names what was done, and the task's end to go back to it.
func (h *hands) checkTold(victim TaskStatus, told string) {
	h.program.Helper()
	events := h.Events()
	bySeq := map[int64]timeline.Event{}
	var end timeline.Event
	for _, e := range events {
		bySeq[e.Seq] = e
		if e.Kind == timeline.TaskState && e.Subject == victim.ARN {
			end = e
		}
	}
	var chain []string
	for e := end; e.Seq != 0; e = bySeq[e.Cause] {
		chain = append(chain, e.Message)
		if strings.Contains(e.Message, told) {
			return
		}
	}
	h.program.Errorf("the end of task %s does not go back to %q:\n%s", victim.ID, told, strings.Join(chain, "\n"))
}

// checkLost wants every request of the step that failed to have been the victims', with a status
// that it may have, and explained. Where everything was hit, nobody may have been there to ask: 503.
func (h *hands) checkLost(victims []TaskStatus, statuses []int) {
	h.program.Helper()
	lost, strange := 0, []string{}
	for _, o := range h.Outcomes(h.begun) {
		if !o.Failed() {
			continue
		}
		lost++
		known := slices.ContainsFunc(victims, func(t TaskStatus) bool { return t.ARN == o.Target.Task })
		if !known && o.Status != 503 || !slices.Contains(statuses, o.Status) {
			strange = append(strange, fmt.Sprintf("%s failed with %d %s (%s), sent to %s %s at %s", o.URI, o.Status, o.Cause, o.Detail, o.Target.Task, o.Target.State, o.Start))
		}
	}
	if len(strange) > 0 {
		h.program.Errorf("%d requests should not have failed, the first:\n%s", len(strange), strange[0])
	}
	var e timeline.Explanation
	h.JSON(&e, "why", "--since", time.Since(h.begun).String())
	var told []string
	for _, c := range e.Clusters {
		told = append(told, fmt.Sprintf("%d × %d %s (%s) over %s: %s", c.Count, c.Status, c.Code, c.Confidence, c.Window.To.Sub(c.Window.From), c.Sentence))
	}
	h.program.Logf("%d requests lost:\n%s", lost, strings.Join(told, "\n"))
	if e.Unknown != 0 || e.Failed != lost {
		h.program.Errorf("why explains %d of %d failures, and %d by nothing", e.Failed, lost, e.Unknown)
	}
}

// TestOutside_NetworkRemovedUnderLoad: Docker does not remove a network in use; somebody takes
// everything off it first. All is replaced, in a new network.
func TestOutside_NetworkRemovedUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "--warm-pool", "2")
	h := newHands(p)
	foreign := newForeigners(p)
	h.begun = time.Now()
	old, id := p.twinTasks(), "drydock-"+p.instance+"-"+p.Status().Daemon.VPC
	if err := h.engine.NetworkRemove(p.Context(), id); err == nil {
		t.Fatal("Docker removed a network in use")
	}
	h.goodFor(500 * time.Millisecond)
	// Else the daemon would put replacements into it meanwhile.
	daemon := p.process.command.Process
	h.must(daemon.Signal(syscall.SIGSTOP))
	defer daemon.Signal(syscall.SIGCONT)
	found, err := h.engine.NetworkInspect(p.Context(), id, network.InspectOptions{})
	h.must(err)
	for container := range found.Containers {
		h.must(h.engine.NetworkDisconnect(p.Context(), id, container, true))
	}
	h.must(h.engine.NetworkRemove(p.Context(), id))
	h.must(daemon.Signal(syscall.SIGCONT))
	p.Eventually("all is replaced", func() error { return errors.Join(p.noneOf(old), h.whole()) })
	for _, victim := range old {
		h.checkTold(victim, "was disconnected from outside")
	}
	h.goodFor(500 * time.Millisecond)
	h.checkLost(old, []int{502, 503, 504})
	h.checkNothingStrayed()
	foreign.checkUntouched(p)
}

// TestOutside_EventStreamUnderLoad: what Docker's events do not tell in time, a look does; what they
// tell twice is done once.
func TestOutside_EventStreamUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	p := newProgramBehind(t, r)
	h := newHands(p)
	for _, s := range []struct {
		name  string
		spoil func()
	}{
		{"Doubled", func() { r.Spoil(0, 2, false) }},
		{"Late", func() { r.Spoil(3*time.Second, 0, false) }},
		{"Swallowed", func() { r.Spoil(0, 0, true) }},
		{"Cut", func() { r.Spoil(0, 0, false); r.Cut() }},
	} {
		t.Run(s.name, func(t *testing.T) {
			now, streams := h.on(t), r.Streams()
			s.spoil()
			victim := now.tasksOf("users")[0]
			d := deeds[0]
			now.must(d.do(now, victim.Containers[0].RuntimeID))
			d.told = "outside"
			now.checkReplaced(victim, d)
			now.checkStarted(1)
			if s.name == "Cut" && r.Streams() == streams {
				t.Error("the daemon does not listen to Docker any more")
			}
		})
	}
	h.checkNothingStrayed()
}

// checkStarted wants so many tasks of users to have been started in this step.
func (h *hands) checkStarted(want int) {
	h.program.Helper()
	n := 0
	for _, t := range h.Status().Tasks {
		if t.Service == "users" && t.CreatedAt.After(h.begun) {
			n++
		}
	}
	if n != want {
		h.program.Errorf("%d tasks were started, want %d", n, want)
	}
}

// TestOutside_NameTakenUnderLoad: somebody else's container has the name that a task's is to get.
func TestOutside_NameTakenUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	p := newProgramBehind(t, r)
	h := newHands(p)
	h.begun = time.Now()
	foreign := &foreigners{}
	r.Before(func(req *http.Request) {
		name := req.URL.Query().Get("name")
		if !strings.HasSuffix(req.URL.Path, "/containers/create") || !strings.HasPrefix(name, "ecs-users-") {
			return
		}
		r.Before(nil)
		foreign.add(p, name, nil)
	})
	victim, d := p.tasksOf("users")[0], deeds[0]
	h.must(d.do(h, victim.Containers[0].RuntimeID))
	h.checkReplaced(victim, d)
	h.checkStarted(2)
	if len(foreign.containers) != 1 {
		t.Fatal("nobody took a name")
	}
	if !slices.ContainsFunc(p.Events(), func(e timeline.Event) bool {
		return e.Kind == timeline.ServiceEvent && strings.Contains(e.Message, "exists and is not drydock's: remove it (`docker rm -f ecs-users-")
	}) {
		t.Errorf("no event of the service tells of the name that is taken:\n%s", p.Run("events", "--limit", "40"))
	}
	foreign.checkUntouched(p)
	h.checkNothingStrayed()
	p.downAll()
	foreign.checkUntouched(p)
	p.Start()
	p.instance = p.Status().Daemon.Instance
}
