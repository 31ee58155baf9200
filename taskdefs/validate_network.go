package taskdefs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const maxPort = 65535

// bridged reports whether the task's containers are on the host's bridge, which they are
// unless the definition says otherwise.
func bridged(d *TaskDefinition) bool { return d.NetworkMode == "" || d.NetworkMode == "bridge" }

func checkNetworkMode(d *TaskDefinition) error {
	if d.EnableFaultInjection && d.NetworkMode != "awsvpc" && d.NetworkMode != "host" {
		return clientError("Fault injection is only supported when networkMode is awsvpc or host.") // ECS-287
	}
	for _, c := range d.ContainerDefinitions {
		if err := checkContainerNetwork(d, c); err != nil {
			return err
		}
	}
	return nil
}

func checkContainerNetwork(d *TaskDefinition, c ContainerDefinition) error {
	switch {
	case len(c.PortMappings) > 0 && d.NetworkMode == "none":
		return clientError("Port mappings are not supported on container when networkMode=none.")
	case len(c.Links) > 0 && !bridged(d):
		return clientError("Links are not supported when networkMode=%s.", d.NetworkMode)
	case d.NetworkMode == "awsvpc":
		return refuseWithAWSVPC(c)
	case d.NetworkMode == "host" && slices.ContainsFunc(c.SystemControls, ofNetwork):
		return clientError("Network namespace system controls are not supported on container when networkMode=host.") // ECS-288
	}
	return nil
}

func ofNetwork(s SystemControl) bool { return strings.HasPrefix(s.Namespace, "net.") }

// refuseWithAWSVPC names what the task's own network interface rules out (ECS-109).
func refuseWithAWSVPC(c ContainerDefinition) error {
	switch {
	case c.Hostname != "":
		return clientError("hostname is not supported on container when networkMode=awsvpc.")
	case len(c.ExtraHosts) > 0:
		return clientError("Extra hosts are not supported on container when networkMode=awsvpc.")
	case len(c.DNSServers) > 0:
		return clientError("DNS servers are not supported on container when networkMode=awsvpc.")
	case len(c.DNSSearchDomains) > 0:
		return clientError("DNS search domains are not supported on container when networkMode=awsvpc.")
	case c.DisableNetworking:
		return clientError("Disable Networking is not supported on container when networkMode=awsvpc.")
	}
	return nil
}

func checkPorts(d *TaskDefinition) error {
	used := portsUsed{}
	names := map[string]bool{}
	for _, c := range d.ContainerDefinitions {
		for _, p := range c.PortMappings {
			if err := checkPort(d, c, p); err != nil {
				return err
			}
			if p.Name != "" && names[p.Name] {
				return clientError("port mapping name is already used.")
			}
			names[p.Name] = true
			if err := used.claim(d, c, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// portName is what a port mapping may be called (ECS-289).
var portName = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,63}$`)

func checkPort(d *TaskDefinition, c ContainerDefinition, p PortMapping) error {
	if p.Name != "" && !portName.MatchString(p.Name) {
		return clientError("Invalid port mapping name '%s' for container '%s'.", p.Name, c.Name)
	}
	if p.ContainerPortRange != "" {
		return checkPortRange(d, c, p)
	}
	if p.ContainerPort < 1 || p.ContainerPort > maxPort {
		return clientError("Invalid 'containerPort' setting for container '%s'.", c.Name)
	}
	if p.HostPort < 0 || p.HostPort > maxPort {
		return clientError("Invalid 'hostPort' setting for container '%s'.", c.Name)
	}
	if p.HostPort != 0 && p.HostPort != p.ContainerPort && (d.NetworkMode == "awsvpc" || d.NetworkMode == "host") {
		return clientError("When networkMode=%s, the host ports and container ports in port mappings must match.", d.NetworkMode) // ECS-108
	}
	return nil
}

func checkPortRange(d *TaskDefinition, c ContainerDefinition, p PortMapping) error {
	if p.ContainerPort != 0 || p.HostPort != 0 {
		return clientError("cannot specify both single port and port range.")
	}
	low, high, ok := portRange(p.ContainerPortRange)
	if !ok || low < 1 || high > maxPort || low >= high || d.NetworkMode == "host" {
		return clientError("Invalid 'containerPortRange' setting for container '%s'.", c.Name)
	}
	return nil
}

func portRange(text string) (low, high int, ok bool) {
	from, to, ok := strings.Cut(text, "-")
	low, err1 := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	return low, high, ok && err1 == nil && err2 == nil
}

// portsUsed holds the ports that a definition's mappings take, as port/protocol, and on
// the bridge, where each container has ports of its own, also container/port/protocol.
type portsUsed map[string]bool

// claim takes the ports of a mapping. On the bridge, host port 0 is chosen by the engine and
// can't clash (ECS-108).
func (u portsUsed) claim(d *TaskDefinition, c ContainerDefinition, p PortMapping) error {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	if low, high, ok := portRange(p.ContainerPortRange); ok {
		return u.claimRange(d, c, low, high, protocol)
	}
	port := p.ContainerPort
	if bridged(d) {
		port = p.HostPort
	}
	key := fmt.Sprintf("%d/%s", port, protocol)
	if port != 0 && u[key] {
		return clientError("%s host port '%d' is mapped multiple times in task.", strings.ToUpper(protocol), port)
	}
	u[key] = true
	return nil
}

// claimRange takes a range of container ports: of the task, or on the bridge of one container.
func (u portsUsed) claimRange(d *TaskDefinition, c ContainerDefinition, low, high int, protocol string) error {
	scope := ""
	if bridged(d) {
		scope = c.Name + "/"
	}
	for port := low; port <= high; port++ {
		key := fmt.Sprintf("%s%d/%s", scope, port, protocol)
		if u[key] {
			return clientError("container port is used multiple times in task.")
		}
		u[key] = true
	}
	return nil
}
