package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	cerrdefs "github.com/containerd/errdefs"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// Run implements [orchestrator.Engine]. Containers start side by side, each when its dependencies
// are as it wants them. A container that has run already is left as it is, running or not.
func (e *Engine) Run(ctx context.Context, spec orchestrator.TaskSpec) error {
	release, err := e.claim(ctx, spec.ARN)
	if err == nil {
		defer release()
		err = e.run(ctx, spec)
	}
	if err != nil {
		return fmt.Errorf("run task %s: %w", spec.ARN, err)
	}
	return nil
}

// claim waits until no other Run of the task is under way.
func (e *Engine) claim(ctx context.Context, task string) (release func(), err error) {
	for {
		e.claims.Lock()
		other := e.claimed[task]
		if other == nil {
			mine := make(chan struct{})
			e.claimed[task] = mine
			e.claims.Unlock()
			return func() { e.release(task, mine) }, nil
		}
		e.claims.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *Engine) release(task string, claim chan struct{}) {
	e.claims.Lock()
	defer e.claims.Unlock()
	delete(e.claimed, task)
	close(claim)
}

func (e *Engine) run(ctx context.Context, spec orchestrator.TaskSpec) error {
	if err := e.prepare(ctx, spec); err != nil {
		return e.startError(ctx, "", "ResourceInitializationError", fmt.Errorf("resource cannot be initialized for task %s: %w", spec.ARN, err))
	}
	err := e.runIn(ctx, spec)
	if errors.Is(err, errNamespaceEnded) { // it ran when we last heard of it
		err = e.runIn(ctx, spec)
	}
	return err
}

func (e *Engine) runIn(ctx context.Context, spec orchestrator.TaskSpec) error {
	pause, err := e.runPause(ctx, spec)
	if err != nil {
		return err
	}
	return e.startAll(ctx, spec, func(n int) (string, error) { return e.bringUp(ctx, spec, n, pause) })
}

// prepare makes what the containers need: the network, the cgroup and the volumes. Nothing is made
// for a task that may not run here.
func (e *Engine) prepare(ctx context.Context, spec orchestrator.TaskSpec) error {
	if err := e.refuseAny(spec); err != nil {
		return err
	}
	if spec.NetworkMode != "none" && !standsAlone(spec) {
		if err := e.ensureNetwork(ctx, spec.Interface.VPC); err != nil {
			return err
		}
	}
	e.ensureCgroup(spec)
	return e.ensureVolumes(ctx, spec)
}

// runPause returns the container that owns the task's namespace: the one that was made before the
// task, or one of its own. A task of one container that finds none ready has none, unless the
// container may be restarted in place: its address must answer meanwhile, as an ENI does (ECS-173).
func (e *Engine) runPause(ctx context.Context, spec orchestrator.TaskSpec) (string, error) {
	if id, err := e.joinable(ctx, spec.Warm); id != "" || err != nil {
		return id, err
	}
	if len(spec.Containers) < 2 && !mayRestart(spec) || standsAlone(spec) {
		return "", nil
	}
	if err := e.ensurePauseImage(ctx); err != nil {
		return "", e.startError(ctx, "", "ResourceInitializationError", err)
	}
	labels := e.containerLabels(spec, taskdefs.ContainerDefinition{Name: pauseName}, -1)
	id, err := e.start(ctx, e.pauseRequest(spec, e.containerName(spec, pauseName), labels))
	var why *orchestrator.StartError
	if errors.As(err, &why) { // no container of the definition is to blame
		err = &orchestrator.StartError{Name: "ResourceInitializationError", Err: why.Err}
	}
	return id, err
}

func mayRestart(spec orchestrator.TaskSpec) bool {
	return slices.ContainsFunc(spec.Containers, func(c taskdefs.ContainerDefinition) bool {
		return c.RestartPolicy != nil && c.RestartPolicy.Enabled
	})
}

// bringUp brings one container of the task up and returns its id.
func (e *Engine) bringUp(ctx context.Context, spec orchestrator.TaskSpec, i int, pause string) (string, error) {
	def := spec.Containers[i]
	r := request{
		container: def.Name,
		name:      e.containerName(spec, def.Name),
		config:    e.containerConfig(spec, i),
		host:      e.hostConfig(spec, def),
		vpc:       spec.Interface.VPC,
		platform:  spec.Platform,
	}
	switch {
	case standsAlone(spec):
		e.stand(spec, def, r.config, r.host)
	case pause == "":
		r.network = e.own(spec, r.config, r.host)
		for name, value := range sysctls(spec, func(name string) bool { return !networked(name) }) {
			if r.host.Sysctls == nil {
				r.host.Sysctls = map[string]string{}
			}
			r.host.Sysctls[name] = value
		}
	default:
		join(spec, r.config, r.host, pause)
	}
	id, err := e.start(ctx, r)
	switch {
	case portTaken(err):
		return "", e.withoutPort(ctx, r, err)
	case err != nil && spec.Warm != "" && ctx.Err() == nil && e.hasEnded(ctx, pause):
		return "", e.withoutNamespace(ctx, r, pause)
	}
	return id, err
}

// errNamespaceEnded is that a task can't join the namespace that it was promised.
var errNamespaceEnded = errors.New("the namespace that was ready for it has ended")

// hasEnded reports whether a container is known not to run.
func (e *Engine) hasEnded(ctx context.Context, id string) bool {
	c, err := e.client.ContainerInspect(ctx, id)
	return cerrdefs.IsNotFound(err) || err == nil && !c.State.Running
}

// withoutNamespace removes a container that could not be started for its namespace: another one
// takes its name.
func (e *Engine) withoutNamespace(ctx context.Context, r request, pause string) error {
	e.index.unready(pause)
	id, ran, err := e.find(ctx, r)
	if err == nil && id != "" && !ran {
		err = e.removeContainer(ctx, id)
	}
	if err != nil {
		return err
	}
	return errNamespaceEnded
}

// withoutPort removes a container whose ports could not be published: it may be given others.
func (e *Engine) withoutPort(ctx context.Context, r request, err error) error {
	if id, ran, findErr := e.find(ctx, r); id != "" && !ran && findErr == nil {
		err = errors.Join(err, e.removeContainer(ctx, id))
	}
	return e.startError(ctx, r.container, "CannotStartContainerError", fmt.Errorf("%w: %w", orchestrator.ErrPortTaken, err))
}
