package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	docker "github.com/docker/docker/client"

	"drydock/network/iptables"
)

// requireDocker skips the test where no Docker engine answers, or fails it if Docker is a must.
func requireDocker(t *testing.T) *docker.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("the whole program is not tested with -short")
	}
	engine, err := docker.NewClientWithOpts(docker.FromEnv, docker.WithAPIVersionNegotiation())
	if err == nil {
		_, err = engine.Ping(t.Context())
	}
	if err != nil && os.Getenv("DRYDOCK_TEST_REQUIRE_DOCKER") == "1" {
		t.Fatalf("Docker does not answer: %v", err)
	}
	if err != nil {
		t.Skipf("Docker does not answer: %v", err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

// dockerClient is for cleaning up, when a test's context has ended.
func dockerClient(t *testing.T) *docker.Client {
	t.Helper()
	return clientOf(t, docker.FromEnv)
}

// engineClient is for the engine that the program uses.
func (p *program) engineClient() *docker.Client {
	p.Helper()
	if p.docker != "" {
		return clientOf(p.T, docker.WithHost(p.docker))
	}
	return dockerClient(p.T)
}

func clientOf(t *testing.T, host docker.Opt) *docker.Client {
	t.Helper()
	engine, err := docker.NewClientWithOpts(host, docker.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func ours(instance string) filters.Args {
	return filters.NewArgs(filters.Arg("label", "drydock.instance="+instance))
}

// containersOf lists the containers of an instance, by id.
func containersOf(t *testing.T, instance string) map[string]container.Summary {
	t.Helper()
	engine := dockerClient(t)
	defer engine.Close()
	list, err := engine.ContainerList(context.Background(), container.ListOptions{All: true, Filters: ours(instance)})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]container.Summary{}
	for _, c := range list {
		found[c.ID] = c
	}
	return found
}

// ofTasks returns those containers that belong to tasks: the warm pool stays as long as the daemon.
func ofTasks(all map[string]container.Summary) map[string]container.Summary {
	found := map[string]container.Summary{}
	for id, c := range all {
		if c.Labels["com.amazonaws.ecs.task-arn"] != "" {
			found[id] = c
		}
	}
	return found
}

// checkNothingLeft fails the test if something of the program is left, and removes it.
func (p *program) checkNothingLeft() {
	if p.instance == "" {
		return
	}
	left := append(p.removeContainers(), p.removeNetworks()...)
	left = append(left, p.removeRules()...)
	if left != nil {
		p.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	for _, name := range []string{"drydock.db", "alb", "s3", "logs"} {
		if _, err := os.Stat(filepath.Join(p.state, name)); err == nil {
			p.Errorf("%s is left behind in %s", name, p.state)
		}
	}
}

func (p *program) removeContainers() (left []string) {
	engine, ctx := p.engineClient(), context.Background()
	defer engine.Close()
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: ours(p.instance)})
	if err != nil {
		p.Error(err)
	}
	for _, c := range list {
		left = append(left, "container "+c.Names[0])
		engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
	}
	return left
}

func (p *program) removeNetworks() (left []string) {
	engine, ctx := p.engineClient(), context.Background()
	defer engine.Close()
	list, err := engine.NetworkList(ctx, network.ListOptions{Filters: ours(p.instance)})
	if err != nil {
		p.Error(err)
	}
	for _, n := range list {
		left = append(left, "network "+n.Name)
		engine.NetworkRemove(ctx, n.ID)
	}
	return left
}

func (p *program) removeRules() (left []string) {
	prefix := "dd" + p.instance[:6]
	if left = rulesWith(prefix); left != nil {
		if err := iptables.New(prefix, "").Remove(context.Background()); err != nil {
			p.Error(err)
		}
	}
	return left
}

// rulesWith lists the firewall rules, chains and sets in whose names a prefix is.
func rulesWith(prefix string) (found []string) {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, command := range [][]string{{"iptables-save"}, {"ipset", "list", "-n"}} {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			continue // not installed: then there are no rules either
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, prefix) {
				found = append(found, strings.TrimSpace(line))
			}
		}
	}
	return found
}

func removeContainer(t *testing.T, id string) {
	engine := dockerClient(t)
	defer engine.Close()
	if err := engine.ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

func removeNetwork(t *testing.T, id string) {
	engine := dockerClient(t)
	defer engine.Close()
	if err := engine.NetworkRemove(context.Background(), id); err != nil {
		t.Error(err)
	}
}
