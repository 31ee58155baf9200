package taskdefs

import "strings"

// checkVolumes: names are unique, and every mount refers to one of them.
func checkVolumes(d *TaskDefinition) error {
	names := map[string]bool{}
	for _, v := range d.Volumes {
		switch {
		case v.Name == "":
			return clientError("Volume name should not be null or empty.")
		case !namePattern.MatchString(v.Name) || len(v.Name) > maxNameLength:
			return clientError("Volume name '%s' contains invalid characters.", v.Name)
		case names[v.Name]:
			return clientError("Duplicate volume name '%s'.", v.Name)
		}
		names[v.Name] = true
		if err := checkVolume(v); err != nil {
			return err
		}
	}
	for _, c := range d.ContainerDefinitions {
		if err := checkMounts(d, c, names); err != nil {
			return err
		}
	}
	return nil
}

// checkVolume: a volume is of one kind, and EFS has rules of its own (ECS-286).
func checkVolume(v Volume) error {
	kinds := 0
	for _, given := range []bool{v.Host != nil && v.Host.SourcePath != "", v.DockerVolume != nil, v.EFSVolume != nil, v.S3FilesVolume != nil, v.FSxWindowsFileServer != nil, v.ConfiguredAtLaunch} {
		if given {
			kinds++
		}
	}
	if kinds > 1 {
		return clientError("Volume '%s' may have only one configuration.", v.Name)
	}
	if v.EFSVolume != nil {
		return checkEFS(*v.EFSVolume)
	}
	return nil
}

func checkEFS(e EFSVolume) error {
	auth := e.AuthorizationConfig
	if auth == nil {
		auth = &EFSAuthorization{}
	}
	encrypted := e.TransitEncryption == "ENABLED"
	switch {
	case auth.AccessPointID != "" && e.RootDirectory != "" && e.RootDirectory != "/":
		return clientError("When using an EFS access point, the root directory must either be set to \"/\" or be omitted.")
	case auth.IAM == "ENABLED" && !encrypted:
		return clientError("EFS IAM authorization requires TransitEncryption to be enabled.")
	case auth.AccessPointID != "" && !encrypted:
		return clientError("EFS access points require TransitEncryption to be enabled.")
	case e.TransitEncryptionPort != 0 && !encrypted:
		return clientError("TransitEncryptionPort requires that TransitEncryption is enabled.")
	}
	return nil
}

func checkMounts(d *TaskDefinition, c ContainerDefinition, volumes map[string]bool) error {
	paths := map[string]bool{}
	for _, m := range c.MountPoints {
		switch {
		case !volumes[m.SourceVolume]:
			return clientError("Unknown volume '%s'.", m.SourceVolume)
		case !strings.HasPrefix(m.ContainerPath, "/"):
			return clientError("Invalid 'containerPath' setting '%s' for container '%s': it must be an absolute path.", m.ContainerPath, c.Name)
		case paths[m.ContainerPath]:
			return clientError("Container '%s' mounts more than one volume at '%s'.", c.Name, m.ContainerPath)
		}
		paths[m.ContainerPath] = true
	}
	for _, v := range c.VolumesFrom {
		if _, ok := d.Container(v.SourceContainer); !ok || v.SourceContainer == c.Name {
			return clientError("Invalid 'volumesFrom' setting for container '%s': there is no other container '%s'.", c.Name, v.SourceContainer)
		}
	}
	return nil
}
