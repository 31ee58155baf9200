package timeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// EventStore reads the events that are durable.
type EventStore interface {
	// EventsAfter returns up to limit events with a sequence number above seq, in order.
	EventsAfter(ctx context.Context, seq int64, limit int) ([]Event, error)
	// EventsBetween returns the events of from ≤ time ≤ to, in order of sequence number.
	EventsBetween(ctx context.Context, from, to time.Time) ([]Event, error)
	// LastEvents returns the last n events, in order.
	LastEvents(ctx context.Context, n int) ([]Event, error)
}

const (
	logLimit = 20_000
	// gapPatience is how long readers wait for a missing sequence number. Rooms take their
	// numbers before they commit, so that events can arrive out of order; a number whose
	// commit failed never arrives.
	gapPatience = time.Second
)

// Log is the window on the last events, and the way to the older ones. It is safe for concurrent use.
//
// Readers that follow it see every event once and in order: an event is held back until all
// lower sequence numbers have arrived, or have been missing for a second.
type Log struct {
	store EventStore // nil: there is nothing older
	limit int

	mu      sync.Mutex
	events  []Event // by sequence number; the last limit of them count
	settled int64   // readers see events up to here
	held    time.Time
	poke    chan struct{} // closed and replaced when there is more to see
}

// NewLog returns a log with a window of limit events (0: 20,000) on store, which may be nil.
func NewLog(store EventStore, limit int) *Log {
	return &Log{store: store, limit: cmp.Or(limit, logLimit), poke: make(chan struct{})}
}

// Restore fills the window from the store. Call it before Append.
func (l *Log) Restore(ctx context.Context) error {
	if l.store == nil {
		return nil
	}
	events, err := l.store.LastEvents(ctx, l.limit)
	if err != nil {
		return fmt.Errorf("read the last events: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.insert(e)
		l.settled = max(l.settled, e.Seq)
	}
	return nil
}

// Append adds events that have become durable. Events that are there already are ignored.
func (l *Log) Append(events ...Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.insert(e)
	}
	if len(l.events) > l.limit+l.limit/4 {
		l.events = slices.Clone(l.events[len(l.events)-l.limit:])
	}
	l.settle(time.Now())
	close(l.poke)
	l.poke = make(chan struct{})
}

func (l *Log) insert(e Event) {
	i, found := l.find(e.Seq)
	if !found {
		l.events = slices.Insert(l.events, i, e)
	}
}

func (l *Log) find(seq int64) (int, bool) {
	return slices.BinarySearchFunc(l.events, seq, func(e Event, seq int64) int { return cmp.Compare(e.Seq, seq) })
}

// settle moves on over every event that follows without a gap, and over a gap that has lasted too long.
func (l *Log) settle(now time.Time) {
	before := l.settled
	i, _ := l.find(l.settled + 1)
	if i < len(l.events) && l.events[i].Seq > l.settled+1 && !l.held.IsZero() && now.Sub(l.held) >= gapPatience {
		l.settled = l.events[i].Seq - 1
	}
	for ; i < len(l.events) && l.events[i].Seq == l.settled+1; i++ {
		l.settled++
	}
	switch {
	case i == len(l.events):
		l.held = time.Time{}
	case l.held.IsZero() || l.settled != before:
		l.held = now
	}
}

// After returns up to limit events with a sequence number above seq, in order.
func (l *Log) After(ctx context.Context, seq int64, limit int) ([]Event, error) {
	if events, ok := l.inWindow(seq, limit); ok {
		return events, nil
	}
	events, err := l.store.EventsAfter(ctx, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("read events after %d: %w", seq, err)
	}
	return events, nil
}

// inWindow answers from memory, if the window reaches back to seq.
func (l *Log) inWindow(seq int64, limit int) ([]Event, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(time.Now())
	events := l.window()
	if l.store != nil && (len(events) == 0 || events[0].Seq > seq+1) && seq < l.settled {
		return nil, false
	}
	return l.visible(seq, limit), true
}

func (l *Log) window() []Event {
	return l.events[max(0, len(l.events)-l.limit):]
}

// visible copies up to limit settled events of the window above seq.
func (l *Log) visible(seq int64, limit int) []Event {
	var events []Event
	for _, e := range l.window() {
		if e.Seq > seq && e.Seq <= l.settled && len(events) < limit {
			events = append(events, e)
		}
	}
	return events
}

// Between returns the events of from ≤ time ≤ to, in order of sequence number.
func (l *Log) Between(ctx context.Context, from, to time.Time) ([]Event, error) {
	all := l.All()
	if l.store != nil && (len(all) == 0 || all[0].Seq > 1 && !all[0].Time.Before(from)) {
		events, err := l.store.EventsBetween(ctx, from, to)
		if err != nil {
			return nil, fmt.Errorf("read events from %s: %w", from.Format(time.RFC3339), err)
		}
		return events, nil
	}
	return slices.DeleteFunc(all, func(e Event) bool { return e.Time.Before(from) || e.Time.After(to) }), nil
}

// All returns every event of the window, in order of sequence number.
func (l *Log) All() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.window())
}

// Last returns the highest sequence number that readers can see.
func (l *Log) Last() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(time.Now())
	return l.settled
}

// Wait returns up to 1,000 events with a sequence number above after, as soon as there is one.
// It returns ctx's error if ctx ends first.
func (l *Log) Wait(ctx context.Context, after int64) ([]Event, error) {
	for {
		poke, held := l.next()
		events, err := l.After(ctx, after, 1000)
		if err != nil || len(events) > 0 {
			return events, err
		}
		if err := await(ctx, poke, held); err != nil {
			return nil, err
		}
	}
}

// next returns what to wait for: a poke, or the end of patience with a gap (0: there is none).
func (l *Log) next() (poke <-chan struct{}, held time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held.IsZero() {
		held = max(time.Millisecond, gapPatience-time.Since(l.held))
	}
	return l.poke, held
}

func await(ctx context.Context, poke <-chan struct{}, patience time.Duration) error {
	var expired <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-poke:
	case <-expired:
	}
	return nil
}
