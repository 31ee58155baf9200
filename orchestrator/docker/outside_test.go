package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator/enginetest"
)

// outside does to an engine's containers what people do with the docker command.
type outside struct {
	t *testing.T
	e *Engine
}

var _ enginetest.Outside = outside{}

func (o outside) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o outside) id(task, name string) string {
	o.t.Helper()
	id, err := o.e.idOf(o.t.Context(), task, name)
	o.must(err)
	return id
}

func (o outside) Pause(task, name string) {
	o.must(o.e.client.ContainerPause(o.t.Context(), o.id(task, name)))
}

func (o outside) Unpause(task, name string) {
	o.must(o.e.client.ContainerUnpause(o.t.Context(), o.id(task, name)))
}

func (o outside) Bounce(task, name string) {
	o.must(o.e.client.ContainerRestart(o.t.Context(), o.id(task, name), container.StopOptions{}))
}

func (o outside) Vanish(task, name string) {
	o.must(o.e.client.ContainerRemove(o.t.Context(), o.id(task, name), container.RemoveOptions{Force: true}))
}

func (o outside) Disconnect(task string) {
	list, err := o.e.containers(o.t.Context(), task)
	o.must(err)
	for _, s := range list {
		if o.e.ownNetwork(s.HostConfig.NetworkMode) {
			o.must(o.e.client.NetworkDisconnect(o.t.Context(), s.HostConfig.NetworkMode, s.ID, true))
		}
	}
}
