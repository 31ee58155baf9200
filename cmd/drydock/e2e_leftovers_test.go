package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"drydock/alb/control"
)

// TestLeftovers_OfDaemonsThatWereKilled: what has its state is left alone, and said how to go on
// with; what has lost it goes with the next down --all.
func TestLeftovers_OfDaemonsThatWereKilled(t *testing.T) {
	t.Parallel()
	kept, lost := newProgram(t), newProgram(t)
	for _, p := range []*program{kept, lost} {
		p.Run("up", smallDir)
		p.Kill()
	}
	if pid := control.Holder(lost.state); pid != 0 {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	lost.Eventually("the node has ended", func() error {
		if pid := control.Holder(lost.state); pid != 0 {
			return fmt.Errorf("it runs: pid %d", pid)
		}
		return nil
	})
	if err := os.RemoveAll(lost.state); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t)
	told := doctorOf(p)
	wantCheck(t, told, kept.instance, "drydock down --all --state-dir "+kept.state)
	wantCheck(t, told, lost.instance, "`drydock down --all` removes them")
	if text := told[p.instance]; text != "" {
		t.Errorf("the daemon that runs is told of as left behind: %s", text)
	}

	p.downAll()
	if left := append(lost.removeContainers(), append(lost.removeNetworks(), lost.removeRules()...)...); left != nil {
		t.Errorf("down --all has left what nobody can take up:\n%s", strings.Join(left, "\n"))
	}
	kept.Start()
	kept.awaitSteady("web")
	if status, body := kept.Get(80, "/api/users/1"); status != 200 {
		t.Errorf("what had its state was harmed: %d %s", status, body)
	}
	lost.process = nil // there is nothing that its clean-up could end
	p.Start()
	p.instance = p.Status().Daemon.Instance
	for instance, text := range doctorOf(p) {
		if instance == kept.instance || instance == lost.instance {
			t.Errorf("left behind now: %s", text)
		}
	}
}

// doctorOf returns what `drydock doctor` says of what is left behind, by instance.
func doctorOf(p *program) map[string]string {
	p.Helper()
	_, out := p.Try("doctor", "--state-dir", p.state)
	told := map[string]string{}
	for line := range strings.Lines(out.stdout) {
		if _, rest, ok := strings.Cut(line, "network drydock-"); ok && strings.Contains(line, "left behind") {
			instance, _, _ := strings.Cut(rest, "-")
			told[instance] = line
		}
	}
	return told
}

func wantCheck(t *testing.T, told map[string]string, instance, remedy string) {
	t.Helper()
	if text := told[instance]; !strings.Contains(text, " containers and ") || !strings.Contains(text, remedy) || os.Geteuid() == 0 && !strings.Contains(text, "firewall rules dd"+instance[:6]) {
		t.Errorf("doctor says %q of %s, want %q", text, instance, remedy)
	}
}
