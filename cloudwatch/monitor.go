package cloudwatch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"drydock/timeline"
)

// Store keeps the alarms and their events.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a nil
	// document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Source says what happened in the 10 seconds before now. watched are the metrics that an
// alarm or somebody's question is about: what is dear to find out is left out for others. It
// must not block for long.
type Source func(ctx context.Context, now time.Time, watched []Metric) []Datum

// Config holds the settings of a Monitor.
type Config struct {
	Region  string // us-east-1
	Account string // 123456789012
	Sources []Source
	// Changed, if set, is called after alarms may have changed their state, without a lock held.
	// It must not block.
	Changed func()
	Logger  *slog.Logger
}

// Monitor is the state of CloudWatch in one region. Its methods are safe for concurrent use.
type Monitor struct {
	store   Store
	config  Config
	archive archive
	started time.Time

	mu   sync.RWMutex
	rows map[string]*Alarm // by name; never changed in place
}

// kind is the kind of row.
const kind = "alarm"

// Open loads the alarms.
func Open(ctx context.Context, store Store, config Config) (*Monitor, error) {
	config.Region = cmp.Or(config.Region, "us-east-1")
	config.Account = cmp.Or(config.Account, "123456789012")
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Monitor{store: store, config: config, started: time.Now(), rows: map[string]*Alarm{}, archive: archive{series: map[string]*series{}}}
	err := store.Load(ctx, kind, func(key string, doc []byte) error {
		row := new(Alarm)
		m.rows[key] = row
		return json.Unmarshal(doc, row)
	})
	if err != nil {
		return nil, fmt.Errorf("load alarms: %w", err)
	}
	return m, nil
}

// States returns the states of the alarms with these names; one that does not exist is absent.
func (m *Monitor) States(names []string) map[string]string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	states := make(map[string]string, len(names))
	for _, name := range names {
		if a := m.rows[name]; a != nil {
			states[name] = a.State
		}
	}
	return states
}

// StateEvent returns the number of the event that tells of an alarm's last change of state: the
// cause of what is done about it. It is 0 if there is none.
func (m *Monitor) StateEvent(name string) int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if a := m.rows[name]; a != nil {
		return a.Event
	}
	return 0
}

// Alarms returns all alarms by name. They are never changed in place: do not change them.
func (m *Monitor) Alarms() []*Alarm {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.SortedFunc(maps.Values(m.rows), func(a, b *Alarm) int { return cmp.Compare(a.Name, b.Name) })
}

// ARN returns the ARN of an alarm of a name.
func (m *Monitor) ARN(name string) string {
	return fmt.Sprintf("arn:aws:cloudwatch:%s:%s:alarm:%s", m.config.Region, m.config.Account, name)
}

// tx is one change. Its rows are published when they are durable.
type tx struct {
	*Monitor
	now    time.Time
	cause  int64
	next   map[string]*Alarm // nil values are deletions
	events []timeline.Event
}

// update runs one change under the mutex and commits it.
func (m *Monitor) update(ctx context.Context, change func(*tx) error) error {
	changed, err := m.commit(ctx, change)
	if changed && m.config.Changed != nil {
		m.config.Changed()
	}
	return err
}

func (m *Monitor) commit(ctx context.Context, change func(*tx) error) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &tx{Monitor: m, now: time.Now().UTC(), cause: timeline.CauseFrom(ctx), next: map[string]*Alarm{}}
	if err := change(t); err != nil || len(t.next) == 0 {
		return false, err
	}
	rows := map[string]any{}
	for name, a := range t.next {
		if rows[kind+"/"+name] = nil; a != nil {
			rows[kind+"/"+name] = a
		}
	}
	if err := m.store.Commit(ctx, rows, t.events); err != nil {
		return false, fmt.Errorf("commit alarms: %w", err)
	}
	for name, a := range t.next {
		if delete(m.rows, name); a != nil {
			m.rows[name] = a
		}
	}
	return true, nil
}

// get returns an alarm as the change sees it, nil if there is none.
func (t *tx) get(name string) *Alarm {
	if a, found := t.next[name]; found {
		return a
	}
	return t.rows[name]
}

func (t *tx) event(subject, message string, data map[string]string) int64 {
	seq := t.store.NextSeq()
	t.events = append(t.events, timeline.Event{Seq: seq, Time: t.now, Kind: timeline.Alarm, Subject: subject, Cause: t.cause, Message: message, Data: data})
	return seq
}

// enter moves an alarm to a state and tells of it.
func (t *tx) enter(a *Alarm, state, reason, data string) {
	before := a.State
	a.State, a.Reason, a.ReasonData, a.StateAt = state, reason, data, t.now
	if state == before {
		return
	}
	a.TransitionedAt = t.now
	a.remember(HistoryItem{At: t.now, Type: "StateUpdate", Summary: fmt.Sprintf("Alarm updated from %s to %s", before, state), Data: stateChange(before, a)})
	a.Event = t.event(a.ARN, fmt.Sprintf("alarm %s went from %s to %s: %s", a.Name, before, state, reason),
		map[string]string{"alarm": a.Name, "from": before, "to": state, "metric": a.Metric.String()})
}

func stateChange(before string, a *Alarm) string {
	type side struct {
		Value  string          `json:"stateValue"`
		Reason string          `json:"stateReason,omitempty"`
		Data   json.RawMessage `json:"stateReasonData,omitempty"`
	}
	after := side{Value: a.State, Reason: a.Reason}
	if json.Valid([]byte(a.ReasonData)) && len(a.ReasonData) < 2000 {
		after.Data = json.RawMessage(a.ReasonData)
	}
	text, _ := json.Marshal(map[string]any{"version": "1.0", "oldState": side{Value: before}, "newState": after}) // always encodes
	return string(text[:min(len(text), 4095)])
}
