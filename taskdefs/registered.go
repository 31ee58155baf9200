package taskdefs

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The states of a revision.
const (
	Active           = "ACTIVE"
	Inactive         = "INACTIVE"           // deregistered: what runs keeps running, nothing new may start
	DeleteInProgress = "DELETE_IN_PROGRESS" // deleted, but something still refers to it
)

// Registered is a revision of a family. It is a value: the [Catalogue] never changes one
// that it has handed out.
type Registered struct {
	Document

	ARN                string
	Family             string
	Revision           int
	Status             string // Active, Inactive or DeleteInProgress
	RegisteredAt       time.Time
	DeregisteredAt     time.Time // zero while active
	DeleteRequestedAt  time.Time // zero until deleted
	RegisteredBy       string    // ARN of the caller
	Compatibilities    []string  // launch types that the document would do for
	RequiresAttributes []string  // names of the agent capabilities that it needs
	Tags               []Tag
}

// Name returns "family:revision".
func (r Registered) Name() string { return fmt.Sprintf("%s:%d", r.Family, r.Revision) }

// Usable returns an error unless new tasks and services may use the revision (ECS-121).
func (r Registered) Usable() error {
	if r.Status != Active {
		return clientError("TaskDefinition is inactive")
	}
	return nil
}

// Supports returns an error unless tasks of the revision can have the launch type (ECS-118).
func (r Registered) Supports(launchType string) error {
	if launchType == "FARGATE" && !slices.Contains(r.Compatibilities, launchType) {
		return &Error{"InvalidParameterException", fmt.Sprintf("Task definition does not support launch_type %s.", launchType)}
	}
	return nil
}

// compatibilities: what asks for Fargate, or would satisfy it, may run there too (ECS-118).
func compatibilities(d TaskDefinition) []string {
	trial := d
	trial.RequiresCompatibilities = []string{"FARGATE"}
	all := []string{"EC2"}
	if validate(&trial) == nil {
		all = append(all, "FARGATE")
	}
	for _, c := range d.RequiresCompatibilities {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

const capability = "com.amazonaws.ecs.capability."

// attribute is a capability that a document needs when it uses something (ECS-119).
type attribute struct {
	name string
	used func(TaskDefinition) bool
}

var attributes = []attribute{
	{capability + "docker-remote-api.1.18", func(TaskDefinition) bool { return true }},
	{capability + "logging-driver.awslogs", usesAWSLogs},
	{"ecs.capability.execution-role-awslogs", func(d TaskDefinition) bool { return usesAWSLogs(d) && d.ExecutionRoleARN != "" }},
	{capability + "ecr-auth", usesECR},
	{"ecs.capability.execution-role-ecr-pull", func(d TaskDefinition) bool { return usesECR(d) && d.ExecutionRoleARN != "" }},
	{capability + "task-iam-role", func(d TaskDefinition) bool { return d.TaskRoleARN != "" }},
	{capability + "privileged-container", anyContainer(func(c ContainerDefinition) bool { return c.Privileged })},
	{"ecs.capability.task-eni", func(d TaskDefinition) bool { return d.NetworkMode == "awsvpc" }},
	{"ecs.capability.container-health-check", anyContainer(func(c ContainerDefinition) bool { return c.HealthCheck != nil })},
	{"ecs.capability.container-ordering", anyContainer(func(c ContainerDefinition) bool { return len(c.DependsOn) > 0 })},
	{"ecs.capability.secrets.asm.environment-variables", anyContainer(readsSecret("arn:aws:secretsmanager:"))},
	{"ecs.capability.efsAuth", func(d TaskDefinition) bool {
		return slices.ContainsFunc(d.Volumes, func(v Volume) bool { return v.EFSVolume != nil })
	}},
}

func requiresAttributes(d TaskDefinition) []string {
	var names []string
	for _, a := range attributes {
		if a.used(d) {
			names = append(names, a.name)
		}
	}
	return names
}

func anyContainer(has func(ContainerDefinition) bool) func(TaskDefinition) bool {
	return func(d TaskDefinition) bool { return slices.ContainsFunc(d.ContainerDefinitions, has) }
}

func readsSecret(prefix string) func(ContainerDefinition) bool {
	return func(c ContainerDefinition) bool {
		return slices.ContainsFunc(c.Secrets, func(s Secret) bool { return strings.HasPrefix(s.ValueFrom, prefix) })
	}
}

func usesAWSLogs(d TaskDefinition) bool {
	return anyContainer(func(c ContainerDefinition) bool {
		return c.LogConfiguration != nil && c.LogConfiguration.LogDriver == "awslogs"
	})(d)
}

func usesECR(d TaskDefinition) bool {
	return anyContainer(func(c ContainerDefinition) bool { return isECR(c.Image) })(d)
}

// isECR reports whether an image is in a private registry of ECR.
func isECR(image string) bool { return strings.Contains(image, ".dkr.ecr.") }
