package agent

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/timeline"
)

// TestFault_SpeaksAsTheAgent: ECS-226.
func TestFault_SpeaksAsTheAgent(t *testing.T) {
	h := newHouse(t, nil)
	uri := pathOf(h, taskA, "app", "ECS_AGENT_URI") + "/fault/v1/"
	const hole, latency, loss = `{"Port":3000,"Protocol":"tcp","TrafficType":"ingress"}`, `{"DelayMilliseconds":200,"JitterMilliseconds":50,"Sources":["172.31.0.0/16"]}`, `{"LossPercent":30,"Sources":["172.31.0.4"]}`
	for _, c := range []struct {
		from, path, body string
		status           int
		want             string
	}{
		{fromA, uri + "network-blackhole-port/status", hole, 200, `{"Status":"not-running"}`},
		{fromA, uri + "network-blackhole-port/start", hole, 200, `{"Status":"running"}`},
		{fromA, uri + "network-blackhole-port/start", hole, 200, `{"Status":"running"}`},
		{fromA, uri + "network-blackhole-port/status", hole, 200, `{"Status":"running"}`},
		{fromA, uri + "network-blackhole-port/status", strings.Replace(hole, "3000", "3001", 1), 200, `{"Status":"not-running"}`},
		{fromA, uri + "network-blackhole-port/stop", hole, 200, `{"Status":"stopped"}`},
		{fromA, uri + "network-blackhole-port/stop", hole, 200, `{"Status":"stopped"}`},
		{fromA, uri + "network-blackhole-port/status", hole, 200, `{"Status":"not-running"}`},

		{fromA, uri + "network-latency/start", latency, 200, `{"Status":"running"}`},
		{fromA, uri + "network-latency/start", latency, 409, `{"Error":"There is already one network latency fault running"}`},
		{fromA, uri + "network-packet-loss/start", loss, 409, `{"Error":"There is already one network latency fault running"}`},
		{fromA, uri + "network-packet-loss/status", "", 200, `{"Status":"not-running"}`},
		{fromA, uri + "network-packet-loss/stop", "", 200, `{"Status":"stopped"}`},
		{fromA, uri + "network-latency/status", "", 200, `{"Status":"running"}`},
		{fromA, uri + "network-latency/stop", "", 200, `{"Status":"stopped"}`},
		{fromA, uri + "network-packet-loss/start", loss, 200, `{"Status":"running"}`},
		{fromA, uri + "network-latency/start", latency, 409, `{"Error":"There is already one network packet loss fault running"}`},
		{fromA, uri + "network-packet-loss/stop", "", 200, `{"Status":"stopped"}`},

		{fromA, uri + "network-blackhole-port/start", ``, 400, `{"Error":"required request body is missing"}`},
		{fromA, uri + "network-blackhole-port/start", `{"Protocol":"tcp","TrafficType":"ingress"}`, 400, `{"Error":"required parameter Port is missing"}`},
		{fromA, uri + "network-blackhole-port/start", `{"Port":1,"TrafficType":"ingress"}`, 400, `{"Error":"required parameter Protocol is missing"}`},
		{fromA, uri + "network-blackhole-port/start", `{"Port":1,"Protocol":"tcp"}`, 400, `{"Error":"required parameter TrafficType is missing"}`},
		{fromA, uri + "network-blackhole-port/start", `{"Port":1,"Protocol":"sctp","TrafficType":"ingress"}`, 400, `{"Error":"invalid value sctp for parameter Protocol"}`},
		{fromA, uri + "network-blackhole-port/start", `{"Port":1,"Protocol":"tcp","TrafficType":"both"}`, 400, `{"Error":"invalid value both for parameter TrafficType"}`},
		{fromA, uri + "network-blackhole-port/start", `{"Port":1,"Protocol":"tcp","TrafficType":"ingress","SourcesToFilter":["x"]}`, 400, `{"Error":"invalid value x for parameter SourcesToFilter"}`},
		{fromA, uri + "network-latency/start", `{"JitterMilliseconds":0,"Sources":["0.0.0.0/0"]}`, 400, `{"Error":"required parameter DelayMilliseconds is missing"}`},
		{fromA, uri + "network-latency/start", `{"DelayMilliseconds":1,"Sources":["0.0.0.0/0"]}`, 400, `{"Error":"required parameter JitterMilliseconds is missing"}`},
		{fromA, uri + "network-latency/start", `{"DelayMilliseconds":1,"JitterMilliseconds":0}`, 400, `{"Error":"required parameter Sources is missing"}`},
		{fromA, uri + "network-packet-loss/start", `{"LossPercent":0,"Sources":["0.0.0.0/0"]}`, 400, `{"Error":"invalid value 0 for parameter LossPercent"}`},
		{fromA, uri + "network-packet-loss/start", `{"LossPercent":101,"Sources":["0.0.0.0/0"]}`, 400, `{"Error":"invalid value 101 for parameter LossPercent"}`},

		{fromB, uri + "network-blackhole-port/start", hole, 404, `{"Error":"unable to get task arn from request: unable to get task Arn from v3 endpoint ID: ` + endpointID(idA, "app") + `"}`},
		{fromB, strings.Replace(uri, endpointID(idA, "app"), endpointID(idB, "app"), 1) + "network-blackhole-port/start", hole, 400, `{"Error":"enableFaultInjection is not enabled for task: ` + taskB + `"}`},
	} {
		if status, text := h.ask(c.from, "POST", c.path, c.body, nil); status != c.status || strings.TrimSpace(text) != c.want {
			t.Errorf("%s %s from %s:\n got %d %s\nwant %d %s", c.path, c.body, c.from, status, text, c.status, c.want)
		}
	}
	if status, _ := h.ask(fromA, "GET", uri+"network-latency/status", "", nil); status != 405 {
		t.Errorf("GET is answered %d", status)
	}
}

func TestFault_ActsSurvivesARestartAndEndsWithItsTask(t *testing.T) {
	h := newHouse(t, nil)
	ctx := timeline.WithCause(t.Context(), 4711)
	start := func(f Fault) {
		t.Helper()
		f.Task = taskA
		if err := h.agent.StartFault(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	start(Fault{Kind: BlackholePort, Port: 3000, Protocol: "tcp", TrafficType: "ingress", SourcesToFilter: []string{"172.31.0.9", "::1"}})
	start(Fault{Kind: BlackholePort, Port: 5432, Protocol: "tcp", TrafficType: "egress"})
	start(Fault{Kind: Latency, DelayMilliseconds: 200, JitterMilliseconds: 50, Sources: []string{"0.0.0.0/0"}, SourcesToFilter: []string{"172.31.7.0/24"}})
	holes := []network.Blackhole{
		{Owner: taskA, Protocol: "tcp", Port: 3000, Except: []netip.Prefix{netip.MustParsePrefix("172.31.0.9/32")}},
		{Owner: taskA, Protocol: "tcp", Port: 5432, Egress: true},
	}
	late := map[string]alb.TaskFault{taskA: {Delay: 200 * time.Millisecond, Jitter: 50 * time.Millisecond,
		Sources: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, Except: []netip.Prefix{netip.MustParsePrefix("172.31.7.0/24")}}}
	acts := func(when string) {
		t.Helper()
		if !reflect.DeepEqual(h.holes, holes) || !reflect.DeepEqual(h.faults, late) {
			t.Errorf("%s:\n got %+v %+v\nwant %+v %+v", when, h.holes, h.faults, holes, late)
		}
	}
	acts("at first")
	h.holes, h.faults = nil, nil
	h.open(nil)
	acts("after a restart")
	if e := h.store.Events[0]; e.Kind != timeline.Fault || e.Cause != 4711 || e.Subject != taskA || e.Data["status"] != "running" || e.Data["port"] != "3000" {
		t.Errorf("the start is told as %+v", e)
	}
	if err := h.agent.endOfTasks(context.Background()); err != nil || len(h.agent.Faults()) != 3 {
		t.Errorf("faults of a live task: %v, %v", h.agent.Faults(), err)
	}
	h.tasks[taskA].Status, h.tasks[taskA].Cause = orchestrator.Stopped, 99
	if err := h.agent.endOfTasks(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(h.holes)+len(h.faults)+len(h.agent.Faults()) != 0 {
		t.Errorf("after the task's end there are %v %v", h.holes, h.faults)
	}
	if e := h.store.Events[len(h.store.Events)-1]; e.Data["status"] != "stopped" || e.Cause != 99 || !strings.Contains(e.Message, "ended with its task") {
		t.Errorf("the end is told as %+v", e)
	}
	h.open(nil)
	if got := h.agent.Faults(); len(got) != 0 {
		t.Errorf("ended faults come back: %v", got)
	}
}

func TestFault_RefusesWhatWouldHaveNoEffect(t *testing.T) {
	h := newHouse(t, nil)
	h.unenforced = "it does not run as root"
	err := h.agent.StartFault(t.Context(), Fault{Task: taskA, Kind: BlackholePort, Port: 3000, Protocol: "tcp", TrafficType: "ingress"})
	if err == nil || !strings.Contains(err.Error(), "it does not run as root") {
		t.Errorf("a black hole without a firewall: %v", err)
	}
	err = h.agent.StartFault(t.Context(), Fault{Task: taskA, Kind: PacketLoss, LossPercent: 10, Sources: []string{"10.0.0.0/8"}})
	if err == nil || !strings.Contains(err.Error(), "no netem") || !strings.Contains(err.Error(), "172.31.0.4") {
		t.Errorf("loss towards others than load balancers: %v", err)
	}
	h.balancers = nil
	err = h.agent.StartFault(t.Context(), Fault{Task: taskA, Kind: PacketLoss, LossPercent: 10, Sources: []string{"0.0.0.0/0"}})
	if err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("loss of a task without a load balancer: %v", err)
	}
	if len(h.store.Events) != 0 || len(h.agent.Faults()) != 0 {
		t.Error("a fault that was refused is kept")
	}
}
