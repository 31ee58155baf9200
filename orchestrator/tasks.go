package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"drydock/taskdefs"
	"drydock/timeline"
)

// RunTaskInput is ECS's RunTask.
type RunTaskInput struct {
	Cluster        string
	TaskDefinition string
	Count          int // 0 is 1
	LaunchType     string
	Network        *NetworkConfiguration
	Overrides      json.RawMessage
	Group          string
	StartedBy      string
	ExecuteCommand bool
	Tags           map[string]string
	ClientToken    string
	Request        json.RawMessage // the call as sent, to recognise a repeated one
}

// RunTask starts standalone tasks and returns them, PROVISIONING. When there was no place for
// some of them, the others are returned with a [PlacementError].
func (c *Controller) RunTask(ctx context.Context, in RunTaskInput) ([]*Task, error) {
	var made []*Task
	var failed *PlacementError
	err := c.update(ctx, func(x *change) error {
		if used := c.tokens[in.ClientToken]; used != nil && !used.expired(x.now) {
			var err error
			made, err = c.repeated(used, in)
			return err
		}
		var err error
		made, err = x.runTask(ctx, in)
		failed = x.failed
		return err
	})
	if err == nil && failed != nil {
		return made, failed
	}
	return made, err
}

func (x *change) runTask(ctx context.Context, in RunTaskInput) ([]*Task, error) {
	c := x.c
	count := max(in.Count, 1)
	if in.Count < 0 || in.Count > 10 {
		return nil, invalid("count must be between 1 and 10.")
	}
	if err := checkToken(in.ClientToken, tokenLongest); err != nil {
		return nil, err
	}
	if strings.HasPrefix(in.Group, "service:") {
		return nil, invalid("Invalid namespace for group.") // ECS-441
	}
	cluster, err := x.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	arn, err := c.usable(in.TaskDefinition, in.LaunchType)
	if err != nil {
		return nil, err
	}
	def := c.definition(arn)
	if err := checkOverrides(def, in); err != nil {
		return nil, err
	}
	net, err := c.resolveNetwork(ctx, arn, in.Network)
	if err != nil {
		return nil, err
	}
	var made []*Task
	var failures []Failure
	for range count {
		if !x.placeable(def, made) {
			failures = append(failures, Failure{ARN: c.arn("container-instance/" + cluster.Name + "/" + c.config.Machine), Reason: "RESOURCE:PORTS"})
			continue
		}
		t := makeTask(taskInput{now: x.now, id: randomHex, cluster: cluster.Name, clusterOf: cluster.ARN,
			revision: Revision{TaskDefinition: arn, LaunchType: in.LaunchType, Network: net}, definition: def})
		x.dress(t, def, in)
		made = append(made, t)
	}
	x.useToken(in, made)
	if len(failures) > 0 {
		x.failed = &PlacementError{failures}
	}
	return made, nil
}

// checkOverrides refuses overrides of containers that are not there, and sizes that Fargate has
// not (ECS-442).
func checkOverrides(def *taskdefs.TaskDefinition, in RunTaskInput) error {
	if _, err := overridden(def.ContainerDefinitions, in.Overrides); err != nil {
		return invalid("%s.", upperFirst(err.Error()))
	}
	o, _ := parseOverrides(in.Overrides)
	_, _, err := def.Resized(o.CPU, o.Memory, in.LaunchType == "FARGATE")
	return err
}

// dress gives a new standalone task what RunTask says of it, and puts it.
func (x *change) dress(t *Task, def *taskdefs.TaskDefinition, in RunTaskInput) {
	t.Group, t.StartedBy, t.Tags, t.Overrides = in.Group, in.StartedBy, in.Tags, in.Overrides
	if t.Group == "" {
		t.Group = "family:" + def.Family
	}
	t.ExecEnabled = in.ExecuteCommand
	if o, _ := parseOverrides(in.Overrides); o.CPU != "" || o.Memory != "" {
		t.CPU, t.Memory, _ = def.Resized(o.CPU, o.Memory, false)
	}
	t.Cause = x.event(timeline.TaskState, t.ARN, fmt.Sprintf("task %s: %s", t.ID, t.Status),
		taskData(t, map[string]string{"to": string(t.Status), "desiredStatus": string(t.Desired)}))
	x.putTask(t)
}

// StopTask signals a task's containers at once. Its targets are deregistered only when the
// service notices: on AWS too, that is a time in which clients see 502 (ECS-004).
func (c *Controller) StopTask(ctx context.Context, cluster, ref, reason string) (*Task, error) {
	var after *Task
	err := c.update(ctx, func(x *change) error {
		old, err := c.task(cluster, ref)
		if err != nil {
			return err
		}
		if after = old; !old.live() {
			return nil
		}
		t := old.clone()
		if reason == "" {
			reason = "Task stopped by user"
		}
		requestStop(t, UserInitiated, reason, x.cause, x.now)
		t.Version++
		t.DeregisterAt = x.now.Add(c.config.Pace.NoticeStop)
		x.putTask(t)
		after = t
		return nil
	})
	return after, err
}

// task finds a task by id or ARN. The caller holds the lock.
func (c *Controller) task(cluster, ref string) (*Task, error) {
	name := clusterName(cluster)
	if c.clusters[name] == nil && name != "default" {
		return nil, errClusterNotFound
	}
	if t := c.tasks[c.TaskARN(name, ref)]; t != nil {
		return t, nil
	}
	return nil, errTaskNotFound
}

// Task returns a task by id or ARN.
func (c *Controller) Task(cluster, ref string) (*Task, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.task(cluster, ref)
}

// TaskAt returns the task whose containers have an address now, nil if there is none.
func (c *Controller) TaskAt(address netip.Addr) *Task {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return taskAt(c.tasks, address)
}

// TaskAt is [Controller.TaskAt] of the tasks in a snapshot.
func (s Snapshot) TaskAt(address netip.Addr) *Task { return taskAt(s.Tasks, address) }

func taskAt(tasks map[string]*Task, address netip.Addr) *Task {
	for _, t := range tasks {
		if t.Interface != nil && t.Interface.Address == address && t.Status != Deprovisioning && t.Status != Stopped {
			return t
		}
	}
	return nil
}

func containerNamed(name string) func(taskdefs.ContainerDefinition) bool {
	return func(d taskdefs.ContainerDefinition) bool { return d.Name == name }
}

func mapsPort(port int) func(taskdefs.PortMapping) bool {
	return func(m taskdefs.PortMapping) bool { return m.ContainerPort == port }
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return string(slices.Concat([]byte{s[0] &^ 0x20}, []byte(s[1:])))
}

// messageOf returns the message of an AWS error without its code.
func messageOf(err error) string {
	var coded interface{ AWSError() (string, string) }
	if errors.As(err, &coded) {
		_, message := coded.AWSError()
		return message
	}
	return err.Error()
}
