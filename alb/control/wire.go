package control

import (
	"errors"
	"syscall"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// State is what a process says about itself.
type State struct {
	PID         int                 `json:"pid"`
	Run         string              `json:"run"`     // of this process: record numbers count within it
	Version     string              `json:"version"` // of the program
	Build       string              `json:"build"`   // of the program, exactly
	StartedAt   time.Time           `json:"startedAt"`
	Snapshot    uint64              `json:"snapshot"` // version of the one in force; 0: none yet
	Targets     []node.TargetStatus `json:"targets"`
	Connections int                 `json:"connections"` // of clients
	Last        uint64              `json:"last"`        // number of the last record
	Waiting     int                 `json:"waiting"`     // records that no daemon has stored yet
	Dropped     uint64              `json:"dropped"`     // records that were lost because there were too many
	Retiring    int                 `json:"retiring"`    // client connections of processes before this one
}

// Record is one thing that the daemon is told. One member is set.
type Record struct {
	N        uint64              `json:"n,omitempty"` // of those that are kept until they are stored
	Outcome  *timeline.Outcome   `json:"outcome,omitempty"`
	Epilogue *timeline.Epilogue  `json:"epilogue,omitempty"`
	Health   *node.HealthChange  `json:"health,omitempty"`
	Targets  []node.TargetStatus `json:"targets,omitempty"` // all of them, when a daemon connects
}

// applied is the answer to a snapshot.
type applied struct {
	Problems map[string]problem `json:"problems,omitempty"` // by listener ARN
}

// problem is why a listener could not be opened.
type problem struct {
	Text  string        `json:"text"`
	Errno syscall.Errno `json:"errno,omitempty"`
}

func (p problem) Error() string { return p.Text }

// Unwrap lets errors.Is see EADDRINUSE and EACCES from afar.
func (p problem) Unwrap() error {
	if p.Errno == 0 {
		return nil
	}
	return p.Errno
}

func problemsOf(failed map[string]error) map[string]problem {
	problems := make(map[string]problem, len(failed))
	for arn, err := range failed {
		p := problem{Text: err.Error()}
		errors.As(err, &p.Errno)
		problems[arn] = p
	}
	return problems
}

func (a applied) errors() map[string]error {
	failed := make(map[string]error, len(a.Problems))
	for arn, p := range a.Problems {
		failed[arn] = p
	}
	return failed
}

// Requests is how many requests a process has answered in a time.
type Requests struct {
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
}
