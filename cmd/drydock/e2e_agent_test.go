package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator/agent"
	"drydock/timeline"
)

const insiderDir = "testdata/e2e/insider"

// insider is a task of the stack insider, which asks ECS's agent.
type insider struct {
	*program
	task TaskStatus
}

// inside is what the agent answered to a task.
type inside struct {
	Task   string
	Status int
	Body   string
	Error  string
}

// ask has the task ask the agent: the load balancer chooses, until it chooses the task.
func (i insider) ask(query url.Values) inside {
	i.Helper()
	query.Set("task", i.task.ID)
	return i.get("/ask?" + query.Encode())
}

func (i insider) get(path string) (a inside) {
	i.Helper()
	i.Eventually("the load balancer chooses the task", func() error {
		status, body, err := i.program.get(80, path)
		if err != nil || status != 200 {
			return fmt.Errorf("%d %s %v", status, body, err)
		}
		a = inside{}
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			return err
		}
		if !strings.Contains(a.Task, i.task.ID) {
			return errors.New("another one")
		}
		return nil
	})
	return a
}

// wants asks for a path below a variable and wants a status, and texts in the answer.
func (i insider) wants(status int, method, variable, path, body string, texts ...string) {
	i.Helper()
	got := i.ask(url.Values{"method": {method}, "var": {variable}, "path": {path}, "body": {body}})
	if got.Status != status {
		i.Errorf("%s $%s%s: %+v, want %d", method, variable, path, got, status)
	}
	for _, text := range texts {
		if !strings.Contains(got.Body, text) {
			i.Errorf("%s $%s%s: %s, want %s in it", method, variable, path, got.Body, text)
		}
	}
}

func TestAgent_AnswersTasksOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the agent is reached through firewall rules, which need root")
	}
	p := newProgram(t, "--credentials", "dummy")
	p.Run("up", insiderDir)
	tasks := p.tasksOf("insider")
	a, b := insider{p, tasks[0]}, insider{p, tasks[1]}
	for _, i := range []insider{a, b} {
		if first := i.get("/start"); first.Status != 200 {
			t.Errorf("at its start task %s was answered %+v", i.task.ID, first)
		}
	}
	const v4, v3 = "ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"
	for id, c := range containersOf(t, p.instance) {
		if c.Labels["com.amazonaws.ecs.task-arn"] == a.task.ARN && c.Labels["com.amazonaws.ecs.container-name"] == "app" {
			a.wants(200, "GET", v4, "", "", `"DockerId":"`+id, strings.TrimPrefix(c.Names[0], "/"), `"KnownStatus":"RUNNING"`)
		}
	}
	a.wants(200, "GET", v4, "/task", "", `"TaskARN":"`+a.task.ARN, `"ServiceName":"insider"`, `"FaultInjectionEnabled":true`)
	a.wants(200, "GET", v3, "/task", "", `"TaskARN":"`+a.task.ARN)
	a.wants(200, "GET", v4, "/stats", "", `"cpu_stats"`, `"memory_stats"`)
	a.wants(200, "GET", v4, "/task/stats", "", `"cpu_stats"`)
	a.wants(200, "GET", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "", "", `"RoleArn":"arn:aws:iam::123456789012:role/insider"`, `"AccessKeyId"`)
	a.wants(200, "PUT", "ECS_AGENT_URI", "/task-protection/v1/state", `{"ProtectionEnabled":true}`, `"ProtectionEnabled":true`, a.task.ARN)
	b.wants(200, "GET", "ECS_AGENT_URI", "/task-protection/v1/state", "", `"ProtectionEnabled":false`)
	others := b.ask(url.Values{"method": {"GET"}, "url": {a.get("/start").Task}})
	if others.Status != 404 || !strings.Contains(others.Body, "V4 container metadata handler: ") {
		t.Errorf("for another task's metadata task %s gets %+v", b.task.ID, others)
	}
	a.checkHidden()
	p.Kill()
	p.Start()
	a.wants(200, "GET", v4, "/task", "", `"TaskARN":"`+a.task.ARN)
	if status := p.Status().Daemon.TaskMetadata; status != "served" {
		t.Errorf("the task metadata is %s", status)
	}
}

// checkHidden wants the agent to be out of reach for the host, and at its own address for tasks.
func (i insider) checkHidden() {
	i.Helper()
	vpc := i.Status().Daemon.CIDR
	gateway := strings.TrimSuffix(vpc, "0.0/16") + "0.1"
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{Proxy: nil}}
	if res, err := client.Get("http://" + gateway + ":51679/v4/x"); err == nil {
		i.Errorf("on the host the agent answers %s", res.Status)
	}
	direct := i.ask(url.Values{"method": {"GET"}, "url": {"http://" + net.JoinHostPort(gateway, "51679") + "/v4/x"}})
	if direct.Error == "" {
		i.Errorf("a task reaches the agent past the metadata address: %+v", direct)
	}
}

func TestFault_BreaksATaskAndWhySaysSo(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("faults are firewall rules, which need root")
	}
	p := newProgram(t)
	p.Run("up", insiderDir)
	a := insider{p, p.tasksOf("insider")[0]}
	agentFaults(a)
	p.wants([]string{"network-blackhole-port of ingress tcp/3000 is injected into task"}, "fault", a.task.ID, "network-blackhole-port", "--port", "3000")
	p.Kill()
	p.Start() // the fault is still there
	p.wants([]string{"network-blackhole-port of ingress tcp/3000"}, "fault")
	p.Eventually("requests to the task end with 504", func() error {
		if status, body, err := p.get(80, "/start"); status != 504 {
			return fmt.Errorf("%d %s %v", status, body, err)
		}
		return nil
	})
	var why timeline.Explanation
	p.JSON(&why, "why", "last")
	if len(why.Clusters) != 1 || why.Clusters[0].Code != timeline.FaultInjected || !strings.Contains(why.Clusters[0].Sentence, "network-blackhole-port of ingress tcp/3000") {
		t.Errorf("why says %+v", why.Clusters)
	}
	p.wants([]string{"does not run any more"}, "fault", a.task.ID, "network-blackhole-port", "--port", "3000", "--stop")
	a.get("/start")
	var left []agent.Fault
	if p.JSON(&left, "fault"); len(left) != 0 {
		t.Errorf("faults are left: %+v", left)
	}
	p.Fail(exitFailed, []string{"invalid value 0 for parameter LossPercent"}, "fault", a.task.ID, "network-packet-loss")
}

// agentFaults has a task inject latency into itself, as AWS's fault injection does.
func agentFaults(a insider) {
	a.Helper()
	const uri, path = "ECS_AGENT_URI", "/fault/v1/network-latency/"
	a.wants(200, "POST", uri, path+"start", `{"DelayMilliseconds":700,"JitterMilliseconds":0,"Sources":["0.0.0.0/0"]}`, `"Status":"running"`)
	a.wants(200, "POST", uri, path+"status", "", `"Status":"running"`)
	a.wants(400, "POST", uri, "/fault/v1/network-blackhole-port/start", "", "required request body is missing")
	a.wants(200, "POST", uri, path+"stop", "", `"Status":"stopped"`)
	slow := false
	for _, o := range a.Outcomes(time.Now().Add(-time.Minute)) {
		slow = slow || o.Target.Task == a.task.ARN && o.TargetTime >= 700*time.Millisecond
	}
	if !slow {
		a.Error("no request to the task took the injected 700 ms")
	}
}
