package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// task is a task of containers on testVPC; the last number of its address is host.
func task(host byte, defs ...taskdefs.ContainerDefinition) orchestrator.TaskSpec {
	vpc := testVPC()
	a := vpc.CIDR.Addr().As4()
	a[3] = host
	id := fmt.Sprintf("%032x", host)
	for i := range defs {
		if defs[i].Image == "" {
			defs[i].Image = testImage
		}
		defs[i].StopTimeout = 2
	}
	return orchestrator.TaskSpec{
		ARN: "arn:aws:ecs:us-east-1:000000000000:task/test/" + id, ID: id, Cluster: "test", Family: "shape", Revision: 1,
		NetworkMode: "awsvpc", Containers: defs,
		Interface: orchestrator.Interface{VPC: vpc, Address: netip.AddrFrom4(a), MAC: fmt.Sprintf("02:42:0a:00:00:%02x", host)},
	}
}

func run(t *testing.T, e *Engine, s orchestrator.TaskSpec) {
	t.Helper()
	if err := e.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// said is all that a container has written, until it ends.
func said(t *testing.T, e *Engine, s orchestrator.TaskSpec, name string) string {
	t.Helper()
	r, err := e.Logs(t.Context(), s.ARN, name, LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantText(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

func TestRun_GivesTheProcessWhatTheDefinitionSays(t *testing.T) {
	e := testEngine(t)
	s := task(20, taskdefs.ContainerDefinition{
		Name: "app", User: "7", WorkingDirectory: "/tmp",
		Command:        []string{"print", "GREETING", "INJECTED", "/etc/hosts", "/proc/self/limits", "/proc/sys/net/ipv4/tcp_keepalive_time"},
		Environment:    []taskdefs.KeyValue{{Name: "GREETING", Value: "hello"}},
		Ulimits:        []taskdefs.Ulimit{{Name: "nofile", SoftLimit: 1234, HardLimit: 1234}},
		ExtraHosts:     []taskdefs.HostEntry{{Hostname: "db.local", IPAddress: "10.9.8.7"}},
		SystemControls: []taskdefs.SystemControl{{Namespace: "net.ipv4.tcp_keepalive_time", Value: "77"}},
	})
	s.Env = map[string]string{"GREETING": "lost", "INJECTED": "yes"}
	s.Hosts = map[string]string{"users.internal": "10.1.2.3"}
	run(t, e, s)
	wantText(t, said(t, e, s, ""),
		"GREETING=hello\n", "INJECTED=yes\n", "uid 7 dir /tmp", "host "+hostname(s), "1234",
		"10.1.2.3\tusers.internal", "10.9.8.7\tdb.local", "tcp_keepalive_time: 77")
}

func TestRun_OneContainerHasTheTasksAddress(t *testing.T) {
	e := testEngine(t)
	s := task(21, taskdefs.ContainerDefinition{Name: "app", Command: []string{"addresses"}})
	run(t, e, s)
	wantText(t, said(t, e, s, "app"), s.Interface.MAC, s.Interface.Address.String()+"/24")
}

func TestRun_SeveralContainersShareNamespaceAndVolume(t *testing.T) {
	e := testEngine(t)
	mount := []taskdefs.MountPoint{{SourceVolume: "shared", ContainerPath: "/tmp"}}
	s := task(22,
		taskdefs.ContainerDefinition{Name: "writer", Command: []string{"write", "/tmp/note", "from the writer"}, MountPoints: mount},
		taskdefs.ContainerDefinition{Name: "server", Command: []string{"serve", "127.0.0.1:80", "localhost"}},
		taskdefs.ContainerDefinition{Name: "reader", Command: []string{"print", "/tmp/note"}, MountPoints: mount,
			DependsOn: []taskdefs.ContainerDependency{{ContainerName: "writer", Condition: "SUCCESS"}}},
		taskdefs.ContainerDefinition{Name: "addresses", Command: []string{"addresses"}},
		taskdefs.ContainerDefinition{Name: "client", Command: []string{"get", "http://127.0.0.1/"}},
	)
	s.Volumes = []taskdefs.Volume{{Name: "shared"}}
	run(t, e, s)
	wantText(t, said(t, e, s, "reader"), "from the writer", "host "+hostname(s))
	wantText(t, said(t, e, s, "addresses"), s.Interface.MAC, s.Interface.Address.String())
	if err := e.Stop(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	wantText(t, said(t, e, s, "client"), "served by localhost")
	list, _ := e.containers(t.Context(), s.ARN)
	for _, c := range list {
		if c.State != container.StateExited {
			t.Errorf("after Stop %s is %s", c.Names, c.State)
		}
	}
	if err := e.Remove(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, e, s.ARN)
}

func wantNothing(t *testing.T, e *Engine, task string) {
	t.Helper()
	list, err := e.containers(context.Background(), task)
	if len(list) != 0 || err != nil {
		t.Errorf("containers left: %v, %v", list, err)
	}
	if err := e.removeVolumes(context.Background(), task); err != nil {
		t.Error(err)
	}
}

func TestRun_PullFailureInFargatesWords(t *testing.T) {
	e := testEngine(t)
	err := e.Run(t.Context(), task(19, taskdefs.ContainerDefinition{Name: "app", Image: missingImage}))
	if err == nil {
		t.Fatal("Run() pulled what is not there")
	}
	wantText(t, err.Error(), "CannotPullContainerError: ref pull has been retried 1 time(s): failed to pull "+missingImage)
}

// TestList_ShowsATaskThatHasANamespaceOnly: a task whose first image cannot be pulled has left a
// namespace, and is not gone until it is removed.
func TestList_ShowsATaskThatHasANamespaceOnly(t *testing.T) {
	e := testEngine(t)
	missing := taskdefs.ContainerDefinition{Name: "first", Image: "drydock.invalid/missing:1"}
	s := task(47, missing, taskdefs.ContainerDefinition{Name: "second", Image: missing.Image})
	var failed *orchestrator.StartError
	if err := e.Run(t.Context(), s); !errors.As(err, &failed) {
		t.Fatalf("Run: %v", err)
	}
	list, err := e.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Task != s.ARN || len(list[0].Containers) != 0 {
		t.Errorf("List = %+v, %v", list, err)
	}
	if err := e.Remove(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, e, s.ARN)
	if list, err := e.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after Remove: %+v, %v", list, err)
	}
}

func TestRun_FindsWhatACrashLeft(t *testing.T) {
	e := testEngine(t)
	s := task(23, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}})
	// Created and not started: that is how far the call came.
	if err := e.ensureNetwork(t.Context(), s.Interface.VPC); err != nil {
		t.Fatal(err)
	}
	c, h := e.containerConfig(s, 0), e.hostConfig(s, s.Containers[0])
	h.Ulimits = nil
	id, err := e.create(t.Context(), request{"app", e.containerName(s, "app"), c, h, e.own(s, c, h), s.Interface.VPC, ""})
	if err != nil {
		t.Fatal(err)
	}
	run(t, e, s)
	if list, _ := e.List(t.Context()); len(list) != 1 || list[0].Containers[0].RuntimeID != id || list[0].Containers[0].Status != orchestrator.ContainerRunning {
		t.Errorf("List() = %+v, want %s running", list, id)
	}
}

func TestRun_AtTheSameTimeIsRunOnce(t *testing.T) {
	e := testEngine(t)
	s := task(24, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}}, taskdefs.ContainerDefinition{Name: "other", Command: []string{"graceful"}})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := e.Run(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, _ := e.containers(t.Context(), s.ARN); len(list) != 3 {
		t.Errorf("%d containers, want two and the pause container", len(list))
	}
}

func TestRun_LeavesAForeignContainerAlone(t *testing.T) {
	e := testEngine(t)
	s := task(25, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}})
	name := e.containerName(s, "app")
	foreign, err := e.client.ContainerCreate(t.Context(), &container.Config{Image: testImage}, nil, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.client.ContainerRemove(context.Background(), foreign.ID, container.RemoveOptions{Force: true})
	})
	err = e.Run(t.Context(), s)
	var why *orchestrator.StartError
	if !errors.As(err, &why) || why.Name != "CannotCreateContainerError" || !strings.Contains(err.Error(), "docker rm") {
		t.Errorf("Run() = %v, want CannotCreateContainerError and the remedy", err)
	}
	if err := errors.Join(e.Remove(t.Context(), s.ARN), e.Purge(t.Context())); err != nil {
		t.Error(err)
	}
	if _, err := e.client.ContainerInspect(t.Context(), foreign.ID); err != nil {
		t.Errorf("the foreign container: %v", err)
	}
}

func TestRun_DoesWithoutALimitThatDockerCannotRaise(t *testing.T) {
	e := testEngine(t)
	e.ownNofile.Store(false)
	s := task(34, taskdefs.ContainerDefinition{Name: "app", Command: []string{"print", "/proc/self/limits"}})
	run(t, e, s)
	text := said(t, e, s, "")
	if !e.ownNofile.Load() {
		wantText(t, text, "65535")
	}
}

func TestNetwork_ComesBack(t *testing.T) {
	e := testEngine(t)
	first := task(26, taskdefs.ContainerDefinition{Name: "app", Command: []string{"finishing"}})
	run(t, e, first)
	said(t, e, first, "") // until it has ended
	if err := e.Remove(t.Context(), first.ARN); err != nil {
		t.Fatal(err)
	}
	if err := e.client.NetworkRemove(t.Context(), e.networkName(testVPC().ID)); err != nil {
		t.Fatal(err)
	}
	run(t, e, task(27, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}}))
}

func TestNetwork_IsOursAndNotAnothersRange(t *testing.T) {
	e := testEngine(t)
	other := newEngine(t, randomHex(4))
	vpc := testVPC()
	if err := e.ensureNetwork(t.Context(), vpc); err != nil {
		t.Fatal(err)
	}
	if used, err := e.UsedPrefixes(t.Context()); err != nil || slices.Contains(used, vpc.CIDR) {
		t.Errorf("UsedPrefixes() = %v, %v, with our own", used, err)
	}
	if used, err := other.UsedPrefixes(t.Context()); err != nil || !slices.Contains(used, vpc.CIDR) {
		t.Errorf("UsedPrefixes() = %v, %v, without another instance's %s", used, err, vpc.CIDR)
	}
	routes, err := HostRoutes()
	if err != nil || !slices.Contains(routes, Route{BridgeName(e.config.Instance, vpc.ID), vpc.CIDR}) {
		t.Errorf("HostRoutes() = %v, %v, without our bridge", routes, err)
	}
	e.forgetNetworks()
	vpc.CIDR = netip.MustParsePrefix("10.179.0.0/24")
	if err := e.ensureNetwork(t.Context(), vpc); err == nil || !strings.Contains(err.Error(), "docker network rm") {
		t.Errorf("another range: %v, want the remedy", err)
	}
}

func TestPurge_LeavesNothing(t *testing.T) {
	e := testEngine(t)
	def := taskdefs.ContainerDefinition{Name: "app", Command: []string{"stubborn"}, MountPoints: []taskdefs.MountPoint{{SourceVolume: "v", ContainerPath: "/v"}}}
	s := task(28, def, taskdefs.ContainerDefinition{Name: "two", Command: []string{"graceful"}})
	s.Volumes = []taskdefs.Volume{{Name: "v"}}
	run(t, e, s)
	if err := e.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, e, "")
	used, err := newEngine(t, randomHex(4)).UsedPrefixes(t.Context())
	if err != nil || slices.Contains(used, s.Interface.VPC.CIDR) {
		t.Errorf("networks in use: %v, %v", used, err)
	}
}

func TestExec(t *testing.T) {
	e := testEngine(t)
	s := task(29, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}})
	run(t, e, s)
	var out, errs strings.Builder
	code, err := e.Exec(t.Context(), s.ARN, "app", ExecOptions{Command: []string{"/app", "print", "/etc/hostname"}, Stdout: &out, Stderr: &errs})
	if code != 0 || err != nil || !strings.Contains(out.String(), hostname(s)) || !strings.Contains(errs.String(), "uid 0") {
		t.Errorf("Exec() = %d, %v: %q, %q", code, err, out.String(), errs.String())
	}
	code, err = e.Exec(t.Context(), s.ARN, "", ExecOptions{Command: []string{"/app", "failing"}, TTY: true, Stdin: strings.NewReader("")})
	if code != 3 || err != nil {
		t.Errorf("Exec() = %d, %v, want 3", code, err)
	}
	var missing *NotFoundError
	if _, err := e.Exec(t.Context(), s.ARN, "nobody", ExecOptions{}); !errors.As(err, &missing) {
		t.Errorf("Exec() = %v, want a NotFoundError", err)
	}
}

func TestLogs_Tail(t *testing.T) {
	e := testEngine(t)
	s := task(30, taskdefs.ContainerDefinition{Name: "app", Command: []string{"print", "A", "B"}})
	run(t, e, s)
	said(t, e, s, "")
	r, err := e.Logs(t.Context(), s.ARN, "app", LogOptions{Tail: 1, Timestamps: true, Since: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, _ := io.ReadAll(r)
	if strings.Count(string(text), "\n") != 1 {
		t.Errorf("Logs() = %q, want one line", text)
	}
}

func TestBuild(t *testing.T) {
	e := testEngine(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": "FROM " + testImage + "\nARG WORD\nENV WORD=$WORD\nCOPY . /src/\n", ".dockerignore": "secret\n", "secret": "x", "a/b": "y",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tag := "drydock-engine-test:" + e.config.Instance
	var progress strings.Builder
	if err := e.Build(t.Context(), BuildOptions{Dir: dir, Tag: tag, Args: map[string]string{"WORD": "built"}, Output: &progress}); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	t.Cleanup(func() {
		e.Purge(context.Background())
		removeImage(e, tag)
	})
	s := task(31, taskdefs.ContainerDefinition{Name: "app", Image: tag, Command: []string{"print", "WORD", "/src/a/b", "/src/secret"}})
	run(t, e, s)
	text := said(t, e, s, "")
	wantText(t, text, "WORD=built", "/src/a/b: y", "/src/secret:  open")
	os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM "+testImage+"\nCOPY nowhere /\n"), 0o644)
	if err := e.Build(t.Context(), BuildOptions{Dir: dir, Tag: tag}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("Build() = %v, want the builder's error", err)
	}
}

func TestList_SeesARestartBehindItsBack(t *testing.T) {
	e := testEngine(t)
	s := task(32, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}})
	run(t, e, s)
	changes, err := e.Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-changes
	before, _ := e.List(t.Context())
	if err := e.client.ContainerRestart(t.Context(), before[0].Containers[0].RuntimeID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	for range changes {
		after, err := e.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := after[0].Containers[0]
		if c.Status == orchestrator.ContainerRunning && c.StartedAt.After(before[0].Containers[0].StartedAt) {
			return
		}
	}
}
