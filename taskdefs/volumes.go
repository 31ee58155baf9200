package taskdefs

// Volume is a volume of the task. Without any configuration it is an empty
// directory that the task's containers share and that goes with the task.
type Volume struct {
	Name                 string                `json:"name"`
	Host                 *HostVolume           `json:"host,omitempty"`
	DockerVolume         *DockerVolume         `json:"dockerVolumeConfiguration,omitempty"`
	EFSVolume            *EFSVolume            `json:"efsVolumeConfiguration,omitempty"`
	S3FilesVolume        *S3FilesVolume        `json:"s3filesVolumeConfiguration,omitempty"`
	FSxWindowsFileServer *FSxWindowsFileServer `json:"fsxWindowsFileServerVolumeConfiguration,omitempty"`
	ConfiguredAtLaunch   bool                  `json:"configuredAtLaunch,omitempty"`
}

// HostVolume names a directory of the host.
type HostVolume struct {
	SourcePath string `json:"sourcePath,omitempty"`
}

// DockerVolume is a volume of the Docker engine.
type DockerVolume struct {
	Scope         string            `json:"scope,omitempty" enum:"task,shared"`
	Autoprovision bool              `json:"autoprovision,omitempty"`
	Driver        string            `json:"driver,omitempty"`
	DriverOpts    map[string]string `json:"driverOpts,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// EFSVolume is an EFS file system.
type EFSVolume struct {
	FileSystemID          string            `json:"fileSystemId" required:"true"`
	RootDirectory         string            `json:"rootDirectory,omitempty"`
	TransitEncryption     string            `json:"transitEncryption,omitempty" enum:"ENABLED,DISABLED"`
	TransitEncryptionPort int               `json:"transitEncryptionPort,omitempty"`
	AuthorizationConfig   *EFSAuthorization `json:"authorizationConfig,omitempty"`
}

// EFSAuthorization says how an EFS file system is mounted.
type EFSAuthorization struct {
	AccessPointID string `json:"accessPointId,omitempty"`
	IAM           string `json:"iam,omitempty" enum:"ENABLED,DISABLED"`
}

// S3FilesVolume is an S3 Files file system.
type S3FilesVolume struct {
	FileSystemARN         string `json:"fileSystemArn" required:"true"`
	RootDirectory         string `json:"rootDirectory,omitempty"`
	TransitEncryptionPort int    `json:"transitEncryptionPort,omitempty"`
	AccessPointARN        string `json:"accessPointArn,omitempty"`
}

// FSxWindowsFileServer is an FSx for Windows file system.
type FSxWindowsFileServer struct {
	FileSystemID        string            `json:"fileSystemId" required:"true"`
	RootDirectory       string            `json:"rootDirectory" required:"true"`
	AuthorizationConfig *FSxAuthorization `json:"authorizationConfig" required:"true"`
}

// FSxAuthorization names the credentials of an FSx file system.
type FSxAuthorization struct {
	CredentialsParameter string `json:"credentialsParameter" required:"true"`
	Domain               string `json:"domain" required:"true"`
}
