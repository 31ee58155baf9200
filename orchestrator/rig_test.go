package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/taskdefs"
	"drydock/timeline"
)

// rig is a scheduler in virtual time with everything around it, all of which can fail, and which
// looks at everything that the scheduler does: the invariants are checked there. It has no
// network and no HTTP, so a sequence of steps costs a few milliseconds.
type rig struct {
	t        *testing.T
	pace     orchestrator.Pace
	sweep    time.Duration
	warm     int
	rows     *rigRows
	engine   *enginetest.Fake
	balancer *rigBalancer
	network  *rigNetwork
	alarms   *fakeAlarms
	life     *rigLife // the scheduler that runs, or that was killed and not taken away yet; nil: none
	hook     atomic.Pointer[string]

	mu       sync.Mutex
	apps     map[string]*rigApp // by task ARN: the last one
	troubles map[string]trouble // by part
	faults   []string           // invariants that were broken
	closed   bool               // what happens now is the test's end
}

// rigLife is one run of the scheduler, until it is killed: then it reaches nothing any more.
type rigLife struct {
	*rig
	c    *orchestrator.Controller
	defs *taskdefs.Catalogue
	stop func()
	died chan struct{}

	mu      sync.Mutex
	dead    bool
	commits int
	last    int  // the number of its last commit; 0: it lives
	before  bool // it dies when it tries the next one, not right after the last one
	seen    map[alb.TargetKey]alb.TargetHealth
}

var (
	errDead = errors.New("the daemon was killed")
	errFull = errors.New("database or disk is full")
	errNo   = errors.New("cannot connect")
	errLost = errors.New("connection reset by peer")
)

// trouble is what is wrong with a part of the world for a while.
type trouble struct {
	kind  string
	until time.Time
}

// The kinds of trouble.
const (
	refuses = "refuses" // nothing is done
	loses   = "loses"   // it is done, and the answer is an error
	slow    = "slow"    // it takes a while
)

// rigApp is the application in a task's container app.
type rigApp struct {
	image           string
	started         time.Time
	up, paused, cut bool
	ill             bool
}

func newRig(t *testing.T, config rigConfig) *rig {
	r := &rig{t: t, pace: config.pace(), sweep: config.sweep, warm: config.warm, apps: map[string]*rigApp{}, troubles: map[string]trouble{},
		alarms: &fakeAlarms{states: map[string]string{}}}
	r.rows = newRigRows(r)
	r.balancer = newRigBalancer(r, config.delay)
	r.network = newRigNetwork(r, config.addresses, config.quarantine)
	r.engine = enginetest.NewFake(enginetest.Hooks{Start: r.appStarted, Signal: r.appSignalled, Exit: r.appExited})
	r.engine.Script("log:1", enginetest.Script{Start: 50 * time.Millisecond})
	r.engine.Script("init:1", enginetest.Script{Start: 50 * time.Millisecond, ExitAfter: 300 * time.Millisecond})
	r.engine.Script("db:1", enginetest.Script{Start: 200 * time.Millisecond, HealthyAfter: 500 * time.Millisecond, StopAfter: 200 * time.Millisecond})
	r.answerHooks(hookSucceeds)
	return r
}

// start starts a scheduler on what the store holds: the first one, or one after a crash.
func (r *rig) start() error {
	l := &rigLife{rig: r, died: make(chan struct{})}
	ctx := context.Background()
	var err error
	if l.defs, err = taskdefs.Open(ctx, l, "us-east-1", "123456789012"); err != nil {
		return err
	}
	l.c, err = orchestrator.New(ctx, l, rigEngine{r.engine, l}, lifeBalancer{r.balancer, l}, lifeNetwork{r.network, l}, l.defs, orchestrator.Config{
		Region: "us-east-1", Account: "123456789012", Machine: "00000000", Pace: r.pace, Sweep: r.sweep, WarmPool: r.warm, Alarms: r.alarms, CallHook: r.callHook,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); l.c.Run(ctx) }()
	l.stop = func() { cancel(); <-done }
	r.life = l
	return nil
}

// kill ends the scheduler as SIGKILL does: from this moment on it writes nothing and does nothing.
func (r *rig) kill() {
	if r.life == nil {
		return
	}
	r.life.die()
	r.life.stop()
	synctest.Wait()
	r.life = nil
}

// alive reports whether a scheduler runs; one that died at a commit is taken away.
func (r *rig) alive() bool {
	if r.life != nil && r.life.isDead() {
		r.kill()
	}
	return r.life != nil
}

func (l *rigLife) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dieLocked()
}

func (l *rigLife) dieLocked() {
	if !l.dead {
		l.dead = true
		close(l.died)
	}
}

func (l *rigLife) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// try does something outside of the scheduler, as far as the part's trouble allows.
func (l *rigLife) try(ctx context.Context, part string, do func() error) error {
	kind := l.trouble(part)
	if kind == slow {
		select {
		case <-time.After(700 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if l.isDead() {
		return errDead
	}
	if kind == refuses {
		return fmt.Errorf("%s: %w", part, errNo)
	}
	err := do()
	if err == nil && kind == loses {
		err = fmt.Errorf("%s: %w", part, errLost)
	}
	return err
}

func (r *rig) trouble(part string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.troubles[part]; time.Now().Before(t.until) {
		return t.kind
	}
	return ""
}

func (r *rig) setTrouble(part, kind string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.troubles[part] = trouble{kind, time.Now().Add(d)}
}

func (r *rig) calm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.troubles)
}

// harmed reports whether an invariant did not hold.
func (r *rig) harmed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.faults) > 0
}

// close ends the checks: what is cut off now breaks nothing.
func (r *rig) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// broken notes that an invariant does not hold.
func (r *rig) broken(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) < 5 && !r.closed {
		r.faults = append(r.faults, time.Now().Format("02 15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// call puts an API call on the timeline, as the daemon does, and returns its context.
func (r *rig) call(operation string) context.Context {
	ctx := context.Background()
	e := timeline.Event{Seq: r.rows.NextSeq(), Time: time.Now(), Kind: timeline.APICall, Subject: "ecs:" + operation, Message: operation}
	if r.life.Commit(ctx, nil, []timeline.Event{e}) != nil {
		return ctx
	}
	return timeline.WithCause(ctx, e.Seq)
}

// The answers of lifecycle hooks.
const (
	hookSucceeds = `{"hookStatus":"SUCCEEDED"}`
	hookFails    = `{"hookStatus":"FAILED"}`
	hookGoesOn   = `{"hookStatus":"IN_PROGRESS","callBackDelay":7}`
	hookJunk     = `<html>`
	hookHangs    = ""
)

func (r *rig) answerHooks(answer string) { r.hook.Store(&answer) }

func (r *rig) callHook(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	answer := *r.hook.Load()
	if answer == hookHangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []byte(answer), nil
}
