package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/awsapi/apitest"
	"drydock/orchestrator"
	"drydock/taskdefs"
	"drydock/timeline"
)

const describedARN = "arn:aws:ecs:us-east-1:123456789012:"

// describing is a describer of a service web with a task, both of web:1, and a family jobs.
func describing(t *testing.T) describer {
	t.Helper()
	store := &apitest.Store{}
	definitions, err := taskdefs.Open(t.Context(), store, "us-east-1", "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for family, more := range map[string]string{"web": `,"credentialSpecs":["credentialspec:x"],"colour":"red","secrets":[{"name":"PASSWORD","valueFrom":"/db/password"}]`, "jobs": ""} {
		doc := `{"family":"` + family + `","executionRoleArn":"r","memory":"512","containerDefinitions":[{"name":"app","image":"app:1","portMappings":[{"containerPort":80}]` + more + `}]}`
		if _, err := definitions.Register(t.Context(), []byte(doc), nil, "me", at); err != nil {
			t.Fatal(err)
		}
	}
	service := ServiceStatus{Name: "web", ARN: describedARN + "service/shop/web", Cluster: "shop", Status: "ACTIVE", TaskDefinition: "web:1", Desired: 1, Running: 1, Steady: true,
		Deployments: []DeploymentStatus{{ID: "ecs-svc/1", Status: "PRIMARY", TaskDefinition: "web:1", Desired: 1, Running: 1, RolloutState: "COMPLETED"}}}
	task := TaskStatus{ID: "0123456789abcdef0123456789abcdef", ARN: describedARN + "task/shop/0123456789abcdef0123456789abcdef", Cluster: "shop", Service: "web", TaskDefinition: "web:1",
		LastStatus: "RUNNING", DesiredStatus: "RUNNING", Health: "HEALTHY", Containers: []ContainerStatus{{Name: "app", Image: "app:1", Status: "RUNNING"}}}
	return describer{
		status:   &Status{Services: []ServiceStatus{service}, Tasks: []TaskStatus{task}},
		services: map[string]*orchestrator.Service{service.ARN: {Name: "web", Echo: map[string]json.RawMessage{"placementStrategy": []byte(`[{"type":"random"}]`), "placementConstraints": []byte(`[]`), "deploymentConfiguration": []byte(`{"x":1}`)}}},
		lookup:   definitions.Lookup, families: definitions.Families("", ""),
		events: []timeline.Event{
			{Seq: 1, Subject: service.ARN, Message: "one"}, {Seq: 2, Subject: task.ARN, Data: map[string]string{"service": service.ARN}, Message: "two"},
			{Seq: 3, Subject: "other", Message: "three"}, {Seq: 4, Subject: service.ARN, Message: "four"},
		},
	}
}

func TestDescribe_FindsWhatANameMeans(t *testing.T) {
	v := describing(t)
	for name, kind := range map[string]string{
		"web": describedService, describedARN + "service/shop/web": describedService,
		"0123": describedTask, describedARN + "task/shop/0123456789abcdef0123456789abcdef": describedTask,
		"jobs": describedDefinition, "jobs:1": describedDefinition, "web:1": describedDefinition, describedARN + "task-definition/web:1": describedDefinition,
	} {
		d, err := v.describe("", name, 10)
		if err != nil || d.Kind != kind {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for name, want := range map[string]string{"wob": "did you mean web?", "jobs:2": "there is no task definition jobs:2", "arn:aws:ecs:x": "no service"} {
		if _, err := v.describe("", name, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v.status.Services = append(v.status.Services, ServiceStatus{Name: "web", Cluster: "other"})
	var usage *usageError
	if _, err := v.describe("", "web", 10); !errors.As(err, &usage) {
		t.Errorf("two services of that name: %v", err)
	}
	if d, err := v.describe("shop", "web", 10); err != nil || d.Service.Cluster != "shop" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestDescribe_ListsWhatHasNoEffect(t *testing.T) {
	d, err := describing(t).describe("", "web", 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"service web deploymentConfiguration.x", "service web placementStrategy",
		"task definition web:1 containerDefinitions[0].credentialSpecs", "task definition web:1 containerDefinitions[0].colour",
	}
	var got []string
	for _, u := range d.WithoutEffect {
		got = append(got, u.Of+" "+u.Member)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if len(d.Events) != 2 || d.Events[0].Message != "two" || d.Events[1].Message != "four" {
		t.Errorf("events %+v", d.Events)
	}
}

func TestDescribeText(t *testing.T) {
	v := describing(t)
	view := describeView{statusView{newScreen(&bytes.Buffer{}), time.Now(), true}}
	for name, wanted := range map[string][]string{
		"web":  {"service web  steady", "1 desired, 1 running, 0 pending", "ecs-svc/1", "COMPLETED", "CONTAINER", "task definition web:1  ACTIVE", "secrets PASSWORD", "last events", "four", "accepted, but without effect here", "gMSA is not emulated", "not a member of the API"},
		"0123": {"task 0123456789abcdef0123456789abcdef  RUNNING", "web in cluster shop", "app:1"},
		"jobs": {"task definition jobs:1  ACTIVE", "network mode bridge, memory 512 MiB", "app: app:1, ports 80/tcp", "without effect here\n  nothing"},
	} {
		d, err := v.describe("", name, 10)
		if err != nil {
			t.Fatal(err)
		}
		text := view.text(d)
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, text)
			}
		}
	}
}

func TestDescribe_CommandLine(t *testing.T) {
	v := describing(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.answer(w, r)
	}))
	defer server.Close()
	run := func(args ...string) (int, string, string) {
		return runCLI(t, append([]string{"--endpoint", server.URL, "describe"}, args...)...)
	}
	code, out, _ := run("web", "--output", "json")
	var d Description
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != exitOK || d.Kind != describedService || len(d.WithoutEffect) != 4 {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
	if code, out, _ := run("jobs"); code != exitOK || !strings.Contains(out, "jobs:1") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "one name"}, {[]string{"web", "jobs"}, exitUsage, "one name"}, {[]string{"web", "--events", "-1"}, exitUsage, "--events"},
		{[]string{"nobody"}, exitFailed, "there is no service nobody"},
	} {
		if code, _, stderr := run(test.args...); code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d: %s", test.args, code, stderr)
		}
	}
	v.status.Services = append(v.status.Services, ServiceStatus{Name: "web", Cluster: "other"})
	if code, _, stderr := run("web"); code != exitUsage || !strings.Contains(stderr, "--cluster") {
		t.Errorf("two of them: exit %d: %s", code, stderr)
	}
}
