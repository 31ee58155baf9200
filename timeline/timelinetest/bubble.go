package timelinetest

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Bubble runs f in virtual time, as [synctest.Test] does. Under the race detector it does so on
// one processor: in Go 1.26 a channel timer that is found to be due by the goroutine that reads
// it runs in the race context of the bubble's timers, without the lock that keeps a second
// goroutine out of it. The detector then loses its own state and ends the whole program (SIGSEGV
// or "ThreadSanitizer: CHECK failed"). With one processor there is never a second one.
func Bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if Race {
		oneProcessor.enter()
		defer oneProcessor.leave()
	}
	synctest.Test(t, f)
}

// oneProcessor counts the bubbles there are; the first takes the other processors away, the last
// gives them back.
var oneProcessor processors

type processors struct {
	mu      sync.Mutex
	bubbles int
	before  int
}

func (p *processors) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bubbles == 0 {
		p.before = runtime.GOMAXPROCS(1)
	}
	p.bubbles++
}

func (p *processors) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bubbles--; p.bubbles == 0 {
		runtime.GOMAXPROCS(p.before)
	}
}
