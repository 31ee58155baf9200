package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"
)

// How long a process may take to end: after it was asked, and after SIGTERM.
const (
	stopPatience = 20 * time.Second
	termPatience = 10 * time.Second
)

// Stop ends the process of a state directory: requests in flight may finish within its
// grace period. It returns when the process has ended, nil also if there was none.
func Stop(ctx context.Context, stateDir string) error {
	c := NewClient(Config{StateDir: stateDir})
	ask, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	patience := stopPatience
	if body, err := c.do(ask, http.MethodPost, "/stop", nil, nil); err == nil {
		body.Close()
	} else {
		patience = 0 // it does not listen
	}
	if awaitFree(ctx, stateDir, patience) {
		return nil
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pid := Holder(stateDir)
		if pid == 0 {
			return nil
		}
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the load balancer node (pid %d): %w", pid, err)
		}
		if awaitFree(ctx, stateDir, termPatience) {
			return nil
		}
	}
	return fmt.Errorf("the load balancer node (pid %d) does not end", Holder(stateDir))
}

// awaitFree reports whether nobody holds the lock within a time.
func awaitFree(ctx context.Context, stateDir string, patience time.Duration) bool {
	for end := time.Now().Add(patience); ; {
		if Holder(stateDir) == 0 {
			return true
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return false
		}
		sleep(ctx, 10*time.Millisecond)
	}
}
