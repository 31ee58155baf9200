package timeline

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"drydock/timeline/timelinetest"
)

// archive is an EventStore in memory.
type archive struct {
	events []Event
	reads  int
}

func (a *archive) EventsAfter(_ context.Context, seq int64, limit int) ([]Event, error) {
	a.reads++
	i, _ := slices.BinarySearchFunc(a.events, seq+1, func(e Event, seq int64) int { return int(e.Seq - seq) })
	return a.events[i:min(len(a.events), i+limit)], nil
}

func (a *archive) EventsBetween(_ context.Context, from, to time.Time) ([]Event, error) {
	a.reads++
	var found []Event
	for _, e := range a.events {
		if !e.Time.Before(from) && !e.Time.After(to) {
			found = append(found, e)
		}
	}
	return found, nil
}

func (a *archive) LastEvents(_ context.Context, n int) ([]Event, error) {
	return a.events[max(0, len(a.events)-n):], nil
}

func event(seq int64) Event {
	return Event{Seq: seq, Time: noon.Add(time.Duration(seq) * time.Second)}
}

func eventsUpTo(n int64) []Event {
	var events []Event
	for seq := int64(1); seq <= n; seq++ {
		events = append(events, event(seq))
	}
	return events
}

func seqs(events []Event) []int64 {
	var seqs []int64
	for _, e := range events {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func TestLog_ReadsTheWindowFromMemoryAndTheRestFromTheStore(t *testing.T) {
	store := &archive{events: eventsUpTo(30)}
	l := NewLog(store, 10)
	if err := l.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := l.After(t.Context(), 25, 3)
	if err != nil || !slices.Equal(seqs(got), []int64{26, 27, 28}) || store.reads != 0 {
		t.Errorf("after 25: %v, %v, %d reads of the store", seqs(got), err, store.reads)
	}
	got, err = l.After(t.Context(), 3, 2)
	if err != nil || !slices.Equal(seqs(got), []int64{4, 5}) || store.reads != 1 {
		t.Errorf("after 3: %v, %v, %d reads of the store", seqs(got), err, store.reads)
	}
	got, _ = l.Between(t.Context(), event(24).Time, event(26).Time)
	if !slices.Equal(seqs(got), []int64{24, 25, 26}) || store.reads != 1 {
		t.Errorf("between 24 and 26: %v, %d reads of the store", seqs(got), store.reads)
	}
	got, _ = l.Between(t.Context(), event(2).Time, event(4).Time)
	if !slices.Equal(seqs(got), []int64{2, 3, 4}) || store.reads != 2 {
		t.Errorf("between 2 and 4: %v, %d reads of the store", seqs(got), store.reads)
	}
}

func TestLog_ForgetsWhatFallsOutOfTheWindow(t *testing.T) {
	l := NewLog(nil, 8)
	for _, e := range eventsUpTo(100) {
		l.Append(e, e)
	}
	if got := seqs(l.All()); len(got) != 8 || got[0] != 93 || l.Last() != 100 {
		t.Errorf("window %v up to %d, want 93 to 100", got, l.Last())
	}
	if got, _ := l.After(t.Context(), 0, 100); len(got) != 8 {
		t.Errorf("%d events without a store, want 8", len(got))
	}
}

func TestLog_WaitReturnsEventsAsTheyCome(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		l := NewLog(nil, 0)
		found := make(chan []Event, 1)
		go func() {
			events, _ := l.Wait(t.Context(), 0)
			found <- events
		}()
		synctest.Wait()
		l.Append(event(1))
		if got := seqs(<-found); !slices.Equal(got, []int64{1}) {
			t.Errorf("got %v, want 1", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for nothing ended with %v", err)
		}
	})
}

func TestLog_FollowersSeeEventsInOrder(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		l := NewLog(nil, 0)
		l.Append(event(1), event(3))
		got, _ := l.Wait(t.Context(), 0)
		if !slices.Equal(seqs(got), []int64{1}) {
			t.Fatalf("got %v while 2 is missing, want 1", seqs(got))
		}
		l.Append(event(2))
		got, _ = l.Wait(t.Context(), 1)
		if !slices.Equal(seqs(got), []int64{2, 3}) {
			t.Fatalf("got %v, want 2 and 3", seqs(got))
		}
	})
}

func TestLog_FollowersDoNotWaitForANumberThatNeverComes(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		l := NewLog(nil, 0)
		l.Append(event(1), event(5), event(9))
		start := time.Now()
		got, _ := l.Wait(t.Context(), 1)
		if !slices.Equal(seqs(got), []int64{5}) || time.Since(start) != gapPatience {
			t.Errorf("got %v after %v, want 5 after %v", seqs(got), time.Since(start), gapPatience)
		}
		got, _ = l.Wait(t.Context(), 5)
		if !slices.Equal(seqs(got), []int64{9}) {
			t.Errorf("got %v, want 9", seqs(got))
		}
	})
}
