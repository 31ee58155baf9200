package orchestrator

import (
	"context"
	"net/netip"
	"time"

	"drydock/taskdefs"
)

// Engine runs tasks. Every method is idempotent and keyed by task ARN: calling it again
// after a crash finishes what was begun. An Engine touches only what carries our labels.
type Engine interface {
	// Run brings the task's containers up: pull missing images, create, start. It returns when
	// all of them are started, or with an error of type *StartError when one cannot be.
	Run(ctx context.Context, spec TaskSpec) error
	// Stop sends every container its stop signal, waits the container's stopTimeout, then kills.
	// It returns when all are stopped. A task that is already stopped or unknown is not an error.
	Stop(ctx context.Context, task string) error
	// Remove removes what is left of the task. Unknown tasks are not an error.
	Remove(ctx context.Context, task string) error
	// List observes every task that carries our labels, whatever its state.
	List(ctx context.Context) ([]TaskObservation, error)
	// Changes pokes its channel, of size 1, whenever List may have changed, and when it begins to
	// tell. It is closed when ctx ends.
	Changes(ctx context.Context) (<-chan struct{}, error)
}

// Observer is the optional ability of an [Engine] to observe single tasks, so that what one of
// them does costs no look at all of them.
type Observer interface {
	// Changed returns what may have changed since it was called last. Changes pokes when there is
	// something. The first call, and one after changes may have been missed, says All.
	Changed() Change
	// Observe observes what List and ListWarm would say of some tasks and namespaces. What is not
	// there is not in the answer.
	Observe(ctx context.Context, what Change) ([]TaskObservation, []WarmObservation, error)
}

// Change is what may have changed in an engine.
type Change struct {
	All        bool     // nobody knows what it was: List tells
	Tasks      []string // ARNs
	Namespaces []string // ids of [Warmer]'s
}

// Machine is the optional ability of an [Engine] to say how big its machine is.
type Machine interface {
	// CPU is what the machine has, in CPU units (1024 is one vCPU); 0 is unknown.
	CPU() int64
}

// Restarter is the ability of an [Engine] to start a container again in place.
type Restarter interface {
	// Restart starts a container whose run that began at run has ended. If another run has begun
	// since, or that one has not ended, it does nothing. An error of type *StartError says that it
	// cannot be started.
	Restart(ctx context.Context, task, container string, run time.Time) error
}

// StartError says why a container could not be brought up, in ECS's words.
type StartError struct {
	Container string
	Name      string // CannotPullContainerError, CannotStartContainerError and so on
	Err       error
}

func (e *StartError) Error() string { return e.Name + ": " + e.Err.Error() }

func (e *StartError) Unwrap() error { return e.Err }

// TaskSpec is all that an engine needs to run a task.
type TaskSpec struct {
	ARN         string
	ID          string // 32 hex digits
	Cluster     string // name
	Family      string
	Revision    int
	Service     string // name; empty for a standalone task
	NetworkMode string
	Interface   Interface
	Ports       []PortBinding                  // of the host, for bridge and host networking
	Warm        string                         // id of a namespace of [Warmer] that has the interface already; empty: none
	CPU         int64                          // CPU units of the whole task (1024 is one vCPU); 0: no limit
	Memory      int64                          // MiB of the whole task; 0: no limit
	Containers  []taskdefs.ContainerDefinition // after overrides, secrets resolved, in start order
	Volumes     []taskdefs.Volume
	PIDMode     string                       // host, task or empty: each container has its own processes
	IPCMode     string                       // host, task, none or empty
	Platform    string                       // of the images, such as linux/arm64; empty: the machine's own
	Images      map[string]string            // image ids to use in place of the definitions' tags, by container name
	Env         map[string]string            // injected into every container unless the definition sets it
	Injected    map[string]map[string]string // the same for one container, by its name; it wins over Env
	Hosts       map[string]string            // names the task can look up beside its DNS: name → address
	Labels      map[string]string            // further labels
}

// Interface is the task's elastic network interface.
type Interface struct {
	VPC     VPC
	Address netip.Addr
	MAC     string
}

// VPC is what an engine needs to make the network that its tasks live in.
type VPC struct {
	ID      string
	CIDR    netip.Prefix
	Gateway netip.Addr
}

// TaskObservation is what an engine sees of one task.
type TaskObservation struct {
	Task              string // ARN
	ContainerInstance string // ARN of where it runs
	Address           netip.Addr
	Disconnected      bool // its network interface was taken away while it runs
	Containers        []ContainerObservation
}

// ContainerStatus is a container's status as an engine sees it.
type ContainerStatus string

// The container statuses.
const (
	ContainerCreated ContainerStatus = "created" // not started yet
	ContainerRunning ContainerStatus = "running"
	ContainerStopped ContainerStatus = "stopped"
)

// ContainerObservation is what an engine sees of one container.
type ContainerObservation struct {
	Name        string // as in the task definition
	RuntimeID   string // the container id
	RuntimeName string // the container's name there
	Image       string
	ImageDigest string // image id, sha256:…
	RepoDigest  string // the image's digest in its registry, sha256:…; empty for one that was built here
	Status      ContainerStatus
	CreatedAt   time.Time
	StartedAt   time.Time
	FinishedAt  time.Time
	ExitCode    int
	OOMKilled   bool
	Paused      bool   // frozen; its status is running
	Health      string // UNKNOWN, HEALTHY, UNHEALTHY
	Error       string // why it could not be started, if so
}
