package ecs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/alb"
	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/awsapi/ecs"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/taskdefs"
	"drydock/timeline/timelinetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Target groups that the balancer of a world knows.
const (
	group     = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"
	loneGroup = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lone/0123456789abcdef" // no load balancer
	ec2Group  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/ec2/0123456789abcdef"  // target type instance
)

// world is the API over a real scheduler, network and catalogue, a fake engine and a fake balancer.
type world struct {
	t         *testing.T
	store     *apitest.Store
	engine    *enginetest.Fake
	scheduler *orchestrator.Controller
	server    *awsapi.Server
	client    *awsapi.Client
	raw       []byte // the last answer
}

// inWorld runs a test in a bubble, from the first moment of the year 2000, with a running scheduler.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	timelinetest.Bubble(t, func(t *testing.T) {
		w, stop := open(t, orchestrator.PaceAWS)
		defer stop()
		test(w)
	})
}

// open makes a world and starts its scheduler.
func open(t *testing.T, pace orchestrator.Pace) (w *world, stop func()) {
	t.Helper()
	w = &world{t: t, store: &apitest.Store{}, engine: enginetest.NewFake(enginetest.Hooks{}), server: awsapi.NewServer()}
	w.client = &awsapi.Client{Endpoint: "http://localhost", HTTP: &http.Client{Transport: w}}
	net, err := network.Open(t.Context(), w.store, network.Config{CIDR: netip.MustParsePrefix("10.0.0.0/16"), Account: "123456789012"})
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := taskdefs.Open(t.Context(), w.store, "us-east-1", "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	balancer := &fakeBalancer{targets: map[alb.TargetKey]alb.TargetHealth{}}
	w.scheduler, err = orchestrator.New(t.Context(), w.store, w.engine, balancer, net, definitions, orchestrator.Config{
		Region: "us-east-1", Account: "123456789012", Pace: pace,
	})
	if err != nil {
		t.Fatal(err)
	}
	ecs.Register(w.server, w.scheduler, definitions)
	ecs.RegisterExec(w.server, w.scheduler, sessions{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.scheduler.Run(ctx) }()
	return w, func() { cancel(); <-done }
}

// RoundTrip answers the client's requests without a network, which a bubble can't have.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	w.raw = bytes.Clone(answer.Body.Bytes())
	return answer.Result(), nil
}

// call calls an operation that must succeed with an input in JSON.
func call[Out any](w *world, operation, in string) *Out {
	w.t.Helper()
	out := new(Out)
	if err := w.client.Do(w.t.Context(), "ecs", operation, json.RawMessage(in), out); err != nil {
		w.t.Fatalf("%s %s: %v", operation, in, err)
	}
	return out
}

// do calls an operation whose answer doesn't matter.
func (w *world) do(operation, in string) {
	w.t.Helper()
	call[struct{}](w, operation, in)
}

// refused calls an operation that must fail with a code and a message.
func (w *world) refused(operation, in, want string) {
	w.t.Helper()
	err := w.client.Do(w.t.Context(), "ecs", operation, json.RawMessage(in), nil)
	var e *awsapi.Error
	if !errors.As(err, &e) || e.Error() != want {
		w.t.Errorf("%s %s:\n got %v\nwant %s", operation, in, err, want)
	}
}

// register registers a revision for Fargate whose container is named app.
func (w *world) register(family string) {
	w.t.Helper()
	w.do("RegisterTaskDefinition", fmt.Sprintf(`{"family":%q,"networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],
		"containerDefinitions":[{"name":"app","image":"app:1","stopTimeout":10,"portMappings":[{"containerPort":80}]}]}`, family))
}

// registerBridged registers what runs on Docker's bridge, and so not on Fargate.
func (w *world) registerBridged() {
	w.t.Helper()
	w.do("RegisterTaskDefinition", `{"family":"bridged","containerDefinitions":[{"name":"app","image":"app:1","memory":64}]}`)
}

const (
	inVPC    = `"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-0a","subnet-0b"],"securityGroups":["sg-0a"]}}`
	balanced = `"loadBalancers":[{"targetGroupArn":"` + group + `","containerName":"app","containerPort":80}]`
)

// create creates a Fargate service; more are further members.
func (w *world) create(name string, desired int, more ...string) *ecs.Service {
	w.t.Helper()
	in := append([]string{fmt.Sprintf(`"serviceName":%q,"taskDefinition":"web","desiredCount":%d,"launchType":"FARGATE"`, name, desired), inVPC}, more...)
	return call[ecs.CreateServiceResponse](w, "CreateService", "{"+strings.Join(in, ",")+"}").Service
}

func (w *world) update(more string) *ecs.Service {
	w.t.Helper()
	return call[ecs.UpdateServiceResponse](w, "UpdateService", `{"service":"web",`+more+`}`).Service
}

func (w *world) describe(name string) ecs.Service {
	w.t.Helper()
	out := call[ecs.DescribeServicesResponse](w, "DescribeServices", fmt.Sprintf(`{"services":[%q],"include":["TAGS"]}`, name))
	if len(out.Services) != 1 {
		w.t.Fatalf("DescribeServices %s = %s", name, w.raw)
	}
	return out.Services[0]
}

// until waits up to an hour of the bubble's time.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Hour); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s; the last answer was\n%s", what, w.raw)
		}
	}
}

// stable waits as the waiter services-stable does.
func (w *world) stable(name string) {
	w.t.Helper()
	w.until(name+" is stable", func() bool {
		s := w.describe(name)
		return len(s.Deployments) == 1 && *s.RunningCount == *s.DesiredCount && *s.Deployments[0].RolloutState == "COMPLETED"
	})
}

// tasks returns the ARNs that ListTasks answers.
func (w *world) tasks(in string) []string {
	w.t.Helper()
	return call[ecs.ListTasksResponse](w, "ListTasks", in).TaskArns
}

func (w *world) task(arn string) ecs.Task {
	w.t.Helper()
	out := call[ecs.DescribeTasksResponse](w, "DescribeTasks", fmt.Sprintf(`{"tasks":[%q]}`, arn))
	if len(out.Tasks) != 1 {
		w.t.Fatalf("DescribeTasks %s = %s", arn, w.raw)
	}
	return out.Tasks[0]
}

// random are the parts of an answer that differ every time.
var random = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`ecs-svc/[0-9]{19}`), "ecs-svc/DIGITS"},
	{regexp.MustCompile(`\b[0-9a-f]{21}"`), `RECORD"`},
	{regexp.MustCompile(`(service-revision/[a-z]+/[a-z]+/)[0-9]{19}`), "${1}DIGITS"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "TASK"},
	{regexp.MustCompile(`eni-[0-9a-f]{17}`), "eni-HEX"},
	{regexp.MustCompile(`(sha256:)?[0-9a-f]{64}`), "DIGEST"},
	{regexp.MustCompile(`"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"`), `"MAC"`},
	{regexp.MustCompile(`10\.0\.[0-9]+\.[0-9]+`), "10.0.X.Y"},
	{regexp.MustCompile(`ip-10-0-[0-9]+-[0-9]+`), "ip-10-0-X-Y"},
	{regexp.MustCompile(`\b9466[0-9]{5}(\.[0-9]+)?\b`), "946684800"}, // when is the scheduler's business
}

// golden compares the last answer with testdata/name.json.
func (w *world) golden(name string) {
	w.t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, w.raw, "", "  "); err != nil {
		w.t.Fatal(err)
	}
	text := got.String() + "\n"
	for _, r := range random {
		text = r.pattern.ReplaceAllString(text, r.instead)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if text != string(want) {
		w.t.Errorf("%s differs (go test -update writes it anew); got\n%s", path, text)
	}
}

// fakeBalancer makes targets healthy after 3 s and drains them for 30 s.
type fakeBalancer struct {
	mu      sync.Mutex
	targets map[alb.TargetKey]alb.TargetHealth
	pokes   []chan struct{}
	rules   map[string]map[string]int
}

func (b *fakeBalancer) Targets() map[alb.TargetKey]alb.TargetHealth {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[alb.TargetKey]alb.TargetHealth{}
	for key, h := range b.targets {
		all[key] = h
	}
	return all
}

func (b *fakeBalancer) RegisterTargets(_ context.Context, group string, targets []alb.Target) error {
	for _, t := range targets {
		key := alb.TargetKey{TargetGroup: group, ID: t.ID, Port: t.Port}
		b.set(key, &alb.TargetHealth{Target: t, State: alb.Initial})
		time.AfterFunc(3*time.Second, func() {
			if now, ok := b.Targets()[key]; ok && now.State == alb.Initial {
				b.set(key, &alb.TargetHealth{Target: t, State: alb.Healthy})
			}
		})
	}
	return nil
}

func (b *fakeBalancer) DeregisterTargets(_ context.Context, group string, targets []alb.Target) error {
	for _, t := range targets {
		key := alb.TargetKey{TargetGroup: group, ID: t.ID, Port: t.Port}
		b.set(key, &alb.TargetHealth{Target: t, State: alb.Draining})
		time.AfterFunc(30*time.Second, func() { b.set(key, nil) })
	}
	return nil
}

func (b *fakeBalancer) DescribeTargetGroups(_ context.Context, _ string, arns, _ []string) ([]alb.TargetGroup, error) {
	switch arns[0] {
	case group, greenGroup:
		return []alb.TargetGroup{{ARN: arns[0], TargetType: "ip", LoadBalancerARNs: []string{"lb"}}}, nil
	case ec2Group:
		return []alb.TargetGroup{{ARN: ec2Group, TargetType: "instance", LoadBalancerARNs: []string{"lb"}}}, nil
	case loneGroup:
		return []alb.TargetGroup{{ARN: loneGroup, TargetType: "ip"}}, nil
	}
	return nil, io.EOF
}

func (b *fakeBalancer) Changes(context.Context) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	b.pokes = append(b.pokes, c)
	return c
}

// set sets the health of a target, or removes it.
func (b *fakeBalancer) set(key alb.TargetKey, h *alb.TargetHealth) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.targets, key); h != nil {
		b.targets[key] = *h
	}
	for _, c := range b.pokes {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
