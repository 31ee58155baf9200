package ecs

import (
	"context"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// executor is what ExecuteCommand needs.
type executor struct {
	scheduler *orchestrator.Controller
	exec      Exec
}

// executeCommand opens a session. The client's session-manager-plugin connects to it (ECS-254).
func (e executor) executeCommand(_ context.Context, in *ExecuteCommandRequest) (*ExecuteCommandResponse, error) {
	if !*in.Interactive {
		return nil, invalid("Interactive mode is the only supported mode: set interactive to true.")
	}
	task, err := e.scheduler.Task(awsapi.Value(in.Cluster), *in.Task)
	if err != nil {
		return nil, err
	}
	if task.Status == orchestrator.Stopped {
		return nil, invalid("The execute command failed because the task is stopped.")
	}
	if !task.ExecEnabled { // ECS-255
		return nil, invalid("The execute command failed because execute command was not enabled when the task was run or the execute command agent isn't running. Wait and try again or run a new task with execute command enabled and try again.")
	}
	c, err := containerOf(task, awsapi.Value(in.Container))
	if err != nil {
		return nil, err
	}
	id, url, token, err := e.exec.OpenSession(task, c.Name, *in.Command)
	if err != nil {
		return nil, invalid("The command can't be run: %v", err)
	}
	return &ExecuteCommandResponse{
		ClusterArn: new(e.scheduler.ClusterARN(task.Cluster)), TaskArn: &task.ARN, ContainerArn: &c.ARN, ContainerName: &c.Name, Interactive: in.Interactive,
		Session: &Session{SessionId: &id, StreamUrl: &url, TokenValue: &token},
	}, nil
}

// containerOf returns the running container that a command names; a task of one needs no name.
func containerOf(t *orchestrator.Task, name string) (*orchestrator.TaskContainer, error) {
	if name == "" && len(t.Containers) > 1 {
		return nil, invalid("Container name must be specified for tasks with more than one container.")
	}
	c := &t.Containers[0]
	if name != "" {
		if c = t.Container(name); c == nil {
			return nil, invalid("The container %s was not found in the task.", name)
		}
	}
	if c.Status != "RUNNING" {
		return nil, &awsapi.Error{Code: "TargetNotConnectedException", Message: "The execute command failed due to an internal error. Try again later. (container " + c.Name + " is " + c.Status + ")"}
	}
	return c, nil
}
