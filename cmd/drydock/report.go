package main

import "time"

// The documents of the daemon's private API, under /_drydock/. They are what
// `--output json` prints, so their fields only ever grow.

// Status is the answer of GET /_drydock/status.
type Status struct {
	Daemon        DaemonStatus         `json:"daemon"`
	Node          *NodeStatus          `json:"node,omitempty"`
	LoadBalancers []LoadBalancerStatus `json:"loadBalancers"`
	Services      []ServiceStatus      `json:"services"`
	Tasks         []TaskStatus         `json:"tasks"` // all that are not STOPPED, and those stopped in the last hour
}

// DaemonStatus tells about the daemon and what it stands on.
type DaemonStatus struct {
	Version        string    `json:"version"`
	PID            int       `json:"pid"`
	StartedAt      time.Time `json:"startedAt"`
	StateDir       string    `json:"stateDir"`
	Instance       string    `json:"instance"` // in the labels and names of everything that is ours
	Listen         string    `json:"listen"`
	Pace           string    `json:"pace"`
	Region         string    `json:"region"`
	Account        string    `json:"account"`
	VPC            string    `json:"vpc"`
	CIDR           string    `json:"cidr"`
	SecurityGroups string    `json:"securityGroups"` // "enforced", or "NOT ENFORCED (reason)"
	TaskMetadata   string    `json:"taskMetadata"`   // "served", "not yet (reason)" or "NOT SERVED (reason)"
	Engine         string    `json:"engine"`         // "Docker 20.10.24", or why it does not answer
}

// LoadBalancerStatus is a load balancer and where it answers.
type LoadBalancerStatus struct {
	Name       string           `json:"name"`
	ARN        string           `json:"arn"`
	DNSName    string           `json:"dnsName"`
	State      string           `json:"state"`
	VPCAddress string           `json:"vpcAddress"`
	Listeners  []ListenerStatus `json:"listeners"`
}

// ListenerStatus is a listener, its URL on this machine and its rules in words.
type ListenerStatus struct {
	ARN   string       `json:"arn"`
	URL   string       `json:"url"`             // http://127.0.0.1 or http://127.0.0.1:8080
	Error string       `json:"error,omitempty"` // why it does not listen
	Rules []RuleStatus `json:"rules"`
}

// RuleStatus is a listener rule in words.
type RuleStatus struct {
	Priority string `json:"priority"`
	If       string `json:"if"`   // "path /api/users/*"; empty for the default rule
	Then     string `json:"then"` // "forward users", "fixed 404"
}

// ServiceStatus is a service, its deployments and target groups.
type ServiceStatus struct {
	Name           string              `json:"name"`
	ARN            string              `json:"arn"`
	Cluster        string              `json:"cluster"`
	Status         string              `json:"status"`
	TaskDefinition string              `json:"taskDefinition"` // family:revision
	Desired        int                 `json:"desired"`
	Running        int                 `json:"running"`
	Pending        int                 `json:"pending"`
	Steady         bool                `json:"steady"` // one deployment, running equals desired
	Deployments    []DeploymentStatus  `json:"deployments"`
	TargetGroups   []TargetGroupStatus `json:"targetGroups"`
}

// DeploymentStatus is one deployment of a service; the primary one is first.
type DeploymentStatus struct {
	ID             string    `json:"id"`
	Status         string    `json:"status"` // PRIMARY, ACTIVE
	TaskDefinition string    `json:"taskDefinition"`
	Desired        int       `json:"desired"`
	Running        int       `json:"running"`
	Pending        int       `json:"pending"`
	Healthy        int       `json:"healthy"`
	Failed         int       `json:"failed"`
	RolloutState   string    `json:"rolloutState"`
	Reason         string    `json:"reason"`
	CreatedAt      time.Time `json:"createdAt"`

	Stage      string   `json:"stage,omitempty"`      // lifecycle stage, of a strategy that shifts traffic
	Production *float64 `json:"production,omitempty"` // its share of the production traffic, in percent
	Test       *float64 `json:"test,omitempty"`       // and of the test traffic
}

// TargetGroupStatus counts a target group's targets by state.
type TargetGroupStatus struct {
	Name   string         `json:"name"`
	ARN    string         `json:"arn"`
	States map[string]int `json:"states"`
}

// TaskStatus is one task.
type TaskStatus struct {
	ID             string            `json:"id"`
	ARN            string            `json:"arn"`
	Cluster        string            `json:"cluster"`
	Service        string            `json:"service,omitempty"`
	Deployment     string            `json:"deployment,omitempty"`
	TaskDefinition string            `json:"taskDefinition"`
	LastStatus     string            `json:"lastStatus"`
	DesiredStatus  string            `json:"desiredStatus"`
	Health         string            `json:"health"`
	Address        string            `json:"address,omitempty"`
	Zone           string            `json:"zone,omitempty"`
	CreatedAt      time.Time         `json:"createdAt"`
	StartedAt      time.Time         `json:"startedAt,omitzero"`
	StoppedAt      time.Time         `json:"stoppedAt,omitzero"`
	StoppedReason  string            `json:"stoppedReason,omitempty"`
	HealthCheck    string            `json:"healthCheck,omitempty"` // what the health check saw that condemned it
	Targets        []TaskTarget      `json:"targets,omitempty"`
	Containers     []ContainerStatus `json:"containers"`
}

// TaskTarget is a task's registration with a target group.
type TaskTarget struct {
	TargetGroup string    `json:"targetGroup"` // name
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Description string    `json:"description,omitempty"`
	DrainUntil  time.Time `json:"drainUntil,omitzero"`
	InFlight    int       `json:"inFlight"`
}

// ContainerStatus is one container of a task.
type ContainerStatus struct {
	Name      string `json:"name"`
	Image     string `json:"image"`
	Status    string `json:"status"`
	RuntimeID string `json:"runtimeId,omitempty"`
	ExitCode  *int   `json:"exitCode,omitempty"`
	Reason    string `json:"reason,omitempty"`
}
