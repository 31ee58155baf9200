package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	docker "github.com/docker/docker/client"
)

// ownEngine is a Docker engine of a test's own, which it may stop and kill: the machine's is left
// alone. It has its own containerd, directories and bridge, and never touches iptables.
type ownEngine struct {
	*testing.T
	dir     string
	options []string
	process *process
	client  *docker.Client
}

// ownEngines counts them: each has a bridge of its own.
var ownEngines atomic.Int32

// newProgram starts a daemon that uses this engine, and so do the verbs. Its range is one that no
// daemon of the machine's engine would choose: neither engine knows the other's networks.
func (e *ownEngine) newProgram(bits int) *program {
	e.Helper()
	return startInstallation(e.T, &installation{docker: e.host(), options: []string{"--vpc-cidr", freeRange(e.T, bits)}})
}

// newOwnEngine starts an engine, which lives until the test ends.
func newOwnEngine(t *testing.T, options ...string) *ownEngine {
	t.Helper()
	requireDocker(t)
	requireOwnEngine(t)
	dir, err := os.MkdirTemp("", "drydock-engine-") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	e := &ownEngine{T: t, dir: dir, options: options}
	bridge := e.makeBridge()
	t.Cleanup(func() { e.remove(bridge) })
	e.options = append([]string{"--host", e.host(), "--data-root", dir + "/data", "--exec-root", dir + "/run", "--pidfile", dir + "/pid",
		"--bridge", bridge, "--iptables=false", "--ip6tables=false", "--ip-masq=false"}, options...)
	if e.client, err = docker.NewClientWithOpts(docker.WithHost(e.host()), docker.WithAPIVersionNegotiation()); err != nil {
		t.Fatal(err)
	}
	e.Start()
	return e
}

func requireOwnEngine(t *testing.T) {
	t.Helper()
	_, noDockerd := exec.LookPath("dockerd")
	_, noIP := exec.LookPath("ip")
	err := errors.Join(noDockerd, noIP)
	if os.Geteuid() != 0 {
		err = errors.Join(err, errors.New("not root"))
	}
	if err != nil && os.Getenv("DRYDOCK_TEST_REQUIRE_DOCKER") == "1" {
		t.Fatalf("a second Docker engine cannot run here: %v", err)
	}
	if err != nil {
		t.Skipf("a second Docker engine cannot run here: %v", err)
	}
}

func (e *ownEngine) host() string { return "unix://" + e.dir + "/docker.sock" }

// makeBridge makes the default network's bridge: an engine without one would remove the machine's.
func (e *ownEngine) makeBridge() string {
	e.Helper()
	n := ownEngines.Add(1)
	name := fmt.Sprintf("ddtest%d-%d", os.Getpid()%100000, n)
	address := fmt.Sprintf("10.253.%d.%d/28", os.Getpid()%256, n%16*16+1)
	for _, args := range [][]string{{"link", "add", name, "type", "bridge"}, {"addr", "add", address, "dev", name}, {"link", "set", name, "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			e.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return name
}

// Start starts the engine and waits until it answers.
func (e *ownEngine) Start() {
	e.Helper()
	e.process = startProgram(e.T, "dockerd", e.options...)
	eventually(e.T, "dockerd answers", func() error {
		if e.process.ended() {
			e.Fatalf("dockerd ended:\n%s", e.process.log.tail())
		}
		_, err := e.client.Ping(context.Background())
		return err
	})
}

// Terminate ends the engine as `systemctl stop docker` does.
func (e *ownEngine) Terminate() { e.end(syscall.SIGTERM) }

// Kill ends the engine, and its containerd with it. The containers go on.
func (e *ownEngine) Kill() {
	e.Helper()
	e.end(syscall.SIGKILL)
	pidFile := e.dir + "/run/containerd/containerd.pid"
	text, _ := os.ReadFile(pidFile)
	pid, _ := strconv.Atoi(string(text))
	for slices.Contains(processesWith(e.dir), pid) {
		syscall.Kill(pid, syscall.SIGKILL)
		time.Sleep(50 * time.Millisecond)
	}
	os.Remove(pidFile) // the next dockerd would wait for whoever has that pid by then
}

func (e *ownEngine) end(s os.Signal) {
	e.Helper()
	e.process.signal(e.T, s)
	e.process.wait(e.T)
}

// remove ends all that the engine has started, and removes its files.
func (e *ownEngine) remove(bridge string) {
	if e.process != nil && !e.process.ended() {
		e.Terminate()
	}
	for _, pid := range processesWith(e.dir) {
		e.Logf("process %d is left of the engine", pid)
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, mount := range mountsBelow(e.dir) {
		syscall.Unmount(mount, syscall.MNT_DETACH)
	}
	if out, err := exec.Command("ip", "link", "del", bridge).CombinedOutput(); err != nil {
		e.Errorf("remove %s: %v\n%s", bridge, err, out)
	}
	if err := os.RemoveAll(e.dir); err != nil {
		e.Error(err)
	}
}

// processesWith returns the processes that name a directory on their command line.
func processesWith(dir string) (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range found {
		text, err := os.ReadFile(name)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && pid != os.Getpid() && strings.Contains(string(text), dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// mountsBelow returns what is mounted below a directory, the deepest first.
func mountsBelow(dir string) (mounts []string) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			mounts = append([]string{fields[1]}, mounts...)
		}
	}
	return mounts
}
