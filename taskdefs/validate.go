package taskdefs

import (
	"regexp"
	"strconv"
	"strings"
)

const (
	maxNameLength = 255 // of families and containers (ECS-101)
	maxContainers = 10  // ECS-106
	minTimeout    = 2   // seconds, startTimeout and stopTimeout on Fargate (ECS-113)
	maxTimeout    = 120 // seconds, Fargate (ECS-113)
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// validate applies the rules of RegisterTaskDefinition in turn; the first refusal counts.
func validate(d *TaskDefinition) error {
	checks := []func(*TaskDefinition) error{
		checkFamily, checkContainers, checkVolumes, checkNetworkMode,
		checkPorts, checkDependencies, checkPlatform, checkProxy, checkRouter, checkSums,
	}
	if d.Requires("FARGATE") {
		checks = append(checks, checkFargate)
	} else {
		checks = append(checks, checkOutsideFargate)
	}
	for _, check := range checks {
		if err := check(d); err != nil {
			return err
		}
	}
	return nil
}

func checkFamily(d *TaskDefinition) error {
	switch {
	case d.Family == "":
		return clientError("Family should not be null or empty.")
	case len(d.Family) > maxNameLength:
		return clientError("Family exceeds the maximum length of %d characters.", maxNameLength)
	case !namePattern.MatchString(d.Family):
		return clientError("Family contains invalid characters.")
	}
	return nil
}

func checkContainers(d *TaskDefinition) error {
	if len(d.ContainerDefinitions) == 0 {
		return clientError("Container list cannot be empty.")
	}
	if len(d.ContainerDefinitions) > maxContainers {
		return clientError("Too many containers.")
	}
	seen := map[string]bool{}
	essential := false
	for _, c := range d.ContainerDefinitions {
		if err := checkContainer(d, c); err != nil {
			return err
		}
		if seen[c.Name] {
			return clientError("Container names must be unique within a task definition.")
		}
		seen[c.Name] = true
		essential = essential || c.IsEssential()
	}
	if !essential {
		return clientError("Task definition doesn't have any essential container.")
	}
	return nil
}

func checkContainer(d *TaskDefinition, c ContainerDefinition) error {
	if err := checkContainerName(c.Name); err != nil {
		return err
	}
	if err := checkImage(c.Image); err != nil {
		return err
	}
	for _, check := range []func(*TaskDefinition, ContainerDefinition) error{
		checkMemory, checkEnvironment, checkEnvironmentFiles, checkSecrets, checkHealthCheck, checkLogs, checkTimeouts, checkRestartPolicy,
	} {
		if err := check(d, c); err != nil {
			return err
		}
	}
	return nil
}

func checkContainerName(name string) error {
	switch {
	case name == "":
		return clientError("Container.name should not be null or empty.")
	case len(name) > maxNameLength:
		return clientError("Container.name exceeds the maximum length of %d characters.", maxNameLength)
	case !namePattern.MatchString(name):
		return clientError("Container.name contains invalid characters.")
	}
	return nil
}

// imagePattern is what an image's name may be made of: a digest goes with @sha256 (ECS-280).
var imagePattern = regexp.MustCompile(`^[A-Za-z0-9_.:/#-]+(@sha256:[A-Fa-f0-9]{64})?$`)

func checkImage(image string) error {
	switch {
	case image == "":
		return clientError("Container.image should not be null or empty.")
	case !imagePattern.MatchString(image):
		return clientError("Container.image contains invalid characters.")
	}
	return nil
}

// checkMemory: a container needs a limit of its own unless the task has one (ECS-105).
func checkMemory(d *TaskDefinition, c ContainerDefinition) error {
	switch {
	case c.CPU < 0:
		return clientError("Invalid 'cpu' setting for container '%s'.", c.Name)
	case c.Memory < 0 || c.MemoryReservation < 0:
		return clientError("Invalid 'memory' setting for container '%s'.", c.Name)
	case d.Memory == "" && c.Memory == 0 && c.MemoryReservation == 0 && !d.Requires("FARGATE"):
		return clientError("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", c.Name)
	case c.Memory > 0 && c.MemoryReservation > c.Memory:
		return clientError("Invalid setting for container '%s'. 'memory' must be greater than or equal to 'memoryReservation'.", c.Name)
	}
	return nil
}

func checkEnvironment(_ *TaskDefinition, c ContainerDefinition) error {
	for _, e := range c.Environment {
		if e.Name == "" || strings.ContainsAny(e.Name, "=\x00") || strings.Contains(e.Value, "\x00") {
			return clientError("Invalid environment variable '%s' for container '%s'.", e.Name, c.Name)
		}
	}
	return nil
}

const maxEnvironmentFiles = 10 // ECS-281

func checkEnvironmentFiles(_ *TaskDefinition, c ContainerDefinition) error {
	if len(c.EnvironmentFiles) > maxEnvironmentFiles {
		return clientError("The maximum number of environment files was exceeded. Specify ten or less and try again.")
	}
	for _, f := range c.EnvironmentFiles {
		if !strings.HasPrefix(f.Value, "arn:") {
			return clientError("Invalid arn syntax.")
		}
	}
	return nil
}

// checkSecrets: a secret needs a role that may read it and a name of its own (ECS-116).
func checkSecrets(d *TaskDefinition, c ContainerDefinition) error {
	if len(c.Secrets) > 0 && d.ExecutionRoleARN == "" {
		return clientError("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
	}
	taken := map[string]bool{}
	for _, e := range c.Environment {
		taken[e.Name] = true
	}
	for _, s := range c.Secrets {
		if s.Name == "" || s.ValueFrom == "" {
			return clientError("The name and valueFrom of a secret of container '%s' should not be empty.", c.Name)
		}
		if taken[s.Name] {
			return clientError("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", s.Name)
		}
		taken[s.Name] = true
	}
	return nil
}

// checkHealthCheck: the ranges are in the typed view's tags (ECS-110).
func checkHealthCheck(_ *TaskDefinition, c ContainerDefinition) error {
	h := c.HealthCheck
	if h == nil {
		return nil
	}
	if len(h.Command) == 0 {
		return clientError("Health check command for container '%s' should not be empty.", c.Name)
	}
	switch first := h.Command[0]; {
	case first == "NONE" && len(h.Command) == 1:
		return nil
	case (first == "CMD" || first == "CMD-SHELL") && len(h.Command) > 1 && h.Command[1] != "":
		return nil
	}
	return clientError("Health check command for container '%s' must be NONE, or CMD or CMD-SHELL followed by a command.", c.Name)
}

func checkTimeouts(d *TaskDefinition, c ContainerDefinition) error {
	if err := checkTimeout(d, c, "startTimeout", c.StartTimeout); err != nil {
		return err
	}
	return checkTimeout(d, c, "stopTimeout", c.StopTimeout)
}

func checkTimeout(d *TaskDefinition, c ContainerDefinition, name string, seconds int) error {
	if seconds < 0 {
		return clientError("Invalid '%s' setting for container '%s'.", name, c.Name)
	}
	if d.Requires("FARGATE") && seconds != 0 && (seconds < minTimeout || seconds > maxTimeout) {
		return clientError("Invalid '%s' setting for container '%s'. On Fargate it must be between %d and %d seconds.", name, c.Name, minTimeout, maxTimeout)
	}
	return nil
}

// The limits of a restart policy (ECS-112).
const (
	maxIgnoredExitCodes     = 50
	minRestartAttemptPeriod = 60   // seconds
	maxRestartAttemptPeriod = 1800 // seconds
)

func checkRestartPolicy(_ *TaskDefinition, c ContainerDefinition) error {
	p := c.RestartPolicy
	if p == nil {
		return nil
	}
	if len(p.IgnoredExitCodes) > maxIgnoredExitCodes {
		return clientError("Container '%s' ignores more than %d exit codes in its restart policy.", c.Name, maxIgnoredExitCodes)
	}
	if s := p.RestartAttemptPeriod; s != 0 && (s < minRestartAttemptPeriod || s > maxRestartAttemptPeriod) {
		return clientError("the 'restartAttemptPeriod' setting for container '%s' must be between %d and %d", c.Name, minRestartAttemptPeriod, maxRestartAttemptPeriod)
	}
	return nil
}

// checkProxy applies the rules of an App Mesh proxy (ECS-282).
func checkProxy(d *TaskDefinition) error {
	p := d.ProxyConfiguration
	if p == nil {
		return nil
	}
	if d.NetworkMode != "awsvpc" {
		return clientError("APPMESH proxy configuration is only supported in networkMode=awsvpc.")
	}
	if _, ok := d.Container(p.ContainerName); !ok {
		return clientError("Proxy container [%s] does not exist.", p.ContainerName)
	}
	return nil
}

func checkPlatform(d *TaskDefinition) error {
	if p := d.RuntimePlatform; p != nil && strings.HasPrefix(p.OperatingSystemFamily, "WINDOWS") {
		return clientError("operatingSystemFamily '%s' is not supported: drydock runs Linux containers only.", p.OperatingSystemFamily)
	}
	if p := d.RuntimePlatform; p != nil && p.OperatingSystemFamily != "" && p.OperatingSystemFamily != "LINUX" {
		return invalidParameter("runtimePlatform.operatingSystemFamily: '%s' is not one of LINUX.", p.OperatingSystemFamily)
	}
	if len(d.InferenceAccelerators) > 0 {
		return clientError("Unsupported field 'inferenceAccelerators'.")
	}
	return nil
}

// checkSums: containers may not ask for more than the task has (ECS-107).
func checkSums(d *TaskDefinition) error {
	taskCPU, _ := strconv.Atoi(d.CPU)
	taskMemory, _ := strconv.Atoi(d.Memory)
	cpu, memory, reserved := 0, 0, 0
	for _, c := range d.ContainerDefinitions {
		if taskMemory > 0 && max(c.Memory, c.MemoryReservation) > taskMemory {
			return clientError("The 'memory' setting for container '%s' is greater than for the task.", c.Name)
		}
		cpu += c.CPU
		memory += c.Memory
		reserved += c.MemoryReservation
	}
	if taskCPU > 0 && cpu > taskCPU {
		return clientError("The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.")
	}
	if taskMemory > 0 && memory > taskMemory {
		return clientError("The sum of all container 'memory' values cannot be greater than the value of the task 'memory'.")
	}
	if taskMemory > 0 && reserved > taskMemory {
		return clientError("The sum of all container 'memoryReservation' values cannot be greater than the value of the task 'memory'.")
	}
	return nil
}
