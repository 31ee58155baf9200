package taskdefs

import (
	"fmt"
	"slices"
)

// warnings names what the API doesn't know and what drydock accepts but doesn't act on.
func warnings(unknown []string, d TaskDefinition) []string {
	slices.Sort(unknown)
	var all []string
	for _, path := range unknown {
		all = append(all, path+": not a member of the API; ignored")
	}
	all = append(all, ignoredOfTask(d)...)
	for i, v := range d.Volumes {
		all = append(all, ignoredOfVolume(fmt.Sprintf("volumes[%d]", i), v)...)
	}
	for i, c := range d.ContainerDefinitions {
		all = append(all, ignoredOfContainer(fmt.Sprintf("containerDefinitions[%d]", i), c)...)
	}
	return all
}

// ignored is a member that is accepted and answered, but has no effect.
type ignored struct {
	present bool
	member  string
	instead string
}

func ignoredOfTask(d TaskDefinition) []string {
	return present("", []ignored{
		{d.ProxyConfiguration != nil, "proxyConfiguration", "App Mesh is not emulated"},
		{len(d.PlacementConstraints) > 0, "placementConstraints", "there is one container instance"},
		{d.NetworkMode != "" && d.NetworkMode != "awsvpc", "networkMode", "every task gets an address of its own, as with awsvpc"},
		{d.EnableFaultInjection, "enableFaultInjection", "the fault injection endpoints are not emulated"},
	})
}

func ignoredOfVolume(path string, v Volume) []string {
	return present(path, []ignored{
		{v.DockerVolume != nil, "dockerVolumeConfiguration", "an empty directory of the task is mounted"},
		{v.EFSVolume != nil, "efsVolumeConfiguration", "an empty directory of the task is mounted"},
		{v.S3FilesVolume != nil, "s3filesVolumeConfiguration", "an empty directory of the task is mounted"},
		{v.FSxWindowsFileServer != nil, "fsxWindowsFileServerVolumeConfiguration", "an empty directory of the task is mounted"},
		{v.ConfiguredAtLaunch, "configuredAtLaunch", "an empty directory of the task is mounted"},
	})
}

func ignoredOfContainer(path string, c ContainerDefinition) []string {
	return present(path, []ignored{
		{len(c.Secrets) > 0, "secrets", "there is no secret store yet: the variables are not set"},
		{c.RestartPolicy != nil && c.RestartPolicy.Enabled, "restartPolicy", "containers are not restarted in place yet"},
		{c.RepositoryCredentials != nil, "repositoryCredentials", "images are pulled with the engine's own credentials"},
		{len(c.EnvironmentFiles) > 0, "environmentFiles", "S3 is not emulated"},
		{len(c.ResourceRequirements) > 0, "resourceRequirements", "there are no GPUs"},
		{c.FirelensConfiguration != nil, "firelensConfiguration", "log routing is not emulated"},
		{len(c.CredentialSpecs) > 0, "credentialSpecs", "gMSA is not emulated"},
		{c.VersionConsistency != "", "versionConsistency", "tags are resolved when a task starts"},
	})
}

func present(path string, members []ignored) []string {
	var all []string
	for _, m := range members {
		if m.present {
			all = append(all, fmt.Sprintf("%s: accepted, but without effect: %s", join(path, m.member), m.instead))
		}
	}
	return all
}
