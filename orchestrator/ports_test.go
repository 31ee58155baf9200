package orchestrator

import (
	"testing"
	"time"
)

// Without chance: all begin to look at the same port.
func TestBridge_PortOfAStoppedTaskIsNotGivenAtOnce(t *testing.T) {
	same := func(int) string { return "000000" }
	stopped := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	binding := func(port int, dynamic bool) []PortBinding {
		return []PortBinding{{Container: "app", ContainerPort: 80, HostPort: port, Protocol: "tcp", Dynamic: dynamic}}
	}
	tasks := []*Task{
		{Status: Stopped, StoppedAt: stopped, Ports: binding(firstDynamicPort, true)},
		{Status: Running, Ports: binding(firstDynamicPort+1, true)},
		{Status: Stopped, StoppedAt: stopped, Ports: binding(firstDynamicPort+2, false)}, // whoever asks for it by number gets it at once
	}
	for _, test := range []struct {
		after time.Duration
		want  int
	}{
		{0, firstDynamicPort + 2},
		{portQuarantine - time.Nanosecond, firstDynamicPort + 2},
		{portQuarantine, firstDynamicPort},
	} {
		ports := binding(0, true)
		if !choosePorts(ports, portsInUse(tasks, stopped.Add(test.after)), same) || ports[0].HostPort != test.want {
			t.Errorf("%v after its task had stopped: port %d was given, want %d", test.after, ports[0].HostPort, test.want)
		}
	}
}
