package taskdefs

import "slices"

// TaskDefinition is the typed view of a registered task definition, under the API's own
// names and in its order. The registered document itself is kept verbatim beside it.
//
// The tags required, enum and range are the API's constraints; [Parse] enforces them.
type TaskDefinition struct {
	ContainerDefinitions    []ContainerDefinition  `json:"containerDefinitions"`
	Family                  string                 `json:"family"`
	TaskRoleARN             string                 `json:"taskRoleArn,omitempty"`
	ExecutionRoleARN        string                 `json:"executionRoleArn,omitempty"`
	NetworkMode             string                 `json:"networkMode,omitempty" enum:"bridge,host,awsvpc,none"` // empty is bridge
	Revision                int                    `json:"revision" input:"-"`                                   // given at registration
	Volumes                 []Volume               `json:"volumes,omitempty"`
	PlacementConstraints    []PlacementConstraint  `json:"placementConstraints,omitempty"`
	RuntimePlatform         *RuntimePlatform       `json:"runtimePlatform,omitempty"`
	RequiresCompatibilities []string               `json:"requiresCompatibilities,omitempty" enum:"EC2,FARGATE,EXTERNAL,MANAGED_INSTANCES"`
	CPU                     string                 `json:"cpu,omitempty"`    // CPU units, normalised: "256"
	Memory                  string                 `json:"memory,omitempty"` // MiB, normalised: "512"
	InferenceAccelerators   []InferenceAccelerator `json:"inferenceAccelerators,omitempty"`
	PIDMode                 string                 `json:"pidMode,omitempty" enum:"host,task"`
	IPCMode                 string                 `json:"ipcMode,omitempty" enum:"host,task,none"`
	ProxyConfiguration      *ProxyConfiguration    `json:"proxyConfiguration,omitempty"`
	EphemeralStorage        *EphemeralStorage      `json:"ephemeralStorage,omitempty"`
	EnableFaultInjection    bool                   `json:"enableFaultInjection,omitempty"`
	Tags                    []Tag                  `json:"tags,omitempty"` // of the request; answered beside the task definition
}

// Requires reports whether requiresCompatibilities names a launch type.
func (d TaskDefinition) Requires(launchType string) bool {
	return slices.Contains(d.RequiresCompatibilities, launchType)
}

// Container returns the container of that name.
func (d TaskDefinition) Container(name string) (ContainerDefinition, bool) {
	for _, c := range d.ContainerDefinitions {
		if c.Name == name {
			return c, true
		}
	}
	return ContainerDefinition{}, false
}

// Tag is a tag of a task definition.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// PlacementConstraint limits where tasks may be placed.
type PlacementConstraint struct {
	Type       string `json:"type" enum:"memberOf"`
	Expression string `json:"expression,omitempty"`
}

// InferenceAccelerator is an Elastic Inference device; AWS has retired them.
type InferenceAccelerator struct {
	DeviceName string `json:"deviceName" required:"true"`
	DeviceType string `json:"deviceType" required:"true"`
}

// ProxyConfiguration is the App Mesh proxy of a task.
type ProxyConfiguration struct {
	Type          string     `json:"type,omitempty" enum:"APPMESH"`
	ContainerName string     `json:"containerName" required:"true"`
	Properties    []KeyValue `json:"properties,omitempty"`
}

// ContainerDefinition describes one container of a task.
type ContainerDefinition struct {
	Name                   string                  `json:"name"`
	Image                  string                  `json:"image"`
	RepositoryCredentials  *RepositoryCredentials  `json:"repositoryCredentials,omitempty"`
	CPU                    int                     `json:"cpu,omitempty"`               // CPU units
	Memory                 int                     `json:"memory,omitempty"`            // MiB, hard limit
	MemoryReservation      int                     `json:"memoryReservation,omitempty"` // MiB
	Links                  []string                `json:"links,omitempty"`
	PortMappings           []PortMapping           `json:"portMappings,omitempty"`
	Essential              *bool                   `json:"essential,omitempty"` // nil is true
	RestartPolicy          *ContainerRestartPolicy `json:"restartPolicy,omitempty"`
	EntryPoint             []string                `json:"entryPoint,omitempty"` // empty is not nil
	Command                []string                `json:"command,omitempty"`
	Environment            []KeyValue              `json:"environment,omitempty"`
	EnvironmentFiles       []EnvironmentFile       `json:"environmentFiles,omitempty"`
	MountPoints            []MountPoint            `json:"mountPoints,omitempty"`
	VolumesFrom            []VolumeFrom            `json:"volumesFrom,omitempty"`
	LinuxParameters        *LinuxParameters        `json:"linuxParameters,omitempty"`
	Secrets                []Secret                `json:"secrets,omitempty"`
	DependsOn              []ContainerDependency   `json:"dependsOn,omitempty"`
	StartTimeout           int                     `json:"startTimeout,omitempty"` // seconds; 0 is none
	StopTimeout            int                     `json:"stopTimeout,omitempty"`  // seconds; 0 is the default of 30
	VersionConsistency     string                  `json:"versionConsistency,omitempty" enum:"enabled,disabled"`
	Hostname               string                  `json:"hostname,omitempty"`
	User                   string                  `json:"user,omitempty"`
	WorkingDirectory       string                  `json:"workingDirectory,omitempty"`
	DisableNetworking      bool                    `json:"disableNetworking,omitempty"`
	Privileged             bool                    `json:"privileged,omitempty"`
	ReadonlyRootFilesystem bool                    `json:"readonlyRootFilesystem,omitempty"`
	DNSServers             []string                `json:"dnsServers,omitempty"`
	DNSSearchDomains       []string                `json:"dnsSearchDomains,omitempty"`
	ExtraHosts             []HostEntry             `json:"extraHosts,omitempty"`
	DockerSecurityOptions  []string                `json:"dockerSecurityOptions,omitempty"`
	Interactive            bool                    `json:"interactive,omitempty"`
	PseudoTerminal         bool                    `json:"pseudoTerminal,omitempty"`
	DockerLabels           map[string]string       `json:"dockerLabels,omitempty"`
	Ulimits                []Ulimit                `json:"ulimits,omitempty"`
	LogConfiguration       *LogConfiguration       `json:"logConfiguration,omitempty"`
	HealthCheck            *HealthCheck            `json:"healthCheck,omitempty"`
	SystemControls         []SystemControl         `json:"systemControls,omitempty"`
	ResourceRequirements   []ResourceRequirement   `json:"resourceRequirements,omitempty"`
	FirelensConfiguration  *FirelensConfiguration  `json:"firelensConfiguration,omitempty"`
	CredentialSpecs        []string                `json:"credentialSpecs,omitempty"`
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
	Name      string `json:"name" required:"true"`
	ValueFrom string `json:"valueFrom" required:"true"`
}

// PortMapping is a port that a container serves.
type PortMapping struct {
	ContainerPort      int    `json:"containerPort,omitempty"`
	HostPort           int    `json:"hostPort,omitempty"`
	Protocol           string `json:"protocol,omitempty" enum:"tcp,udp"` // empty is tcp
	Name               string `json:"name,omitempty"`
	AppProtocol        string `json:"appProtocol,omitempty" enum:"http,http2,grpc"`
	ContainerPortRange string `json:"containerPortRange,omitempty"` // "8000-8010"
}

// ContainerDependency orders the start of containers.
type ContainerDependency struct {
	ContainerName string `json:"containerName" required:"true"`
	Condition     string `json:"condition" required:"true" enum:"START,COMPLETE,SUCCESS,HEALTHY"`
}

// HealthCheck is a container health check. Durations are seconds.
type HealthCheck struct {
	Command     []string `json:"command" required:"true"`
	Interval    int      `json:"interval,omitempty" range:"5-300"`
	Timeout     int      `json:"timeout,omitempty" range:"2-60"`
	Retries     int      `json:"retries,omitempty" range:"1-10"`
	StartPeriod int      `json:"startPeriod,omitempty" range:"0-300"`
}

// Ulimit is a resource limit of a container.
type Ulimit struct {
	Name      string `json:"name" required:"true" enum:"core,cpu,data,fsize,locks,memlock,msgqueue,nice,nofile,nproc,rss,rtprio,rttime,sigpending,stack"`
	SoftLimit int64  `json:"softLimit" required:"true"`
	HardLimit int64  `json:"hardLimit" required:"true"`
}

// MountPoint mounts a volume of the task.
type MountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly,omitempty"`
}

// VolumeFrom mounts the volumes of another container.
type VolumeFrom struct {
	SourceContainer string `json:"sourceContainer"`
	ReadOnly        bool   `json:"readOnly,omitempty"`
}

// EnvironmentFile is a file of KEY=VALUE lines in S3.
type EnvironmentFile struct {
	Value string `json:"value" required:"true"`
	Type  string `json:"type" required:"true" enum:"s3"`
}

// RepositoryCredentials names the secret that a private registry wants.
type RepositoryCredentials struct {
	CredentialsParameter string `json:"credentialsParameter" required:"true"`
}

// LinuxParameters are Linux-specific container settings.
type LinuxParameters struct {
	Capabilities       *KernelCapabilities `json:"capabilities,omitempty"`
	Devices            []Device            `json:"devices,omitempty"`
	InitProcessEnabled bool                `json:"initProcessEnabled,omitempty"`
	SharedMemorySize   int                 `json:"sharedMemorySize,omitempty"` // MiB
	Tmpfs              []Tmpfs             `json:"tmpfs,omitempty"`
	MaxSwap            *int                `json:"maxSwap,omitempty"` // MiB; 0 is no swap, nil the host's
	Swappiness         *int                `json:"swappiness,omitempty" range:"0-100"`
}

// Device exposes a device of the host.
type Device struct {
	HostPath      string   `json:"hostPath" required:"true"`
	ContainerPath string   `json:"containerPath,omitempty"`
	Permissions   []string `json:"permissions,omitempty" enum:"read,write,mknod"`
}

// KernelCapabilities are added to or dropped from Docker's default set.
type KernelCapabilities struct {
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop,omitempty"`
}

// Tmpfs is a tmpfs mount; Size is MiB.
type Tmpfs struct {
	ContainerPath string   `json:"containerPath" required:"true"`
	Size          int      `json:"size" required:"true"`
	MountOptions  []string `json:"mountOptions,omitempty"`
}

// LogConfiguration names the log driver and its options.
type LogConfiguration struct {
	LogDriver     string            `json:"logDriver" required:"true" enum:"json-file,syslog,journald,gelf,fluentd,awslogs,splunk,awsfirelens"`
	Options       map[string]string `json:"options,omitempty"`
	SecretOptions []Secret          `json:"secretOptions,omitempty"`
}

// SystemControl is a namespaced kernel parameter.
type SystemControl struct {
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

// HostEntry is a line of /etc/hosts.
type HostEntry struct {
	Hostname  string `json:"hostname" required:"true"`
	IPAddress string `json:"ipAddress" required:"true"`
}

// ContainerRestartPolicy restarts a container in place.
type ContainerRestartPolicy struct {
	Enabled              bool  `json:"enabled" required:"true"`
	IgnoredExitCodes     []int `json:"ignoredExitCodes,omitempty"`
	RestartAttemptPeriod int   `json:"restartAttemptPeriod,omitempty"` // seconds; 0 is 300
}

// ResourceRequirement asks for GPUs.
type ResourceRequirement struct {
	Value string `json:"value" required:"true"`
	Type  string `json:"type" required:"true" enum:"GPU,InferenceAccelerator"`
}

// FirelensConfiguration makes a container the log router of its task.
type FirelensConfiguration struct {
	Type    string            `json:"type" required:"true" enum:"fluentd,fluentbit"`
	Options map[string]string `json:"options,omitempty"`
}

// RuntimePlatform names the operating system and architecture.
type RuntimePlatform struct {
	CPUArchitecture       string `json:"cpuArchitecture,omitempty" enum:"X86_64,ARM64"`
	OperatingSystemFamily string `json:"operatingSystemFamily,omitempty"`
}

// EphemeralStorage is the size of a Fargate task's disk.
type EphemeralStorage struct {
	SizeInGiB int `json:"sizeInGiB" required:"true"`
}
