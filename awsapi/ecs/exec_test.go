package ecs_test

import (
	"testing"
	"time"

	"drydock/awsapi/ecs"
	"drydock/orchestrator"
)

// sessions opens sessions that nobody runs.
type sessions struct{}

func (sessions) OpenSession(_ *orchestrator.Task, container, command string) (id, url, token string, err error) {
	return "id", "ws://127.0.0.1/" + container + "?" + command, "token", nil
}

func TestExec_Refusals(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do("RegisterTaskDefinition", `{"family":"job","networkMode":"awsvpc","containerDefinitions":[
			{"name":"app","image":"app:1","memory":64},{"name":"side","image":"app:1","memory":64}]}`)
		run := func(more string) string {
			out := call[ecs.RunTaskResponse](w, "RunTask", `{"taskDefinition":"job","networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"]}}`+more+`}`)
			time.Sleep(time.Minute)
			return *out.Tasks[0].TaskArn
		}
		closed, open := run(""), run(`,"enableExecuteCommand":true`)
		out := call[ecs.ExecuteCommandResponse](w, "ExecuteCommand", `{"task":"`+open+`","container":"side","command":"ls","interactive":true}`)
		if *out.Session.StreamUrl != "ws://127.0.0.1/side?ls" || *out.Session.TokenValue != "token" || *out.ContainerName != "side" || *out.TaskArn != open {
			t.Errorf("session: %s", w.raw)
		}
		task := call[ecs.DescribeTasksResponse](w, "DescribeTasks", `{"tasks":["`+open+`"]}`).Tasks[0]
		if a := task.Containers[0].ManagedAgents; len(a) != 1 || *a[0].Name != "ExecuteCommandAgent" || *a[0].LastStatus != "RUNNING" {
			t.Errorf("managed agents: %s", w.raw)
		}
		w.refused("ExecuteCommand", `{"task":"`+closed+`","container":"app","command":"ls","interactive":true}`,
			"InvalidParameterException: The execute command failed because execute command was not enabled when the task was run or the execute command agent isn't running. Wait and try again or run a new task with execute command enabled and try again.")
		w.refused("ExecuteCommand", `{"task":"`+open+`","command":"ls","interactive":true}`, "InvalidParameterException: Container name must be specified for tasks with more than one container.")
		w.refused("ExecuteCommand", `{"task":"`+open+`","container":"other","command":"ls","interactive":true}`, "InvalidParameterException: The container other was not found in the task.")
		w.refused("ExecuteCommand", `{"task":"`+open+`","container":"app","command":"ls","interactive":false}`, "InvalidParameterException: Interactive mode is the only supported mode: set interactive to true.")
	})
}
