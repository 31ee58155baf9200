package ecs

import (
	"encoding/json"
	"strings"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// What AWS shows of Fargate's platform (ECS-302).
const (
	latestPlatform  = "LATEST"
	currentPlatform = "1.4.0"
	platformFamily  = "Linux"
)

func (a api) service(s *orchestrator.Service, include []string) *Service {
	shape := &Service{
		ServiceArn: &s.ARN, ServiceName: &s.Name, ClusterArn: new(a.scheduler.ClusterARN(s.Cluster)), Status: &s.Status,
		DesiredCount: count(s.DesiredCount), RunningCount: count(0), PendingCount: count(0), TaskDefinition: &s.TaskDefinition,
		LoadBalancers: loadBalancerShapes(s), DeploymentConfiguration: deploymentConfiguration(s),
		Deployments: awsapi.List(s.Deployments, func(d orchestrator.Deployment) Deployment { return deployment(s, d) }),
		Events: awsapi.List(s.Events, func(e orchestrator.Event) ServiceEvent {
			return ServiceEvent{Id: &e.ID, CreatedAt: &e.CreatedAt, Message: &e.Message}
		}),
		CreatedAt: &s.CreatedAt, CreatedBy: awsapi.NonZero(s.CreatedBy), NetworkConfiguration: networkShape(s.Network),
		SchedulingStrategy: new("REPLICA"), DeploymentController: &DeploymentController{Type: new("ECS")},
		EnableECSManagedTags: &s.EnableManagedTags, PropagateTags: awsapi.NonZero(s.PropagateTags),
		EnableExecuteCommand: &s.EnableExecuteCommand, AvailabilityZoneRebalancing: awsapi.NonZero(s.AZRebalancing),
		ServiceRegistries: []ServiceRegistry{}, PlacementConstraints: []PlacementConstraint{}, PlacementStrategy: []PlacementStrategy{},
	}
	if d := s.Primary(); d != nil && d.Record != "" {
		shape.CurrentServiceDeployment, shape.CurrentServiceRevisions = &d.Record, currentRevisions(s)
	}
	for _, d := range s.Deployments { // ECS-315
		*shape.RunningCount += int64(d.RunningCount)
		*shape.PendingCount += int64(d.PendingCount)
	}
	shownOfService(shape, s.Echo)
	if shape.CapacityProviderStrategy == nil {
		shape.LaunchType = awsapi.NonZero(s.LaunchType)
	}
	if fargate(s.LaunchType) {
		shape.PlatformVersion, shape.PlatformFamily = awsapi.NonZero(s.PlatformVersion), new(platformFamily)
	}
	if len(s.LoadBalancers) > 0 || s.GracePeriodSeconds > 0 {
		shape.HealthCheckGracePeriodSeconds = count(s.GracePeriodSeconds)
	}
	if len(s.LoadBalancers) > 0 || len(shape.ServiceRegistries) > 0 {
		shape.RoleArn = new(roleOf(s))
	}
	if includes(include, "TAGS") && len(s.Tags) > 0 {
		shape.Tags = tagShapes(s.Tags)
	}
	return shape
}

// fargate reports whether tasks of a launch type run on Fargate: those of a capacity
// provider, which have none, do too.
func fargate(launchType string) bool { return launchType == "" || launchType == "FARGATE" }

// shownOfService puts the members without effect into a shape.
func shownOfService(shape *Service, kept map[string]json.RawMessage) {
	put(kept, "serviceRegistries", &shape.ServiceRegistries)
	put(kept, "placementConstraints", &shape.PlacementConstraints)
	put(kept, "placementStrategy", &shape.PlacementStrategy)
	put(kept, "capacityProviderStrategy", &shape.CapacityProviderStrategy)
	if len(shape.CapacityProviderStrategy) == 0 {
		shape.CapacityProviderStrategy = nil
	}
}

// put reads a kept member into its shape, whose fields are named as the members are but
// for the case of the first letter.
func put(kept map[string]json.RawMessage, name string, into any) {
	if raw, ok := kept[name]; ok {
		json.Unmarshal(raw, into) // it was read as this shape when it came in
	}
}

// roleOf returns the role under which ECS calls the load balancer: if none was given, the
// service-linked one of the service's account.
func roleOf(s *orchestrator.Service) string {
	if s.Role != "" {
		return s.Role
	}
	account := strings.SplitN(s.ARN, ":", 6)[4]
	return "arn:aws:iam::" + account + ":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
}

func loadBalancerShapes(s *orchestrator.Service) []LoadBalancer {
	return awsapi.List(s.LoadBalancers, func(lb orchestrator.LoadBalancer) LoadBalancer {
		return LoadBalancer{
			TargetGroupArn: &lb.TargetGroupARN, ContainerName: &lb.ContainerName, ContainerPort: count(lb.ContainerPort),
			AdvancedConfiguration: advancedShape(lb.Advanced),
		}
	})
}

func networkShape(n *orchestrator.NetworkConfiguration) *NetworkConfiguration {
	if n == nil {
		return nil
	}
	same := func(id string) string { return id }
	return &NetworkConfiguration{AwsvpcConfiguration: &AwsVpcConfiguration{
		Subnets: awsapi.List(n.Subnets, same), SecurityGroups: awsapi.List(n.SecurityGroups, same), AssignPublicIp: awsapi.NonZero(n.AssignPublicIP),
	}}
}

func deploymentConfiguration(s *orchestrator.Service) *DeploymentConfiguration {
	shape := &DeploymentConfiguration{}
	put(s.Echo, keptOfDeployments, shape)
	configure(shape, s.Config)
	return shape
}

// configure puts what the scheduler obeys of a deployment configuration into a shape.
func configure(shape *DeploymentConfiguration, c orchestrator.DeploymentConfiguration) {
	shape.DeploymentCircuitBreaker = &DeploymentCircuitBreaker{Enable: &c.BreakerEnable, Rollback: &c.BreakerRollback}
	shape.MaximumPercent, shape.MinimumHealthyPercent = count(c.MaximumPercent), count(c.MinimumHealthyPercent)
	shape.Alarms = &DeploymentAlarms{AlarmNames: awsapi.List(c.Alarms.Names, func(name string) string { return name }), Enable: &c.Alarms.Enable, Rollback: &c.Alarms.Rollback}
	strategyShape(shape, c)
}

func deployment(s *orchestrator.Service, d orchestrator.Deployment) Deployment {
	shape := Deployment{
		Id: &d.ID, Status: &d.Status, TaskDefinition: &d.Revision.TaskDefinition,
		DesiredCount: count(d.DesiredCount), PendingCount: count(d.PendingCount), RunningCount: count(d.RunningCount), FailedTasks: count(d.FailedTasks),
		CreatedAt: &d.CreatedAt, UpdatedAt: &d.UpdatedAt, NetworkConfiguration: networkShape(d.Revision.Network),
		RolloutState: &d.RolloutState, RolloutStateReason: &d.RolloutReason,
	}
	put(s.Echo, "serviceConnectConfiguration", &shape.ServiceConnectConfiguration)
	put(s.Echo, "volumeConfigurations", &shape.VolumeConfigurations)
	put(s.Echo, "vpcLatticeConfigurations", &shape.VpcLatticeConfigurations)
	put(s.Echo, "capacityProviderStrategy", &shape.CapacityProviderStrategy)
	if len(shape.CapacityProviderStrategy) == 0 {
		shape.CapacityProviderStrategy, shape.LaunchType = nil, awsapi.NonZero(d.Revision.LaunchType)
	}
	if fargate(d.Revision.LaunchType) {
		shape.PlatformVersion, shape.PlatformFamily = new(platform(d.Revision.PlatformVersion)), new(platformFamily)
	}
	return shape
}

// platform returns the version that a platform version stands for.
func platform(version string) string {
	if version == "" || version == latestPlatform {
		return currentPlatform
	}
	return version
}
