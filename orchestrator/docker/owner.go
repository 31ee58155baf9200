package docker

import (
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"

	"github.com/docker/go-connections/nat"

	"drydock/orchestrator"
)

// own makes a container the owner of the task's network namespace: address, names, kernel parameters.
func (e *Engine) own(spec orchestrator.TaskSpec, c *container.Config, h *container.HostConfig) *network.NetworkingConfig {
	h.Sysctls = sysctls(spec, networked)
	c.ExposedPorts = nat.PortSet{}
	for _, def := range spec.Containers {
		maps.Copy(c.ExposedPorts, exposedPorts(def.PortMappings))
	}
	h.ExtraHosts = hosts(spec)
	for _, def := range spec.Containers {
		h.DNS = append(h.DNS, def.DNSServers...)
		h.DNSSearch = append(h.DNSSearch, def.DNSSearchDomains...)
	}
	if spec.NetworkMode == "none" {
		h.NetworkMode = "none"
		return nil
	}
	c.Hostname = hostname(spec)
	name := e.networkName(spec.Interface.VPC.ID)
	h.NetworkMode = container.NetworkMode(name)
	endpoint := &network.EndpointSettings{
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: spec.Interface.Address.String()},
	}
	if versions.LessThan(e.client.ClientVersion(), "1.44") {
		//lint:ignore SA1019 where API versions before 1.44 want it
		c.MacAddress = spec.Interface.MAC
	} else {
		endpoint.MacAddress = spec.Interface.MAC
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{name: endpoint}}
}

// join puts a container into the pause container's network namespace.
func join(spec orchestrator.TaskSpec, c *container.Config, h *container.HostConfig, pause string) {
	c.ExposedPorts = nil // they are the owner's; Docker refuses them of who joins
	h.NetworkMode = container.NetworkMode("container:" + pause)
	if spec.PIDMode == "task" {
		h.PidMode = container.PidMode("container:" + pause)
	}
	if spec.IPCMode == "task" {
		h.IpcMode = container.IpcMode("container:" + pause)
	}
	h.Sysctls = sysctls(spec, func(name string) bool { return !networked(name) })
}

// hostname is the private DNS name of the task's interface (ECS-213).
func hostname(spec orchestrator.TaskSpec) string {
	for _, def := range spec.Containers {
		if def.Hostname != "" {
			return def.Hostname
		}
	}
	return "ip-" + strings.ReplaceAll(spec.Interface.Address.String(), ".", "-") + ".ec2.internal"
}

// hosts are the lines of /etc/hosts that the task's containers share.
func hosts(spec orchestrator.TaskSpec) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(spec.Hosts)) {
		lines = append(lines, name+":"+spec.Hosts[name])
	}
	for _, def := range spec.Containers {
		for _, h := range def.ExtraHosts {
			lines = append(lines, h.Hostname+":"+h.IPAddress)
		}
	}
	return lines
}

// sysctls are the task's kernel parameters whose names are wanted.
func sysctls(spec orchestrator.TaskSpec, wanted func(name string) bool) map[string]string {
	var params map[string]string
	for _, def := range spec.Containers {
		for _, s := range def.SystemControls {
			if !wanted(s.Namespace) {
				continue
			}
			if params == nil {
				params = map[string]string{}
			}
			params[s.Namespace] = s.Value
		}
	}
	return params
}

// networked reports whether a kernel parameter belongs to the network namespace.
func networked(name string) bool { return strings.HasPrefix(name, "net.") }
