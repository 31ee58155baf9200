package orchestrator

import (
	"math"
	"slices"
)

// unbounded is the room for tasks of a deployment that shifts traffic: it starts all of green
// beside all of blue, whatever maximumPercent says (ECS-147).
const unbounded = math.MaxInt / 2

// decideShift decides starts and stops of a service whose primary deployment shifts traffic.
func (p *planner) decideShift(s *Service, out *decision) {
	for n := range s.Deployments {
		p.decideStarts(s, &s.Deployments[n], unbounded, out)
	}
	p.decideReplacements(s, out, unbounded)
	for n := range s.Deployments {
		p.decideSurplus(s, &s.Deployments[n], out)
	}
}

// shiftWants is how many tasks a deployment should have while the primary one shifts traffic
// (ECS-147). A change of the desired count is for all that serve. Others have what they have until
// they are released.
func shiftWants(s *Service, d *Deployment, released bool) int {
	primary := s.Primary()
	sh := primary.Shift
	switch d.ID {
	case primary.ID:
		if sh.Failed == "" && primary.RolloutState == RolloutInProgress && !sh.reached(StageScaleUp) {
			return 0
		}
	case sh.Blue, sh.Failed:
		if sh.Stage == StageCleanUp {
			return 0
		}
	default:
		if released {
			return 0
		}
	}
	return s.DesiredCount
}

// released reports whether a deployment that was overtaken may go: no traffic is its own any
// more or, where it stands in the same target groups as blue, blue has all its tasks.
func (p *planner) released(s *Service, d *Deployment) bool {
	primary := s.Primary()
	if primary.Shift.Stage == "" || !p.settled(primary) {
		return false
	}
	blue := s.Deployment(primary.Shift.Blue)
	return blue == nil || d.HealthyCount == 0 || blue.HealthyCount >= s.DesiredCount || !besides(blue, d)
}

// besides reports whether the tasks of two deployments share their traffic.
func besides(a, b *Deployment) bool {
	return slices.EqualFunc(a.Targets(), b.Targets(), func(a, b LoadBalancer) bool { return a.TargetGroupARN == b.TargetGroupARN })
}

// chooseBlue makes another deployment blue where the one that was has no healthy task, and the
// other has all that still answer: nobody would ever release it.
func (p *planner) chooseBlue(arn string) {
	s := p.serviceNow(arn)
	blue := s.Deployment(s.Primary().Shift.Blue)
	if s.Primary().Shift.Stage != StageReconcile || blue == nil || blue.HealthyCount > 0 {
		return
	}
	for n := range s.Deployments {
		d := &s.Deployments[n]
		if d.ID != s.Primary().ID && d.HealthyCount > 0 && besides(blue, d) {
			p.editShift(arn).Blue = d.ID
			return
		}
	}
}
