package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drydock/orchestrator"
)

// timeoutError says that Docker has not come back from a step in time (ECS-217).
type timeoutError struct {
	transition string
	after      time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("Could not transition to %s; timed out after waiting %s", e.transition, e.after)
}

// of is the error as the container's.
func (e *timeoutError) of(container string) error {
	return &orchestrator.StartError{Container: container, Name: "DockerTimeoutError", Err: e}
}

// within gives a step of Docker's so much time.
func within(ctx context.Context, patience time.Duration, transition string, step func(context.Context) error) error {
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := step(timed)
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		return &timeoutError{transition, patience}
	}
	return err
}

// outlive returns a context that ends a while after ctx does. Docker finishes what it was asked to
// make, whether somebody waits or not: who gives up at once leaves things behind that come about later.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		defer cancel()
		pause(longer, lastWord)
	})
	return longer, func() { stop(); cancel() }
}

// diskFull reports that Docker has no room left. It has no code for that, only the kernel's text.
func diskFull(err error) bool { return strings.Contains(err.Error(), "no space left on device") }

// remedy adds to an error what can be done about it, where that is known.
func remedy(err error) error {
	if diskFull(err) {
		return fmt.Errorf("%w: Docker's disk is full: free some of it (`docker system df` shows what takes it, `docker system prune` removes what is unused)", err)
	}
	return err
}
