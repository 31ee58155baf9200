package docker

import (
	"bytes"
	"debug/elf"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// unconnected is an engine that only maps.
func unconnected(t *testing.T, version string) *Engine {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithVersion(version))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{config: Config{Instance: "0123abcd"}, client: c, cpus: 2, arch: "x86_64"}
	e.index.init(e.ready)
	return e
}

func mapped() orchestrator.TaskSpec {
	return orchestrator.TaskSpec{
		ARN: "arn:aws:ecs:us-east-1:000000000000:task/c/1", Family: "web", Revision: 7, Cluster: "c",
		Interface: orchestrator.Interface{
			VPC:     orchestrator.VPC{ID: "vpc-1", CIDR: netip.MustParsePrefix("172.31.0.0/16"), Gateway: netip.MustParseAddr("172.31.0.1")},
			Address: netip.MustParseAddr("172.31.0.10"), MAC: "02:00:00:00:00:01",
		},
		Containers: []taskdefs.ContainerDefinition{{Name: "app", Image: "app:1"}},
	}
}

func TestNames_AreTheAgents(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	name := e.containerName(s, "app")
	if !strings.HasPrefix(name, "ecs-web-7-app-") || len(name) != len("ecs-web-7-app-")+20 {
		t.Errorf("container name %q", name)
	}
	if pause := e.containerName(s, pauseName); !strings.HasPrefix(pause, "ecs-web-7-internalecspause-") {
		t.Errorf("pause container name %q", pause)
	}
	labels := e.containerLabels(s, s.Containers[0], 0)
	for name, want := range map[string]string{
		"com.amazonaws.ecs.task-arn": s.ARN, "com.amazonaws.ecs.container-name": "app", "com.amazonaws.ecs.cluster": "c",
		"com.amazonaws.ecs.task-definition-family": "web", "com.amazonaws.ecs.task-definition-version": "7",
	} {
		if labels[name] != want {
			t.Errorf("label %s is %q, want %q", name, labels[name], want)
		}
	}
	if bridge := BridgeName("0123abcd", "vpc-0123456789abcdef0"); len(bridge) > 15 {
		t.Errorf("bridge name %q is too long", bridge)
	}
}

func TestLabels_OursWin(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.Containers[0].DockerLabels = map[string]string{labelInstance: "ffffffff", labelWarm: "0123", "team": "a"}
	labels := e.containerLabels(s, s.Containers[0], 0)
	if _, warm := labels[labelWarm]; warm || labels[labelInstance] != "0123abcd" || labels["team"] != "a" {
		t.Errorf("labels %v", labels)
	}
}

func TestConfig_StopTimeout(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	if c := e.containerConfig(s, 0); *c.StopTimeout != 30 {
		t.Errorf("default stopTimeout %d, want 30", *c.StopTimeout)
	}
	s.Containers[0].StopTimeout = 5
	if c := e.containerConfig(s, 0); *c.StopTimeout != 5 || c.Labels[labelStopTimeout] != "5" {
		t.Errorf("stopTimeout %d, want 5", *c.StopTimeout)
	}
}

func TestConfig_EntryPoint(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	if c := e.containerConfig(s, 0); c.Entrypoint != nil || c.Cmd != nil {
		t.Errorf("absent: %v %v, want nil", c.Entrypoint, c.Cmd)
	}
	s.Containers[0].EntryPoint = []string{}
	if c := e.containerConfig(s, 0); c.Entrypoint == nil || len(c.Entrypoint) != 0 {
		t.Errorf("empty: %#v, want empty and not nil", c.Entrypoint)
	}
}

func TestConfig_DefinitionsEnvironmentWins(t *testing.T) {
	got := environment(map[string]string{"B": "injected", "A": "injected"}, []taskdefs.KeyValue{{Name: "B", Value: "own"}})
	if want := []string{"A=injected", "B=own"}; !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
}

func TestConfig_Limits(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.CPU, s.Memory = 4096, 512
	r := e.hostConfig(s, s.Containers[0]).Resources
	if r.CPUShares != 1024 || r.NanoCPUs != 2e9 || r.Memory != 512<<20 || r.MemorySwap != r.Memory {
		t.Errorf("limits %+v: want equal shares, the host's 2 CPUs, the task's memory and no swap", r)
	}
	s.Containers[0].Memory, s.Containers[0].MemoryReservation = 4, 2
	if r := e.resources(s, s.Containers[0]); r.Memory != 6<<20 || r.MemoryReservation != 2<<20 {
		t.Errorf("memory %d, reservation %d: want Docker's minimum of 6 MiB and 2 MiB", r.Memory, r.MemoryReservation)
	}
}

func TestConfig_CPUSharesWeighContainersOfATask(t *testing.T) {
	s := mapped()
	s.Containers = []taskdefs.ContainerDefinition{{CPU: 512}, {CPU: 128}, {}}
	for i, want := range []int64{1024, 256, 102} {
		if got := cpuShares(s, s.Containers[i]); got != want {
			t.Errorf("container %d has %d shares, want %d", i, got, want)
		}
	}
}

func TestConfig_Nofile(t *testing.T) {
	e := unconnected(t, "1.41")
	if u := e.ulimits(nil); len(u) != 1 || u[0].Soft != 65535 || u[0].Hard != 65535 {
		t.Errorf("ulimits %v, want Fargate's", u)
	}
	own := []taskdefs.Ulimit{{Name: "nofile", SoftLimit: 10, HardLimit: 20}, {Name: "nproc", SoftLimit: 1, HardLimit: 1}}
	if u := e.ulimits(own); len(u) != 2 || u[0].Soft != 10 || u[1].Name != "nproc" {
		t.Errorf("ulimits %v, want the definition's", u)
	}
}

func TestConfig_ImagesHealthCheckIsIgnored(t *testing.T) {
	if h := healthCheck(nil); !slices.Equal(h.Test, []string{"NONE"}) {
		t.Errorf("without a health check: %v, want NONE", h.Test)
	}
	h := healthCheck(&taskdefs.HealthCheck{Command: []string{"CMD", "true"}})
	if h.Interval.Seconds() != 30 || h.Timeout.Seconds() != 5 || h.Retries != 3 || h.StartPeriod != 0 {
		t.Errorf("defaults %+v", h)
	}
}

func TestConfig_LinuxParameters(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.Containers[0].LinuxParameters = &taskdefs.LinuxParameters{
		InitProcessEnabled: true, SharedMemorySize: 8,
		Capabilities: &taskdefs.KernelCapabilities{Add: []string{"SYS_PTRACE", "NET_RAW"}, Drop: []string{"CHOWN"}},
		Tmpfs:        []taskdefs.Tmpfs{{ContainerPath: "/run", Size: 3, MountOptions: []string{"noexec"}}},
	}
	h := e.hostConfig(s, s.Containers[0])
	if !*h.Init || h.ShmSize != 8<<20 || h.Tmpfs["/run"] != "size=3m,noexec" {
		t.Errorf("init %v, shm %d, tmpfs %v", *h.Init, h.ShmSize, h.Tmpfs)
	}
	if !slices.Equal(h.CapAdd, []string{"SYS_PTRACE"}) || !slices.Equal(h.CapDrop, []string{"NET_RAW", "CHOWN"}) {
		t.Errorf("capabilities added %v, dropped %v: NET_RAW must stay dropped", h.CapAdd, h.CapDrop)
	}
	if !slices.Equal(h.SecurityOpt, []string{"no-new-privileges"}) || *h.PidsLimit <= 0 || h.LogConfig.Config["max-size"] == "" {
		t.Errorf("not guarded: %+v", h)
	}
}

func TestConfig_MACAddressWhereTheVersionWantsIt(t *testing.T) {
	for _, version := range []string{"1.41", "1.44"} {
		e, s := unconnected(t, version), mapped()
		c, h := e.containerConfig(s, 0), e.hostConfig(s, s.Containers[0])
		n := e.own(s, c, h)
		endpoint := n.EndpointsConfig["drydock-0123abcd-vpc-1"]
		if endpoint == nil || endpoint.IPAMConfig.IPv4Address != "172.31.0.10" {
			t.Fatalf("endpoints %v", n.EndpointsConfig)
		}
		//lint:ignore SA1019 where API versions before 1.44 want it
		if got := c.MacAddress + endpoint.MacAddress; got != s.Interface.MAC {
			t.Errorf("API %s: MAC address %q", version, got)
		}
	}
}

func TestConfig_HostnameIsThePrivateDNSName(t *testing.T) {
	if got, want := hostname(mapped()), "ip-172-31-0-10.ec2.internal"; got != want {
		t.Errorf("hostname %q, want %q", got, want)
	}
}

func TestRefuse(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.Volumes = []taskdefs.Volume{{Name: "etc", Host: &taskdefs.HostVolume{SourcePath: "/etc"}},
		{Name: "bound", DockerVolume: &taskdefs.DockerVolume{DriverOpts: map[string]string{"o": "bind", "device": "/etc"}}}}
	for _, def := range []taskdefs.ContainerDefinition{
		{Privileged: true},
		{MountPoints: []taskdefs.MountPoint{{SourceVolume: "etc", ContainerPath: "/x"}}},
		{LinuxParameters: &taskdefs.LinuxParameters{Devices: []taskdefs.Device{{HostPath: "/dev/kmsg"}}}},
		{LinuxParameters: &taskdefs.LinuxParameters{Capabilities: &taskdefs.KernelCapabilities{Add: []string{"CAP_SYS_ADMIN"}}}},
		{DockerSecurityOptions: []string{"apparmor:unconfined"}},
		{MountPoints: []taskdefs.MountPoint{{SourceVolume: "bound", ContainerPath: "/x"}}},
	} {
		if err := e.refuse(s, def); err == nil {
			t.Errorf("%+v was not refused", def)
		}
	}
}

func TestRefuse_HostModes(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	for _, change := range []func(){func() { s.PIDMode = "host" }, func() { s.PIDMode, s.IPCMode = "", "host" }} {
		change()
		if err := e.refuseAny(s); err == nil {
			t.Errorf("pidMode %q, ipcMode %q were not refused", s.PIDMode, s.IPCMode)
		}
	}
	e.config.AllowPrivileged = true
	s.PIDMode = "host"
	if h := e.hostConfig(s, s.Containers[0]); e.refuseAny(s) != nil || h.PidMode != "host" || h.IpcMode != "host" {
		t.Errorf("allowed, but pid %q ipc %q", h.PidMode, h.IpcMode)
	}
}

func TestConfig_SharedNamespaces(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.PIDMode, s.IPCMode = "task", "task"
	s.Containers[0].PortMappings = []taskdefs.PortMapping{{ContainerPort: 80}}
	h := e.hostConfig(s, s.Containers[0])
	c := e.containerConfig(s, 0)
	join(s, c, h, "abc")
	if len(c.ExposedPorts) > 0 {
		t.Errorf("exposes %v: Docker refuses that of who joins a namespace", c.ExposedPorts)
	}
	if h.PidMode != "container:abc" || h.IpcMode != "container:abc" {
		t.Errorf("pid %q ipc %q, want the pause container's", h.PidMode, h.IpcMode)
	}
	s.IPCMode = "none"
	if h := e.hostConfig(s, s.Containers[0]); h.IpcMode != "none" {
		t.Errorf("ipc %q, want none", h.IpcMode)
	}
}

func TestConfig_Swap(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	swap, eager := 64, 30
	s.Containers[0].Memory = 128
	s.Containers[0].LinuxParameters = &taskdefs.LinuxParameters{Swappiness: &eager}
	if r := e.resources(s, s.Containers[0]); r.MemorySwap != r.Memory || r.MemorySwappiness != nil {
		t.Errorf("without maxSwap: %d of %d, swappiness %v", r.MemorySwap, r.Memory, r.MemorySwappiness)
	}
	s.Containers[0].LinuxParameters.MaxSwap = &swap
	if r := e.resources(s, s.Containers[0]); r.MemorySwap != 192<<20 || *r.MemorySwappiness != 30 {
		t.Errorf("swap %d, swappiness %d: want memory and maxSwap, 30", r.MemorySwap, *r.MemorySwappiness)
	}
}

func TestConfig_ATasksLimitsAreItsCgroups(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	e.cgroups.root = t.TempDir()
	s.CPU, s.Memory = 512, 256
	if r := e.resources(s, s.Containers[0]); r.CgroupParent != "" || r.Memory != 256<<20 {
		t.Errorf("one container: %+v, want the task's limits and no cgroup", r)
	}
	s.Containers = append(s.Containers, taskdefs.ContainerDefinition{Name: "two", CPU: 100, Memory: 64})
	for n, want := range []container.Resources{{CPUShares: 2}, {CPUShares: 100, Memory: 64 << 20}} {
		r := e.resources(s, s.Containers[n])
		if r.CgroupParent != "/drydock-0123abcd/1" || r.NanoCPUs != 0 || r.CPUShares != want.CPUShares || r.Memory != want.Memory {
			t.Errorf("container %d: %+v, want %+v in the task's cgroup", n, r, want)
		}
	}
	e.cgroups.off.Store(true)
	if r := e.resources(s, s.Containers[0]); r.CgroupParent != "" || r.NanoCPUs != 5e8 || r.Memory != 256<<20 {
		t.Errorf("without cgroups: %+v, want the task's limits", r)
	}
}

func TestVolumes_DockersOwn(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.Volumes = []taskdefs.Volume{{Name: "all", DockerVolume: &taskdefs.DockerVolume{Scope: "shared"}}, {Name: "mine", DockerVolume: &taskdefs.DockerVolume{Scope: "task"}}}
	s.Containers[0].MountPoints = []taskdefs.MountPoint{{SourceVolume: "all", ContainerPath: "/all", ReadOnly: true}, {SourceVolume: "mine", ContainerPath: "/mine"}}
	m := e.mounts(s, s.Containers[0])
	if m[0].Source != "all" || !m[0].ReadOnly || m[1].Source != e.volumeName(s, "mine") || m[1].ReadOnly {
		t.Errorf("mounts %+v: want the shared volume by its own name", m)
	}
}

func TestParseRoutes(t *testing.T) {
	text := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
	got, err := parseRoutes(strings.NewReader(text))
	want := []Route{{"docker0", netip.MustParsePrefix("172.17.0.0/16")}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseRoutes() = %v, %v, want %v", got, err, want)
	}
}

func TestPauseELF_IsAnExecutable(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64} {
		b, err := pauseELF(arch)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if p := f.Progs[0]; f.Machine != machine || f.Type != elf.ET_EXEC || p.Filesz != uint64(len(b)) || f.Entry != p.Vaddr+120 {
			t.Errorf("%s: %+v %+v", arch, f.FileHeader, p)
		}
	}
	if _, err := pauseELF("s390x"); err == nil {
		t.Error("s390x has no code, and no error")
	}
}

func TestIgnore(t *testing.T) {
	i := parseIgnore("# comment\n*.log\n/bin\n**/*.tmp\ndocs\n!docs/README.md\n")
	for name, want := range map[string]bool{
		"a.log": true, "src/a.log": false, "bin": true, "bin/x": true, "src/bin": false,
		"x.tmp": true, "a/b/x.tmp": true, "docs/x": true, "docs/README.md": false, "main.go": false,
	} {
		if i.match(name) != want {
			t.Errorf("%s ignored: %v, want %v", name, !want, want)
		}
	}
}

func TestHealth_IsReadFromTheList(t *testing.T) {
	for text, want := range map[string]string{
		"Up 2 minutes (healthy)": "HEALTHY", "Up 1 second (unhealthy)": "UNHEALTHY", "Up 1 second (health: starting)": "UNKNOWN",
	} {
		s := summary("x", "", "")
		s.Labels[labelHealthCheck], s.Status = "true", text
		if got := health(s); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestConfig_InjectedOfOneContainerWins(t *testing.T) {
	e, s := unconnected(t, "1.41"), mapped()
	s.Env = map[string]string{"A": "of all", "B": "of all", "C": "of all"}
	s.Injected = map[string]map[string]string{"app": {"B": "of app", "C": "of app"}, "other": {"A": "of other"}}
	s.Containers[0].Environment = []taskdefs.KeyValue{{Name: "C", Value: "own"}}
	if env := e.containerConfig(s, 0).Env; !slices.Equal(env, []string{"A=of all", "B=of app", "C=own"}) {
		t.Errorf("environment %v", env)
	}
}
