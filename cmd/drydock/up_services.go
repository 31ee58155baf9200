package main

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/awsapi/ecs"
)

func (u *up) taskDefinitions(ctx context.Context) error {
	for _, t := range u.stack.taskDefinitions {
		input := cloneShape(t.input)
		err := expand(&input, u.resolve)
		if err == nil {
			err = u.taskDefinition(ctx, &input)
		}
		if err != nil {
			return fmt.Errorf("task definition %s: %w", t.family(), err)
		}
	}
	return nil
}

// taskDefinition registers a new revision if the document differs from the latest one.
func (u *up) taskDefinition(ctx context.Context, input *ecs.RegisterTaskDefinitionRequest) error {
	family := deref(input.Family)
	latest, err := call[ecs.DescribeTaskDefinitionResponse](ctx, u.api, "ecs", "DescribeTaskDefinition", &ecs.DescribeTaskDefinitionRequest{TaskDefinition: &family})
	if err == nil && latest.TaskDefinition != nil && deref(latest.TaskDefinition.Status) == "ACTIVE" && sameDocument(registered(latest.TaskDefinition), *input) {
		u.definitions[family] = deref(latest.TaskDefinition.TaskDefinitionArn)
		u.kept("task definition", tail(u.definitions[family]))
		return nil
	}
	if err != nil && !refusedWith(err, "ClientException") {
		return err
	}
	arn, err := registerTaskDefinition(ctx, u.api, input)
	if err != nil {
		return err
	}
	u.definitions[family] = arn
	u.did("registered", "task definition", tail(arn), "")
	return nil
}

// registerTaskDefinition returns the ARN of the new revision.
func registerTaskDefinition(ctx context.Context, api *client, input *ecs.RegisterTaskDefinitionRequest) (string, error) {
	out, err := call[ecs.RegisterTaskDefinitionResponse](ctx, api, "ecs", "RegisterTaskDefinition", input)
	if err != nil {
		return "", err
	}
	if out.TaskDefinition == nil {
		return "", fmt.Errorf("the daemon answered no task definition")
	}
	return deref(out.TaskDefinition.TaskDefinitionArn), nil
}

// registered returns the document that would register a task definition again.
func registered(t *ecs.TaskDefinition) ecs.RegisterTaskDefinitionRequest {
	var r ecs.RegisterTaskDefinitionRequest
	copyMembers(t, &r)
	return r
}

// sameDocument reports whether two task definition documents mean the same: defaults that
// one of them writes out make no difference. Tags are not part of the document.
func sameDocument(a, b ecs.RegisterTaskDefinitionRequest) bool {
	a.Tags, b.Tags = nil, nil
	return reflect.DeepEqual(plain(documentOf(a), ""), plain(documentOf(b), ""))
}

// taskDefinitionDefaults are what register-task-definition fills in (ecs.md §2.2, §2.6).
var taskDefinitionDefaults = map[string]string{
	"essential": "true", "protocol": "tcp", "networkMode": "bridge", "interval": "30", "timeout": "5", "retries": "3",
}

// plain removes from a document what means nothing: empty values and defaults. It returns
// nil for what is empty itself.
func plain(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		if v["hostPort"] != nil && fmt.Sprint(v["hostPort"]) == fmt.Sprint(v["containerPort"]) {
			delete(v, "hostPort")
		}
		m := map[string]any{}
		for key, value := range v {
			if p := plain(value, key); p != nil {
				m[key] = p
			}
		}
		if len(m) == 0 {
			return nil
		}
		return m
	case []any:
		return plainList(v, name)
	}
	text := normalSize(name, fmt.Sprint(v))
	empty := text == "" || text == "0" || text == "<nil>" || text == "false" && name != "essential"
	if empty || taskDefinitionDefaults[name] == text {
		return nil
	}
	return text
}

// unorderedLists are the lists in which order means nothing.
var unorderedLists = map[string]bool{"environment": true, "secrets": true, "requiresCompatibilities": true}

func plainList(list []any, name string) any {
	var out []any
	for _, element := range list {
		out = append(out, plain(element, name))
	}
	if len(out) == 0 {
		return nil
	}
	if unorderedLists[name] {
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return out
}

var sizePattern = regexp.MustCompile(`(?i)^([0-9.]+) ?(vcpu|gb)$`)

// normalSize writes cpu and memory as the API answers them: "1 vCPU" is "1024".
func normalSize(name, text string) string {
	if m := sizePattern.FindStringSubmatch(text); m != nil && (name == "cpu" || name == "memory") {
		if n, err := strconv.ParseFloat(m[1], 64); err == nil {
			return fmt.Sprintf("%.0f", n*1024)
		}
	}
	return text
}

func (u *up) services(ctx context.Context) error {
	for _, s := range u.stack.services {
		input := cloneShape(s.input)
		cluster := u.stack.clusterName()
		if input.Cluster == nil {
			input.Cluster = &cluster
		}
		err := expand(&input, u.resolve)
		if err == nil {
			err = u.service(ctx, &input)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", s.name(), err)
		}
	}
	return nil
}

func (u *up) service(ctx context.Context, input *ecs.CreateServiceRequest) error {
	name := deref(input.ServiceName)
	have, err := u.awaitDrained(ctx, deref(input.Cluster), name)
	if err != nil {
		return err
	}
	if have == nil {
		if _, err := call[ecs.CreateServiceResponse](ctx, u.api, "ecs", "CreateService", input); err != nil {
			return err
		}
		u.did("created", "service", name, plural(int(deref(input.DesiredCount)), "task")+" of "+tail(deref(input.TaskDefinition)))
		return nil
	}
	if !covers(*have, ecs.CreateServiceRequest{LaunchType: input.LaunchType, SchedulingStrategy: input.SchedulingStrategy}) {
		return fmt.Errorf("its launch type or scheduling strategy differs and cannot be changed: give it another name, or take the stack down first with `drydock down %s`", u.stack.file)
	}
	update, differs := serviceUpdate(*have, *input)
	if differs == "" {
		u.kept("service", name)
		return nil
	}
	if _, err := call[ecs.UpdateServiceResponse](ctx, u.api, "ecs", "UpdateService", update); err != nil {
		return err
	}
	u.did("updated", "service", name, differs)
	return nil
}

// serviceUpdate returns the call that takes a service to what is wanted, and the members
// that differ.
func serviceUpdate(have ecs.Service, want ecs.CreateServiceRequest) (*ecs.UpdateServiceRequest, string) {
	var update ecs.UpdateServiceRequest
	copyMembers(want, &update)
	var differ []string
	members := reflect.ValueOf(&update).Elem()
	for i := range members.NumField() {
		field, name := members.Field(i), members.Type().Field(i).Name
		current := reflect.ValueOf(have).FieldByName(name)
		if !current.IsValid() || field.IsNil() || coversValue(current, field) {
			field.SetZero()
			continue
		}
		differ = append(differ, lowerFirst(name))
	}
	update.Cluster, update.Service = want.Cluster, want.ServiceName
	return &update, strings.Join(differ, ", ")
}

// awaitDrained returns the active service of a name, or nil. A namesake that is being
// deleted is waited for.
func (u *up) awaitDrained(ctx context.Context, cluster, name string) (*ecs.Service, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, fmt.Errorf("its namesake is still draining after ten minutes: see `drydock status`"))
	defer cancel()
	for {
		have, err := describeService(ctx, u.api, cluster, name)
		if err != nil || have == nil || deref(have.Status) == "INACTIVE" {
			return nil, err
		}
		if deref(have.Status) == "ACTIVE" {
			return have, nil
		}
		u.screen.draw("waiting until the deleted service " + name + " is gone")
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// describeService returns nil if there is no such service.
func describeService(ctx context.Context, api *client, cluster, name string) (*ecs.Service, error) {
	out, err := call[ecs.DescribeServicesResponse](ctx, api, "ecs", "DescribeServices", &ecs.DescribeServicesRequest{Cluster: &cluster, Services: []string{name}})
	if err != nil || len(out.Services) == 0 {
		return nil, err
	}
	return &out.Services[0], nil
}
