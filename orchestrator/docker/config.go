package docker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// containerConfig is what a definition asks of the image and its process.
func (e *Engine) containerConfig(spec orchestrator.TaskSpec, order int) *container.Config {
	def := spec.Containers[order]
	seconds := stopTimeout(def)
	return &container.Config{
		Image:           imageOf(spec, def),
		Entrypoint:      def.EntryPoint, // [] clears the image's, nil keeps it (ECS-211)
		Cmd:             def.Command,
		Env:             environment(injected(spec, def.Name), def.Environment),
		User:            def.User,
		WorkingDir:      def.WorkingDirectory,
		Tty:             def.PseudoTerminal,
		NetworkDisabled: def.DisableNetworking,
		OpenStdin:       def.Interactive,
		ExposedPorts:    exposedPorts(def.PortMappings),
		Healthcheck:     healthCheck(def.HealthCheck),
		StopTimeout:     &seconds,
		Labels:          e.containerLabels(spec, def, order),
	}
}

// imageOf is the image that a container runs: by the id that its deployment has pinned, if so.
func imageOf(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) string {
	if id := spec.Images[def.Name]; id != "" {
		return id
	}
	return def.Image
}

// injected is what a container is given: what every container is, and what only it is.
func injected(spec orchestrator.TaskSpec, name string) map[string]string {
	env := maps.Clone(spec.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, spec.Injected[name])
	return env
}

// environment is what is injected, by name, and then the definition's own, which wins.
func environment(injected map[string]string, own []taskdefs.KeyValue) []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(injected)) {
		if !slices.ContainsFunc(own, func(kv taskdefs.KeyValue) bool { return kv.Name == name }) {
			env = append(env, name+"="+injected[name])
		}
	}
	for _, kv := range own {
		env = append(env, kv.Name+"="+kv.Value)
	}
	return env
}

func exposedPorts(mappings []taskdefs.PortMapping) nat.PortSet {
	ports := nat.PortSet{}
	for _, m := range mappings {
		protocol := m.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		if m.ContainerPort > 0 {
			ports[nat.Port(fmt.Sprintf("%d/%s", m.ContainerPort, protocol))] = struct{}{}
		}
	}
	return ports
}

// healthCheck is the definition's; without one the image's own is switched off (ECS-212).
func healthCheck(h *taskdefs.HealthCheck) *container.HealthConfig {
	if h == nil {
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	return &container.HealthConfig{
		Test:        h.Command,
		Interval:    seconds(h.Interval, 30),
		Timeout:     seconds(h.Timeout, 5),
		Retries:     orDefault(h.Retries, 3),
		StartPeriod: seconds(h.StartPeriod, 0),
	}
}

func seconds(n, absent int) time.Duration { return time.Duration(orDefault(n, absent)) * time.Second }

func orDefault(n, absent int) int {
	if n == 0 {
		return absent
	}
	return n
}

// hostConfig is what a definition asks of the host. Network matters are the owner's: see owner.go.
func (e *Engine) hostConfig(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) *container.HostConfig {
	h := &container.HostConfig{
		Resources:      e.resources(spec, def),
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": logSize, "max-file": logFiles}},
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		Privileged:     def.Privileged,
		ReadonlyRootfs: def.ReadonlyRootFilesystem,
		SecurityOpt:    securityOptions(def),
		CapDrop:        []string{"NET_RAW"}, // it can forge addresses on the bridge
		Mounts:         e.mounts(spec, def),
	}
	if spec.PIDMode == "host" {
		h.PidMode = "host"
	}
	if spec.IPCMode == "host" || spec.IPCMode == "none" {
		h.IpcMode = container.IpcMode(spec.IPCMode)
	}
	for _, v := range def.VolumesFrom {
		mode := "rw"
		if v.ReadOnly {
			mode = "ro"
		}
		h.VolumesFrom = append(h.VolumesFrom, e.containerName(spec, v.SourceContainer)+":"+mode)
	}
	if def.LinuxParameters != nil {
		linuxParameters(h, def.LinuxParameters)
	}
	return h
}

// resources are the container's limits (ECS-207, ECS-208). The task's own are those of its cgroup,
// where it has one; else each container has them that sets none.
func (e *Engine) resources(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) container.Resources {
	pids := int64(pidsLimit)
	r := container.Resources{
		Memory:            int64(def.Memory) << 20,
		MemoryReservation: int64(def.MemoryReservation) << 20,
		PidsLimit:         &pids,
		Ulimits:           e.ulimits(def.Ulimits),
	}
	if r.CgroupParent = e.cgroupOf(spec); r.CgroupParent != "" {
		r.CPUShares = agentShares(def.CPU)
	} else {
		r.CPUShares, r.NanoCPUs = cpuShares(spec, def), e.nanoCPUs(spec.CPU)
		if r.Memory == 0 {
			r.Memory = spec.Memory << 20
		}
	}
	if r.Memory > 0 {
		r.Memory = max(r.Memory, minMemory)
		r.MemorySwap = r.Memory // no swap
	}
	if p := def.LinuxParameters; p != nil && p.MaxSwap != nil {
		swap(&r, p)
	}
	return r
}

// swap lets a container swap so much, and so eagerly; without maxSwap swappiness means nothing (ECS-218).
func swap(r *container.Resources, p *taskdefs.LinuxParameters) {
	if r.Memory > 0 {
		r.MemorySwap = r.Memory + int64(*p.MaxSwap)<<20
	}
	if p.Swappiness != nil {
		swappiness := int64(*p.Swappiness)
		r.MemorySwappiness = &swappiness
	}
}

// agentShares are a container's CPU shares within its task's cgroup, as the agent has them (ECS-207).
func agentShares(cpu int) int64 { return int64(min(max(cpu, leastShares), mostShares)) }

// cpuShares weighs a container against the others of its task, the heaviest having Docker's
// default. In a cgroup of the task the definition's own numbers would do no harm; without one
// all containers are side by side, and a weight of 2 would starve one that starts beside others.
func cpuShares(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) int64 {
	heaviest := 0
	for _, d := range spec.Containers {
		heaviest = max(heaviest, d.CPU)
	}
	if heaviest == 0 {
		return defaultCPUShares
	}
	return max(int64(def.CPU)*defaultCPUShares/int64(heaviest), minCPUShares)
}

// nanoCPUs is a task's CPU units as a quota, no more than the host has: Docker refuses that.
func (e *Engine) nanoCPUs(units int64) int64 {
	n := units * 1e9 / 1024
	if e.cpus > 0 {
		n = min(n, int64(e.cpus)*1e9)
	}
	return n
}

// fargateNofile is Fargate's limit of open files (ECS-206).
var fargateNofile = &container.Ulimit{Name: "nofile", Soft: defaultNofile, Hard: defaultNofile}

// ulimits has Fargate's limit of open files unless the definition has its own or Docker can't.
func (e *Engine) ulimits(own []taskdefs.Ulimit) []*container.Ulimit {
	var limits []*container.Ulimit
	if !e.ownNofile.Load() && !slices.ContainsFunc(own, func(u taskdefs.Ulimit) bool { return u.Name == "nofile" }) {
		limits = append(limits, fargateNofile)
	}
	for _, u := range own {
		limits = append(limits, &container.Ulimit{Name: u.Name, Soft: u.SoftLimit, Hard: u.HardLimit})
	}
	return limits
}

func linuxParameters(h *container.HostConfig, p *taskdefs.LinuxParameters) {
	if p.InitProcessEnabled {
		h.Init = &p.InitProcessEnabled
	}
	h.ShmSize = int64(p.SharedMemorySize) << 20
	if c := p.Capabilities; c != nil {
		h.CapAdd = slices.DeleteFunc(slices.Clone(c.Add), netRaw)
		h.CapDrop = append(h.CapDrop, slices.DeleteFunc(slices.Clone(c.Drop), netRaw)...)
	}
	for _, t := range p.Tmpfs {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[t.ContainerPath] = strings.Join(append([]string{fmt.Sprintf("size=%dm", t.Size)}, t.MountOptions...), ",")
	}
	for _, d := range p.Devices {
		h.Devices = append(h.Devices, device(d))
	}
}

func netRaw(capability string) bool {
	return strings.TrimPrefix(strings.ToUpper(capability), "CAP_") == "NET_RAW"
}

func device(d taskdefs.Device) container.DeviceMapping {
	m := container.DeviceMapping{PathOnHost: d.HostPath, PathInContainer: d.ContainerPath, CgroupPermissions: "rwm"}
	if m.PathInContainer == "" {
		m.PathInContainer = d.HostPath
	}
	if len(d.Permissions) > 0 {
		m.CgroupPermissions = ""
		for _, p := range d.Permissions {
			m.CgroupPermissions += p[:1] // read, write, mknod
		}
	}
	return m
}

// securityOptions are the definition's, over what every container is held to.
func securityOptions(def taskdefs.ContainerDefinition) []string {
	options := []string{"no-new-privileges"}
	for _, o := range def.DockerSecurityOptions {
		if !strings.HasPrefix(o, "no-new-privileges") {
			options = append(options, strings.Replace(o, ":", "=", 1))
		}
	}
	return options
}

// rootOnHost are the capabilities with which a container is root on the host, or nearly so.
var rootOnHost = []string{"ALL", "BPF", "DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_RAWIO", "SYS_TIME"}

// needsPrivilege names what a definition asks for that makes it root on the host, if anything.
func needsPrivilege(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) string {
	p := def.LinuxParameters
	switch {
	case def.Privileged:
		return "is privileged"
	case spec.PIDMode == "host":
		return "shares this host's processes (pidMode host)"
	case spec.IPCMode == "host":
		return "shares this host's memory segments (ipcMode host)"
	case p != nil && len(p.Devices) > 0:
		return "wants devices of this host"
	}
	if p != nil && p.Capabilities != nil {
		for _, c := range p.Capabilities.Add {
			if name := strings.TrimPrefix(strings.ToUpper(c), "CAP_"); slices.Contains(rootOnHost, name) {
				return "adds the capability " + name
			}
		}
	}
	for _, o := range def.DockerSecurityOptions {
		if strings.HasPrefix(o, "apparmor") || strings.HasPrefix(o, "seccomp") || strings.HasPrefix(o, "systempaths") {
			return "sets the security option " + o
		}
	}
	return ""
}

// refuseAny says why a task may not run here, if so.
func (e *Engine) refuseAny(spec orchestrator.TaskSpec) error {
	for _, def := range spec.Containers {
		if err := e.refuse(spec, def); err != nil {
			return &orchestrator.StartError{Container: def.Name, Name: "CannotCreateContainerError", Err: err}
		}
	}
	return nil
}

// refuse says why a definition may not run here, if so.
func (e *Engine) refuse(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) error {
	if what := needsPrivilege(spec, def); what != "" && !e.config.AllowPrivileged {
		return fmt.Errorf("container %s %s, which is root on this host: drydock does not allow that; remove it", def.Name, what)
	}
	for _, m := range def.MountPoints {
		if path := ofHost(spec, m.SourceVolume); path != "" && !e.config.AllowHostPaths {
			return fmt.Errorf("container %s mounts %s of this host: drydock does not allow that; use a volume without host.sourcePath", def.Name, path)
		}
	}
	return nil
}
