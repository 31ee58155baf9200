package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drydock/awsapi/ecs"
)

// TestSecrets_ReachTheContainer runs tasks that name a parameter, a secret's key and an
// environment file: the values are in the containers and nowhere else.
func TestSecrets_ReachTheContainer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ssm/shop/token", "sesame-one\n")
	put("secretsmanager/prod/db", `{"password":"hunter2"}`)
	put("s3/conf/app.env", "# variables\nFROM_FILE=file\nPLAIN=file\n")
	p := newProgram(t, "--secrets", dir)
	p.Run("up", smallDir) // for the image
	p.registerSecrets("secretive", "/shop/token")

	first := p.runSecretive("secretive")
	for _, want := range []string{"TOKEN=sesame-one", "PASSWORD=hunter2", "FROM_FILE=file", "PLAIN=definition"} {
		if env := p.environmentOf(first); !slices.Contains(env, want) {
			t.Errorf("%s is not among %q", want, env)
		}
	}
	put("ssm/shop/token", "sesame-two\n")
	if env := p.environmentOf(p.runSecretive("secretive")); !slices.Contains(env, "TOKEN=sesame-two") {
		t.Errorf("a changed value did not reach the next task: %q", env)
	}
	missingSecret(p)
	deletedDefinition(p)
	p.checkNowhere("hunter2", "sesame-one", "sesame-two")
}

// registerSecrets registers a definition whose container has secrets.
func (p *program) registerSecrets(family, parameter string) {
	p.Helper()
	doc := fmt.Sprintf(`{"family":%q,"networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"executionRoleArn":"arn:aws:iam::123456789012:role/execution",
		"containerDefinitions":[{"name":"app","image":"shop/user-service:v1","credentialSpecs":["credentialspec:none"],
			"environment":[{"name":"PLAIN","value":"definition"}],
			"environmentFiles":[{"type":"s3","value":"arn:aws:s3:::conf/app.env"}],
			"secrets":[{"name":"TOKEN","valueFrom":%q},{"name":"PASSWORD","valueFrom":"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf:password::"}]}]}`, family, parameter)
	if _, err := call[ecs.RegisterTaskDefinitionResponse](p.Context(), p.client(), "ecs", "RegisterTaskDefinition", json.RawMessage(doc)); err != nil {
		p.Fatal(err)
	}
}

// startSecretive starts a task of a family and returns its ARN.
func (p *program) startSecretive(family string) string {
	p.Helper()
	in := &ecs.RunTaskRequest{TaskDefinition: &family, Cluster: ptr("small"), LaunchType: ptr("FARGATE"),
		NetworkConfiguration: &ecs.NetworkConfiguration{AwsvpcConfiguration: &ecs.AwsVpcConfiguration{Subnets: []string{"subnet-0123456789abcdef0"}}}}
	out, err := call[ecs.RunTaskResponse](p.Context(), p.client(), "ecs", "RunTask", in)
	if err != nil || len(out.Tasks) != 1 {
		p.Fatalf("%+v, %v", out, err)
	}
	return *out.Tasks[0].TaskArn
}

// runSecretive starts a task and waits until it runs.
func (p *program) runSecretive(family string) string {
	p.Helper()
	arn := p.startSecretive(family)
	if _, err := waitTasks(p.Context(), p.client(), newScreen(&bytes.Buffer{}), []string{arn}, "RUNNING", patience); err != nil {
		p.Fatal(err)
	}
	return arn
}

// environmentOf returns the environment of a task's container, as Docker has it.
func (p *program) environmentOf(task string) []string {
	p.Helper()
	engine := dockerClient(p.T)
	defer engine.Close()
	for id, c := range containersOf(p.T, p.instance) {
		if c.Labels["com.amazonaws.ecs.task-arn"] != task || c.Labels["com.amazonaws.ecs.container-name"] != "app" {
			continue
		}
		inspected, err := engine.ContainerInspect(context.Background(), id)
		if err != nil {
			p.Fatal(err)
		}
		return inspected.Config.Env
	}
	p.Fatalf("there is no container app of task %s", task)
	return nil
}

// missingSecret starts a task whose parameter is nowhere: it fails, and says where it was looked for.
func missingSecret(p *program) {
	p.Helper()
	p.registerSecrets("clueless", "/shop/nothing")
	arn := p.startSecretive("clueless")
	if _, err := waitTasks(p.Context(), p.client(), newScreen(&bytes.Buffer{}), []string{arn}, "STOPPED", patience); err != nil {
		p.Fatal(err)
	}
	p.wants([]string{"ResourceInitializationError: unable to pull secrets or registry auth", "invalid ssm parameters: /shop/nothing", "ssm/shop/nothing", "accepted, but without effect here", "credentialSpecs"}, "describe", arn)
}

// deletedDefinition deletes the definition of a task that runs: it is gone when the tasks are.
func deletedDefinition(p *program) {
	p.Helper()
	ref := "secretive:1"
	if _, err := call[ecs.DeregisterTaskDefinitionResponse](p.Context(), p.client(), "ecs", "DeregisterTaskDefinition", &ecs.DeregisterTaskDefinitionRequest{TaskDefinition: &ref}); err != nil {
		p.Fatal(err)
	}
	out, err := call[ecs.DeleteTaskDefinitionsResponse](p.Context(), p.client(), "ecs", "DeleteTaskDefinitions", &ecs.DeleteTaskDefinitionsRequest{TaskDefinitions: []string{ref}})
	if err != nil || len(out.Failures) > 0 {
		p.Fatalf("%+v, %v", out, err)
	}
	for _, task := range p.Status().Tasks {
		if task.TaskDefinition != ref {
			continue
		}
		p.wants([]string{"DELETE_IN_PROGRESS"}, "describe", ref)
		p.Run("stop-task", task.ID)
	}
	p.Eventually("the definition is gone", func() error {
		if code, out := p.Try("describe", ref); code != exitFailed {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
}

// checkNowhere wants values neither in what the program says nor in what it keeps.
func (p *program) checkNowhere(values ...string) {
	p.Helper()
	said := p.Run("events", "-n", "0").String() + p.Run("status", "--stopped", "--output", "json").String() + p.Run("describe", "clueless", "--output", "json").String()
	err := filepath.WalkDir(p.state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		said += string(data)
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	for _, value := range values {
		if strings.Contains(said, value) {
			p.Errorf("the value %s is in what the program says or keeps", value)
		}
	}
}
