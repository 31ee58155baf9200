package orchestrator

import "drydock/alb"

// standing is what the balancer says of a task's targets, counted.
type standing struct {
	of         *TaskInterface // whose it is, if it was looked up
	targets    int            // that the task is to have
	registered int            // that may be chosen for new requests
	healthy    int
	unhealthy  int
	left       int // that the balancer has not finished with
}

// standing returns the standing of the task at i. Passes ask again and again, and looking a
// target up is what they spend their time on: it is done once, since an interface stays the
// same value for the whole of its task's life.
func (p *planner) standing(i int) standing {
	t := p.tasks[i]
	if t.Interface == nil {
		return p.stand(t) // its ports may change
	}
	for len(p.stood) < len(p.tasks) { // tasks are only added
		p.stood = append(p.stood, standing{})
	}
	if p.stood[i].of != t.Interface {
		p.stood[i] = p.stand(t)
	}
	return p.stood[i]
}

// stand looks a task's targets up.
func (p *planner) stand(t *Task) standing {
	s := standing{of: t.Interface}
	if !t.placed() {
		return s
	}
	for _, k := range targetKeys(t) {
		s.targets++
		if h, ok := p.in.Targets[k]; ok && h.Target.Task == t.ARN {
			s.count(h.State)
		}
	}
	return s
}

func (s *standing) count(state alb.State) {
	if state != alb.Draining {
		s.registered++
	}
	switch state {
	case alb.Healthy:
		s.healthy++
	case alb.Unhealthy:
		s.unhealthy++
	}
	if state != alb.Unused {
		s.left++
	}
}

func (s standing) allRegistered() bool { return s.registered == s.targets }

// anyRegistered reports whether the balancer may still choose the task for new requests.
func (s standing) anyRegistered() bool { return s.registered > 0 }

// out reports whether the balancer has finished with the task: its targets are gone, or
// unused (ECS-050).
func (s standing) out() bool { return s.left == 0 }

func (s standing) allHealthy() bool { return s.healthy == s.targets }
