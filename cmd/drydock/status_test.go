package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/alb/control"
	"drydock/orchestrator"
)

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	exit := 137
	status := &Status{
		Daemon: DaemonStatus{Version: "v1", PID: 42, StartedAt: now.Add(-90 * time.Second), StateDir: "/var/lib/drydock", Listen: "127.0.0.1:4566", VPC: "vpc-1", CIDR: "172.31.0.0/16", SecurityGroups: "enforced", Engine: "Docker 20.10.24"},
		Node:   &NodeStatus{PID: 43, Version: "v1", StartedAt: now.Add(-2 * time.Hour), Snapshot: 812, Connections: 3, Retiring: 1},
		LoadBalancers: []LoadBalancerStatus{{Name: "front", State: "active", DNSName: "front.elb.localhost", Listeners: []ListenerStatus{{URL: "http://127.0.0.1", Rules: []RuleStatus{
			{Priority: "1", If: "path /api/*", Then: "forward web"}, {Priority: "default", Then: "fixed 404"}}}}}},
		Services: []ServiceStatus{
			{Name: "web", Cluster: "shop", Status: "ACTIVE", TaskDefinition: "web:2", Desired: 3, Running: 3, Steady: true, TargetGroups: []TargetGroupStatus{{States: map[string]int{"healthy": 3, "draining": 1}}}},
			{Name: "worker", Cluster: "shop", Status: "ACTIVE", TaskDefinition: "worker:10", Desired: 1, Deployments: []DeploymentStatus{{RolloutState: "IN_PROGRESS"}}},
		},
		Tasks: []TaskStatus{
			{ID: "0123456789abcdef0123456789abcdef", Service: "web", TaskDefinition: "web:2", LastStatus: "RUNNING", DesiredStatus: "RUNNING", Health: "HEALTHY", Address: "172.31.0.5", CreatedAt: now.Add(-5 * time.Second), Targets: []TaskTarget{{State: "healthy"}}},
			{ID: "1123456789abcdef0123456789abcdef", Service: "web", TaskDefinition: "web:1", LastStatus: "DEACTIVATING", DesiredStatus: "STOPPED", Health: "HEALTHY", Address: "172.31.0.6", CreatedAt: now.Add(-2 * time.Hour), Targets: []TaskTarget{{State: "draining", DrainUntil: now.Add(4 * time.Second), InFlight: 2}}},
			{ID: "2123456789abcdef0123456789abcdef", TaskDefinition: "web:1", LastStatus: "STOPPED", DesiredStatus: "STOPPED", Health: "UNKNOWN", StoppedAt: now.Add(-time.Minute), StoppedReason: "Essential container in task exited", Containers: []ContainerStatus{{Name: "app", ExitCode: &exit}}},
		},
	}
	const want = `daemon   v1, pid 42, up 1m30s, listens on 127.0.0.1:4566, state in /var/lib/drydock
engine   Docker 20.10.24
load balancers  v1, pid 43, up 2h00m, configuration 812, 3 connections, 1 more of a process that it replaced
network  vpc-1 172.31.0.0/16, security groups enforced

load balancer front  active  front.elb.localhost
  http://127.0.0.1
    1        path /api/*  → forward web
    default  otherwise    → fixed 404

SERVICE  CLUSTER  TASK DEFINITION  DESIRED  RUNNING  PENDING  TARGETS                DEPLOYMENT
web      shop     web:2            3        3        0        1 draining, 3 healthy  steady
worker   shop     worker:10        1        0        0        -                      IN_PROGRESS

TASK          SERVICE  TASK DEFINITION  STATUS                   HEALTH   ADDRESS     TARGETS                           AGE
0123456789ab  web      web:2            RUNNING                  HEALTHY  172.31.0.5  healthy                           5.0s
1123456789ab  web      web:1            DEACTIVATING (stopping)  HEALTHY  172.31.0.6  draining 4.0s left, 2 in flight  2h00m
`
	v := statusView{screen: newScreen(&bytes.Buffer{}), now: now}
	if got := v.text(status); !sameColumns(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	v.stopped = true
	if got := v.text(status); !strings.Contains(got, "1m00s ago: Essential container in task exited; app exited with 137") {
		t.Errorf("got\n%s", got)
	}
}

func TestNodeStatus_SaysWhatIsLost(t *testing.T) {
	n := &NodeStatus{PID: 43, Version: "v1", StartedAt: time.Now(), Dropped: 7}
	v := statusView{screen: newScreen(&bytes.Buffer{}), now: time.Now()}
	if got := v.node(n); !strings.Contains(got, "7 reports on failed requests were lost") {
		t.Error(got)
	}
	if got := v.node(nodeStatus(control.State{}, errors.New("it does not answer"))); got != "it does not answer" {
		t.Error(got)
	}
	for _, test := range []struct {
		status *Status
		want   Verdict
	}{
		{nil, VerdictOK}, {&Status{Node: n}, VerdictOK}, {&Status{Node: &NodeStatus{Error: "it does not answer"}}, VerdictFail},
	} {
		if got := checkNode(test.status, t.TempDir()); got.Verdict != test.want {
			t.Errorf("%+v, want %s", got, test.want)
		}
	}
}

// sameColumns compares texts but for the number of spaces between columns, which the
// table tests are about.
func sameColumns(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}

func TestTable_AlignsPastColours(t *testing.T) {
	s := &screen{color: true}
	var t1 table
	t1.add("NAME", "STATE", "N")
	t1.add("a", s.paint(green, "ok"), "1")
	t1.add("longer", s.paint(red, "failed"), "22")
	want := "NAME    STATE   N\na       \x1b[32mok\x1b[0m      1\nlonger  \x1b[31mfailed\x1b[0m  22\n"
	if got := t1.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClip_KeepsColours(t *testing.T) {
	if got := clip("\x1b[31mhello\x1b[0m world", 8); got != "\x1b[31mhello\x1b[0m w" && visible(got) > 8 {
		t.Errorf("got %q", got)
	}
	if got := clip("short", 10); got != "short" {
		t.Errorf("got %q", got)
	}
}

func TestScreen_RedrawsOnATerminalOnly(t *testing.T) {
	var out bytes.Buffer
	s := &screen{w: &out, terminal: true}
	s.draw("one\ntwo")
	s.draw("three")
	s.line("done")
	if got, want := out.String(), "one\ntwo\n\x1b[2A\x1b[Jthree\n\x1b[1A\x1b[Jdone\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	s = newScreen(&out)
	s.draw("one")
	s.line("done")
	if got := out.String(); got != "done\n" {
		t.Errorf("not a terminal: %q", got)
	}
}

func TestNumbersAndDurations(t *testing.T) {
	for in, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := number(in); got != want {
			t.Errorf("%d: %s", in, got)
		}
	}
	for in, want := range map[time.Duration]string{85 * time.Millisecond: "85ms", 4200 * time.Millisecond: "4.2s", 185 * time.Second: "3m05s", 130 * time.Minute: "2h10m", 76 * time.Hour: "3d4h"} {
		if got := duration(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestServiceStatus_NotSteadyWithoutItsTasks: between the end of a task and the scheduler's next
// decision the service is still recorded as steady.
func TestServiceStatus_NotSteadyWithoutItsTasks(t *testing.T) {
	for running, want := range map[int]bool{0: false, 1: false, 2: true} {
		s := &orchestrator.Service{Name: "web", Status: orchestrator.ServiceActive, DesiredCount: 2, Steady: true,
			Deployments: []orchestrator.Deployment{{RunningCount: running}}}
		got := serviceStatus(orchestrator.Snapshot{Services: map[string]*orchestrator.Service{"web": s}}, nil, nil)
		if len(got) != 1 || got[0].Steady != want {
			t.Errorf("%d of 2 running: %+v", running, got)
		}
	}
}
