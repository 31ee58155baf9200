package orchestrator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Pace holds AWS's own internal lags. None of them is documented by AWS except where a
// fact says so; the values of [PaceAWS] are observed (the traces in FACTS.md). The order
// of steps is the same in every pace.
type Pace struct {
	Tick             time.Duration // the scheduler's period: decisions of a service are this far apart (ECS-001)
	Attach           time.Duration // from PROVISIONING to the interface being attached
	Detach           time.Duration // from DEPROVISIONING to STOPPED (ECS-002)
	Deregister       time.Duration // from the decision to stop a task to its deregistration (ECS-003)
	NoticeStop       time.Duration // from StopTask to the deregistration (ECS-004)
	NoticeExit       time.Duration // from a container's exit to the deregistration (ECS-005)
	UncheckedHealthy time.Duration // from RUNNING to counting as healthy, without any health check (ECS-006)
	StartBackoff     time.Duration // first delay after tasks repeatedly failed to start (ECS-007)
	StartBackoffMax  time.Duration
	AlarmBake        time.Duration // how long a deployment with alarms bakes, where their windows are not known (ECS-410)
}

// PaceFast is the default pace: every lag of AWS's own is at most 250 ms.
var PaceFast = Pace{
	NoticeStop:       250 * time.Millisecond,
	NoticeExit:       50 * time.Millisecond,
	UncheckedHealthy: 250 * time.Millisecond,
	StartBackoff:     time.Second,
	StartBackoffMax:  time.Minute,
	AlarmBake:        250 * time.Millisecond,
}

// PaceAWS imitates AWS's own lags.
var PaceAWS = Pace{
	Tick:             10 * time.Second,
	Attach:           10 * time.Second,
	Detach:           30 * time.Second,
	Deregister:       10 * time.Second,
	NoticeStop:       5 * time.Second,
	NoticeExit:       30 * time.Second,
	UncheckedHealthy: 40 * time.Second,
	StartBackoff:     10 * time.Second,
	StartBackoffMax:  15 * time.Minute,
	AlarmBake:        5 * time.Minute,
}

// lags names every lag of a pace.
func (p *Pace) lags() map[string]*time.Duration {
	return map[string]*time.Duration{
		"scheduler-tick": &p.Tick, "interface-attach": &p.Attach, "interface-detach": &p.Detach,
		"deregister": &p.Deregister, "notice-stop": &p.NoticeStop, "notice-exit": &p.NoticeExit,
		"unchecked-healthy": &p.UncheckedHealthy, "start-backoff": &p.StartBackoff, "start-backoff-max": &p.StartBackoffMax,
		"alarm-bake": &p.AlarmBake,
	}
}

// Lags returns the names of all lags, sorted.
func (Pace) Lags() []string {
	return slices.Sorted(maps.Keys(new(Pace).lags()))
}

// With returns p with one lag set by name, one of [Pace.Lags].
func (p Pace) With(name string, d time.Duration) (Pace, error) {
	if d < 0 {
		return p, fmt.Errorf("lag %s: %v is negative", name, d)
	}
	lag := p.lags()[name]
	if lag == nil {
		return p, fmt.Errorf("lag %q is not one of %s", name, strings.Join(p.Lags(), ", "))
	}
	*lag = d
	return p, nil
}

// Documented values that are not lags.
const (
	// StoppedKept is how long a stopped task can be described (ECS-010).
	StoppedKept = time.Hour
	// DefaultStopTimeout is a container's stopTimeout if it sets none (ECS-011).
	DefaultStopTimeout = 30 * time.Second
	// maxServiceEvents is how many events DescribeServices shows (ECS-012).
	maxServiceEvents = 100
	// sameEventQuiet is how long the same complaint is not repeated (ECS-013).
	sameEventQuiet = 6 * time.Hour
	// steadyRepeat is how long after it was said that a service is steady it is said again (ECS-406).
	steadyRepeat = 6 * time.Hour
	// impairedAfter is how many starts in a row fail before the service is told that they do (ECS-007).
	impairedAfter = 3
)
