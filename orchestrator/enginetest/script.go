package enginetest

import (
	"net/netip"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// Script says how a container behaves. The zero value starts at once, runs until it is told to
// stop, and then exits 0 at once.
type Script struct {
	RepoDigest string // the image's in its registry; empty: it was built here

	Pull  time.Duration // how long its image takes to pull, the first time
	Start time.Duration // from creation to running

	// Fail makes the start fail. A name that starts with CannotPull fails before the container is
	// created (an image's script may do so whatever the container's says), any other name leaves a
	// created container behind.
	Fail *orchestrator.StartError

	ExitAfter time.Duration // exits by itself this long after it started; 0: never
	ExitCode  int           // with this code

	OOMAfter time.Duration // is killed for its memory this long after it started; 0: never

	StopAfter     time.Duration // from the stop signal to the exit
	StopCode      int           // exit code after the stop signal
	IgnoreSIGTERM bool          // exits by SIGKILL, or when a hook calls [Process.Exit]

	HealthyAfter   time.Duration // from start to HEALTHY, if the definition has a health check
	UnhealthyAfter time.Duration // from start to UNHEALTHY, if it has one; 0: never
}

// Hooks tell a test what happens to its containers. They are called one after another for a
// container, without a lock held, and must return soon; nil hooks are skipped.
type Hooks struct {
	// Start is called before the container is seen as running.
	Start func(Process)
	// Signal is called with SIGTERM (or the image's own stop signal), SIGSTOP and SIGCONT
	// (paused and resumed), before the script reacts.
	Signal func(p Process, signal string)
	// Exit is called before the container is seen as stopped, whatever the cause.
	Exit func(p Process, code int)
}

// Process is the running side of a container.
type Process struct {
	Task      orchestrator.TaskSpec
	Container taskdefs.ContainerDefinition
	RuntimeID string

	fake *Fake
	c    *container
}

// Address is the address of the process's task.
func (p Process) Address() netip.Addr { return p.Task.Interface.Address }

// Exit ends the process, as if it had called exit(code). A process that has ended already stays so.
func (p Process) Exit(code int) { p.fake.machine.exit(p.c, code, false) }
