package docker

import (
	"strings"

	"github.com/docker/docker/api/types/container"
)

// lost tells which of the containers that run are cut off from the network that they should have:
// it was taken from them, or from the container whose namespace they joined, or that one has ended
// or was removed.
func (e *Engine) lost(all []container.Summary) func(container.Summary) bool {
	off := map[string]bool{} // by container id: whether it has lost its network or its life
	for _, s := range all {
		off[s.ID] = !runs(s) || e.disconnected(s)
	}
	return func(s container.Summary) bool {
		if !runs(s) || isPause(s) {
			return false
		}
		id, joined := owner(s)
		if !joined {
			return off[s.ID]
		}
		gone, known := off[id]
		return gone || !known
	}
}

func runs(s container.Summary) bool {
	return s.State == container.StateRunning || s.State == container.StatePaused
}

// disconnected reports whether a running container is not in the network that it was created in.
func (e *Engine) disconnected(s container.Summary) bool {
	if s.NetworkSettings == nil || !e.ownNetwork(s.HostConfig.NetworkMode) {
		return false
	}
	endpoint := s.NetworkSettings.Networks[s.HostConfig.NetworkMode]
	return endpoint == nil || endpoint.IPAddress == ""
}

// ownNetwork reports whether a network is one that we make for a VPC.
func (e *Engine) ownNetwork(name string) bool { return strings.HasPrefix(name, e.networkName("")) }
