package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// What the containers of the suite do: it is their name and the only word of their command.
const (
	Graceful  = "graceful"  // runs; exits 0 at SIGTERM
	Default   = "default"   // runs; exits 143 at SIGTERM
	Stubborn  = "stubborn"  // runs; ignores SIGTERM
	Failing   = "failing"   // exits 3 by itself, soon
	Finishing = "finishing" // exits 0 by itself, soon
	Hungry    = "hungry"    // takes memory until the kernel kills it
	Broken    = "broken"    // cannot be started: no such command
	Well      = "well"      // runs; its health check succeeds
	Ill       = "ill"       // runs; its health check fails
)

// System is an engine under test.
type System struct {
	Engine orchestrator.Engine
	Again  func() orchestrator.Engine // another engine value for the same instance
	Other  func() orchestrator.Engine // an engine for another instance on the same machine
	VPC    orchestrator.VPC           // where the suite takes addresses from .100 on

	Image        string // its program does what the first word of the command says
	MissingImage string // cannot be pulled

	// Outside is what somebody else does to the engine's containers.
	Outside Outside

	// Tag makes another name of Image, and a function that gives the name to another image.
	Tag func(t *testing.T) (name string, retag func())
}

// Outside is what somebody else than drydock does to containers: `docker pause`, `unpause`,
// `restart` and `rm -f`, and `docker network disconnect` of a task. [Fake] does it to its own.
type Outside interface {
	Pause(task, container string)
	Unpause(task, container string)
	Bounce(task, container string)
	Vanish(task, container string)
	Disconnect(task string)
}

// Conformance tests what every engine does. For each case run makes a system and gives it to
// test, inside a bubble if it likes.
func Conformance(t *testing.T, run func(t *testing.T, test func(t *testing.T, s System))) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T, s System) { c.test(&trial{T: t, System: s}) })
		})
	}
}

var cases = []struct {
	name string
	test func(*trial)
}{
	{"RunTwiceIsRunOnce", runTwice},
	{"RunFinishesWhatWasBegun", runFinishes},
	{"RunDoesNotRestart", runDoesNotRestart},
	{"RunEndsWithItsContext", runCancelled},
	{"PullFailure", pullFailure},
	{"StartFailure", startFailure},
	{"StopSignalsThenKills", stopSignals},
	{"StopReversesDependencies", stopReverses},
	{"DependencyConditions", dependencyConditions},
	{"DependencyThatFails", dependencyFails},
	{"DependencyThatTakesTooLong", dependencyTimesOut},
	{"UnknownTask", unknownTask},
	{"ExitIsSeen", exitIsSeen},
	{"OutOfMemory", outOfMemory},
	{"Health", healthIsSeen},
	{"RemoveKills", removeKills},
	{"OthersAreLeftAlone", othersLeftAlone},
	{"Adoption", adoption},
	{"ChangesEnds", changesEnds},
	{"ChangeIsObserved", changeIsObserved},
	{"ChangeOutsideIsObserved", changeOutside},
	{"PinnedImage", pinnedImage},
	{"RestartInPlace", restartInPlace},
	{"RestartWhatCannotBe", restartRefused},
	{"PausedFromOutside", pausedOutside},
	{"RestartedFromOutside", bouncedOutside},
	{"RemovedFromOutside", vanishedOutside},
	{"DisconnectedFromOutside", disconnectedOutside},
	{"WhoWaitsHoldsNobodyBack", whoWaits},
	{"VolumesFromIsADependency", volumesFrom},
	{"WarmIsNoTask", warmIsNoTask},
	{"WarmIsJoined", warmIsJoined},
	{"WarmIsGone", warmIsGone},
	{"WarmIsAdopted", warmIsAdopted},
	{"WarmIsObserved", warmIsObserved},
}

// trial is one case under way.
type trial struct {
	*testing.T
	System
}

// serial makes tasks of one process distinct, wherever they run.
var serial atomic.Uint32

// spec is a task of containers that do what they are named after.
func (tr *trial) spec(names ...string) orchestrator.TaskSpec {
	n := serial.Add(1)
	id := fmt.Sprintf("%032x", n)
	s := orchestrator.TaskSpec{
		ARN:         "arn:aws:ecs:us-east-1:000000000000:task/test/" + id,
		ID:          id,
		Cluster:     "test",
		Family:      "conformance",
		Revision:    int(n),
		NetworkMode: "awsvpc",
		Interface: orchestrator.Interface{
			VPC:     tr.VPC,
			Address: address(tr.VPC.CIDR, n),
			MAC:     fmt.Sprintf("02:42:ac:00:%02x:%02x", n>>8&0xff, n&0xff),
		},
	}
	for _, name := range names {
		s.Containers = append(s.Containers, taskdefs.ContainerDefinition{
			Name: name, Image: tr.Image, Command: []string{name}, StopTimeout: 2,
			PortMappings: []taskdefs.PortMapping{{ContainerPort: 8000 + len(s.Containers)}},
		})
	}
	tr.Cleanup(func() {
		if err := tr.Engine.Remove(context.Background(), s.ARN); err != nil {
			tr.Errorf("clean up: %v", err)
		}
	})
	return s
}

func address(cidr netip.Prefix, n uint32) netip.Addr {
	a := cidr.Addr().As4()
	a[3] = byte(100 + n%150)
	return netip.AddrFrom4(a)
}

// run runs a task that has to come up.
func (tr *trial) run(s orchestrator.TaskSpec) {
	tr.Helper()
	if err := tr.Engine.Run(tr.Context(), s); err != nil {
		tr.Fatalf("Run: %v", err)
	}
}

// refused runs a task that must not come up and returns why.
func (tr *trial) refused(s orchestrator.TaskSpec) *orchestrator.StartError {
	tr.Helper()
	err := tr.Engine.Run(tr.Context(), s)
	var why *orchestrator.StartError
	if !errors.As(err, &why) {
		tr.Fatalf("Run = %v, want a StartError", err)
	}
	return why
}

// observe returns an engine's observation of a task; ok is false if there is none.
func (tr *trial) observe(e orchestrator.Engine, arn string) (orchestrator.TaskObservation, bool) {
	tr.Helper()
	list, err := e.List(tr.Context())
	if err != nil {
		tr.Fatalf("List: %v", err)
	}
	for _, o := range list {
		if o.Task == arn {
			return o, true
		}
	}
	return orchestrator.TaskObservation{}, false
}

// container returns the observation of a container that has to be there.
func (tr *trial) container(s orchestrator.TaskSpec, name string) orchestrator.ContainerObservation {
	tr.Helper()
	o, _ := tr.observe(tr.Engine, s.ARN)
	for _, c := range o.Containers {
		if c.Name == name {
			return c
		}
	}
	tr.Fatalf("container %s is not in %+v", name, o)
	return orchestrator.ContainerObservation{}
}

// eventually waits until a container's observation is as wanted.
func (tr *trial) eventually(s orchestrator.TaskSpec, name string, wanted func(orchestrator.ContainerObservation) bool) orchestrator.ContainerObservation {
	tr.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c := tr.container(s, name)
		if wanted(c) {
			return c
		}
		if time.Now().After(deadline) {
			tr.Fatalf("container %s stays %+v", name, c)
		}
	}
}

func stopped(c orchestrator.ContainerObservation) bool {
	return c.Status == orchestrator.ContainerStopped
}

func (tr *trial) stop(s orchestrator.TaskSpec) {
	tr.Helper()
	if err := tr.Engine.Stop(tr.Context(), s.ARN); err != nil {
		tr.Fatalf("Stop: %v", err)
	}
}

func (tr *trial) remove(s orchestrator.TaskSpec) {
	tr.Helper()
	if err := tr.Engine.Remove(tr.Context(), s.ARN); err != nil {
		tr.Fatalf("Remove: %v", err)
	}
	if o, ok := tr.observe(tr.Engine, s.ARN); ok {
		tr.Errorf("after Remove there is still %+v", o)
	}
}

// same fails unless a container is the one that was seen before, in the same run of it.
func (tr *trial) same(before, after orchestrator.ContainerObservation) {
	tr.Helper()
	if before.RuntimeID != after.RuntimeID || !before.StartedAt.Equal(after.StartedAt) {
		tr.Errorf("container was %+v, is %+v", before, after)
	}
}

// changed waits for a poke.
func (tr *trial) changed(ch <-chan struct{}) {
	tr.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	select {
	case <-ch:
	case <-patience.C:
		tr.Fatal("no poke")
	}
}

func isPullError(name string) bool { return strings.HasPrefix(name, "CannotPull") }
