package timeline

import (
	"cmp"
	"sync"
	"time"
)

const (
	recentLimit = 10_000
	failedLimit = 10_000
)

// RecorderOptions bound what a [Recorder] remembers. Zero values are the defaults.
type RecorderOptions struct {
	Recent int // outcomes of any kind, default 10,000
	Failed int // failed outcomes, default 10,000; negative: none
}

// Recorder remembers outcomes: the recent ones, the failed ones for longer, and how many there
// were. It is safe for concurrent use. Record is cheap enough to be called for every request.
//
// There are two of them: the load balancer node records every outcome in one without a store,
// and the daemon keeps in the other, durably, those that failed.
type Recorder struct {
	store   OutcomeStore // nil: failed outcomes are not durable
	options RecorderOptions

	shards *shards

	mu     sync.Mutex
	failed ring[Outcome]
	kept   map[string]bool // ids of those in failed that Keep or Restore put there
	drops  Drops
}

// Drops counts failed outcomes that were lost to the recorder's bounds.
type Drops struct {
	Forgotten uint64 `json:"forgotten"` // no longer in memory: newer ones took their place
}

// NewRecorder returns a recorder that keeps failed outcomes in store, which may be nil.
func NewRecorder(store OutcomeStore, options RecorderOptions) *Recorder {
	options.Recent = cmp.Or(options.Recent, recentLimit)
	options.Failed = cmp.Or(options.Failed, failedLimit)
	return &Recorder{
		store:   store,
		options: options,
		shards:  newShards(options.Recent),
		failed:  ring[Outcome]{limit: options.Failed},
		kept:    make(map[string]bool),
	}
}

// Record remembers a copy of o. It has nothing to do with the store.
func (r *Recorder) Record(o *Outcome) {
	failed := o.Failed()
	r.shards.record(o, failed)
	if failed && r.options.Failed > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.remember(o)
	}
}

// remember adds a failed outcome to those in memory.
func (r *Recorder) remember(o *Outcome) {
	if old := r.failed.victim(); old != nil {
		r.drops.Forgotten++
		delete(r.kept, old.ID)
	}
	r.failed.push(o)
}

// Follow adds how a target went on to the outcome that it belongs to. It reports whether that
// one is remembered as failed.
func (r *Recorder) Follow(e Epilogue) bool {
	r.shards.each(func(o *Outcome) {
		if o.ID == e.ID {
			o.Epilogue = &e
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.failed.find(func(o *Outcome) bool { return o.ID == e.ID })
	if o != nil {
		o.Epilogue = &e
	}
	return o != nil
}

// Recent returns up to limit of the most recent outcomes, newest first; 0 means all that are remembered.
func (r *Recorder) Recent(limit int) []Outcome {
	return r.shards.recent(limit)
}

// Failed returns up to limit of the most recent failed outcomes, newest first; 0 means all that are remembered.
func (r *Recorder) Failed(limit int) []Outcome {
	return r.takeFailed(limit, func(*Outcome) bool { return true })
}

// Since returns the remembered outcomes that ended at from or later, in no particular order:
// every failed one, and those of the others that are recent enough to be remembered.
func (r *Recorder) Since(from time.Time) []Outcome {
	inTime := func(o *Outcome) bool { return !o.End.Before(from) }
	taken := r.takeFailed(0, inTime)
	for _, o := range r.shards.recent(0) {
		if inTime(&o) && !o.Failed() {
			taken = append(taken, o)
		}
	}
	return taken
}

func (r *Recorder) takeFailed(limit int, want func(*Outcome) bool) []Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []Outcome
	r.failed.each(func(o *Outcome) bool {
		if want(o) {
			taken = append(taken, *o)
		}
		return limit == 0 || len(taken) < limit
	})
	return taken
}

// Requests returns how many requests ended at from or later, and how many of them failed.
// It counts whole seconds in the last hour, whole minutes in the last day, and nothing older.
// Requests that were recorded elsewhere are not counted.
func (r *Recorder) Requests(from, now time.Time) (requests, failed int) {
	if r.shards.all[0].seconds.reaches(from, now) {
		return r.shards.sum(func(h *shard) (int, int) { return h.seconds.since(from.Unix()) })
	}
	if day := now.Add(time.Minute - 24*time.Hour); from.Before(day) {
		from = day
	}
	return r.shards.sum(func(h *shard) (int, int) { return h.minutes.since(from.Unix()) })
}

// Drops returns how many failed outcomes were lost to the recorder's bounds.
func (r *Recorder) Drops() Drops {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops
}
