package docker

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// labelWarm is on a pause container that was made before its task: the id of its namespace. A
// container can't be relabelled, so it stays when a task has joined; who has joined is known from
// the tasks' rows.
const labelWarm = "drydock.warm"

var _ orchestrator.Warmer = (*Engine)(nil)

// warmName is the Docker name of a warm pause container.
func (e *Engine) warmName(id string) string { return "drydock-" + e.config.Instance + "-warm-" + id }

// Warm implements [orchestrator.Warmer]: a pause container that has the address. One that has
// ended, since Docker was restarted, or has lost its network, is made anew.
func (e *Engine) Warm(ctx context.Context, w orchestrator.WarmSpec) error {
	err := e.warm(ctx, w)
	if err != nil {
		return fmt.Errorf("make namespace %s: %w", w.ID, err)
	}
	return nil
}

func (e *Engine) warm(ctx context.Context, w orchestrator.WarmSpec) error {
	if err := e.ensureNetwork(ctx, w.Interface.VPC); err != nil {
		return err
	}
	if err := e.ensurePauseImage(ctx); err != nil {
		return err
	}
	if c, err := e.client.ContainerInspect(ctx, e.warmName(w.ID)); err == nil && (ended(c.State) || c.State.Running && !connected(c)) && e.isOurs(c) {
		if err := e.removeContainer(ctx, c.ID); err != nil {
			return err
		}
	}
	labels := map[string]string{
		labelInstance: e.config.Instance, labelWarm: w.ID,
		labelContainer: pauseName, labelAddress: w.Interface.Address.String(),
	}
	spec := orchestrator.TaskSpec{NetworkMode: "awsvpc", Interface: w.Interface, Hosts: w.Hosts}
	_, err := e.start(ctx, e.pauseRequest(spec, e.warmName(w.ID), labels))
	return err
}

func (e *Engine) isOurs(c container.InspectResponse) bool {
	return c.Config.Labels[labelInstance] == e.config.Instance
}

// connected reports whether a container is in the network that it was created in.
func connected(c container.InspectResponse) bool {
	endpoint := c.NetworkSettings.Networks[string(c.HostConfig.NetworkMode)]
	return endpoint != nil && endpoint.IPAddress != ""
}

func ended(s *container.State) bool {
	return s.Status == container.StateExited || s.Status == container.StateDead
}

// pauseRequest asks for a container that owns a network namespace and does nothing.
func (e *Engine) pauseRequest(spec orchestrator.TaskSpec, name string, labels map[string]string) request {
	def := taskdefs.ContainerDefinition{Name: pauseName, Image: pauseImage}
	r := request{
		container: pauseName,
		name:      name,
		config:    &container.Config{Image: pauseImage, Labels: labels, Healthcheck: healthCheck(nil)},
		host:      e.hostConfig(orchestrator.TaskSpec{}, def),
		vpc:       spec.Interface.VPC,
	}
	r.host.IpcMode = container.IPCModeShareable // for tasks of ipcMode task: it may be made before its task is known
	r.network = e.own(spec, r.config, r.host)
	return r
}

// joinable returns the container whose namespace a task was promised, if a task can join it. It
// can't when Docker was restarted in between, or when somebody took its network away: then the
// task makes its own.
func (e *Engine) joinable(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	if known := e.index.namespace(id); known != "" {
		return known, nil
	}
	c, err := e.client.ContainerInspect(ctx, e.warmName(id))
	switch {
	case cerrdefs.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("inspect namespace %s: %w", id, err)
	case !c.State.Running || !e.isOurs(c) || !connected(c):
		return "", nil
	}
	return c.ID, nil
}

// Cool implements [orchestrator.Warmer].
func (e *Engine) Cool(ctx context.Context, id string) error {
	list, err := e.listWarm(ctx, labelWarm+"="+id)
	if err == nil {
		err = e.removeEach(ctx, list)
	}
	if err != nil {
		return fmt.Errorf("remove namespace %s: %w", id, err)
	}
	return nil
}

// ListWarm implements [orchestrator.Warmer].
func (e *Engine) ListWarm(ctx context.Context) ([]orchestrator.WarmObservation, error) {
	list, err := e.listWarm(ctx, labelWarm)
	if err != nil {
		return nil, err
	}
	e.index.see(list)
	return e.namespacesOf(list), nil
}

func (e *Engine) listWarm(ctx context.Context, label string) ([]container.Summary, error) {
	f := filters.NewArgs(filters.Arg("label", labelInstance+"="+e.config.Instance), filters.Arg("label", label))
	list, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	return list, nil
}

// isWarm reports whether a container is no task's: it was made before.
func isWarm(s container.Summary) bool { return s.Labels[labelWarm] != "" }
