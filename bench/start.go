package main

import (
	"context"
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
	fresh, anon, all, err := b.freshStarts(ctx)
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
	b.report.add(figure{Section: "start", Name: "memory after the first start, all processes (RSS)", Unit: "MiB", Rounds: all, Aims: []aim{{AtMost: memoryAim}}})
	b.report.add(figure{Section: "start", Name: "  of these their own (RssAnon)", Unit: "MiB", Rounds: anon})
	return nil
}

func (b *bench) freshStarts(ctx context.Context) (took, anon, all []float64, err error) {
	for i := range starts {
		d, err := newDaemon(b.drydock, filepath.Join(b.dir, fmt.Sprintf("fresh-%d", i)))
		if err != nil {
			return nil, nil, nil, err
		}
		t, rss, own, err := freshStart(ctx, d)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("daemon %d: %w", i+1, err)
		}
		took, all, anon = append(took, t), append(all, rss), append(anon, own)
	}
	return took, anon, all, nil
}

// freshStart starts a daemon on nothing, looks how big it is when it has settled, and removes it.
func freshStart(ctx context.Context, d *daemon) (took, all, anon float64, err error) {
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if downErr := d.down(ctx); err == nil {
			err = downErr
		}
		os.RemoveAll(d.dir)
	}()
	t, err := d.start(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	pause(ctx, 300*time.Millisecond)
	if err := d.findNode(ctx); err != nil {
		return 0, 0, 0, err
	}
	if all, err = resident("VmRSS", d.processes()...); err != nil {
		return 0, 0, 0, err
	}
	anon, err = resident("RssAnon", d.processes()...)
	return milliseconds(t), all, anon, err
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
	b.say("idle: %s of doing nothing with %d tasks", idleTime, b.tasks)
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
	all, err := resident("VmRSS", s.processes()...)
	if err != nil {
		return err
	}
	anon, err := resident("RssAnon", s.processes()...)
	name := fmt.Sprintf("idle with %d tasks: ", b.tasks)
	b.report.add(figure{Section: "idle", Name: name + "memory, all processes (RSS)", Unit: "MiB", Rounds: []float64{all}, Aims: []aim{{AtMost: memoryAim}}})
	b.report.add(figure{Section: "idle", Name: "  of these their own (RssAnon)", Unit: "MiB", Rounds: []float64{anon}})
	b.report.add(figure{Section: "idle", Name: name + "CPU", Unit: "% of a core", Rounds: []float64{100 * after.sub(before).all.Seconds() / idleTime.Seconds()}})
	return err
}
