package orchestrator

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drydock/network"
)

// sight is one look at the engine. It is never changed.
type sight struct {
	number  int64                      // of the look: it began after those before it
	tasks   map[string]TaskObservation // by task ARN
	warm    map[string]bool            // by id: whether it can be joined; nil if there can be none
	trouble string                     // why the engine is not known, empty if it is
}

// observer keeps the last sight of the engine. Looking can take long, since an engine that
// is busy with a container may answer late about it: the loop never waits for it. Looks come one
// after another, so that what was seen earlier never replaces what was seen later.
type observer struct {
	wanted chan struct{} // size 1: look again
	sight  atomic.Pointer[sight]

	mu    sync.Mutex
	asked Change // what the next look is to see
	begun int64  // looks
}

func (o *observer) init() {
	o.wanted = make(chan struct{}, 1)
	o.sight.Store(&sight{trouble: "not asked yet"})
}

func (o *observer) last() sight { return *o.sight.Load() }

// again asks for another look, at what the engine says has changed.
func (o *observer) again() {
	select {
	case o.wanted <- struct{}{}:
	default:
	}
}

// at asks for a look at what an action is about, and returns the number of the last that may not
// have that in it.
func (o *observer) at(a Action) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id, warm := strings.CutPrefix(a.Task, network.WarmOwner); warm {
		o.asked.Namespaces = append(o.asked.Namespaces, id)
	} else if a.Kind.seen() {
		o.asked.Tasks = append(o.asked.Tasks, a.Task)
	} else {
		return o.begun // nothing of it is to be seen in the engine
	}
	o.again()
	return o.begun
}

// together is how far apart changes may be that are looked at together: they come in swarms.
const together = time.Millisecond

// begin begins a look and returns its number and what it is to see.
func (o *observer) begin() (int64, Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	what := o.asked
	o.asked = Change{}
	o.begun++
	return o.begun, what
}

// Observed returns what the engine was last seen to have of a task. It can be some seconds old;
// false if nothing was seen.
func (c *Controller) Observed(task string) (TaskObservation, bool) {
	seen, ok := c.watch.last().tasks[task]
	return seen, ok
}

// observeEngine looks at the engine: at what has changed when it has, and at everything after the
// longest time between two such looks, so that what was missed is missed no longer than that.
func (c *Controller) observeEngine(ctx context.Context) {
	sweep := time.NewTimer(0)
	defer sweep.Stop()
	for {
		due := false
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			due = true
		case <-c.watch.wanted:
			sleep(ctx, together)
		}
		if all := c.look(ctx, due); all {
			sweep.Reset(c.config.Sweep)
		}
		c.Poke()
	}
}

// look looks at the engine, and returns whether at all of it: as it does if asked to, if nobody
// knows what has changed, and after a look in vain.
func (c *Controller) look(ctx context.Context, all bool) bool {
	number, what := c.watch.begin()
	engine, able := c.engine.(Observer)
	if able {
		what = what.and(engine.Changed()) // before looking: what changes meanwhile is told again
	}
	last := c.watch.last()
	if all || !able || what.All || last.trouble != "" {
		c.watch.show(number, c.lookAtAll(ctx))
		return true
	}
	c.watch.show(number, c.lookAt(ctx, engine, last, what))
	return false
}

// show shows what a look has seen.
func (o *observer) show(number int64, s sight) {
	s.number = number
	o.sight.Store(&s)
}

func (c *Controller) lookAtAll(ctx context.Context) sight {
	list, err := c.engine.List(ctx)
	var warm map[string]bool
	if err == nil {
		warm, err = c.lookWarm(ctx)
	}
	if err != nil {
		return sight{trouble: err.Error()}
	}
	tasks := make(map[string]TaskObservation, len(list))
	for _, t := range list {
		tasks[t.Task] = t
	}
	return sight{tasks: tasks, warm: warm}
}

// lookAt brings a sight up to date in some of its parts.
func (c *Controller) lookAt(ctx context.Context, engine Observer, last sight, what Change) sight {
	if last.warm == nil {
		what.Namespaces = nil
	}
	if len(what.Tasks)+len(what.Namespaces) == 0 {
		return last
	}
	tasks, namespaces, err := engine.Observe(ctx, what)
	if err != nil {
		return sight{trouble: err.Error()}
	}
	now := sight{tasks: maps.Clone(last.tasks), warm: maps.Clone(last.warm)}
	for _, arn := range what.Tasks {
		delete(now.tasks, arn)
	}
	for _, id := range what.Namespaces {
		delete(now.warm, id)
	}
	for _, t := range tasks {
		now.tasks[t.Task] = t
	}
	for _, n := range namespaces {
		now.warm[n.ID] = n.Ready
	}
	return now
}

// and is what either has changed.
func (a Change) and(b Change) Change {
	return Change{
		All:        a.All || b.All,
		Tasks:      distinct(a.Tasks, b.Tasks),
		Namespaces: distinct(a.Namespaces, b.Namespaces),
	}
}

func distinct(a, b []string) []string {
	both := slices.Concat(a, b)
	slices.Sort(both)
	return slices.Compact(both)
}

// watchEngine turns the engine's changes into looks; when it loses them it subscribes again.
func (c *Controller) watchEngine(ctx context.Context) {
	for ctx.Err() == nil {
		changes, err := c.engine.Changes(ctx)
		if err != nil {
			c.config.Logger.Warn("watch the engine", "error", err)
			sleep(ctx, time.Second)
			continue
		}
		for range changes {
			c.watch.again()
		}
	}
}
