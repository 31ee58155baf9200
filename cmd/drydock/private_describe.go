package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"drydock/orchestrator"
	"drydock/taskdefs"
	"drydock/timeline"
)

func (d *daemon) serveDescribe(w http.ResponseWriter, r *http.Request) {
	snapshot := d.scheduler.Snapshot()
	v := describer{
		status: d.currentStatus(r.Context(), snapshot), services: snapshot.Services,
		lookup: d.definitions.Lookup, families: d.definitions.Families("", ""), events: d.events.All(),
	}
	v.answer(w, r)
}

// answer describes what the query names.
func (v describer) answer(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	last, err := strconv.Atoi(q.Get("events"))
	if err != nil || last < 0 {
		last = defaultDescribedEvents
	}
	description, err := v.describe(q.Get("cluster"), q.Get("name"), last)
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		refuse(w, http.StatusBadRequest, err.Error(), "")
	case err != nil:
		refuse(w, http.StatusNotFound, err.Error(), "")
	default:
		reply(w, description)
	}
}

// describer knows all that a description is made of.
type describer struct {
	status   *Status
	services map[string]*orchestrator.Service // by ARN
	lookup   func(ref string) (taskdefs.Registered, error)
	families []string
	events   []timeline.Event
}

// describe finds what a name means: a revision, a service, a task, or the latest revision of
// a family, in this order. It returns at most so many events, the newest.
func (v describer) describe(cluster, name string, last int) (*Description, error) {
	if isRevision(name) {
		return v.definition(name, last)
	}
	service, err := findService(v.status, cluster, name)
	var usage *usageError
	switch {
	case err == nil:
		return v.service(service, last), nil
	case errors.As(err, &usage):
		return nil, err
	}
	if task, err := findTask(v.status, name); err == nil {
		return v.task(task, last), nil
	} else if errors.As(err, &usage) {
		return nil, err
	}
	if description, err := v.definition(name, last); err == nil {
		return description, nil
	}
	return nil, v.unknown(name, err)
}

// isRevision reports whether a name is family:revision, or the ARN of a task definition.
func isRevision(name string) bool {
	return strings.Contains(name, ":task-definition/") || strings.Contains(name, ":") && !strings.HasPrefix(name, "arn:")
}

// unknown explains that nothing has this name; missing says so of services.
func (v describer) unknown(name string, missing error) error {
	if near := nearest(name, v.families); near != "" && len(v.status.Services) == 0 {
		return fmt.Errorf("there is no service, task or task definition %s: did you mean %s?", name, near)
	}
	return fmt.Errorf("%w (and there is no task or task definition %s either)", missing, name)
}

func (v describer) service(s *ServiceStatus, last int) *Description {
	d := &Description{Kind: describedService, Service: s, Tasks: onlyService(v.status, s).Tasks, WithoutEffect: []Unregarded{}}
	if row := v.services[s.ARN]; row != nil {
		d.WithoutEffect = append(d.WithoutEffect, unregardedOfService(row)...)
	}
	v.add(d, s.TaskDefinition)
	d.Events = v.about(last, func(e timeline.Event) bool { return e.Subject == s.ARN || e.Data["service"] == s.ARN })
	return d
}

func (v describer) task(t *TaskStatus, last int) *Description {
	d := &Description{Kind: describedTask, Tasks: []TaskStatus{*t}, WithoutEffect: []Unregarded{}}
	v.add(d, t.TaskDefinition)
	d.Events = v.about(last, func(e timeline.Event) bool { return e.Subject == t.ARN || e.Data["task"] == t.ARN })
	return d
}

func (v describer) definition(ref string, last int) (*Description, error) {
	r, err := v.lookup(ref)
	if err != nil {
		return nil, fmt.Errorf("there is no task definition %s: `aws ecs list-task-definitions` lists them", ref)
	}
	d := &Description{Kind: describedDefinition, WithoutEffect: []Unregarded{}}
	v.add(d, r.ARN)
	for _, t := range v.status.Tasks {
		if t.TaskDefinition == r.Name() {
			d.Tasks = append(d.Tasks, t)
		}
	}
	d.Events = v.about(last, func(e timeline.Event) bool { return e.Subject == r.ARN })
	return d, nil
}

// add adds a task definition and what it has without effect; none if it is gone.
func (v describer) add(d *Description, ref string) {
	r, err := v.lookup(ref)
	if err != nil {
		return
	}
	status := definitionStatus(r)
	status.UsedBy = v.users(r)
	d.TaskDefinition = &status
	of := "task definition " + r.Name()
	for _, m := range r.Definition.WithoutEffect() {
		d.WithoutEffect = append(d.WithoutEffect, Unregarded{of, m.Member, m.Why})
	}
	for _, member := range r.Unknown {
		d.WithoutEffect = append(d.WithoutEffect, Unregarded{of, member, "not a member of the API"})
	}
}

// users names the services that a revision is in use by.
func (v describer) users(r taskdefs.Registered) []string {
	var names []string
	for _, s := range v.status.Services {
		uses := s.TaskDefinition == r.Name() || slices.ContainsFunc(s.Deployments, func(d DeploymentStatus) bool { return d.TaskDefinition == r.Name() })
		if uses {
			names = append(names, s.Cluster+"/"+s.Name)
		}
	}
	return names
}

// about returns the last events that tell of something, oldest first.
func (v describer) about(last int, tells func(timeline.Event) bool) []timeline.Event {
	found := []timeline.Event{}
	for _, e := range slices.Backward(v.events) {
		if len(found) == last {
			break
		}
		if tells(e) {
			found = append(found, e)
		}
	}
	slices.Reverse(found)
	return found
}

func definitionStatus(r taskdefs.Registered) DefinitionStatus {
	d := r.Definition
	status := DefinitionStatus{
		Name: r.Name(), ARN: r.ARN, Status: r.Status, RegisteredAt: r.RegisteredAt, NetworkMode: d.NetworkMode,
		CPU: d.CPU, Memory: d.Memory, RequiresCompatibilities: d.RequiresCompatibilities,
	}
	if status.NetworkMode == "" {
		status.NetworkMode = "bridge"
	}
	for _, c := range d.ContainerDefinitions {
		status.Containers = append(status.Containers, definedContainer(c))
	}
	return status
}

func definedContainer(c taskdefs.ContainerDefinition) DefinedContainer {
	out := DefinedContainer{Name: c.Name, Image: c.Image, Essential: c.IsEssential(), HealthCheck: c.HealthCheck != nil}
	for _, p := range c.PortMappings {
		out.Ports = append(out.Ports, portWords(p))
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, s.Name)
	}
	for _, dep := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, dep.ContainerName+" "+dep.Condition)
	}
	return out
}

func portWords(p taskdefs.PortMapping) string {
	port := p.ContainerPortRange
	if port == "" {
		port = strconv.Itoa(p.ContainerPort)
	}
	if p.Protocol == "" {
		return port + "/tcp"
	}
	return port + "/" + p.Protocol
}

// unregardedOfService names the members of a service that are kept and shown only.
func unregardedOfService(s *orchestrator.Service) []Unregarded {
	var all []Unregarded
	for _, m := range s.WithoutEffect() {
		all = append(all, Unregarded{"service " + s.Name, m.Member, m.Why})
	}
	return all
}
