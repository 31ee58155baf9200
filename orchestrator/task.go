package orchestrator

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// TaskStatus is a task's lastStatus or desiredStatus.
type TaskStatus string

// The task statuses, in the only order in which a task goes through them (ECS-040).
const (
	Provisioning   TaskStatus = "PROVISIONING"
	Pending        TaskStatus = "PENDING"
	Activating     TaskStatus = "ACTIVATING"
	Running        TaskStatus = "RUNNING"
	Deactivating   TaskStatus = "DEACTIVATING"
	Stopping       TaskStatus = "STOPPING"
	Deprovisioning TaskStatus = "DEPROVISIONING"
	Stopped        TaskStatus = "STOPPED"
)

var taskOrder = []TaskStatus{Provisioning, Pending, Activating, Running, Deactivating, Stopping, Deprovisioning, Stopped}

// before reports whether s comes before t in a task's life.
func (s TaskStatus) before(t TaskStatus) bool {
	return slices.Index(taskOrder, s) < slices.Index(taskOrder, t)
}

// The stop codes that drydock uses (ECS-041).
const (
	TaskFailedToStart         = "TaskFailedToStart"
	EssentialContainerExited  = "EssentialContainerExited"
	UserInitiated             = "UserInitiated"
	ServiceSchedulerInitiated = "ServiceSchedulerInitiated"
)

// The tags that ECS manages (ECS-417).
const (
	ClusterNameTag = "aws:ecs:clusterName"
	ServiceNameTag = "aws:ecs:serviceName"
)

// Task health statuses, as for containers.
const (
	HealthUnknown   = "UNKNOWN"
	HealthHealthy   = "HEALTHY"
	HealthUnhealthy = "UNHEALTHY"
)

// Task is one run of a task definition. The loop is its only writer, but for the stop
// request that StopTask leaves.
type Task struct {
	ARN            string                `json:"arn"`
	ID             string                `json:"id"` // 32 hex digits
	Cluster        string                `json:"cluster"`
	Service        string                `json:"service,omitempty"`    // ARN
	Deployment     string                `json:"deployment,omitempty"` // id
	TaskDefinition string                `json:"taskDefinition"`       // ARN
	Group          string                `json:"group"`
	StartedBy      string                `json:"startedBy,omitempty"`
	LaunchType     string                `json:"launchType,omitempty"`
	Platform       string                `json:"platform,omitempty"`
	CPU            string                `json:"cpu,omitempty"`
	Memory         string                `json:"memory,omitempty"`
	Network        *NetworkConfiguration `json:"network,omitempty"`
	LoadBalancers  []LoadBalancer        `json:"loadBalancers,omitempty"`
	Overrides      json.RawMessage       `json:"overrides,omitempty"` // as given to RunTask
	ExecEnabled    bool                  `json:"execEnabled,omitempty"`
	Tags           map[string]string     `json:"tags,omitempty"`

	Desired     TaskStatus      `json:"desired"` // RUNNING or STOPPED
	Status      TaskStatus      `json:"status"`
	Health      string          `json:"health"`
	Version     int             `json:"version"`
	Interface   *TaskInterface  `json:"interface,omitempty"`
	NetworkMode string          `json:"networkMode,omitempty"` // awsvpc, bridge, host or none
	Instance    string          `json:"instance,omitempty"`    // EC2 instance id of where it is placed; empty if it has an interface
	Ports       []PortBinding   `json:"ports,omitempty"`       // of the instance
	Containers  []TaskContainer `json:"containers"`
	StopCode    string          `json:"stopCode,omitempty"`
	StopReason  string          `json:"stopReason,omitempty"`
	Probe       string          `json:"probe,omitempty"` // what the health check saw that condemned it, for people

	CreatedAt          time.Time `json:"createdAt"`
	PullStartedAt      time.Time `json:"pullStartedAt,omitzero"`
	PullStoppedAt      time.Time `json:"pullStoppedAt,omitzero"`
	StartedAt          time.Time `json:"startedAt,omitzero"`
	StoppingAt         time.Time `json:"stoppingAt,omitzero"`
	ExecutionStoppedAt time.Time `json:"executionStoppedAt,omitzero"`
	StoppedAt          time.Time `json:"stoppedAt,omitzero"`

	// Deadlines and progress of the stop path and of the target registrations.
	AttachAt       time.Time `json:"attachAt,omitzero"`
	DetachAt       time.Time `json:"detachAt,omitzero"`
	DeregisterAt   time.Time `json:"deregisterAt,omitzero"`
	ProtectedUntil time.Time `json:"protectedUntil,omitzero"` // no scale-in and no deployment stops it before
	RetryAt        time.Time `json:"retryAt,omitzero"`        // an action failed; not again before
	TargetsRetryAt time.Time `json:"targetsRetryAt,omitzero"` // the same for registrations
	Complaint      string    `json:"complaint,omitempty"`     // what the last failed action said
	Drain          bool      `json:"drain,omitempty"`         // wait for the targets to be out before the signal
	Registering    bool      `json:"registering,omitempty"`   // its targets may be there, though nobody has seen them yet
	Registered     bool      `json:"registered,omitempty"`
	Deregistered   bool      `json:"deregistered,omitempty"`
	Closed         bool      `json:"closed,omitempty"`  // its interface answers connections with RST
	Removed        bool      `json:"removed,omitempty"` // what its containers leave behind, too
	Detached       bool      `json:"detached,omitempty"`
	WasHealthy     bool      `json:"wasHealthy,omitempty"`
	Cause          int64     `json:"cause,omitempty"` // the task's latest event
}

// TaskInterface is the task's elastic network interface.
type TaskInterface struct {
	ID         string     `json:"id"` // eni-…
	Attachment string     `json:"attachment"`
	Subnet     string     `json:"subnet"`
	Zone       string     `json:"zone"`
	Address    netip.Addr `json:"address"`
	MAC        string     `json:"mac"`
	DNSName    string     `json:"dnsName,omitempty"`
	Warm       string     `json:"warm,omitempty"` // id of the namespace that was ready before the task
}

// TaskContainer is one container of a task.
type TaskContainer struct {
	Name        string `json:"name"`
	ARN         string `json:"arn"`
	Image       string `json:"image"`
	ImageDigest string `json:"imageDigest,omitempty"` // image id
	RepoDigest  string `json:"repoDigest,omitempty"`  // what the API shows in its place, if there is one (ECS-445)
	Pinned      string `json:"pinned,omitempty"`      // image id that its deployment has settled on
	RuntimeID   string `json:"runtimeId,omitempty"`
	Status      string `json:"status"` // PENDING, RUNNING, STOPPED
	Health      string `json:"health"`
	ExitCode    *int   `json:"exitCode,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Essential   bool   `json:"essential"`
	Checked     bool   `json:"checked,omitempty"` // the definition has a health check
	CPU         int    `json:"cpu,omitempty"`
	Memory      int    `json:"memory,omitempty"`
	Reservation int    `json:"reservation,omitempty"`

	StartedAt    time.Time `json:"startedAt,omitzero"`     // of its current run
	RestartCount int       `json:"restartCount,omitempty"` // by its restart policy
	Restarting   time.Time `json:"restarting,omitzero"`    // start of the run that has ended and is to be followed by another
	PausedAt     time.Time `json:"pausedAt,omitzero"`      // frozen from outside since
}

// live reports whether the task is meant to run.
func (t *Task) live() bool { return t.Desired == Running }

// running reports whether the task counts into runningCount.
func (t *Task) running() bool { return t.Status == Running }

// pending reports whether the task counts into pendingCount.
func (t *Task) pending() bool { return t.live() && t.Status.before(Running) }

// checked reports whether a container health check of an essential container decides the task's health.
func (t *Task) checked() bool {
	return slices.ContainsFunc(t.Containers, func(c TaskContainer) bool { return c.Essential && c.Checked })
}

// advance moves the task's status forward; nothing else changes it. Moving backwards is a
// bug of the planner, so it panics in tests and is refused in production.
func (t *Task) advance(to TaskStatus) error {
	if !t.Status.before(to) {
		return fmt.Errorf("advance task %s from %s to %s: a task's status only moves forward", t.ID, t.Status, to)
	}
	t.Status = to
	t.Version++
	return nil
}

func (t *Task) clone() *Task {
	c := *t
	c.Containers = slices.Clone(t.Containers)
	return &c
}

// Container returns the container with this name, nil if there is none.
func (t *Task) Container(name string) *TaskContainer { return t.container(name) }

// container returns the container with this name, nil if there is none.
func (t *Task) container(name string) *TaskContainer {
	i := slices.IndexFunc(t.Containers, func(c TaskContainer) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Containers[i]
}
