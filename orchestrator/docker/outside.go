package docker

import (
	"strings"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
)

// disconnected reports whether a container that owns its task's network namespace has lost the
// network while it should have it: it was disconnected, or it was a pause container and has ended.
func (e *Engine) disconnected(s container.Summary) bool {
	if isPause(s) && status(s.State) == orchestrator.ContainerStopped {
		return true
	}
	if s.State != container.StateRunning && s.State != container.StatePaused || s.NetworkSettings == nil {
		return false
	}
	network := s.HostConfig.NetworkMode
	if !e.ownNetwork(network) {
		return false
	}
	endpoint := s.NetworkSettings.Networks[network]
	return endpoint == nil || endpoint.IPAddress == ""
}

// ownNetwork reports whether a network is one that we make for a VPC.
func (e *Engine) ownNetwork(name string) bool { return strings.HasPrefix(name, e.networkName("")) }
