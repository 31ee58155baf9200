package taskdefs

import (
	"fmt"
	"strconv"
	"strings"
)

const maxPort = 65535

func checkNetworkMode(d *TaskDefinition) error {
	for _, c := range d.ContainerDefinitions {
		if len(c.PortMappings) > 0 && d.NetworkMode == "none" {
			return clientError("Port mappings are not supported on container when networkMode=none.")
		}
		if d.NetworkMode != "awsvpc" {
			continue
		}
		if err := refuseWithAWSVPC(c); err != nil {
			return err
		}
	}
	return nil
}

// refuseWithAWSVPC names what the task's own network interface rules out (ECS-109).
func refuseWithAWSVPC(c ContainerDefinition) error {
	switch {
	case len(c.Links) > 0:
		return clientError("Links are not supported when networkMode=awsvpc.")
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
	used := map[string]bool{}
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
			key, claims := claim(d, p)
			if claims && used[key] {
				return clientError("Container '%s' maps port %s, which is already used in this task definition.", c.Name, key)
			}
			used[key] = true
		}
	}
	return nil
}

func checkPort(d *TaskDefinition, c ContainerDefinition, p PortMapping) error {
	if p.ContainerPortRange != "" {
		return checkPortRange(c, p)
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

func checkPortRange(c ContainerDefinition, p PortMapping) error {
	if p.ContainerPort != 0 || p.HostPort != 0 {
		return clientError("cannot specify both single port and port range.")
	}
	from, to, ok := strings.Cut(p.ContainerPortRange, "-")
	low, err1 := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	if !ok || err1 != nil || err2 != nil || low < 1 || high > maxPort || low > high {
		return clientError("Invalid 'containerPortRange' setting for container '%s'.", c.Name)
	}
	return nil
}

// claim returns the port that a mapping takes for itself, if any. In bridge mode host
// port 0 is chosen by the engine and can't clash.
func claim(d *TaskDefinition, p PortMapping) (string, bool) {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	port := p.ContainerPort
	if d.NetworkMode == "" || d.NetworkMode == "bridge" {
		port = p.HostPort
	}
	return fmt.Sprintf("%d/%s", port, protocol), port != 0
}
