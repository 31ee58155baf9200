package timeline

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var failingCauses = []Cause{
	CauseNone, ConnRefused, ConnRefusedDraining, ICMPUnreachable, TargetClosedInflight, KeepaliveRace, BadResponse,
	ResponseHeaderTooLarge, DeregDelayElapsed, NoRegisteredTargets, AllTargetsUnused, ConnectTimeout, ConnectTimeoutDraining,
	ResponseTimeout, ContentLengthShort, TruncatedResponse, TargetMade, ClientGone, BadTransferEncoding,
	TargetTLSError, TargetTLSTimeout, ProtocolMismatch, TransformFailed, LocationTooLong,
}

var kinds = []Kind{APICall, ServiceEvent, Deployment, Decision, TaskState, Signal, Exit, TargetState, Network, Config, Warning, Daemon}

// value draws one of the values that rules look for, or something else.
func value(t *rapid.T, key string) string {
	return rapid.SampledFrom([]string{"", "0", "1", "137", "true", "SIGTERM", "SIGKILL", "STOPPED", "RUNNING", "draining", "unused",
		"healthy", "initial", "UserInitiated", "EssentialContainerExited", "StopTask", "Target.Timeout", taskARN("A"), taskARN("B"), "x"}).Draw(t, key)
}

func drawEvent(t *rapid.T, seq int64) Event {
	data := make(map[string]string)
	for _, key := range []string{"task", "to", "from", "desiredStatus", "stopCode", "signal", "stopTimeout", "exitCode", "oom", "reason", "desired", "min", "start", "stop", "operation"} {
		data[key] = value(t, key)
	}
	return Event{
		Seq: seq, Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Cause: rapid.Int64Range(0, 30).Draw(t, "cause"), Data: data,
		Time:    noon.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "event ms")) * time.Millisecond),
		Subject: rapid.SampledFrom([]string{"", "ecs:StopTask", ordersARN, ordersTG, taskARN("A"), taskARN("B"), "sg-1"}).Draw(t, "subject"),
	}
}

func drawOutcome(t *rapid.T, n int) Outcome {
	start := noon.Add(time.Duration(rapid.IntRange(0, 300_000).Draw(t, "start ms")) * time.Millisecond)
	letter := rapid.SampledFrom([]string{"A", "B", ""}).Draw(t, "task")
	o := Outcome{
		ID: fmt.Sprint(n), Start: start, End: start.Add(time.Duration(rapid.IntRange(0, 70_000).Draw(t, "took ms")) * time.Millisecond),
		Status: rapid.SampledFrom([]int{200, 404, 460, 500, 502, 503, 504}).Draw(t, "status"), Cause: rapid.SampledFrom(failingCauses).Draw(t, "cause"),
		TargetStatus: rapid.SampledFrom([]int{0, 200, 500}).Draw(t, "target status"), URI: "/", Method: "GET",
		TargetGroup: rapid.SampledFrom([]string{"", ordersTG}).Draw(t, "group"),
	}
	if letter != "" {
		o.Target = Target{Address: addressOf(letter), Task: taskARN(letter), State: rapid.SampledFrom([]string{"", "initial", "healthy", "unhealthy", "draining"}).Draw(t, "state")}
	}
	return o
}

func TestExplain_EveryFailureLandsInExactlyOneCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []Event
		for seq := range rapid.IntRange(0, 30).Draw(t, "events") {
			events = append(events, drawEvent(t, int64(seq+1)))
		}
		var outcomes []Outcome
		failed := make(map[string]int)
		for n := range rapid.IntRange(0, 20).Draw(t, "outcomes") {
			o := drawOutcome(t, n)
			outcomes = append(outcomes, o)
			if o.Failed() {
				failed[o.ID] = 0
			}
		}
		e := Explain(outcomes, events, noon.Add(time.Hour))
		unknown := check(t, e, failed)
		if e.Failed != len(failed) || e.Requests != len(outcomes) || e.Unknown != unknown {
			t.Fatalf("%d failed, %d requests, %d unknown; want %d, %d, %d", e.Failed, e.Requests, e.Unknown, len(failed), len(outcomes), unknown)
		}
		if again := Explain(outcomes, events, noon.Add(time.Hour)); !reflect.DeepEqual(e, again) {
			t.Fatal("the same arguments gave another answer")
		}
	})
}

// check counts every failure in the clusters and returns how many are unknown.
func check(t *rapid.T, e Explanation, failed map[string]int) (unknown int) {
	for _, c := range e.Clusters {
		routes, causes := 0, 0
		for _, r := range c.Routes {
			routes += r.Count
		}
		for _, n := range c.Causes {
			causes += n.Count
		}
		if c.Count != len(c.ids) || c.Count != routes || c.Count != causes || c.Sentence == "" {
			t.Fatalf("cluster of %d has %d ids, %d on routes, %d with causes: %q", c.Count, len(c.ids), routes, causes, c.Sentence)
		}
		if c.Code == UnknownReason {
			unknown += c.Count
		}
		for _, id := range c.ids {
			failed[id]++
		}
	}
	for id, n := range failed {
		if n != 1 {
			t.Fatalf("failure %s is in %d clusters", id, n)
		}
	}
	return unknown
}

// TestExplain_CopesWithFullMemory explains as many failures and events as are ever remembered.
func TestExplain_CopesWithFullMemory(t *testing.T) {
	events, outcomes := fullMemory(t)
	e := Explain(outcomes, events, noon.Add(time.Hour))
	if e.Failed != failedLimit || e.Unknown != 0 {
		t.Errorf("%d failed, %d of them unknown", e.Failed, e.Unknown)
	}
}

func fullMemory(t testing.TB) ([]Event, []Outcome) {
	s := told(t, stopTaskStory)
	events, outcomes := s.events, []Outcome(nil)
	for len(events) < logLimit {
		seq := int64(len(events) + 1)
		events = append(events, Event{Seq: seq, Cause: seq - 1, Time: noon.Add(time.Duration(seq) * time.Second), Kind: TargetState, Subject: ordersTG,
			Data: map[string]string{"task": taskARN("B"), "target": addressOf("B"), "from": "healthy", "to": "unhealthy"}})
	}
	for len(outcomes) < failedLimit {
		o := s.outcomes[20+len(outcomes)%41]
		o.ID = fmt.Sprint(len(outcomes))
		outcomes = append(outcomes, o)
	}
	return events, outcomes
}

func BenchmarkExplain(b *testing.B) {
	events, outcomes := fullMemory(b)
	for b.Loop() {
		Explain(outcomes, events, noon.Add(time.Hour))
	}
}
