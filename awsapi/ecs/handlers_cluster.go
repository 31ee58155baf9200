package ecs

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// keptOfCluster are the members of CreateCluster that have no effect: they are kept under
// their wire names among the settings, and shown.
var keptOfCluster = []string{"configuration", "capacityProviders", "defaultCapacityProviderStrategy", "serviceConnectDefaults"}

const containerInsights = "containerInsights"

func (a api) createCluster(ctx context.Context, in *CreateClusterRequest) (*CreateClusterResponse, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	given, err := members(ctx)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{containerInsights: "disabled"}
	for _, s := range in.Settings {
		settings[awsapi.Value(s.Name)] = awsapi.Value(s.Value)
	}
	for _, name := range keptOfCluster {
		if raw, ok := given[name]; ok {
			settings[name] = string(raw)
		}
	}
	cluster, err := a.scheduler.CreateCluster(ctx, orchestrator.CreateClusterInput{Name: awsapi.Value(in.ClusterName), Tags: tags, Settings: settings})
	if err != nil {
		return nil, err
	}
	return &CreateClusterResponse{Cluster: a.cluster(cluster, []string{"SETTINGS", "TAGS", "CONFIGURATIONS"})}, nil
}

func (a api) describeClusters(_ context.Context, in *DescribeClustersRequest) (*DescribeClustersResponse, error) {
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{"default"}
	}
	if err := atMost(100, "clusters", "Clusters", refs); err != nil {
		return nil, err
	}
	out := &DescribeClustersResponse{Clusters: []Cluster{}, Failures: []Failure{}}
	for _, ref := range refs {
		cluster, err := a.scheduler.Cluster(ref)
		if err != nil {
			out.Failures = append(out.Failures, missing(a.scheduler.ClusterARN(ref)))
			continue
		}
		out.Clusters = append(out.Clusters, *a.cluster(cluster, in.Include))
	}
	return out, nil
}

func (a api) cluster(c *orchestrator.Cluster, include []string) *Cluster {
	n := a.scheduler.ClusterCounts(c.Name)
	shape := &Cluster{
		ClusterArn: &c.ARN, ClusterName: &c.Name, Status: &c.Status, RegisteredContainerInstancesCount: count(0),
		RunningTasksCount: count(n.Running), PendingTasksCount: count(n.Pending), ActiveServicesCount: count(n.Services),
		Statistics: []KeyValuePair{}, Tags: []Tag{}, Settings: []ClusterSetting{},
		CapacityProviders: []string{}, DefaultCapacityProviderStrategy: []CapacityProviderStrategyItem{},
	}
	shown(c.Settings, "capacityProviders", &shape.CapacityProviders)
	shown(c.Settings, "defaultCapacityProviderStrategy", &shape.DefaultCapacityProviderStrategy)
	shown(c.Settings, "serviceConnectDefaults", &shape.ServiceConnectDefaults)
	if includes(include, "CONFIGURATIONS") {
		shown(c.Settings, "configuration", &shape.Configuration)
	}
	if includes(include, "SETTINGS") {
		shape.Settings = []ClusterSetting{{Name: new(containerInsights), Value: new(insights(c.Settings))}}
	}
	if includes(include, "STATISTICS") {
		shape.Statistics = a.statistics(c.Name)
	}
	if includes(include, "TAGS") {
		shape.Tags = tagShapes(c.Tags)
	}
	return shape
}

func insights(settings map[string]string) string {
	if value := settings[containerInsights]; value != "" {
		return value
	}
	return "disabled"
}

// shown puts a kept member into its shape.
func shown(kept map[string]string, name string, into any) {
	if raw, ok := kept[name]; ok {
		json.Unmarshal([]byte(raw), into) // it was read as this shape when it came in
	}
}

// statistics counts a cluster's tasks and services by launch type.
func (a api) statistics(cluster string) []KeyValuePair {
	now := a.scheduler.Snapshot()
	n := map[string]int{}
	for _, t := range now.Tasks {
		switch {
		case t.Cluster != cluster:
		case t.Status == orchestrator.Running:
			n["running"+launchName(t.LaunchType)+"TasksCount"]++
		case t.Desired == orchestrator.Running:
			n["pending"+launchName(t.LaunchType)+"TasksCount"]++
		}
	}
	for _, s := range now.Services {
		if s.Cluster == cluster && s.Status != orchestrator.ServiceInactive {
			n[map[string]string{"ACTIVE": "active", "DRAINING": "draining"}[s.Status]+launchName(s.LaunchType)+"ServiceCount"]++
		}
	}
	return awsapi.List(statisticNames, func(name string) KeyValuePair { return KeyValuePair{Name: &name, Value: new(strconv.Itoa(n[name]))} })
}

var statisticNames = []string{
	"runningEC2TasksCount", "runningFargateTasksCount", "pendingEC2TasksCount", "pendingFargateTasksCount",
	"activeEC2ServiceCount", "activeFargateServiceCount", "drainingEC2ServiceCount", "drainingFargateServiceCount",
}

// launchName is how statistics call a launch type; tasks of a capacity provider are Fargate's.
func launchName(launchType string) string {
	if launchType == "EC2" {
		return "EC2"
	}
	return "Fargate"
}

func (a api) listClusters(_ context.Context, in *ListClustersRequest) (*ListClustersResponse, error) {
	arns := []string{}
	for _, c := range a.scheduler.Snapshot().Clusters {
		if c.Status == orchestrator.ServiceActive {
			arns = append(arns, c.ARN)
		}
	}
	slices.Sort(arns)
	part, next, err := page(arns, in.NextToken, in.MaxResults, pageSize)
	if err != nil {
		return nil, err
	}
	return &ListClustersResponse{ClusterArns: part, NextToken: next}, nil
}

func (a api) deleteCluster(ctx context.Context, in *DeleteClusterRequest) (*DeleteClusterResponse, error) {
	cluster, err := a.scheduler.DeleteCluster(ctx, *in.Cluster)
	if err != nil {
		return nil, err
	}
	return &DeleteClusterResponse{Cluster: a.cluster(cluster, nil)}, nil
}
