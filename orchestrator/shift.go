package orchestrator

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Shift is how far a deployment is that shifts traffic: a part of its row. The deployment that
// the traffic goes to is green, the one that it comes from blue. The API makes it, the loop
// writes it; everything that waits is a deadline here, so that a crash loses nothing.
type Shift struct {
	Config DeploymentConfiguration `json:"config"` // as it was when the deployment began
	Blue   string                  `json:"blue,omitempty"`
	// Failed is set in a rollback: the deployment that the traffic is taken from.
	Failed string `json:"failed,omitempty"`

	Stage string    `json:"stage,omitempty"` // empty: not begun
	Since time.Time `json:"since,omitzero"`  // when Stage began
	Until time.Time `json:"until,omitzero"`  // when what Stage waits for will be over, once that is known

	// Production and Test are the shares of the traffic that the deployment shall have, in
	// percent; [untouched]: whatever the rules say.
	Production float64 `json:"production"`
	Test       float64 `json:"test"`

	Hooks []HookRun `json:"hooks,omitempty"` // oldest first
	// GoBack says why the deployment has to go back, in words for people; empty: it has not.
	GoBack string `json:"goBack,omitempty"`
	Steering
}

// Steering is how rewriting the listener rules gets on.
type Steering struct {
	RetryAt    time.Time         `json:"retryAt,omitzero"`     // it failed; not again before
	Complaints map[string]string `json:"complaints,omitempty"` // listener rule → what rewriting it said; until it is done
}

// untouched stands for a share of traffic that the deployment has not set yet.
const untouched = -1

// HookRun is one run of a lifecycle hook: one stage's, in as many calls as it takes.
type HookRun struct {
	ID            string          `json:"id"`
	Stage         string          `json:"stage"`
	Type          string          `json:"type"`
	Target        string          `json:"target,omitempty"`
	Status        string          `json:"status"`
	Call          int             `json:"call"`            // the number of the call that is to be made
	CallAt        time.Time       `json:"callAt,omitzero"` // not before
	ExpiresAt     time.Time       `json:"expiresAt"`
	TimeoutAction string          `json:"timeoutAction"`
	Details       json.RawMessage `json:"details,omitempty"`
	// Decision is what ContinueServiceDeployment said of a pause.
	Decision string `json:"decision,omitempty"`
}

// The statuses of a hook run.
const (
	HookAwaiting   = "AWAITING_ACTION"
	HookInProgress = "IN_PROGRESS"
	HookSucceeded  = "SUCCEEDED"
	HookFailed     = "FAILED"
	HookTimedOut   = "TIMED_OUT"
)

func (h *HookRun) open() bool { return h.Status == HookAwaiting || h.Status == HookInProgress }

// clone returns a copy that can be changed.
func (s *Shift) clone() *Shift {
	c := *s
	c.Hooks = slices.Clone(s.Hooks)
	return &c
}

// Lifecycle returns the lifecycle stage as AWS shows it.
func (s *Shift) Lifecycle() string {
	if s.Stage == StagePreProductionShift {
		return StageProductionShift
	}
	return s.Stage
}

// stages returns the stages that the shift goes through.
func (s *Shift) stages() []string {
	if s.Failed != "" {
		return rollbackStages
	}
	return shiftStages
}

// reached reports whether the shift is at a stage or beyond it.
func (s *Shift) reached(stage string) bool {
	return slices.Index(s.stages(), s.Stage) >= slices.Index(s.stages(), stage)
}

// after returns the stage that follows one; what a rollback has nothing to do at is left out.
func (s *Shift) after(stage string) string {
	stages := s.stages()
	for _, next := range stages[slices.Index(stages, stage)+1:] {
		idle := next == StageProductionShift && s.Production < 0 || next == StageTestShift && s.Test < 0
		if s.Failed == "" || !idle {
			return next
		}
	}
	return StageCleanUp
}

// newShift returns the shift of a deployment that follows others, the newest first.
func newShift(config DeploymentConfiguration, others []Deployment) *Shift {
	return &Shift{Config: config, Blue: blueOf(others), Production: untouched, Test: untouched}
}

// blueOf returns the id of the deployment that has the production traffic. A deployment that
// is overtaken on its way has it only once all of it was shifted, or when its own blue has nobody left to
// take it; one that replaces tasks one after the other has it with what it replaces: the newest
// that ever was healthy counts.
func blueOf(others []Deployment) string {
	if len(others) == 0 {
		return ""
	}
	last := &others[0]
	if last.Shift != nil {
		blue := slices.IndexFunc(others, func(d Deployment) bool { return d.ID == last.Shift.Blue })
		if blue >= 0 && last.Shift.Production < 100 && (others[blue].HealthyCount > 0 || last.HealthyCount == 0) {
			return last.Shift.Blue
		}
		return last.ID
	}
	for _, d := range others {
		if d.Proven {
			return d.ID
		}
	}
	return last.ID
}

// Traffic returns the shares of the production and of the test traffic, in percent, that a
// service revision shall have while the service shifts traffic; nil where it does not.
func (s *Service) Traffic(revision string) (production, test *float64) {
	d := s.Primary()
	if d == nil || d.Shift == nil || d.RolloutState == RolloutInProgress && d.Shift.Stage == "" || len(d.splitters()) == 0 {
		return nil, nil
	}
	share := func(mine float64) *float64 {
		if d.Shift.Failed == "" || mine >= 0 {
			mine = max(mine, 0) // green has none yet
		} else {
			mine = 100 // blue never gave any away
		}
		other := s.Deployment(cmp.Or(d.Shift.Failed, d.Shift.Blue))
		switch {
		case revision == d.RevisionARN:
			return &mine
		case other != nil && revision == other.RevisionARN:
			mine = tenth(100 - mine)
		default:
			mine = 0
		}
		return &mine
	}
	return share(d.Shift.Production), share(d.Shift.Test)
}

// splitters returns the load balancers that the deployment can shift traffic with.
func (d *Deployment) splitters() []LoadBalancer {
	return slices.DeleteFunc(slices.Clone(d.Revision.LoadBalancers), func(lb LoadBalancer) bool { return lb.Advanced == nil })
}

// groups returns the target groups of one load balancer: the deployment's own and the other.
func (d *Deployment) groups(lb LoadBalancer) (mine, other string) {
	mine = lb.TargetGroupARN
	if lb.Advanced != nil {
		other = lb.Advanced.AlternateTargetGroupARN
		if d.Alternate {
			mine, other = other, mine
		}
	}
	return mine, other
}

// Targets returns where the deployment's tasks are registered.
func (d *Deployment) Targets() []LoadBalancer {
	var targets []LoadBalancer
	for _, lb := range d.Revision.LoadBalancers {
		group, _ := d.groups(lb)
		targets = append(targets, LoadBalancer{TargetGroupARN: group, ContainerName: lb.ContainerName, ContainerPort: lb.ContainerPort})
	}
	return targets
}

// place decides in which of its two target groups a new deployment goes: the one that the
// traffic's is not in if it shifts, else the same (ECS-142). One that does not, and follows one that was
// on its way, takes back what that had of the traffic.
func (d *Deployment) place(s *Service) {
	if len(s.Deployments) == 0 || len(d.Revision.LoadBalancers) == 0 || d.Revision.LoadBalancers[0].Advanced == nil {
		return
	}
	before := s.Deployment(blueOf(s.Deployments))
	if last := &s.Deployments[0]; d.Shift == nil && last.RolloutState != RolloutCompleted && (last.Shift != nil || last.Reclaim != nil) {
		d.Reclaim = &Steering{}
	}
	if targets := before.Targets(); len(targets) > 0 {
		lb := d.Revision.LoadBalancers[0]
		with := lb.TargetGroupARN
		if d.Shift == nil {
			with = lb.Advanced.AlternateTargetGroupARN
		}
		d.Alternate = targets[0].TargetGroupARN == with
	}
}
