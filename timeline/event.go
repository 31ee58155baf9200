package timeline

import "time"

// Kind says what sort of thing an [Event] tells.
type Kind string

// The kinds of event.
const (
	APICall      Kind = "api-call"      // an AWS API call that changed something, or was refused
	ServiceEvent Kind = "service-event" // a service event in AWS's own wording
	Deployment   Kind = "deployment"    // a deployment was created or changed its rollout state
	Decision     Kind = "decision"      // the scheduler decided to start or stop tasks
	TaskState    Kind = "task-state"    // a task moved from one status to the next
	Signal       Kind = "signal"        // a stop signal was sent to a task's containers
	Exit         Kind = "exit"          // a container exited
	Restart      Kind = "restart"       // a container was started again by its restart policy
	TargetState  Kind = "target-state"  // a target's health state changed
	Network      Kind = "network"       // addresses, security groups and their enforcement
	Config       Kind = "config"        // load balancers, listeners, rules, target groups, task definitions
	Alarm        Kind = "alarm"         // an alarm was put, deleted, or changed its state
	Scaling      Kind = "scaling"       // Application Auto Scaling changed a desired count, or chose not to
	Warning      Kind = "warning"       // something was accepted but works differently from AWS
	Fault        Kind = "fault"         // a fault that is injected on purpose began or ended
	Daemon       Kind = "daemon"        // the daemon itself: started, stopped, recovered
)

// Event is one thing that happened. Events are immutable and totally ordered by Seq.
type Event struct {
	Seq     int64             `json:"seq"`
	Time    time.Time         `json:"time"`
	Kind    Kind              `json:"kind"`
	Subject string            `json:"subject"`         // ARN of what it happened to, or a name where there is no ARN
	Cause   int64             `json:"cause,omitempty"` // Seq of the event that led to this one; 0 if none is known
	Message string            `json:"message"`         // one sentence for people
	Data    map[string]string `json:"data,omitempty"`  // facts for programs: small and flat
}
