package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
)

// List implements [orchestrator.Engine]: one call to Docker, and one more for every container
// whose state has changed since the last List. Tasks are sorted by ARN, containers by start order.
func (e *Engine) List(ctx context.Context) ([]orchestrator.TaskObservation, error) {
	summaries, err := e.all(ctx)
	if err != nil {
		return nil, err
	}
	e.seen.keep(summaries)
	return e.tasksOf(ctx, summaries)
}

// tasksOf observes the tasks whose containers are listed.
func (e *Engine) tasksOf(ctx context.Context, summaries []container.Summary) ([]orchestrator.TaskObservation, error) {
	lost := e.lost(summaries)
	summaries = slices.DeleteFunc(slices.Clone(summaries), func(s container.Summary) bool { return isWarm(s) || s.State == container.StateRemoving })
	observations, err := e.observeAll(ctx, summaries)
	if err != nil {
		return nil, err
	}
	tasks := map[string]*orchestrator.TaskObservation{}
	for n, s := range summaries {
		if observations[n] == nil {
			continue // removed meanwhile
		}
		arn := s.Labels[labelTask]
		if tasks[arn] == nil {
			address, _ := netip.ParseAddr(s.Labels[labelAddress])
			tasks[arn] = &orchestrator.TaskObservation{Task: arn, ContainerInstance: e.config.ContainerInstance, Address: address}
		}
		if lost(s) {
			tasks[arn].Disconnected = true
		}
		if !isPause(s) { // it is not the task's, but the task is not gone while it is there
			tasks[arn].Containers = append(tasks[arn].Containers, *observations[n])
		}
	}
	list := make([]orchestrator.TaskObservation, 0, len(tasks))
	for _, t := range tasks {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b orchestrator.TaskObservation) int { return cmp.Compare(a.Task, b.Task) })
	return list, nil
}

// containers lists what is ours, in start order; a task's ARN narrows it down.
func (e *Engine) containers(ctx context.Context, task string) ([]container.Summary, error) {
	list, err := e.list(ctx, e.ours(task))
	sortByOrder(list)
	return list, err
}

func sortByOrder(list []container.Summary) {
	slices.SortStableFunc(list, func(a, b container.Summary) int { return cmp.Compare(order(a), order(b)) })
}

func order(s container.Summary) int {
	n, _ := strconv.Atoi(s.Labels[labelOrder])
	return n
}

// observeAll observes containers side by side: Docker answers late about one that it is busy
// with. An observation is nil if the container was removed meanwhile.
func (e *Engine) observeAll(ctx context.Context, summaries []container.Summary) ([]*orchestrator.ContainerObservation, error) {
	observations := make([]*orchestrator.ContainerObservation, len(summaries))
	errs := make([]error, len(summaries))
	slots := make(chan struct{}, parallelInspects)
	var all sync.WaitGroup
	for n, s := range summaries {
		if obs, ok := e.known(s); ok {
			observations[n] = &obs
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			observations[n], errs[n] = e.inspect(ctx, s)
		})
	}
	all.Wait()
	return observations, errors.Join(errs...)
}

// parallelInspects is how many containers are inspected at a time.
const parallelInspects = 8

// known returns what can be told of a container without inspecting it: its state is the one
// that was inspected last, or its start is under way here, which inspecting would wait for.
func (e *Engine) known(s container.Summary) (orchestrator.ContainerObservation, bool) {
	if isPause(s) {
		return orchestrator.ContainerObservation{}, true
	}
	obs, ok := e.seen.get(s)
	if !ok && s.State == container.StateCreated && e.starting(s.Labels[labelTask]) {
		obs, ok = orchestrator.ContainerObservation{
			Name: s.Labels[labelContainer], RuntimeID: s.ID, Image: s.Image, ImageDigest: s.ImageID, RepoDigest: s.Labels[labelDigest], Status: orchestrator.ContainerCreated,
		}, true
	}
	obs.Health = health(s)
	return obs, ok
}

// starting reports whether a Run of the task is under way.
func (e *Engine) starting(task string) bool {
	e.claims.Lock()
	defer e.claims.Unlock()
	return e.claimed[task] != nil
}

func (e *Engine) inspect(ctx context.Context, s container.Summary) (*orchestrator.ContainerObservation, error) {
	c, err := e.client.ContainerInspect(ctx, s.ID)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect container %s: %w", s.ID, err)
	}
	if c.State.Status == container.StateRemoving { // since it was listed
		return nil, nil
	}
	obs := observation(c)
	e.seen.put(s.ID, c.State.Status, obs)
	obs.Health = health(s)
	return &obs, nil
}

func observation(c container.InspectResponse) orchestrator.ContainerObservation {
	obs := orchestrator.ContainerObservation{
		Name:        c.Config.Labels[labelContainer],
		RuntimeID:   c.ID,
		RuntimeName: strings.TrimPrefix(c.Name, "/"),
		Image:       imageName(c.Config),
		ImageDigest: c.Image,
		RepoDigest:  c.Config.Labels[labelDigest],
		Status:      status(c.State.Status),
		CreatedAt:   parseTime(c.Created),
		StartedAt:   parseTime(c.State.StartedAt),
		Error:       c.State.Error,
		Paused:      c.State.Paused,
	}
	if obs.Status == orchestrator.ContainerStopped {
		obs.FinishedAt = parseTime(c.State.FinishedAt)
		obs.ExitCode = c.State.ExitCode
		obs.OOMKilled = c.State.OOMKilled
	}
	return obs
}

func status(s container.ContainerState) orchestrator.ContainerStatus {
	switch s {
	case container.StateCreated:
		return orchestrator.ContainerCreated
	case container.StateExited, container.StateDead:
		return orchestrator.ContainerStopped
	}
	return orchestrator.ContainerRunning // running, paused, restarting
}

// health reads the health out of "Up 5 minutes (healthy)": the list has it nowhere else, and
// inspecting every container at every List is what 200 tasks can't afford.
func health(s container.Summary) string {
	switch {
	case s.Labels[labelHealthCheck] == "":
		return "UNKNOWN" // ECS-212
	case strings.HasSuffix(s.Status, "(healthy)"):
		return "HEALTHY"
	case strings.HasSuffix(s.Status, "(unhealthy)"):
		return "UNHEALTHY"
	}
	return "UNKNOWN"
}

// parseTime reads Docker's time; the zero time is what has not happened.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1970 {
		return time.Time{}
	}
	return t
}
