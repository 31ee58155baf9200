package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"drydock/timeline"
)

// measureService times the way from CreateService to healthy targets, without warm task
// interfaces and with one for each task, beside the same containers started through the plain
// Docker API and by Docker Compose.
func measureService(ctx context.Context, b *bench) error {
	s, err := b.ensureStack(ctx)
	if err != nil {
		return err
	}
	if err := b.docker.ensureNetwork(ctx); err != nil {
		return err
	}
	b.say("service: a first task, not counted: it makes the VPC's network")
	if err := s.createService(ctx, 1); err != nil {
		return err
	}
	m := &serviceRounds{bench: b, compose: findCompose(ctx)}
	for round := range b.rounds {
		if err := m.round(ctx, round); err != nil {
			return err
		}
	}
	m.report()
	return b.repool(ctx, s, ownPool)
}

// serviceRounds collects the rounds.
type serviceRounds struct {
	*bench
	compose         *compose // nil: not installed
	cold, warm      starting
	plain, composed []float64
}

// starting are the rounds of one size of the pool.
type starting struct {
	took  []float64
	marks []marks
}

// round measures everybody once; who is first changes from round to round.
func (m *serviceRounds) round(ctx context.Context, round int) error {
	turns := []func(context.Context) error{m.plainTurn, m.coldTurn, m.composeTurn, m.warmTurn}
	for i := range turns {
		if err := turns[(i+round)%len(turns)](ctx); err != nil {
			return err
		}
	}
	m.say("service: round %d of %d: drydock %.2f s, from a warm pool %.2f s, plain Docker %.2f s", round+1, m.rounds,
		m.cold.took[round], m.warm.took[round], m.plain[round])
	return nil
}

func (m *serviceRounds) plainTurn(ctx context.Context) error {
	if err := m.quiet(ctx); err != nil {
		return err
	}
	took, err := m.docker.start(ctx, m.tasks)
	m.plain = append(m.plain, took.Seconds())
	if err != nil {
		return fmt.Errorf("start %d containers through the plain Docker API: %w", m.tasks, err)
	}
	return m.docker.removeContainers(ctx)
}

// quiet ends what an earlier turn has left: its service, and interfaces that are being made.
func (m *serviceRounds) quiet(ctx context.Context) error {
	if err := m.stack.deleteService(ctx); err != nil {
		return err
	}
	return m.repool(ctx, m.stack, 0)
}

func (m *serviceRounds) coldTurn(ctx context.Context) error {
	if err := m.quiet(ctx); err != nil {
		return err
	}
	return m.cold.turn(ctx, m.stack, m.tasks)
}

// warmTurn fills the pool before the clock starts: that is what a pool is for.
func (m *serviceRounds) warmTurn(ctx context.Context) error {
	if err := m.quiet(ctx); err != nil {
		return err
	}
	if err := m.repool(ctx, m.stack, m.tasks); err != nil {
		return err
	}
	return m.warm.turn(ctx, m.stack, m.tasks)
}

// turn leaves its service running: whoever comes next may use it.
func (t *starting) turn(ctx context.Context, s *stack, tasks int) error {
	began := time.Now()
	if err := s.createService(ctx, tasks); err != nil {
		return err
	}
	t.took = append(t.took, time.Since(began).Seconds())
	events, err := s.eventsSince(ctx, began)
	t.marks = append(t.marks, readMarks(began, events))
	return err
}

func (m *serviceRounds) composeTurn(ctx context.Context) error {
	if m.compose == nil {
		return nil
	}
	if err := m.quiet(ctx); err != nil {
		return err
	}
	took, err := m.compose.up(ctx, m.bench)
	m.composed = append(m.composed, took.Seconds())
	if err != nil {
		return err
	}
	return m.compose.down(ctx, m.bench)
}

const (
	plainDocker = "plain Docker API, 4 at a time"
	// coldAim is what a service may take without warm interfaces, by the plain Docker API's time.
	coldAim = 1.15
	// warmAim is what it may take with them, by Docker Compose's time.
	warmAim = 0.5
)

func (m *serviceRounds) report() {
	name := fmt.Sprintf("create-service to %d healthy targets", m.tasks)
	peers := []peer{{Name: plainDocker, Rounds: m.plain}}
	cold, warm := []aim{{Of: plainDocker, AtMost: coldAim}}, []aim{{Of: plainDocker}}
	if m.compose != nil {
		composed := m.compose.name() + " up --scale"
		peers = append(peers, peer{Name: composed, Rounds: m.composed})
		cold, warm = append(cold, aim{Of: composed}), []aim{{Of: composed, AtMost: warmAim}, {Of: plainDocker}}
	}
	m.cold.report(m.bench, figure{Name: name + ", no warm pool", Peers: peers, Aims: cold})
	m.warm.report(m.bench, figure{Name: fmt.Sprintf("%s, a warm pool of %d filled before", name, m.tasks), Peers: slices.Clone(peers), Aims: warm})
	if m.compose == nil {
		m.bench.report.skip("service", name+", beside Docker Compose", "docker-compose is not installed")
	}
}

// report reports the whole and its marks.
func (t *starting) report(b *bench, f figure) {
	f.Section, f.Unit, f.Rounds = "service", "s", t.took
	b.report.add(f)
	b.reportMarks("service", "s", markNames, t.marks)
}

// reportMarks reports the parts of a figure.
func (b *bench) reportMarks(section, unit string, names []string, rounds []marks) {
	for _, name := range names {
		f := figure{Section: section, Name: "  of these, until " + name, Unit: unit}
		for _, m := range rounds {
			if at, ok := m[name]; ok {
				f.Rounds = append(f.Rounds, at)
			}
		}
		b.report.add(f)
	}
}

// marks are seconds from CreateService to what the timeline tells.
type marks map[string]float64

var markNames = []string{
	"the scheduler's decision", "the first task has its address", "the last task has its address",
	"the first task is RUNNING", "the last task is RUNNING", "the last target is registered", "the last target is healthy",
}

// readMarks finds the first and the last event of each kind.
func readMarks(began time.Time, events []timeline.Event) marks {
	m := marks{}
	for _, e := range events {
		at := e.Time.Sub(began).Seconds()
		switch {
		case e.Kind == timeline.Decision:
			m.first("the scheduler's decision", at)
		case e.Kind == timeline.TaskState && e.Data["to"] == "PENDING":
			m.first("the first task has its address", at)
			m["the last task has its address"] = at
		case e.Kind == timeline.TaskState && e.Data["to"] == "RUNNING":
			m.first("the first task is RUNNING", at)
			m["the last task is RUNNING"] = at
		case e.Kind == timeline.TargetState && e.Data["to"] == "initial":
			m["the last target is registered"] = at
		case e.Kind == timeline.TargetState && e.Data["to"] == "healthy":
			m["the last target is healthy"] = at
		}
	}
	return m
}

func (m marks) first(name string, at float64) {
	if _, ok := m[name]; !ok {
		m[name] = at
	}
}
