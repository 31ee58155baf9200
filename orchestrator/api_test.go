package orchestrator_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline/timelinetest"
)

func refusal(err error) string {
	var coded interface{ AWSError() (string, string) }
	if !errors.As(err, &coded) {
		return ""
	}
	code, message := coded.AWSError()
	return code + ": " + message
}

func TestCreate_Refusals(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		definition := w.register("web")
		one, minus := 1, -1
		net := &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}}
		lb := func(container string, port int) []orchestrator.LoadBalancer {
			return []orchestrator.LoadBalancer{{TargetGroupARN: groupARN, ContainerName: container, ContainerPort: port}}
		}
		for want, in := range map[string]orchestrator.ServiceInput{
			"ClusterNotFoundException: Cluster not found.":                                                                     {Cluster: "nope", Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net},
			"InvalidParameterException: Service name 'a b' is not valid":                                                       {Name: "a b", TaskDefinition: definition, DesiredCount: &one, Network: net},
			"ClientException: TaskDefinition not found.":                                                                       {Name: "a", TaskDefinition: "nope", DesiredCount: &one, Network: net},
			"InvalidParameterException: TaskDefinition can not be blank.":                                                      {Name: "a", DesiredCount: &one, Network: net},
			"InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.":        {Name: "a", TaskDefinition: definition, DesiredCount: &one},
			"InvalidParameterException: subnets can not be empty.":                                                             {Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: &orchestrator.NetworkConfiguration{}},
			"InvalidParameterException: desiredCount must not be negative.":                                                    {Name: "a", TaskDefinition: definition, DesiredCount: &minus, Network: net},
			"InvalidParameterException: desiredCount is required":                                                              {Name: "a", TaskDefinition: definition, Network: net},
			"InvalidParameterException: The container nope does not exist in the task definition.":                             {Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net, LoadBalancers: lb("nope", 80)},
			"InvalidParameterException: The container app did not have a container port 81 defined.":                           {Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net, LoadBalancers: lb("app", 81)},
			"InvalidParameterException: The DAEMON scheduling strategy is not supported by drydock: use REPLICA.":              {Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net, Scheduling: "DAEMON"},
			"InvalidParameterException: maximumPercent must be greater than 0 and not less than minimumHealthyPercent.":        {Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net, MinimumHealthy: &[]int{100}[0], Maximum: &[]int{50}[0]},
			"InvalidParameterException: Health check grace period is only valid for services configured to use load balancers": {Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net, GracePeriod: &one},
		} {
			if _, err := w.c.CreateService(t.Context(), in); !strings.HasPrefix(refusal(err), want) {
				t.Errorf("err = %v, want %s", err, want)
			}
		}
		if n := len(w.c.Snapshot().Services); n != 0 {
			t.Errorf("%d services were half created", n)
		}
		in := orchestrator.ServiceInput{Name: "a", TaskDefinition: definition, DesiredCount: &one, Network: net, Request: json.RawMessage(`{"a":1}`)}
		first, err := w.c.CreateService(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.c.CreateService(t.Context(), in)
		if err != nil || again.Deployments[0].ID != first.Deployments[0].ID {
			t.Errorf("a repeated call: %v, %v", again, err)
		}
		in.Request = json.RawMessage(`{"a":2}`)
		if _, err := w.c.CreateService(t.Context(), in); refusal(err) != "InvalidParameterException: Creation of service was not idempotent." {
			t.Errorf("err = %v", err)
		}
		time.Sleep(5 * time.Second)
		w.engine.Script("app", enginetest.Script{StopAfter: time.Second}) // it drains for so long
		w.c.DeleteService(t.Context(), "", "a", true)
		if _, err := w.c.CreateService(t.Context(), in); refusal(err) != "InvalidParameterException: Unable to Start a service that is still Draining." {
			t.Errorf("err = %v", err)
		}
		if _, err := w.c.UpdateService(t.Context(), in); refusal(err) != "ServiceNotActiveException: Service was not ACTIVE." {
			t.Errorf("err = %v", err)
		}
		if _, err := w.c.UpdateService(t.Context(), orchestrator.ServiceInput{Name: "none"}); refusal(err) != "ServiceNotFoundException: Service not found." {
			t.Errorf("err = %v", err)
		}
	})
}

func TestCluster_CreateIsIdempotent(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		a, err := w.c.CreateCluster(t.Context(), orchestrator.CreateClusterInput{Name: "c", Tags: map[string]string{"k": "v"}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.c.CreateCluster(t.Context(), orchestrator.CreateClusterInput{Name: "c"})
		if err != nil || b.ARN != a.ARN || b.Tags["k"] != "v" {
			t.Errorf("%+v, %v", b, err)
		}
		if d, err := w.c.Cluster(""); err != nil || d.Name != "default" {
			t.Errorf("%+v, %v", d, err)
		}
		w.create(service{desired: 1, min: 100, max: 200})
		if _, err := w.c.DeleteCluster(t.Context(), "default"); !strings.HasPrefix(refusal(err), "ClusterContainsServicesException") {
			t.Errorf("err = %v", err)
		}
	})
}

// runTask describes a standalone task.
func (w *world) runTask(change func(*orchestrator.RunTaskInput)) ([]*orchestrator.Task, error) {
	in := orchestrator.RunTaskInput{TaskDefinition: "web", Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}}}
	change(&in)
	return w.c.RunTask(w.t.Context(), in)
}

func TestRunTask_OverridesWin(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.register("web")
		tasks, err := w.runTask(func(in *orchestrator.RunTaskInput) {
			in.Overrides = json.RawMessage(`{"containerOverrides":[{"name":"app","command":["migrate"],"environment":[{"name":"A","value":"2"}]}]}`)
		})
		if err != nil || len(tasks) != 1 || tasks[0].Group != "family:web" || tasks[0].Status != orchestrator.Provisioning {
			t.Fatalf("%+v, %v", tasks, err)
		}
		w.eventually(5*time.Second, func() bool { return len(w.engine.Specs()) == 1 })
		c := w.engine.Specs()[0].Containers[0]
		if len(c.Command) != 1 || c.Command[0] != "migrate" || c.Environment[0].Value != "2" {
			t.Errorf("container = %+v", c)
		}
		if _, err := w.runTask(func(in *orchestrator.RunTaskInput) {
			in.Overrides = json.RawMessage(`{"containerOverrides":[{"name":"nope"}]}`)
		}); refusal(err) == "" {
			t.Errorf("err = %v", err)
		}
	})
}

func TestRunTask_ClientToken(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.register("web")
		same := func(in *orchestrator.RunTaskInput) { in.ClientToken, in.Request = "token", json.RawMessage(`1`) }
		a, _ := w.runTask(same)
		b, err := w.runTask(same)
		if err != nil || b[0].ARN != a[0].ARN || len(w.c.Snapshot().Tasks) != 1 {
			t.Errorf("%v, %v", b, err)
		}
		_, err = w.runTask(func(in *orchestrator.RunTaskInput) { in.ClientToken, in.Request = "token", json.RawMessage(`2`) })
		if !strings.HasPrefix(refusal(err), "ConflictException") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestStopped_IsKeptForAnHour(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.register("web")
		tasks, _ := w.runTask(func(*orchestrator.RunTaskInput) {})
		time.Sleep(5 * time.Second)
		w.c.StopTask(t.Context(), "", tasks[0].ID, "enough")
		time.Sleep(59 * time.Minute)
		task, err := w.c.Task("", tasks[0].ID)
		if err != nil || task.Status != orchestrator.Stopped || task.StopReason != "enough" {
			t.Errorf("%+v, %v", task, err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := w.c.Task("", tasks[0].ID); refusal(err) != "InvalidParameterException: The referenced task was not found." {
			t.Errorf("err = %v", err)
		}
	})
}

func TestStop_DefaultTimeout(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.define(`{"family":"slow","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"containerDefinitions":[{"name":"app","image":"app:1"}]}`)
		w.engine.Script("app", enginetest.Script{IgnoreSIGTERM: true})
		tasks, err := w.runTask(func(in *orchestrator.RunTaskInput) { in.TaskDefinition = "slow" })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		begin := time.Now()
		w.c.StopTask(t.Context(), "", tasks[0].ID, "")
		w.eventually(time.Minute, func() bool { task, _ := w.c.Task("", tasks[0].ID); return task.Status == orchestrator.Stopped })
		task, _ := w.c.Task("", tasks[0].ID)
		if took := time.Since(begin).Round(time.Second); took != orchestrator.DefaultStopTimeout || *task.Containers[0].ExitCode != 137 {
			t.Errorf("stopped after %s with code %d", took, *task.Containers[0].ExitCode)
		}
	})
}

// define registers a whole document.
func (w *world) define(doc string) {
	w.t.Helper()
	if _, err := w.defs.Register(w.t.Context(), []byte(doc), nil, "me", time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

func TestEvents_AtMostAHundred(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		for n := range 60 {
			desired := 1 + n%2
			w.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &desired })
			time.Sleep(5 * time.Second)
		}
		if n := len(w.web().Events); n != 100 {
			t.Errorf("%d events", n)
		}
	})
}

func TestUnchecked_CountsAsHealthyAfterAWhile(t *testing.T) {
	inWorld(t, orchestrator.PaceAWS, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		w.eventually(time.Minute, func() bool { return len(w.tasks()) == 1 && w.tasks()[0].Status == orchestrator.Running })
		begin := time.Now()
		w.steady(2 * time.Minute)
		if took := time.Since(begin); took < 40*time.Second || took > 60*time.Second {
			t.Errorf("healthy %s after RUNNING, want 40 s and at most a tick or two", took)
		}
	})
}

func TestRolling_ALostOldTaskIsReplacedByItsOwnRevision(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 4, min: 100, max: 200, balanced: true})
		w.steady(time.Minute)
		time.Sleep(time.Minute)
		w.balancer.healthyAfter = 30 * time.Second
		w.update(func(in *orchestrator.ServiceInput) { in.Maximum, in.MinimumHealthy = &[]int{150}[0], &[]int{100}[0] })
		old := w.tasks()[0]
		w.redeploy()
		time.Sleep(2 * time.Second)
		w.engine.Crash(old.ARN, "app", 1)
		if !w.eventually(5*time.Second, func() bool {
			n := 0
			for _, task := range w.tasks() {
				if task.Desired == orchestrator.Running && strings.HasSuffix(task.TaskDefinition, ":1") {
					n++
				}
			}
			return n == 4
		}) {
			t.Errorf("the old revision was not made whole:\n%s", w.story())
		}
		w.steady(5 * time.Minute)
	})
}

func TestActivating_WithSeveralTargetGroups(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		one := 1
		second := groupARN + "2"
		seen := map[orchestrator.TaskStatus]bool{}
		_, err := w.c.CreateService(t.Context(), orchestrator.ServiceInput{
			Name: "web", TaskDefinition: w.register("web"), DesiredCount: &one, Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}},
			LoadBalancers: []orchestrator.LoadBalancer{
				{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80}, {TargetGroupARN: second, ContainerName: "app", ContainerPort: 80},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.steady(time.Minute)
		for _, e := range w.history() {
			seen[orchestrator.TaskStatus(e.Data["to"])] = true
		}
		if !seen[orchestrator.Activating] {
			t.Error("the task was never ACTIVATING")
		}
		if n := len(w.balancer.Targets()); n != 2 {
			t.Errorf("%d targets", n)
		}
	})
}

func TestRunning_ANonEssentialContainerMayHaveEnded(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.define(`{"family":"two","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"containerDefinitions":[
			{"name":"app","image":"app:1"},{"name":"init","image":"init:1","essential":false}]}`)
		w.engine.Script("init", enginetest.Script{ExitAfter: 50 * time.Millisecond})
		w.engine.Script("app", enginetest.Script{Start: time.Second})
		tasks, err := w.runTask(func(in *orchestrator.RunTaskInput) { in.TaskDefinition = "two" })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		task, _ := w.c.Task("", tasks[0].ID)
		if task.Status != orchestrator.Running {
			t.Errorf("task is %s: %+v", task.Status, task.Containers)
		}
	})
}

func TestHealth_OfTheDefinitionOnly(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.define(`{"family":"checked","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"containerDefinitions":[
			{"name":"app","image":"app:1","healthCheck":{"command":["CMD","true"]}},{"name":"side","image":"side:1","essential":false,"healthCheck":{"command":["CMD","true"]}},{"name":"plain","image":"plain:1"}]}`)
		w.engine.Script("app", enginetest.Script{HealthyAfter: time.Hour})
		tasks, err := w.runTask(func(in *orchestrator.RunTaskInput) { in.TaskDefinition = "checked" })
		if err != nil {
			t.Fatal(err)
		}
		arn := tasks[0].ARN
		time.Sleep(5 * time.Second)
		health := func() string {
			time.Sleep(time.Second)
			task, _ := w.c.Task("", arn)
			return task.Health
		}
		if got := health(); got != "UNKNOWN" {
			t.Errorf("health = %s before the first check", got)
		}
		w.engine.SetHealth(arn, "plain", "UNHEALTHY")
		w.engine.SetHealth(arn, "side", "UNHEALTHY")
		w.engine.SetHealth(arn, "app", "HEALTHY")
		if got := health(); got != "HEALTHY" {
			t.Errorf("health = %s", got)
		}
		w.engine.SetHealth(arn, "app", "UNHEALTHY")
		if got := health(); got != "UNHEALTHY" {
			t.Errorf("health = %s", got)
		}
		if task, _ := w.c.Task("", arn); task.Desired != orchestrator.Running {
			t.Error("a standalone task was stopped for its health")
		}
	})
}

// TestPaceAWS_GapsOfARollingStep reproduces trace T1: decision, about 10 s, deregistration, the
// delay and a poll, the signal, and completion about a tick after the exit.
func TestPaceAWS_GapsOfARollingStep(t *testing.T) {
	inWorld(t, orchestrator.PaceAWS, func(w *world) {
		w.balancer.delay = 30 * time.Second
		w.create(service{desired: 1, min: 100, max: 200, balanced: true})
		w.steady(5 * time.Minute)
		old := w.tasks()[0].ARN
		w.redeploy()
		w.steady(10 * time.Minute)
		at := map[string]time.Time{}
		for _, e := range w.web().Events {
			switch m := timelinetest.ShortenIDs(e.Message); {
			case strings.Contains(m, "has stopped 1 running"):
				at["stopped"] = e.CreatedAt
			case strings.Contains(m, "deregistered"):
				at["deregistered"] = e.CreatedAt
			case strings.Contains(m, "completed") && at["completed"].IsZero():
				at["completed"] = e.CreatedAt
			}
		}
		w.eventually(2*time.Minute, func() bool { task, _ := w.c.Task("", old); return task.Status == orchestrator.Stopped })
		task, _ := w.c.Task("", old)
		between := func(what string, gap, low, high time.Duration) {
			if gap < low || gap > high {
				t.Errorf("%s: %s, want %s to %s", what, gap, low, high)
			}
		}
		between("decision → deregistered", at["deregistered"].Sub(at["stopped"]), 9*time.Second, 11*time.Second)
		between("deregistered → exit", task.ExecutionStoppedAt.Sub(at["deregistered"]), 30*time.Second, 41*time.Second)
		between("exit → completed", at["completed"].Sub(task.ExecutionStoppedAt), 0, 12*time.Second)
		between("exit → STOPPED", task.StoppedAt.Sub(task.ExecutionStoppedAt), 30*time.Second, 40*time.Second)
	})
}
