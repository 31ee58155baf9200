package timeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelf is an OutcomeStore in memory that can be made to fail or to hang.
type shelf struct {
	mu   sync.Mutex
	kept []Outcome
	err  error
	hang bool
}

func (s *shelf) KeepOutcomes(ctx context.Context, outcomes []Outcome) error {
	s.mu.Lock()
	hang, err := s.hang, s.err
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, outcomes...)
	return nil
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
		r.Record(answered(id, status))
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
	if got := r.Drops(); got.Forgotten != 1 || got.Unkept != 0 {
		t.Errorf("drops %+v, want 1 forgotten", got)
	}
	since := ids(r.Since(noon.Add(3 * time.Second)))
	slices.Sort(since)
	if want := []string{"4", "5", "6"}; !slices.Equal(since, want) {
		t.Errorf("since %v, want %v", since, want)
	}
}

func TestRecorder_CountsByLoadBalancerAndStatus(t *testing.T) {
	r := NewRecorder(nil, RecorderOptions{})
	for id, status := range []int{200, 502, 200} {
		r.Record(answered(id, status))
	}
	want := []Count{{"app/web/1", 200, 2}, {"app/web/1", 502, 1}}
	if got := r.Counts(); !slices.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
	if requests, failed := r.Requests(noon.Add(time.Second), noon.Add(10*time.Second)); requests != 2 || failed != 1 {
		t.Errorf("%d requests and %d failed in the window, want 2 and 1", requests, failed)
	}
}

func TestRecorder_CountsMoreThanItRemembers(t *testing.T) {
	r := NewRecorder(nil, RecorderOptions{Recent: 10, Failed: 10})
	for id := range 7200 { // two hours, one request a second
		r.Record(answered(id, 200))
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

func TestRecorder_KeepsFailedOutcomesInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		r := NewRecorder(store, RecorderOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		r.Record(answered(1, 502))
		r.Record(answered(2, 200))
		if synctest.Wait(); store.len() != 0 {
			t.Error("kept before the batch was due")
		}
		time.Sleep(keepEvery)
		if synctest.Wait(); store.len() != 1 {
			t.Errorf("%d kept after one interval, want 1", store.len())
		}
		r.Record(answered(3, 503))
		cancel()
		if err := <-done; err != nil || store.len() != 2 {
			t.Errorf("%d kept at the end (%v), want 2", store.len(), err)
		}
	})
}

func TestRecorder_TriesAgainAndNeverBlocksARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{err: errors.New("disk full")}
		r := NewRecorder(store, RecorderOptions{Failed: 3})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		for id := range 5 {
			r.Record(answered(id, 502))
			time.Sleep(keepEvery)
		}
		if got := r.Drops(); got.Unkept != 2 || got.Forgotten != 2 {
			t.Errorf("drops %+v, want 2 and 2", got)
		}
		store.set(nil)
		time.Sleep(keepEvery)
		if synctest.Wait(); store.len() != 3 {
			t.Errorf("%d kept once the store works, want 3", store.len())
		}
		store.mu.Lock()
		store.hang = true
		store.mu.Unlock()
		r.Record(answered(6, 502))
		cancel()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run with a store that hangs ended with %v", err)
		}
	})
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

func TestRecorder_EpiloguesFollowTheirOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		r := NewRecorder(store, RecorderOptions{})
		r.Record(answered(1, 504))
		r.Record(answered(2, 460))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(time.Second)
		if !r.Follow(Epilogue{ID: "1", Status: 200, Detail: "complete"}) || r.Follow(Epilogue{ID: "3"}) {
			t.Error("the epilogue of 1 has its outcome, that of 3 has none")
		}
		time.Sleep(time.Second)
		cancel()
		<-done

		again := NewRecorder(store, RecorderOptions{})
		if err := again.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]*Recorder{"live": r, "restored": again} {
			failed := r.Failed(0)
			if want := []string{"2", "1"}; !slices.Equal(ids(failed), want) {
				t.Fatalf("%s: failed %v, want %v", name, ids(failed), want)
			}
			if e := failed[1].Epilogue; e == nil || e.Status != 200 {
				t.Errorf("%s: epilogue %+v", name, e)
			}
		}
	})
}

func TestRecorder_IsSafeForConcurrentUse(t *testing.T) {
	r := NewRecorder(&shelf{}, RecorderOptions{Recent: 16, Failed: 16})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for id := range 200 {
				r.Record(answered(id, 502))
				_, _ = r.Recent(2), r.Since(noon)
			}
		})
	}
	writers.Wait()
	if got := r.Counts()[0].Requests; got != 800 {
		t.Errorf("%d counted, want 800", got)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := NewRecorder(nil, RecorderOptions{})
	o := answered(1, 200)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Record(o)
		}
	})
}
