package timeline

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const pageSize = 128 // outcomes

// shards take in every outcome. There is one for each processor, which finds it by itself: requests that
// run beside each other share no lock, but once for each page of outcomes.
type shards struct {
	limit int
	all   []shard
	next  atomic.Uint64 // of all, for a processor that has none yet
	mine  sync.Pool     // of *shard

	mu   sync.Mutex  // taken after those of shards
	full [][]Outcome // pages, the oldest first
}

// shard is what one processor has recorded. Any goroutine may use it: it is only unlikely that two do.
type shard struct {
	mu      sync.Mutex
	page    []Outcome // that is not full yet
	seconds *tally    // the last hour
	minutes *tally    // the last day
}

func newShards(limit int) *shards {
	s := &shards{limit: limit, all: make([]shard, runtime.GOMAXPROCS(0))}
	for i := range s.all {
		s.all[i] = shard{seconds: newTally(1, 3600), minutes: newTally(60, 1440)}
	}
	s.mine.New = func() any { return &s.all[s.next.Add(1)%uint64(len(s.all))] }
	return s
}

// record keeps a copy of o, and counts it.
func (s *shards) record(o *Outcome, failed bool) {
	end := o.End.Unix()
	h := s.mine.Get().(*shard)
	h.mu.Lock()
	if len(h.page) == cap(h.page) {
		h.page = s.turn(h.page)
	}
	n := len(h.page)
	h.page = h.page[:n+1]
	h.page[n] = *o // not append: that would copy it twice
	h.seconds.count(end, failed)
	h.minutes.count(end, failed)
	h.mu.Unlock()
	s.mine.Put(h)
}

// turn takes a full page, and returns an empty one: the oldest, once there are more than enough.
func (s *shards) turn(page []Outcome) []Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(page) > 0 {
		s.full = append(s.full, page)
	}
	size := min(pageSize, s.limit)
	if (len(s.full)-1)*size < s.limit {
		return make([]Outcome, 0, size)
	}
	oldest := s.full[0]
	s.full = slices.Delete(s.full, 0, 1)
	return oldest[:0]
}

// each calls f for every outcome that is there, in no particular order, under every lock.
func (s *shards) each(f func(*Outcome)) {
	for i := range s.all {
		s.all[i].mu.Lock()
		defer s.all[i].mu.Unlock()
		eachOf(s.all[i].page, f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, page := range s.full {
		eachOf(page, f)
	}
}

func eachOf(page []Outcome, f func(*Outcome)) {
	for i := range page {
		f(&page[i])
	}
}

// recent returns up to limit of the outcomes that ended last, newest first; 0 means all that are to be remembered.
func (s *shards) recent(limit int) []Outcome {
	if limit == 0 || limit > s.limit {
		limit = s.limit
	}
	var all []Outcome
	s.each(func(o *Outcome) { all = append(all, *o) })
	order := make([]*Outcome, len(all))
	for i := range all {
		order[i] = &all[len(all)-1-i]
	}
	slices.SortStableFunc(order, func(a, b *Outcome) int { return b.End.Compare(a.End) })
	taken := make([]Outcome, min(limit, len(order)))
	for i := range taken {
		taken[i] = *order[i]
	}
	return taken
}

// sum adds up what since says of the shards' tallies.
func (s *shards) sum(since func(*shard) (requests, failed int)) (requests, failed int) {
	for i := range s.all {
		h := &s.all[i]
		h.mu.Lock()
		r, f := since(h)
		h.mu.Unlock()
		requests, failed = requests+r, failed+f
	}
	return requests, failed
}
