package orchestrator_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/taskdefs"
)

// BenchmarkReconcile measures one pass of the planner: over services where nothing is to be
// done, and in the middle of a rolling deployment, with all tasks in one service and in
// services of 20. What it costs should grow as the number of tasks does.
func BenchmarkReconcile(b *testing.B) {
	scenes := []struct {
		name    string
		service int // tasks of a service; 0: one has all
		fill    func(f *fleet, arn string, tasks int)
		quiet   bool // nothing is to be planned
	}{
		{"steady/one-service", 0, (*fleet).steady, true},
		{"steady/services-of-20", 20, (*fleet).steady, true},
		{"rolling/one-service", 0, (*fleet).rolling, false},
		{"rolling/services-of-20", 20, (*fleet).rolling, false},
	}
	for _, s := range scenes {
		for _, tasks := range []int{100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/tasks-%d", s.name, tasks), func(b *testing.B) {
				f := newFleet()
				size := s.service
				if size == 0 {
					size = tasks
				}
				for n := range tasks / size {
					s.fill(f, f.arn(n), size)
				}
				if plan := orchestrator.Reconcile(f.in); s.quiet != (len(plan.Events)+len(plan.Actions)+len(plan.Tasks) == 0) {
					b.Fatalf("planned %d events, %d actions, %d tasks", len(plan.Events), len(plan.Actions), len(plan.Tasks))
				}
				before := cpuTime(b)
				for b.Loop() {
					orchestrator.Reconcile(f.in)
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpuTime returns what this process has used, its garbage collector too: unlike the time that
// passes, it does not grow when the machine is busy with something else.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fleet builds a planner's input: services and their tasks, running and registered.
type fleet struct {
	in  orchestrator.Input
	seq int64
	id  int
}

func newFleet() *fleet {
	f := &fleet{}
	definition := &taskdefs.TaskDefinition{
		Family:               "web",
		ContainerDefinitions: []taskdefs.ContainerDefinition{{Name: "app", Image: "app:1"}},
	}
	f.in = orchestrator.Input{
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Pace: orchestrator.PaceFast, EngineUp: true,
		Services: map[string]*orchestrator.Service{}, Tasks: map[string]*orchestrator.Task{},
		Engine: map[string]orchestrator.TaskObservation{}, Targets: map[alb.TargetKey]alb.TargetHealth{},
		Definition: func(string) *taskdefs.TaskDefinition { return definition },
		Seq:        func() int64 { f.seq++; return f.seq },
		ID:         func(digits int) string { f.id++; return fmt.Sprintf("%0*x", digits, f.id) },
	}
	return f
}

func (f *fleet) arn(n int) string {
	return fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:service/default/web-%d", n)
}

// steady adds a service that has what it wants.
func (f *fleet) steady(arn string, tasks int) {
	s := f.service(arn, tasks, "new")
	s.Steady, s.SteadySaid = true, f.in.Now
	s.Deployments[0].RolloutState = orchestrator.RolloutCompleted
	f.add(s, "new", tasks, running)
	s.Deployments[0].RunningCount, s.Deployments[0].HealthyCount = tasks, tasks
}

// rolling adds a service in the middle of a deployment: of the new tasks some have become
// healthy, so that old ones can go, and some are still coming up.
func (f *fleet) rolling(arn string, tasks int) {
	desired := tasks / 2
	s := f.service(arn, desired, "new", "old")
	f.add(s, "new", desired*6/10, running)
	f.add(s, "new", desired*2/10, justRegistered)
	f.add(s, "new", desired*2/10, started)
	f.add(s, "old", desired*5/10, running)
	f.add(s, "old", desired*3/10, draining)
	f.add(s, "old", desired*2/10, gone)
}

func (f *fleet) service(arn string, desired int, deployments ...string) *orchestrator.Service {
	s := &orchestrator.Service{
		ARN: arn, Name: "web", Cluster: "default", Status: orchestrator.ServiceActive, DesiredCount: desired,
		LoadBalancers: balancedOn(arn), CreatedAt: f.in.Now.Add(-time.Hour),
		Config: orchestrator.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200},
	}
	for n, id := range deployments {
		d := orchestrator.Deployment{
			ID: id, Status: orchestrator.DeploymentPrimary, RolloutState: orchestrator.RolloutInProgress,
			Revision: orchestrator.Revision{TaskDefinition: id}, DesiredCount: desired, Proven: true,
		}
		if n > 0 {
			d.Status, d.RolloutState, d.DesiredCount, d.Keep = orchestrator.DeploymentActive, orchestrator.RolloutCompleted, 0, desired/2
		}
		s.Deployments = append(s.Deployments, d)
	}
	f.in.Services[arn] = s
	return s
}

func balancedOn(service string) []orchestrator.LoadBalancer {
	return []orchestrator.LoadBalancer{{TargetGroupARN: "group of " + service, ContainerName: "app", ContainerPort: 80}}
}

// add adds tasks of a deployment, each brought by become into the state that it is in.
func (f *fleet) add(s *orchestrator.Service, deployment string, count int, become func(*fleet, *orchestrator.Task)) {
	for range count {
		n := len(f.in.Tasks) + 1
		id := fmt.Sprintf("%032x", n)
		t := &orchestrator.Task{
			ARN: "arn:aws:ecs:us-east-1:123456789012:task/default/" + id, ID: id, Cluster: "default",
			Service: s.ARN, Deployment: deployment, TaskDefinition: deployment, LoadBalancers: s.LoadBalancers,
			Desired: orchestrator.Running, Health: orchestrator.HealthUnknown,
			CreatedAt: s.CreatedAt.Add(time.Duration(n) * time.Millisecond),
			Interface: &orchestrator.TaskInterface{
				ID: "eni-" + id, Zone: string('a' + byte(n%3)), Address: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
			},
			Containers: []orchestrator.TaskContainer{{Name: "app", Essential: true, RuntimeID: "c-" + id, Status: "RUNNING", Health: orchestrator.HealthUnknown}},
		}
		become(f, t)
		f.in.Tasks[t.ARN] = t
	}
}

// running is a task in service.
func running(f *fleet, t *orchestrator.Task) {
	t.Status, t.Registered, t.WasHealthy, t.PullStoppedAt, t.StartedAt = orchestrator.Running, true, true, t.CreatedAt, t.CreatedAt
	t.Containers[0].StartedAt = t.CreatedAt
	f.observe(t)
	f.target(t, alb.Healthy)
}

// justRegistered is a task whose registration is news to the planner.
func justRegistered(f *fleet, t *orchestrator.Task) {
	t.Status, t.PullStoppedAt, t.StartedAt = orchestrator.Running, f.in.Now, f.in.Now
	t.Containers[0].StartedAt = t.CreatedAt
	f.observe(t)
	f.target(t, alb.Initial)
	f.in.Results = append(f.in.Results, orchestrator.Result{Task: t.ARN, Action: orchestrator.Register})
}

// started is a task whose container has just been started.
func started(f *fleet, t *orchestrator.Task) {
	t.Status, t.Containers[0].Status = orchestrator.Pending, "PENDING"
	f.observe(t)
	f.in.Results = append(f.in.Results, orchestrator.Result{Task: t.ARN, Action: orchestrator.Run})
}

// draining is a task that waits for the balancer to be done with it.
func draining(f *fleet, t *orchestrator.Task) {
	running(f, t)
	t.Status, t.Desired, t.Drain, t.Deregistered = orchestrator.Deactivating, orchestrator.Stopped, true, true
	f.target(t, alb.Draining)
}

// gone is a task that has stopped and can still be described.
func gone(f *fleet, t *orchestrator.Task) {
	t.Status, t.Desired, t.StoppedAt = orchestrator.Stopped, orchestrator.Stopped, f.in.Now
	t.Registered, t.Deregistered, t.Detached, t.Containers[0].Status = true, true, true, "STOPPED"
}

func (f *fleet) observe(t *orchestrator.Task) {
	f.in.Engine[t.ARN] = orchestrator.TaskObservation{Task: t.ARN, Containers: []orchestrator.ContainerObservation{
		{Name: "app", RuntimeID: t.Containers[0].RuntimeID, Status: orchestrator.ContainerRunning, StartedAt: t.CreatedAt},
	}}
}

func (f *fleet) target(t *orchestrator.Task, state alb.State) {
	k := alb.TargetKey{TargetGroup: t.LoadBalancers[0].TargetGroupARN, ID: t.Interface.Address.String(), Port: 80}
	f.in.Targets[k] = alb.TargetHealth{Target: alb.Target{ID: k.ID, Port: 80, Task: t.ARN}, State: state}
}
