package docker

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// loopback is where ports of bridge networking are published: AWS's 0.0.0.0 is inside a VPC, ours
// would be the laptop's own network.
const loopback = "127.0.0.1"

// standsAlone reports whether a task's containers are not in the VPC: each is on Docker's own bridge,
// or in the host's namespace.
func standsAlone(spec orchestrator.TaskSpec) bool {
	return spec.NetworkMode == "" || spec.NetworkMode == "bridge" || spec.NetworkMode == "host"
}

// stand puts a container outside of the VPC (ECS-344). Security groups do not hold there.
func (e *Engine) stand(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition, c *container.Config, h *container.HostConfig) {
	alone := spec
	alone.Containers = []taskdefs.ContainerDefinition{def}
	h.ExtraHosts = hosts(alone)
	h.DNS, h.DNSSearch = def.DNSServers, def.DNSSearchDomains
	if spec.NetworkMode == "host" {
		h.NetworkMode = "host"
		h.Sysctls = sysctls(spec, func(name string) bool { return !networked(name) })
		return
	}
	h.NetworkMode = "bridge"
	h.Sysctls = sysctls(alone, func(string) bool { return true })
	h.PortBindings = published(spec, def.Name)
	for port := range h.PortBindings { // Docker publishes only what is exposed
		c.ExposedPorts[port] = struct{}{}
	}
	c.Hostname = def.Hostname
	for _, link := range def.Links {
		name, alias, found := strings.Cut(link, ":")
		if !found {
			alias = name
		}
		h.Links = append(h.Links, e.containerName(spec, name)+":"+alias)
	}
}

// published are a container's ports of the host.
func published(spec orchestrator.TaskSpec, container string) nat.PortMap {
	ports := nat.PortMap{}
	for _, b := range spec.Ports {
		if b.Container == container {
			port := nat.Port(fmt.Sprintf("%d/%s", b.ContainerPort, b.Protocol))
			ports[port] = append(ports[port], nat.PortBinding{HostIP: loopback, HostPort: fmt.Sprint(b.HostPort)})
		}
	}
	return ports
}

// portTaken reports whether Docker could not publish a port. It has no error code for that, only
// texts: its own allocator's, and the kernel's.
func portTaken(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "port is already allocated") || strings.Contains(err.Error(), "address already in use"))
}
