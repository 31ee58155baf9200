package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/timeline"
)

// The kinds of fault, by the names of the agent's API.
const (
	BlackholePort = "network-blackhole-port"
	Latency       = "network-latency"
	PacketLoss    = "network-packet-loss"
)

// Fault is a network fault that is injected into a task. Its members are those of the agent's
// requests (ECS-226).
type Fault struct {
	Task string `json:"task"` // ARN
	Kind string `json:"kind"`

	// Of network-blackhole-port.
	Port        uint16 `json:"Port,omitempty"`
	Protocol    string `json:"Protocol,omitempty"`    // tcp or udp
	TrafficType string `json:"TrafficType,omitempty"` // ingress or egress

	DelayMilliseconds  uint64 `json:"DelayMilliseconds,omitempty"` // of network-latency
	JitterMilliseconds uint64 `json:"JitterMilliseconds,omitempty"`
	LossPercent        uint64 `json:"LossPercent,omitempty"` // of network-packet-loss

	Sources         []string `json:"Sources,omitempty"` // addresses or CIDR blocks that are concerned
	SourcesToFilter []string `json:"SourcesToFilter,omitempty"`

	StartedAt time.Time `json:"startedAt"`
	Event     int64     `json:"event,omitempty"` // that tells of its start
}

// Refusal says why a fault cannot be injected.
type Refusal struct {
	Status int    // of HTTP
	Text   string // in the agent's words where it has some
}

func (r *Refusal) Error() string { return r.Text }

// The agent's words (ECS-226).
var (
	errLatencyRuns = &Refusal{409, "There is already one network latency fault running"}
	errLossRuns    = &Refusal{409, "There is already one network packet loss fault running"}
)

// faultRow begins the keys of faults in the store.
const (
	faultRow  = "task-fault/"
	secretRow = "agent/secret"
)

// key tells faults of one task apart: one of latency and loss, and a blackhole for each port.
func (f *Fault) key() string {
	key := lastPart(f.Task) + "-"
	if f.Kind != BlackholePort {
		return key + "tc"
	}
	return fmt.Sprintf("%s%s-%s-%d", key, f.TrafficType, f.Protocol, f.Port)
}

// String says what the fault is, in a few words.
func (f *Fault) String() string {
	switch f.Kind {
	case BlackholePort:
		return fmt.Sprintf("%s of %s %s/%d", f.Kind, f.TrafficType, f.Protocol, f.Port)
	case Latency:
		return fmt.Sprintf("%s of %d ± %d ms", f.Kind, f.DelayMilliseconds, f.JitterMilliseconds)
	}
	return fmt.Sprintf("%s of %d %%", f.Kind, f.LossPercent)
}

// load reads faults, and the secret that ids of credentials are made of.
func (a *Agent) load(ctx context.Context) error {
	err := a.config.Store.Load(ctx, strings.TrimSuffix(faultRow, "/"), func(key string, doc []byte) error {
		f := new(Fault)
		a.faults[key] = f
		return json.Unmarshal(doc, f)
	})
	if err == nil {
		err = a.loadSecret(ctx)
	}
	if err != nil {
		return fmt.Errorf("load the agent's state: %w", err)
	}
	return nil
}

// Faults returns the faults that are injected, in order of their start.
func (a *Agent) Faults() []Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ordered()
}

func (a *Agent) ordered() []Fault {
	var list []Fault
	for _, f := range a.faults {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(x, y Fault) int { return int(x.Event - y.Event) })
	return list
}

// StartFault injects a fault into a live task and returns when it acts. Starting a blackhole again
// changes nothing. It returns a *Refusal if the fault cannot be injected here.
func (a *Agent) StartFault(ctx context.Context, f Fault) error {
	if err := f.validate(); err != nil {
		return err
	}
	f.SourcesToFilter = slices.Clone(f.SourcesToFilter)
	if err := a.possible(&f); err != nil {
		return err
	}
	if started, err := a.add(ctx, &f); err != nil || !started {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, faultTimeout)
	defer cancel()
	if err := a.config.Network.Applied(ctx); err != nil {
		return &Refusal{500, fmt.Sprintf("start %s: request timed out", f.Kind)}
	}
	return nil
}

// possible refuses what would have no effect here.
func (a *Agent) possible(f *Fault) error {
	if f.Kind == BlackholePort {
		if enforced, reason := a.config.Network.Enforcement(); !enforced {
			return &Refusal{500, "packets cannot be dropped, because security groups are not enforced: " + reason}
		}
		return nil
	}
	behind := a.config.Balancer.BalancersOf(f.Task)
	if !slices.ContainsFunc(behind, f.concerns) {
		return &Refusal{500, "this kernel has no netem, so " + f.Kind + " acts on what a load balancer exchanges with the task, and Sources name none that forwards to it (" + addresses(behind) + ")"}
	}
	return nil
}

func addresses(list []netip.Addr) string {
	if len(list) == 0 {
		return "there is none"
	}
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}

// concerns reports whether the fault is about what the task exchanges with an address.
func (f *Fault) concerns(peer netip.Addr) bool {
	in := func(p netip.Prefix) bool { return p.Contains(peer) }
	return slices.ContainsFunc(prefixes(f.Sources), in) && !slices.ContainsFunc(prefixes(f.SourcesToFilter), in)
}

// add makes the row, the event that tells of it, and then has it act.
func (a *Agent) add(ctx context.Context, f *Fault) (started bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other := a.faults[f.key()]; other != nil {
		switch other.Kind {
		case Latency:
			return false, errLatencyRuns
		case PacketLoss:
			return false, errLossRuns
		}
		return false, nil
	}
	f.StartedAt = time.Now()
	e := a.tell(ctx, f, "running", timeline.CauseFrom(ctx), "fault "+f.String()+" was injected into task "+lastPart(f.Task)+f.effect())
	f.Event = e.Seq
	if err := a.config.Store.Commit(ctx, map[string]any{faultRow + f.key(): f}, []timeline.Event{e}); err != nil {
		return false, fmt.Errorf("keep fault %s of %s: %w", f, f.Task, err)
	}
	a.faults[f.key()] = f
	a.inject()
	return true, nil
}

// effect says what is to be expected.
func (f *Fault) effect() string {
	switch {
	case f.Kind == BlackholePort && f.TrafficType == "ingress":
		return ": packets to this port of the task vanish"
	case f.Kind == BlackholePort:
		return ": packets that the task sends to this port vanish"
	case f.Kind == Latency:
		return ": what it sends to load balancers comes late; other traffic is not delayed, for want of netem"
	}
	return ": what it sends to load balancers is lost now and then; other traffic is not, for want of netem"
}

func (a *Agent) tell(ctx context.Context, f *Fault, status string, cause int64, message string) timeline.Event {
	data := map[string]string{"fault": f.Kind, "task": f.Task, "status": status, "what": f.String()}
	if f.Kind == BlackholePort {
		data["port"], data["protocol"], data["trafficType"] = fmt.Sprint(f.Port), f.Protocol, f.TrafficType
	}
	return timeline.Event{Seq: a.config.Store.NextSeq(), Time: time.Now(), Kind: timeline.Fault, Subject: f.Task, Cause: cause, Message: message, Data: data}
}

// StopFault ends a fault of a task. One that does not run is not an error.
func (a *Agent) StopFault(ctx context.Context, f Fault) error {
	running, err := a.end(ctx, f, timeline.CauseFrom(ctx), "was stopped")
	if err != nil || !running {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, faultTimeout)
	defer cancel()
	if err := a.config.Network.Applied(ctx); err != nil {
		return &Refusal{500, fmt.Sprintf("stop %s: request timed out", f.Kind)}
	}
	return nil
}

// Running reports whether a task has such a fault.
func (a *Agent) Running(f Fault) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.faults[f.key()]
	return found != nil && found.Kind == f.Kind
}

func (a *Agent) end(ctx context.Context, f Fault, cause int64, how string) (running bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.faults[f.key()]
	if found == nil || found.Kind != f.Kind {
		return false, nil
	}
	if cause == 0 {
		cause = found.Event
	}
	e := a.tell(ctx, found, "stopped", cause, "fault "+found.String()+" of task "+lastPart(f.Task)+" "+how)
	if err := a.config.Store.Commit(ctx, map[string]any{faultRow + f.key(): nil}, []timeline.Event{e}); err != nil {
		return false, fmt.Errorf("end fault %s of %s: %w", found, f.Task, err)
	}
	delete(a.faults, f.key())
	a.inject()
	return true, nil
}

// inject gives all faults to those who make them act. The caller holds mu.
func (a *Agent) inject() {
	var holes []network.Blackhole
	tasks := map[string]alb.TaskFault{}
	for _, f := range a.ordered() {
		if f.Kind == BlackholePort {
			holes = append(holes, network.Blackhole{
				Owner: f.Task, Protocol: f.Protocol, Port: f.Port, Egress: f.TrafficType == "egress", Except: prefixes(f.SourcesToFilter),
			})
			continue
		}
		tasks[f.Task] = alb.TaskFault{
			Delay: time.Duration(f.DelayMilliseconds) * time.Millisecond, Jitter: time.Duration(f.JitterMilliseconds) * time.Millisecond,
			Loss: int(f.LossPercent), Sources: prefixes(f.Sources), Except: prefixes(f.SourcesToFilter),
		}
	}
	a.config.Network.SetBlackholes(holes)
	a.config.Balancer.SetTaskFaults(maps.Clone(tasks))
}

// endOfTasks ends the faults of tasks that have ended.
func (a *Agent) endOfTasks(ctx context.Context) error {
	faults := a.Faults()
	if len(faults) == 0 {
		return nil
	}
	tasks := a.config.Scheduler.Snapshot().Tasks
	var errs []error
	for _, f := range faults {
		t := tasks[f.Task]
		if t != nil && t.Status != orchestrator.Deprovisioning && t.Status != orchestrator.Stopped {
			continue
		}
		cause := int64(0)
		if t != nil {
			cause = t.Cause
		}
		_, err := a.end(ctx, f, cause, "ended with its task")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
