package orchestrator

import "slices"

// alarmStates returns the states of the alarms that deployments name. The caller holds the lock.
func (c *Controller) alarmStates() map[string]string {
	if c.config.Alarms == nil {
		return nil
	}
	var names []string
	for _, s := range c.services {
		if a := s.Config.Alarms; a.Enable && s.Status == ServiceActive {
			names = append(names, a.Names...)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return c.config.Alarms.States(slices.Compact(names))
}
