package timeline

import "slices"

// ring holds the last limit items pushed into it. It grows as it is filled.
type ring[T any] struct {
	limit int
	next  int // where the next item goes once the ring is full
	items []T
}

// push adds a copy of item and reports whether it took the place of the oldest one.
func (r *ring[T]) push(item *T) (evicted bool) {
	if len(r.items) < r.limit {
		n := len(r.items)
		r.items = slices.Grow(r.items, 1)[:n+1]
		r.items[n] = *item // not append: that would make room for one on the stack
		return false
	}
	r.items[r.next] = *item
	r.next = (r.next + 1) % r.limit
	return true
}

// victim returns the item whose place the next one takes, nil as long as there is room.
func (r *ring[T]) victim() *T {
	if len(r.items) < r.limit {
		return nil
	}
	return &r.items[r.next]
}

// each calls f for every item, newest first, until it returns false.
func (r *ring[T]) each(f func(*T) bool) {
	n := len(r.items)
	for i := range n {
		if !f(&r.items[(r.next+2*n-1-i)%n]) {
			return
		}
	}
}

// find returns the newest item that is wanted, or nil.
func (r *ring[T]) find(want func(*T) bool) (found *T) {
	r.each(func(item *T) bool {
		if want(item) {
			found = item
		}
		return found == nil
	})
	return found
}
