package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"drydock/orchestrator"
	"drydock/timeline"
)

// bubbleStore keeps rows and events in memory, and looks at every transaction: that is where
// the invariants of states are checked.
type bubbleStore struct {
	b *bubble

	mu       sync.Mutex
	seq      int64
	rows     map[string][]byte
	events   []timeline.Event
	tasks    map[string]*orchestrator.Task
	services map[string]*orchestrator.Service
	drains   map[string]time.Time // by task ARN: its target takes no request after this
	full     bool                 // every commit fails
	runaway  bool                 // the same, for ever: something was done without end
	moment   time.Time            // of the last commit
	started  int                  // tasks made at that moment
	commits  int                  // at that moment
}

func newBubbleStore(b *bubble) *bubbleStore {
	return &bubbleStore{b: b, rows: map[string][]byte{}, tasks: map[string]*orchestrator.Task{},
		services: map[string]*orchestrator.Service{}, drains: map[string]time.Time{}}
}

var (
	errFull = errors.New("database or disk is full")
	errDead = errors.New("the daemon was killed")
)

// lifeStore is the store as one daemon uses it: a killed one writes nothing any more.
type lifeStore struct {
	*bubbleStore
	mu      sync.Mutex
	dead    bool
	commits int           // made so far
	last    int           // the number of the last one; 0: it lives
	before  bool          // it dies when it tries the next commit, not right after the last one
	died    chan struct{} // closed when it dies so
}

// killAfter makes the nth commit from now the last one.
func (s *lifeStore) killAfter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = s.commits + n
}

// killBefore makes the nth commit from now fail, and what comes between the commit before it and
// that moment is done still.
func (s *lifeStore) killBefore(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.before = s.commits+n-1, true
}

func (s *lifeStore) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.die()
}

func (s *lifeStore) die() {
	if !s.dead {
		s.dead = true
		close(s.died)
	}
}

// made returns how many commits this daemon has made.
func (s *lifeStore) made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

func (s *lifeStore) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

func (s *lifeStore) Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before && s.commits == s.last {
		s.die()
	}
	if s.dead {
		return errDead
	}
	err := s.bubbleStore.Commit(ctx, rows, events)
	if err != nil {
		return err
	}
	if s.commits++; s.commits == s.last && !s.before {
		s.die()
	}
	return nil
}

func (s *bubbleStore) NextSeq() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	return s.seq
}

func (s *bubbleStore) Load(_ context.Context, kind string, each func(string, []byte) error) error {
	s.mu.Lock()
	rows := maps.Clone(s.rows)
	s.mu.Unlock()
	for name, doc := range rows {
		if key, ok := strings.CutPrefix(name, kind+"/"); ok {
			if err := each(key, doc); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *bubbleStore) Commit(_ context.Context, rows map[string]any, events []timeline.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full || s.runaway {
		return errFull
	}
	s.b.checkCommit(s, rows)
	for key, row := range rows {
		if row == nil {
			delete(s.rows, key)
			continue
		}
		doc, err := json.Marshal(row)
		if err != nil {
			return err
		}
		s.rows[key] = doc
		s.noteDrain(key, doc)
	}
	s.events = append(s.events, events...)
	return nil
}

// noteDrain remembers from when on a task's target takes no new request.
func (s *bubbleStore) noteDrain(key string, doc []byte) {
	if !strings.HasPrefix(key, "target/") {
		return
	}
	var row struct {
		Target     struct{ Task string }
		State      string
		DrainFrom  time.Time
		Superseded bool
	}
	if json.Unmarshal(doc, &row) != nil || row.Superseded {
		return
	}
	delete(s.drains, row.Target.Task)
	if row.State == "draining" {
		s.drains[row.Target.Task] = row.DrainFrom
	}
}

func (s *bubbleStore) setFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *bubbleStore) drainFrom(task string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, ok := s.drains[task]
	return from, ok
}

func (s *bubbleStore) told() []timeline.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]timeline.Event(nil), s.events...)
}
