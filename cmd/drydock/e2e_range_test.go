package main

import (
	"net/netip"
	"strings"
	"testing"
)

// TestRange_DaemonsThatStartTogether all want the same range: each gets one of its own, and runs
// tasks in it.
func TestRange_DaemonsThatStartTogether(t *testing.T) {
	t.Parallel()
	requireDocker(t)
	drydock(t) // built before they start
	const daemons = 4
	wanted := freeRange(t, 27)
	programs := make([]*program, daemons)
	for n := range programs {
		programs[n] = newInstallation(t, &installation{options: []string{"--vpc-cidr", wanted, "--warm-pool", "0"}})
		programs[n].launch()
	}
	ranges := map[string]int{}
	for _, p := range programs {
		p.awaitServing()
		s := p.Status().Daemon
		p.instance = s.Instance
		ranges[s.CIDR]++
	}
	t.Logf("ranges %v", ranges)
	if len(ranges) != daemons || ranges[wanted] != 1 {
		t.Errorf("ranges %v of %d daemons, all of which wanted %s", ranges, daemons, wanted)
	}
	for _, p := range programs[:2] {
		p.Run("up", smallDir)
		task := p.tasksOf("web")[0]
		if cidr := p.Status().Daemon.CIDR; !netip.MustParsePrefix(cidr).Contains(netip.MustParseAddr(task.Address)) {
			t.Errorf("a task has %s, outside of %s", task.Address, cidr)
		}
		if status, body := p.Get(80, "/api/users/1"); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
}

// TestRange_LostWhileTheDaemonWasAway: the range is somebody else's when the daemon comes back. As
// long as nobody has an address, the VPC moves.
func TestRange_LostWhileTheDaemonWasAway(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	was := p.Status().Daemon
	p.Terminate()
	engine := dockerClient(t)
	defer engine.Close()
	if err := engine.NetworkRemove(t.Context(), "drydock-"+p.instance+"-"+was.VPC); err != nil {
		t.Fatal(err)
	}
	_, err := makeNetwork(t, "drydock-e2e-thief-"+p.instance, was.CIDR)
	if err != nil && !strings.Contains(err.Error(), "overlaps") { // a daemon that starts beside us may be quicker: its own, then
		t.Fatal(err)
	}
	p.Start()
	now := p.Status().Daemon
	if now.VPC != was.VPC || now.CIDR == was.CIDR {
		t.Errorf("%s has %s, before it was %s with %s", now.VPC, now.CIDR, was.VPC, was.CIDR)
	}
	p.Run("up", smallDir)
	if status, body := p.Get(80, "/api/users/1"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}
