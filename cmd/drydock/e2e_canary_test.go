package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/awsapi/ecs"
)

const canaryDir = "../../examples/canary"

// TestCanaryExample brings the example up, deploys a canary under load through a crash of the
// daemon, and takes another one back by a hook.
func TestCanaryExample(t *testing.T) {
	t.Parallel()
	hooks := t.TempDir()
	p := newProgram(t, "--hooks", hooks)
	p.Run("up", canaryDir)
	requests := p.loadAt(50, "/api/users/1")
	p.Run("deploy", "web", "--image", "canary/web:v2", "--no-wait")
	p.awaitStage("PRODUCTION_TRAFFIC_SHIFT", 10)
	if status, body := p.Get(8080, "/api/users/1"); status != 200 || !strings.Contains(body, `"v2"`) {
		t.Errorf("the test listener answers %d %s", status, body)
	}
	from := time.Now()
	p.Kill()
	p.Start()
	p.awaitStage("PRODUCTION_TRAFFIC_SHIFT", 10)
	time.Sleep(20 * time.Second)
	checkShare(p, from, 0.1)
	p.awaitStage("BAKE_TIME", 100)
	p.Eventually("blue is gone", func() error {
		if s := p.service("web"); !s.Steady || len(s.Deployments) != 1 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	p.rolledBackByHook(hooks)
	p.checkNoneFailed(requests)
	if status, body := p.Get(80, "/api/users/1"); status != 200 || !strings.Contains(body, `"v2"`) {
		t.Errorf("after all: %d %s", status, body)
	}
	p.Run("down", canaryDir)
}

// awaitStage waits for a lifecycle stage, and a share of the production traffic there.
func (p *program) awaitStage(stage string, percent float64) {
	p.Helper()
	p.Eventually(stage, func() error {
		d := p.service("web").Deployments[0]
		if d.Stage != stage || d.Production == nil || *d.Production != percent {
			return fmt.Errorf("%s", stageWords(d))
		}
		return nil
	})
}

// checkShare wants a share of the requests since a time to have gone to the newest deployment,
// give or take what chance may.
func checkShare(p *program, since time.Time, share float64) {
	p.Helper()
	green := map[string]bool{}
	for _, task := range p.Status().Tasks {
		green[task.ARN] = task.Deployment == p.service("web").Deployments[0].ID
	}
	all, canary := 0, 0
	for _, o := range p.Outcomes(since) {
		all++
		if green[o.Target.Task] {
			canary++
		}
	}
	if got := float64(canary) / float64(all); all < 500 || got < share/2 || got > share*2 {
		p.Errorf("%d of %d requests went to the canary, want about %v", canary, all, share)
	}
}

// rolledBackByHook deploys v1 with a hook, a command, that does not like it.
func (p *program) rolledBackByHook(dir string) {
	p.Helper()
	hook, seen := filepath.Join(dir, "hook"), filepath.Join(dir, "event")
	script := "#!/bin/sh\ncat > " + seen + "\necho '{\"hookStatus\":\"FAILED\"}'\n"
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		p.Fatal(err)
	}
	cluster, service, target := "canary", "web", "exec:"+hook
	_, err := call[ecs.UpdateServiceResponse](p.Context(), p.client(), "ecs", "UpdateService", &ecs.UpdateServiceRequest{
		Cluster: &cluster, Service: &service, DeploymentConfiguration: &ecs.DeploymentConfiguration{
			LifecycleHooks: []ecs.DeploymentLifecycleHook{{HookTargetArn: &target, LifecycleStages: []string{"POST_TEST_TRAFFIC_SHIFT"}}}}})
	if err != nil {
		p.Fatal(err)
	}
	p.Fail(1, []string{"failed and was rolled back"}, "deploy", "web", "--image", "canary/web:v1")
	event, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(event), `"lifecycleStage":"POST_TEST_TRAFFIC_SHIFT"`) {
		p.Errorf("the hook saw %s, %v", event, err)
	}
	if s := p.service("web"); !s.Steady || s.Deployments[0].Production == nil || *s.Deployments[0].Production != 100 {
		p.Errorf("%+v", s)
	}
}
