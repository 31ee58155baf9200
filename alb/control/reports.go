package control

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

const (
	keptRecords = 10_000          // that wait for a daemon
	heartbeat   = 2 * time.Second // between lines of a stream in which nothing happens
)

// reports are the records for the daemon. They are kept until it has stored them.
type reports struct {
	limit int

	mu      sync.Mutex
	queue   []Record // not stored yet, in order of their numbers
	last    uint64   // number of the newest
	dropped uint64
	stream  *stream // to the daemon that connected last; nil: none
}

// stream is one daemon's connection.
type stream struct {
	sent   uint64 // number of the last record that was sent on it
	health []node.HealthChange
	poke   chan struct{}
	over   chan struct{} // closed when another daemon has connected, or the process retires
}

func newReports() *reports { return &reports{limit: keptRecords} }

// add numbers a record and keeps it. The oldest one is dropped if there are too many.
func (r *reports) add(record Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	record.N = r.last
	r.queue = append(r.queue, record)
	if len(r.queue) > r.limit {
		r.queue = r.queue[1:]
		r.dropped++
	}
	r.stream.wake()
}

// changed tells the daemon of a health change, if one listens: who comes later compares.
func (r *reports) changed(h node.HealthChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stream != nil {
		r.stream.health = append(r.stream.health, h)
		r.stream.wake()
	}
}

func (s *stream) wake() {
	if s == nil {
		return
	}
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// stored forgets the records up to a number.
func (r *reports) stored(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 && r.queue[0].N <= n {
		r.queue = r.queue[1:]
	}
}

// open begins the stream of a daemon that has the records up to a number. An earlier stream ends.
func (r *reports) open(after uint64) *stream {
	s := &stream{sent: after, poke: make(chan struct{}, 1), over: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stream != nil {
		close(r.stream.over)
	}
	r.stream = s
	return s
}

// close ends a stream, nil: the one that there is.
func (r *reports) close(s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stream == nil || s != nil && s != r.stream {
		return
	}
	close(r.stream.over)
	r.stream = nil
}

// next returns what a stream has not sent yet.
func (r *reports) next(s *stream) (news []Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range s.health {
		news = append(news, Record{Health: &s.health[i]})
	}
	s.health = nil
	for _, record := range r.queue {
		if record.N > s.sent {
			news, s.sent = append(news, record), record.N
		}
	}
	return news
}

// serve sends all target states, then records as they come.
func (r *reports) serve(ctx context.Context, w http.ResponseWriter, after uint64, targets func() []node.TargetStatus) {
	s := r.open(after)
	defer r.close(s)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	news := []Record{{Targets: targets()}} // after open: no change falls in between
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		for _, record := range append(news, r.next(s)...) {
			if out.Encode(record) != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		news = nil
		select {
		case <-ctx.Done():
			return
		case <-s.over:
			return
		case <-s.poke:
		case <-beat.C:
			news = []Record{{}}
		}
	}
}

// counts returns the number of the last record, how many wait, and how many were lost.
func (r *reports) counts() (last uint64, waiting int, dropped uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, len(r.queue), r.dropped
}

// take removes all records that wait, for the process that comes after this one.
func (r *reports) take() (queue []Record, dropped uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	queue, dropped = r.queue, r.dropped
	r.queue, r.dropped = nil, 0
	return queue, dropped
}

func (r *reports) lost(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped += n
}

// recent is what is sent of the ordinary outcomes.
func recent(all []timeline.Outcome, since time.Time) []timeline.Outcome {
	var found []timeline.Outcome
	for _, o := range all {
		if !o.Failed() && !o.End.Before(since) {
			found = append(found, o)
		}
	}
	return found
}

// unread reports whether a daemon listens that has not stored everything yet.
func (r *reports) unread() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stream != nil && len(r.queue) > 0
}
