package ecs

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"drydock/awsapi"
	"drydock/orchestrator"
	"drydock/taskdefs"
)

// defaultStorage is the ephemeral storage of a Fargate task, in GiB (ECS-312).
const defaultStorage = 20

func (a api) task(t *orchestrator.Task, include []string) Task {
	var definition taskdefs.TaskDefinition
	if r, err := a.definitions.Lookup(t.TaskDefinition); err == nil {
		definition = r.Definition
	}
	overrides := taskOverrides(t)
	shape := Task{
		TaskArn: &t.ARN, ClusterArn: new(a.scheduler.ClusterARN(t.Cluster)), TaskDefinitionArn: &t.TaskDefinition,
		Group: awsapi.NonZero(t.Group), StartedBy: awsapi.NonZero(t.StartedBy), LaunchType: awsapi.NonZero(t.LaunchType),
		LastStatus: new(string(t.Status)), DesiredStatus: new(string(t.Desired)), HealthStatus: &t.Health, Version: count(t.Version),
		Cpu: awsapi.NonZero(t.CPU), Memory: awsapi.NonZero(t.Memory), EnableExecuteCommand: &t.ExecEnabled,
		CreatedAt: moment(t.CreatedAt), PullStartedAt: moment(t.PullStartedAt), PullStoppedAt: moment(t.PullStoppedAt), StartedAt: moment(t.StartedAt),
		StoppingAt: moment(t.StoppingAt), ExecutionStoppedAt: moment(t.ExecutionStoppedAt), StoppedAt: moment(t.StoppedAt),
		StopCode: awsapi.NonZero(t.StopCode), StoppedReason: awsapi.NonZero(t.StopReason),
		Attachments: attachments(t), Attributes: attributes(definition), InferenceAccelerators: []InferenceAccelerator{}, Overrides: overrides,
		Containers: awsapi.List(t.Containers, func(c orchestrator.TaskContainer) Container { return container(t, c) }),
		Tags:       []Tag{},
	}
	if t.Interface != nil {
		shape.AvailabilityZone = &t.Interface.Zone
	}
	if !t.PullStartedAt.IsZero() {
		shape.Connectivity, shape.ConnectivityAt = new("CONNECTED"), &t.PullStartedAt
	}
	if fargate(t.LaunchType) {
		onFargate(&shape, t, definition, overrides)
	}
	if includes(include, "TAGS") {
		shape.Tags = tagShapes(t.Tags)
	}
	return shape
}

// onFargate sets what only tasks on Fargate have. A task of a capacity provider has its
// launch type too.
func onFargate(shape *Task, t *orchestrator.Task, definition taskdefs.TaskDefinition, overrides *TaskOverride) {
	size := int64(defaultStorage)
	if s := definition.EphemeralStorage; s != nil {
		size = int64(s.SizeInGiB)
	}
	if s := overrides.EphemeralStorage; s != nil && s.SizeInGiB != nil {
		size = *s.SizeInGiB
	}
	shape.LaunchType = new("FARGATE")
	shape.PlatformVersion, shape.PlatformFamily = new(platform(t.Platform)), new(platformFamily)
	shape.EphemeralStorage, shape.FargateEphemeralStorage = &EphemeralStorage{SizeInGiB: &size}, &TaskEphemeralStorage{SizeInGiB: &size}
}

// attachments returns the task's network interface (ECS-313).
func attachments(t *orchestrator.Task) []Attachment {
	i := t.Interface
	if i == nil {
		return []Attachment{}
	}
	details := []KeyValuePair{
		{Name: new("subnetId"), Value: &i.Subnet},
		{Name: new("networkInterfaceId"), Value: &i.ID},
		{Name: new("macAddress"), Value: &i.MAC},
		{Name: new("privateDnsName"), Value: &i.DNSName},
		{Name: new("privateIPv4Address"), Value: new(i.Address.String())},
	}
	return []Attachment{{Id: &i.Attachment, Type: new("ElasticNetworkInterface"), Status: new(attachmentStatus(t)), Details: details}}
}

func attachmentStatus(t *orchestrator.Task) string {
	switch {
	case t.Status == orchestrator.Provisioning:
		return "ATTACHING"
	case t.Status == orchestrator.Stopped || t.Detached:
		return "DELETED"
	case t.Status == orchestrator.Deprovisioning:
		return "DETACHING"
	}
	return "ATTACHED"
}

func attributes(d taskdefs.TaskDefinition) []Attribute {
	architecture := "x86_64"
	if p := d.RuntimePlatform; p != nil && p.CPUArchitecture != "" {
		architecture = strings.ToLower(p.CPUArchitecture)
	}
	return []Attribute{{Name: new("ecs.cpu-architecture"), Value: &architecture}}
}

// taskOverrides names every container, also those that have no override, as AWS does.
func taskOverrides(t *orchestrator.Task) *TaskOverride {
	shape := &TaskOverride{}
	if len(t.Overrides) > 0 {
		json.Unmarshal(t.Overrides, shape) // it was read as this shape when it came in
	}
	if shape.InferenceAcceleratorOverrides == nil {
		shape.InferenceAcceleratorOverrides = []InferenceAcceleratorOverride{}
	}
	if shape.ContainerOverrides == nil {
		shape.ContainerOverrides = []ContainerOverride{}
	}
	for _, c := range t.Containers {
		if !slices.ContainsFunc(shape.ContainerOverrides, func(o ContainerOverride) bool { return awsapi.Value(o.Name) == c.Name }) {
			shape.ContainerOverrides = append(shape.ContainerOverrides, ContainerOverride{Name: &c.Name})
		}
	}
	return shape
}

func container(t *orchestrator.Task, c orchestrator.TaskContainer) Container {
	shape := Container{
		ContainerArn: &c.ARN, TaskArn: &t.ARN, Name: &c.Name, Image: &c.Image,
		ImageDigest: awsapi.NonZero(cmp.Or(c.RepoDigest, c.ImageDigest)), RuntimeId: awsapi.NonZero(c.RuntimeID),
		LastStatus: &c.Status, HealthStatus: &c.Health, Reason: awsapi.NonZero(c.Reason),
		Cpu: new(strconv.Itoa(c.CPU)), Memory: size(c.Memory), MemoryReservation: size(c.Reservation),
		NetworkBindings: networkBindings(t, c.Name), NetworkInterfaces: []NetworkInterface{},
	}
	if c.ExitCode != nil {
		shape.ExitCode = count(*c.ExitCode)
	}
	if t.ExecEnabled { // ECS-256
		shape.ManagedAgents = []ManagedAgent{{Name: new("ExecuteCommandAgent"), LastStatus: &c.Status, LastStartedAt: moment(t.StartedAt)}}
	}
	if i := t.Interface; i != nil {
		shape.NetworkInterfaces = []NetworkInterface{{AttachmentId: &i.Attachment, PrivateIpv4Address: new(i.Address.String())}}
	}
	return shape
}

// networkBindings returns a container's ports of the container instance (ECS-340).
func networkBindings(t *orchestrator.Task, container string) []NetworkBinding {
	bindings := []NetworkBinding{}
	for _, b := range t.Ports {
		if b.Container == container {
			bindings = append(bindings, NetworkBinding{BindIP: new("0.0.0.0"), ContainerPort: count(b.ContainerPort), HostPort: count(b.HostPort), Protocol: &b.Protocol})
		}
	}
	return bindings
}

// size leaves out what a definition does not limit.
func size(mib int) *string {
	if mib == 0 {
		return nil
	}
	return new(strconv.Itoa(mib))
}
