package orchestrator

import "slices"

// decideOld stops tasks of older deployments: pending ones that are not wanted at once, others
// as far as enough healthy tasks remain (ECS-062). Protected ones stay (ECS-404), and so do all when the new
// deployment has failed (ECS-405).
func (p *planner) decideOld(s *Service, out *decision) {
	if s.Deployments[0].RolloutState == RolloutFailed && s.Status == ServiceActive || p.reclaiming(s) {
		return
	}
	spare := out.healthy - out.min
	running := p.runningAfter(s, out)
	for _, i := range p.oldTasks(s) {
		t := p.tasks[i]
		if out.stops(i) {
			continue
		}
		switch {
		case t.pending():
			if !p.surplus(s, t, out) {
				continue
			}
		case !p.healthy(i):
			if _, bad := p.unhealthy(i); running-1 < out.min || !bad && !p.cutOff(i) && !p.surplus(s, t, out) {
				continue
			}
			running--
		case spare > 0:
			spare--
			running--
		default:
			continue
		}
		if p.protected(s, t) {
			out.blocked[t.Deployment]++
			continue
		}
		out.add(stopDecision{i, nil})
	}
}

// cutOff reports whether somebody else has deregistered targets of a task: it never becomes healthy
// again, since they are registered once (ECS-449).
func (p *planner) cutOff(i int) bool {
	t := p.tasks[i]
	return t.live() && t.Registered && !p.standing(i).allRegistered()
}

// surplus reports whether an older deployment has more tasks than it is to keep.
func (p *planner) surplus(s *Service, t *Task, out *decision) bool {
	d := s.Deployment(t.Deployment)
	if d == nil || superseded(s, d) {
		return true
	}
	left := 0
	for _, i := range p.of[s.ARN] {
		if other := p.tasks[i]; other.Deployment == t.Deployment && other.live() && !out.stops(i) {
			left++
		}
	}
	return left > wanted(s, d)
}

// protected reports whether scale-in and deployments leave a task alone: not when its service
// is deleted (ECS-404).
func (p *planner) protected(s *Service, t *Task) bool {
	return s.Status == ServiceActive && !p.due(t.ProtectedUntil)
}

func (p *planner) runningAfter(s *Service, out *decision) int {
	n := 0
	for _, i := range p.of[s.ARN] {
		if t := p.tasks[i]; t.live() && t.running() && !out.stops(i) {
			n++
		}
	}
	return n
}

// oldTasks returns the live tasks of older deployments in the order in which they go:
// those that may be stopped before those that are protected; pending, not healthy, healthy;
// the oldest first.
func (p *planner) oldTasks(s *Service) []int {
	var old []int
	for _, i := range p.of[s.ARN] {
		if t := p.tasks[i]; t.live() && t.Deployment != s.Deployments[0].ID {
			old = append(old, i)
		}
	}
	rank := func(i int) int {
		if p.protected(s, p.tasks[i]) {
			return p.rank(i) + 3
		}
		return p.rank(i)
	}
	slices.SortStableFunc(old, func(a, b int) int { return rank(a) - rank(b) })
	return old
}

// rank orders tasks by how little is lost when they are stopped.
func (p *planner) rank(i int) int {
	switch {
	case p.tasks[i].pending():
		return 0
	case !p.healthy(i):
		return 1
	}
	return 2
}

// decideScaleIn stops what the primary deployment has too much of: pending and unhealthy
// tasks first, then those in the zone that has the most (ECS-063).
func (p *planner) decideScaleIn(s *Service, out *decision) {
	p.decideSurplus(s, &s.Deployments[0], out)
}

// decideSurplus stops what a deployment has more than it should, by the draining path.
func (p *planner) decideSurplus(s *Service, d *Deployment, out *decision) {
	want := p.wanted(s, d)
	var mine []int
	condemned, guarded := 0, 0
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if t.Deployment != d.ID || !t.live() || out.stops(i) {
			continue
		}
		if _, bad := p.unhealthy(i); bad && want > 0 {
			condemned++ // its replacement comes first
		}
		if p.protected(s, t) {
			guarded++
			continue
		}
		mine = append(mine, i)
	}
	excess := len(mine) + guarded - condemned - want
	if excess <= 0 {
		return
	}
	spare, kept := p.healthyOf(s, d, out)-min(out.min, want), 0
	for _, i := range p.leastNeeded(mine, excess) {
		if p.healthy(i) && want > 0 {
			if spare--; spare < 0 {
				kept++ // in place of a protected task that is not healthy yet
				continue
			}
		}
		out.add(stopDecision{i, nil})
	}
	if n := min(max(0, excess-len(mine))+kept, guarded); n > 0 {
		out.blocked[d.ID] += n
	}
}

// healthyOf counts the healthy tasks of a deployment that are not to be stopped.
func (p *planner) healthyOf(s *Service, d *Deployment, out *decision) int {
	n := 0
	for _, i := range p.of[s.ARN] {
		if p.tasks[i].Deployment == d.ID && p.healthy(i) && !out.stops(i) {
			n++
		}
	}
	return n
}

// leastNeeded returns n tasks in the order in which to stop them: the least is lost first, and
// among equals the youngest of the zone that has most left.
func (p *planner) leastNeeded(tasks []int, n int) []int {
	left := map[string]int{}
	queues := map[int]map[string][]int{} // by rank, then zone; the youngest last
	for _, i := range tasks {
		t := p.tasks[i]
		left[zone(t)]++
		rank := p.rank(i)
		if queues[rank] == nil {
			queues[rank] = map[string][]int{}
		}
		queues[rank][zone(t)] = append(queues[rank][zone(t)], i)
	}
	var order []int
	for rank := 0; rank <= 2; rank++ {
		for len(order) < n && len(queues[rank]) > 0 {
			z := fullest(queues[rank], left)
			q := queues[rank][z]
			order = append(order, q[len(q)-1])
			left[z]--
			if queues[rank][z] = q[:len(q)-1]; len(q) == 1 {
				delete(queues[rank], z)
			}
		}
	}
	return order
}

// fullest returns the zone with tasks to give that has most left; the first by name of equals.
func fullest(queues map[string][]int, left map[string]int) string {
	best := ""
	for n, z := range sortedKeys(queues) {
		if n == 0 || left[z] > left[best] {
			best = z
		}
	}
	return best
}

func zone(t *Task) string {
	if t.Interface == nil {
		return ""
	}
	return t.Interface.Zone
}
