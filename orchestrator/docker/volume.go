package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// ensureVolumes makes the task's own volumes. Docker returns one that is there already.
func (e *Engine) ensureVolumes(ctx context.Context, spec orchestrator.TaskSpec) error {
	for _, v := range spec.Volumes {
		if hostPath(spec, v.Name) != "" {
			continue
		}
		name := e.volumeName(spec, v.Name)
		made, err := e.client.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: "local", Labels: e.taskLabels(spec)})
		if err != nil {
			return fmt.Errorf("create volume %s: %w", name, err)
		}
		if made.Labels[labelInstance] != e.config.Instance {
			return fmt.Errorf("volume %s exists and is not drydock's: remove it (`docker volume rm %s`)", name, name)
		}
	}
	return nil
}

// hostPath is the directory of the host that a volume names, or empty.
func hostPath(spec orchestrator.TaskSpec, name string) string {
	for _, v := range spec.Volumes {
		if v.Name == name && v.Host != nil {
			return v.Host.SourcePath
		}
	}
	return ""
}

func (e *Engine) mounts(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) []mount.Mount {
	var mounts []mount.Mount
	for _, m := range def.MountPoints {
		to := mount.Mount{Type: mount.TypeVolume, Source: e.volumeName(spec, m.SourceVolume), Target: m.ContainerPath, ReadOnly: m.ReadOnly}
		if path := hostPath(spec, m.SourceVolume); path != "" {
			to.Type, to.Source = mount.TypeBind, path
		}
		mounts = append(mounts, to)
	}
	return mounts
}
