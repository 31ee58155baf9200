package orchestrator

import (
	"bytes"
	"encoding/json"
	"time"
)

// Client tokens of RunTask (ECS-085).
const (
	tokenKept    = 24 * time.Hour // assumed
	tokenLongest = 64             // characters
)

// tokenUse is the row that remembers what a client token of RunTask was used for.
type tokenUse struct {
	Token   string          `json:"token"`
	Request json.RawMessage `json:"request"`
	Tasks   []string        `json:"tasks"` // ARNs
	At      time.Time       `json:"at"`
}

func (u *tokenUse) expired(now time.Time) bool { return now.Sub(u.At) >= tokenKept }

// repeated answers a RunTask whose client token was used before (ECS-085).
func (c *Controller) repeated(used *tokenUse, in RunTaskInput) ([]*Task, error) {
	if !bytes.Equal(used.Request, in.Request) {
		return nil, &Error{"ConflictException", "The client token was used with different parameters."}
	}
	var tasks []*Task
	for _, arn := range used.Tasks {
		if t := c.tasks[arn]; t != nil {
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// useToken remembers the client token of a RunTask, and forgets those whose time is over.
func (x *change) useToken(in RunTaskInput, made []*Task) {
	if in.ClientToken == "" {
		return
	}
	for key, use := range x.c.tokens {
		if use.expired(x.now) {
			x.drop(tokenRow, key, func() { delete(x.c.tokens, key) })
		}
	}
	use := &tokenUse{Token: in.ClientToken, Request: in.Request, At: x.now}
	for _, t := range made {
		use.Tasks = append(use.Tasks, t.ARN)
	}
	x.rows[tokenRow+in.ClientToken] = use
	x.commit = append(x.commit, func() { x.c.tokens[in.ClientToken] = use })
}

// checkToken refuses a client token that is too long, or not of visible ASCII characters.
func checkToken(token string, longest int) error {
	if len(token) > longest {
		return invalid("clientToken must have at most %d characters.", longest)
	}
	for _, c := range []byte(token) {
		if c < 33 || c > 126 {
			return invalid("clientToken must consist of ASCII characters from 33 to 126.")
		}
	}
	return nil
}
