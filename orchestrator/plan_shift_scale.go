package orchestrator

import (
	"fmt"
	"math"
	"slices"

	"drydock/timeline"
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
// other has: the traffic is for those who answer (ECS-447), and nobody would ever release the other.
// Green, which has no task yet, goes to the target groups that the other is not in.
func (p *planner) chooseBlue(arn string) {
	s := p.serviceNow(arn)
	green := s.Primary()
	blue := s.Deployment(green.Shift.Blue)
	if green.Shift.reached(StagePreScaleUp) || blue == nil || blue.HealthyCount > 0 {
		return
	}
	for _, where := range []*Deployment{blue, green} { // the traffic stays in blue's target groups if it can
		for n := range s.Deployments {
			d := &s.Deployments[n]
			if d.ID != green.ID && d.HealthyCount > 0 && besides(where, d) {
				p.makeBlue(arn, d.ID, where.ID == green.ID)
				return
			}
		}
	}
}

// makeBlue makes a deployment blue; aside sets green in the other target groups.
func (p *planner) makeBlue(arn, id string, aside bool) {
	sh := p.editShift(arn)
	s := p.editService(arn)
	d, was := s.Primary(), sh.Blue
	sh.Blue = id
	if aside {
		d.Alternate = !d.Alternate
		if r := p.editRevision(d.RevisionARN); r != nil {
			r.Alternate = d.Alternate
		}
	}
	d.Cause = p.event(timeline.Deployment, s.ARN, d.Cause,
		fmt.Sprintf("deployment %s of service %s: nobody answers in deployment %s; deployment %s, where somebody does, is blue", d.ID, s.Name, was, id),
		stageData(s, d, sh.Stage))
}
