package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	startPatience = 15 * time.Second // how long a process may take until it answers
	longestPause  = time.Second      // between two attempts to start one
	shortLife     = 5 * time.Second  // of a process, after which there is a pause before the next
)

// Run keeps a process alive, connected and fed until ctx ends. The process goes on then.
func (c *Client) Run(ctx context.Context) error {
	k := &keeper{Client: c}
	var pause time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		err := k.session(ctx)
		c.shut()
		if ctx.Err() != nil {
			break
		}
		k.tell(err)
		if pause = nextPause(pause, err, time.Since(began)); pause > 0 {
			sleep(ctx, pause)
		}
	}
	return nil
}

// nextPause is how long to wait before the next process: not at all after one that lived.
func nextPause(last time.Duration, err error, lived time.Duration) time.Duration {
	if errors.Is(err, errReplaced) || lived > shortLife {
		return 0
	}
	return min(max(2*last, 20*time.Millisecond), longestPause)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// keeper is a run of a Client.
type keeper struct {
	*Client
	last     State     // of the process that was connected; zero: none yet
	ended    time.Time // when it did
	cause    int64     // number of the news of that
	troubled string    // the error that was told last
	compared bool      // the first process's build has been looked at
	child    int       // pid of the process that was started last; 0: none, or it has been waited for
	children []int     // those before it that may not have ended yet
}

var (
	errReplaced = errors.New("the load balancer node was replaced")
	errLost     = errors.New("the load balancer node has ended")
)

// session finds a process or starts one, and stays with it until it is gone.
func (k *keeper) session(ctx context.Context) error {
	s, err := k.find(ctx)
	if err != nil {
		return err
	}
	if s, err = k.upgrade(ctx, s); err != nil {
		return err
	}
	k.announce(s)
	if err := k.config.Ready(ctx); err != nil {
		return err
	}
	if err := k.open(ctx, s); err != nil {
		return err
	}
	return k.follow(ctx, s)
}

// find returns the state of the process that there is, or of a new one.
func (k *keeper) find(ctx context.Context) (State, error) {
	end := time.Now().Add(applyPatience)
	for {
		s, err := k.State(ctx)
		if err == nil {
			return s, nil
		}
		pid := Holder(k.config.StateDir)
		switch {
		case ctx.Err() != nil:
			return s, ctx.Err()
		case pid == 0 && k.config.Command == nil:
			return s, err
		case pid == 0:
			return k.start(ctx, "--await")
		case time.Now().After(end):
			return s, fmt.Errorf("process %d has the lock of the load balancer node, but does not answer (%w): if it hangs, `kill -9 %[1]d`", pid, err)
		}
		sleep(ctx, 10*time.Millisecond) // it starts, or it ends
	}
}

// upgrade replaces a process of another build, once.
func (k *keeper) upgrade(ctx context.Context, s State) (State, error) {
	first := !k.compared
	k.compared = true
	if !first || k.config.Build == "" || s.Build == k.config.Build || k.config.Command == nil {
		return s, nil
	}
	next, err := k.start(ctx, "--await", "--replace")
	if err != nil {
		k.config.Say(News{Bad: true, Message: fmt.Sprintf("the load balancer node (pid %d, %s) could not be replaced by this version and goes on: %v", s.PID, s.Version, err)})
		return s, nil
	}
	k.config.Say(News{Message: fmt.Sprintf("load balancer node %s (pid %d) took the listeners over from %s (pid %d), which finishes its %d connections", next.Version, next.PID, s.Version, s.PID, s.Connections)})
	k.last = next
	return next, nil
}

// announce says what has become of the process.
func (k *keeper) announce(s State) {
	last := k.last
	k.last, k.troubled = s, ""
	switch {
	case s.Run == last.Run:
		return // it was lost out of sight only, or told of before
	case last.Run == "" && s.PID == k.child:
		k.config.Say(News{Message: fmt.Sprintf("load balancer node started, pid %d", s.PID)})
	case last.Run == "":
		k.config.Say(News{Message: fmt.Sprintf("load balancer node %s goes on: pid %d, since %s, snapshot %d", s.Version, s.PID, s.StartedAt.Format(time.DateTime), s.Snapshot)})
	case s.PID == k.child:
		k.config.Say(News{Cause: k.cause, Message: fmt.Sprintf("load balancer node started again, pid %d, %d ms after the end of pid %d", s.PID, time.Since(k.ended).Milliseconds(), last.PID)})
	default:
		k.config.Say(News{Cause: k.cause, Message: fmt.Sprintf("load balancer node %s (pid %d) took over from pid %d", s.Version, s.PID, last.PID)})
	}
}

// tell says why a session ended, once.
func (k *keeper) tell(err error) {
	k.reap()
	if err == nil || errors.Is(err, errReplaced) || err.Error() == k.troubled {
		return
	}
	k.troubled = err.Error()
	k.log.Warn("load balancer node", "error", err)
	if errors.Is(err, errLost) {
		k.ended = time.Now()
		if pid := Holder(k.config.StateDir); pid != 0 && pid != k.last.PID {
			return // somebody else replaced it
		}
		k.cause = k.config.Say(News{Bad: true, Message: fmt.Sprintf("load balancer node (pid %d) ended: %s", k.last.PID, k.fate(k.last.PID))})
		return
	}
	k.config.Say(News{Bad: true, Message: fmt.Sprintf("load balancer node: %v", err)})
}

// Replace has a new process of this program take over from the one that serves.
func (c *Client) Replace(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case c.replace <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exchange does what Replace asks for.
func (k *keeper) exchange(ctx context.Context, s State) error {
	if k.config.Command == nil {
		return errors.New("this daemon starts no load balancer node")
	}
	k.shut() // snapshots wait for the new one
	next, err := k.start(ctx, "--await", "--replace")
	if err != nil {
		return err
	}
	k.config.Say(News{Message: fmt.Sprintf("load balancer node %s (pid %d) took the listeners over from pid %d on request", next.Version, next.PID, s.PID)})
	k.last = next
	return nil
}

// lastWords returns the end of the process's log.
func lastWords(stateDir string) string {
	text, _ := os.ReadFile(LogFile(stateDir))
	return string(text[max(0, len(text)-500):])
}
