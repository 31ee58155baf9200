package main

import (
	"os/exec"
	"strings"
	"testing"

	"drydock/awsapi/apitest"
)

// TestExec_SessionManagerPlugin runs a command in a container with `aws ecs execute-command`
// and AWS's own plugin for it.
func TestExec_SessionManagerPlugin(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("session-manager-plugin"); err != nil {
		t.Skip("session-manager-plugin is not installed")
	}
	p := newProgram(t)
	aws := p.AWS()
	p.Run("up", smallDir)
	aws.Run("ecs", "update-service", "--cluster", "small", "--service", "web", "--enable-execute-command", "--force-new-deployment")
	aws.Run("ecs", "wait", "services-stable", "--cluster", "small", "--services", "web")
	task := aws.Run("ecs", "list-tasks", "--cluster", "small", "--query", "taskArns[0]", "--output", "text")
	command := exec.CommandContext(t.Context(), "aws", "ecs", "execute-command", "--region", "us-east-1", "--cluster", "small", "--task", task, "--interactive", "--command", "/service")
	command.Env = apitest.Environment(p.endpoint, t.TempDir())
	if _, err := command.StdinPipe(); err != nil { // a keyboard that nobody touches
		t.Fatal(err)
	}
	out, err := command.CombinedOutput()
	if !strings.Contains(string(out), "Exiting session") || !strings.Contains(string(out), "address already in use") {
		t.Errorf("aws ecs execute-command: %v\n%s", err, out)
	}
}
