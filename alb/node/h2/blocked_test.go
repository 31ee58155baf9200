package h2

import (
	"testing"
	"testing/synctest"

	"drydock/timeline/timelinetest"
)

// A client that widens streams but not the connection must not make us remember each time.
func TestFlow_BlockedStreamsAreListedOnce(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, c := meet(t, Config{Handler: func(s *Stream) {
			s.WriteHead(200, nil, false)
			s.Send(make([]byte, 1<<20), true)
		}})
		id := p.request(true)
		for range 100 {
			synctest.Wait()
			p.fr.WriteWindowUpdate(id, 2048)
		}
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.blocked) != 1 {
			t.Errorf("listed %d times", len(c.blocked))
		}
	})
}
