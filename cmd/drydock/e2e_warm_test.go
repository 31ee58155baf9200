package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/timeline"
)

// pool returns the namespaces that are there for tasks, by the container's id.
func (p *program) pool() map[string]container.Summary {
	found := containersOf(p.T, p.instance)
	for id, c := range found {
		if c.Labels["drydock.warm"] == "" {
			delete(found, id)
		}
	}
	return found
}

// awaitPool waits until so many namespaces run, those that tasks have joined included.
func (p *program) awaitPool(n int) map[string]container.Summary {
	p.Helper()
	var found map[string]container.Summary
	p.Eventually(fmt.Sprintf("%d namespaces run", n), func() error {
		found = p.pool()
		for _, c := range found {
			if c.State != container.StateRunning {
				return fmt.Errorf("%s is %s", c.Names[0], c.State)
			}
		}
		if len(found) != n {
			return fmt.Errorf("there are %d", len(found))
		}
		return nil
	})
	return found
}

// TestWarmPool_KilledDaemonLosesNone kills the daemon while tasks take warm interfaces: each
// namespace then belongs to the pool or to one task, and all of them go in the end.
func TestWarmPool_KilledDaemonLosesNone(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "--warm-pool", "2")
	p.Run("up", smallDir)
	p.awaitPool(2)
	p.Run("deploy", "web", "--image", "shop/user-service:v2", "--no-wait")
	p.Eventually("a task begins", func() error {
		if s := p.Status(); len(newTasks(s, "PENDING"))+len(newTasks(s, "RUNNING")) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	p.Kill()
	p.Start()
	p.awaitDeployed("web", p.service("web").TaskDefinition)
	p.awaitPool(4) // two that tasks have joined, two that are ready
	joined := 0
	for id := range p.pool() {
		for _, c := range containersOf(t, p.instance) {
			if c.HostConfig.NetworkMode == "container:"+id {
				joined++
			}
		}
	}
	if joined != 2 {
		p.Errorf("%d containers have joined a namespace, want the 2 of the deployment", joined)
	}
	if status, body := p.Get(80, "/api/users/1"); status != 200 {
		p.Errorf("served %d %s", status, body)
	}
	p.logReplacement()
	p.downAll()
	if left := containersOf(t, p.instance); len(left) != 0 {
		p.Errorf("after down --all: %v", left)
	}
}

// logReplacement ends a container and tells how long it took from its exit until the target of
// the task that replaces it was healthy, and where that time went. What it must be depends on
// the machine, so it is shown and not judged.
func (p *program) logReplacement() {
	p.Helper()
	tasks := p.Status().Tasks
	gone := tasks[slices.IndexFunc(tasks, func(t TaskStatus) bool { return t.LastStatus == "RUNNING" })]
	removeContainer(p.T, gone.Containers[0].RuntimeID)
	p.Eventually("the task is replaced", func() error {
		if s := p.service("web"); !s.Steady || slices.ContainsFunc(p.Status().Tasks, func(t TaskStatus) bool { return t.ID == gone.ID && t.LastStatus == "RUNNING" }) {
			return errors.New("not yet")
		}
		return nil
	})
	var exit time.Time
	for _, e := range p.Events() {
		if e.Kind == timeline.Exit && e.Data["task"] == gone.ARN {
			exit = e.Time
		}
		if !exit.IsZero() && (e.Kind == timeline.TaskState || e.Kind == timeline.TargetState || e.Kind == timeline.Network) {
			p.Logf("%4d ms: %s", e.Time.Sub(exit).Milliseconds(), e.Message)
		}
	}
}
