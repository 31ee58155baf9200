package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"drydock/awsapi/elbv2"
	"drydock/timeline"
)

const shopDir = "../../examples/shop"

// TestShop brings the example up and uses it, on one daemon from the first to the last step. Its load
// wants the machine to itself.
func TestShop(t *testing.T) {
	p := newProgram(t)
	steps := []struct {
		name string
		do   func(*program)
	}{
		{"ComesUpFromNothing", shopComesUp},
		{"RoutesByPriority", shopRoutes},
		{"UpAgainChangesNothing", shopUpAgain},
		{"VerbsRead", verbsRead},
		{"VerbsAct", verbsAct},
		{"TwentyDeploymentsLoseNoRequest", twentyDeployments},
		{"StopTaskLosesRequestsAndWhySaysSo", stopTaskUnderLoad},
		{"UpPutsBackWhatDiffers", shopUpRestores},
		{"DownLeavesTheDaemon", shopDown},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.do(p.on(t)) }) {
			return // the next steps stand on this one
		}
	}
}

func shopComesUp(p *program) {
	out := p.Run("up", shopDir)
	for _, want := range []string{p.URL(80, ""), "forward users", "forward orders", "forward payments", "fixed 200", "fixed 404", "created    service          user-service", "3 services steady"} {
		if !strings.Contains(out.String(), want) {
			p.Errorf("up does not say %q:\n%s", want, out)
		}
	}
	for _, s := range p.Status().Services {
		if !s.Steady || s.Running != s.Desired {
			p.Errorf("%s: %d of %d running, steady %t", s.Name, s.Running, s.Desired, s.Steady)
		}
	}
}

func shopRoutes(p *program) {
	for _, test := range []struct {
		path   string
		status int
		want   string
	}{
		{"/api/users", 200, `"service":"user-service"`},
		{"/api/users/1", 200, `"service":"user-service"`},
		{"/api/users/99", 404, `"error":"no user 99"`},
		{"/api/payments/7001", 200, `"service":"payment-service"`},
		{"/api/orders/1", 200, `"service":"order-service"`},
		{"/health", 200, `{"status": "healthy"}`},
		{"/healthy", 404, `{"error": "Not Found"}`},
		{"/api/usersandmore", 404, `{"error": "Not Found"}`},
		{"/", 404, `{"error": "Not Found"}`},
	} {
		if status, body := p.Get(80, test.path); status != test.status || !strings.Contains(body, test.want) {
			p.Errorf("GET %s: %d %s, want %d with %s", test.path, status, body, test.status, test.want)
		}
	}
	_, order := p.Get(80, "/api/orders/1")
	for _, want := range []string{`"service":"user-service"`, `"service":"payment-service"`} {
		if !strings.Contains(order, want) {
			p.Errorf("an order does not come with %s, asked for through the load balancer: %s", want, order)
		}
	}
	p.checkAllTasksServe(80, "/api/users/1", 3)
}

// checkAllTasksServe asks until so many different tasks have answered.
func (p *program) checkAllTasksServe(port int, path string, want int) {
	p.Helper()
	seen := map[string]bool{}
	p.Eventually(fmt.Sprintf("%d tasks answer", want), func() error {
		_, body := p.Get(port, path)
		var answer struct{ Task string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			return err
		}
		if seen[answer.Task] = true; len(seen) < want {
			return fmt.Errorf("only %d", len(seen))
		}
		return nil
	})
}

func shopUpAgain(p *program) {
	before := p.lastEvent()
	out := p.Run("up", shopDir)
	for line := range strings.Lines(out.stderr) {
		if verb, _, _ := strings.Cut(line, " "); slices.Contains([]string{"created", "set", "changed", "updated", "registered", "deleted"}, verb) {
			p.Errorf("up again did something: %s", line)
		}
	}
	for _, e := range p.Events() {
		if e.Seq > before && e.Kind == timeline.APICall {
			p.Errorf("up again called %s", e.Subject)
		}
	}
}

func (p *program) lastEvent() int64 {
	p.Helper()
	events := p.Events()
	return events[len(events)-1].Seq
}

// load is `drydock load`, running beside the test.
type load struct{ *process }

const loadRate = 200 // requests per second

// Load starts an open-loop load.
func (p *program) Load(url string) *load {
	p.Helper()
	l := &load{startProcess(p.T, "load", url, "--rate", fmt.Sprint(loadRate), "--duration", "10m", "--output", "json")}
	p.Cleanup(l.stop)
	begun := time.Now()
	p.Eventually("the load has begun", func() error {
		if len(p.Outcomes(begun)) == 0 {
			return fmt.Errorf("no request has ended")
		}
		return nil
	})
	return l
}

// End ends the load and returns its report.
func (l *load) End(t *testing.T) LoadReport {
	t.Helper()
	l.signal(t, syscall.SIGINT)
	l.wait(t)
	var report LoadReport
	if err := json.Unmarshal([]byte(l.stdout.String()), &report); err != nil {
		t.Fatalf("the load's report: %v in %s\n%s", err, l.stdout.String(), l.log)
	}
	return report
}

// setDrain sets how long every target group drains, as aws elbv2 modify-target-group-attributes does.
func (p *program) setDrain(seconds int) {
	p.Helper()
	found, err := call[elbv2.DescribeTargetGroupsOutput](p.Context(), p.client(), "elbv2", "DescribeTargetGroups", &elbv2.DescribeTargetGroupsInput{})
	if err != nil {
		p.Fatal(err)
	}
	attribute := elbv2.TargetGroupAttribute{Key: ptr("deregistration_delay.timeout_seconds"), Value: ptr(fmt.Sprint(seconds))}
	for _, g := range found.TargetGroups {
		in := &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: g.TargetGroupArn, Attributes: []elbv2.TargetGroupAttribute{attribute}}
		if _, err := call[elbv2.ModifyTargetGroupAttributesOutput](p.Context(), p.client(), "elbv2", "ModifyTargetGroupAttributes", in); err != nil {
			p.Fatal(err)
		}
	}
}

func twentyDeployments(p *program) {
	p.Run("scale", "user-service=2")
	requests := p.Load(p.URL(80, "/api/users/1"))
	for i := range 20 {
		version := fmt.Sprintf("v%d", 2-i%2)
		p.Run("deploy", "user-service", "--image", "shop/user-service:"+version)
		if _, body := p.Get(80, "/api/users/1"); !strings.Contains(body, fmt.Sprintf(`"version":%q`, version)) {
			p.Errorf("after deployment %d of %s: %s", i+1, version, body)
		}
	}
	report := requests.End(p.T)
	p.Logf("20 deployments, %d requests at %g/s, statuses %v", report.Requests, report.Rate, report.Statuses)
	if report.Failed != 0 || report.Statuses["200"] != report.Requests || len(report.Errors) != 0 {
		p.Errorf("%d of %d requests failed: %v %v\n%v\n%s", report.Failed, report.Requests, report.Statuses, report.Errors, report.Failures, p.Run("why"))
	}
	if e := p.Why(); e.Failed != 0 {
		p.Errorf("why tells of %d failed requests", e.Failed)
	}
}

// Why reads `drydock why`.
func (p *program) Why() timeline.Explanation {
	p.Helper()
	var e timeline.Explanation
	p.JSON(&e, "why", "--since", "1h")
	return e
}

func stopTaskUnderLoad(p *program) {
	begun := time.Now()
	task := p.tasksOf("user-service")[0]
	requests := p.Load(p.URL(80, "/api/users/1"))
	p.Run("stop-task", task.ID, "--reason", "the test wants it")
	p.awaitSteady("user-service")
	report := requests.End(p.T)

	stop := p.lastCall("ecs:StopTask")
	var failed []timeline.Outcome
	for _, o := range p.Outcomes(begun) {
		if o.Failed() {
			failed = append(failed, o)
		}
	}
	p.Logf("%d of %d requests failed: %v", report.Failed, report.Requests, report.Statuses)
	if report.Failed == 0 || report.Statuses["502"] != report.Failed || len(failed) != report.Failed {
		p.Errorf("%d requests failed, statuses %v, errors %v; the balancer saw %d failures", report.Failed, report.Statuses, report.Errors, len(failed))
	}
	for _, o := range failed {
		if o.Target.Task != task.ARN || !o.End.After(stop.Time) {
			p.Errorf("request to %s, from %s to %s, failed with %d %s; StopTask of %s was at %s", o.Target.Task, o.Start, o.End, o.Status, o.Cause, task.ARN, stop.Time)
		}
	}
	p.checkExplained(len(failed), stop)
	p.checkLoadLosesNothing()
}

// checkExplained wants every failure put down to one API call, for certain.
func (p *program) checkExplained(failed int, to timeline.Event) {
	p.Helper()
	explained := 0
	for _, c := range p.Why().Clusters {
		root := c.Chain[len(c.Chain)-1]
		if c.Confidence != timeline.Certain || root.Seq != to.Seq || !strings.Contains(c.Sentence, to.Data["operation"]) {
			p.Errorf("%d × %d %s is %s and goes back to %d %s: %s; want %d %s", c.Count, c.Status, c.Code, c.Confidence, root.Seq, root.Subject, c.Sentence, to.Seq, to.Subject)
		}
		explained += c.Count
	}
	if explained != failed {
		p.Errorf("why explains %d of %d failures", explained, failed)
	}
}

// checkLoadLosesNothing sends two seconds' worth of requests.
func (p *program) checkLoadLosesNothing() {
	p.Helper()
	p.Run("load", p.URL(80, "/api/users/1"), "--rate", fmt.Sprint(loadRate), "--duration", (2 * time.Second).String())
}

func (p *program) lastCall(subject string) timeline.Event {
	p.Helper()
	for _, e := range slices.Backward(p.Events()) {
		if e.Kind == timeline.APICall && e.Subject == subject {
			return e
		}
	}
	p.Fatalf("no event tells of %s", subject)
	return timeline.Event{}
}

// tasksOf returns a service's running tasks.
func (p *program) tasksOf(service string) []TaskStatus {
	p.Helper()
	return slices.DeleteFunc(p.Status().Tasks, func(t TaskStatus) bool { return t.Service != service || t.LastStatus != "RUNNING" })
}

func (p *program) service(name string) ServiceStatus {
	p.Helper()
	for _, s := range p.Status().Services {
		if s.Name == name {
			return s
		}
	}
	p.Fatalf("there is no service %s", name)
	return ServiceStatus{}
}

func (p *program) awaitSteady(service string) {
	p.Helper()
	p.Eventually(service+" is steady", func() error {
		if s := p.service(service); !s.Steady {
			return fmt.Errorf("%d of %d running", s.Running, s.Desired)
		}
		return nil
	})
}

func shopUpRestores(p *program) {
	out := p.Run("up", shopDir)
	if n := len(p.tasksOf("user-service")); n != 3 {
		p.Errorf("user-service has %d tasks after up, want 3 as in the file\n%s", n, out)
	}
	if _, body := p.Get(80, "/api/users/1"); !strings.Contains(body, `"version":"v1"`) {
		p.Errorf("up did not go back to the version in the file: %s", body)
	}
}

func shopDown(p *program) {
	p.Run("down", shopDir)
	s := p.Status()
	if len(s.Services) != 0 || len(s.LoadBalancers) != 0 {
		p.Errorf("left after down: %d services, %d load balancers", len(s.Services), len(s.LoadBalancers))
	}
	p.Eventually("the containers are gone", func() error {
		if n := len(ofTasks(containersOf(p.T, p.instance))); n != 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
	if !portFree(80 + p.offset) {
		p.Error("something still listens on the load balancer's port")
	}
}
