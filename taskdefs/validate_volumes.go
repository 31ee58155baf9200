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
	}
	for _, c := range d.ContainerDefinitions {
		if err := checkMounts(d, c, names); err != nil {
			return err
		}
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
