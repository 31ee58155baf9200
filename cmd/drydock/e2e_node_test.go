package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"drydock/alb/control"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// killRounds is how often the daemon is killed under load: 100 in the long mode.
func killRounds() int {
	if os.Getenv("DRYDOCK_TEST_LONG") == "1" {
		return 100
	}
	return 5
}

const killRate = 500 // requests per second

// loadAt starts an open-loop load of a rate.
func (p *program) loadAt(rate int, path string) *load {
	p.Helper()
	l := &load{startProcess(p.T, "load", p.URL(80, path), "--rate", fmt.Sprint(rate), "--duration", "20m", "--output", "json")}
	p.Cleanup(l.stop)
	begun := time.Now()
	p.Eventually("the load has begun", func() error {
		if len(p.Outcomes(begun)) == 0 {
			return errors.New("no request has ended")
		}
		return nil
	})
	return l
}

// checkNoneFailed ends a load and wants a good answer to every request.
func (p *program) checkNoneFailed(l *load) {
	p.Helper()
	report := l.End(p.T)
	p.Logf("%d requests at %g/s, statuses %v, p99 %v, longest %v", report.Requests, report.Rate, report.Statuses, report.Latency.P99, report.Latency.Max)
	if report.Requests == 0 || report.Failed != 0 || report.Statuses["200"] != report.Requests || len(report.Errors) != 0 {
		p.Errorf("%d of %d requests failed: %v %v %v", report.Failed, report.Requests, report.Statuses, report.Errors, report.Failures)
	}
}

// TestKill_DaemonUnderLoadLosesNothing kills the daemon again and again.
func TestKill_DaemonUnderLoadLosesNothing(t *testing.T) { // not side by side with others: it sends hundreds of requests a second
	p := newProgram(t)
	p.Run("up", smallDir)
	node := p.Status().Node
	requests := p.loadAt(killRate, "/api/users/1")
	for i := range killRounds() {
		p.serveFor(i * 37 % 500) // so that it is killed at several moments of its start, too
		p.Kill()
		p.serveFor(500)
		p.Start()
		if s := p.Status(); s.Node.PID != node.PID || s.Node.Error != "" {
			t.Fatalf("node %+v, before %+v", s.Node, node)
		}
	}
	p.Eventually("the daemon has found the node", func() error { return p.nodeSays("goes on: pid " + fmt.Sprint(node.PID)) })
	p.awaitSteady("web")
	p.checkNoneFailed(requests)
}

// serveFor lets the load go on for a time, in milliseconds.
func (p *program) serveFor(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }

// nodeSays looks for an event about the node's process since the daemon's last start.
func (p *program) nodeSays(text string) error {
	events := p.Events()
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		if e.Subject == "load balancer node" && strings.Contains(e.Message, text) {
			return nil
		}
		if e.Subject == "drydock" && strings.Contains(e.Message, fmt.Sprintf("started, pid %d", p.process.command.Process.Pid)) {
			break
		}
	}
	return fmt.Errorf("no event says %q", text)
}

// TestDead_NodeGoesOn looks at what the node does while no daemon runs, and what the next
// daemon knows of it.
func TestDead_NodeGoesOn(t *testing.T) { // not side by side with others: it sends hundreds of requests a second
	p := newProgram(t)
	p.Run("up", smallDir)
	p.setDrain(3)
	before := p.Status()
	tasks := p.tasksOf("web")
	p.Run("stop-task", tasks[0].ID, "--no-wait")
	p.Eventually("a target drains", func() error {
		if !draining(p.Status()) {
			return errors.New("none does")
		}
		return nil
	})
	p.Kill()
	node := control.NewClient(control.Config{StateDir: p.state})
	victim := tasks[1]
	engine := dockerClient(t)
	defer engine.Close()
	if err := engine.ContainerPause(t.Context(), victim.Containers[0].RuntimeID); err != nil {
		t.Fatal(err)
	}
	p.Eventually("the node finds the paused task unhealthy", func() error {
		s, err := node.State(t.Context())
		if err != nil {
			return err
		}
		for _, target := range s.Targets {
			if target.State == "unhealthy" {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.Targets)
	})
	failedAt := time.Now()
	p.failOnce()
	if err := engine.ContainerUnpause(t.Context(), victim.Containers[0].RuntimeID); err != nil {
		t.Fatal(err)
	}
	p.Start()
	if now := p.Status().Node; now.PID != before.Node.PID {
		t.Errorf("the node is %+v, before %+v", now, before.Node)
	}
	p.awaitSteady("web")
	p.Eventually("the daemon tells of the target's state", func() error { return p.targetWas(victim.ARN, "unhealthy") })
	p.Eventually("why knows what failed meanwhile", func() error {
		for _, c := range p.Why().Clusters {
			if !c.Window.To.Before(failedAt.Add(-time.Minute)) && c.Count > 0 {
				return nil
			}
		}
		return fmt.Errorf("%s", p.Run("why"))
	})
	if e := p.Why(); e.Missing != "" || e.Failed == 0 {
		t.Errorf("why: %+v", e)
	}
}

// failOnce sends a request whose client leaves before the paused task answers: 460.
func (p *program) failOnce() {
	p.Helper()
	impatient := &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	p.Eventually("a request fails", func() error {
		resp, err := impatient.Get(p.URL(80, "/api/users/1"))
		if err != nil {
			return nil
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 500 {
			return nil
		}
		return fmt.Errorf("status %d", resp.StatusCode)
	})
}

func (p *program) targetWas(task, state string) error {
	for _, e := range p.Events() {
		if e.Kind == timeline.TargetState && e.Data["task"] == task && e.Data["to"] == state {
			return nil
		}
	}
	return fmt.Errorf("the target of %s was never %s", task, state)
}

// TestKill_NodeIsStartedAgain kills the load balancers' process.
func TestKill_NodeIsStartedAgain(t *testing.T) { // not side by side with others: it sends hundreds of requests a second
	p := newProgram(t)
	p.Run("up", smallDir)
	for range 3 {
		before := p.Status().Node.PID
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.Eventually("another node answers on the same address", func() error {
			status, _, err := p.get(80, "/api/users/1")
			if s := p.Status().Node; err == nil && (status != 200 || s.PID == before) {
				err = fmt.Errorf("%d from %+v", status, s)
			}
			return err
		})
		p.Eventually("the events tell of it", func() error {
			return errors.Join(p.nodeSays(fmt.Sprintf("load balancer node (pid %d) ended: killed", before)), p.nodeSays("started again"))
		})
	}
	p.awaitSteady("web")
	p.checkLoadLosesNothing()
}

// otherBuild is the same program with another version.
func otherBuild(t *testing.T, version string) string {
	t.Helper()
	drydock(t)
	path := filepath.Join(workshop, "drydock-"+version)
	args := []string{"build", "-ldflags", "-X main.version=" + version, "-o", path}
	if timelinetest.Race {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestUpgrade_RefusesNobody restarts the daemon as a newer version, there and back, under
// load on new connections and on lasting ones.
func TestUpgrade_RefusesNobody(t *testing.T) { // not side by side with others: it sends hundreds of requests a second
	p := newProgram(t)
	next := otherBuild(t, "v999.0.0")
	p.Run("up", smallDir)
	requests := p.loadAt(300, "/api/users/1")
	stop, failures := make(chan struct{}), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.askOnNewConnections(stop, failures)
	}()
	for _, program := range []string{next, drydock(t), next} {
		before := p.Status().Node
		p.serveFor(300)
		p.Terminate()
		p.program = program
		p.Start()
		p.Eventually("a node of this version serves", func() error {
			if s := p.Status().Node; s.PID == before.PID || s.Version == before.Version || s.Error != "" {
				return fmt.Errorf("%+v, before %+v", s, before)
			}
			return p.nodeSays("took the listeners over")
		})
	}
	if err := p.postPrivate("alb/replace"); err != nil {
		t.Errorf("replace the node on request: %v", err)
	}
	close(stop)
	<-done
	select {
	case err := <-failures:
		t.Error(err)
	default:
	}
	p.checkNoneFailed(requests)
	p.Eventually("the replaced nodes are gone", func() error {
		if s := p.Status().Node; s.Retiring != 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// askOnNewConnections asks until it is told to stop, or refused.
func (p *program) askOnNewConnections(stop <-chan struct{}, failures chan<- error) {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if status, body, err := p.get(80, "/api/users/1"); err != nil || status != 200 {
			failures <- fmt.Errorf("a new connection: %d %s %v", status, body, err)
			return
		}
	}
}

// postPrivate has the private API do something.
func (p *program) postPrivate(path string) error {
	body, err := p.client().stream(p.Context(), http.MethodPost, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

// TestDownAll_EndsTheNode removes everything, once with a daemon and once without.
func TestDownAll_EndsTheNode(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"WithADaemon": false, "WithoutADaemon": true} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t)
			p.Run("up", smallDir)
			pid := p.Status().Node.PID
			if killed {
				p.Kill()
				if !running(pid) || rulesWith("dd"+p.instance[:6]) == nil && os.Geteuid() == 0 {
					t.Error("the node and the rules do not outlive the daemon")
				}
			}
			p.downAll()
			if running(pid) {
				t.Errorf("the node (pid %d) runs after down --all", pid)
			}
			if _, _, err := p.get(80, "/api/users/1"); err == nil {
				t.Error("somebody answers after down --all")
			}
			p.checkNothingLeft()
			p.Start() // so that the clean-up finds a daemon
			p.instance = p.Status().Daemon.Instance
		})
	}
}

// running reports whether a process is there and not only waits to be waited for.
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// TestAlb_OneForAStateDirectory starts the node's verb by hand.
func TestAlb_OneForAStateDirectory(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.Run("up", smallDir)
	pid := p.Status().Node.PID
	p.Fail(exitFailed, []string{fmt.Sprintf("pid %d", pid), p.state, "drydock down --all"}, "alb", "--state-dir", p.state)

	p.Kill()
	syscall.Kill(pid, syscall.SIGKILL)
	byHand := startProcess(t, "alb", "--state-dir", p.state)
	t.Cleanup(byHand.stop)
	p.Eventually("it serves with the last configuration", func() error {
		status, _, err := p.get(80, "/api/users/1")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	p.Start()
	p.Eventually("the daemon takes it", func() error { return p.nodeSays("goes on: pid " + fmt.Sprint(byHand.command.Process.Pid)) })
	p.awaitSteady("web")
	var status Status
	if err := json.Unmarshal([]byte(p.Run("status", "--output", "json").stdout), &status); err != nil || status.Node.PID != byHand.command.Process.Pid {
		t.Errorf("%v, %+v", err, status.Node)
	}
	if text := p.Run("status").stdout; !strings.Contains(text, fmt.Sprintf("pid %d", byHand.command.Process.Pid)) {
		t.Errorf("status does not show the node:\n%s", text)
	}
}

// TestLogs_OfALoadBalancer reads what the node's process leaves behind.
func TestLogs_OfALoadBalancer(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.Run("up", smallDir)
	follower := startProcess(t, "logs", "--alb", "small", "-f", "--endpoint", p.endpoint)
	t.Cleanup(follower.stop)
	p.Eventually("the log shows a request", func() error {
		p.Get(80, "/api/users/1")
		if text := follower.stdout.String(); !strings.Contains(text, "GET http://127.0.0.1:") {
			return fmt.Errorf("%q", text)
		}
		return nil
	})
	p.Fail(exitFailed, []string{"no-such"}, "logs", "--alb", "no-such")
	p.Fail(exitUsage, []string{"--alb", "web"}, "logs", "--alb", "small", "web")

	body, err := p.client().stream(t.Context(), http.MethodGet, "metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil || !strings.Contains(string(text), `RequestCount{`) {
		t.Errorf("metrics: %v\n%s", err, text)
	}
}
