package orchestrator

import (
	"strings"

	"drydock/taskdefs"
)

// Orderings are all that a container's start waits for and, the other way round, its
// dependencies' stop: its dependsOn, the containers whose volumes it mounts (CREATE) and those
// that it links to (START) (ECS-171).
func Orderings(c taskdefs.ContainerDefinition) []taskdefs.ContainerDependency {
	all := append([]taskdefs.ContainerDependency(nil), c.DependsOn...)
	for _, v := range c.VolumesFrom {
		all = append(all, taskdefs.ContainerDependency{ContainerName: v.SourceContainer, Condition: "CREATE"})
	}
	for _, link := range c.Links {
		name, _, _ := strings.Cut(link, ":")
		all = append(all, taskdefs.ContainerDependency{ContainerName: name, Condition: "START"})
	}
	return all
}
