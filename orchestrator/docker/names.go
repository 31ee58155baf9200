package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/filters"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// Labels of the ECS agent (ECS-201) and our own.
const (
	labelTask      = "com.amazonaws.ecs.task-arn"
	labelContainer = "com.amazonaws.ecs.container-name"
	labelFamily    = "com.amazonaws.ecs.task-definition-family"
	labelRevision  = "com.amazonaws.ecs.task-definition-version"
	labelCluster   = "com.amazonaws.ecs.cluster"

	labelInstance    = "drydock.instance"
	labelAddress     = "drydock.address"      // of the task
	labelOrder       = "drydock.order"        // place in the start order
	labelDependsOn   = "drydock.depends-on"   // names, comma-separated
	labelStopTimeout = "drydock.stop-timeout" // seconds
	labelHealthCheck = "drydock.health-check" // "true" if the definition has one
	labelVPC         = "drydock.vpc"
	labelHome        = "drydock.home"   // of a network: where its daemon's state is
	labelImage       = "drydock.image"  // as the definition has it, where a deployment has pinned its id
	labelDigest      = "drydock.digest" // the image's in its registry
)

// pauseName is the name of the container that owns the namespace of a task of several containers (ECS-202).
const pauseName = "~internal~ecs~pause"

// containerName is the Docker name of a task's container (ECS-201): the same task has the same name always.
func (e *Engine) containerName(spec orchestrator.TaskSpec, container string) string {
	return e.taskName(spec, strings.ReplaceAll(container, "~", ""))
}

// volumeName is the Docker name of a task's own volume.
func (e *Engine) volumeName(spec orchestrator.TaskSpec, volume string) string {
	return e.taskName(spec, volume)
}

func (e *Engine) taskName(spec orchestrator.TaskSpec, part string) string {
	sum := digest(e.config.Instance, spec.ARN, part)
	return fmt.Sprintf("ecs-%s-%d-%s-%s", spec.Family, spec.Revision, part, sum[:20])
}

// networkName is the Docker name of a VPC's network.
func (e *Engine) networkName(vpc string) string { return "drydock-" + e.config.Instance + "-" + vpc }

// BridgeName is the name of the host's interface for a VPC: 14 characters, of the 15 that Linux allows.
func BridgeName(instance, vpc string) string { return "dry-" + digest(instance, vpc)[:10] }

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// taskLabels are on everything of a task.
func (e *Engine) taskLabels(spec orchestrator.TaskSpec) map[string]string {
	return map[string]string{
		labelInstance: e.config.Instance,
		labelTask:     spec.ARN,
		labelFamily:   spec.Family,
		labelRevision: strconv.Itoa(spec.Revision),
		labelCluster:  spec.Cluster,
		labelAddress:  spec.Interface.Address.String(),
	}
}

// containerLabels are on a container: the definition's, the task's, and over them those that we live by.
func (e *Engine) containerLabels(spec orchestrator.TaskSpec, def taskdefs.ContainerDefinition, order int) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, def.DockerLabels)
	maps.DeleteFunc(labels, func(name, _ string) bool { return strings.HasPrefix(name, "drydock.") }) // they decide what we do with it
	maps.Copy(labels, spec.Labels)
	maps.Copy(labels, e.taskLabels(spec))
	labels[labelContainer] = def.Name
	labels[labelOrder] = strconv.Itoa(order)
	labels[labelStopTimeout] = strconv.Itoa(stopTimeout(def))
	if spec.Images[def.Name] != "" {
		labels[labelImage] = def.Image
	}
	if names := dependencies(def); len(names) > 0 {
		labels[labelDependsOn] = strings.Join(names, ",")
	}
	if def.HealthCheck != nil {
		labels[labelHealthCheck] = "true"
	}
	return labels
}

func dependencies(def taskdefs.ContainerDefinition) []string {
	var names []string
	for _, d := range orchestrator.Orderings(def) {
		names = append(names, d.ContainerName)
	}
	return names
}

// stopTimeout is in seconds.
func stopTimeout(def taskdefs.ContainerDefinition) int {
	if def.StopTimeout > 0 {
		return def.StopTimeout
	}
	return defaultStopTimeout
}

// ours selects what belongs to the instance and, if given, to a task.
func (e *Engine) ours(task string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", labelInstance+"="+e.config.Instance))
	if task != "" {
		f.Add("label", labelTask+"="+task)
	}
	return f
}
