package timeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelf is an OutcomeStore in memory that can be made to fail.
type shelf struct {
	mu       sync.Mutex
	kept     []Outcome
	followed []Epilogue
	err      error
}

func (s *shelf) KeepOutcomes(_ context.Context, outcomes []Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.kept = append(s.kept, outcomes...)
	}
	return s.err
}

func (s *shelf) FollowOutcomes(_ context.Context, epilogues []Epilogue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followed = append(s.followed, epilogues...)
	return s.err
}

func (s *shelf) LastOutcomes(_ context.Context, n int) ([]Outcome, error) {
	return s.kept[max(0, len(s.kept)-n):], s.err
}

func (s *shelf) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

func answered(id, status int) Outcome {
	at := noon.Add(time.Duration(id) * time.Second)
	return Outcome{ID: fmt.Sprint(id), LoadBalancer: "app/web/1", Status: status, Start: at, End: at}
}

func ids(outcomes []Outcome) []string {
	var ids []string
	for _, o := range outcomes {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestRecorder_RemembersTheLastOnesWithinBounds(t *testing.T) {
	r := NewRecorder(nil, RecorderOptions{Recent: 3, Failed: 2})
	for id, status := range []int{502, 200, 503, 200, 504, 200, 200} {
		r.Record(new(answered(id, status)))
	}
	if got, want := ids(r.Recent(0)), []string{"6", "5", "4"}; !slices.Equal(got, want) {
		t.Errorf("recent %v, want %v", got, want)
	}
	if got, want := ids(r.Recent(1)), []string{"6"}; !slices.Equal(got, want) {
		t.Errorf("last %v, want %v", got, want)
	}
	if got, want := ids(r.Failed(0)), []string{"4", "2"}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	if got := r.Drops(); got.Forgotten != 1 {
		t.Errorf("drops %+v, want 1 forgotten", got)
	}
	since := ids(r.Since(noon.Add(3 * time.Second)))
	slices.Sort(since)
	if want := []string{"4", "5", "6"}; !slices.Equal(since, want) {
		t.Errorf("since %v, want %v", since, want)
	}
}

func TestRecorder_CountsFailedOnesToo(t *testing.T) {
	r := NewRecorder(nil, RecorderOptions{})
	for id, status := range []int{200, 502, 200} {
		r.Record(new(answered(id, status)))
	}
	if requests, failed := r.Requests(noon.Add(time.Second), noon.Add(10*time.Second)); requests != 2 || failed != 1 {
		t.Errorf("%d requests and %d failed in the window, want 2 and 1", requests, failed)
	}
}

func TestRecorder_CountsMoreThanItRemembers(t *testing.T) {
	r := NewRecorder(nil, RecorderOptions{Recent: 10, Failed: 10})
	for id := range 7200 { // two hours, one request a second
		r.Record(new(answered(id, 200)))
	}
	now := noon.Add(7200 * time.Second)
	if requests, _ := r.Requests(now.Add(-10*time.Minute), now); requests != 600 {
		t.Errorf("%d requests in 10 minutes, want 600", requests)
	}
	if requests, _ := r.Requests(now.Add(-90*time.Minute), now); requests != 5400 {
		t.Errorf("%d requests in 90 minutes, want 5400", requests)
	}
	if requests, _ := r.Requests(now.Add(-48*time.Hour), now); requests != 7200 {
		t.Errorf("%d requests in two days, want 7200", requests)
	}
}

func TestRecorder_KeepsAFailedOutcomeOnce(t *testing.T) {
	store := &shelf{kept: []Outcome{answered(1, 502)}}
	r := NewRecorder(store, RecorderOptions{Failed: 3})
	if err := r.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := []Outcome{answered(1, 502), answered(2, 503), answered(2, 503)}
	store.set(errors.New("disk full"))
	if err := r.Keep(t.Context(), again); err == nil || len(r.Failed(0)) != 1 {
		t.Errorf("a store that refuses: %v, and %v is remembered", err, ids(r.Failed(0)))
	}
	store.set(nil)
	for range 2 {
		if err := r.Keep(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(r.Failed(0)); !slices.Equal(got, []string{"2", "1"}) || store.len() != 2 {
		t.Errorf("remembered %v and kept %d, want 2, 1 and 2 of them", got, store.len())
	}
	for id := 3; id < 6; id++ {
		if err := r.Keep(t.Context(), []Outcome{answered(id, 502)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(r.Failed(0)); !slices.Equal(got, []string{"5", "4", "3"}) || len(r.kept) != 3 || r.Drops().Forgotten != 2 {
		t.Errorf("remembered %v with %d ids and %+v, want 5, 4, 3", got, len(r.kept), r.Drops())
	}
}

func TestRecorder_EpiloguesFollowTheirOutcome(t *testing.T) {
	store := &shelf{}
	r := NewRecorder(store, RecorderOptions{})
	r.Record(new(answered(1, 504)))
	r.Record(new(answered(2, 460)))
	end := Epilogue{ID: "1", After: 12 * time.Second, Status: 200, Detail: "complete"}
	if !r.Follow(end) || r.Follow(Epilogue{ID: "3"}) {
		t.Error("the epilogue of 1 has its outcome, that of 3 has none")
	}
	for _, all := range [][]Outcome{r.Failed(0), r.Recent(0)} {
		if all[0].Epilogue != nil || all[1].Epilogue == nil || *all[1].Epilogue != end {
			t.Errorf("%+v", all)
		}
	}
	if err := r.KeepEpilogues(t.Context(), []Epilogue{{ID: "2"}, {ID: "unknown"}}); err != nil {
		t.Fatal(err)
	}
	if r.Failed(1)[0].Epilogue == nil || len(store.followed) != 2 {
		t.Errorf("%+v, %d in the store", r.Failed(1), len(store.followed))
	}
}

func TestRecorder_RestoresWhatWasKept(t *testing.T) {
	store := &shelf{kept: []Outcome{answered(1, 502), answered(2, 503)}}
	r := NewRecorder(store, RecorderOptions{})
	if err := r.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := ids(r.Failed(0)), []string{"2", "1"}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	store.set(errors.New("broken"))
	if err := r.Restore(t.Context()); err == nil {
		t.Error("a store that cannot be read is no error")
	}
}

func TestRecorder_IsSafeForConcurrentUse(t *testing.T) {
	r := NewRecorder(&shelf{}, RecorderOptions{Recent: 16, Failed: 16})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for id := range 200 {
				r.Record(new(answered(id, 502)))
				_, _ = r.Recent(2), r.Since(noon)
			}
		})
	}
	writers.Wait()
	if requests, failed := r.Requests(noon, noon.Add(time.Hour)); requests != 800 || failed != 800 {
		t.Errorf("%d counted and %d of them failed, want 800 and 800", requests, failed)
	}
}

// Outcomes that were recorded by many at once are all there, and in the order in which they ended.
func TestRecorder_RecentIsInOrderWhoeverRecorded(t *testing.T) {
	const writers, each = 8, 300
	r := NewRecorder(nil, RecorderOptions{Recent: 1000, Failed: -1})
	var next atomic.Int64
	var work sync.WaitGroup
	for range writers {
		work.Go(func() {
			for range each {
				r.Record(new(answered(int(next.Add(1)), 502)))
				runtime.Gosched()
			}
		})
	}
	work.Wait()
	all := r.Recent(0)
	if len(all) != 1000 || !slices.IsSortedFunc(all, func(a, b Outcome) int { return b.End.Compare(a.End) }) {
		t.Errorf("%d outcomes, or in disorder", len(all))
	}
	seen := map[string]bool{}
	for _, o := range all {
		seen[o.ID] = true
	}
	if len(seen) != len(all) || len(r.Failed(0)) != 0 {
		t.Errorf("%d different ones of %d, %d failed ones kept", len(seen), len(all), len(r.Failed(0)))
	}
	if requests, failed := r.Requests(noon, noon.Add(time.Hour-time.Second)); requests != writers*each || failed != writers*each {
		t.Errorf("%d requests, %d failed", requests, failed)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := NewRecorder(nil, RecorderOptions{})
	o := answered(1, 200)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Record(&o)
		}
	})
}
