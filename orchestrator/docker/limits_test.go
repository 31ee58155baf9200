package docker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// TestTask_MemoryIsOfAllItsContainers: neither container has a limit of its own, together they have the task's.
func TestTask_MemoryIsOfAllItsContainers(t *testing.T) {
	e := testEngine(t)
	s := task(61, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}}, taskdefs.ContainerDefinition{Name: "hungry", Command: []string{"hungry"}})
	s.Memory, s.CPU = 48, 256
	if _, err := e.Changes(t.Context()); err != nil { // Docker may tell the reason after the exit, and only so
		t.Fatal(err)
	}
	run(t, e, s)
	said(t, e, s, "hungry") // until it has ended
	for deadline := 100; ; deadline-- {
		list, err := e.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := list[0].Containers[1]
		if c.Status == orchestrator.ContainerStopped && c.OOMKilled {
			if c.ExitCode != 137 {
				t.Errorf("the one that took too much: %+v", c)
			}
			break
		}
		if deadline == 0 {
			t.Fatalf("still %+v", c)
		}
		sleep(t.Context(), poll)
	}
	if e.cgroups.root == "" {
		t.Skip("no cgroups of our own here")
	}
	for name, want := range map[string]string{"memory/%/memory.limit_in_bytes": "50331648", "cpu/%/cpu.cfs_quota_us": "25000", "cpu/%/cpu.shares": "256"} {
		if e.cgroups.v2 {
			break
		}
		path := filepath.Join(cgroupRoot, strings.Replace(name, "%", e.cgroupName(s.ARN), 1))
		if got, err := os.ReadFile(path); strings.TrimSpace(string(got)) != want {
			t.Errorf("%s is %s (%v), want %s", path, got, err, want)
		}
	}
	if err := e.Remove(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	for _, dir := range e.cgroups.dirs(e.cgroupName(s.ARN)) {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
	if err := e.Purge(t.Context()); err != nil || len(e.cgroups.dirs("/drydock-"+e.config.Instance)) > 0 && !e.cgroups.v2 {
		t.Errorf("Purge leaves cgroups: %v", err)
	}
}

func TestTask_SharesProcesses(t *testing.T) {
	e := testEngine(t)
	s := task(62, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}},
		taskdefs.ContainerDefinition{Name: "look", Command: []string{"print", "/proc/1/cmdline"},
			DependsOn: []taskdefs.ContainerDependency{{ContainerName: "app", Condition: "START"}}})
	s.PIDMode, s.IPCMode = "task", "task"
	run(t, e, s)
	wantText(t, said(t, e, s, "look"), "/pause")
	if err := e.Stop(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	if list, _ := e.List(t.Context()); list[0].Containers[0].ExitCode != 0 {
		t.Errorf("after Stop: %+v", list[0].Containers[0])
	}
}

// TestVolumes_Shared: a shared volume is made where that is asked for, and outlives its task.
func TestVolumes_Shared(t *testing.T) {
	e := testEngine(t)
	name := "drydock-engine-test-" + e.config.Instance
	t.Cleanup(func() { e.client.VolumeRemove(context.Background(), name, true) })
	write := func(host byte, path string) orchestrator.TaskSpec {
		s := task(host, taskdefs.ContainerDefinition{Name: "app", Command: []string{"print", path},
			MountPoints: []taskdefs.MountPoint{{SourceVolume: name, ContainerPath: "/all"}}})
		s.Volumes = []taskdefs.Volume{{Name: name, DockerVolume: &taskdefs.DockerVolume{Scope: "shared"}}}
		return s
	}
	s := write(63, "/all/note")
	if err := e.Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "CannotCreateVolumeError") {
		t.Errorf("Run() = %v without the volume and without autoprovision", err)
	}
	s.Volumes[0].DockerVolume.Autoprovision = true
	s.Containers[0].Command = []string{"write", "/all/note", "kept"}
	run(t, e, s)
	said(t, e, s, "app")
	if err := e.Remove(t.Context(), s.ARN); err != nil {
		t.Fatal(err)
	}
	second := write(64, "/all/note")
	run(t, e, second)
	wantText(t, said(t, e, second, "app"), "kept")
}

// TestStop_SendsTheImagesSignal: SIGTERM unless the image's STOPSIGNAL is another (ECS-176).
func TestStop_SendsTheImagesSignal(t *testing.T) {
	e := testEngine(t)
	image := "drydock-engine-test:" + e.config.Instance
	made, err := e.client.ContainerCreate(t.Context(), &container.Config{Image: testImage}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.client.ContainerCommit(t.Context(), made.ID, container.CommitOptions{Reference: image, Config: &container.Config{Entrypoint: []string{"/app"}, StopSignal: "SIGQUIT"}})
	if err := errors.Join(err, e.client.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Purge(context.Background()); removeImage(e, image) })
	for n, c := range []struct {
		image string
		init  bool
		want  int
	}{{testImage, false, 115}, {image, false, 103}, {image, true, 103}} {
		s := task(byte(65+n), taskdefs.ContainerDefinition{Name: "app", Image: c.image, Command: []string{"signal"},
			LinuxParameters: &taskdefs.LinuxParameters{InitProcessEnabled: c.init}})
		run(t, e, s)
		sleep(t.Context(), 300*time.Millisecond) // until it listens
		if err := e.Stop(t.Context(), s.ARN); err != nil {
			t.Fatal(err)
		}
		list, err := e.containers(t.Context(), s.ARN)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		got, err := e.inspect(t.Context(), list[0])
		if err != nil || got.ExitCode != c.want {
			t.Errorf("%s, init %v: exited %d (%v), want %d", c.image, c.init, got.ExitCode, err, c.want)
		}
	}
}
