package orchestrator

import "maps"

// pin settles what a container's tag means for the rest of its deployment: what the first task
// that shows it runs (ECS-170). Definitions may ask for the tag to be looked up every time.
func (p *planner) pin(t *Task, c *TaskContainer) {
	d := p.deploymentOf(t)
	if d == nil || c.ImageDigest == "" || d.Revision.Images[c.Name] != "" || !p.pinned(t, c.Name) {
		return
	}
	d = p.editDeployment(t)
	images := maps.Clone(d.Revision.Images)
	if images == nil {
		images = map[string]string{}
	}
	images[c.Name] = c.ImageDigest
	d.Revision.Images = images
	if c.RepoDigest != "" {
		digests := maps.Clone(d.Revision.Digests)
		if digests == nil {
			digests = map[string]string{}
		}
		digests[c.Name] = c.RepoDigest
		d.Revision.Digests = digests
	}
}

// pinned reports whether a container's definition wants version consistency: the default.
func (p *planner) pinned(t *Task, container string) bool {
	def := p.in.Definition(t.TaskDefinition)
	if def == nil {
		return false
	}
	c, ok := def.Container(container)
	return ok && c.VersionConsistency != "disabled"
}

// usePins gives a task that is about to be run the images that its deployment has settled on.
func (p *planner) usePins(t *Task) {
	d := p.deploymentOf(t)
	if d == nil {
		return
	}
	for n := range t.Containers {
		t.Containers[n].Pinned = d.Revision.Images[t.Containers[n].Name]
	}
}

// pinnedImages are the images that a task's containers are to run, by container name.
func pinnedImages(t *Task) map[string]string {
	var images map[string]string
	for _, c := range t.Containers {
		if c.Pinned == "" {
			continue
		}
		if images == nil {
			images = map[string]string{}
		}
		images[c.Name] = c.Pinned
	}
	return images
}
