package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"drydock/acm"
	"drydock/alb"
	"drydock/alb/node"
	"drydock/awsapi"
	acmapi "drydock/awsapi/acm"
	"drydock/awsapi/apitest"
	cloudwatchapi "drydock/awsapi/cloudwatch"
	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
	"drydock/cloudwatch"
	"drydock/network"
	"drydock/timeline"
)

// fakeDaemon answers like a daemon: the real EC2 and ELBv2 on a node that serves nothing,
// and an ECS whose tasks run as soon as they are wanted.
type fakeDaemon struct {
	t   *testing.T
	url string

	mu          sync.Mutex
	clusters    map[string]bool
	definitions map[string][]ecs.TaskDefinition
	services    []*ecs.Service
	calls       []string // of ECS, that change something
	deployments int
	status      Status
	events      []timeline.Event
	outcomes    []timeline.Outcome
	explanation timeline.Explanation
	logs        string
	root        acm.Root
	onStatus    func(f *fakeDaemon) // called before each status answer
	deployed    func(d *ecs.Deployment)
}

type idleNode struct{}

func (idleNode) Apply(node.Snapshot) map[string]error { return nil }

func newFakeDaemon(t *testing.T) *fakeDaemon {
	t.Helper()
	f := &fakeDaemon{t: t, clusters: map[string]bool{}, definitions: map[string][]ecs.TaskDefinition{}}
	f.deployed = func(d *ecs.Deployment) { d.RolloutState = ptr("COMPLETED") }
	server := httptest.NewServer(f.handler())
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// run runs a command line against the fake.
func (f *fakeDaemon) run(args ...string) (code int, stdout, stderr string) {
	return runCLI(f.t, append([]string{"--endpoint", f.url}, args...)...)
}

func (f *fakeDaemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_drydock/status", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.onStatus != nil {
			f.onStatus(f)
		}
		json.NewEncoder(w).Encode(f.currentStatus())
	})
	mux.HandleFunc("/_drydock/events", func(w http.ResponseWriter, _ *http.Request) { encodeLines(w, f.events) })
	mux.HandleFunc("/_drydock/outcomes", func(w http.ResponseWriter, _ *http.Request) { encodeLines(w, f.outcomes) })
	mux.HandleFunc("/_drydock/why", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(f.explanation) })
	mux.HandleFunc("/_drydock/logs", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s of %s, last %s\n", f.logs, tail(r.URL.Query().Get("task")), r.URL.Query().Get("tail"))
	})
	mux.HandleFunc("/_drydock/trust", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(trustOf(f.root)) })
	mux.HandleFunc("POST /_drydock/down", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Drydock") == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, `{"message":"removed the containers"}`)
	})
	mux.Handle("/", f.aws())
	return mux
}

func encodeLines[T any](w http.ResponseWriter, all []T) {
	enc := json.NewEncoder(w)
	for _, one := range all {
		enc.Encode(one)
	}
}

func (f *fakeDaemon) aws() http.Handler {
	store := &apitest.Store{}
	n, err := network.Open(context.Background(), store, network.Config{Account: awsapi.DefaultAccount, CIDR: netip.MustParsePrefix("172.31.0.0/16")})
	if err != nil {
		f.t.Fatal(err)
	}
	var b *alb.Balancer
	certificates, err := acm.Open(context.Background(), store, acm.Config{Directory: f.t.TempDir(), Users: func(arn string) []string { return b.InUse(arn) }})
	if err != nil {
		f.t.Fatal(err)
	}
	b, err = alb.Open(context.Background(), store, idleNode{}, n, alb.Config{Certificates: certificates})
	if err != nil {
		f.t.Fatal(err)
	}
	f.root = certificates.Root()
	s := awsapi.NewServer()
	ec2.Register(s, n)
	elbv2.Register(s, b)
	acmapi.Register(s, certificates)
	monitor, err := cloudwatch.Open(context.Background(), store, cloudwatch.Config{})
	if err != nil {
		f.t.Fatal(err)
	}
	cloudwatchapi.Register(s, monitor)
	awsapi.Handle(s, "ecs", "DescribeClusters", f.describeClusters)
	awsapi.Handle(s, "ecs", "ListClusters", f.listClusters)
	awsapi.Handle(s, "ecs", "CreateCluster", f.createCluster)
	awsapi.Handle(s, "ecs", "DeleteCluster", f.deleteCluster)
	awsapi.Handle(s, "ecs", "RegisterTaskDefinition", f.register)
	awsapi.Handle(s, "ecs", "DescribeTaskDefinition", f.describeTaskDefinition)
	awsapi.Handle(s, "ecs", "ListTaskDefinitions", f.listTaskDefinitions)
	awsapi.Handle(s, "ecs", "CreateService", f.createService)
	awsapi.Handle(s, "ecs", "UpdateService", f.updateService)
	awsapi.Handle(s, "ecs", "DeleteService", f.deleteService)
	awsapi.Handle(s, "ecs", "DescribeServices", f.describeServices)
	awsapi.Handle(s, "ecs", "RunTask", f.runTask)
	awsapi.Handle(s, "ecs", "StopTask", f.stopTask)
	return s
}

// changed returns the calls that changed something since the last time.
func (f *fakeDaemon) changed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// currentStatus is the set status with the services of the fake ECS.
func (f *fakeDaemon) currentStatus() Status {
	s := f.status
	for _, service := range f.services {
		if deref(service.Status) != "ACTIVE" {
			continue
		}
		primary := service.Deployments[0]
		one := ServiceStatus{
			Name: *service.ServiceName, ARN: "arn:" + *service.ServiceName, Cluster: tail(*service.ClusterArn), Status: "ACTIVE",
			TaskDefinition: tail(*service.TaskDefinition), Desired: int(*service.DesiredCount), Running: int(*service.DesiredCount),
			Steady: len(service.Deployments) == 1 && deref(primary.RolloutState) == "COMPLETED",
		}
		for _, d := range service.Deployments {
			one.Deployments = append(one.Deployments, DeploymentStatus{ID: *d.Id, Status: *d.Status, TaskDefinition: tail(*d.TaskDefinition), Running: one.Running, Failed: int(deref(d.FailedTasks)), RolloutState: *d.RolloutState, Reason: deref(d.RolloutStateReason)})
		}
		if len(service.LoadBalancers) > 0 {
			one.TargetGroups = []TargetGroupStatus{{Name: "web", ARN: *service.LoadBalancers[0].TargetGroupArn, States: map[string]int{"healthy": one.Running}}}
		}
		s.Services = append(s.Services, one)
	}
	return s
}

func (f *fakeDaemon) describeClusters(_ context.Context, in *ecs.DescribeClustersRequest) (*ecs.DescribeClustersResponse, error) {
	out := &ecs.DescribeClustersResponse{}
	for _, name := range in.Clusters {
		if f.clusters[name] {
			out.Clusters = append(out.Clusters, ecs.Cluster{ClusterName: &name, Status: ptr("ACTIVE")})
		}
	}
	return out, nil
}

func (f *fakeDaemon) listClusters(context.Context, *ecs.ListClustersRequest) (*ecs.ListClustersResponse, error) {
	out := &ecs.ListClustersResponse{}
	for name := range f.clusters {
		out.ClusterArns = append(out.ClusterArns, "arn:aws:ecs:us-east-1:123456789012:cluster/"+name)
	}
	return out, nil
}

func (f *fakeDaemon) createCluster(_ context.Context, in *ecs.CreateClusterRequest) (*ecs.CreateClusterResponse, error) {
	f.calls = append(f.calls, "CreateCluster")
	f.clusters[*in.ClusterName] = true
	return &ecs.CreateClusterResponse{}, nil
}

func (f *fakeDaemon) deleteCluster(_ context.Context, in *ecs.DeleteClusterRequest) (*ecs.DeleteClusterResponse, error) {
	f.calls = append(f.calls, "DeleteCluster")
	delete(f.clusters, *in.Cluster)
	return &ecs.DeleteClusterResponse{}, nil
}

func (f *fakeDaemon) register(_ context.Context, in *ecs.RegisterTaskDefinitionRequest) (*ecs.RegisterTaskDefinitionResponse, error) {
	f.calls = append(f.calls, "RegisterTaskDefinition")
	var t ecs.TaskDefinition
	copyMembers(in, &t)
	revision := int64(len(f.definitions[*in.Family]) + 1)
	t.Revision, t.Status = &revision, ptr("ACTIVE")
	t.TaskDefinitionArn = ptr(fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task-definition/%s:%d", *in.Family, revision))
	f.definitions[*in.Family] = append(f.definitions[*in.Family], t)
	return &ecs.RegisterTaskDefinitionResponse{TaskDefinition: &t}, nil
}

func (f *fakeDaemon) describeTaskDefinition(_ context.Context, in *ecs.DescribeTaskDefinitionRequest) (*ecs.DescribeTaskDefinitionResponse, error) {
	for family, revisions := range f.definitions {
		for i := len(revisions) - 1; i >= 0; i-- {
			if name := tail(*in.TaskDefinition); name == family || name == fmt.Sprintf("%s:%d", family, i+1) {
				return &ecs.DescribeTaskDefinitionResponse{TaskDefinition: &revisions[i]}, nil
			}
		}
	}
	return nil, &awsapi.Error{Code: "ClientException", Message: "Unable to describe task definition."}
}

func (f *fakeDaemon) listTaskDefinitions(_ context.Context, in *ecs.ListTaskDefinitionsRequest) (*ecs.ListTaskDefinitionsResponse, error) {
	out := &ecs.ListTaskDefinitionsResponse{}
	for _, t := range f.definitions[*in.FamilyPrefix] {
		out.TaskDefinitionArns = append(out.TaskDefinitionArns, *t.TaskDefinitionArn)
	}
	return out, nil
}

func (f *fakeDaemon) createService(_ context.Context, in *ecs.CreateServiceRequest) (*ecs.CreateServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "CreateService")
	var s ecs.Service
	copyMembers(in, &s)
	s.Status, s.ClusterArn = ptr("ACTIVE"), ptr("arn:aws:ecs:us-east-1:123456789012:cluster/"+*in.Cluster)
	f.deploy(&s)
	f.services = append(f.services, &s)
	return &ecs.CreateServiceResponse{Service: &s}, nil
}

// deploy gives a service a new primary deployment.
func (f *fakeDaemon) deploy(s *ecs.Service) {
	f.deployments++
	d := ecs.Deployment{Id: ptr(fmt.Sprintf("ecs-svc/%d", f.deployments)), Status: ptr("PRIMARY"), TaskDefinition: s.TaskDefinition, RolloutState: ptr("IN_PROGRESS"), CreatedAt: ptr(time.Now())}
	f.deployed(&d)
	s.Deployments = []ecs.Deployment{d}
}

func (f *fakeDaemon) service(name string) (*ecs.Service, error) {
	for _, s := range f.services {
		if *s.ServiceName == name {
			return s, nil
		}
	}
	return nil, &awsapi.Error{Code: "ServiceNotFoundException", Message: "Service not found."}
}

func (f *fakeDaemon) updateService(_ context.Context, in *ecs.UpdateServiceRequest) (*ecs.UpdateServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "UpdateService")
	s, err := f.service(*in.Service)
	if err != nil {
		return nil, err
	}
	if in.DesiredCount != nil {
		s.DesiredCount = in.DesiredCount
	}
	if in.TaskDefinition != nil {
		s.TaskDefinition = in.TaskDefinition
		if tail(*in.TaskDefinition) == *in.TaskDefinition {
			s.TaskDefinition = ptr("arn:aws:ecs:us-east-1:123456789012:task-definition/" + *in.TaskDefinition)
		}
	}
	if in.TaskDefinition != nil || deref(in.ForceNewDeployment) {
		f.deploy(s)
	}
	return &ecs.UpdateServiceResponse{Service: s}, nil
}

func (f *fakeDaemon) deleteService(_ context.Context, in *ecs.DeleteServiceRequest) (*ecs.DeleteServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "DeleteService")
	s, err := f.service(*in.Service)
	if err != nil {
		return nil, err
	}
	s.Status = ptr("INACTIVE")
	return &ecs.DeleteServiceResponse{Service: s}, nil
}

func (f *fakeDaemon) describeServices(_ context.Context, in *ecs.DescribeServicesRequest) (*ecs.DescribeServicesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &ecs.DescribeServicesResponse{}
	for _, name := range in.Services {
		if s, err := f.service(name); err == nil {
			out.Services = append(out.Services, *s)
		} else {
			out.Failures = append(out.Failures, ecs.Failure{Arn: &name, Reason: ptr("MISSING")})
		}
	}
	return out, nil
}

func (f *fakeDaemon) runTask(_ context.Context, in *ecs.RunTaskRequest) (*ecs.RunTaskResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("RunTask %s %v %v", tail(*in.TaskDefinition), in.Overrides != nil, in.NetworkConfiguration != nil))
	exit := 3
	f.status.Tasks = append(f.status.Tasks, TaskStatus{ID: "feedbeef", ARN: "arn:task/shop/feedbeef", LastStatus: "STOPPED", StoppedReason: "Essential container in task exited", Containers: []ContainerStatus{{Name: "app", ExitCode: &exit}}})
	return &ecs.RunTaskResponse{Tasks: []ecs.Task{{TaskArn: ptr("arn:task/shop/feedbeef")}}}, nil
}

func (f *fakeDaemon) stopTask(_ context.Context, in *ecs.StopTaskRequest) (*ecs.StopTaskResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "StopTask "+*in.Task+" "+deref(in.Reason))
	for i := range f.status.Tasks {
		if f.status.Tasks[i].ARN == *in.Task {
			f.status.Tasks[i].LastStatus, f.status.Tasks[i].StoppedReason = "STOPPED", deref(in.Reason)
		}
	}
	return &ecs.StopTaskResponse{}, nil
}

func ptr[T any](v T) *T { return &v }
