package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"drydock/network/networktest"
	"drydock/orchestrator"
	"drydock/taskdefs"
)

// fetch asks until it gets an answer.
func fetch(t *testing.T, url string) string {
	t.Helper()
	var last error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a, err := http.Get(url)
		if last = err; err != nil {
			continue
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	t.Fatal(last)
	return ""
}

// standing is a task outside of the VPC that serves on a port.
func standing(host byte, mode string, ports ...orchestrator.PortBinding) orchestrator.TaskSpec {
	listen := ":80"
	if mode == "host" {
		listen = "127.0.0.1:" + itoa(ports[0].HostPort)
	}
	s := task(host, taskdefs.ContainerDefinition{Name: "app", Command: []string{"serve", listen, mode}})
	s.NetworkMode, s.Interface, s.Ports = mode, orchestrator.Interface{}, ports
	return s
}

func itoa(n int) string { return strconv.Itoa(n) }

func TestRun_BridgePublishesOnLoopback(t *testing.T) { // ECS-344
	e := testEngine(t)
	port := int(networktest.Address(t).Port())
	s := standing(150, "bridge", orchestrator.PortBinding{Container: "app", ContainerPort: 80, HostPort: port, Protocol: "tcp", Dynamic: true})
	run(t, e, s)
	if body := fetch(t, "http://127.0.0.1:"+itoa(port)); !strings.Contains(body, "bridge") {
		t.Errorf("served %q", body)
	}
	c, err := e.client.ContainerInspect(t.Context(), e.containerName(s, "app"))
	if err != nil {
		t.Fatal(err)
	}
	if b := c.NetworkSettings.Ports["80/tcp"]; len(b) != 1 || b[0].HostIP != "127.0.0.1" {
		t.Errorf("published as %+v, want on 127.0.0.1 only", b)
	}
}

func TestRun_HostSharesTheHostsNamespace(t *testing.T) { // ECS-344
	e := testEngine(t)
	port := int(networktest.Address(t).Port())
	run(t, e, standing(151, "host", orchestrator.PortBinding{Container: "app", ContainerPort: port, HostPort: port, Protocol: "tcp"}))
	if body := fetch(t, "http://127.0.0.1:"+itoa(port)); !strings.Contains(body, "host") {
		t.Errorf("served %q", body)
	}
}

func TestRun_PortOfSomebodyElse(t *testing.T) {
	e := testEngine(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := standing(152, "bridge", orchestrator.PortBinding{Container: "app", ContainerPort: 80, HostPort: l.Addr().(*net.TCPAddr).Port, Protocol: "tcp", Dynamic: true})
	err = e.Run(t.Context(), s)
	var start *orchestrator.StartError
	if !errors.Is(err, orchestrator.ErrPortTaken) || !errors.As(err, &start) || start.Name != "CannotStartContainerError" {
		t.Fatalf("Run = %v, want ErrPortTaken in a CannotStartContainerError", err)
	}
	s.Ports[0].HostPort = int(networktest.Address(t).Port())
	run(t, e, s)
	if body := fetch(t, "http://127.0.0.1:"+itoa(s.Ports[0].HostPort)); !strings.Contains(body, "bridge") {
		t.Errorf("served %q", body)
	}
}

// A task that joins a namespace of the pool answers at the address that the namespace has.
func TestRun_JoinsAWarmNamespace(t *testing.T) { // ECS-345
	e := testEngine(t)
	s := task(153, taskdefs.ContainerDefinition{Name: "app", Command: []string{"serve", ":80", "warm"}})
	s.Warm = randomHex(8)
	if err := e.Warm(t.Context(), orchestrator.WarmSpec{ID: s.Warm, Interface: s.Interface, Hosts: map[string]string{"front.elb.localhost": "10.0.0.9"}}); err != nil {
		t.Fatal(err)
	}
	run(t, e, s)
	if body := fetch(t, "http://"+s.Interface.Address.String()); !strings.Contains(body, "warm") {
		t.Errorf("served %q", body)
	}
	// Docker restarted, as far as the namespace is concerned: it is made anew for the next task.
	if err := e.Remove(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	if err := e.client.ContainerKill(t.Context(), e.warmName(s.Warm), "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		id, err := e.joinable(t.Context(), s.Warm)
		if err != nil {
			t.Fatal(err)
		}
		if id == "" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a killed namespace can still be joined")
		}
	}
	run(t, e, s)
	if body := fetch(t, "http://"+s.Interface.Address.String()); !strings.Contains(body, "warm") {
		t.Errorf("without the namespace: served %q", body)
	}
	if err := e.Warm(context.Background(), orchestrator.WarmSpec{ID: randomHex(8), Interface: task(154).Interface}); err != nil {
		t.Fatal(err)
	}
}
