package taskdefs

import "strings"

// checkDependencies applies the rules of dependsOn (ECS-111) and of links.
func checkDependencies(d *TaskDefinition) error {
	for _, c := range d.ContainerDefinitions {
		for _, dep := range c.DependsOn {
			if err := checkDependency(d, c, dep); err != nil {
				return err
			}
		}
		for _, link := range c.Links {
			name, _, _ := strings.Cut(link, ":")
			if _, ok := d.Container(name); !ok {
				return clientError("Unknown link '%s' for container '%s'.", name, c.Name)
			}
		}
	}
	if hasCycle(d, dependencies) {
		return clientError("Container dependencies should not have a cycle.")
	}
	if hasCycle(d, links) {
		return clientError("Container links should not have a cycle.")
	}
	return nil
}

func checkDependency(d *TaskDefinition, c ContainerDefinition, dep ContainerDependency) error {
	on, ok := d.Container(dep.ContainerName)
	switch {
	case !ok:
		return clientError("Cannot depend on container %s because it does not exist.", dep.ContainerName)
	case on.Name == c.Name:
		return clientError("Container '%s' cannot depend on itself.", c.Name)
	case on.IsEssential() && (dep.Condition == "COMPLETE" || dep.Condition == "SUCCESS"):
		return clientError("A dependency container with SUCCESS or COMPLETE condition cannot be an essential container.")
	case dep.Condition == "HEALTHY" && !hasHealthCheck(on):
		return clientError("A dependency container with HEALTHY condition must have health check configured.")
	}
	return nil
}

func hasHealthCheck(c ContainerDefinition) bool {
	return c.HealthCheck != nil && c.HealthCheck.Command[0] != "NONE"
}

func dependencies(c ContainerDefinition) []string {
	var names []string
	for _, dep := range c.DependsOn {
		names = append(names, dep.ContainerName)
	}
	return names
}

func links(c ContainerDefinition) []string {
	var names []string
	for _, link := range c.Links {
		name, _, _ := strings.Cut(link, ":")
		names = append(names, name)
	}
	return names
}

// hasCycle reports whether following next from some container leads back to it.
func hasCycle(d *TaskDefinition, next func(ContainerDefinition) []string) bool {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string) bool
	visit = func(name string) bool {
		switch state[name] {
		case visiting:
			return true
		case done:
			return false
		}
		state[name] = visiting
		c, _ := d.Container(name)
		for _, n := range next(c) {
			if visit(n) {
				return true
			}
		}
		state[name] = done
		return false
	}
	for _, c := range d.ContainerDefinitions {
		if visit(c.Name) {
			return true
		}
	}
	return false
}
