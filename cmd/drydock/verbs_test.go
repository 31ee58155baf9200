package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/awsapi/ecs"
	"drydock/timeline"
)

// upStack brings the good stack up on a fake daemon.
func upStack(t *testing.T) (f *fakeDaemon, dir string) {
	t.Helper()
	f = newFakeDaemon(t)
	dir = writeStack(t, goodStack)
	if code, _, stderr := f.run("up", dir); code != exitOK {
		t.Fatalf("up: exit %d\n%s", code, stderr)
	}
	return f, dir
}

func TestUp_CreatesEverythingInOrder(t *testing.T) {
	f := newFakeDaemon(t)
	code, _, stderr := f.run("up", writeStack(t, goodStack))
	if code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	last := 0
	for _, want := range []string{"created    cluster          shop", "created    security group   alb", "created    security group   tasks", "created    target group     web", "created    load balancer    front", "created    listener         front:80", "created    rule             front:80 1", "registered task definition  web:1", "created    service          web", "1 service steady after"} {
		at := strings.Index(stderr, want)
		if at < last {
			t.Errorf("%q is missing or too early in\n%s", want, stderr)
		}
		last = max(last, at)
	}
	service := f.services[0]
	network := service.NetworkConfiguration.AwsvpcConfiguration
	if len(network.Subnets) != 3 || !strings.HasPrefix(network.SecurityGroups[0], "sg-") || !strings.HasPrefix(*service.LoadBalancers[0].TargetGroupArn, "arn:aws:elasticloadbalancing:") {
		t.Errorf("names were not resolved: %v %v", network, *service.LoadBalancers[0].TargetGroupArn)
	}
	if url := *f.definitions["web"][0].ContainerDefinitions[0].Environment[0].Value; !strings.HasSuffix(url, ".elb.localhost") {
		t.Errorf("the placeholder became %s", url)
	}
}

func TestUp_AgainChangesNothing(t *testing.T) {
	f, dir := upStack(t)
	f.changed()
	code, _, stderr := f.run("up", dir)
	if code != exitOK || len(f.changed()) != 0 {
		t.Errorf("exit %d", code)
	}
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "unchanged ") && !strings.Contains(line, "steady after") {
			t.Errorf("changed again: %s", line)
		}
	}
}

func TestUp_ChangesWhatDiffers(t *testing.T) {
	f, dir := upStack(t)
	for _, test := range []struct{ replace, with, want string }{
		{"healthCheckPath: /health", "healthCheckPath: /ready", "modified   target group     web"},
		{"timeout_seconds: 5", "timeout_seconds: 7", "modified   target group     web  deregistration_delay.timeout_seconds=7"},
		{"values: [/api/*]", "values: [/api/*, /v2/*]", "modified   rule             front:80 1"},
		{"values: [/api/*]", "regexValues: [^/api/, ^/v2/]", "modified   rule             front:80 1  path-pattern ^/api/ ^/v2/"},
		{"            actions: [{type: forward, targetGroup: web}]", "            actions: [{type: forward, targetGroup: web}]\n            transforms: [{type: url-rewrite, urlRewriteConfig: {rewrites: [{regex: ^/api/, replace: /}]}}]", "modified   rule             front:80 1"},
		{"        protocol: HTTP\n        default", "        protocol: HTTP\n        attributes: {routing.http.response.server.enabled: false}\n        default", "modified   listener         front:80  routing.http.response.server.enabled=false"},
		{"      deregistration_delay.timeout_seconds: 5", "      stickiness.enabled: true\n      deregistration_delay.timeout_seconds: 5", "modified   target group     web  stickiness.enabled=true"},
		{`statusCode: "404"`, `statusCode: "410"`, "modified   listener         front:80"},
		{"priority: 1", "priority: 2", "created    rule             front:80 2"},
		{"priority: 1", "priority: 2", "deleted    rule             front:80 1  not in the stack"},
		{"cidrIp: 0.0.0.0/0", "cidrIp: 10.0.0.0/8", "set        rules of group   alb"},
		{"image: shop/web:1", "image: shop/web:2", "registered task definition  web:"},
		{"image: shop/web:1", "image: shop/web:2", "updated    service          web  taskDefinition"},
		{"desiredCount: 2", "desiredCount: 4", "updated    service          web  desiredCount"},
		{"loadBalancers:\n  - name: front\n    securityGroups: [alb]", "loadBalancers:\n  - name: front\n    securityGroups: [alb, tasks]", "modified   load balancer    front  security groups"},
	} {
		if err := os.WriteFile(filepath.Join(dir, stackFile), []byte(strings.Replace(goodStack, test.replace, test.with, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := f.run("up", dir)
		if code != exitOK || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit %d, no %q in\n%s", test.with, code, test.want, stderr)
		}
		os.WriteFile(filepath.Join(dir, stackFile), []byte(goodStack), 0o644)
		if code, _, stderr := f.run("up", dir); code != exitOK {
			t.Fatalf("back: %s", stderr)
		}
	}
	os.WriteFile(filepath.Join(dir, stackFile), []byte(strings.Replace(goodStack, "port: 3000\n    targetType", "port: 3001\n    targetType", 1)), 0o644)
	code, _, stderr := f.run("up", dir)
	if code != exitFailed || !strings.Contains(stderr, "cannot be changed: give the group another name, or take the stack down first") {
		t.Errorf("another port: exit %d\n%s", code, stderr)
	}
}

func TestUp_SaysWhatWasDoneAndHowToGoOn(t *testing.T) {
	f := newFakeDaemon(t)
	dir := writeStack(t, strings.Replace(goodStack, "statusCode: \"404\"", "statusCode: \"302\"", 1))
	code, _, stderr := f.run("up", dir)
	for _, want := range []string{"drydock: load balancer front: listener 80: ", "until then: created cluster shop, created security group alb", "run `drydock up " + dir, "take the stack down with `drydock down "} {
		if code != exitFailed || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, stderr)
		}
	}
}

func TestUp_FailedDeploymentIsAnError(t *testing.T) {
	for _, test := range []struct {
		reason string
		code   *int
		logs   bool
	}{
		{"CannotPullContainerError: no such image", nil, false}, // wrote nothing
		{"Essential container in task exited", ptr(1), true},
	} {
		f := newFakeDaemon(t)
		f.deployed = func(d *ecs.Deployment) {
			d.RolloutState, d.RolloutStateReason = ptr("FAILED"), ptr("ECS deployment circuit breaker: tasks failed to start.")
			f.status.Tasks = []TaskStatus{{ID: "0123456789abcdef", Service: "web", Cluster: "shop", Deployment: *d.Id, LastStatus: "STOPPED", StoppedReason: test.reason,
				Containers: []ContainerStatus{{Name: "app", ExitCode: test.code}}}}
		}
		code, _, stderr := f.run("up", writeStack(t, goodStack))
		if code != exitFailed || !strings.Contains(stderr, "circuit breaker") || !strings.Contains(stderr, test.reason) ||
			strings.Contains(stderr, "drydock logs 0123456789ab") != test.logs {
			t.Errorf("exit %d\n%s", code, stderr)
		}
	}
}

func TestDown_DeletesTheStack(t *testing.T) {
	f, dir := upStack(t)
	f.status.Tasks = []TaskStatus{{ID: "cafebabe0123", ARN: "arn:task/shop/cafebabe0123", Cluster: "shop", TaskDefinition: "web:1", LastStatus: "RUNNING"}}
	code, _, stderr := f.run("down", dir)
	for _, want := range []string{"stopped    task             cafebabe0123  web:1", "deleted    service          web", "deleted    load balancer    front", "deleted    target group     web", "deleted    security group", "deleted    cluster          shop"} {
		if code != exitOK || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, stderr)
		}
	}
	if code, _, stderr := f.run("down", dir); code != exitOK {
		t.Errorf("again: exit %d\n%s", code, stderr)
	}
	if code, _, stderr := f.run("up", dir); code != exitOK {
		t.Errorf("up again: exit %d\n%s", code, stderr)
	}
}

func TestDownAll(t *testing.T) {
	f := newFakeDaemon(t)
	code, stdout, stderr := f.run("down", "--all")
	if code != exitOK || !strings.Contains(stderr, "removed the containers") || !strings.Contains(stdout, "everything that was ours is removed") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestDownAll_WithoutDaemonOrState(t *testing.T) {
	code, stdout, stderr := runCLI(t, "down", "--all", "--endpoint", closedEndpoint(t), "--state-dir", t.TempDir())
	if code != exitOK || !strings.HasPrefix(stdout, "nothing to do: no daemon answers") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestDeploy_RegistersAndWaitsForTheVerdict(t *testing.T) {
	f, _ := upStack(t)
	f.changed()
	group := *f.services[0].LoadBalancers[0].TargetGroupArn
	f.outcomes = []timeline.Outcome{{TargetGroup: group, Status: 200}, {TargetGroup: group, Status: 502}, {TargetGroup: "another", Status: 502}}
	code, stdout, stderr := f.run("deploy", "web", "--image", "shop/web:2")
	if code != exitOK || !strings.HasPrefix(stdout, "deployed web:2 in ") || !strings.Contains(stdout, ": 2 tasks healthy, 1 of 2 requests failed meanwhile (see `drydock why`)") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if got := *f.definitions["web"][1].ContainerDefinitions[0].Image; got != "shop/web:2" {
		t.Errorf("registered image %s", got)
	}
	if calls := f.changed(); !slices.Equal(calls, []string{"RegisterTaskDefinition", "UpdateService"}) {
		t.Errorf("calls %v", calls)
	}
	if code, stdout, _ = f.run("deploy", "web", "--force-new-deployment"); code != exitOK || !strings.Contains(stdout, "deployed web:2") {
		t.Errorf("force: exit %d: %s", code, stdout)
	}
	if code, stdout, _ = f.run("deploy", "web", "--task-definition", "web:1", "--no-wait"); code != exitOK || !strings.Contains(stdout, "of web:1 started") {
		t.Errorf("no-wait: exit %d: %s", code, stdout)
	}
}

func TestDeploy_FailuresExitOne(t *testing.T) {
	f, _ := upStack(t)
	f.deployed = func(d *ecs.Deployment) {
		d.RolloutState, d.RolloutStateReason = ptr("FAILED"), ptr("tasks failed to start.")
	}
	code, _, stderr := f.run("deploy", "web", "--image", "bad")
	if code != exitFailed || !strings.Contains(stderr, "the deployment of web:2 failed after") || !strings.Contains(stderr, "tasks failed to start.") || !strings.Contains(stderr, "drydock rollback web") {
		t.Errorf("failed: exit %d\n%s", code, stderr)
	}

	f.deployed = func(*ecs.Deployment) {}
	f.onStatus = func(f *fakeDaemon) { // the circuit breaker's rollback replaces it, and completes
		d := &f.services[0].Deployments[0]
		if deref(d.RolloutState) == "IN_PROGRESS" && !strings.Contains(deref(d.RolloutStateReason), "rolling back") {
			d.Id, d.TaskDefinition, d.RolloutStateReason = ptr("ecs-svc/99"), ptr("web:1"), ptr("ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/99.")
		} else {
			d.RolloutState = ptr("COMPLETED")
		}
	}
	code, _, stderr = f.run("deploy", "web", "--image", "bad")
	if code != exitFailed || !strings.Contains(stderr, "failed and was rolled back to web:1") || !strings.Contains(stderr, "the service is stable on web:1") {
		t.Errorf("rolled back: exit %d\n%s", code, stderr)
	}

	f.onStatus = nil
	code, _, stderr = f.run("deploy", "web", "--image", "slow", "--timeout", "700ms")
	if code != exitFailed || !strings.Contains(stderr, "is stuck: not completed after 700ms") {
		t.Errorf("slow: exit %d\n%s", code, stderr)
	}

	f.deployed = func(d *ecs.Deployment) { d.FailedTasks = ptr(int64(4)) }
	code, _, stderr = f.run("deploy", "web", "--image", "crashes")
	if code != exitFailed || !strings.Contains(stderr, "4 tasks of web:5 failed in a row; ECS goes on trying") {
		t.Errorf("keeps failing: exit %d\n%s", code, stderr)
	}

	f.deployed = func(*ecs.Deployment) {
		f.services[0].Events = []ecs.ServiceEvent{{Id: ptr("e1"), CreatedAt: ptr(time.Now()), Message: ptr("(service web) " + stuckEvent + ". Update the minimumHealthyPercent or maximumPercent value and try again.")}}
	}
	code, _, stderr = f.run("deploy", "web", "--image", "stuck")
	if code != exitFailed || !strings.Contains(stderr, "is stuck: (service web) was unable to stop or start tasks") {
		t.Errorf("stuck: exit %d\n%s", code, stderr)
	}

	f.deployed = func(*ecs.Deployment) {
		f.onStatus = func(*fakeDaemon) { panic(http.ErrAbortHandler) } // the daemon is killed
	}
	code, _, stderr = f.run("deploy", "web", "--image", "orphaned")
	if code != exitFailed || !strings.Contains(stderr, "broke off the conversation") || !strings.Contains(stderr, "the next daemon goes on with it: see `drydock status web` then") {
		t.Errorf("without a daemon: exit %d\n%s", code, stderr)
	}
}

func TestDeploy_UnknownNamesListTheKnownOnes(t *testing.T) {
	f, _ := upStack(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"deploy", "wep", "--image", "a"}, "there is no service wep, only web: did you mean web?"},
		{[]string{"deploy", "web", "--cluster", "prod", "--image", "a"}, "there is no service web in cluster prod"},
		{[]string{"deploy", "web", "--image", "a", "--container", "ap"}, "web has no container ap: did you mean app?"},
		{[]string{"logs", "nothing"}, "there is no service nothing, only web"},
		{[]string{"stop-task", "cafebabe"}, "there is no task cafebabe: `drydock status --stopped` lists the tasks"},
		{[]string{"scale", "wep=3"}, "did you mean web?"},
		{[]string{"run-task", "nosuch"}, "Unable to describe task definition.: register nosuch first"},
	} {
		if code, _, stderr := f.run(test.args...); code == exitOK || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d, %s", test.args, code, stderr)
		}
	}
}

func TestRollback_GoesToThePreviousDefinition(t *testing.T) {
	f, _ := upStack(t)
	if code, _, stderr := f.run("rollback", "web"); code != exitFailed || !strings.Contains(stderr, "nothing to go back to: web:1 is the first active revision of web") {
		t.Errorf("at the first revision: exit %d, %s", code, stderr)
	}
	f.run("deploy", "web", "--image", "shop/web:2")
	f.run("deploy", "web", "--image", "shop/web:3")
	code, stdout, stderr := f.run("rollback", "web")
	if code != exitOK || !strings.Contains(stdout, "deployed web:2") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	f.run("deploy", "web", "--task-definition", "web:3")
	f.events = []timeline.Event{
		{Kind: timeline.Deployment, Subject: "arn:web", Data: map[string]string{"taskDefinition": "web:1", "rolloutState": "COMPLETED"}},
		{Kind: timeline.Deployment, Subject: "arn:web", Data: map[string]string{"taskDefinition": "web:2", "rolloutState": "FAILED"}},
	}
	if code, stdout, _ = f.run("rollback", "web"); code != exitOK || !strings.Contains(stdout, "deployed web:1") {
		t.Errorf("past a failed one: exit %d: %s", code, stdout)
	}
	if code, stdout, _ = f.run("rollback", "web", "--to", "3"); code != exitOK || !strings.Contains(stdout, "deployed web:3") {
		t.Errorf("--to: exit %d: %s", code, stdout)
	}
}

func TestScaleAndTasks(t *testing.T) {
	f, _ := upStack(t)
	f.changed()
	code, stdout, stderr := f.run("scale", "web=5")
	if code != exitOK || stdout != "web: 2 → 5\n" || *f.services[0].DesiredCount != 5 {
		t.Errorf("scale: exit %d: %s%s", code, stdout, stderr)
	}
	f.run("scale", "web", "3")
	if *f.services[0].DesiredCount != 3 {
		t.Error("scale web 3")
	}
	f.changed()
	f.status.Tasks = []TaskStatus{{ID: "cafebabe0123", ARN: "arn:task/shop/cafebabe0123", Cluster: "shop", Service: "web", LastStatus: "RUNNING"}}
	code, stdout, _ = f.run("stop-task", "cafeba", "--reason", "a try")
	if code != exitOK || stdout != "task cafebabe0123 stopped: a try\n" {
		t.Errorf("stop-task: exit %d: %s", code, stdout)
	}
	code, stdout, stderr = f.run("run-task", "web", "--security-group", "tasks", "--env", "A=B", "--wait", "--", "/bin/true", "-x")
	if code != exitFailed || stdout != "task feedbeef: Essential container in task exited; app exited with 3\n" {
		t.Errorf("run-task: exit %d: %s%s", code, stdout, stderr)
	}
	if calls := f.changed(); !slices.Equal(calls, []string{"StopTask arn:task/shop/cafebabe0123 a try", "RunTask web:1 true true"}) {
		t.Errorf("calls %v", calls)
	}
}

func TestReadVerbs_PrintTextAndJSON(t *testing.T) {
	f, _ := upStack(t)
	f.logs = "line"
	f.status.Tasks = []TaskStatus{{ID: "cafebabe0123", ARN: "arn:task/shop/cafebabe0123", Cluster: "shop", Service: "web", LastStatus: "RUNNING"}}
	f.events = []timeline.Event{{Seq: 7, Cause: 3, Kind: timeline.TaskState, Message: "task x is RUNNING"}}
	f.explanation = timeline.Explanation{Requests: 10, Failed: 1, Clusters: []timeline.Cluster{{Code: "stop-task", Status: 502, Count: 1, Sentence: "The task was stopped.", Chain: []timeline.Link{{Kind: "request", Text: "GET /"}}, Fix: []string{"scale instead"}}}}
	for _, test := range []struct{ args, want string }{
		{"status", "SERVICE"},
		{"status web", "cafebabe0123"},
		{"events", "7 [3]"},
		{"why", "1 of 10 requests failed"},
		{"why last", "Fix: scale instead"},
		{"logs web --tail 5", "line of cafebabe0123, last 5\n"},
		{"logs cafebabe", "line of cafebabe0123, last 100\n"},
		{"version", "drydock "},
	} {
		code, stdout, stderr := f.run(strings.Fields(test.args)...)
		if code != exitOK || !strings.Contains(stdout, test.want) {
			t.Errorf("%s: exit %d: %s%s", test.args, code, stdout, stderr)
		}
	}
	for _, args := range []string{"status", "events", "why", "version", "env", "doctor", "trust"} {
		_, stdout, stderr := f.run(args, "--output", "json")
		if !json.Valid([]byte(stdout)) || stdout == "" {
			t.Errorf("%s: not JSON: %s%s", args, stdout, stderr)
		}
	}
}

func TestForeignServer_IsNotMistakenForADaemon(t *testing.T) {
	server := newScript(t, answerHTML)
	code, _, stderr := runCLI(t, "status", "--endpoint", strings.TrimSuffix(server.url(), "/"))
	if code != exitFailed || !strings.Contains(stderr, "is not a drydock daemon") || !strings.Contains(stderr, "--endpoint") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
