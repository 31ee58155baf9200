package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// Limits of RunTask, in characters (ECS-309).
const (
	maxOverrides = 8192
	maxStartedBy = 128
)

func (a api) runTask(ctx context.Context, in *RunTaskRequest) (*RunTaskResponse, error) {
	given, err := members(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkRunTask(in, given["overrides"]); err != nil {
		return nil, err
	}
	wanted := orchestrator.RunTaskInput{
		Cluster: awsapi.Value(in.Cluster), TaskDefinition: *in.TaskDefinition, Count: 1, Network: network(in.NetworkConfiguration),
		LaunchType: a.launchType(in.LaunchType, in.CapacityProviderStrategy, *in.TaskDefinition),
		Overrides:  given["overrides"], Group: awsapi.Value(in.Group), StartedBy: awsapi.Value(in.StartedBy),
		ExecuteCommand: awsapi.Value(in.EnableExecuteCommand), ClientToken: awsapi.Value(in.ClientToken),
	}
	if in.Count != nil {
		wanted.Count = int(*in.Count)
	}
	if wanted.Request, err = request(given); err != nil {
		return nil, err
	}
	if wanted.Tags, err = a.taskTags(in); err != nil {
		return nil, err
	}
	tasks, err := a.scheduler.RunTask(ctx, wanted)
	failures := []Failure{}
	if short := (*orchestrator.PlacementError)(nil); errors.As(err, &short) {
		failures, err = awsapi.List(short.Failures, func(f orchestrator.Failure) Failure { return Failure{Arn: &f.ARN, Reason: &f.Reason} }), nil
	}
	if err != nil {
		return nil, err
	}
	return &RunTaskResponse{Failures: failures, Tasks: awsapi.List(tasks, func(t *orchestrator.Task) Task { return a.task(t, []string{"TAGS"}) })}, nil
}

// startTask is RunTask on the one container instance there is: naming any other fails (ECS-322).
func (a api) startTask(ctx context.Context, in *StartTaskRequest) (*StartTaskResponse, error) {
	if err := atMost(10, "container instances", "Container instances", in.ContainerInstances); err != nil {
		return nil, err
	}
	out := &StartTaskResponse{Tasks: []Task{}, Failures: []Failure{}}
	for _, ref := range in.ContainerInstances {
		arn := a.scheduler.ContainerInstanceARN(awsapi.Value(in.Cluster))
		if ref != arn && ref != lastPart(arn) {
			out.Failures = append(out.Failures, missing(ref))
			continue
		}
		started, err := a.runTask(ctx, &RunTaskRequest{
			Cluster: in.Cluster, TaskDefinition: in.TaskDefinition, EnableECSManagedTags: in.EnableECSManagedTags, LaunchType: new("EC2"),
			EnableExecuteCommand: in.EnableExecuteCommand, Group: in.Group, NetworkConfiguration: in.NetworkConfiguration,
			Overrides: in.Overrides, PropagateTags: in.PropagateTags, StartedBy: in.StartedBy, Tags: in.Tags,
		})
		if err != nil {
			return nil, err
		}
		out.Tasks, out.Failures = append(out.Tasks, started.Tasks...), append(out.Failures, started.Failures...)
	}
	return out, nil
}

func checkRunTask(in *RunTaskRequest, overrides json.RawMessage) error {
	switch {
	case in.Count != nil && (*in.Count < 1 || *in.Count > 10):
		return invalid("count must be between 1 and 10.")
	case len(overrides) > maxOverrides:
		return invalid("The overrides must have at most %d characters.", maxOverrides)
	case len(awsapi.Value(in.StartedBy)) > maxStartedBy:
		return invalid("startedBy must have at most %d characters.", maxStartedBy)
	case awsapi.Value(in.PropagateTags) == "SERVICE":
		return invalid("The SERVICE option of propagateTags is not valid for RunTask.")
	}
	return oneCapacity(in.LaunchType, in.CapacityProviderStrategy)
}

// taskTags returns the tags of a standalone task: the definition's if they are
// propagated, the given ones over them, and those that ECS manages.
func (a api) taskTags(in *RunTaskRequest) (map[string]string, error) {
	given, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	if awsapi.Value(in.PropagateTags) == "TASK_DEFINITION" {
		if r, err := a.definitions.Lookup(*in.TaskDefinition); err == nil {
			for _, t := range r.Tags {
				tags[t.Key] = t.Value
			}
		}
	}
	maps.Copy(tags, given)
	if awsapi.Value(in.EnableECSManagedTags) {
		tags[orchestrator.ClusterNameTag] = orchestrator.ClusterName(awsapi.Value(in.Cluster))
	}
	return tags, nil
}

func (a api) stopTask(ctx context.Context, in *StopTaskRequest) (*StopTaskResponse, error) {
	cluster := awsapi.Value(in.Cluster)
	if err := sameCluster(cluster, *in.Task); err != nil {
		return nil, err
	}
	t, err := a.scheduler.StopTask(ctx, cluster, *in.Task, awsapi.Value(in.Reason))
	if err != nil {
		return nil, err
	}
	return &StopTaskResponse{Task: new(a.task(t, nil))}, nil
}

// sameCluster refuses a task's ARN that names another cluster than the call (ECS-310).
func sameCluster(cluster, ref string) error {
	_, resource, isARN := strings.Cut(ref, ":task/")
	named, _, long := strings.Cut(resource, "/")
	if yours := orchestrator.ClusterName(cluster); isARN && long && named != yours {
		return invalid("Invalid identifier: Identifier is for cluster %s. Your cluster is %s", named, yours)
	}
	return nil
}

func (a api) describeTasks(_ context.Context, in *DescribeTasksRequest) (*DescribeTasksResponse, error) {
	if err := atMost(100, "tasks", "Tasks", in.Tasks); err != nil {
		return nil, err
	}
	cluster, err := a.scheduler.Cluster(awsapi.Value(in.Cluster))
	if err != nil {
		return nil, err
	}
	out := &DescribeTasksResponse{Tasks: []Task{}, Failures: []Failure{}}
	for _, ref := range in.Tasks {
		if err := sameCluster(cluster.Name, ref); err != nil {
			return nil, err
		}
		t, err := a.scheduler.Task(cluster.Name, ref)
		if err != nil {
			out.Failures = append(out.Failures, missing(a.scheduler.TaskARN(cluster.Name, ref)))
			continue
		}
		out.Tasks = append(out.Tasks, a.task(t, in.Include))
	}
	return out, nil
}

func (a api) listTasks(_ context.Context, in *ListTasksRequest) (*ListTasksResponse, error) {
	cluster, err := a.scheduler.Cluster(awsapi.Value(in.Cluster))
	if err != nil {
		return nil, err
	}
	passes, err := a.taskFilter(cluster.Name, in)
	if err != nil {
		return nil, err
	}
	var found []*orchestrator.Task
	for _, t := range a.scheduler.Snapshot().Tasks {
		if t.Cluster == cluster.Name && passes(t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *orchestrator.Task) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ARN, b.ARN))
	})
	arns := awsapi.List(found, func(t *orchestrator.Task) string { return t.ARN })
	part, next, err := page(arns, in.NextToken, in.MaxResults, pageSize)
	if err != nil {
		return nil, err
	}
	return &ListTasksResponse{TaskArns: part, NextToken: next}, nil
}

// taskFilter returns what a ListTasks asks of a task. Without a desired status, tasks that
// are meant to run are listed; startedBy goes with a desired status only (ECS-311).
func (a api) taskFilter(cluster string, in *ListTasksRequest) (func(*orchestrator.Task) bool, error) {
	others := in.Family != nil || in.ServiceName != nil || in.LaunchType != nil || in.ContainerInstance != nil
	if in.StartedBy != nil && others {
		return nil, invalid("cannot specify startedBy with other arguments")
	}
	if in.DaemonName != nil {
		return nil, invalid("The filter daemonName is not supported by drydock.")
	}
	if ref := in.ContainerInstance; ref != nil && *ref != a.scheduler.ContainerInstanceARN(cluster) && *ref != lastPart(a.scheduler.ContainerInstanceARN(cluster)) {
		return nil, invalid("The referenced container instance %s was not found.", *ref)
	}
	service := ""
	if in.ServiceName != nil {
		s, err := a.scheduler.Service(cluster, *in.ServiceName)
		if err != nil {
			return nil, err
		}
		service = s.ARN
	}
	desired := orchestrator.TaskStatus(awsapi.Value(in.DesiredStatus))
	if desired == "" {
		desired = orchestrator.Running
	}
	return func(t *orchestrator.Task) bool {
		return t.Desired == desired &&
			(service == "" || t.Service == service) &&
			(in.Family == nil || family(t.TaskDefinition) == *in.Family) &&
			(in.ContainerInstance == nil || t.LaunchType == "EC2") &&
			(in.StartedBy == nil || t.StartedBy == *in.StartedBy) &&
			(in.LaunchType == nil || t.LaunchType == *in.LaunchType)
	}, nil
}

// family returns the family in a task definition's ARN.
func family(arn string) string {
	name, _, _ := strings.Cut(lastPart(arn), ":")
	return name
}
