package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// request is a container as Docker is asked to create it.
type request struct {
	container string // as in the task definition
	name      string // Docker's
	config    *container.Config
	host      *container.HostConfig
	network   *network.NetworkingConfig
}

// Run implements [orchestrator.Engine]. Containers start one after another, in start order; each
// waits for its dependencies. A container that has run already is left as it is, running or not.
func (e *Engine) Run(ctx context.Context, spec orchestrator.TaskSpec) error {
	if err := e.run(ctx, spec); err != nil {
		return fmt.Errorf("run task %s: %w", spec.ARN, err)
	}
	return nil
}

func (e *Engine) run(ctx context.Context, spec orchestrator.TaskSpec) error {
	if err := e.prepare(ctx, spec); err != nil {
		return e.startError(ctx, "", "ResourceInitializationError", err)
	}
	pause, err := e.runPause(ctx, spec)
	if err != nil {
		return err
	}
	started := map[string]string{} // container ids by name
	for i, def := range spec.Containers {
		for _, dep := range def.DependsOn {
			if err := e.await(ctx, def, dep, started[dep.ContainerName], spec); err != nil {
				return err
			}
		}
		id, err := e.bringUp(ctx, spec, i, pause)
		if err != nil {
			return err
		}
		started[def.Name] = id
	}
	return nil
}

// prepare makes what the containers need: the network and the volumes.
func (e *Engine) prepare(ctx context.Context, spec orchestrator.TaskSpec) error {
	if spec.NetworkMode != "none" {
		if err := e.ensureNetwork(ctx, spec.Interface.VPC); err != nil {
			return err
		}
	}
	return e.ensureVolumes(ctx, spec)
}

// runPause brings up the namespace's owner and returns its id; a task of one container has none.
func (e *Engine) runPause(ctx context.Context, spec orchestrator.TaskSpec) (string, error) {
	if len(spec.Containers) < 2 {
		return "", nil
	}
	if err := e.ensurePauseImage(ctx); err != nil {
		return "", e.startError(ctx, "", "ResourceInitializationError", err)
	}
	def := taskdefs.ContainerDefinition{Name: pauseName, Image: pauseImage}
	r := request{
		container: pauseName,
		name:      e.containerName(spec, pauseName),
		config: &container.Config{
			Image:       pauseImage,
			Labels:      e.containerLabels(spec, def, -1),
			Healthcheck: healthCheck(nil),
		},
		host: e.hostConfig(orchestrator.TaskSpec{}, def),
	}
	r.network = e.own(spec, r.config, r.host)
	id, err := e.start(ctx, r)
	var why *orchestrator.StartError
	if errors.As(err, &why) { // no container of the definition is to blame
		err = &orchestrator.StartError{Name: "ResourceInitializationError", Err: why.Err}
	}
	return id, err
}

// bringUp brings one container of the task up and returns its id.
func (e *Engine) bringUp(ctx context.Context, spec orchestrator.TaskSpec, i int, pause string) (string, error) {
	def := spec.Containers[i]
	if err := e.refuse(spec, def); err != nil {
		return "", e.startError(ctx, def.Name, "CannotCreateContainerError", err)
	}
	r := request{
		container: def.Name,
		name:      e.containerName(spec, def.Name),
		config:    e.containerConfig(spec, i),
		host:      e.hostConfig(spec, def),
	}
	if pause == "" {
		r.network = e.own(spec, r.config, r.host)
		for name, value := range sysctls(spec, func(name string) bool { return !networked(name) }) {
			if r.host.Sysctls == nil {
				r.host.Sysctls = map[string]string{}
			}
			r.host.Sysctls[name] = value
		}
	} else {
		join(spec, r.host, pause)
	}
	return e.start(ctx, r)
}

// start creates what is not there and starts what has never run.
func (e *Engine) start(ctx context.Context, r request) (string, error) {
	id, ran, err := e.find(ctx, r)
	if err != nil || ran {
		return id, err
	}
	if id == "" {
		if err := e.ensureImage(ctx, r.container, r.config.Image); err != nil {
			return "", err
		}
	}
	release, err := e.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	if id == "" {
		if id, err = e.create(ctx, r); err != nil {
			return "", err
		}
	}
	err = e.client.ContainerStart(ctx, id, container.StartOptions{})
	if err != nil && e.cannotRaise(err, r) {
		id, err = e.startWithout(ctx, id, r)
	}
	if err != nil {
		return "", e.startError(ctx, r.container, "CannotStartContainerError", err)
	}
	return id, nil
}

// cannotRaise reports whether a start failed because Docker may not raise the limit of open files
// to Fargate's: its own is lower and it lacks CAP_SYS_RESOURCE. Docker has no code for that, only a text.
func (e *Engine) cannotRaise(err error, r request) bool {
	return strings.Contains(err.Error(), "rlimit") && slices.Contains(r.host.Ulimits, fargateNofile)
}

// startWithout starts a container again without Fargate's limit of open files, and does without it from then on.
func (e *Engine) startWithout(ctx context.Context, id string, r request) (string, error) {
	if !e.ownNofile.Swap(true) {
		e.log.Warn("docker may not raise the limit of open files to Fargate's: tasks have docker's own", "limit", defaultNofile)
	}
	if err := e.removeContainer(ctx, id); err != nil {
		return "", err
	}
	r.host.Ulimits = slices.DeleteFunc(r.host.Ulimits, func(u *container.Ulimit) bool { return u == fargateNofile })
	id, err := e.create(ctx, r)
	if err != nil {
		return "", err
	}
	return id, e.client.ContainerStart(ctx, id, container.StartOptions{})
}

// find looks for the container of an earlier call; ran says whether it has been started. A
// container of that name that is not ours is left alone and is an error.
func (e *Engine) find(ctx context.Context, r request) (id string, ran bool, err error) {
	c, err := e.client.ContainerInspect(ctx, r.name)
	if cerrdefs.IsNotFound(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("inspect container %s: %w", r.name, err)
	}
	if c.Config.Labels[labelInstance] != e.config.Instance {
		return "", false, &orchestrator.StartError{
			Container: r.container,
			Name:      "CannotCreateContainerError",
			Err:       fmt.Errorf("a container named %s exists and is not drydock's: remove it (`docker rm -f %s`)", r.name, r.name),
		}
	}
	return c.ID, c.State.Status != container.StateCreated, nil
}

// create creates the container, or finds the one that a call beside this one has created.
func (e *Engine) create(ctx context.Context, r request) (string, error) {
	made, err := e.client.ContainerCreate(ctx, r.config, r.host, r.network, nil, r.name)
	if cerrdefs.IsConflict(err) {
		if id, _, err := e.find(ctx, r); id != "" || err != nil {
			return id, err
		}
	}
	if err != nil {
		return "", e.startError(ctx, r.container, "CannotCreateContainerError", err)
	}
	for _, w := range made.Warnings {
		e.log.Debug("docker warns", "container", r.name, "warning", w)
	}
	return made.ID, nil
}

// startError puts an error into ECS's words, unless it says nothing about the task.
func (e *Engine) startError(ctx context.Context, container, name string, err error) error {
	if transient(ctx, err) {
		return err
	}
	var already *orchestrator.StartError
	if errors.As(err, &already) {
		return err
	}
	return &orchestrator.StartError{Container: container, Name: name, Err: err}
}

// await waits until a dependency's condition holds (ECS-204), for the dependency's startTimeout
// from its start (ECS-205).
func (e *Engine) await(ctx context.Context, def taskdefs.ContainerDefinition, dep taskdefs.ContainerDependency, id string, spec orchestrator.TaskSpec) error {
	if id == "" {
		return dependencyError(def, dep, errors.New("it has not been started"))
	}
	tick := time.NewTicker(dependencyPoll)
	defer tick.Stop()
	for {
		c, err := e.client.ContainerInspect(ctx, id)
		if err != nil {
			return e.startError(ctx, def.Name, "CannotInspectContainerError", err)
		}
		ok, err := satisfied(c.State, dep.Condition)
		if ok {
			return nil
		}
		if err == nil {
			err = overdue(c.State, startTimeout(spec, dep.ContainerName))
		}
		if err != nil {
			return dependencyError(def, dep, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// satisfied reports whether a dependency's condition holds, with an error if it never will.
func satisfied(s *container.State, condition string) (bool, error) {
	stopped := s.Status == container.StateExited || s.Status == container.StateDead
	switch condition {
	case "COMPLETE":
		return stopped, nil
	case "SUCCESS":
		if stopped && s.ExitCode != 0 {
			return false, fmt.Errorf("it exited with code %d", s.ExitCode)
		}
		return stopped, nil
	case "HEALTHY":
		if stopped {
			return false, errors.New("it stopped")
		}
		return s.Health != nil && s.Health.Status == container.Healthy, nil
	}
	return s.Status != container.StateCreated, nil
}

func overdue(s *container.State, timeout time.Duration) error {
	if time.Since(parseTime(s.StartedAt)) > timeout {
		return fmt.Errorf("timed out after %s", timeout)
	}
	return nil
}

func startTimeout(spec orchestrator.TaskSpec, name string) time.Duration {
	for _, def := range spec.Containers {
		if def.Name == name && def.StartTimeout > 0 {
			return time.Duration(def.StartTimeout) * time.Second
		}
	}
	return defaultStartTimeout
}

func dependencyError(def taskdefs.ContainerDefinition, dep taskdefs.ContainerDependency, err error) error {
	return &orchestrator.StartError{
		Container: def.Name,
		Name:      "CannotStartContainerError",
		Err:       fmt.Errorf("dependency %s (%s): %w", dep.ContainerName, dep.Condition, err),
	}
}
