package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"drydock/timeline"
)

// TestDaemon_SaysWhyItDoesNotStart starts daemons where they cannot run.
func TestDaemon_SaysWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	listen := strings.TrimPrefix(p.endpoint, "http://")
	for _, test := range []struct {
		name   string
		env    []string
		args   []string
		wanted []string
	}{
		{"StateDirInUse", nil, []string{"--listen", "127.0.0.1:0", "--state-dir", p.state},
			[]string{fmt.Sprintf("pid %d", p.process.command.Process.Pid), p.state, "--state-dir"}},
		{"AddressInUse", nil, []string{"--listen", listen, "--state-dir", t.TempDir()}, []string{listen, "address already in use", "--listen"}},
		{"NoDocker", []string{"DOCKER_HOST=unix:///nowhere/docker.sock"}, []string{"--listen", "127.0.0.1:0", "--state-dir", t.TempDir()},
			[]string{"/nowhere/docker.sock", "DOCKER_HOST"}},
		{"NoSecrets", nil, []string{"--listen", "127.0.0.1:0", "--state-dir", t.TempDir(), "--secrets", "/nowhere/secrets"},
			[]string{"--secrets", "/nowhere/secrets", "no such file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"daemon"}, test.args...)
			code, out := runBinary(t, test.env, args...)
			checkRefusal(t, args, exitFailed, test.wanted, code, out)
		})
	}
	checkNoneBegun(t, p)
	if s := p.Status(); s.Daemon.PID != p.process.command.Process.Pid {
		t.Errorf("the first daemon was harmed: %+v", s.Daemon)
	}
}

// checkNoneBegun wants no network of a daemon of this test, but the one that runs.
func checkNoneBegun(t *testing.T, running *program) {
	t.Helper()
	engine := dockerClient(t)
	defer engine.Close()
	list, err := engine.NetworkList(t.Context(), network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "drydock.home"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		if home := n.Labels["drydock.home"]; strings.Contains(home, filepath.Dir(running.state)) && n.Labels["drydock.instance"] != running.instance {
			t.Errorf("a daemon that did not start has left network %s, for %s", n.Name, home)
		}
	}
}

// TestUp_SaysWhatIsWrong gives up what it cannot do.
func TestUp_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	t.Run("BrokenFile", func(t *testing.T) {
		p.on(t).Fail(exitUsage, []string{"testdata/e2e/broken/drydock.yaml:5", "desiredCount"}, "up", "testdata/e2e/broken")
	})
	t.Run("ListenerPortTaken", func(t *testing.T) { listenerPortTaken(p.on(t)) })
	t.Run("MissingImage", func(t *testing.T) { missingImage(p.on(t)) })
}

// listenerPortTaken has another program on the port, and lets it go.
func listenerPortTaken(p *program) {
	other := listenOn(p.T, fmt.Sprintf("127.0.0.1:%d", 80+p.offset))
	p.Fail(exitFailed, []string{other.Addr().String(), "address already in use", "--port-offset", "drydock up"}, "up", smallDir)
	for _, lb := range p.Status().LoadBalancers {
		if len(lb.Listeners) != 0 {
			p.Errorf("a refused listener is there: %+v", lb.Listeners)
		}
	}
	if err := other.Close(); err != nil {
		p.Fatal(err)
	}
	p.Run("up", smallDir)
	if status, body := p.Get(80, "/api/users/1"); status != 200 {
		p.Errorf("once the port is free: %d %s", status, body)
	}
}

// missingImage deploys what no registry has; the old tasks go on serving.
func missingImage(p *program) {
	before := p.tasksOf("web")
	p.Fail(exitFailed, []string{"CannotPullContainerError", "127.0.0.1:1/no/such:image"},
		"deploy", "web", "--image", "127.0.0.1:1/no/such:image", "--timeout", "60s")
	if !slices.ContainsFunc(p.Events(), func(e timeline.Event) bool { return strings.Contains(e.Message, "CannotPullContainerError") }) {
		p.Error("no event tells of the image that cannot be pulled")
	}
	p.checkAdopted(before)
	p.checkLoadLosesNothing()
	p.Run("rollback", "web")
	p.checkLoadLosesNothing()
}

// TestFullRange_WaitsForAddresses wants more tasks than the smallest VPC has addresses for.
func TestFullRange_WaitsForAddresses(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "--vpc-cidr", freeRange(t, 27))
	p.Run("up", "testdata/e2e/crowd")
	p.Run("scale", "web=40", "--no-wait")
	isFull := func(e timeline.Event) bool {
		return e.Kind != timeline.APICall && strings.Contains(e.Message, "address") && strings.Contains(e.Message, "free")
	}
	p.Eventually("an event says that there is no address", func() error {
		if !slices.ContainsFunc(p.Events(), isFull) {
			return fmt.Errorf("%s", p.Run("events", "-n", "10"))
		}
		return nil
	})
	p.Run("scale", "web=2")
	if n := len(p.tasksOf("web")); n != 2 {
		t.Errorf("%d tasks run after scaling down, want 2", n)
	}
}

// ranges are those that tests have been given.
var ranges sync.Map

// freeRange returns a small range that nothing on this machine uses: for a range in use the
// daemon would take another one, of any size.
func freeRange(t *testing.T, bits int) string {
	t.Helper()
	for i := range 256 {
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 213, byte(i), 0}), bits)
		if checkRange(t.Context(), nil, cidr).Verdict != VerdictOK {
			continue
		}
		if _, given := ranges.LoadOrStore(i, true); !given {
			return cidr.String()
		}
	}
	t.Fatal("10.213.0.0/16 is full")
	return ""
}
