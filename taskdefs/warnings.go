package taskdefs

import (
	"fmt"
	"runtime"
	"slices"
)

// warnings names what the API doesn't know and what drydock accepts but doesn't act on.
func warnings(unknown []string, d TaskDefinition) []string {
	var all []string
	for _, path := range unknown {
		all = append(all, path+": not a member of the API; ignored")
	}
	for _, m := range d.WithoutEffect() {
		all = append(all, fmt.Sprintf("%s: accepted, but without effect: %s", m.Member, m.Why))
	}
	return all
}

// Unregarded is a member of a definition that is accepted and answered, but that nothing here
// acts on.
type Unregarded struct {
	Member string `json:"member"` // its path: containerDefinitions[0].credentialSpecs
	Why    string `json:"why"`
}

// WithoutEffect returns the members that are accepted but have no effect here, in the API's
// order.
func (d TaskDefinition) WithoutEffect() []Unregarded {
	var all []Unregarded
	for i, c := range d.ContainerDefinitions {
		all = append(all, unregardedOfContainer(fmt.Sprintf("containerDefinitions[%d]", i), c)...)
	}
	for i, v := range d.Volumes {
		all = append(all, unregardedOfVolume(fmt.Sprintf("volumes[%d]", i), v)...)
	}
	return append(all, unregardedOfTask(d)...)
}

// candidate is a member that has no effect when it is there.
type candidate struct {
	there  bool
	member string
	why    string
}

func unregarded(path string, candidates []candidate) []Unregarded {
	var all []Unregarded
	for _, c := range candidates {
		if c.there {
			all = append(all, Unregarded{join(path, c.member), c.why})
		}
	}
	return all
}

func unregardedOfTask(d TaskDefinition) []Unregarded {
	return unregarded("", []candidate{
		{len(d.PlacementConstraints) > 0, "placementConstraints", "there is one container instance, and it takes every task"},
		{foreign(d.RuntimePlatform), "runtimePlatform.cpuArchitecture", "images run on this machine's processor, which is another, unless the kernel can emulate the one that is asked for (binfmt)"},
		{d.ProxyConfiguration != nil, "proxyConfiguration", "App Mesh is not emulated: traffic goes to the containers directly"},
		{d.EphemeralStorage != nil, "ephemeralStorage", "tasks share the disk of this machine, and nobody counts"},
	})
}

func unregardedOfVolume(path string, v Volume) []Unregarded {
	const instead = "an empty directory of the task is mounted"
	return unregarded(path, []candidate{
		{v.EFSVolume != nil, "efsVolumeConfiguration", instead},
		{v.S3FilesVolume != nil, "s3filesVolumeConfiguration", instead},
		{v.FSxWindowsFileServer != nil, "fsxWindowsFileServerVolumeConfiguration", instead},
		{v.ConfiguredAtLaunch, "configuredAtLaunch", instead},
	})
}

func unregardedOfContainer(path string, c ContainerDefinition) []Unregarded {
	all := unregarded(path, []candidate{
		{c.RepositoryCredentials != nil, "repositoryCredentials", "images are pulled with the engine's own credentials"},
		{slices.ContainsFunc(c.PortMappings, hasAppProtocol), "portMappings.appProtocol", "it is for Service Connect, which is not emulated"},
	})
	if c.LinuxParameters != nil {
		all = append(all, unregardedOfLinux(path+".linuxParameters", *c.LinuxParameters)...)
	}
	if c.LogConfiguration != nil {
		all = append(all, unregardedOfLogs(path+".logConfiguration", *c.LogConfiguration)...)
	}
	return append(all, unregarded(path, []candidate{
		{len(c.ResourceRequirements) > 0, "resourceRequirements", "no GPU or accelerator is given to containers"},
		{c.FirelensConfiguration != nil, "firelensConfiguration", "log routing is not emulated: the container runs, but no logs are sent to it"},
		{len(c.CredentialSpecs) > 0, "credentialSpecs", "gMSA is not emulated"},
	})...)
}

func unregardedOfLinux(path string, p LinuxParameters) []Unregarded {
	raw := p.Capabilities != nil && slices.ContainsFunc(p.Capabilities.Add, isRawNetwork)
	return unregarded(path, []candidate{
		{raw, "capabilities.add", "NET_RAW is never given: it can forge the addresses of other tasks"},
		{p.Swappiness != nil && p.MaxSwap == nil, "swappiness", "it counts only together with maxSwap, on AWS too"},
	})
}

func isRawNetwork(capability string) bool {
	return capability == "NET_RAW" || capability == "CAP_NET_RAW"
}

func hasAppProtocol(p PortMapping) bool { return p.AppProtocol != "" }

// foreign reports whether a platform names another processor than this machine's.
func foreign(p *RuntimePlatform) bool {
	ours := map[string]string{"amd64": "X86_64", "arm64": "ARM64"}[runtime.GOARCH]
	return p != nil && p.CPUArchitecture != "" && p.CPUArchitecture != ours
}

// unregardedOfLogs: whatever the driver, Docker keeps the lines and drydock shows them.
func unregardedOfLogs(path string, l LogConfiguration) []Unregarded {
	all := unregarded(path, []candidate{
		{l.LogDriver != "awslogs", "logDriver", "Docker keeps the logs, and `drydock logs` shows them; nothing is sent elsewhere"},
	})
	for _, option := range []string{"max-buffer-size", "mode"} {
		if l.LogDriver == "awslogs" && l.Options[option] != "" {
			all = append(all, Unregarded{join(path, "options."+option), "Docker writes the logs to a file: there is no buffer that could fill"})
		}
	}
	return append(all, unregarded(path, []candidate{
		{len(l.SecretOptions) > 0, "secretOptions", "nothing is sent to a log destination that would need them"},
	})...)
}
