package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
)

// people do to an engine's containers what people do with the docker command.
type people struct {
	t *testing.T
	e *Engine
}

var _ enginetest.Outside = people{}

func (o people) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o people) id(task, name string) string {
	o.t.Helper()
	id, err := o.e.idOf(o.t.Context(), task, name)
	o.must(err)
	return id
}

func (o people) Pause(task, name string) {
	o.must(o.e.client.ContainerPause(o.t.Context(), o.id(task, name)))
}

func (o people) Unpause(task, name string) {
	o.must(o.e.client.ContainerUnpause(o.t.Context(), o.id(task, name)))
}

func (o people) Bounce(task, name string) {
	o.must(o.e.client.ContainerRestart(o.t.Context(), o.id(task, name), container.StopOptions{}))
}

func (o people) Vanish(task, name string) {
	o.must(o.e.client.ContainerRemove(o.t.Context(), o.id(task, name), container.RemoveOptions{Force: true}))
}

func (o people) Disconnect(task string) {
	list, err := o.e.containers(o.t.Context(), task)
	o.must(err)
	for _, s := range list {
		if o.e.ownNetwork(s.HostConfig.NetworkMode) {
			o.must(o.e.client.NetworkDisconnect(o.t.Context(), s.HostConfig.NetworkMode, s.ID, true))
		}
	}
}

// TestWarm_DisconnectedIsNotReady: a task that joined it would have no network.
func TestWarm_DisconnectedIsNotReady(t *testing.T) {
	e := testEngine(t)
	w := orchestrator.WarmSpec{ID: randomHex(8), Interface: task(155).Interface}
	people{t, e}.must(e.Warm(t.Context(), w))
	ready := func() bool {
		list, err := e.ListWarm(t.Context())
		people{t, e}.must(err)
		id, err := e.joinable(t.Context(), w.ID)
		people{t, e}.must(err)
		if len(list) != 1 || list[0].Ready != (id != "") {
			t.Errorf("there are %+v; %q can be joined", list, id)
		}
		return id != ""
	}
	if !ready() {
		t.Error("it is not ready to begin with")
	}
	people{t, e}.must(e.client.NetworkDisconnect(t.Context(), e.networkName(w.Interface.VPC.ID), e.warmName(w.ID), true))
	if ready() {
		t.Error("it is ready without a network")
	}
	people{t, e}.must(e.Warm(t.Context(), w))
	if !ready() {
		t.Error("it was not made anew")
	}
}

func TestLost(t *testing.T) {
	e := unconnected(t, "1.41")
	of := func(id, state, mode string, networks ...string) container.Summary {
		s := container.Summary{ID: id, State: state, Labels: map[string]string{}, NetworkSettings: &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{}}}
		s.HostConfig.NetworkMode = mode
		for _, n := range networks {
			s.NetworkSettings.Networks[n] = &network.EndpointSettings{IPAddress: "10.0.0.9"}
		}
		return s
	}
	ours := e.networkName("vpc-1")
	all := []container.Summary{
		of("on", "running", ours, ours), of("off", "running", ours), of("ended", "exited", ours), of("host", "running", "host"),
		of("joined", "running", "container:on"), of("joined-off", "paused", "container:off"), of("joined-ended", "running", "container:ended"), of("orphan", "running", "container:removed"),
	}
	lost := e.lost(all)
	for n, want := range []bool{false, true, false, false, false, true, true, true} {
		if got := lost(all[n]); got != want {
			t.Errorf("%s has lost its network: %v, want %v", all[n].ID, got, want)
		}
	}
}
