package orchestrator

// decision is what the scheduler decides for one service in one pass.
type decision struct {
	start    map[string]int // deployment id → tasks to start
	replaced int            // how many of them replace unhealthy tasks
	stop     []stopDecision
	stopped  map[int]bool // the tasks in stop
	min, max int
	healthy  int
	stuck    bool
	blocked  map[string]int // deployment id → tasks that would be stopped were they not protected
}

// add decides to stop a task.
func (d *decision) add(s stopDecision) {
	d.stop = append(d.stop, s)
	d.stopped[s.task] = true
}

func (d *decision) stops(i int) bool { return d.stopped[i] }

type stopDecision struct {
	task    int // index
	verdict *verdict
}

// decide computes what to start and what to stop (ECS-060).
func (p *planner) decide(arn string) decision {
	s := p.serviceNow(arn)
	d := decision{start: map[string]int{}, stopped: map[int]bool{}, blocked: map[string]int{}, min: s.Config.Minimum(s.DesiredCount), max: s.Config.Maximum(s.DesiredCount)}
	live := 0
	for _, i := range p.of[arn] {
		if p.tasks[i].live() {
			live++
		}
		if p.healthy(i) {
			d.healthy++
		}
	}
	if s.Primary().Shift != nil {
		p.decideShift(s, &d)
		return d
	}
	room := d.max - live
	// What older revisions lost comes first: it served, the new one may not (ECS-032).
	for n := range s.Deployments[1:] {
		room -= p.decideStarts(s, &s.Deployments[n+1], room, &d)
	}
	room -= p.decideStarts(s, &s.Deployments[0], room, &d)
	p.decideReplacements(s, &d, room)
	p.decideOld(s, &d)
	p.decideScaleIn(s, &d)
	d.stuck = p.stuck(s, &d, room)
	return d
}

// wanted is how many tasks a deployment should have: an older one no more than the primary
// lacks of healthy ones.
func wanted(s *Service, d *Deployment) int {
	if s.Primary().Shift != nil {
		return shiftWants(s, d, true)
	}
	if d.Status == DeploymentPrimary {
		return s.DesiredCount
	}
	return min(d.Keep, max(0, s.DesiredCount-s.Deployments[0].HealthyCount))
}

// wanted is [wanted], but for what has to wait until the traffic is elsewhere.
func (p *planner) wanted(s *Service, d *Deployment) int {
	if s.Primary().Shift != nil {
		return shiftWants(s, d, p.released(s, d))
	}
	return wanted(s, d)
}

// superseded reports whether a newer deployment began before this one was done: it is scaled
// to 0, and nothing of it is replaced (ECS-416).
func superseded(s *Service, d *Deployment) bool {
	return d.Status == DeploymentActive && d.RolloutState != RolloutCompleted && !isBlue(s, d)
}

// isBlue reports whether the primary deployment takes the traffic over from this one, which has all
// its tasks until then, however it ended itself (ECS-450).
func isBlue(s *Service, d *Deployment) bool {
	sh := s.Primary().Shift
	return sh != nil && d.ID == sh.Blue
}

// decideStarts starts what a deployment lacks, as far as there is room, and returns how
// many. Condemned tasks do not count: their replacement starts first (ECS-061).
func (p *planner) decideStarts(s *Service, d *Deployment, room int, out *decision) int {
	if d.RolloutState == RolloutFailed && !isBlue(s, d) || superseded(s, d) || !p.due(d.NextStart) {
		return 0
	}
	good, condemned := 0, 0
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if t.Deployment != d.ID || !t.live() && !unnoticed(t) {
			continue
		}
		if _, bad := p.unhealthy(i); bad {
			condemned++
		} else {
			good++
		}
	}
	lacking := p.wanted(s, d) - good
	n := max(0, min(lacking, room+p.freed(s, d)))
	if n > 0 {
		out.start[d.ID] += n
		out.replaced += min(n, condemned)
	}
	return n
}

// unnoticed reports whether the scheduler does not know yet that StopTask stopped a task: it is
// replaced when its targets are being deregistered, not before (ECS-430).
func unnoticed(t *Task) bool {
	return t.StopCode == UserInitiated && t.Registered && !t.Deregistered && t.Complaint == "" && t.TargetsRetryAt.IsZero()
}

// freed counts the condemned tasks of a deployment that will be stopped in this pass anyway,
// since they were never healthy.
func (p *planner) freed(s *Service, d *Deployment) int {
	n := 0
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if _, bad := p.unhealthy(i); bad && t.Deployment == d.ID && !t.WasHealthy {
			n++
		}
	}
	return n
}

// decideReplacements stops unhealthy tasks: at once those that never were healthy; the
// others when their replacement is healthy, or one at a time when there is no room for
// one (ECS-061).
func (p *planner) decideReplacements(s *Service, out *decision, room int) {
	for n := range s.Deployments {
		d := &s.Deployments[n]
		var was []stopDecision
		healthy, starting := 0, 0
		for _, i := range p.of[s.ARN] {
			t := p.tasks[i]
			if t.Deployment != d.ID || !t.live() {
				continue
			}
			if p.healthy(i) {
				healthy++
			}
			if t.pending() {
				starting++
			}
			v, bad := p.unhealthy(i)
			switch {
			case bad && !t.WasHealthy:
				out.add(stopDecision{i, &v})
			case bad:
				was = append(was, stopDecision{i, &v})
			}
		}
		surplus := healthy + len(was) - p.wanted(s, d)
		if surplus <= 0 && room <= 0 && starting == 0 && len(was) > 0 && out.start[d.ID] == 0 && out.healthy >= out.min {
			surplus = 1
		}
		for _, stop := range was[:max(0, min(surplus, len(was)))] {
			out.add(stop)
		}
	}
}

// stuck reports whether the deployment configuration allows no step although one is needed,
// and nothing is under way that could change it (ECS-064).
func (p *planner) stuck(s *Service, out *decision, room int) bool {
	if len(out.start) > 0 || len(out.stop) > 0 || len(s.Deployments) < 2 || room > 0 {
		return false
	}
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if t.Status == Stopped {
			continue
		}
		if _, bad := p.unhealthy(i); !bad && !p.healthy(i) && !p.cutOff(i) {
			return false
		}
	}
	return p.liveOf(s.ARN, s.Deployments[0].ID) < s.DesiredCount
}
