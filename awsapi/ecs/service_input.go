package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// Members of CreateService and UpdateService that are kept and shown, without effect here.
// deploying are those of them whose change starts a new deployment (ECS-304).
var (
	keptOfService = []string{
		"placementConstraints", "placementStrategy", "capacityProviderStrategy",
		"serviceRegistries", "serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations",
	}
	deploying = keptOfService[3:]
)

// keptOfDeployments is the key of an echo whose value is not the member as it was sent: what
// deploymentConfiguration has beside what the scheduler knows.
const keptOfDeployments = "deploymentConfiguration"

// members returns what a CreateService shares with UpdateService.
func (in *CreateServiceRequest) members() *UpdateServiceRequest {
	return &UpdateServiceRequest{
		Cluster: in.Cluster, Service: in.ServiceName, DesiredCount: in.DesiredCount, TaskDefinition: in.TaskDefinition,
		CapacityProviderStrategy: in.CapacityProviderStrategy, DeploymentConfiguration: in.DeploymentConfiguration,
		AvailabilityZoneRebalancing: in.AvailabilityZoneRebalancing, NetworkConfiguration: in.NetworkConfiguration,
		PlatformVersion: in.PlatformVersion, HealthCheckGracePeriodSeconds: in.HealthCheckGracePeriodSeconds,
		DeploymentController: in.DeploymentController, EnableExecuteCommand: in.EnableExecuteCommand,
		EnableECSManagedTags: in.EnableECSManagedTags, LoadBalancers: in.LoadBalancers, PropagateTags: in.PropagateTags,
	}
}

// serviceInput converts the shared members. A nil list is absent, an empty one clears
// (ECS-303). old is the service as it stands, nil for a new one.
func serviceInput(in *UpdateServiceRequest, given map[string]json.RawMessage, old *orchestrator.Service) (orchestrator.ServiceInput, error) {
	s := orchestrator.ServiceInput{
		Cluster: awsapi.Value(in.Cluster), Name: awsapi.Value(in.Service), TaskDefinition: awsapi.Value(in.TaskDefinition),
		DesiredCount: intOf(in.DesiredCount), Platform: in.PlatformVersion, LoadBalancers: loadBalancers(in.LoadBalancers),
		Network: network(in.NetworkConfiguration), GracePeriod: intOf(in.HealthCheckGracePeriodSeconds),
		ExecuteCommand: in.EnableExecuteCommand, ManagedTags: in.EnableECSManagedTags, PropagateTags: in.PropagateTags,
		AZRebalancing: in.AvailabilityZoneRebalancing, ForceNewDeployment: awsapi.Value(in.ForceNewDeployment),
	}
	if c := in.DeploymentController; c != nil {
		s.Controller = awsapi.Value(c.Type)
	}
	if d := in.DeploymentConfiguration; d != nil {
		s.MinimumHealthy, s.Maximum, s.StrategyInput = intOf(d.MinimumHealthyPercent), intOf(d.MaximumPercent), strategyInput(d)
		if b := d.DeploymentCircuitBreaker; b != nil {
			s.Breaker = breaker(b, given["deploymentConfiguration"])
		}
		if a := d.Alarms; a != nil {
			s.Alarms = &orchestrator.DeploymentAlarms{Names: a.AlarmNames, Enable: *a.Enable, Rollback: *a.Rollback}
		}
	}
	var err error
	s.Echo, err = echo(in, given, old)
	return s, err
}

// breaker reads a circuit breaker. What the API has had since 2026 is not among its shapes here
// yet, so it is read from the call as it was sent.
func breaker(b *DeploymentCircuitBreaker, raw json.RawMessage) *orchestrator.Breaker {
	var newer struct {
		DeploymentCircuitBreaker struct {
			ResetOnHealthyTask     *bool `json:"resetOnHealthyTask"`
			ThresholdConfiguration struct {
				Type  string `json:"type"`
				Value int    `json:"value"`
			} `json:"thresholdConfiguration"`
		} `json:"deploymentCircuitBreaker"`
	}
	json.Unmarshal(raw, &newer) // what is not of these types is not given
	reset, threshold := newer.DeploymentCircuitBreaker.ResetOnHealthyTask, newer.DeploymentCircuitBreaker.ThresholdConfiguration
	return &orchestrator.Breaker{
		Enable: *b.Enable, Rollback: *b.Rollback, Type: threshold.Type, Value: threshold.Value, Cumulative: reset != nil && !*reset,
	}
}

func loadBalancers(shapes []LoadBalancer) []orchestrator.LoadBalancer {
	if shapes == nil {
		return nil
	}
	return awsapi.List(shapes, func(lb LoadBalancer) orchestrator.LoadBalancer {
		return orchestrator.LoadBalancer{
			TargetGroupARN: awsapi.Value(lb.TargetGroupArn), ContainerName: awsapi.Value(lb.ContainerName),
			ContainerPort: int(awsapi.Value(lb.ContainerPort)), Advanced: advancedInput(lb.AdvancedConfiguration),
		}
	})
}

func network(shape *NetworkConfiguration) *orchestrator.NetworkConfiguration {
	if shape == nil || shape.AwsvpcConfiguration == nil {
		return nil
	}
	c := shape.AwsvpcConfiguration
	public := awsapi.Value(c.AssignPublicIp)
	if public == "" {
		public = "DISABLED" // written out, so that saying it later is no change
	}
	return &orchestrator.NetworkConfiguration{Subnets: c.Subnets, SecurityGroups: c.SecurityGroups, AssignPublicIP: public}
}

// echo returns the members that are kept without effect.
func echo(in *UpdateServiceRequest, given map[string]json.RawMessage, old *orchestrator.Service) (map[string]json.RawMessage, error) {
	kept := map[string]json.RawMessage{}
	for _, name := range keptOfService {
		if raw, ok := given[name]; ok {
			kept[name] = raw
		}
	}
	extras, err := deploymentExtras(given["deploymentConfiguration"], old)
	if extras != nil {
		kept[keptOfDeployments] = extras
	}
	return kept, err
}

// deploymentExtras returns the members of a deploymentConfiguration that the scheduler
// doesn't know, over those that the service has; nil if none were given.
func deploymentExtras(raw json.RawMessage, old *orchestrator.Service) (json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	var given, kept map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, fmt.Errorf("read a deployment configuration: %w", err)
	}
	for _, known := range append(strategyMembers, "alarms", "deploymentCircuitBreaker", "maximumPercent", "minimumHealthyPercent") {
		delete(given, known)
	}
	if len(given) == 0 {
		return nil, nil
	}
	if old != nil && old.Echo[keptOfDeployments] != nil {
		if err := json.Unmarshal(old.Echo[keptOfDeployments], &kept); err != nil {
			return nil, fmt.Errorf("read the deployment configuration of %s: %w", old.Name, err)
		}
		maps.Copy(kept, given)
		given = kept
	}
	return json.Marshal(given)
}

// deploys reports whether a kept member changed that deploys on AWS.
func deploys(old *orchestrator.Service, kept map[string]json.RawMessage) bool {
	for _, name := range deploying {
		if given, ok := kept[name]; ok && !same(given, old.Echo[name]) {
			return true
		}
	}
	return false
}

// same compares two JSON values; an empty list is the same as none.
func same(a, b json.RawMessage) bool {
	compact := func(raw json.RawMessage) []byte {
		var v any
		if json.Unmarshal(raw, &v) != nil {
			return nil
		}
		if list, ok := v.([]any); ok && len(list) == 0 {
			return nil
		}
		sorted, _ := json.Marshal(v) // it was just read
		return sorted
	}
	return bytes.Equal(compact(a), compact(b))
}
