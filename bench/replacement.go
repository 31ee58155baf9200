package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"drydock/timeline"
)

const (
	// replacementAim is from the exit of a task until its service is at full strength, in ms.
	replacementAim = 400
	// outAim is until a target whose container was removed by hand gets no more requests, in ms.
	outAim = 1000
	// againAim is until the replacement of such a task is RUNNING, in ms.
	againAim = 5000
	// lossAge is how old a task is at least when it is lost: the scheduler starts what takes the
	// place of those that crash soon and again later and later.
	lossAge = 12 * time.Second
	// dripTime is how long the load has been on by then.
	dripTime = 500 * time.Millisecond
	// replacementPool is enough for one loss at a time.
	replacementPool = 2
)

// loss is a way in which a task is lost.
type loss struct {
	name  string
	pool  int
	lose  func(context.Context, *docker, container.Summary) error
	aims  map[string]float64 // by mark, in ms
	marks []marks
	plain []float64 // a plain container in the same rounds, in ms
	sent  int64
	fails int64
}

const (
	markKnown   = "the exit is known"
	markPlaced  = "the replacement has its address"
	markOut     = "the target is out of routing"
	markRunning = "the replacement is RUNNING"
	markHealthy = "the replacement's target is healthy"
)

var lossMarks = []string{markKnown, markOut, markPlaced, markRunning, markHealthy}

func losses() []*loss {
	return []*loss{
		{name: "a process that exits, no warm pool", pool: 0, lose: killProcess, aims: map[string]float64{markHealthy: replacementAim}},
		{name: fmt.Sprintf("a process that exits, a warm pool of %d", replacementPool), pool: replacementPool, lose: killProcess, aims: map[string]float64{markHealthy: replacementAim}},
		{name: "a container removed by hand, no warm pool", pool: 0, lose: removeByHand, aims: map[string]float64{markOut: outAim, markRunning: againAim}},
	}
}

// measureReplacement times the way from the loss of one task to a service at full strength,
// under load, beside one container started through the plain Docker API.
func measureReplacement(ctx context.Context, b *bench) error {
	s, err := b.ensureService(ctx)
	if err != nil {
		return err
	}
	if err := b.docker.ensureNetwork(ctx); err != nil {
		return err
	}
	all := losses()
	for round := range b.rounds {
		for i := range all {
			l := all[(i+round)%len(all)]
			if err := b.lossRound(ctx, s, l); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
		b.say("replacement: round %d of %d: healthy again after %.0f ms, with a pool %.0f ms", round+1, b.rounds, all[0].marks[round][markHealthy], all[1].marks[round][markHealthy])
	}
	for _, l := range all {
		l.report(b)
	}
	return b.repool(ctx, s, ownPool)
}

// lossRound loses one task under load, and starts one plain container.
func (b *bench) lossRound(ctx context.Context, s *stack, l *loss) error {
	if err := b.repool(ctx, s, l.pool); err != nil {
		return err
	}
	if err := s.awaitHealthy(ctx, b.tasks); err != nil {
		return err
	}
	took, err := b.docker.start(ctx, 1)
	l.plain = append(l.plain, milliseconds(took))
	if err := errors.Join(err, b.docker.removeContainers(ctx)); err != nil {
		return err
	}
	d := startDrip(ctx, s.balancer())
	m, err := b.loseOne(ctx, s, l)
	sent, failed := d.stop()
	l.marks, l.sent, l.fails = append(l.marks, m), l.sent+sent, l.fails+failed
	return err
}

// loseOne loses a task and returns when what followed has, in ms.
func (b *bench) loseOne(ctx context.Context, s *stack, l *loss) (marks, error) {
	victim, err := b.docker.oldest(ctx, s.instance)
	if err != nil {
		return nil, err
	}
	if !pause(ctx, max(dripTime, time.Until(time.Unix(victim.Created, 0).Add(lossAge)))) {
		return nil, ctx.Err()
	}
	began := time.Now()
	if err := l.lose(ctx, b.docker, victim); err != nil {
		return nil, err
	}
	var m marks
	_, err = s.awaitEvents(ctx, began, func(events []timeline.Event) bool {
		m = readLoss(began, events)
		return m[markHealthy] != 0
	})
	return m, err
}

// readLoss finds what followed the loss of one task, in ms.
func readLoss(began time.Time, events []timeline.Event) marks {
	m := marks{}
	for _, e := range events {
		at := milliseconds(e.Time.Sub(began))
		switch to := e.Data["to"]; {
		case e.Kind == timeline.TargetState && e.Data["from"] == "healthy":
			m.first(markOut, at)
		case e.Kind == timeline.Exit:
			m.first(markKnown, at)
		case e.Kind == timeline.TaskState && to == "PENDING":
			m.first(markPlaced, at)
		case e.Kind == timeline.TaskState && to == "RUNNING":
			m.first(markRunning, at)
		case e.Kind == timeline.TargetState && to == "healthy":
			m.first(markHealthy, at)
		}
	}
	return m
}

// awaitEvents returns the timeline's events since a time when they are enough.
func (s *stack) awaitEvents(ctx context.Context, since time.Time, enough func([]timeline.Event) bool) ([]timeline.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		events, err := s.eventsSince(ctx, since)
		events = slices.DeleteFunc(events, func(e timeline.Event) bool { return e.Time.Before(since) })
		if err == nil && enough(events) {
			return events, nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return nil, fmt.Errorf("wait for events: %w: %s", ctx.Err(), s.lastWords())
		}
		if err != nil {
			return nil, err
		}
	}
}

// oldest returns the container of a daemon's tasks that was made first.
func (d *docker) oldest(ctx context.Context, instance string) (container.Summary, error) {
	list, err := d.api.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", instanceLabel+"="+instance))})
	list = slices.DeleteFunc(list, func(c container.Summary) bool { return c.Labels[warmLabel] != "" })
	if err == nil && len(list) == 0 {
		err = errors.New("no task has a container")
	}
	if err != nil {
		return container.Summary{}, err
	}
	return slices.MinFunc(list, func(a, b container.Summary) int { return cmp.Compare(a.Created, b.Created) }), nil
}

// killProcess kills a container's process as a crash would: Docker is not asked, where the
// process is one of this machine.
func killProcess(ctx context.Context, d *docker, c container.Summary) error {
	inspected, err := d.api.ContainerInspect(ctx, c.ID)
	if err != nil {
		return err
	}
	if pid := inspected.State.Pid; os.Geteuid() == 0 && inContainer(pid, c.ID) {
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return d.api.ContainerKill(ctx, c.ID, "KILL")
}

// inContainer reports whether a process of this machine is a container's.
func inContainer(pid int, id string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(text), id)
}

func removeByHand(ctx context.Context, d *docker, c container.Summary) error {
	return d.api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
}

const plainOne = "one plain container, started and answering"

func (l *loss) report(b *bench) {
	for n, mark := range lossMarks {
		f := figure{Section: "replacement", Name: "  of these, until " + mark, Unit: "ms", Aims: aimed(l.aims[mark])}
		if n == 0 {
			f.Name = l.name + ": until " + mark
		}
		for _, m := range l.marks {
			f.Rounds = append(f.Rounds, m[mark])
		}
		if mark == markHealthy {
			f.Peers = []peer{{Name: plainOne, Rounds: l.plain}}
			f.Aims = append(f.Aims, aim{Of: plainOne})
		}
		b.report.add(f)
	}
	b.report.add(figure{Section: "replacement", Name: fmt.Sprintf("  requests of %d that failed", l.sent), Unit: "in all", Rounds: []float64{float64(l.fails)}})
}
