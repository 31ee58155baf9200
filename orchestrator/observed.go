package orchestrator

// Observed returns what the engine was last seen to have of a task. It can be some seconds old;
// false if nothing was seen.
func (c *Controller) Observed(task string) (TaskObservation, bool) {
	seen, ok := c.watch.last().tasks[task]
	return seen, ok
}
