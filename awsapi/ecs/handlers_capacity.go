package ecs

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/orchestrator"
)

func (a api) updateCluster(ctx context.Context, in *UpdateClusterRequest) (*UpdateClusterResponse, error) {
	given, err := members(ctx)
	if err != nil {
		return nil, err
	}
	settings := clusterSettings(in.Settings)
	for _, name := range []string{"configuration", "serviceConnectDefaults"} {
		if raw, ok := given[name]; ok {
			settings[name] = string(raw)
		}
	}
	cluster, err := a.scheduler.UpdateCluster(ctx, *in.Cluster, settings)
	if err != nil {
		return nil, err
	}
	return &UpdateClusterResponse{Cluster: a.cluster(cluster, []string{"SETTINGS", "TAGS", "CONFIGURATIONS"})}, nil
}

func clusterSettings(given []ClusterSetting) map[string]string {
	settings := map[string]string{}
	for _, s := range given {
		settings[awsapi.Value(s.Name)] = awsapi.Value(s.Value)
	}
	return settings
}

func (a api) updateClusterSettings(ctx context.Context, in *UpdateClusterSettingsRequest) (*UpdateClusterSettingsResponse, error) {
	cluster, err := a.scheduler.UpdateCluster(ctx, *in.Cluster, clusterSettings(in.Settings))
	if err != nil {
		return nil, err
	}
	return &UpdateClusterSettingsResponse{Cluster: a.cluster(cluster, []string{"SETTINGS"})}, nil
}

// fargateProviders are the capacity providers that always exist (ECS-252).
var fargateProviders = []string{"FARGATE", "FARGATE_SPOT"}

func (a api) putClusterCapacityProviders(ctx context.Context, in *PutClusterCapacityProvidersRequest) (*PutClusterCapacityProvidersResponse, error) {
	for _, name := range in.CapacityProviders {
		if !slices.Contains(fargateProviders, name) {
			return nil, invalid("The specified capacity provider '%s' was not found. Specify a valid name or ARN and try again.", name)
		}
	}
	for _, item := range in.DefaultCapacityProviderStrategy {
		if name := awsapi.Value(item.CapacityProvider); !slices.Contains(in.CapacityProviders, name) {
			return nil, invalid("The specified capacity provider strategy contains a capacity provider that is not associated with the cluster: '%s'. Associate it with the cluster and try again.", name)
		}
	}
	given, err := members(ctx)
	if err != nil {
		return nil, err
	}
	cluster, err := a.scheduler.UpdateCluster(ctx, *in.Cluster, map[string]string{
		"capacityProviders": string(given["capacityProviders"]), "defaultCapacityProviderStrategy": string(given["defaultCapacityProviderStrategy"]),
	})
	if err != nil {
		return nil, err
	}
	return &PutClusterCapacityProvidersResponse{Cluster: a.cluster(cluster, []string{"SETTINGS"})}, nil
}

func (a api) describeCapacityProviders(ctx context.Context, in *DescribeCapacityProvidersRequest) (*DescribeCapacityProvidersResponse, error) {
	names := in.CapacityProviders
	if len(names) == 0 {
		names = fargateProviders
	}
	call := awsapi.CallFrom(ctx)
	out := &DescribeCapacityProvidersResponse{CapacityProviders: []CapacityProvider{}, Failures: []Failure{}}
	for _, ref := range names {
		name := ref[strings.LastIndex(ref, "/")+1:]
		arn := "arn:aws:ecs:" + call.Region + ":" + call.Account + ":capacity-provider/" + name
		if !slices.Contains(fargateProviders, name) {
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		out.CapacityProviders = append(out.CapacityProviders, CapacityProvider{
			CapacityProviderArn: &arn, Name: &name, Status: new("ACTIVE"), Type: &name, Tags: []Tag{},
		})
	}
	return out, nil
}

// listContainerInstances names the one container instance, this machine, where a cluster has
// tasks of other launch types than Fargate: Fargate's have none (ECS-253).
func (a api) listContainerInstances(_ context.Context, in *ListContainerInstancesRequest) (*ListContainerInstancesResponse, error) {
	cluster, err := a.scheduler.Cluster(awsapi.Value(in.Cluster))
	if err != nil {
		return nil, err
	}
	out := &ListContainerInstancesResponse{ContainerInstanceArns: []string{}}
	if arn := a.scheduler.ContainerInstance(cluster.Name); arn != "" && matches(in.Status, "ACTIVE") {
		out.ContainerInstanceArns = []string{arn}
	}
	return out, nil
}

func (a api) describeContainerInstances(_ context.Context, in *DescribeContainerInstancesRequest) (*DescribeContainerInstancesResponse, error) {
	cluster, err := a.scheduler.Cluster(awsapi.Value(in.Cluster))
	if err != nil {
		return nil, err
	}
	if err := atMost(100, "container instances", "Container instances", in.ContainerInstances); err != nil {
		return nil, err
	}
	arn := a.scheduler.ContainerInstance(cluster.Name)
	out := &DescribeContainerInstancesResponse{ContainerInstances: []ContainerInstance{}, Failures: []Failure{}}
	for _, ref := range in.ContainerInstances {
		if arn == "" || ref != arn && ref != arn[strings.LastIndex(arn, "/")+1:] {
			out.Failures = append(out.Failures, missing(ref))
			continue
		}
		out.ContainerInstances = append(out.ContainerInstances, a.containerInstance(cluster.Name, arn))
	}
	return out, nil
}

func (a api) containerInstance(cluster, arn string) ContainerInstance {
	var running, pending int
	for _, t := range a.scheduler.Snapshot().Tasks {
		switch {
		case t.Cluster != cluster || t.LaunchType != "EC2":
		case t.Status == orchestrator.Running:
			running++
		case t.Desired == orchestrator.Running:
			pending++
		}
	}
	cpu := []Resource{{Name: new("CPU"), Type: new("INTEGER"), IntegerValue: new(int64(runtime.NumCPU() * 1024))}}
	return ContainerInstance{
		ContainerInstanceArn: &arn, Ec2InstanceId: new("i-" + arn[strings.LastIndex(arn, "/")+1:]), Status: new("ACTIVE"), AgentConnected: new(true),
		RunningTasksCount: count(running), PendingTasksCount: count(pending), Version: new(int64(1)), VersionInfo: &VersionInfo{},
		RegisteredResources: cpu, RemainingResources: cpu, Attributes: []Attribute{}, Attachments: []Attachment{}, Tags: []Tag{},
	}
}

// listServicesByNamespace finds the services of a Service Connect namespace.
func (a api) listServicesByNamespace(_ context.Context, in *ListServicesByNamespaceRequest) (*ListServicesByNamespaceResponse, error) {
	arns := []string{}
	for _, s := range a.scheduler.Snapshot().Services {
		var connect struct {
			Namespace string `json:"namespace"`
		}
		if raw, ok := s.Echo["serviceConnectConfiguration"]; ok && json.Unmarshal(raw, &connect) == nil && connect.Namespace == *in.Namespace && s.Status != orchestrator.ServiceInactive {
			arns = append(arns, s.ARN)
		}
	}
	slices.Sort(arns)
	part, next, err := page(arns, in.NextToken, in.MaxResults, servicesPageSize)
	if err != nil {
		return nil, err
	}
	return &ListServicesByNamespaceResponse{ServiceArns: part, NextToken: next}, nil
}
