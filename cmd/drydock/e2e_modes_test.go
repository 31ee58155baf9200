package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/ecs"
)

// TestModes_BalancerReachesBridgeAndHost serves through the balancer from tasks that have ports
// of this machine instead of addresses, before and after a crash.
func TestModes_BalancerReachesBridgeAndHost(t *testing.T) {
	p := newProgram(t)
	p.Run("up", "testdata/e2e/modes")
	for _, port := range []int{80, 8080} {
		if status, body := p.Get(port, "/api/users/1"); status != 200 || !strings.Contains(body, `"version":"v1"`) {
			p.Errorf("on port %d: %d %s", port, status, body)
		}
	}
	before := p.bindings("bridged")
	if len(before) != 2 || slices.Contains(before, 3000) {
		p.Errorf("host ports of the bridged tasks: %v", before)
	}
	if ports := p.bindings("hosted"); !slices.Equal(ports, []int{38123}) {
		p.Errorf("host ports of the hosted task: %v", ports)
	}
	for _, task := range p.Status().Tasks {
		removeContainer(t, task.Containers[0].RuntimeID)
	}
	p.Eventually("other tasks serve", func() error {
		if now := p.bindings("bridged"); len(now) != 2 || slices.ContainsFunc(now, func(port int) bool { return slices.Contains(before, port) }) {
			return fmt.Errorf("host ports were %v and are %v", before, now)
		}
		for _, port := range []int{80, 8080} {
			if status, body, err := p.get(port, "/api/users/1"); status != 200 {
				return fmt.Errorf("on port %d: %d %s %v", port, status, body, err)
			}
		}
		return nil
	})
	p.Run("down", "testdata/e2e/modes")
	p.Eventually("the containers are gone", func() error {
		if left := containersOf(t, p.instance); len(left) != 0 {
			return fmt.Errorf("there are %d", len(left))
		}
		return nil
	})
}

// bindings are the ports of this machine that a family's running tasks have, as DescribeTasks
// tells them.
func (p *program) bindings(family string) (ports []int) {
	p.Helper()
	cluster, ctx := "modes", p.Context()
	listed, err := call[ecs.ListTasksResponse](ctx, p.client(), "ecs", "ListTasks", &ecs.ListTasksRequest{Cluster: &cluster, Family: &family})
	if err != nil || len(listed.TaskArns) == 0 {
		return nil
	}
	found, err := call[ecs.DescribeTasksResponse](ctx, p.client(), "ecs", "DescribeTasks", &ecs.DescribeTasksRequest{Cluster: &cluster, Tasks: listed.TaskArns})
	if err != nil {
		p.Fatal(err)
	}
	for _, task := range found.Tasks {
		for _, b := range task.Containers[0].NetworkBindings {
			if awsapi.Value(task.LastStatus) == "RUNNING" {
				ports = append(ports, int(awsapi.Value(b.HostPort)))
			}
		}
	}
	return ports
}
