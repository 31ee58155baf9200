package ssm

import (
	"bytes"
	"io"
	"sync"
)

// inbox holds what a user has typed until the command reads it, so that a command that does not
// read holds up nothing else.
type inbox struct {
	mu     sync.Mutex
	more   *sync.Cond
	held   bytes.Buffer
	closed bool
}

// maxTyped is the most that is held.
const maxTyped = 1 << 20

func newInbox() *inbox {
	b := &inbox{}
	b.more = sync.NewCond(&b.mu)
	return b
}

// put adds what was typed. It is false when there is no room or no reader any more.
func (b *inbox) put(p []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.held.Len()+len(p) > maxTyped {
		return false
	}
	b.held.Write(p)
	b.more.Signal()
	return true
}

// Read waits for what is typed. It returns io.EOF after close.
func (b *inbox) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.held.Len() == 0 {
		if b.closed {
			return 0, io.EOF
		}
		b.more.Wait()
	}
	return b.held.Read(p)
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.more.Broadcast()
}
