package main

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

const smallDir = "testdata/e2e/small"

// TestCrash_DeploymentGoesOn kills the daemon at several moments of a deployment.
func TestCrash_DeploymentGoesOn(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.Run("up", smallDir)
	moments := []struct {
		name    string
		reached func(Status) bool
	}{
		{"AtOnce", func(Status) bool { return true }},
		{"WhileTasksStart", func(s Status) bool { return len(newTasks(s, "PENDING"))+len(newTasks(s, "RUNNING")) > 0 }},
		{"WhenOneRuns", func(s Status) bool { return len(newTasks(s, "RUNNING")) > 0 }},
		{"WhileOldOnesDrain", func(s Status) bool { return len(newTasks(s, "RUNNING")) == 2 && draining(s) }},
	}
	for i, m := range moments {
		t.Run(m.name, func(t *testing.T) { crashDuringDeployment(p.on(t), fmt.Sprintf("v%d", 2-i%2), m.reached) })
	}
}

// newTasks returns the tasks of the service's primary deployment that have a status.
func newTasks(s Status, status string) (tasks []TaskStatus) {
	for _, t := range s.Tasks {
		if len(s.Services) > 0 && t.Deployment == s.Services[0].Deployments[0].ID && t.LastStatus == status {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func draining(s Status) bool { return s.Services[0].TargetGroups[0].States["draining"] > 0 }

// crashDuringDeployment kills the daemon when the moment comes, and starts it again.
func crashDuringDeployment(p *program, version string, reached func(Status) bool) {
	p.Run("deploy", "web", "--image", "shop/user-service:"+version, "--no-wait")
	var before Status
	p.Eventually("the moment comes", func() error {
		if before = p.Status(); !reached(before) {
			return errors.New("not yet")
		}
		return nil
	})
	p.Kill()
	p.Start()
	p.awaitDeployed("web", before.Services[0].TaskDefinition)
	p.checkAdopted(newTasks(before, "RUNNING"))
	if status, body := p.Get(80, "/api/users/1"); status != 200 || !strings.Contains(body, fmt.Sprintf(`"version":%q`, version)) {
		p.Errorf("after the restart: %d %s, want version %s", status, body, version)
	}
}

// awaitDeployed waits until a service is steady with the deployment of a revision.
func (p *program) awaitDeployed(service, definition string) {
	p.Helper()
	p.Eventually(definition+" is deployed", func() error {
		s := p.service(service)
		if !s.Steady || s.TaskDefinition != definition || s.Deployments[0].RolloutState != "COMPLETED" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// checkAdopted wants tasks to run in the containers in which they ran.
func (p *program) checkAdopted(tasks []TaskStatus) {
	p.Helper()
	now := map[string]TaskStatus{}
	for _, t := range p.Status().Tasks {
		now[t.ID] = t
	}
	for _, t := range tasks {
		have := now[t.ID]
		if have.LastStatus != "RUNNING" || have.Containers[0].RuntimeID != t.Containers[0].RuntimeID || have.Address != t.Address {
			p.Errorf("task %s ran in container %s at %s and is now %s in %+v at %s", t.ID, t.Containers[0].RuntimeID, t.Address, have.LastStatus, have.Containers, have.Address)
		}
	}
	p.Logf("%d running tasks were adopted", len(tasks))
}

// TestStop_ContainersGoOn ends the daemon as an upgrade would, and then everything.
func TestStop_ContainersGoOn(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.Run("up", smallDir)
	foreign := newForeigners(p)
	tasks := p.tasksOf("web")
	if code := p.Terminate(); code != exitOK {
		t.Errorf("the daemon exited with %d after SIGTERM\n%s", code, p.process.log.tail())
	}
	for id, c := range ofTasks(containersOf(t, p.instance)) {
		if c.State != "running" {
			t.Errorf("container %s is %s after the daemon ended", id, c.State)
		}
	}
	if n := len(containersOf(t, p.instance)); n < len(tasks) {
		t.Errorf("%d containers run without the daemon, want %d", n, len(tasks))
	}
	p.Start()
	p.awaitSteady("web")
	p.checkAdopted(tasks)
	if status, body := p.Get(80, "/api/users/1"); status != 200 {
		t.Errorf("after the restart: %d %s", status, body)
	}
	foreign.checkUntouched(p)

	p.downAll()
	if code := p.process.wait(t); code != exitOK {
		t.Errorf("the daemon exited with %d after down --all", code)
	}
	p.checkNothingLeft()
	foreign.checkUntouched(p)
	p.Start() // so that the clean-up finds a daemon; it begins from nothing
	if s := p.Status(); len(s.Services)+len(s.Tasks)+len(s.LoadBalancers) != 0 {
		t.Errorf("a daemon on the removed state knows %+v", s)
	}
	p.instance = p.Status().Daemon.Instance
}

// foreigners are containers and a network that are not ours, though they look like it.
type foreigners struct {
	containers []string // ids
	network    string
}

// foreignRanges counts the ranges given to them: tests run side by side.
var foreignRanges atomic.Int32

// newForeigners makes them from an image that a stack has brought.
func newForeigners(p *program) *foreigners {
	p.Helper()
	f := &foreigners{}
	suffix := p.instance
	f.add(p, "ecs-web-1-web-"+suffix, nil)
	f.add(p, "drydock-foreign-"+suffix, map[string]string{"drydock.instance": "00000000", "com.amazonaws.ecs.container-name": "web"})
	cidr := fmt.Sprintf("198.51.100.%d/28", foreignRanges.Add(1)%16*16)
	var err error
	if f.network, err = makeNetwork(p.T, "drydock-"+p.instance+"-vpc-foreign", cidr); err != nil {
		p.Fatal(err)
	}
	return f
}

// makeNetwork makes a network that is not ours, until the test ends.
func makeNetwork(t *testing.T, name, cidr string) (id string, err error) {
	t.Helper()
	engine := dockerClient(t)
	defer engine.Close()
	made, err := engine.NetworkCreate(t.Context(), name, network.CreateOptions{Internal: true,
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: cidr}}}})
	if err == nil {
		t.Cleanup(func() { removeNetwork(t, made.ID) })
	}
	return made.ID, err
}

func (f *foreigners) add(p *program, name string, labels map[string]string) {
	p.Helper()
	engine := dockerClient(p.T)
	defer engine.Close()
	made, err := engine.ContainerCreate(p.Context(), &container.Config{Image: "shop/user-service:v1", Labels: labels}, &container.HostConfig{NetworkMode: "none"}, nil, nil, name)
	if err == nil {
		p.Cleanup(func() { removeContainer(p.T, made.ID) })
		err = engine.ContainerStart(p.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		p.Fatal(err)
	}
	f.containers = append(f.containers, made.ID)
}

func (f *foreigners) checkUntouched(p *program) {
	p.Helper()
	engine := dockerClient(p.T)
	defer engine.Close()
	for _, id := range f.containers {
		c, err := engine.ContainerInspect(p.Context(), id)
		if err != nil || !c.State.Running || c.RestartCount != 0 {
			p.Errorf("a foreign container was touched: %v %+v", err, c.ContainerJSONBase)
		}
	}
	if f.network == "" {
		return
	}
	if _, err := engine.NetworkInspect(p.Context(), f.network, network.InspectOptions{}); err != nil {
		p.Errorf("a foreign network was touched: %v", err)
	}
}
