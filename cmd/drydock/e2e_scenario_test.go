package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/ecs"
	"drydock/timeline"
)

// scenes is the service "web" of the stack unruly, which every scenario deploys anew.
type scenes struct {
	*program
	begun time.Time // of the scenario
}

// TestScenarios_OnDocker plays the acceptance scenarios with real containers and real requests,
// some of them on one daemon. Scenario 2 is [TestShop]'s step StopTaskLosesRequestsAndWhySaysSo; in
// virtual time all fifteen are in bubble_scenario_test.go, or where scenarioTests says.
func TestScenarios_OnDocker(t *testing.T) {
	type scenario struct {
		name string
		play func(scenes)
	}
	for name, scenarios := range map[string][]scenario{
		"Deployments": {{"1_GracefulDeployment", graceful}, {"3_IgnoresSIGTERM", ignoresSIGTERM}, {"4_KeepAliveTooShort", shortKeepAlive},
			{"5_NewVersionFailsItsHealthChecks", breakerRollsBack}, {"6_GapAndStuck", gapAndStuck}},
		"Health":  {{"7_SecurityGroupInTheWay", securityGroup}, {"8_SlowBoot", slowBoot}, {"9_OutOfMemory", outOfMemory}, {"10_BadImage", badImage}},
		"Counts":  {{"11_ScaleIn", scaleIn}, {"12_OverlappingDeployments", overlapping}, {"13_StopOrderAndSidecar", sidecars}},
		"Restart": {{"15_RestartPolicy", restartPolicy}, {"14_DeleteAndCreateAgain", deleteAndCreate}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t)
			p.Run("up", "testdata/e2e/unruly")
			if name != "Deployments" {
				s := scenes{p, time.Now()}
				s.deploy(1, app())
				s.completed()
			}
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) { s.play(scenes{p.on(t), time.Now()}) })
			}
		})
	}
}

// ask makes an ECS call that must succeed; the input is JSON as the AWS CLI would send it.
func ask[Out any](s scenes, operation string, in map[string]any) *Out {
	s.Helper()
	out, err := call[Out](s.Context(), s.client(), "ecs", operation, in)
	if err != nil {
		s.Fatalf("%s: %v", operation, err)
	}
	return out
}

// app is the definition of the container that serves, with variables NAME=VALUE.
func app(variables ...string) map[string]any {
	var env []map[string]any
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		env = append(env, map[string]any{"name": name, "value": value})
	}
	return map[string]any{"name": "web", "image": "drydock-e2e/unruly:v1", "stopTimeout": 2, "environment": env,
		"portMappings": []any{map[string]any{"containerPort": 3000}}}
}

func with(def map[string]any, name string, value any) map[string]any {
	def[name] = value
	return def
}

// register registers a revision of these containers.
func (s scenes) register(containers ...map[string]any) string {
	s.Helper()
	out := ask[ecs.RegisterTaskDefinitionResponse](s, "RegisterTaskDefinition", map[string]any{"family": "web", "networkMode": "awsvpc",
		"requiresCompatibilities": []string{"FARGATE"}, "cpu": "256", "memory": "512", "containerDefinitions": containers})
	return awsapi.Value(out.TaskDefinition.TaskDefinitionArn)
}

// bounds are a deploymentConfiguration.
func bounds(least, most int, breaker bool) map[string]any {
	return map[string]any{"minimumHealthyPercent": least, "maximumPercent": most, "deploymentCircuitBreaker": map[string]any{"enable": breaker, "rollback": breaker}}
}

// change calls UpdateService.
func (s scenes) change(members map[string]any) {
	s.Helper()
	members["cluster"], members["service"] = "unruly", "web"
	ask[ecs.UpdateServiceResponse](s, "UpdateService", members)
}

// deploy deploys containers, within 100 to 200 % of so many tasks.
func (s scenes) deploy(desired int, containers ...map[string]any) {
	s.Helper()
	s.change(map[string]any{"taskDefinition": s.register(containers...), "desiredCount": desired, "deploymentConfiguration": bounds(100, 200, false)})
}

func (s scenes) described() ecs.Service {
	s.Helper()
	out := ask[ecs.DescribeServicesResponse](s, "DescribeServices", map[string]any{"cluster": "unruly", "services": []string{"web"}})
	if len(out.Services) != 1 {
		s.Fatalf("%d services", len(out.Services))
	}
	return out.Services[0]
}

// completed waits until the only deployment is completed, and nothing of another one is left.
func (s scenes) completed() {
	s.Helper()
	s.Eventually("the deployment is completed", func() error {
		d := s.described().Deployments
		if len(d) != 1 || awsapi.Value(d[0].RolloutState) != "COMPLETED" {
			return fmt.Errorf("%d deployments, the first %s", len(d), awsapi.Value(d[0].RolloutState))
		}
		return nil
	})
	s.awaitSteady("web")
}

// tasks are the tasks that the service has, or had lately.
func (s scenes) tasks(desired string) []ecs.Task {
	s.Helper()
	listed := ask[ecs.ListTasksResponse](s, "ListTasks", map[string]any{"cluster": "unruly", "serviceName": "web", "desiredStatus": desired})
	if len(listed.TaskArns) == 0 {
		return nil
	}
	return ask[ecs.DescribeTasksResponse](s, "DescribeTasks", map[string]any{"cluster": "unruly", "tasks": listed.TaskArns}).Tasks
}

// ended waits until a task is STOPPED, and wants its code and reason.
func (s scenes) ended(arn, code, reason string) ecs.Task {
	s.Helper()
	var ended ecs.Task
	s.Eventually("the task is STOPPED", func() error {
		ended = ask[ecs.DescribeTasksResponse](s, "DescribeTasks", map[string]any{"cluster": "unruly", "tasks": []string{arn}}).Tasks[0]
		if status := awsapi.Value(ended.LastStatus); status != "STOPPED" {
			return errors.New(status)
		}
		return nil
	})
	if awsapi.Value(ended.StopCode) != code || !strings.HasPrefix(awsapi.Value(ended.StoppedReason), reason) {
		s.Errorf("the task ended with %s %q, want %s %q", awsapi.Value(ended.StopCode), awsapi.Value(ended.StoppedReason), code, reason)
	}
	return ended
}

func exitCodes(t ecs.Task) map[string]int {
	codes := map[string]int{}
	for _, c := range t.Containers {
		codes[awsapi.Value(c.Name)] = -1
		if c.ExitCode != nil {
			codes[awsapi.Value(c.Name)] = int(*c.ExitCode)
		}
	}
	return codes
}

// said waits until the service's events of this scenario say something.
func (s scenes) said(what string) {
	s.Helper()
	s.Eventually("the service says "+what, func() error {
		for _, e := range s.described().Events {
			if strings.Contains(awsapi.Value(e.Message), what) && !time.Time(*e.CreatedAt).Before(s.begun) {
				return nil
			}
		}
		return errors.New("not said")
	})
}

// failures are the requests of this scenario that failed, by cause.
func (s scenes) failures() map[timeline.Cause]int {
	s.Helper()
	n := map[timeline.Cause]int{}
	for _, o := range s.Outcomes(s.begun) {
		if o.Failed() {
			n[o.Cause]++
		}
	}
	return n
}

// faultless ends a load of which no request may have failed.
func (s scenes) faultless(l *load) {
	s.Helper()
	if r := l.End(s.T); r.Failed != 0 || r.Statuses["200"] != r.Requests || r.Requests == 0 {
		s.Errorf("%d of %d requests failed: %v %v\n%s", r.Failed, r.Requests, r.Statuses, r.Errors, s.Run("why"))
	}
}

func graceful(s scenes) {
	old := s.tasks("RUNNING")
	requests := s.loadAt(50, "/")
	s.deploy(2, app("VERSION=2"))
	s.completed()
	s.faultless(requests)
	aws := s.AWS()
	aws.Run("ecs", "wait", "tasks-running", "--cluster", "unruly", "--tasks", awsapi.Value(s.tasks("RUNNING")[0].TaskArn))
	aws.Run("ecs", "wait", "tasks-stopped", "--cluster", "unruly", "--tasks", awsapi.Value(old[0].TaskArn), awsapi.Value(old[1].TaskArn))
	if refused := aws.Fail("ecs", "wait", "tasks-running", "--cluster", "unruly", "--tasks", awsapi.Value(old[0].TaskArn)); !strings.Contains(refused, "STOPPED") {
		s.Errorf("tasks-running of a task that has stopped: %s", refused)
	}
	for _, t := range old {
		if codes := exitCodes(s.ended(awsapi.Value(t.TaskArn), "ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/")); codes["web"] != 0 {
			s.Errorf("exit codes %v", codes)
		}
		s.signalledUnregistered(awsapi.Value(t.TaskArn))
	}
}

// signalledUnregistered wants a task's target gone before its SIGTERM: when its delay is over, which
// may be noted a little later. The stack unruly has a delay of a second.
func (s scenes) signalledUnregistered(task string) {
	s.Helper()
	gone, drains := false, time.Time{}
	for _, e := range s.Events() {
		switch {
		case e.Kind == timeline.TargetState && e.Data["task"] == task:
			gone = strings.Contains(e.Message, " is gone")
			if e.Data["to"] == "draining" {
				drains = e.Time
			}
		case e.Kind == timeline.Signal && e.Subject == task && !gone && (drains.IsZero() || e.Time.Sub(drains) < time.Second):
			s.Errorf("signalled while it was a target: %s", e.Message)
		}
	}
}

func ignoresSIGTERM(s scenes) {
	s.deploy(1, app("STOP=ignore"))
	s.completed()
	old := s.tasks("RUNNING")[0]
	requests := s.loadAt(50, "/")
	s.deploy(1, app())
	s.completed()
	s.faultless(requests)
	if codes := exitCodes(s.ended(awsapi.Value(old.TaskArn), "ServiceSchedulerInitiated", "Scaling activity")); codes["web"] != 137 {
		s.Errorf("exit codes %v", codes)
	}
}

// shortKeepAlive: requests come about when the application closes their connection. Whether one hits
// the moment is chance; if so the reason is right.
func shortKeepAlive(s scenes) {
	s.deploy(1, app("KEEPALIVE=20ms"))
	s.completed()
	requests := s.loadAt(50, "/")
	time.Sleep(3 * time.Second)
	requests.End(s.T)
	failed := s.failures()
	s.Logf("failures %v", failed)
	for cause := range failed {
		if cause != timeline.KeepaliveRace {
			s.Errorf("failures %v", failed)
		}
	}
}

func breakerRollsBack(s scenes) {
	s.deploy(1, app())
	s.completed()
	good := awsapi.Value(s.described().TaskDefinition)
	requests := s.loadAt(50, "/")
	s.change(map[string]any{"taskDefinition": s.register(app("HEALTH=fail")), "deploymentConfiguration": bounds(100, 200, true)})
	s.said("due to (reason Health checks failed with these codes: [500]).")
	s.said("deployment failed: tasks failed to start.")
	s.said("rolling back to deployment ecs-svc/")
	s.completed()
	s.faultless(requests)
	if now := awsapi.Value(s.described().TaskDefinition); now != good {
		s.Errorf("left at %s, want %s", now, good)
	}
	failed := 0
	for _, t := range s.tasks("STOPPED") {
		if strings.HasPrefix(awsapi.Value(t.StoppedReason), "Task failed ELB health checks in (target-group ") && !time.Time(*t.CreatedAt).Before(s.begun) {
			failed++
		}
	}
	if failed != 3 {
		s.Errorf("%d tasks failed their health checks, want 3", failed)
	}
	s.AWS().Run("ecs", "wait", "services-stable", "--cluster", "unruly", "--services", "web")
}

func gapAndStuck(s scenes) {
	requests := s.loadAt(50, "/")
	s.change(map[string]any{"forceNewDeployment": true, "deploymentConfiguration": bounds(0, 100, false)})
	s.completed()
	if r := requests.End(s.T); r.Statuses["503"] == 0 {
		s.Errorf("statuses %v, want 503 in the gap", r.Statuses)
	}
	requests = s.loadAt(50, "/")
	s.change(map[string]any{"forceNewDeployment": true, "deploymentConfiguration": bounds(100, 100, false)})
	s.said("was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
	if out := s.waits("services_stable", `cluster="unruly", services=["web"]`); !strings.Contains(out, "Max attempts exceeded") {
		s.Errorf("while the deployment is stuck services-stable says %q", out)
	}
	s.change(map[string]any{"deploymentConfiguration": bounds(100, 200, false)})
	s.completed()
	s.faultless(requests)
	if out := s.waits("services_stable", `cluster="unruly", services=["web"]`); out != "" {
		s.Errorf("services-stable says %q", out)
	}
}

// waits waits with one of boto3's waiters, which are those of the AWS CLI, for 3 s at most, and returns what it says.
func (s scenes) waits(waiter, arguments string) string {
	s.Helper()
	script := "import boto3, botocore\ntry: boto3.client('ecs', region_name='us-east-1').get_waiter('" + waiter + "').wait(" + arguments +
		", WaiterConfig={'Delay': 1, 'MaxAttempts': 3})\nexcept botocore.exceptions.WaiterError as e: print(e)"
	command := exec.Command("python3", "-c", script)
	command.Env = s.AWS().env
	out, err := command.CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "ModuleNotFoundError") {
			s.Skip("boto3 is not installed")
		}
		s.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// securityGroup: the tasks' security group lets nothing in.
func securityGroup(s scenes) {
	if os.Geteuid() != 0 {
		s.Skip("security groups are firewall rules, which need root")
	}
	shut := s.AWS().Run("ec2", "create-security-group", "--group-name", "shut", "--description", "lets nothing in", "--query", "GroupId", "--output", "text")
	network := func(groups ...string) map[string]any {
		subnets := s.described().NetworkConfiguration.AwsvpcConfiguration.Subnets
		return map[string]any{"awsvpcConfiguration": map[string]any{"subnets": subnets, "securityGroups": groups}}
	}
	s.setDrain(12) // longer than a connection attempt is waited for
	defer s.setDrain(1)
	s.change(map[string]any{"networkConfiguration": network(shut), "deploymentConfiguration": bounds(0, 100, false)})
	s.said("due to (reason Request timed out).")
	s.Eventually("requests end with 504", func() error {
		if status, body, err := s.get(80, "/"); status != 504 {
			return fmt.Errorf("%d %s %v", status, body, err)
		}
		return nil
	})
	s.said("Amazon ECS replaced 1 tasks due to an unhealthy status.")
	s.explains(timeline.SecurityGroup, "no inbound rule of the task's security group "+shut+" (shut) lets tcp/3000 in")
	s.change(map[string]any{"networkConfiguration": network(), "deploymentConfiguration": bounds(100, 200, false)})
	s.completed()
	s.checkNoRequestFails()
}

// restartPolicy: a container exits and is started again in place, and ECS says nothing.
func restartPolicy(s scenes) {
	s.deploy(1, with(app(), "restartPolicy", map[string]any{"enabled": true, "restartAttemptPeriod": 60}))
	s.completed()
	task, before := s.tasks("RUNNING")[0], len(s.described().Events)
	time.Sleep(61 * time.Second) // it must have run for so long
	requests := s.loadAt(100, "/")
	s.get(80, "/exit?code=3")
	s.Eventually("it runs again", func() error {
		if n := s.restarts(); n != 1 {
			return fmt.Errorf("%d restarts", n)
		}
		return nil
	})
	s.Eventually("it serves again", func() error {
		if status, body, err := s.get(80, "/"); status != 200 {
			return fmt.Errorf("%d %s %v", status, body, err)
		}
		return nil
	})
	if r := requests.End(s.T); r.Statuses["502"] == 0 || r.Statuses["200"]+r.Statuses["502"] != r.Requests {
		s.Errorf("statuses %v, want 200 and 502", r.Statuses)
	}
	if now := s.tasks("RUNNING"); len(now) != 1 || *now[0].TaskArn != *task.TaskArn || len(s.described().Events) != before {
		s.Errorf("%d tasks, %d events after %d", len(now), len(s.described().Events), before)
	}
	s.explains(timeline.ContainerRestart, "exited with code 3 and its restartPolicy started it again in place")
}

// explains wants why to tell of failures in those words.
func (s scenes) explains(code timeline.Code, words string) {
	s.Helper()
	var e timeline.Explanation
	s.JSON(&e, "why", "--since", max(time.Second, time.Since(s.begun)).String())
	if !slices.ContainsFunc(e.Clusters, func(c timeline.Cluster) bool { return c.Code == code && strings.Contains(c.Sentence, words) }) {
		s.Errorf("why does not say %s %q: %+v", code, words, e.Clusters)
	}
}

// restarts counts what the timeline tells of restarts in place.
func (s scenes) restarts() (n int) {
	s.Helper()
	for _, e := range s.Events() {
		if !e.Time.Before(s.begun) && e.Kind == timeline.Exit && strings.Contains(e.Message, "its restart policy starts it again") {
			n++
		}
	}
	return n
}

func slowBoot(s scenes) {
	requests := s.loadAt(50, "/")
	s.deploy(1, app("BOOT=20s"))
	s.said("due to (reason Health checks failed).")
	s.change(map[string]any{"forceNewDeployment": true, "healthCheckGracePeriodSeconds": 120})
	s.completed()
	s.faultless(requests)
	s.change(map[string]any{"healthCheckGracePeriodSeconds": 0})
}

func outOfMemory(s scenes) {
	s.deploy(1, with(app(), "memory", 32))
	s.completed()
	victim := awsapi.Value(s.tasks("RUNNING")[0].TaskArn)
	s.get(80, "/eat")
	ended := s.ended(victim, "EssentialContainerExited", "Essential container in task exited")
	if c := ended.Containers[0]; exitCodes(ended)["web"] != 137 || awsapi.Value(c.Reason) != "OutOfMemoryError: Container killed due to memory usage" {
		s.Errorf("exit codes %v, %q", exitCodes(ended), awsapi.Value(c.Reason))
	}
	s.awaitSteady("web")
}

func badImage(s scenes) {
	s.deploy(1, app())
	s.completed()
	requests := s.loadAt(50, "/")
	s.deploy(1, with(app(), "image", "127.0.0.1:1/missing:v1"))
	s.said("was unable to place a task. Reason: CannotPullContainerError: ")
	s.said("is unable to consistently start tasks successfully.")
	s.Eventually("failedTasks grows", func() error {
		if n := s.described().Deployments[0].FailedTasks; awsapi.Value(n) < 2 {
			return fmt.Errorf("%d", awsapi.Value(n))
		}
		return nil
	})
	for _, t := range s.tasks("STOPPED") {
		if awsapi.Value(t.StopCode) == "TaskFailedToStart" && !strings.HasPrefix(awsapi.Value(t.StoppedReason), "CannotPullContainerError: ") {
			s.Errorf("%q", awsapi.Value(t.StoppedReason))
		}
	}
	s.deploy(1, app())
	s.completed()
	s.faultless(requests)
}

func scaleIn(s scenes) {
	s.change(map[string]any{"desiredCount": 3})
	s.Eventually("three serve", func() error { return s.runs("web", 3) })
	s.awaitSteady("web")
	before := s.tasks("RUNNING")
	requests := s.loadAt(50, "/")
	s.change(map[string]any{"desiredCount": 1})
	s.Eventually("one serves", func() error { return s.runs("web", 1) })
	left := s.tasks("RUNNING")
	for _, t := range before {
		if !slices.ContainsFunc(left, func(l ecs.Task) bool { return *l.TaskArn == *t.TaskArn }) {
			s.ended(*t.TaskArn, "ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/")
			s.signalledUnregistered(*t.TaskArn)
		}
	}
	s.faultless(requests)
}

func overlapping(s scenes) {
	requests := s.loadAt(50, "/")
	s.deploy(1, app("VERSION=first", "BOOT=3s"))
	s.deploy(2, app("VERSION=second"))
	s.change(map[string]any{"desiredCount": 3})
	if d := s.described().Deployments; awsapi.Value(d[0].Status) != "PRIMARY" || len(d) < 2 || awsapi.Value(d[1].DesiredCount) != 0 {
		s.Errorf("%+v", d)
	}
	s.change(map[string]any{"forceNewDeployment": true})
	s.completed()
	s.Eventually("three serve", func() error { return s.runs("web", 3) })
	s.faultless(requests)
	if _, body := s.Get(80, "/"); strings.TrimSpace(body) != "second" {
		s.Errorf("the version that serves is %q", body)
	}
}

func sidecars(s scenes) {
	after := func(name string) any { return []any{map[string]any{"containerName": name, "condition": "START"}} }
	proxy := with(with(app("ROLE=sidecar"), "name", "proxy"), "dependsOn", after("store"))
	store := with(app("ROLE=sidecar"), "name", "store")
	delete(proxy, "portMappings")
	delete(store, "portMappings")
	s.deploy(1, with(app(), "dependsOn", after("proxy")), proxy, store)
	s.completed()
	requests := s.loadAt(50, "/")
	old := awsapi.Value(s.tasks("RUNNING")[0].TaskArn)
	s.change(map[string]any{"forceNewDeployment": true})
	s.completed()
	s.faultless(requests)
	if codes := exitCodes(s.ended(old, "ServiceSchedulerInitiated", "Scaling activity")); codes["web"] != 0 || codes["proxy"] != 0 || codes["store"] != 0 {
		s.Errorf("exit codes %v", codes)
	}
	var order []string
	for _, e := range s.Events() {
		if e.Kind == timeline.Exit && e.Data["task"] == old {
			order = append(order, e.Data["container"])
		}
	}
	if !slices.Equal(order, []string{"web", "proxy", "store"}) {
		s.Errorf("they stopped in the order %q", order)
	}
	victim := awsapi.Value(s.tasks("RUNNING")[0].TaskArn)
	s.killContainer(victim, "store")
	s.ended(victim, "EssentialContainerExited", "Essential container in task exited")
	s.awaitSteady("web")
}

// killContainer sends SIGKILL to a container of a task.
func (s scenes) killContainer(task, name string) {
	s.Helper()
	engine := dockerClient(s.T)
	defer engine.Close()
	for id, c := range containersOf(s.T, s.instance) {
		if c.Labels["com.amazonaws.ecs.task-arn"] == task && c.Labels["com.amazonaws.ecs.container-name"] == name {
			if err := engine.ContainerKill(s.Context(), id, "KILL"); err != nil {
				s.Fatal(err)
			}
			return
		}
	}
	s.Fatalf("task %s has no container %s", task, name)
}

func deleteAndCreate(s scenes) {
	was, cluster := s.described(), "unruly"
	again := &ecs.CreateServiceRequest{Cluster: &cluster, ServiceName: was.ServiceName, TaskDefinition: was.TaskDefinition, DesiredCount: was.DesiredCount,
		LaunchType: was.LaunchType, LoadBalancers: was.LoadBalancers, NetworkConfiguration: was.NetworkConfiguration}
	requests := s.loadAt(50, "/")
	aws := s.AWS()
	if refused := aws.Fail("ecs", "delete-service", "--cluster", "unruly", "--service", "web"); !strings.Contains(refused, "The service cannot be stopped while it is scaled above 0.") {
		s.Errorf("without force: %s", refused)
	}
	ask[ecs.DeleteServiceResponse](s, "DeleteService", map[string]any{"cluster": "unruly", "service": "web", "force": true})
	if _, err := call[ecs.CreateServiceResponse](s.Context(), s.client(), "ecs", "CreateService", again); err == nil || !strings.Contains(err.Error(), "Unable to Start a service that is still Draining.") {
		s.Errorf("create at once: %v", err)
	}
	aws.Run("ecs", "wait", "services-inactive", "--cluster", "unruly", "--services", "web")
	if _, err := call[ecs.CreateServiceResponse](s.Context(), s.client(), "ecs", "CreateService", again); err != nil {
		s.Fatal(err)
	}
	s.completed()
	if r := requests.End(s.T); r.Statuses["503"] == 0 || r.Statuses["200"]+r.Statuses["503"] != r.Requests {
		s.Errorf("statuses %v, want 503 while there was no service", r.Statuses)
	}
	s.checkNoRequestFails()
}

func (s scenes) checkNoRequestFails() {
	s.Helper()
	s.Run("load", s.URL(80, "/"), "--rate", "50", "--duration", "1s")
}
