package agent

import "time"

// taskDocument is a task's metadata, under the names that the agent gives its members (ECS-223).
type taskDocument struct {
	Cluster               string
	TaskARN               string
	Family                string
	Revision              string
	DesiredStatus         string `json:",omitempty"`
	KnownStatus           string
	Limits                *limits             `json:",omitempty"`
	PullStartedAt         *time.Time          `json:",omitempty"`
	PullStoppedAt         *time.Time          `json:",omitempty"`
	ExecutionStoppedAt    *time.Time          `json:",omitempty"`
	AvailabilityZone      string              `json:",omitempty"`
	LaunchType            string              `json:",omitempty"`
	TaskTags              map[string]string   `json:",omitempty"`
	Containers            []containerDocument `json:",omitempty"`
	VPCID                 string              `json:",omitempty"`
	ServiceName           string              `json:",omitempty"`
	Group                 string              `json:",omitempty"`
	ClockDrift            *clockDrift         `json:",omitempty"`
	FaultInjectionEnabled *bool               `json:",omitempty"` // from version 4 on
}

// limits are CPU, in vCPU for a task and in units for a container, and MiB of memory.
type limits struct {
	CPU    *float64 `json:",omitempty"`
	Memory *int64   `json:",omitempty"`
}

type clockDrift struct {
	ClockErrorBound            float64    `json:",omitempty"` // milliseconds
	ReferenceTimestamp         *time.Time `json:",omitempty"`
	ClockSynchronizationStatus string     `json:",omitempty"`
}

// containerDocument is a container's metadata.
type containerDocument struct {
	DockerID      string `json:"DockerId"`
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []portDocument    `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int `json:",omitempty"`
	Limits        limits
	CreatedAt     *time.Time `json:",omitempty"`
	StartedAt     *time.Time `json:",omitempty"`
	FinishedAt    *time.Time `json:",omitempty"`
	Type          string
	Networks      []networkDocument `json:",omitempty"`
	Health        *healthDocument   `json:",omitempty"`
	Volumes       []volumeDocument  `json:",omitempty"`
	LogDriver     string            `json:",omitempty"`
	LogOptions    map[string]string `json:",omitempty"`
	ContainerARN  string            `json:",omitempty"`
	RestartCount  *int              `json:",omitempty"`
}

type portDocument struct {
	ContainerPort int
	Protocol      string
	HostPort      int    `json:",omitempty"`
	HostIP        string `json:"HostIp,omitempty"`
}

type healthDocument struct {
	Status      string     `json:"status"`
	StatusSince *time.Time `json:"statusSince,omitempty"`
	ExitCode    int        `json:"exitCode,omitempty"`
	Output      string     `json:"output,omitempty"`
}

// volumeDocument is a volume that a container mounts.
type volumeDocument struct {
	DockerName  string `json:",omitempty"`
	Source      string `json:",omitempty"` // a directory of the host
	Destination string
}

// networkDocument is a network of a container; from AttachmentIndex on, of version 4 only.
type networkDocument struct {
	NetworkMode              string
	IPv4Addresses            []string
	AttachmentIndex          *int     `json:",omitempty"`
	MACAddress               string   `json:",omitempty"`
	IPv4SubnetCIDRBlock      string   `json:",omitempty"`
	DomainNameServers        []string `json:",omitempty"`
	DomainNameSearchList     []string `json:",omitempty"`
	PrivateDNSName           string   `json:",omitempty"`
	SubnetGatewayIPv4Address string   `json:"SubnetGatewayIpv4Address,omitempty"`
}
