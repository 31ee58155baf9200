package docker

import (
	"context"
	"fmt"
	"maps"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// ensureVolumes makes the task's own volumes, and shared ones that are to be made (ECS-219).
// Docker returns one that is there already.
func (e *Engine) ensureVolumes(ctx context.Context, spec orchestrator.TaskSpec) error {
	for _, v := range spec.Volumes {
		var err error
		switch {
		case v.Host != nil && v.Host.SourcePath != "":
		case shared(v):
			err = e.ensureShared(ctx, v)
		default:
			err = e.ensureVolume(ctx, spec, v)
		}
		if err != nil {
			return e.startError(ctx, "", "CannotCreateVolumeError", err)
		}
	}
	return nil
}

// ensureVolume makes a volume that lives as long as the task.
func (e *Engine) ensureVolume(ctx context.Context, spec orchestrator.TaskSpec, v taskdefs.Volume) error {
	o := volume.CreateOptions{Name: e.volumeName(spec, v.Name), Driver: "local", Labels: map[string]string{}}
	if d := v.DockerVolume; d != nil {
		o.DriverOpts = d.DriverOpts
		maps.Copy(o.Labels, d.Labels)
		if d.Driver != "" {
			o.Driver = d.Driver
		}
	}
	maps.Copy(o.Labels, e.taskLabels(spec))
	made, err := e.client.VolumeCreate(ctx, o)
	if err != nil {
		return fmt.Errorf("create volume %s: %w", o.Name, err)
	}
	if made.Labels[labelInstance] != e.config.Instance {
		return fmt.Errorf("volume %s exists and is not drydock's: remove it (`docker volume rm %s`)", o.Name, o.Name)
	}
	return nil
}

// ensureShared makes a volume that outlives its tasks if it is to be made. It is the user's, not ours.
func (e *Engine) ensureShared(ctx context.Context, v taskdefs.Volume) error {
	_, err := e.client.VolumeInspect(ctx, v.Name)
	if cerrdefs.IsNotFound(err) && v.DockerVolume.Autoprovision {
		_, err = e.client.VolumeCreate(ctx, volume.CreateOptions{
			Name: v.Name, Driver: v.DockerVolume.Driver, DriverOpts: v.DockerVolume.DriverOpts, Labels: v.DockerVolume.Labels,
		})
	}
	if err != nil {
		return fmt.Errorf("shared volume %s: %w", v.Name, err)
	}
	return nil
}

func shared(v taskdefs.Volume) bool { return v.DockerVolume != nil && v.DockerVolume.Scope == "shared" }

func volumeOf(spec orchestrator.TaskSpec, name string) taskdefs.Volume {
	for _, v := range spec.Volumes {
		if v.Name == name {
			return v
		}
	}
	return taskdefs.Volume{Name: name}
}

// hostPath is the directory of the host that a volume names, or empty.
func hostPath(spec orchestrator.TaskSpec, name string) string {
	if h := volumeOf(spec, name).Host; h != nil {
		return h.SourcePath
	}
	return ""
}

// ofHost says what of the host a volume shows, if anything: a directory, or what the options of
// its driver mount, which may be any.
func ofHost(spec orchestrator.TaskSpec, name string) string {
	v := volumeOf(spec, name)
	if path := hostPath(spec, name); path != "" {
		return path
	}
	if v.DockerVolume != nil && len(v.DockerVolume.DriverOpts) > 0 {
		return fmt.Sprintf("what the driver options of volume %s name", name)
	}
	return ""
}

func (e *Engine) mounts(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition) []mount.Mount {
	var mounts []mount.Mount
	for _, m := range def.MountPoints {
		to := mount.Mount{Type: mount.TypeVolume, Source: e.volumeName(spec, m.SourceVolume), Target: m.ContainerPath, ReadOnly: m.ReadOnly}
		switch v := volumeOf(spec, m.SourceVolume); {
		case hostPath(spec, v.Name) != "":
			to.Type, to.Source = mount.TypeBind, hostPath(spec, v.Name)
		case shared(v):
			to.Source = v.Name
		}
		mounts = append(mounts, to)
	}
	return mounts
}
