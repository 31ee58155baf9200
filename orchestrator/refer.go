package orchestrator

// RefersTo (ECS-263) reports whether a service or a task needs a task definition, by ARN: as what a
// service or one of its deployments runs, as what it would be rolled back to, or as what a
// task that has not stopped was started from. It waits for a change that is under way: that may
// begin to need it.
func (c *Controller) RefersTo(taskDefinition string) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	for _, s := range c.services {
		if s.Status != ServiceInactive && s.refersTo(taskDefinition) {
			return true
		}
	}
	for _, t := range c.tasks {
		if t.Status != Stopped && t.TaskDefinition == taskDefinition {
			return true
		}
	}
	return false
}

func (s *Service) refersTo(taskDefinition string) bool {
	if s.TaskDefinition == taskDefinition {
		return true
	}
	if s.LastCompleted != nil && s.LastCompleted.TaskDefinition == taskDefinition {
		return true
	}
	for _, d := range s.Deployments {
		if d.Revision.TaskDefinition == taskDefinition {
			return true
		}
	}
	return false
}
