package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// starts is how often the daemon is started; the median counts.
	starts = 10
	// startAim is in milliseconds.
	startAim = 100
	// memoryAim is in MiB.
	memoryAim = 30
)

// measureStart times the daemon from its start to its first answer: on nothing, and on the
// state of a running service.
func measureStart(ctx context.Context, b *bench) error {
	b.say("start: %d daemons on an empty state, %d on a running service", starts, starts)
	fresh, memories, err := b.freshStarts(ctx)
	if err != nil {
		return err
	}
	again, served, err := b.restarts(ctx)
	if err != nil {
		return err
	}
	b.report.add(figure{Section: "start", Name: "first start to first API answer", Unit: "ms", Rounds: fresh, Aims: []aim{{AtMost: startAim}}})
	b.report.add(figure{Section: "start", Name: fmt.Sprintf("start with %d tasks running to first API answer", b.tasks), Unit: "ms", Rounds: again, Aims: []aim{{AtMost: startAim}}})
	b.report.add(figure{Section: "start", Name: "  the same, to first answer through the balancer", Unit: "ms", Rounds: served})
	b.reportMemory("start", "after the first start: ", memoryAim, memories)
	return nil
}

func (b *bench) freshStarts(ctx context.Context) (took []float64, memories []memory, err error) {
	for i := range starts {
		d, err := newDaemon(b.drydock, filepath.Join(b.dir, fmt.Sprintf("fresh-%d", i)))
		if err != nil {
			return nil, nil, err
		}
		t, m, err := freshStart(ctx, d)
		if err != nil {
			return nil, nil, fmt.Errorf("daemon %d: %w", i+1, err)
		}
		took, memories = append(took, t), append(memories, m)
	}
	return took, memories, nil
}

// freshStart starts a daemon on nothing, looks how big it is when it has settled, and removes it.
func freshStart(ctx context.Context, d *daemon) (took float64, m memory, err error) {
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if downErr := d.down(ctx); err == nil {
			err = downErr
		}
		os.RemoveAll(d.dir)
	}()
	t, err := d.start(ctx)
	if err != nil {
		return 0, m, err
	}
	pause(ctx, 300*time.Millisecond)
	m, err = d.memory(ctx)
	return milliseconds(t), m, err
}

// memory is what drydock's processes take, in MiB.
type memory struct {
	daemon, daemonOwn float64 // RSS and RssAnon
	node, nodeOwn     float64 // the balancer's; 0 if it has no process
}

func (d *daemon) memory(ctx context.Context) (m memory, err error) {
	if err := d.findNode(ctx); err != nil {
		return m, err
	}
	if m.daemon, m.daemonOwn, err = sizes(d.process.Pid); err != nil || d.node == 0 {
		return m, err
	}
	m.node, m.nodeOwn, err = sizes(d.node)
	return m, err
}

func sizes(pid int) (all, own float64, err error) {
	all, err1 := resident("VmRSS", pid)
	own, err2 := resident("RssAnon", pid)
	return all, own, errors.Join(err1, err2)
}

// reportMemory reports a section's memory; the name begins each line, the aim is the daemon's.
func (b *bench) reportMemory(section, name string, atMost float64, rounds []memory) {
	lines := []struct {
		name string
		aims []aim
		of   func(memory) float64
	}{
		{name + "memory of the daemon (RSS)", aimed(atMost), func(m memory) float64 { return m.daemon }},
		{"  of these its own (RssAnon)", nil, func(m memory) float64 { return m.daemonOwn }},
		{name + "memory of the balancer's process (RSS)", nil, func(m memory) float64 { return m.node }},
		{"  of these its own (RssAnon)", nil, func(m memory) float64 { return m.nodeOwn }},
	}
	for _, line := range lines {
		f := figure{Section: section, Name: line.name, Unit: "MiB", Aims: line.aims}
		for _, m := range rounds {
			f.Rounds = append(f.Rounds, line.of(m))
		}
		b.report.add(f)
	}
}

// restarts stops and starts the daemon of a running service, and returns how long it took
// until the API and the balancer answered.
func (b *bench) restarts(ctx context.Context) (took, served []float64, err error) {
	s, err := b.ensureService(ctx)
	if err != nil {
		return nil, nil, err
	}
	for range starts {
		if err := s.stop(ctx); err != nil {
			return nil, nil, err
		}
		began := time.Now()
		t, err := s.start(ctx)
		if err != nil {
			return nil, nil, err
		}
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		err = answers(limited, s.balancer())
		cancel()
		if err != nil {
			return nil, nil, err
		}
		took, served = append(took, milliseconds(t)), append(served, milliseconds(time.Since(began)))
	}
	return took, served, s.awaitHealthy(ctx, b.tasks)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// idleTime is how long the daemon is watched doing nothing.
const idleTime = 10 * time.Second

// measureIdle measures what the daemon takes while nothing happens.
func measureIdle(ctx context.Context, b *bench) error {
	s, err := b.ensureService(ctx)
	if err != nil {
		return err
	}
	return b.idle(ctx, s, "idle", b.tasks, idleAims{memory: memoryAim})
}

// idleAims are what an idle daemon may take, in MiB and % of a core; 0 is no aim.
type idleAims struct{ memory, cpu float64 }

// idle watches a daemon with so many tasks for a while.
func (b *bench) idle(ctx context.Context, s *stack, section string, tasks int, aims idleAims) error {
	b.say("%s: %s of doing nothing with %d tasks", section, idleTime, tasks)
	pause(ctx, 2*time.Second)
	if err := s.findNode(ctx); err != nil {
		return err
	}
	before, err := usageOf(s.processes())
	if err != nil {
		return err
	}
	if !pause(ctx, idleTime) {
		return ctx.Err()
	}
	after, err := usageOf(s.processes())
	if err != nil {
		return err
	}
	m, err := s.memory(ctx)
	name := fmt.Sprintf("idle with %d tasks: ", tasks)
	b.reportMemory(section, name, aims.memory, []memory{m})
	cpu := 100 * after.sub(before).all.Seconds() / idleTime.Seconds()
	b.report.add(figure{Section: section, Name: name + "CPU of both", Unit: "% of a core", Rounds: []float64{cpu}, Aims: aimed(aims.cpu)})
	return err
}

// aimed is the aim of a value, none if it is 0.
func aimed(atMost float64) []aim {
	if atMost == 0 {
		return nil
	}
	return []aim{{AtMost: atMost}}
}
