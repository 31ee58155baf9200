package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/awsapi"
	"drydock/orchestrator"
	"drydock/taskdefs"
)

// api holds what the handlers need.
type api struct {
	scheduler   *orchestrator.Controller
	definitions *taskdefs.Catalogue
}

// Exec opens a session in which a command runs in a container of a task.
type Exec interface {
	// OpenSession returns the session's id, and the URL and token for the client.
	OpenSession(task *orchestrator.Task, container, command string) (id, url, token string, err error)
}

// RegisterExec registers the handler of ExecuteCommand.
func RegisterExec(s *awsapi.Server, scheduler *orchestrator.Controller, exec Exec) {
	awsapi.Handle(s, "ecs", "ExecuteCommand", executor{scheduler, exec}.executeCommand)
}

// Register registers the handlers of ECS.
func Register(s *awsapi.Server, scheduler *orchestrator.Controller, definitions *taskdefs.Catalogue) {
	a := api{scheduler, definitions}
	awsapi.Handle(s, "ecs", "CreateCluster", a.createCluster)
	awsapi.Handle(s, "ecs", "DescribeClusters", a.describeClusters)
	awsapi.Handle(s, "ecs", "ListClusters", a.listClusters)
	awsapi.Handle(s, "ecs", "DeleteCluster", a.deleteCluster)
	awsapi.Handle(s, "ecs", "UpdateCluster", a.updateCluster)
	awsapi.Handle(s, "ecs", "UpdateClusterSettings", a.updateClusterSettings)
	awsapi.Handle(s, "ecs", "PutClusterCapacityProviders", a.putClusterCapacityProviders)
	awsapi.Handle(s, "ecs", "DescribeCapacityProviders", a.describeCapacityProviders)
	awsapi.Handle(s, "ecs", "ListContainerInstances", a.listContainerInstances)
	awsapi.Handle(s, "ecs", "DescribeContainerInstances", a.describeContainerInstances)
	awsapi.Handle(s, "ecs", "ListAccountSettings", a.listAccountSettings)
	awsapi.Handle(s, "ecs", "PutAccountSetting", a.putAccountSetting)
	awsapi.Handle(s, "ecs", "PutAccountSettingDefault", a.putAccountSettingDefault)
	awsapi.Handle(s, "ecs", "DeleteAccountSetting", a.deleteAccountSetting)
	awsapi.Handle(s, "ecs", "ListServicesByNamespace", a.listServicesByNamespace)
	awsapi.Handle(s, "ecs", "RegisterTaskDefinition", a.registerTaskDefinition)
	awsapi.Handle(s, "ecs", "DescribeTaskDefinition", a.describeTaskDefinition)
	awsapi.Handle(s, "ecs", "ListTaskDefinitions", a.listTaskDefinitions)
	awsapi.Handle(s, "ecs", "DeregisterTaskDefinition", a.deregisterTaskDefinition)
	awsapi.Handle(s, "ecs", "DeleteTaskDefinitions", a.deleteTaskDefinitions)
	awsapi.Handle(s, "ecs", "ListTaskDefinitionFamilies", a.listTaskDefinitionFamilies)
	awsapi.Handle(s, "ecs", "CreateService", a.createService)
	awsapi.Handle(s, "ecs", "DescribeServices", a.describeServices)
	awsapi.Handle(s, "ecs", "UpdateService", a.updateService)
	awsapi.Handle(s, "ecs", "DeleteService", a.deleteService)
	awsapi.Handle(s, "ecs", "ListServices", a.listServices)
	awsapi.Handle(s, "ecs", "ListServiceDeployments", a.listServiceDeployments)
	awsapi.Handle(s, "ecs", "DescribeServiceDeployments", a.describeServiceDeployments)
	awsapi.Handle(s, "ecs", "DescribeServiceRevisions", a.describeServiceRevisions)
	awsapi.Handle(s, "ecs", "StopServiceDeployment", a.stopServiceDeployment)
	awsapi.Handle(s, "ecs", "ContinueServiceDeployment", a.continueServiceDeployment)
	awsapi.Handle(s, "ecs", "UpdateTaskProtection", a.updateTaskProtection)
	awsapi.Handle(s, "ecs", "GetTaskProtection", a.getTaskProtection)
	awsapi.Handle(s, "ecs", "RunTask", a.runTask)
	awsapi.Handle(s, "ecs", "StartTask", a.startTask)
	awsapi.Handle(s, "ecs", "StopTask", a.stopTask)
	awsapi.Handle(s, "ecs", "DescribeTasks", a.describeTasks)
	awsapi.Handle(s, "ecs", "ListTasks", a.listTasks)
	awsapi.Handle(s, "ecs", "ListTagsForResource", a.listTagsForResource)
	awsapi.Handle(s, "ecs", "TagResource", a.tagResource)
	awsapi.Handle(s, "ecs", "UntagResource", a.untagResource)
}

func invalid(format string, args ...any) error {
	return &awsapi.Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}

// How many items ECS lists at once.
const (
	pageSize         = 100
	servicesPageSize = 10 // ECS-306
)

// page is [awsapi.Page] in ECS's words. Without a size a part has usual items.
func page[T any](items []T, token *string, size *int64, usual int) ([]T, *string, error) {
	if size == nil {
		size = new(int64(usual))
	}
	if *size < 1 || *size > pageSize {
		return nil, nil, invalid("maxResults must be between 1 and %d.", pageSize)
	}
	part, next, err := awsapi.Page(items, token, size, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		return nil, nil, invalid("Invalid token.")
	}
	return part, next, err
}

// atMost refuses a call that names too many things, or none (ECS-305).
func atMost(most int, what, plural string, given []string) error {
	if len(given) == 0 {
		return invalid("%s cannot be empty.", plural)
	}
	if len(given) > most {
		return invalid("%s can have at most %d items.", what, most)
	}
	return nil
}

// missing says that nothing has this ARN (ECS-314).
func missing(arn string) Failure { return Failure{Arn: &arn, Reason: new("MISSING")} }

// includes reports whether an include member asks for something.
func includes(asked []string, what string) bool { return slices.Contains(asked, what) }

// caller returns the ARN of who calls: everybody is the account's root user.
func caller(ctx context.Context) string {
	return "arn:aws:iam::" + awsapi.CallFrom(ctx).Account + ":root"
}

// members returns the members of the call as they were sent.
func members(ctx context.Context) (map[string]json.RawMessage, error) {
	given := map[string]json.RawMessage{}
	raw := awsapi.CallFrom(ctx).Raw
	if len(bytes.TrimSpace(raw)) == 0 {
		return given, nil
	}
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, fmt.Errorf("read the members of a call: %w", err)
	}
	maps.DeleteFunc(given, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return given, nil
}

// request returns the call in a form that is the same for the same call: sorted, without
// its client token (ECS-301).
func request(given map[string]json.RawMessage) (json.RawMessage, error) {
	same := maps.Clone(given)
	delete(same, "clientToken")
	raw, err := json.Marshal(same)
	if err != nil {
		return nil, fmt.Errorf("write a call: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil {
		return nil, fmt.Errorf("read a call: %w", err)
	}
	return json.Marshal(document)
}

// tagsOf returns the tags of a call.
func tagsOf(shapes []Tag) (map[string]string, error) {
	if len(shapes) == 0 {
		return nil, nil
	}
	tags := map[string]string{}
	for _, t := range shapes {
		key := awsapi.Value(t.Key)
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, invalid("Tag keys must not start with 'aws:': %s", key)
		}
		if _, twice := tags[key]; twice {
			return nil, invalid("Duplicate tag key: %s", key)
		}
		tags[key] = awsapi.Value(t.Value)
	}
	return tags, nil
}

// tagShapes returns tags by key. It is never nil.
func tagShapes(tags map[string]string) []Tag {
	return awsapi.List(slices.Sorted(maps.Keys(tags)), func(key string) Tag { return Tag{Key: &key, Value: new(tags[key])} })
}

// count is an integer as shapes have it: also zero is sent.
func count(n int) *int64 { return new(int64(n)) }

// moment leaves out what has not happened.
func moment(t time.Time) *time.Time { return awsapi.NonZero(t) }

// intOf converts an integer of a shape, keeping its absence.
func intOf(n *int64) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// lastPart returns what follows the last slash.
func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
