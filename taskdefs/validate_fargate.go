package taskdefs

import "strconv"

const (
	defaultEphemeralGiB = 20  // ECS-115
	minEphemeralGiB     = 21  // ECS-115
	maxEphemeralGiB     = 200 // ECS-115
)

// EphemeralGiB returns the size of a Fargate task's disk in GiB, the default included.
func (d TaskDefinition) EphemeralGiB() int {
	if d.EphemeralStorage == nil {
		return defaultEphemeralGiB
	}
	return d.EphemeralStorage.SizeInGiB
}

// checkFargate applies what a definition that requires FARGATE must satisfy besides.
func checkFargate(d *TaskDefinition) error {
	if d.NetworkMode != "awsvpc" {
		return clientError("Fargate only supports network mode ‘awsvpc’.")
	}
	if err := checkFargateSize(d); err != nil {
		return err
	}
	switch {
	case d.PIDMode != "" && d.PIDMode != "task":
		return clientError("Tasks using the Fargate launch type do not support pidMode '%s'. The supported value for pidMode is 'task'.", d.PIDMode)
	case d.IPCMode != "":
		return notOnFargate("ipcMode")
	case len(d.PlacementConstraints) > 0:
		return notOnFargate("constraints")
	}
	for _, v := range d.Volumes {
		if err := checkFargateVolume(v); err != nil {
			return err
		}
	}
	for _, c := range d.ContainerDefinitions {
		if err := checkFargateContainer(c); err != nil {
			return err
		}
		if isECR(c.Image) && d.ExecutionRoleARN == "" {
			return clientError("Fargate requires task definition to have execution role ARN to support ECR images.") // ECS-114
		}
	}
	return nil
}

// The CPU units that a task may have outside Fargate (ECS-283).
const (
	minTaskCPU = 128
	maxTaskCPU = 196608
)

// checkOutsideFargate applies what a definition that doesn't require FARGATE must satisfy.
func checkOutsideFargate(d *TaskDefinition) error {
	if cpu, err := strconv.Atoi(d.CPU); err == nil && (cpu < minTaskCPU || cpu > maxTaskCPU) {
		return clientError("Invalid 'cpu' setting for task.")
	}
	if d.EphemeralStorage != nil && len(d.RequiresCompatibilities) > 0 {
		return clientError("Tasks using the EC2 launch type do not support EphemeralStorage.") // ECS-115
	}
	return nil
}

func notOnFargate(what string) error {
	return clientError("Fargate compatible task definitions do not support %s.", what)
}

func checkFargateSize(d *TaskDefinition) error {
	if d.CPU == "" {
		return clientError("Fargate requires that 'cpu' be defined at the task level.")
	}
	if d.Memory == "" {
		return clientError("Fargate requires that 'memory' be defined at the task level.")
	}
	cpu, _ := strconv.Atoi(d.CPU)
	memory, _ := strconv.Atoi(d.Memory)
	if !fargateSizeExists(cpu, memory) {
		return clientError("No Fargate configuration exists for given values.")
	}
	switch size := d.EphemeralGiB(); {
	case size == defaultEphemeralGiB && d.EphemeralStorage == nil:
		return nil
	case size < minEphemeralGiB:
		return clientError("EphemeralStorage size should be at least %d.", minEphemeralGiB)
	case size > maxEphemeralGiB:
		return clientError("EphemeralStorage size should be at most %d.", maxEphemeralGiB)
	}
	return nil
}

func checkFargateVolume(v Volume) error {
	switch {
	case v.Host != nil && v.Host.SourcePath != "":
		return notOnFargate("sourcePath")
	case v.DockerVolume != nil:
		return notOnFargate("dockerVolumeConfiguration")
	}
	return nil
}

func checkFargateContainer(c ContainerDefinition) error {
	switch {
	case c.Privileged:
		return clientError("Fargate requires that the 'privileged' setting be 'false'.")
	case len(c.DockerSecurityOptions) > 0:
		return notOnFargate("dockerSecurityOptions")
	case len(c.ResourceRequirements) > 0:
		return clientError("Tasks using the Fargate launch type do not support GPU resource requirements.")
	case c.LinuxParameters == nil:
		return nil
	}
	return checkFargateLinux(c.LinuxParameters)
}

func checkFargateLinux(p *LinuxParameters) error {
	switch {
	case len(p.Devices) > 0:
		return notOnFargate("devices")
	case p.SharedMemorySize > 0:
		return notOnFargate("sharedMemorySize")
	case p.MaxSwap != nil:
		return notOnFargate("maxSwap")
	case p.Swappiness != nil:
		return notOnFargate("swappiness")
	}
	if p.Capabilities != nil {
		for _, name := range p.Capabilities.Add {
			if name != "SYS_PTRACE" {
				return clientError("%s is not allowed on Fargate.", name)
			}
		}
	}
	return nil
}
