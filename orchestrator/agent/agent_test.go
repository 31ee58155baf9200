package agent

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
)

const (
	fromA = "172.31.0.10"
	fromB = "172.31.0.11"
)

// pathOf is the path in a variable that a container is given.
func pathOf(h *house, task, container, variable string) string {
	_, rest, _ := strings.Cut(h.agent.Variables(*h.tasks[task], container)[variable], "//")
	return rest[strings.IndexByte(rest, '/'):]
}

func members(t *testing.T, doc map[string]any) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(doc))
}

// TestMetadata_HasTheAgentsMembers: ECS-223.
func TestMetadata_HasTheAgentsMembers(t *testing.T) {
	h := newHouse(t, nil)
	uri := pathOf(h, taskA, "app", "ECS_CONTAINER_METADATA_URI_V4")
	var container, task map[string]any
	if status, text := h.ask(fromA, "GET", uri, "", &container); status != 200 {
		t.Fatal(status, text)
	}
	if got, want := members(t, container), strings.Fields(`ContainerARN CreatedAt DesiredStatus DockerId DockerName Health Image ImageID KnownStatus Labels Limits LogDriver LogOptions Name Networks Ports RestartCount StartedAt Type Volumes`); !slices.Equal(got, want) {
		t.Errorf("a container has %v, want %v", got, want)
	}
	for path, want := range map[string]any{"DockerId": "d1", "DockerName": "ecs-web-7-app-0123", "ImageID": "sha256:1", "KnownStatus": "RUNNING", "Type": "NORMAL", "LogDriver": "awslogs", "StartedAt": "2026-01-02T03:04:06Z"} {
		if container[path] != want {
			t.Errorf("%s is %v, want %v", path, container[path], want)
		}
	}
	if health, want := mustJSON(t, container["Health"]), `{"exitCode":1,"output":"not yet","status":"HEALTHY","statusSince":"2026-01-02T03:04:05Z"}`; health != want {
		t.Errorf("health %s, want %s", health, want)
	}
	if volumes, want := mustJSON(t, container["Volumes"]), `[{"Destination":"/data","DockerName":"scratch"},{"Destination":"/etc/app","Source":"/srv/app"}]`; volumes != want || container["RestartCount"] != 2.0 {
		t.Errorf("volumes %s, want %s; %v restarts", volumes, want, container["RestartCount"])
	}
	network := container["Networks"].([]any)[0].(map[string]any)
	if network["IPv4SubnetCIDRBlock"] != "172.31.0.0/20" || network["SubnetGatewayIpv4Address"] != "172.31.0.1/16" || network["AttachmentIndex"] != 0.0 {
		t.Errorf("network %v", network)
	}
	if stream := container["LogOptions"].(map[string]any)["awslogs-stream"]; stream != "ecs/app/"+idA {
		t.Errorf("awslogs-stream is %v", stream)
	}
	if labels := container["Labels"].(map[string]any); labels["team"] != "shop" || labels["com.amazonaws.ecs.task-arn"] != taskA {
		t.Errorf("labels %v", labels)
	}
	if limits := container["Limits"].(map[string]any); limits["CPU"] != 2.0 || limits["Memory"] != 256.0 {
		t.Errorf("limits %v", limits)
	}
	if status, text := h.ask(fromA, "GET", uri+"/task", "", &task); status != 200 {
		t.Fatal(status, text)
	}
	delete(task, "ClockDrift") // where the kernel tells
	if got, want := members(t, task), strings.Fields(`AvailabilityZone Cluster Containers DesiredStatus Family FaultInjectionEnabled Group KnownStatus LaunchType Limits PullStartedAt PullStoppedAt Revision ServiceName TaskARN VPCID`); !slices.Equal(got, want) {
		t.Errorf("a task has %v, want %v", got, want)
	}
	if task["Cluster"] != arnPrefix+"cluster/default" || task["Revision"] != "7" || task["ServiceName"] != "web" || task["FaultInjectionEnabled"] != true || len(task["Containers"].([]any)) != 2 {
		t.Errorf("task %v", task)
	}
	if limits := task["Limits"].(map[string]any); limits["CPU"] != 0.25 || limits["Memory"] != 512.0 {
		t.Errorf("limits of the task %v", limits)
	}
	task = nil
	if h.ask(fromA, "GET", uri+"/taskWithTags", "", &task); task["TaskTags"].(map[string]any)["env"] != "test" {
		t.Errorf("tags %v", task["TaskTags"])
	}
}

func TestVariables_OnlyOfTasksWithAnAddress(t *testing.T) {
	h := newHouse(t, dummy{})
	if got := len(h.agent.Variables(*h.tasks[taskA], "app")); got != 4 {
		t.Errorf("%d variables, want 4", got)
	}
	h.tasks[taskA].Interface = nil
	if got := h.agent.Variables(*h.tasks[taskA], "app"); got != nil {
		t.Errorf("a task that cannot be answered is given %v", got)
	}
}

// A container that asks sooner than the scheduler has looked at the engine is found all the same.
func TestMetadata_OfAContainerThatJustStarted(t *testing.T) {
	h := newHouse(t, nil)
	var task struct {
		Cluster, LaunchType string
		Containers          []struct{ DockerId string }
	}
	if status, text := h.ask(fromB, "GET", pathOf(h, taskB, "app", "ECS_CONTAINER_METADATA_URI_V4")+"/task", "", &task); status != 200 || len(task.Containers) != 1 || task.Containers[0].DockerId != "d3" {
		t.Errorf("%d %s", status, text)
	}
	if task.Cluster != "default" || task.LaunchType != "EC2" {
		t.Errorf("on EC2 the cluster is %q", task.Cluster)
	}
}

func TestMetadata_Version3(t *testing.T) {
	h := newHouse(t, nil)
	var container map[string]any
	if status, text := h.ask(fromA, "GET", pathOf(h, taskA, "app", "ECS_CONTAINER_METADATA_URI"), "", &container); status != 200 {
		t.Fatal(status, text)
	}
	if network := container["Networks"].([]any)[0].(map[string]any); len(network) != 2 {
		t.Errorf("network %v has more than version 3 knows", network)
	}
}

// TestCaller_IsTheTaskAtTheAddress: ECS-222.
func TestCaller_IsTheTaskAtTheAddress(t *testing.T) {
	h := newHouse(t, nil)
	uri := pathOf(h, taskA, "app", "ECS_CONTAINER_METADATA_URI_V4")
	_, id, _ := strings.Cut(uri[1:], "/")
	for path, want := range map[string]string{
		uri:                 "V4 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: " + id,
		uri + "/task":       "V4 task metadata handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: " + id,
		uri + "/stats":      "V4 container stats handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: " + id,
		uri + "/task/stats": "V4 task stats handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: " + id,
	} {
		for _, from := range []string{fromB, "172.31.0.99", "127.0.0.1"} {
			var text string
			if status, body := h.ask(from, "GET", path, "", &text); status != http.StatusNotFound || text != want {
				t.Errorf("%s from %s: %d %s", path, from, status, body)
			}
		}
	}
	h.tasks[taskA].Status = orchestrator.Stopped
	if status, _ := h.ask(fromA, "GET", uri, "", nil); status != http.StatusNotFound {
		t.Errorf("a stopped task is answered %d", status)
	}
}

// TestLimit_AnswersTooManyRequests: ECS-221.
func TestLimit_AnswersTooManyRequests(t *testing.T) {
	var l limiter
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a, b := source(&http.Request{RemoteAddr: fromA + ":1"}), source(&http.Request{RemoteAddr: fromB + ":1"})
	allowed := func(n int) (count int) {
		for range n {
			if l.allow(a, now) {
				count++
			}
		}
		return count
	}
	if got := allowed(100); got != 60 {
		t.Errorf("%d requests at once, want 60", got)
	}
	if !l.allow(b, now) {
		t.Error("another task pays for it")
	}
	now = now.Add(time.Second)
	if got := allowed(100); got != 40 {
		t.Errorf("%d requests after a second, want 40", got)
	}
	now = now.Add(time.Hour)
	if l.forget(now); len(l.buckets) != 0 {
		t.Errorf("%d buckets are kept", len(l.buckets))
	}
	h, last := newHouse(t, nil), 0
	for range 200 {
		last, _ = h.ask(fromA, "GET", "/v4/x", "", nil)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the 200th request is answered %d", last)
	}
}

func TestStats_AreComparedWithTheLast(t *testing.T) {
	h := newHouse(t, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sample := func(after time.Duration, cpu string, rx uint64) map[string]orchestrator.ContainerStats {
		return map[string]orchestrator.ContainerStats{"app": {RuntimeID: "d1", At: at.Add(after), NetworkRx: rx,
			Document: json.RawMessage(`{"read":"` + at.Add(after).Format(time.RFC3339) + `","cpu_stats":{"total":` + cpu + `},"precpu_stats":{"total":0}}`)}}
	}
	h.samples = []map[string]orchestrator.ContainerStats{sample(0, "5", 100), sample(2*time.Second, "9", 500), {}}
	uri := pathOf(h, taskA, "app", "ECS_CONTAINER_METADATA_URI_V4")
	var first, second struct {
		Precpu struct{ Total int } `json:"precpu_stats"`
		CPU    struct{ Total int } `json:"cpu_stats"`
		Rate   struct {
			Rx float64 `json:"rx_bytes_per_sec"`
		} `json:"network_rate_stats"`
	}
	if h.ask(fromA, "GET", uri+"/stats", "", &first); first.CPU.Total != 5 || first.Precpu.Total != 0 {
		t.Errorf("first sample %+v", first)
	}
	var byID map[string]json.RawMessage
	h.ask(fromA, "GET", uri+"/task/stats", "", &byID)
	if err := json.Unmarshal(byID["d1"], &second); err != nil || second.CPU.Total != 9 || second.Precpu.Total != 5 || second.Rate.Rx != 200 {
		t.Errorf("second sample %s: %v", byID["d1"], err)
	}
	if status, text := h.ask(fromA, "GET", uri+"/stats", "", nil); status != 500 || !strings.Contains(text, "Unable to get container stats for: d1") {
		t.Errorf("a container without a sample: %d %s", status, text)
	}
}

// TestCredentials_OfTheCallersOwnRole: ECS-224.
func TestCredentials_OfTheCallersOwnRole(t *testing.T) {
	h := newHouse(t, dummy{})
	env := h.agent.Variables(*h.tasks[taskA], "app")
	path := env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
	var doc map[string]any
	if status, text := h.ask(fromA, "GET", path, "", &doc); status != 200 || doc["RoleArn"] != "arn:aws:iam::123456789012:role/web" {
		t.Errorf("%d %s", status, text)
	}
	if got, want := members(t, doc), []string{"AccessKeyId", "Expiration", "RoleArn", "SecretAccessKey", "Token"}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	if _, ok := h.agent.Variables(*h.tasks[taskB], "app")["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]; ok {
		t.Error("a task without a role is told of credentials")
	}
	for _, c := range []struct{ from, path, code string }{
		{fromB, path, "InvalidIdInRequest"},
		{fromA, "/v2/credentials/1234", "InvalidIdInRequest"},
		{fromA, "/v2/credentials", "NoIdInRequest"},
		{fromA, "/v2/credentials/", "NoIdInRequest"},
		{fromB, "/v2/credentials/" + h.agent.credentialsID(taskB), "NoCredentialsAssociated"},
	} {
		var refusal credentialsError
		if status, text := h.ask(c.from, "GET", c.path, "", &refusal); status != 400 || refusal.Code != c.code || refusal.Status != 400 || !strings.HasPrefix(refusal.Message, "CredentialsV2Request: ") {
			t.Errorf("%s from %s: %d %s, want %s", c.path, c.from, status, text, c.code)
		}
	}
	h.open(dummy{})
	if again := h.agent.Variables(*h.tasks[taskA], "app"); !maps.Equal(again, env) {
		t.Errorf("after a restart the variables are %v, were %v", again, env)
	}
	h.open(nil)
	if _, ok := h.agent.Variables(*h.tasks[taskA], "app")["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]; ok {
		t.Error("without a provider tasks are told of credentials")
	}
	if _, text := h.ask(fromA, "GET", path, "", nil); !strings.Contains(text, "NoCredentialsAssociated") {
		t.Errorf("without a provider: %s", text)
	}
}

func TestProvider_ReadsProfiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = AKID1\naws_secret_access_key = one\n# [work]\n[ work ]\naws_access_key_id=AKID2\naws_secret_access_key=two=2\naws_session_token=t\n[sso]\nsso_session = x\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	for text, want := range map[string]Credentials{
		"profile":      {AccessKeyID: "AKID1", SecretAccessKey: "one"},
		"profile:work": {AccessKeyID: "AKID2", SecretAccessKey: "two=2", Token: "t"},
	} {
		p, err := ParseProvider(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Retrieve(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"profile:sso": "has no keys", "profile:none": "no such profile"} {
		p, _ := ParseProvider(text)
		_, err := p.Retrieve(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		var refusal credentialsError
		h := newHouse(t, p)
		if status, _ := h.ask(fromA, "GET", pathTo(h, taskA), "", &refusal); status != 503 || refusal.Code != "CredentialsUninitialized" {
			t.Errorf("%s: %d %+v", text, status, refusal)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID3")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "three")
	p, _ := ParseProvider("profile")
	if got, err := p.Retrieve(t.Context()); err != nil || got.AccessKeyID != "AKID3" {
		t.Errorf("environment: %+v, %v", got, err)
	}
	for _, text := range []string{"profile:", "dummy:x", "yes", "none:1"} {
		if _, err := ParseProvider(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func pathTo(h *house, task string) string { return "/v2/credentials/" + h.agent.credentialsID(task) }

// TestProtection_SpeaksAsTheAgent: ECS-225.
func TestProtection_SpeaksAsTheAgent(t *testing.T) {
	h := newHouse(t, nil)
	uri := pathOf(h, taskA, "app", "ECS_AGENT_URI") + "/task-protection/v1/state"
	for _, c := range []struct {
		from, method, path, body string
		status                   int
		want                     string
	}{
		{fromA, "GET", uri, "", 200, `{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"` + taskA + `"}}`},
		{fromA, "PUT", uri, `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`, 200, `{"protection":{"ExpirationDate":"2030-01-01T00:00:00Z","ProtectionEnabled":true,"TaskArn":"` + taskA + `"}}`},
		{fromA, "GET", uri, "", 200, `{"protection":{"ExpirationDate":"2030-01-01T00:00:00Z","ProtectionEnabled":true,"TaskArn":"` + taskA + `"}}`},
		{fromA, "PUT", uri, `{"ProtectionEnabled":false}`, 200, `{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"` + taskA + `"}}`},
		{fromA, "PUT", uri, `{}`, 400, `{"error":{"Arn":"` + taskA + `","Code":"InvalidParameterException","Message":"Invalid request: does not contain 'ProtectionEnabled' field"}}`},
		{fromA, "PUT", uri, `{"Protection":true}`, 400, `{"error":{"Code":"InvalidParameterException","Message":"UpdateTaskProtection: failed to decode request"}}`},
		{fromA, "PUT", uri, `{"ProtectionEnabled":true,"ExpiresInMinutes":9999}`, 400, `{"error":{"Arn":"` + taskA + `","Code":"InvalidParameterException","Message":"expiresInMinutes is too large."}}`},
		{fromB, "PUT", uri, `{"ProtectionEnabled":true}`, 404, `{"error":{"Code":"ResourceNotFoundException","Message":"Failed to find a task for the request"}}`},
		{fromB, "GET", strings.Replace(uri, endpointID(idA, "app"), endpointID(idB, "app"), 1), "", 403, `{"error":{"Arn":"` + taskB + `","Code":"AccessDeniedException","Message":"Invalid Request: no task IAM role credentials available for task"}}`},
	} {
		if status, text := h.ask(c.from, c.method, c.path, c.body, nil); status != c.status || strings.TrimSpace(text) != c.want {
			t.Errorf("%s %s from %s:\n got %d %s\nwant %d %s", c.method, c.body, c.from, status, text, c.status, c.want)
		}
	}
	h.unprotected = &orchestrator.Failure{ARN: taskA, Reason: "TASK_NOT_VALID"}
	if status, text := h.ask(fromA, "GET", uri, "", nil); status != 200 || strings.TrimSpace(text) != `{"failure":{"Arn":"`+taskA+`","Detail":null,"Reason":"TASK_NOT_VALID"}}` {
		t.Errorf("%d %s", status, text)
	}
}
