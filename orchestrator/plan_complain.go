package orchestrator

import (
	"slices"
	"strings"
	"time"
)

// The causes of a service's complaints: each is said once until it is resolved, or its time
// has passed (ECS-013).
const (
	complaintStuck     = "stuck"
	complaintProtected = "protected"
	complaintImpaired  = "impaired"
	complaintPlacement = "placement" // followed by the reason
)

// complain tells a service what is wrong, unless it was told so lately; event is what made it so.
func (p *planner) complain(arn, about string, event int64, message string) {
	s := p.serviceNow(arn)
	if said, ok := s.Complaints[about]; ok && p.in.Now.Sub(said) < sameEventQuiet {
		return
	}
	s = p.editService(arn)
	if s.Complaints == nil {
		s.Complaints = map[string]time.Time{}
	}
	s.Complaints[about] = p.in.Now
	p.say(s, event, message)
}

// settle notes that causes are resolved: they are said again when they come back.
func (p *planner) settle(arn string, abouts ...string) {
	for said := range p.serviceNow(arn).Complaints {
		if slices.ContainsFunc(abouts, func(a string) bool { return strings.HasPrefix(said, a) }) {
			delete(p.editService(arn).Complaints, said)
		}
	}
}

// causeOf returns the event that made the service's newest deployment.
func causeOf(s *Service) int64 {
	if d := s.Primary(); d != nil {
		return d.Cause
	}
	return s.Cause
}
