package timeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// OutcomeStore makes failed outcomes durable.
type OutcomeStore interface {
	// KeepOutcomes makes outcomes durable, all of them or none.
	KeepOutcomes(ctx context.Context, outcomes []Outcome) error
	// LastOutcomes returns the last n outcomes that were kept, oldest first.
	LastOutcomes(ctx context.Context, n int) ([]Outcome, error)
}

const (
	keepEvery   = 250 * time.Millisecond // how often failed outcomes are made durable
	keepBatch   = 1000                   // outcomes in one call of KeepOutcomes
	lastKeep    = 2 * time.Second        // how long the last one may take when Run ends
	recentLimit = 10_000
	failedLimit = 10_000
)

// RecorderOptions bound what a [Recorder] remembers. Zero values are the defaults.
type RecorderOptions struct {
	Recent int // outcomes of any kind, default 10,000
	Failed int // failed outcomes, default 10,000
}

// Recorder remembers outcomes: the recent ones, the failed ones for longer, and how many there
// were. It is safe for concurrent use. Record is cheap enough to be called for every request.
type Recorder struct {
	store   OutcomeStore // nil: failed outcomes are not durable
	options RecorderOptions

	mu      sync.Mutex
	recent  ring[Outcome]
	failed  ring[Outcome]
	pending []Outcome // failed, not durable yet
	counts  map[countKey]uint64
	seconds *tally // the last hour
	minutes *tally // the last day
	drops   Drops
}

type countKey struct {
	loadBalancer string
	status       int
}

// Count is how many requests a load balancer answered with a status since the recorder was made.
type Count struct {
	LoadBalancer string `json:"loadBalancer"`
	Status       int    `json:"status"`
	Requests     uint64 `json:"requests"`
}

// Drops counts failed outcomes that were lost to the recorder's bounds.
type Drops struct {
	Forgotten uint64 `json:"forgotten"` // no longer in memory: newer ones took their place
	Unkept    uint64 `json:"unkept"`    // never made durable: the store was too slow or refused them
}

// NewRecorder returns a recorder that keeps failed outcomes in store, which may be nil.
func NewRecorder(store OutcomeStore, options RecorderOptions) *Recorder {
	options.Recent = cmp.Or(options.Recent, recentLimit)
	options.Failed = cmp.Or(options.Failed, failedLimit)
	return &Recorder{
		store:   store,
		options: options,
		recent:  ring[Outcome]{limit: options.Recent},
		failed:  ring[Outcome]{limit: options.Failed},
		counts:  make(map[countKey]uint64),
		seconds: newTally(1, 3600),
		minutes: newTally(60, 1440),
	}
}

// Restore reads the failed outcomes of earlier runs from the store. Call it before Record.
func (r *Recorder) Restore(ctx context.Context) error {
	if r.store == nil {
		return nil
	}
	outcomes, err := r.store.LastOutcomes(ctx, r.options.Failed)
	if err != nil {
		return fmt.Errorf("load failed outcomes: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range outcomes {
		if o.Epilogue == nil || r.failed.find(func(known *Outcome) bool { return known.ID == o.ID }) == nil {
			r.failed.push(o)
		}
		r.setEpilogue(o.ID, o.Epilogue)
	}
	return nil
}

// Record remembers o. It never blocks on the store.
func (r *Recorder) Record(o Outcome) {
	failed, end := o.Failed(), o.End.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.push(o)
	r.counts[countKey{o.LoadBalancer, o.Status}]++
	r.seconds.count(end, failed)
	r.minutes.count(end, failed)
	if failed {
		r.remember(o)
	}
}

// remember adds a failed outcome to those in memory and to those that wait for the store.
func (r *Recorder) remember(o Outcome) {
	if r.failed.push(o) {
		r.drops.Forgotten++
	}
	switch {
	case r.store == nil:
	case len(r.pending) < r.options.Failed:
		r.pending = append(r.pending, o)
	default:
		r.drops.Unkept++
	}
}

// Follow adds how a target went on to the failed outcome that it belongs to. The outcome is made
// durable once more, with its epilogue. It reports whether the outcome is remembered.
func (r *Recorder) Follow(e Epilogue) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.setEpilogue(e.ID, &e)
	if o != nil && r.store != nil && len(r.pending) < r.options.Failed {
		r.pending = append(r.pending, *o)
	}
	return o != nil
}

func (r *Recorder) setEpilogue(id string, e *Epilogue) *Outcome {
	if e == nil {
		return nil
	}
	same := func(o *Outcome) bool { return o.ID == id }
	if o := r.recent.find(same); o != nil {
		o.Epilogue = e
	}
	o := r.failed.find(same)
	if o != nil {
		o.Epilogue = e
	}
	return o
}

// Run makes failed outcomes durable in batches until ctx ends, and then those that are left.
func (r *Recorder) Run(ctx context.Context) error {
	if r.store == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	troubled := false
	for {
		select {
		case <-tick.C:
			err := r.flush(ctx)
			if err != nil && !troubled && ctx.Err() == nil {
				slog.Warn("cannot keep failed outcomes; will try again", "error", err)
			}
			troubled = err != nil
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastKeep)
			defer cancel()
			return r.flush(last)
		}
	}
}

// flush keeps what is pending. What could not be kept stays pending, within bounds.
func (r *Recorder) flush(ctx context.Context) error {
	r.mu.Lock()
	batch := r.pending
	r.pending = nil
	r.mu.Unlock()
	for len(batch) > 0 {
		n := min(len(batch), keepBatch)
		if err := r.store.KeepOutcomes(ctx, batch[:n]); err != nil {
			r.putBack(batch)
			return fmt.Errorf("keep %d failed outcomes: %w", len(batch), err)
		}
		batch = batch[n:]
	}
	return nil
}

// putBack makes batch pending again, ahead of what came since. The oldest are dropped.
func (r *Recorder) putBack(batch []Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Concat(batch, r.pending)
	if over := len(all) - r.options.Failed; over > 0 {
		r.drops.Unkept += uint64(over)
		all = all[over:]
	}
	r.pending = all
}

// Recent returns up to limit of the most recent outcomes, newest first; 0 means all that are remembered.
func (r *Recorder) Recent(limit int) []Outcome {
	return r.take(&r.recent, limit, func(*Outcome) bool { return true })
}

// Failed returns up to limit of the most recent failed outcomes, newest first; 0 means all that are remembered.
func (r *Recorder) Failed(limit int) []Outcome {
	return r.take(&r.failed, limit, func(*Outcome) bool { return true })
}

// Since returns the remembered outcomes that ended at from or later, in no particular order:
// every failed one, and those of the others that are recent enough to be remembered.
func (r *Recorder) Since(from time.Time) []Outcome {
	inTime := func(o *Outcome) bool { return !o.End.Before(from) }
	failed := r.take(&r.failed, 0, inTime)
	others := r.take(&r.recent, 0, func(o *Outcome) bool { return inTime(o) && !o.Failed() })
	return append(failed, others...)
}

func (r *Recorder) take(from *ring[Outcome], limit int, want func(*Outcome) bool) []Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []Outcome
	from.each(func(o *Outcome) bool {
		if want(o) {
			taken = append(taken, *o)
		}
		return limit == 0 || len(taken) < limit
	})
	return taken
}

// Requests returns how many requests ended at from or later, and how many of them failed.
// It counts whole seconds in the last hour, whole minutes in the last day, and nothing older.
// Requests of an earlier run of the daemon are not counted.
func (r *Recorder) Requests(from, now time.Time) (requests, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seconds.reaches(from, now) {
		return r.seconds.since(from.Unix())
	}
	day := now.Add(-time.Duration(len(r.minutes.slots)-1) * time.Minute)
	if from.Before(day) {
		from = day
	}
	return r.minutes.since(from.Unix())
}

// Counts returns the counters by load balancer and status, in that order.
func (r *Recorder) Counts() []Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make([]Count, 0, len(r.counts))
	for key, n := range r.counts {
		counts = append(counts, Count{key.loadBalancer, key.status, n})
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.LoadBalancer, b.LoadBalancer), cmp.Compare(a.Status, b.Status))
	})
	return counts
}

// Drops returns how many failed outcomes were lost to the recorder's bounds.
func (r *Recorder) Drops() Drops {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops
}
