package taskdefs

// TaskDefinition is the part of a registered task definition that drydock acts on,
// under the API's own names. The registered document itself is kept verbatim beside it.
type TaskDefinition struct {
	Family                  string                `json:"family"`
	Revision                int                   `json:"revision"`
	NetworkMode             string                `json:"networkMode,omitempty"` // awsvpc, bridge, host, none
	CPU                     string                `json:"cpu,omitempty"`         // CPU units, normalised: "256"
	Memory                  string                `json:"memory,omitempty"`      // MiB, normalised: "512"
	TaskRoleARN             string                `json:"taskRoleArn,omitempty"`
	ExecutionRoleARN        string                `json:"executionRoleArn,omitempty"`
	RequiresCompatibilities []string              `json:"requiresCompatibilities,omitempty"`
	PIDMode                 string                `json:"pidMode,omitempty"`
	IPCMode                 string                `json:"ipcMode,omitempty"`
	ContainerDefinitions    []ContainerDefinition `json:"containerDefinitions"`
	Volumes                 []Volume              `json:"volumes,omitempty"`
	RuntimePlatform         *RuntimePlatform      `json:"runtimePlatform,omitempty"`
	EphemeralStorage        *EphemeralStorage     `json:"ephemeralStorage,omitempty"`
}

// ContainerDefinition describes one container of a task.
type ContainerDefinition struct {
	Name                   string                  `json:"name"`
	Image                  string                  `json:"image"`
	CPU                    int                     `json:"cpu,omitempty"`               // CPU units
	Memory                 int                     `json:"memory,omitempty"`            // MiB, hard limit
	MemoryReservation      int                     `json:"memoryReservation,omitempty"` // MiB
	Essential              *bool                   `json:"essential,omitempty"`         // nil is true
	EntryPoint             []string                `json:"entryPoint,omitempty"`
	Command                []string                `json:"command,omitempty"`
	Environment            []KeyValue              `json:"environment,omitempty"`
	Secrets                []Secret                `json:"secrets,omitempty"`
	PortMappings           []PortMapping           `json:"portMappings,omitempty"`
	DependsOn              []ContainerDependency   `json:"dependsOn,omitempty"`
	StartTimeout           int                     `json:"startTimeout,omitempty"` // seconds
	StopTimeout            int                     `json:"stopTimeout,omitempty"`  // seconds; 0 is the default of 30
	HealthCheck            *HealthCheck            `json:"healthCheck,omitempty"`
	User                   string                  `json:"user,omitempty"`
	WorkingDirectory       string                  `json:"workingDirectory,omitempty"`
	Hostname               string                  `json:"hostname,omitempty"`
	ReadonlyRootFilesystem bool                    `json:"readonlyRootFilesystem,omitempty"`
	Privileged             bool                    `json:"privileged,omitempty"`
	Interactive            bool                    `json:"interactive,omitempty"`
	PseudoTerminal         bool                    `json:"pseudoTerminal,omitempty"`
	DockerLabels           map[string]string       `json:"dockerLabels,omitempty"`
	Ulimits                []Ulimit                `json:"ulimits,omitempty"`
	MountPoints            []MountPoint            `json:"mountPoints,omitempty"`
	LinuxParameters        *LinuxParameters        `json:"linuxParameters,omitempty"`
	LogConfiguration       *LogConfiguration       `json:"logConfiguration,omitempty"`
	SystemControls         []SystemControl         `json:"systemControls,omitempty"`
	ExtraHosts             []HostEntry             `json:"extraHosts,omitempty"`
	RestartPolicy          *ContainerRestartPolicy `json:"restartPolicy,omitempty"`
}

// IsEssential reports whether the task stops when the container does.
func (c ContainerDefinition) IsEssential() bool { return c.Essential == nil || *c.Essential }

// KeyValue is an environment variable.
type KeyValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Secret is an environment variable whose value comes from a secret store.
type Secret struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
}

// PortMapping is a port that a container serves.
type PortMapping struct {
	Name          string `json:"name,omitempty"`
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort,omitempty"`
	Protocol      string `json:"protocol,omitempty"` // tcp or udp; empty is tcp
}

// ContainerDependency orders the start of containers.
type ContainerDependency struct {
	ContainerName string `json:"containerName"`
	Condition     string `json:"condition"` // START, COMPLETE, SUCCESS, HEALTHY
}

// HealthCheck is a container health check. Durations are seconds.
type HealthCheck struct {
	Command     []string `json:"command"`
	Interval    int      `json:"interval,omitempty"`
	Timeout     int      `json:"timeout,omitempty"`
	Retries     int      `json:"retries,omitempty"`
	StartPeriod int      `json:"startPeriod,omitempty"`
}

// Ulimit is a resource limit of a container.
type Ulimit struct {
	Name      string `json:"name"`
	SoftLimit int64  `json:"softLimit"`
	HardLimit int64  `json:"hardLimit"`
}

// MountPoint mounts a volume of the task.
type MountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly,omitempty"`
}

// Volume is a volume of the task.
type Volume struct {
	Name string      `json:"name"`
	Host *HostVolume `json:"host,omitempty"`
}

// HostVolume names a directory of the host.
type HostVolume struct {
	SourcePath string `json:"sourcePath,omitempty"`
}

// LinuxParameters are Linux-specific container settings.
type LinuxParameters struct {
	InitProcessEnabled bool                `json:"initProcessEnabled,omitempty"`
	SharedMemorySize   int                 `json:"sharedMemorySize,omitempty"` // MiB
	Capabilities       *KernelCapabilities `json:"capabilities,omitempty"`
	Tmpfs              []Tmpfs             `json:"tmpfs,omitempty"`
}

// KernelCapabilities are added to or dropped from Docker's default set.
type KernelCapabilities struct {
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop,omitempty"`
}

// Tmpfs is a tmpfs mount; Size is MiB.
type Tmpfs struct {
	ContainerPath string   `json:"containerPath"`
	Size          int      `json:"size"`
	MountOptions  []string `json:"mountOptions,omitempty"`
}

// LogConfiguration names the log driver and its options.
type LogConfiguration struct {
	LogDriver string            `json:"logDriver"`
	Options   map[string]string `json:"options,omitempty"`
}

// SystemControl is a namespaced kernel parameter.
type SystemControl struct {
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

// HostEntry is a line of /etc/hosts.
type HostEntry struct {
	Hostname  string `json:"hostname"`
	IPAddress string `json:"ipAddress"`
}

// ContainerRestartPolicy restarts a container in place.
type ContainerRestartPolicy struct {
	Enabled              bool  `json:"enabled"`
	IgnoredExitCodes     []int `json:"ignoredExitCodes,omitempty"`
	RestartAttemptPeriod int   `json:"restartAttemptPeriod,omitempty"` // seconds
}

// RuntimePlatform names the operating system and architecture.
type RuntimePlatform struct {
	CPUArchitecture       string `json:"cpuArchitecture,omitempty"`
	OperatingSystemFamily string `json:"operatingSystemFamily,omitempty"`
}

// EphemeralStorage is the size of a Fargate task's disk.
type EphemeralStorage struct {
	SizeInGiB int `json:"sizeInGiB"`
}
