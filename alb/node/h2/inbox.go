package h2

import "sync"

// page holds bytes of a body until they are read.
type page struct {
	next *page
	r, w int
	b    [16 << 10]byte
}

var pages = sync.Pool{New: func() any { return new(page) }}

// inbox is a queue of bytes.
type inbox struct {
	first, last *page
	lent        *page // the bytes handed out are in it
}

func (q *inbox) put(p []byte) {
	for len(p) > 0 {
		if q.last == nil || q.last.w == len(q.last.b) {
			q.grow()
		}
		n := copy(q.last.b[q.last.w:], p)
		q.last.w += n
		p = p[n:]
	}
}

func (q *inbox) grow() {
	p := pages.Get().(*page)
	p.next, p.r, p.w = nil, 0, 0
	if q.last == nil {
		q.first = p
	} else {
		q.last.next = p
	}
	q.last = p
}

// take hands out the first bytes; they are valid until release.
func (q *inbox) take() []byte {
	p := q.first
	if p == nil {
		return nil
	}
	b := p.b[p.r:p.w]
	p.r = p.w
	if q.first = p.next; q.first == nil {
		q.last = nil
	}
	q.lent = p
	return b
}

// release takes back what take handed out.
func (q *inbox) release() {
	if q.lent != nil {
		pages.Put(q.lent)
		q.lent = nil
	}
}

// discard throws away what was not handed out, and returns its size.
func (q *inbox) discard() int64 {
	n := q.size()
	for p := q.first; p != nil; {
		next := p.next
		pages.Put(p)
		p = next
	}
	q.first, q.last = nil, nil
	return n
}

func (q *inbox) size() (n int64) {
	for p := q.first; p != nil; p = p.next {
		n += int64(p.w - p.r)
	}
	return n
}
