package docker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"drydock/orchestrator"
)

var _ orchestrator.Observer = (*Engine)(nil)

// mostAsked is how many containers Docker is asked about by id: more, and it is asked about all.
const mostAsked = 100

// Changed implements [orchestrator.Observer].
func (e *Engine) Changed() orchestrator.Change { return e.index.take() }

// Observe implements [orchestrator.Observer]: one call to Docker as a rule, which it answers from
// what it has at hand of those containers, and one more for each whose state has changed. Listing
// everything takes Docker the longer the more containers there are.
func (e *Engine) Observe(ctx context.Context, what orchestrator.Change) ([]orchestrator.TaskObservation, []orchestrator.WarmObservation, error) {
	some, err := e.some(ctx, what)
	if err != nil {
		return nil, nil, err
	}
	tasks, err := e.tasksOf(ctx, some)
	return tasks, e.namespacesOf(some), err
}

// some lists the containers of some tasks and namespaces, perhaps among others. That nothing is
// there of a task is what Docker says, not what we know.
func (e *Engine) some(ctx context.Context, what orchestrator.Change) ([]container.Summary, error) {
	ids := e.index.of(what)
	if len(ids) > mostAsked {
		return e.all(ctx)
	}
	list, err := e.byID(ctx, ids)
	if err != nil {
		return nil, err
	}
	switch absent := absentOf(what.Tasks, list); {
	case len(absent) > 1:
		return e.all(ctx)
	case len(absent) == 1:
		more, err := e.containers(ctx, absent[0])
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	owners, err := e.byID(ctx, ownersOf(list))
	if err != nil {
		return nil, err
	}
	list = append(list, owners...)
	e.index.see(list)
	sortByOrder(list)
	return list, nil
}

// all lists everything that is ours.
func (e *Engine) all(ctx context.Context) ([]container.Summary, error) {
	n := e.index.begin()
	list, err := e.containers(ctx, "")
	if err == nil {
		e.index.end(n, list)
	}
	return list, err
}

func (e *Engine) byID(ctx context.Context, ids []string) ([]container.Summary, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	f := e.ours("")
	for _, id := range ids {
		f.Add("id", id)
	}
	return e.list(ctx, f)
}

func (e *Engine) list(ctx context.Context, f filters.Args) ([]container.Summary, error) {
	list, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	return list, nil
}

// absentOf returns the tasks of which nothing is in a list.
func absentOf(tasks []string, list []container.Summary) []string {
	return slices.DeleteFunc(slices.Clone(tasks), func(arn string) bool {
		return slices.ContainsFunc(list, func(s container.Summary) bool { return s.Labels[labelTask] == arn })
	})
}

// ownersOf returns the containers that are not in a list, whose namespaces those in it have joined.
func ownersOf(list []container.Summary) []string {
	var ids []string
	for _, s := range list {
		id, joined := owner(s)
		if joined && !slices.Contains(ids, id) && !slices.ContainsFunc(list, func(o container.Summary) bool { return o.ID == id }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// ready reports whether a task can join a container's namespace: it runs, and has its network.
func (e *Engine) ready(s container.Summary) bool {
	return s.State == container.StateRunning && !e.disconnected(s)
}

// namespacesOf picks those out of a list that were made before their tasks.
func (e *Engine) namespacesOf(list []container.Summary) []orchestrator.WarmObservation {
	var all []orchestrator.WarmObservation
	for _, s := range list {
		if isWarm(s) {
			address, _ := netip.ParseAddr(s.Labels[labelAddress])
			all = append(all, orchestrator.WarmObservation{ID: s.Labels[labelWarm], Address: address, Ready: e.ready(s)})
		}
	}
	return all
}
