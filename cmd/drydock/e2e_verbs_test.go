package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"drydock/awsapi/apitest"
	"drydock/timeline"
)

// TestBinary_EveryVerbHasAnExample needs no daemon: it asks the built binary itself.
func TestBinary_EveryVerbHasAnExample(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole program is not tested with -short")
	}
	for _, verb := range verbs() {
		code, out := runBinary(t, nil, verb.Name, "--help")
		if code != exitOK || !strings.Contains(out.stdout, "Example:") || !strings.Contains(out.stdout, "drydock "+verb.Name) {
			t.Errorf("drydock %s --help: exit %d\n%s", verb.Name, code, out)
		}
	}
}

// verbsRead runs the verbs that only look.
func verbsRead(p *program) {
	s := p.Status()
	if s.Daemon.PID != p.process.command.Process.Pid || s.Daemon.StateDir != p.state || len(s.Services) != 3 || len(s.Tasks) != 7 {
		p.Errorf("status: %+v, %d services, %d tasks", s.Daemon, len(s.Services), len(s.Tasks))
	}
	p.wants([]string{"user-service", "steady", p.URL(80, ""), "3 healthy"}, "status")
	p.wants([]string{"user-service"}, "status", "user-service")
	var v Version
	if p.JSON(&v, "version"); v.Version != v.Daemon || v.Version == "" {
		p.Errorf("version: %+v", v)
	}
	p.wants([]string{"CreateService by drydock", "has reached a steady state"}, "events", "--limit", "500")
	p.wants([]string{"user-service v1 listens on port 3000"}, "logs", "user-service", "--tail", "5")
	p.wants([]string{"user-service v1 listens on port 3000"}, "logs", p.tasksOf("user-service")[0].ID)
	p.wants([]string{"0 of ", "requests failed"}, "why")
	var checks []Check
	p.JSON(&checks, "doctor", "--state-dir", p.state)
	if len(checks) < 5 {
		p.Errorf("doctor: %v", checks)
	}
	checkEventLinks(p)
	checkEnv(p)
}

// wants runs a verb and checks that it says something.
func (p *program) wants(wanted []string, args ...string) {
	p.Helper()
	out := p.Run(args...)
	for _, want := range wanted {
		if !strings.Contains(out.String(), want) {
			p.Errorf("drydock %s does not say %q:\n%s", strings.Join(args, " "), want, out)
		}
	}
}

// checkEventLinks wants every event to have a number and a cause that came before it.
func checkEventLinks(p *program) {
	p.Helper()
	last := int64(0)
	for _, e := range p.Events() {
		if e.Seq <= last || e.Cause >= e.Seq || e.Message == "" || e.Time.IsZero() {
			p.Errorf("event %+v after %d", e, last)
		}
		last = e.Seq
	}
}

// checkEnv has a shell take what env prints, as the help says, and call AWS.
func checkEnv(p *program) {
	p.Helper()
	var env map[string]string
	if p.JSON(&env, "env"); env["AWS_ENDPOINT_URL"] != p.endpoint {
		p.Errorf("env: %v", env)
	}
	if _, err := exec.LookPath("aws"); err != nil {
		return
	}
	shell := exec.Command("sh", "-c", `eval "$("$0" env --endpoint "$1")" && aws ecs list-services --cluster shop --output json`, drydock(p.T), p.endpoint)
	shell.Env = apitest.Environment("http://127.0.0.1:1", p.TempDir())
	out, err := shell.Output()
	var list struct{ ServiceArns []string }
	if err != nil || json.Unmarshal(out, &list) != nil || len(list.ServiceArns) != 3 {
		p.Errorf("aws with drydock's environment: %v\n%s", err, out)
	}
}

// verbsAct runs the verbs that change something.
func verbsAct(p *program) {
	p.setDrain(1)
	p.wants([]string{"payment-service: 2 → 3"}, "scale", "payment-service=3")
	if n := len(p.tasksOf("payment-service")); n != 3 {
		p.Errorf("%d tasks after scaling to 3", n)
	}
	p.Run("scale", "payment-service", "2")
	p.wants([]string{"deployed payment-service:2", "2 tasks healthy"}, "deploy", "payment-service", "--image", "shop/payment-service:v2")
	p.wants([]string{"from payment-service:2 to payment-service:1"}, "rollback", "payment-service")
	if s := p.service("payment-service"); s.TaskDefinition != "payment-service:1" {
		p.Errorf("rolled back to %s", s.TaskDefinition)
	}
	p.wants([]string{"deployed payment-service:1"}, "deploy", "payment-service", "--force-new-deployment")
	checkRunTask(p)
	checkExec(p)
	for _, verb := range [][]string{{"status"}, {"logs"}, {"deploy", "--force-new-deployment"}, {"rollback"}, {"scale=2"}} {
		p.Fail(exitFailed, []string{"no service user-servce", "user-service"}, unknownService(verb)...)
	}
	p.Fail(exitFailed, []string{"no task"}, "stop-task", "ffffffffffff")
}

// unknownService is a verb's command line with a slip in the service's name.
func unknownService(verb []string) []string {
	name, argument, hasArgument := strings.Cut(verb[0], "=")
	service := "user-servce"
	if hasArgument {
		service += "=" + argument
	}
	return append([]string{name, service}, verb[1:]...)
}

// checkRunTask runs a task that lasts, stops it, and one that fails by itself.
func checkRunTask(p *program) {
	p.Helper()
	id := strings.TrimSpace(p.Run("run-task", "user-service", "--security-group", "shop-tasks").stdout)
	p.Eventually("the task runs", func() error { return p.taskHas(id, "RUNNING") })
	p.wants([]string{"stopped", "enough of it"}, "stop-task", id, "--reason", "enough of it")
	code, out := p.Try("run-task", "user-service", "--env", "PORT=none", "--wait")
	if code != exitFailed || !strings.Contains(out.stdout, "Essential container in task exited") {
		p.Errorf("a task that fails: exit %d\n%s", code, out)
	}
}

func (p *program) taskHas(id, status string) error {
	for _, t := range p.Status().Tasks {
		if t.ID == id && t.LastStatus == status {
			return nil
		}
	}
	return &usageError{"task " + id + " is not " + status}
}

// checkExec runs something in a container; the image has nothing but the service itself,
// which cannot listen twice.
func checkExec(p *program) {
	p.Helper()
	code, out := p.Try("exec", "user-service", "--", "/service")
	if code != exitFailed || !strings.Contains(out.String(), "address already in use") {
		p.Errorf("exec: exit %d\n%s", code, out)
	}
	if events := p.Events(); events[0].Kind != timeline.Daemon {
		p.Errorf("the first event is %+v", events[0])
	}
}
