package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/awsapi/ecs"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
)

// run runs a task of web; more are further members.
func (w *world) run(more ...string) []ecs.Task {
	w.t.Helper()
	in := append([]string{`"taskDefinition":"web"`, inVPC}, more...)
	out := call[ecs.RunTaskResponse](w, "RunTask", "{"+strings.Join(in, ",")+"}")
	if out.Failures == nil {
		w.t.Errorf("no failures in %s", w.raw)
	}
	return out.Tasks
}

func TestRunTask_AnswersWhatItWasGiven(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		got := w.run(`"count":2`, `"startedBy":"me"`, `"enableExecuteCommand":true`, `"tags":[{"key":"a","value":"b"}]`,
			`"overrides":{"cpu":"512","memory":"1024","ephemeralStorage":{"sizeInGiB":30},"containerOverrides":[{"name":"app","command":["a","<b>"],"environment":[{"name":"N","value":"1"}]}]}`)
		if len(got) != 2 {
			t.Fatalf("answer: %s", w.raw)
		}
		task := got[1]
		o := task.Overrides.ContainerOverrides
		if len(o) != 1 || o[0].Command[1] != "<b>" || *o[0].Environment[0].Name != "N" || *task.Overrides.Cpu != "512" || *task.Cpu != "512" || *task.Memory != "1024" {
			t.Errorf("overrides: %s", w.raw)
		}
		if *task.Group != "family:web" || *task.StartedBy != "me" || *task.LastStatus != "PROVISIONING" || *task.DesiredStatus != "RUNNING" ||
			!*task.EnableExecuteCommand || *task.Tags[0].Key != "a" || *task.EphemeralStorage.SizeInGiB != 30 || task.Attachments == nil {
			t.Errorf("answer: %s", w.raw)
		}
		if c := task.Containers[0]; *c.LastStatus != "PENDING" || *c.Name != "app" || *c.HealthStatus != "UNKNOWN" || c.ExitCode != nil {
			t.Errorf("container: %s", w.raw)
		}
		w.until("it runs", func() bool { return *w.task(*task.TaskArn).LastStatus == "RUNNING" })
	})
}

// TestTask_OnEC2HasNoPlatform: ECS-302.
func TestTask_OnEC2HasNoPlatform(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		task := w.run(`"launchType":"EC2"`)[0]
		if task.PlatformVersion != nil || task.PlatformFamily != nil || task.EphemeralStorage != nil || *task.LaunchType != "EC2" {
			t.Errorf("on EC2: %s", w.raw)
		}
		if task = w.run()[0]; *task.PlatformVersion != "1.4.0" || *task.PlatformFamily != "Linux" || *task.LaunchType != "FARGATE" || *task.EphemeralStorage.SizeInGiB != 20 {
			t.Errorf("on Fargate: %s", w.raw)
		}
	})
}

func TestRunTask_Tags(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do("RegisterTaskDefinition", `{"family":"web","networkMode":"awsvpc","cpu":"256","memory":"512","containerDefinitions":[{"name":"app","image":"app:1"}],
			"tags":[{"key":"a","value":"definition"},{"key":"b","value":"definition"}]}`)
		task := w.run(`"propagateTags":"TASK_DEFINITION"`, `"enableECSManagedTags":true`, `"tags":[{"key":"b","value":"call"}]`)[0]
		var got []string
		for _, tag := range task.Tags {
			got = append(got, *tag.Key+"="+*tag.Value)
		}
		if want := "a=definition aws:ecs:clusterName=default b=call"; strings.Join(got, " ") != want {
			t.Errorf("tags %q, want %q", got, want)
		}
		if plain := w.task(*task.TaskArn); len(plain.Tags) != 0 {
			t.Errorf("tags without include: %s", w.raw)
		}
	})
}

// TestRunTask_Refusals: ECS-309, ECS-440, ECS-441, ECS-442.
func TestRunTask_Refusals(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.registerBridged()
		for more, want := range map[string]string{
			`"count":11`:                 "InvalidParameterException: count must be between 1 and 10.",
			`"count":0`:                  "InvalidParameterException: count must be between 1 and 10.",
			`"propagateTags":"SERVICE"`:  "InvalidParameterException: The SERVICE option of propagateTags is not valid for RunTask.",
			`"taskDefinition":"nothing"`: "ClientException: TaskDefinition not found.",
			`"cluster":"nowhere"`:        "ClusterNotFoundException: Cluster not found.",
			`"networkConfiguration":{}`:  "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
			`"overrides":{"taskRoleArn":"` + strings.Repeat("x", 8192) + `"}`:                    "InvalidParameterException: The overrides must have at most 8192 characters.",
			`"overrides":{"containerOverrides":[{"name":"sidecar"}]}`:                            "InvalidParameterException: Override for container named sidecar is not a container in the TaskDefinition.",
			`"launchType":"FARGATE","overrides":{"cpu":"512"}`:                                   "ClientException: No Fargate configuration exists for given values.",
			`"overrides":{"memory":"much"}`:                                                      "ClientException: Invalid 'memory' setting for task.",
			`"group":"service:web"`:                                                              "InvalidParameterException: Invalid namespace for group.",
			`"launchType":"FARGATE","taskDefinition":"bridged"`:                                  "InvalidParameterException: Task definition does not support launch_type FARGATE.",
			`"startedBy":"` + strings.Repeat("x", 129) + `"`:                                     "InvalidParameterException: startedBy must have at most 128 characters.",
			`"launchType":"FARGATE","capacityProviderStrategy":[{"capacityProvider":"FARGATE"}]`: "InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
		} {
			w.refused("RunTask", `{"taskDefinition":"web",`+inVPC+`,`+more+`}`, want) // the last of two members counts
		}
	})
}

// TestRunTask_OverridesItsSize: sizes are normalised as a definition's are.
func TestRunTask_OverridesItsSize(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		task := w.run(`"launchType":"FARGATE"`, `"overrides":{"cpu":"1 vCPU","memory":"4 GB"}`)[0]
		if *task.Cpu != "1024" || *task.Memory != "4096" {
			t.Errorf("cpu %s, memory %s: want 1024 and 4096", *task.Cpu, *task.Memory)
		}
	})
}

func TestRunTask_ClientToken(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		first := *w.run(`"clientToken":"t"`)[0].TaskArn
		if again := *w.run(`"clientToken":"t"`)[0].TaskArn; again != first {
			t.Errorf("a repeated call ran %s", again)
		}
		err := "ConflictException: The client token was used with different parameters."
		w.refused("RunTask", `{"taskDefinition":"web",`+inVPC+`,"clientToken":"t","count":2}`, err)
	})
}

func TestStopTask(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		arn := *w.run()[0].TaskArn
		w.until("it runs", func() bool { return *w.task(arn).LastStatus == "RUNNING" })
		id := arn[strings.LastIndex(arn, "/")+1:]
		out := call[ecs.StopTaskResponse](w, "StopTask", fmt.Sprintf(`{"task":%q,"reason":"for a test"}`, id))
		if *out.Task.DesiredStatus != "STOPPED" || *out.Task.StopCode != "UserInitiated" || *out.Task.StoppedReason != "for a test" {
			t.Errorf("answer: %s", w.raw)
		}
		w.until("it stopped", func() bool { return *w.task(arn).LastStatus == "STOPPED" })
		again := call[ecs.StopTaskResponse](w, "StopTask", fmt.Sprintf(`{"task":%q}`, arn))
		if *again.Task.StoppedReason != "for a test" {
			t.Errorf("stopped twice: %s", w.raw)
		}
		w.refused("StopTask", `{"task":"0123"}`, "InvalidParameterException: The referenced task was not found.")
	})
}

// TestTask_OfAnotherCluster: ECS-310.
func TestTask_OfAnotherCluster(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do("CreateCluster", `{"clusterName":"shop"}`)
		w.register("web")
		arn := *w.run(`"cluster":"shop"`)[0].TaskArn
		want := "InvalidParameterException: Invalid identifier: Identifier is for cluster shop. Your cluster is default"
		w.refused("DescribeTasks", fmt.Sprintf(`{"tasks":[%q]}`, arn), want)
		w.refused("StopTask", fmt.Sprintf(`{"task":%q}`, arn), want)
		if out := call[ecs.DescribeTasksResponse](w, "DescribeTasks", fmt.Sprintf(`{"cluster":"shop","tasks":[%q]}`, arn)); len(out.Tasks) != 1 {
			t.Errorf("answer: %s", w.raw)
		}
	})
}

// TestListTasks_Filters: ECS-311.
func TestListTasks_Filters(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.register("webby")
		w.create("web", 2)
		w.stable("web")
		w.run(`"startedBy":"me"`)
		w.do("RunTask", `{"taskDefinition":"webby","launchType":"EC2",`+inVPC+`}`)
		stopped := *w.run(`"startedBy":"me"`)[0].TaskArn
		w.do("StopTask", fmt.Sprintf(`{"task":%q}`, stopped))
		deployment := *w.describe("web").Deployments[0].Id
		for in, want := range map[string]int{
			`{}`: 4, `{"desiredStatus":"RUNNING"}`: 4, `{"desiredStatus":"STOPPED"}`: 1, `{"desiredStatus":"PENDING"}`: 0,
			`{"serviceName":"web"}`: 2, `{"serviceName":"arn:aws:ecs:us-east-1:123456789012:service/default/web"}`: 2,
			`{"family":"web"}`: 3, `{"family":"we"}`: 0, `{"family":"webby"}`: 1, `{"launchType":"EC2"}`: 1, `{"family":"web","launchType":"FARGATE"}`: 3,
			`{"startedBy":"me"}`: 1, `{"startedBy":"me","desiredStatus":"STOPPED"}`: 1, `{"startedBy":"` + deployment + `"}`: 2, `{"maxResults":3}`: 3,
		} {
			if got := len(w.tasks(in)); got != want {
				t.Errorf("%s: %d tasks, want %d", in, got, want)
			}
		}
		w.refused("ListTasks", `{"serviceName":"nothing"}`, "ServiceNotFoundException: Service not found.")
		w.refused("ListTasks", `{"cluster":"nowhere"}`, "ClusterNotFoundException: Cluster not found.")
		w.refused("ListTasks", `{"startedBy":"me","family":"web"}`, "InvalidParameterException: cannot specify startedBy with other arguments")
		first := call[ecs.ListTasksResponse](w, "ListTasks", `{"maxResults":3}`)
		if rest := w.tasks(fmt.Sprintf(`{"maxResults":3,"nextToken":%q}`, *first.NextToken)); len(rest) != 1 {
			t.Errorf("the second page has %d tasks", len(rest))
		}
	})
}

// TestTask_Interface: the attachment follows the task's life (ECS-313).
func TestTask_Interface(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		arn := *w.run()[0].TaskArn
		w.until("it runs", func() bool { return *w.task(arn).LastStatus == "RUNNING" })
		task := w.task(arn)
		a := task.Attachments[0]
		details := map[string]string{}
		for _, d := range a.Details {
			details[*d.Name] = *d.Value
		}
		c := task.Containers[0].NetworkInterfaces[0]
		if *a.Status != "ATTACHED" || *c.AttachmentId != *a.Id || *c.PrivateIpv4Address != details["privateIPv4Address"] || !strings.HasPrefix(details["networkInterfaceId"], "eni-") {
			t.Errorf("attachment: %s", w.raw)
		}
		if *task.AvailabilityZone == "" || *task.Connectivity != "CONNECTED" {
			t.Errorf("task: %s", w.raw)
		}
		w.do("StopTask", fmt.Sprintf(`{"task":%q}`, arn))
		w.until("it stopped", func() bool { return *w.task(arn).LastStatus == "STOPPED" })
		if s := *w.task(arn).Attachments[0].Status; s != "DELETED" {
			t.Errorf("attachment of a stopped task: %s", s)
		}
	})
}

// TestTask_Failures: what went wrong is in stopCode, stoppedReason and the container's reason.
func TestTask_Failures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		for _, c := range []struct {
			script           enginetest.Script
			stopCode, reason string
			exitCode         int64
			container        string
			withoutExit      bool
		}{
			{script: enginetest.Script{ExitAfter: time.Second, ExitCode: 3}, stopCode: "EssentialContainerExited", reason: "Essential container in task exited", exitCode: 3},
			{script: enginetest.Script{OOMAfter: time.Second}, stopCode: "EssentialContainerExited", reason: "Essential container in task exited", exitCode: 137,
				container: "OutOfMemoryError: Container killed due to memory usage"},
			{script: enginetest.Script{Fail: &orchestrator.StartError{Name: "CannotPullContainerError", Err: fmt.Errorf("no such image")}},
				stopCode: "TaskFailedToStart", reason: "CannotPullContainerError", withoutExit: true},
		} {
			w.engine.Script("app", c.script)
			arn := *w.run()[0].TaskArn
			w.until("it stopped", func() bool { return *w.task(arn).LastStatus == "STOPPED" })
			task := w.task(arn)
			if *task.StopCode != c.stopCode || !strings.Contains(*task.StoppedReason, c.reason) {
				t.Errorf("%s: %s %s", c.stopCode, *task.StopCode, *task.StoppedReason)
			}
			got := task.Containers[0]
			if c.withoutExit != (got.ExitCode == nil) || got.ExitCode != nil && *got.ExitCode != c.exitCode {
				t.Errorf("%s: exit code in %s", c.stopCode, w.raw)
			}
			if c.container != "" && (got.Reason == nil || *got.Reason != c.container) {
				t.Errorf("%s: reason in %s", c.stopCode, w.raw)
			}
		}
	})
}
