package agent

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/store/storetest"
	"drydock/taskdefs"
)

const (
	arnPrefix = "arn:aws:ecs:us-east-1:123456789012:"
	idA       = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB       = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	taskA     = arnPrefix + "task/default/" + idA
	taskB     = arnPrefix + "task/default/" + idB
)

// house is everything around the agent.
type house struct {
	t           *testing.T
	store       *storetest.Memory
	tasks       map[string]*orchestrator.Task
	definitions map[string]taskdefs.TaskDefinition
	observed    map[string]orchestrator.TaskObservation
	samples     []map[string]orchestrator.ContainerStats // one for each call
	protected   map[string]time.Time
	unprotected *orchestrator.Failure
	balancers   []netip.Addr
	holes       []network.Blackhole
	faults      map[string]alb.TaskFault
	unenforced  string
	at          netip.AddrPort
	agent       *Agent
}

// newHouse has task A of containers app and side at 172.31.0.10, and task B of container app at
// 172.31.0.11. Both run.
func newHouse(t *testing.T, provider Provider) *house {
	h := &house{
		t: t, store: &storetest.Memory{}, observed: map[string]orchestrator.TaskObservation{},
		protected: map[string]time.Time{}, balancers: []netip.Addr{netip.MustParseAddr("172.31.0.4")},
		definitions: map[string]taskdefs.TaskDefinition{
			arnPrefix + "task-definition/web:7": {
				Family: "web", NetworkMode: "awsvpc", TaskRoleARN: "arn:aws:iam::123456789012:role/web", EnableFaultInjection: true,
				Volumes: []taskdefs.Volume{{Name: "scratch"}, {Name: "config", Host: &taskdefs.HostVolume{SourcePath: "/srv/app"}}},
				ContainerDefinitions: []taskdefs.ContainerDefinition{
					{Name: "app", Image: "web:1", DockerLabels: map[string]string{"team": "shop"}, PortMappings: []taskdefs.PortMapping{{ContainerPort: 3000, HostPort: 3000}},
						HealthCheck:      &taskdefs.HealthCheck{Command: []string{"CMD", "true"}},
						RestartPolicy:    &taskdefs.ContainerRestartPolicy{Enabled: true},
						MountPoints:      []taskdefs.MountPoint{{SourceVolume: "scratch", ContainerPath: "/data"}, {SourceVolume: "config", ContainerPath: "/etc/app"}},
						LogConfiguration: &taskdefs.LogConfiguration{LogDriver: "awslogs", Options: map[string]string{"awslogs-group": "web", "awslogs-stream-prefix": "ecs"}}},
					{Name: "side", Image: "side:1"},
				},
			},
			arnPrefix + "task-definition/plain:1": {Family: "plain", NetworkMode: "awsvpc", ContainerDefinitions: []taskdefs.ContainerDefinition{{Name: "app", Image: "plain:1"}}},
		},
	}
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h.tasks = map[string]*orchestrator.Task{
		taskA: {ARN: taskA, ID: idA, Cluster: "default", Service: arnPrefix + "service/default/web", Group: "service:web", TaskDefinition: arnPrefix + "task-definition/web:7",
			CPU: "256", Memory: "512", Desired: orchestrator.Running, Status: orchestrator.Running, PullStartedAt: began, PullStoppedAt: began.Add(time.Second),
			Tags:      map[string]string{"env": "test"},
			Interface: &orchestrator.TaskInterface{Address: netip.MustParseAddr("172.31.0.10"), MAC: "02:42:ac:1f:00:0a", Zone: "us-east-1a", Subnet: "subnet-1", DNSName: "ip-172-31-0-10.ec2.internal"},
			Containers: []orchestrator.TaskContainer{
				{Name: "app", ARN: arnPrefix + "container/default/" + idA + "/1", Image: "web:1", RuntimeID: "d1", Status: "RUNNING", Health: "HEALTHY", Memory: 256, RestartCount: 2},
				{Name: "side", Image: "side:1", RuntimeID: "d2", Status: "RUNNING"},
			}},
		taskB: {ARN: taskB, ID: idB, Cluster: "default", LaunchType: "EC2", TaskDefinition: arnPrefix + "task-definition/plain:1", Desired: orchestrator.Running, Status: orchestrator.Running,
			Interface:  &orchestrator.TaskInterface{Address: netip.MustParseAddr("172.31.0.11"), Subnet: "subnet-1"},
			Containers: []orchestrator.TaskContainer{{Name: "app", Image: "plain:1", RuntimeID: "d3", Status: "RUNNING"}}},
	}
	h.observed[taskA] = orchestrator.TaskObservation{Task: taskA, Containers: []orchestrator.ContainerObservation{
		{Name: "app", RuntimeID: "d1", RuntimeName: "ecs-web-7-app-0123", ImageDigest: "sha256:1", Status: orchestrator.ContainerRunning, CreatedAt: began, StartedAt: began.Add(time.Second)},
		{Name: "side", RuntimeID: "d2", Status: orchestrator.ContainerRunning},
	}}
	h.open(provider)
	return h
}

func (h *house) open(provider Provider) {
	h.t.Helper()
	var err error
	h.agent, err = New(h.t.Context(), Config{Store: h.store, Scheduler: h, Engine: h, Definitions: h, Network: h, Balancer: h, Credentials: provider, Region: "us-east-1"})
	if err != nil {
		h.t.Fatal(err)
	}
}

// ask sends a request from an address and decodes the answer into doc, if it is not nil.
func (h *house) ask(from, method, path, body string, doc any) (status int, text string) {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = from + ":40000"
	w := httptest.NewRecorder()
	h.agent.Handler().ServeHTTP(w, r)
	text = w.Body.String()
	if doc != nil {
		if err := json.Unmarshal([]byte(text), doc); err != nil {
			h.t.Errorf("%s %s: %q: %v", method, path, text, err)
		}
	}
	return w.Code, text
}

func (h *house) TaskAt(address netip.Addr) *orchestrator.Task { return h.Snapshot().TaskAt(address) }
func (h *house) Snapshot() orchestrator.Snapshot              { return orchestrator.Snapshot{Tasks: h.tasks} }

func (h *house) Observed(task string) (orchestrator.TaskObservation, bool) {
	o, ok := h.observed[task]
	return o, ok
}

func (h *house) List(context.Context) ([]orchestrator.TaskObservation, error) {
	return []orchestrator.TaskObservation{{Task: taskB, Containers: []orchestrator.ContainerObservation{{Name: "app", RuntimeID: "d3", Status: orchestrator.ContainerRunning}}}}, nil
}

func (h *house) Stats(_ context.Context, task string) (map[string]orchestrator.ContainerStats, error) {
	next := h.samples[0]
	h.samples = h.samples[1:]
	return next, nil
}

func (h *house) Lookup(ref string) (taskdefs.Registered, error) {
	d, ok := h.definitions[ref]
	if !ok {
		return taskdefs.Registered{}, context.Canceled
	}
	return taskdefs.Registered{Document: taskdefs.Document{Definition: d}}, nil
}

func (h *house) GetTaskProtection(_ string, tasks []string) ([]orchestrator.Protection, []orchestrator.Failure, error) {
	if h.unprotected != nil {
		return nil, []orchestrator.Failure{*h.unprotected}, nil
	}
	until := h.protected[tasks[0]]
	return []orchestrator.Protection{{Task: tasks[0], Until: until, Enabled: !until.IsZero()}}, nil, nil
}

func (h *house) UpdateTaskProtection(_ context.Context, in orchestrator.ProtectionInput) ([]orchestrator.Protection, []orchestrator.Failure, error) {
	if in.Minutes != nil && *in.Minutes > 2880 {
		return nil, nil, &orchestrator.Error{Code: "InvalidParameterException", Message: "expiresInMinutes is too large."}
	}
	h.protected[in.Tasks[0]] = time.Time{}
	if in.Enabled {
		h.protected[in.Tasks[0]] = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return h.GetTaskProtection(in.Cluster, in.Tasks)
}

func (h *house) Bridge() string { return "no-such-bridge" }
func (h *house) DefaultVPC() network.VPC {
	return network.VPC{ID: "vpc-1", CIDR: netip.MustParsePrefix("172.31.0.0/16")}
}
func (h *house) Subnets([]string, ...network.Filter) ([]network.Subnet, error) {
	return []network.Subnet{{ID: "subnet-1", CIDR: netip.MustParsePrefix("172.31.0.0/20")}}, nil
}
func (h *house) SetAgent(at netip.AddrPort)               { h.at = at }
func (h *house) SetBlackholes(wanted []network.Blackhole) { h.holes = wanted }
func (h *house) Applied(context.Context) error            { return nil }
func (h *house) Enforcement() (bool, string)              { return h.unenforced == "", h.unenforced }
func (h *house) BalancersOf(string) []netip.Addr          { return h.balancers }
func (h *house) SetTaskFaults(f map[string]alb.TaskFault) { h.faults = f }

var _ orchestrator.HealthReader = (*house)(nil)

// HealthDetail is of every container the same.
func (h *house) HealthDetail(context.Context, string, string) (orchestrator.HealthDetail, error) {
	return orchestrator.HealthDetail{Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ExitCode: 1, Output: "not yet"}, nil
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
