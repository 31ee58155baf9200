package orchestrator_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"drydock/orchestrator"
	"drydock/timeline"
)

// rigRows keeps rows and events, and looks at every transaction. Rows are kept as they were given,
// which is as good as durable, since nobody may change them, and become JSON when they are loaded.
type rigRows struct {
	r *rig

	mu       sync.Mutex
	seq      int64
	rows     map[string]any
	told     map[int64]bool // numbers of events
	tasks    map[string]*orchestrator.Task
	services map[string]*orchestrator.Service
	moment   time.Time // of the last commit
	busy     int       // commits at that moment
	changes  int       // of rows
	runaway  bool      // something is done without end: every commit fails from now on
}

func newRigRows(r *rig) *rigRows {
	return &rigRows{r: r, rows: map[string]any{}, told: map[int64]bool{}, tasks: map[string]*orchestrator.Task{}, services: map[string]*orchestrator.Service{}}
}

func (s *rigRows) NextSeq() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	return s.seq
}

// NextSeq implements [orchestrator.Store].
func (l *rigLife) NextSeq() int64 { return l.rows.NextSeq() }

// Load implements [orchestrator.Store].
func (l *rigLife) Load(_ context.Context, kind string, each func(string, []byte) error) error {
	s := l.rows
	s.mu.Lock()
	docs := map[string][]byte{}
	for name, row := range s.rows {
		if key, ok := strings.CutPrefix(name, kind+"/"); ok {
			doc, err := json.Marshal(row)
			if err != nil {
				s.mu.Unlock()
				return err
			}
			docs[key] = doc
		}
	}
	s.mu.Unlock()
	for key, doc := range docs {
		if err := each(key, doc); err != nil {
			return err
		}
	}
	return nil
}

// Commit implements [orchestrator.Store].
func (l *rigLife) Commit(_ context.Context, rows map[string]any, events []timeline.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before && l.commits == l.last {
		l.dieLocked()
	}
	if l.dead {
		return errDead
	}
	if err := l.rows.commit(l, rows, events); err != nil {
		return err
	}
	if l.commits++; l.commits == l.last && !l.before {
		l.dieLocked()
	}
	return nil
}

func (s *rigRows) commit(l *rigLife, rows map[string]any, events []timeline.Event) error {
	if l.trouble("store") == refuses {
		return errFull
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runaway {
		return errFull
	}
	s.checkPace()
	if len(rows)+len(events) == 0 {
		return nil
	}
	s.check(l, rows, events)
	for key, row := range rows {
		if row == nil { // to forget is not to do something
			delete(s.rows, key)
			continue
		}
		s.rows[key] = row
		s.changes++
	}
	return nil
}

// checkPace: nothing is done without end while time stands still. Such a loop would never give
// time a chance to pass, so it is stopped.
func (s *rigRows) checkPace() {
	if now := time.Now(); !now.Equal(s.moment) {
		s.moment, s.busy = now, 0
	}
	if s.busy++; s.busy > 3000 {
		s.runaway = true
		s.r.broken("%d transactions within a moment", s.busy)
	}
}

func (s *rigRows) task(arn string) *orchestrator.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[arn]
}

func (s *rigRows) all() []*orchestrator.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.services))
}

func (s *rigRows) changed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}
