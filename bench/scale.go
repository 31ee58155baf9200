package main

import (
	"context"
	"fmt"
	"time"

	"drydock/awsapi/ecs"
)

const (
	// idleTasks is how many tasks an idle daemon's aims are about.
	idleTasks = 50
	// scaleMemoryAim is in MiB, scaleCPUAim in % of a core.
	scaleMemoryAim, scaleCPUAim = 40, 2
	// plainSample is how many plain containers show what the machine can start.
	plainSample = 20
)

// measureScale brings many tasks up on the machine, in two steps, and watches the daemon idle
// after each. A task's share of the time stands beside a plain container's.
func measureScale(ctx context.Context, b *bench) error {
	s, err := b.ensureStack(ctx)
	if err != nil {
		return err
	}
	if err := b.docker.ensureNetwork(ctx); err != nil {
		return err
	}
	if err := s.deleteService(ctx); err != nil {
		return err
	}
	if err := b.repool(ctx, s, 0); err != nil {
		return err
	}
	if err := b.grow(ctx, s, 0, min(idleTasks, b.scale)); err != nil {
		return err
	}
	if err := b.idle(ctx, s, "scale", min(idleTasks, b.scale), idleAims{memory: scaleMemoryAim, cpu: scaleCPUAim}); err != nil {
		return err
	}
	if b.scale > idleTasks {
		if err := b.grow(ctx, s, idleTasks, b.scale); err != nil {
			return err
		}
		if err := b.idle(ctx, s, "scale", b.scale, idleAims{}); err != nil {
			return err
		}
	}
	return s.deleteService(ctx)
}

// grow takes the service from one size to another. The plain containers are started before and
// after: each start costs the engine more the more containers there are.
func (b *bench) grow(ctx context.Context, s *stack, from, to int) error {
	b.say("scale: from %d to %d tasks", from, to)
	before, err := b.plainStart(ctx, min(plainSample, to-from))
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.resize(ctx, from, to); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.plainStart(ctx, min(plainSample, to-from))
	if err != nil {
		return err
	}
	b.say("scale: a plain container takes %.0f ms beside %d tasks, %.0f ms beside %d", before, from, after, to)
	b.report.add(figure{Section: "scale", Name: fmt.Sprintf("from %d to %d healthy targets", from, to), Unit: "s", Rounds: []float64{took.Seconds()}})
	b.report.add(figure{
		Section: "scale", Name: "  the same, each task", Unit: "ms", Rounds: []float64{milliseconds(took) / float64(to-from)},
		Peers: []peer{{Name: plainDocker, Rounds: []float64{(before + after) / 2}}}, Aims: []aim{{Of: plainDocker, AtMost: coldAim}},
	})
	return nil
}

// plainStart starts n plain containers and removes them. It returns the milliseconds for each.
func (b *bench) plainStart(ctx context.Context, n int) (float64, error) {
	took, err := b.docker.start(ctx, n)
	if err != nil {
		return 0, err
	}
	return milliseconds(took) / float64(n), b.docker.removeContainers(ctx)
}

// resize creates the service, or has it want another number of tasks.
func (s *stack) resize(ctx context.Context, from, to int) error {
	if from == 0 {
		return s.createService(ctx, to)
	}
	err := s.api.Do(ctx, "ecs", "UpdateService", &ecs.UpdateServiceRequest{Service: &s.service, DesiredCount: new(int64(to))}, nil)
	if err != nil {
		return err
	}
	return s.awaitHealthy(ctx, to)
}
