package ssm

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Terminal is a terminal's size in characters.
type Terminal struct{ Rows, Columns uint }

// Run runs a command on a terminal until it ends. It reads what the user types from stdin,
// writes to stdout, and learns of the terminal's size from sizes.
type Run func(ctx context.Context, stdin io.Reader, stdout io.Writer, sizes <-chan Terminal) error

// Session is what a client needs to take part in one.
type Session struct {
	ID    string
	Token string
}

// Sessions are the sessions that wait for their client. It serves their channels.
type Sessions struct {
	mu      sync.Mutex
	waiting map[string]waiting // by id
}

type waiting struct {
	token string
	run   Run
	until time.Time
}

// openFor is how long a session waits for its client; idleFor how long a channel may be silent
// (SSM-003).
const (
	openFor = time.Minute
	idleFor = 20 * time.Minute
)

// Open makes a session. Nothing runs before a client connects.
func (s *Sessions) Open(run Run) Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.waiting == nil {
		s.waiting = map[string]waiting{}
	}
	for id, w := range s.waiting {
		if now.After(w.until) {
			delete(s.waiting, id)
		}
	}
	session := Session{ID: "ecs-execute-command-" + random(9), Token: random(32)}
	s.waiting[session.ID] = waiting{session.Token, run, now.Add(openFor)}
	return session
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// take returns what a session runs, once, to who knows its token.
func (s *Sessions) take(id, token string) (Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.waiting[id]
	if !ok || time.Now().After(w.until) || subtle.ConstantTimeCompare([]byte(w.token), []byte(token)) != 1 {
		return nil, false
	}
	delete(s.waiting, id)
	return w.run, true
}

// ServeHTTP serves the data channel of the session whose id is the path's value "session".
func (s *Sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)
	c := newChannel(conn, r.PathValue("session"))
	if err := c.serve(r.Context(), s); err != nil {
		conn.Close(websocket.StatusPolicyViolation, err.Error())
		return
	}
	conn.Close(websocket.StatusNormalClosure, "")
}
