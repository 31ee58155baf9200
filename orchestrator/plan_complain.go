package orchestrator

import (
	"maps"
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
	complaintCutOff    = "cut off"   // followed by the task
)

// complain tells a service what is wrong, unless it was told so lately; event is what made it so.
func (p *planner) complain(arn, about string, event int64, message string) {
	if p.unsaid(arn, about) {
		p.say(p.editService(arn), event, message)
	}
}

// unsaid reports whether a service was not told of a cause lately, and notes that it is now.
func (p *planner) unsaid(arn, about string) bool {
	s := p.serviceNow(arn)
	if said, ok := s.Complaints[about]; ok && p.in.Now.Sub(said) < sameEventQuiet {
		return false
	}
	s = p.editService(arn)
	if s.Complaints == nil {
		s.Complaints = map[string]time.Time{}
	}
	p.forgetComplaints(s)
	s.Complaints[about] = p.in.Now
	return true
}

// mostComplaints bounds what is remembered: a reason may name what is different every time.
const mostComplaints = 20

// forgetComplaints drops those that may be said again anyway, and the oldest if there are too many.
func (p *planner) forgetComplaints(s *Service) {
	maps.DeleteFunc(s.Complaints, func(_ string, said time.Time) bool { return p.in.Now.Sub(said) >= sameEventQuiet })
	for len(s.Complaints) >= mostComplaints {
		oldest := slices.MinFunc(sortedKeys(s.Complaints), func(a, b string) int { return s.Complaints[a].Compare(s.Complaints[b]) })
		delete(s.Complaints, oldest)
	}
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
