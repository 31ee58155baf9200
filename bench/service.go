package main

import (
	"context"
	"fmt"
	"time"

	"drydock/timeline"
)

// measureService times the way from CreateService to healthy targets, beside the same
// containers started through the plain Docker API and by Docker Compose.
func measureService(ctx context.Context, b *bench) error {
	s, err := b.ensureStack(ctx)
	if err != nil {
		return err
	}
	if err := b.docker.makeNetwork(ctx); err != nil {
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
	return nil
}

// serviceRounds collects the rounds.
type serviceRounds struct {
	*bench
	compose               *compose // nil: not installed
	ours, plain, composed []float64
	marks                 []marks
}

// round measures everybody once; who is first changes from round to round.
func (m *serviceRounds) round(ctx context.Context, round int) error {
	turns := []func(context.Context) error{m.plainTurn, m.ourTurn, m.composeTurn}
	for i := range turns {
		if err := turns[(i+round)%len(turns)](ctx); err != nil {
			return err
		}
	}
	m.say("service: round %d of %d: drydock %.2f s, plain Docker %.2f s", round+1, m.rounds, m.ours[round], m.plain[round])
	return nil
}

func (m *serviceRounds) plainTurn(ctx context.Context) error {
	took, err := m.docker.start(ctx, m.tasks)
	m.plain = append(m.plain, took.Seconds())
	if err != nil {
		return fmt.Errorf("start %d containers through the plain Docker API: %w", m.tasks, err)
	}
	return m.docker.removeContainers(ctx)
}

// ourTurn leaves its service running: the sections that follow use the last one.
func (m *serviceRounds) ourTurn(ctx context.Context) error {
	if err := m.stack.deleteService(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := m.stack.createService(ctx, m.tasks); err != nil {
		return err
	}
	m.ours = append(m.ours, time.Since(began).Seconds())
	events, err := m.stack.eventsSince(ctx, began)
	m.marks = append(m.marks, readMarks(began, events))
	if err != nil || len(m.ours) == m.rounds {
		return err
	}
	return m.stack.deleteService(ctx)
}

func (m *serviceRounds) composeTurn(ctx context.Context) error {
	if m.compose == nil {
		return nil
	}
	took, err := m.compose.up(ctx, m.bench)
	m.composed = append(m.composed, took.Seconds())
	if err != nil {
		return err
	}
	return m.compose.down(ctx, m.bench)
}

const plainDocker = "plain Docker API, 4 at a time"

func (m *serviceRounds) report() {
	name := fmt.Sprintf("create-service to %d healthy targets", m.tasks)
	m.bench.report.add(figure{Section: "service", Name: name, Unit: "s", Rounds: m.ours,
		Peers: []peer{{Name: plainDocker, Rounds: m.plain}}, Aims: []aim{{Of: plainDocker, AtMost: 1.15}}})
	if m.compose != nil {
		m.bench.report.add(figure{Section: "service", Name: name, Unit: "s", Rounds: m.ours,
			Peers: []peer{{Name: m.compose.name() + " up --scale", Rounds: m.composed}}})
	} else {
		m.bench.report.skip("service", name, "docker-compose is not installed")
	}
	for _, mark := range markNames {
		var rounds []float64
		for _, marks := range m.marks {
			rounds = append(rounds, marks[mark])
		}
		m.bench.report.add(figure{Section: "service", Name: "  of these, until " + mark, Unit: "s", Rounds: rounds})
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
