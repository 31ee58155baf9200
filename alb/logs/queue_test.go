package logs

import (
	"sync"
	"testing"
)

func TestQueue_EveryRecordArrivesOnce(t *testing.T) {
	const writers, each = 8, 20_000
	wake := make(chan struct{}, 1)
	q := newQueue[int](wake)
	seen := make([]int, writers*each)
	last := [writers]int{}
	take := func(_ *stream, n *int) {
		seen[*n]++
		if w := *n / each; *n < last[w] {
			t.Errorf("writer %d: %d came after %d", w, *n, last[w])
		} else {
			last[w] = *n
		}
	}
	var wg sync.WaitGroup
	var accepted [writers]int
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				if q.put(nil, &n) {
					accepted[w]++
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-wake:
		}
		q.drain(take)
	}
	sum := 0
	for _, n := range accepted {
		sum += n
	}
	got := 0
	for n, times := range seen {
		if got += times; times > 1 {
			t.Fatalf("record %d came %d times", n, times)
		}
	}
	if got != sum || uint64(writers*each-sum) != q.lost.Load() {
		t.Errorf("%d records came of %d that were accepted; %d are counted as lost of %d", got, sum, q.lost.Load(), writers*each)
	}
}

func TestQueue_IsBoundedAndCountsWhatItLoses(t *testing.T) {
	q := newQueue[int](make(chan struct{}, 1))
	const room = chunkLimit * chunkSize
	for n := range room + 500 {
		if fits := q.put(nil, &n); fits != (n < room) {
			t.Fatalf("record %d: accepted is %v", n, fits)
		}
	}
	if lost := q.lost.Load(); lost != 500 {
		t.Errorf("%d are counted as lost, not 500", lost)
	}
	taken := 0
	q.drain(func(_ *stream, n *int) {
		if *n != taken {
			t.Fatalf("record %d came in place %d", *n, taken)
		}
		taken++
	})
	if taken != room {
		t.Errorf("%d records came of %d", taken, room)
	}
	if q.made > chunksKept+1 || len(q.empty) > chunksKept {
		t.Errorf("%d chunks are kept, %d empty", q.made, len(q.empty))
	}
	if n := 7; !q.put(nil, &n) {
		t.Error("the queue takes nothing after it was emptied")
	}
}
