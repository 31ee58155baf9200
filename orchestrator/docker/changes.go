package docker

import (
	"context"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// watched are the events after which List may say something else.
var watched = []events.Action{
	events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionDestroy,
	events.ActionPause, events.ActionUnPause, events.ActionHealthStatus,
}

// Changes implements [orchestrator.Engine]. Its goroutine subscribes to Docker's events again
// whenever the subscription breaks, and pokes then, because events may have been missed.
func (e *Engine) Changes(ctx context.Context) (<-chan struct{}, error) {
	ch := make(chan struct{}, 1)
	go func() {
		defer close(ch)
		e.watch(ctx, ch)
	}()
	return ch, nil
}

func (e *Engine) watch(ctx context.Context, ch chan<- struct{}) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := e.follow(ctx, ch)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lastBackoff {
			backoff = firstBackoff
		}
		e.log.Warn("docker's event stream broke", "error", err, "again_in", backoff)
		sleep(ctx, backoff)
		backoff = min(2*backoff, lastBackoff)
	}
}

// follow pokes at every event until the subscription breaks.
func (e *Engine) follow(ctx context.Context, ch chan<- struct{}) error {
	f := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("label", labelInstance+"="+e.config.Instance))
	for _, a := range watched {
		f.Add("event", string(a))
	}
	// Docker says that the stream has begun a moment before it has: since then tells of what is between.
	since := time.Now().Format(time.RFC3339Nano)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, errs := e.client.Events(ctx, events.ListOptions{Filters: f, Since: since})
	// What happens to networks has no labels of ours.
	n := filters.NewArgs(filters.Arg("type", string(events.NetworkEventType)), filters.Arg("event", string(events.ActionDisconnect)))
	networks, networkErrs := e.client.Events(ctx, events.ListOptions{Filters: n, Since: since})
	e.seen.clear()
	e.index.lost()
	poke(ch)
	for {
		select {
		case m := <-messages:
			e.note(m)
			e.index.note(m)
			poke(ch)
		case m := <-networks:
			if e.index.disconnected(m.Actor.Attributes["container"]) {
				poke(ch)
			}
		case err := <-errs:
			return err
		case err := <-networkErrs:
			return err
		}
	}
}

// note keeps the cache in step with an event. An exit is known from its event alone: Docker answers
// nothing about the container until it has taken its network apart, which takes longer than
// everything else between an exit and the decision to replace the task.
func (e *Engine) note(m events.Message) {
	code, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
	switch {
	case m.Action == events.ActionOOM:
		e.seen.outOfMemory(m.Actor.ID)
	case m.Action == events.ActionDie && err == nil:
		e.seen.died(m.Actor.ID, code, time.Unix(0, m.TimeNano))
	default:
		e.seen.forget(m.Actor.ID)
	}
}

func poke(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
