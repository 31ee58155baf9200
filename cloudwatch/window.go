package cloudwatch

import "time"

// Windows returns how far back the alarms with these names look, which is their period times
// their evaluation periods; one that does not exist is absent.
func (m *Monitor) Windows(names []string) map[string]time.Duration {
	m.mu.RLock()
	defer m.mu.RUnlock()
	windows := make(map[string]time.Duration, len(names))
	for _, name := range names {
		if a := m.rows[name]; a != nil {
			windows[name] = a.Period * time.Duration(a.EvaluationPeriods)
		}
	}
	return windows
}
