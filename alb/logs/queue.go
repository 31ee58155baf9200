package logs

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkSize  = 128
	chunkLimit = 256 // chunks of a queue: 32,768 records
	chunksKept = 16  // empty ones that are kept for later
	sealed     = 1 << 40
)

// queue takes records from many goroutines to one. Putting is an atomic add and a copy;
// only once for each chunk of records is a lock taken. It never waits for the reader: what
// does not fit is counted and lost.
type queue[T any] struct {
	current atomic.Pointer[chunk[T]]
	lost    atomic.Uint64
	wake    chan<- struct{} // told when there is something to take

	mu    sync.Mutex
	full  []*chunk[T] // in order, to be taken
	empty []*chunk[T]
	made  int
}

// chunk has room for some records. A place is taken by counting up taken, and is filled
// when filled says so for all that are taken. Unless it is the current one, its taken is
// beyond its places.
type chunk[T any] struct {
	taken  atomic.Int64
	filled atomic.Int64
	places [chunkSize]entry[T]
}

// entry is one record, for one stream if that is known.
type entry[T any] struct {
	stream *stream
	record T
}

func newQueue[T any](wake chan<- struct{}) *queue[T] {
	q := &queue[T]{wake: wake}
	q.current.Store(&chunk[T]{})
	q.made = 1
	return q
}

// put copies a record into the queue, and reports whether it fitted.
func (q *queue[T]) put(s *stream, record *T) bool {
	for {
		c := q.current.Load()
		i := c.taken.Add(1) - 1
		if i < chunkSize {
			place := &c.places[i]
			place.stream = s
			place.record = *record // on its own: else it is copied twice
			c.filled.Add(1)
			if i == 0 {
				q.poke()
			}
			return true
		}
		if !q.advance(c) {
			q.lost.Add(1)
			return false
		}
	}
}

func (q *queue[T]) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// advance replaces a chunk that is full. It is false if the queue is.
func (q *queue[T]) advance(c *chunk[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.current.Load() != c {
		return true // somebody else has
	}
	if len(q.empty) == 0 && q.made >= chunkLimit {
		return false
	}
	q.full = append(q.full, c)
	q.current.Store(q.fresh())
	return true
}

// fresh returns an empty chunk. q.mu is held.
func (q *queue[T]) fresh() *chunk[T] {
	if n := len(q.empty); n > 0 {
		c := q.empty[n-1]
		q.empty = q.empty[:n-1]
		c.filled.Store(0)
		c.taken.Store(0)
		return c
	}
	q.made++
	return &chunk[T]{}
}

// drain calls do with every record that was put before, in order. Only one goroutine drains.
func (q *queue[T]) drain(do func(*stream, *T)) {
	for _, c := range q.takeAll() {
		n := min(c.taken.Swap(sealed), chunkSize)
		c.settle(n)
		for i := range n {
			do(c.places[i].stream, &c.places[i].record)
		}
		clear(c.places[:n]) // nothing is kept alive
		q.giveBack(c)
	}
}

// takeAll takes the full chunks, and the current one unless it is empty.
func (q *queue[T]) takeAll() []*chunk[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.full
	q.full = nil
	c := q.current.Load()
	if c.taken.Load() == 0 {
		return taken
	}
	q.current.Store(q.fresh())
	return append(taken, c)
}

// settle waits for those who have taken a place to fill it.
func (c *chunk[T]) settle(n int64) {
	for spins := 0; c.filled.Load() < n; spins++ {
		if spins < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(time.Millisecond)
		}
	}
}

func (q *queue[T]) giveBack(c *chunk[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.empty) >= chunksKept {
		q.made--
		return
	}
	q.empty = append(q.empty, c)
}
