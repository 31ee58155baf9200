package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/awsapi/ecs"
	"drydock/timeline"
)

const (
	// rollingAim is what a rolling deployment may take, by the least time that it could: that
	// leaves out what stopping the other tasks takes of the same processors.
	rollingAim = 1.5
	// rollingDelay is the deregistration delay: requests may finish, or some would fail by rights.
	rollingDelay = time.Second
)

// rollout is a rolling deployment of the service with its percentages.
type rollout struct {
	minimum, maximum int // percent
	took, least      []float64
	sent, fails      int64
}

// step is how many tasks of so many a deployment can replace at a time.
func (r *rollout) step(tasks int) int {
	most := tasks*r.maximum/100 - tasks
	fewest := int(math.Ceil(float64(tasks) * float64(r.minimum) / 100))
	return max(1, most+tasks-fewest)
}

// leastTime is what a deployment takes that wastes nothing: every task is started at the rate
// that the machine has been seen to start containers at, which answer at once, and every batch
// that the percentages force waits for a deregistration delay and one stop.
func (r *rollout) leastTime(tasks int, start, delay, stop time.Duration) time.Duration {
	step := r.step(tasks)
	batches := (tasks + step - 1) / step
	return time.Duration(tasks)*start + time.Duration(batches)*(delay+stop)
}

// measureRolling times rolling deployments under load, without a warm pool, beside the least
// that they could take by what plain containers take in the same round.
func measureRolling(ctx context.Context, b *bench) error {
	s, err := b.ensureService(ctx)
	if err != nil {
		return err
	}
	if err := b.docker.ensureNetwork(ctx); err != nil {
		return err
	}
	all := []*rollout{{minimum: 100, maximum: 200}, {minimum: 50, maximum: 100}}
	if b.quick {
		all = all[:1]
	}
	if err := errors.Join(b.repool(ctx, s, 0), s.delay(ctx, rollingDelay)); err != nil {
		return err
	}
	for round := range b.rounds {
		start, stop, err := b.docker.rates(ctx, b.tasks)
		if err != nil {
			return err
		}
		for i := range all {
			r := all[(i+round)%len(all)]
			r.least = append(r.least, r.leastTime(b.tasks, start, rollingDelay, stop).Seconds())
			if err := b.rollingRound(ctx, s, r); err != nil {
				return err
			}
			b.say("rolling: round %d of %d: %d/%d %%: %.2f s, at least %.2f s", round+1, b.rounds, r.minimum, r.maximum, r.took[round], r.least[round])
		}
	}
	for _, r := range all {
		r.report(b)
	}
	return errors.Join(s.delay(ctx, 0), b.repool(ctx, s, ownPool))
}

// rates returns how long a container takes to start when so many start, and one to stop.
func (d *docker) rates(ctx context.Context, n int) (start, stop time.Duration, err error) {
	took, err := d.start(ctx, n)
	if err != nil {
		return 0, 0, err
	}
	list, err := d.api.ContainerList(ctx, container.ListOptions{Filters: d.ours()})
	if err == nil && len(list) == 0 {
		err = errors.New("no plain container is left to stop")
	}
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	err = d.api.ContainerStop(ctx, list[0].ID, container.StopOptions{})
	stop = time.Since(began)
	return took / time.Duration(n), stop, errors.Join(err, d.removeContainers(ctx))
}

// rollingRound deploys a new revision under load.
func (b *bench) rollingRound(ctx context.Context, s *stack, r *rollout) error {
	if err := s.awaitHealthy(ctx, b.tasks); err != nil {
		return err
	}
	d := startDrip(ctx, s.balancer())
	took, err := b.roll(ctx, s, r)
	sent, failed := d.stop()
	r.took, r.sent, r.fails = append(r.took, took.Seconds()), r.sent+sent, r.fails+failed
	return err
}

// roll returns how long it took until the last new target was healthy and the last old
// container had stopped.
func (b *bench) roll(ctx context.Context, s *stack, r *rollout) (time.Duration, error) {
	if err := s.register(ctx, b.docker.image); err != nil {
		return 0, err
	}
	began := time.Now()
	err := s.api.Do(ctx, "ecs", "UpdateService", &ecs.UpdateServiceRequest{
		Service: &s.service, TaskDefinition: &s.revised,
		DeploymentConfiguration: &ecs.DeploymentConfiguration{MinimumHealthyPercent: new(int64(r.minimum)), MaximumPercent: new(int64(r.maximum))},
	}, nil)
	if err != nil {
		return 0, err
	}
	last := time.Time{}
	_, err = s.awaitEvents(ctx, began, func(events []timeline.Event) bool {
		var done bool
		last, done = rolled(events, b.tasks, b.tasks)
		return done
	})
	return last.Sub(began), err
}

// rolled reports when so many targets had become healthy and so many tasks had stopped.
func rolled(events []timeline.Event, healthy, stopped int) (last time.Time, done bool) {
	for _, e := range events {
		switch to := e.Data["to"]; {
		case e.Kind == timeline.TargetState && to == "healthy":
			healthy--
		case e.Kind == timeline.TaskState && to == "DEPROVISIONING":
			stopped--
		default:
			continue
		}
		last = e.Time
	}
	return last, healthy <= 0 && stopped <= 0
}

const leastName = "the least by plain containers' rates"

func (r *rollout) report(b *bench) {
	b.report.add(figure{
		Section: "rolling", Unit: "s", Rounds: r.took,
		Name:  fmt.Sprintf("a deployment of %d tasks, %d to %d %%, no warm pool", b.tasks, r.minimum, r.maximum),
		Peers: []peer{{Name: leastName, Rounds: r.least}}, Aims: []aim{{Of: leastName, AtMost: rollingAim}},
	})
	b.report.add(figure{
		Section: "rolling", Unit: "in all", Rounds: []float64{float64(r.fails)},
		Name: fmt.Sprintf("  requests of %d that failed", r.sent), Aims: []aim{{None: true}},
	})
}
