package agent

import (
	"net/netip"
	"sync"
	"time"
)

// limiter bounds how often each address may ask: a bucket that holds rateBurst requests and
// fills with ratePerSecond.
type limiter struct {
	mu      sync.Mutex
	buckets map[netip.Addr]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// allow takes a request from the bucket of an address, if there is one left.
func (l *limiter) allow(from netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[from]
	if !ok {
		l.forget(now)
		b = bucket{rateBurst, now}
	}
	b.left = min(rateBurst, b.left+now.Sub(b.at).Seconds()*ratePerSecond)
	b.at = now
	ok = b.left >= 1
	if ok {
		b.left--
	}
	l.buckets[from] = b
	return ok
}

// forget drops the buckets that are full again.
func (l *limiter) forget(now time.Time) {
	if l.buckets == nil {
		l.buckets = map[netip.Addr]bucket{}
	}
	for a, b := range l.buckets {
		if now.Sub(b.at).Seconds()*ratePerSecond >= rateBurst {
			delete(l.buckets, a)
		}
	}
}
