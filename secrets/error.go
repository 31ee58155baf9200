package secrets

import (
	"fmt"
	"strings"
)

// MissingError says that a reference leads nowhere. It never holds a value.
type MissingError struct {
	Ref    string   // what the task definition names
	Says   string   // what AWS says
	Places []string // where the value was looked for
	Hint   string   // what is amiss there; empty if nothing is there
}

// Error returns AWS's words, and behind them where the value was looked for.
func (e *MissingError) Error() string {
	looked := fmt.Sprintf("drydock looked for %s", strings.Join(e.Places, ", then "))
	if len(e.Places) == 0 {
		looked = "it is no reference that drydock can look for"
	}
	if e.Hint != "" {
		looked += "; " + e.Hint
	}
	return fmt.Sprintf("%s [%s]", e.Says, looked)
}

// What AWS says when a task's secrets cannot be had (ECS-270, ECS-271, ECS-272).
const (
	retrieval = "unable to pull secrets or registry auth: execution resource retrieval failed: "
	fromSSM   = retrieval + "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
	fromASM   = retrieval + "unable to retrieve secret from asm: service call has been retried 1 time(s): "
	fromS3    = "failed to download env files: service call has been retried 1 time(s): "
)
