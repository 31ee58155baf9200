package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const terraformDir = "../../examples/terraform"

// terraformPlugins names a directory that has the AWS provider, laid out as a filesystem mirror.
// Without it, Terraform's own configuration says where providers come from.
const terraformPlugins = "DRYDOCK_TEST_TERRAFORM_PLUGINS"

// terraformPatience is how long one command of Terraform may take. Its provider waits half a
// minute and more where AWS does.
const terraformPatience = 8 * time.Minute

// TestTerraform_WholeLife applies the example, deploys another image under load and destroys it
// again. After every apply, Terraform must find that what there is is what was asked for.
func TestTerraform_WholeLife(t *testing.T) {
	requireTerraform(t)
	p := newProgram(t)
	tf := newTerraform(p)
	p.buildImages()
	tf.Run("apply", "-auto-approve", "-var", "image_tag=v1")
	tf.checkServes("v1")
	tf.checkNoChanges("v1")

	requests := p.loadAt(50, "/api/users/1")
	tf.Run("apply", "-auto-approve", "-var", "image_tag=v2")
	p.checkNoneFailed(requests)
	tf.checkServes("v2")
	tf.checkNoChanges("v2")

	tf.Run("destroy", "-auto-approve")
	tf.checkGone()
}

func requireTerraform(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the whole program is not tested with -short")
	}
	if os.Getenv("DRYDOCK_TEST_LONG") != "1" && os.Getenv(terraformPlugins) == "" {
		t.Skip("Terraform takes minutes: it runs with DRYDOCK_TEST_LONG=1, or with " + terraformPlugins + " set")
	}
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("Terraform is not installed")
	}
}

// buildImages builds the images that the examples share.
func (p *program) buildImages() {
	p.Helper()
	p.Run("up", smallDir, "--no-wait")
	p.Run("down", smallDir)
}

// terraform runs Terraform on a copy of the example.
type terraform struct {
	p   *program
	dir string
	env []string
}

// newTerraform skips the test if the AWS provider can't be installed.
func newTerraform(p *program) *terraform {
	p.Helper()
	tf := &terraform{p: p, dir: p.TempDir(), env: append(environment(), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")}
	source, err := os.ReadFile(filepath.Join(terraformDir, "main.tf"))
	if err == nil {
		err = os.WriteFile(filepath.Join(tf.dir, "main.tf"), source, 0o644)
	}
	if err != nil {
		p.Fatal(err)
	}
	args := []string{"init", "-no-color", "-input=false"}
	plugins := os.Getenv(terraformPlugins)
	if plugins != "" {
		args = append(args, "-plugin-dir="+plugins)
	}
	if out, err := tf.run(time.Minute, args); err != nil && plugins != "" {
		p.Fatalf("terraform init: %v\n%s", err, out)
	} else if err != nil {
		p.Skipf("Terraform's AWS provider is not to be had: %v\n%s", err, out)
	}
	return tf
}

func (tf *terraform) run(patience time.Duration, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "terraform", args...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	command.Dir, command.Env = tf.dir, tf.env
	out, err := command.CombinedOutput()
	return string(out), err
}

// try runs a command that works on the stack.
func (tf *terraform) try(args []string) (string, error) {
	args = append(args, "-no-color", "-input=false", "-var", "endpoint="+tf.p.endpoint, "-var", "port=80")
	return tf.run(terraformPatience, args)
}

// Run runs a command that must succeed.
func (tf *terraform) Run(args ...string) {
	tf.p.Helper()
	if out, err := tf.try(args); err != nil {
		tf.p.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// checkNoChanges wants a plan with nothing to do.
func (tf *terraform) checkNoChanges(tag string) {
	tf.p.Helper()
	out, err := tf.try([]string{"plan", "-detailed-exitcode", "-var", "image_tag=" + tag})
	if err != nil || !strings.Contains(out, "No changes.") {
		tf.p.Errorf("plan after apply: %v\n%s", err, out)
	}
}

// checkServes wants all tasks to be of a version, and to answer through the load balancer.
func (tf *terraform) checkServes(version string) {
	tf.p.Helper()
	for range 10 {
		if status, body := tf.p.Get(80, "/api/users/1"); status != 200 || !strings.Contains(body, fmt.Sprintf("%q", version)) {
			tf.p.Errorf("answered %d %s, want %s", status, body, version)
		}
	}
	if status, body := tf.p.Get(80, "/nowhere"); status != 404 || body != "no such path" {
		tf.p.Errorf("the default rule answered %d %s", status, body)
	}
}

// checkGone wants nothing of the stack to be left.
func (tf *terraform) checkGone() {
	tf.p.Helper()
	s := tf.p.Status()
	var running error
	for _, task := range s.Tasks {
		if task.LastStatus != "STOPPED" {
			running = errors.Join(running, fmt.Errorf("task %s is %s", task.ARN, task.LastStatus))
		}
	}
	if len(s.Services) != 0 || len(s.LoadBalancers) != 0 || running != nil {
		tf.p.Errorf("left: services %+v, load balancers %+v, %v", s.Services, s.LoadBalancers, running)
	}
	aws := tf.p.AWS()
	for _, left := range [][]string{
		{"ec2", "describe-security-groups", "--filters", "Name=tag:stack,Values=terraform", "--query", "SecurityGroups[].GroupName"},
		{"elbv2", "describe-target-groups", "--query", "TargetGroups[].TargetGroupName"},
		{"logs", "describe-log-groups", "--log-group-name-prefix", "/ecs/tf-", "--query", "logGroups[].logGroupName"},
		{"iam", "list-roles", "--query", "Roles[].RoleName"},
		{"application-autoscaling", "describe-scalable-targets", "--service-namespace", "ecs", "--query", "ScalableTargets[].ResourceId"},
	} {
		if got := aws.Run(append(left, "--output", "text")...); got != "" && got != "None" {
			tf.p.Errorf("%s %s: %s is left", left[0], left[1], got)
		}
	}
}
