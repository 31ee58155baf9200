package alb

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"drydock/timeline"
)

// Store makes rows and events durable.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a
	// nil document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// table is one kind of row. Rows are immutable: a change puts a new one. A copy of a
// table shares the map until it is written to.
type table[T any] struct {
	kind   string
	rows   map[string]*T
	shared bool
}

func (t *table[T]) own() {
	if t.shared {
		t.rows, t.shared = maps.Clone(t.rows), false
	}
}

func (t *table[T]) put(x *tx, key string, row *T) {
	t.own()
	t.rows[key] = row
	x.rows[t.kind+"/"+key] = row
}

func (t *table[T]) remove(x *tx, key string) {
	t.own()
	delete(t.rows, key)
	x.rows[t.kind+"/"+key] = nil
}

func (t *table[T]) load(ctx context.Context, s Store) error {
	t.rows = map[string]*T{}
	return s.Load(ctx, t.kind, func(key string, doc []byte) error {
		row := new(T)
		if err := json.Unmarshal(doc, row); err != nil {
			return fmt.Errorf("row %s/%s: %w", t.kind, key, err)
		}
		t.rows[key] = row
		return nil
	})
}

// state is everything the balancer knows: a value that never changes once published.
type state struct {
	loadBalancers table[LoadBalancer]
	targetGroups  table[TargetGroup]
	listeners     table[Listener]
	rules         table[Rule]
	registrations table[registration]
}

func loadState(ctx context.Context, store Store) (state, error) {
	s := state{
		loadBalancers: table[LoadBalancer]{kind: "load-balancer"},
		targetGroups:  table[TargetGroup]{kind: "target-group"},
		listeners:     table[Listener]{kind: "listener"},
		rules:         table[Rule]{kind: "listener-rule"},
		registrations: table[registration]{kind: "target"},
	}
	for _, load := range []func(context.Context, Store) error{
		s.loadBalancers.load, s.targetGroups.load, s.listeners.load, s.rules.load, s.registrations.load,
	} {
		if err := load(ctx, store); err != nil {
			return state{}, err
		}
	}
	return s, nil
}

func (s state) copy() state {
	s.loadBalancers.shared = true
	s.targetGroups.shared = true
	s.listeners.shared = true
	s.rules.shared = true
	s.registrations.shared = true
	return s
}

// sorted returns the rows that match, in the order of compare.
func sorted[T any](t table[T], match func(*T) bool, compare func(a, b *T) int) []*T {
	var rows []*T
	for _, row := range t.rows {
		if match(row) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, compare)
	return rows
}

func (s state) listenersOf(lb string) []*Listener {
	return sorted(s.listeners, func(l *Listener) bool { return l.LoadBalancerARN == lb },
		func(a, b *Listener) int { return cmp.Compare(a.Port, b.Port) })
}

// rulesOf returns a listener's rules in order of evaluation, the default rule last.
func (s state) rulesOf(listener string) []*Rule {
	return sorted(s.rules, func(r *Rule) bool { return r.ListenerARN == listener },
		func(a, b *Rule) int { return cmp.Compare(a.rank(), b.rank()) })
}

// registrationsOf returns a group's registrations, oldest first.
func (s state) registrationsOf(group string) []*registration {
	return sorted(s.registrations, func(r *registration) bool { return r.TargetGroup == group },
		func(a, b *registration) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (s state) allRegistrations() []*registration {
	return sorted(s.registrations, func(*registration) bool { return true },
		func(a, b *registration) int { return cmp.Compare(a.Seq, b.Seq) })
}

// loadBalancersOf returns the ARNs of the load balancers that forward to a group:
// none or one.
func (s state) loadBalancersOf(group string) []string {
	return s.uses()[group]
}

// uses returns, for each target group that some rule forwards to, its load balancers.
func (s state) uses() map[string][]string {
	uses := map[string][]string{}
	for _, rule := range s.rules.rows {
		listener := s.listeners.rows[rule.ListenerARN]
		for _, group := range forwardsTo(rule.Actions) {
			if !slices.Contains(uses[group], listener.LoadBalancerARN) {
				uses[group] = append(uses[group], listener.LoadBalancerARN)
			}
		}
	}
	return uses
}

// tx is one change: a copy of the state, and what to commit.
type tx struct {
	state
	b      *Balancer
	ctx    context.Context
	now    time.Time
	rows   map[string]any
	events []timeline.Event
	undo   []func() // run if the change fails
}

// event records that something happened, caused by the caller's event, and returns its number.
func (x *tx) event(kind timeline.Kind, subject, message string, data map[string]string) int64 {
	return x.eventBecause(timeline.CauseFrom(x.ctx), kind, subject, message, data)
}

func (x *tx) eventBecause(cause int64, kind timeline.Kind, subject, message string, data map[string]string) int64 {
	seq := x.b.store.NextSeq()
	x.events = append(x.events, timeline.Event{
		Seq: seq, Time: x.now, Kind: kind, Subject: subject, Cause: cause, Message: message, Data: data,
	})
	return seq
}

func (x *tx) commit() error {
	if len(x.rows) == 0 && len(x.events) == 0 {
		return nil
	}
	return x.b.store.Commit(x.ctx, x.rows, x.events)
}

func (x *tx) fail() {
	for _, undo := range slices.Backward(x.undo) {
		undo()
	}
}
