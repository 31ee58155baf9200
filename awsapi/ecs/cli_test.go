package ecs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/awsapi/apitest"
	"drydock/orchestrator"
)

// TestCLI drives a whole life with the real AWS command line, its waiters and paginators.
func TestCLI(t *testing.T) {
	w, stop := open(t, orchestrator.PaceFast)
	defer stop()
	aws := apitest.NewCLI(t, w.server)
	definition := filepath.Join(t.TempDir(), "web.json")
	writeDefinition(t, definition)
	aws.Run("ecs", "create-cluster", "--cluster-name", "shop", "--tags", "key=team,value=shop")
	registered := aws.Run("ecs", "register-task-definition", "--cli-input-json", "file://"+definition, "--query", "taskDefinition.taskDefinitionArn", "--output", "text")
	if registered != "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1" {
		t.Errorf("registered %s", registered)
	}
	vpc := "awsvpcConfiguration={subnets=[subnet-0a],securityGroups=[sg-0a]}"
	aws.Run("ecs", "create-service", "--cluster", "shop", "--service-name", "web", "--task-definition", "web", "--desired-count", "2",
		"--launch-type", "FARGATE", "--network-configuration", vpc, "--load-balancers", "targetGroupArn="+group+",containerName=app,containerPort=80")
	w.settled(t)
	aws.Run("ecs", "wait", "services-stable", "--cluster", "shop", "--services", "web")
	checkPages(t, aws)
	checkTask(t, aws, vpc)
	checkHistory(t, aws)
	checkDelete(t, w, aws)
	refused := aws.Fail("ecs", "describe-services", "--cluster", "nowhere", "--services", "web")
	if !strings.Contains(refused, "An error occurred (ClusterNotFoundException) when calling the DescribeServices operation: Cluster not found.") {
		t.Errorf("unknown cluster: %s", refused)
	}
}

func writeDefinition(t *testing.T, path string) {
	t.Helper()
	document := `{"family":"web","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],
		"containerDefinitions":[{"name":"app","image":"app:1","portMappings":[{"containerPort":80}]}]}`
	if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
}

// settled waits for what the first look of a waiter should see: the next comes 15 s later.
func (w *world) settled(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s, err := w.scheduler.Service("shop", "web"); err == nil && s.Steady {
			return
		}
	}
	t.Fatal("the service never got steady")
}

func checkPages(t *testing.T, aws *apitest.CLI) {
	t.Helper()
	listed := strings.Fields(aws.Run("ecs", "list-tasks", "--cluster", "shop", "--service-name", "web", "--page-size", "1", "--query", "taskArns[]", "--output", "text"))
	if len(listed) != 2 || listed[0] == listed[1] {
		t.Errorf("two pages of tasks: %s", listed)
	}
	var out struct {
		Tasks []struct{ LastStatus, HealthStatus string }
	}
	described := aws.Run(append([]string{"ecs", "describe-tasks", "--cluster", "shop", "--tasks"}, listed...)...)
	if err := json.Unmarshal([]byte(described), &out); err != nil || len(out.Tasks) != 2 || out.Tasks[0].LastStatus != "RUNNING" {
		t.Errorf("describe-tasks: %v %s", err, described)
	}
}

// checkTask runs a standalone task with overrides, waits for it, stops it and waits again.
func checkTask(t *testing.T, aws *apitest.CLI, vpc string) {
	t.Helper()
	task := aws.Run("ecs", "run-task", "--cluster", "shop", "--task-definition", "web", "--network-configuration", vpc,
		"--overrides", `{"containerOverrides":[{"name":"app","environment":[{"name":"A","value":"b"}]}]}`, "--query", "tasks[0].taskArn", "--output", "text")
	time.Sleep(time.Second) // let the first look of the waiter see it running; if not, it looks again
	aws.Run("ecs", "wait", "tasks-running", "--cluster", "shop", "--tasks", task)
	overrides := aws.Run("ecs", "describe-tasks", "--cluster", "shop", "--tasks", task, "--query", "tasks[0].overrides.containerOverrides[0].environment[0].[name,value]", "--output", "text")
	if !slices.Equal(strings.Fields(overrides), []string{"A", "b"}) {
		t.Errorf("overrides: %s", overrides)
	}
	aws.Run("ecs", "stop-task", "--cluster", "shop", "--task", task)
	time.Sleep(time.Second)
	aws.Run("ecs", "wait", "tasks-stopped", "--cluster", "shop", "--tasks", task)
}

// checkHistory asks for the service deployment and its revision, and protects a task.
func checkHistory(t *testing.T, aws *apitest.CLI) {
	t.Helper()
	record := strings.Fields(aws.Run("ecs", "list-service-deployments", "--cluster", "shop", "--service", "web", "--status", "SUCCESSFUL",
		"--query", "serviceDeployments[0].[serviceDeploymentArn,targetServiceRevisionArn]", "--output", "text"))
	status := aws.Run("ecs", "describe-service-deployments", "--service-deployment-arns", record[0], "--query", "serviceDeployments[0].[status,targetServiceRevision.runningTaskCount]", "--output", "text")
	if !slices.Equal(strings.Fields(status), []string{"SUCCESSFUL", "2"}) {
		t.Errorf("service deployment: %s", status)
	}
	definition := aws.Run("ecs", "describe-service-revisions", "--service-revision-arns", record[1], "--query", "serviceRevisions[0].taskDefinition", "--output", "text")
	if !strings.HasSuffix(definition, "task-definition/web:1") {
		t.Errorf("service revision of %s", definition)
	}
	if refused := aws.Fail("ecs", "stop-service-deployment", "--service-deployment-arn", record[0]); !strings.Contains(refused, "ConflictException") {
		t.Errorf("stopped: %s", refused)
	}
	task := strings.Fields(aws.Run("ecs", "list-tasks", "--cluster", "shop", "--service-name", "web", "--query", "taskArns[]", "--output", "text"))[0]
	protected := aws.Run("ecs", "update-task-protection", "--cluster", "shop", "--tasks", task, "--protection-enabled", "--expires-in-minutes", "60",
		"--query", "protectedTasks[0].protectionEnabled", "--output", "text")
	if protected != "True" {
		t.Errorf("protected: %s", protected)
	}
}

// checkDelete deletes the service: services-stable fails at once, services-inactive waits.
func checkDelete(t *testing.T, w *world, aws *apitest.CLI) {
	t.Helper()
	if refused := aws.Fail("ecs", "delete-service", "--cluster", "shop", "--service", "web"); !strings.Contains(refused, "The service cannot be stopped while it is scaled above 0.") {
		t.Errorf("deleted: %s", refused)
	}
	aws.Run("ecs", "delete-service", "--cluster", "shop", "--service", "web", "--force")
	if waited := aws.Fail("ecs", "wait", "services-stable", "--cluster", "shop", "--services", "web"); !strings.Contains(waited, "DRAINING") {
		t.Errorf("services-stable of a service that is deleted: %s", waited)
	}
	again := aws.Fail("ecs", "create-service", "--cluster", "shop", "--service-name", "web", "--task-definition", "web", "--desired-count", "1",
		"--network-configuration", "awsvpcConfiguration={subnets=[subnet-0a]}")
	if !strings.Contains(again, "Unable to Start a service that is still Draining.") {
		t.Errorf("created again: %s", again)
	}
	aws.Run("ecs", "wait", "services-inactive", "--cluster", "shop", "--services", "web")
	if status := aws.Run("ecs", "describe-services", "--cluster", "shop", "--services", "web", "--query", "services[0].[status,length(deployments)]", "--output", "text"); !slices.Equal(strings.Fields(status), []string{"INACTIVE", "0"}) {
		t.Errorf("at the end: %s", status)
	}
}
