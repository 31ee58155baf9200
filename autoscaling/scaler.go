package autoscaling

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"drydock/cloudwatch"
	"drydock/timeline"
)

// Store keeps the targets and their events.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a nil
	// document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Services is what auto scaling asks of the scheduler.
type Services interface {
	// ScaledService returns what is known of an active service; it is called without a lock held.
	ScaledService(cluster, name string) (s Service, found bool)
	// SetDesiredCount changes a service's desired count. The context names the cause.
	SetDesiredCount(ctx context.Context, cluster, name string, desired int) error
}

// Alarms is what auto scaling asks of CloudWatch.
type Alarms interface {
	PutMetricAlarm(ctx context.Context, spec cloudwatch.AlarmSpec) error
	DeleteAlarms(ctx context.Context, names []string) error
	// Alarms returns all alarms; they are never changed in place.
	Alarms() []*cloudwatch.Alarm
}

var _ Alarms = (*cloudwatch.Monitor)(nil)

// Config holds the settings of a Scaler.
type Config struct {
	Region  string // us-east-1
	Account string // 123456789012
	Pace    Pace   // zero: PaceFast
	Logger  *slog.Logger
}

// Scaler is the state of Application Auto Scaling in one region. Its methods are safe for
// concurrent use.
type Scaler struct {
	store    Store
	services Services
	alarms   Alarms
	config   Config
	poke     chan struct{} // size 1: look again

	settling sync.Mutex // held while alarms are made what the rows want; never taken under mu

	mu   sync.Mutex
	rows map[string]*Target // by resource id; never changed in place
}

// kind is the kind of row.
const kind = "scalable-target"

// Open loads the targets.
func Open(ctx context.Context, store Store, services Services, alarms Alarms, config Config) (*Scaler, error) {
	config.Region = cmp.Or(config.Region, "us-east-1")
	config.Account = cmp.Or(config.Account, "123456789012")
	if config.Pace == (Pace{}) {
		config.Pace = PaceFast
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Scaler{store: store, services: services, alarms: alarms, config: config, poke: make(chan struct{}, 1), rows: map[string]*Target{}}
	err := store.Load(ctx, kind, func(key string, doc []byte) error {
		row := new(Target)
		s.rows[key] = row
		return json.Unmarshal(doc, row)
	})
	if err != nil {
		return nil, fmt.Errorf("load scalable targets: %w", err)
	}
	return s, nil
}

// Poke asks Run to look again: alarms may have changed. It never blocks.
func (s *Scaler) Poke() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Targets returns all targets, by resource id. They are never changed in place: do not change them.
func (s *Scaler) Targets() []*Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.rows), func(a, b *Target) int { return cmp.Compare(a.Resource, b.Resource) })
}

// tx is one change. Its rows are published when they are durable.
type tx struct {
	*Scaler
	now    time.Time
	cause  int64
	next   map[string]*Target // nil values are deletions
	events []timeline.Event
}

// update runs one change under the mutex and commits it.
func (s *Scaler) update(ctx context.Context, change func(*tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &tx{Scaler: s, now: time.Now().UTC(), cause: timeline.CauseFrom(ctx), next: map[string]*Target{}}
	if err := change(x); err != nil || len(x.next) == 0 {
		return err
	}
	rows := map[string]any{}
	for resource, t := range x.next {
		if rows[kind+"/"+resource] = nil; t != nil {
			rows[kind+"/"+resource] = t
		}
	}
	if err := s.store.Commit(ctx, rows, x.events); err != nil {
		return fmt.Errorf("commit scalable targets: %w", err)
	}
	for resource, t := range x.next {
		if delete(s.rows, resource); t != nil {
			s.rows[resource] = t
		}
	}
	s.Poke()
	return nil
}

// target returns a target that the change may change, or the refusal of an unknown one.
func (x *tx) target(resource string) (*Target, error) {
	if t := x.next[resource]; t != nil {
		return t, nil
	}
	row := x.rows[resource]
	if row == nil {
		return nil, noTarget(resource)
	}
	x.next[resource] = row.clone()
	return x.next[resource], nil
}

func (x *tx) event(t *Target, message string, data map[string]string) int64 {
	seq := x.store.NextSeq()
	x.events = append(x.events, timeline.Event{Seq: seq, Time: x.now, Kind: timeline.Scaling, Subject: t.Resource, Cause: x.cause, Message: message, Data: data})
	return seq
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Scaler) targetARN() string {
	return fmt.Sprintf("arn:aws:application-autoscaling:%s:%s:scalable-target/0ec5%s", s.config.Region, s.config.Account, newID()[:32])
}

func (s *Scaler) policyARN(resource, name string) string {
	return fmt.Sprintf("arn:aws:autoscaling:%s:%s:scalingPolicy:%s:resource/ecs/%s:policyName/%s", s.config.Region, s.config.Account, newID(), resource, name)
}

func (s *Scaler) actionARN(resource, name string) string {
	return fmt.Sprintf("arn:aws:autoscaling:%s:%s:scheduledAction:%s:resource/ecs/%s:scheduledActionName/%s", s.config.Region, s.config.Account, newID(), resource, name)
}
