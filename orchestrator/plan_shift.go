package orchestrator

import (
	"fmt"
	"strconv"

	"drydock/timeline"
)

// shift moves a deployment that shifts traffic through its stages, as far as that goes now,
// and says what the listener rules shall do (ECS-141).
func (p *planner) shift(arn string) {
	if p.reclaims(p.serviceNow(arn)) {
		p.steer(arn)
	}
	if !p.shifting(arn) {
		return
	}
	p.dropOld(arn)
	p.chooseBlue(arn)
	for p.stage(arn) {
	}
	p.steer(arn)
}

// shifting reports whether the service's primary deployment is on its way through stages.
func (p *planner) shifting(arn string) bool {
	s := p.serviceNow(arn)
	d := s.Primary()
	return s.Status == ServiceActive && d != nil && d.Shift != nil && d.RolloutState == RolloutInProgress
}

// keeps reports whether a deployment stays though it has no tasks: blue, until the clean-up. A
// deployment that has failed and is not rolled back leaves the traffic to it.
func (p *planner) keeps(arn, deployment string) bool {
	s := p.serviceNow(arn)
	d := s.Primary()
	if s.Status != ServiceActive || d == nil || d.Shift == nil || d.RolloutState == RolloutCompleted {
		return false
	}
	return deployment == d.Shift.Blue && d.Shift.Stage != StageCleanUp
}

// editShift returns the shift of the primary deployment for changing: a copy, made once a change.
func (p *planner) editShift(arn string) *Shift {
	d := p.editService(arn).Primary()
	d.Shift = d.Shift.clone()
	return d.Shift
}

// stage moves the deployment to its next stage, or back to blue, and reports whether it did.
func (p *planner) stage(arn string) bool {
	d := p.serviceNow(arn).Primary()
	switch sh := d.Shift; {
	case sh.Stage == "":
		p.enter(arn, p.firstStage(arn))
		return true
	case sh.GoBack != "":
		return p.goBack(arn)
	case sh.Stage == StageCleanUp:
		return false // complete ends it
	case !p.worked(arn):
		return p.late(arn)
	case !p.hooksDone(arn):
		return p.serviceNow(arn).Primary().Shift.GoBack != ""
	case !p.waited(arn):
		return false
	}
	p.enter(arn, p.nextStage(arn))
	return true
}

// firstStage is RECONCILE_SERVICE only where more than one revision is active; a rollback
// begins with the traffic (ECS-141).
func (p *planner) firstStage(arn string) string {
	s := p.serviceNow(arn)
	switch sh := s.Primary().Shift; {
	case sh.Failed != "":
		return sh.after("")
	case len(s.Deployments) > 2 || s.Deployment(sh.Blue).hasPart():
		return StageReconcile
	}
	return StagePreScaleUp
}

// hasPart reports whether a deployment was overtaken with a part of the production traffic.
func (d *Deployment) hasPart() bool {
	return d != nil && d.Shift != nil && d.RolloutState != RolloutCompleted && d.Shift.Production >= 0 && d.Shift.Production < 100
}

// nextStage returns what follows. A share of the production traffic is followed by the next
// one, with the hooks before it.
func (p *planner) nextStage(arn string) string {
	sh := p.serviceNow(arn).Primary().Shift
	if sh.Stage == StageProductionShift && sh.Production < 100 {
		return StagePreProductionShift
	}
	return sh.after(sh.Stage)
}

// enter begins a stage: its share of the traffic, its hooks, and an event.
func (p *planner) enter(arn, stage string) {
	sh := p.editShift(arn)
	s := p.editService(arn)
	d := s.Primary()
	from := sh.Stage
	sh.Stage, sh.Since, sh.Until = stage, p.in.Now, zeroTime
	switch {
	case sh.Failed != "":
	case stage == StageReconcile:
		sh.Production, sh.Test = 0, 0
	case stage == StageTestShift:
		sh.Test = 100
	case stage == StageProductionShift && sh.Blue == "":
		sh.Production = 100
	case stage == StageProductionShift:
		sh.Production = sh.Config.step(sh.Production)
	}
	d.UpdatedAt, d.Stage = p.in.Now, sh.Lifecycle()
	d.Cause = p.event(timeline.Deployment, s.ARN, d.Cause, stageMessage(s, d, from), stageData(s, d, from))
	p.beginHooks(sh)
}

func stageMessage(s *Service, d *Deployment, from string) string {
	sh := d.Shift
	message := fmt.Sprintf("deployment %s of service %s: ", d.ID, s.Name)
	if from != "" {
		message += from + " → "
	}
	message += sh.Stage
	switch {
	case sh.Stage == StageProductionShift || sh.Stage == StageReconcile:
		message += fmt.Sprintf(" (%s %% of the production traffic)", percent(sh.Production))
	case sh.Stage == StageTestShift:
		message += fmt.Sprintf(" (%s %% of the test traffic)", percent(sh.Test))
	case sh.Stage == StageBake && sh.Blue != "":
		message += fmt.Sprintf(" (%s)", sh.Config.bake())
	}
	return message
}

func stageData(s *Service, d *Deployment, from string) map[string]string {
	data := deploymentData(s, d)
	data["strategy"], data["from"], data["stage"] = d.Shift.Config.Strategy, from, d.Shift.Stage
	data["blue"], data["failed"] = d.Shift.Blue, d.Shift.Failed
	if d.Shift.Production >= 0 {
		data["production"] = percent(d.Shift.Production)
	}
	if d.Shift.Test >= 0 {
		data["test"] = percent(d.Shift.Test)
	}
	return data
}

func percent(share float64) string { return strconv.FormatFloat(share, 'f', -1, 64) }

// worked reports whether a stage has done what it is for.
func (p *planner) worked(arn string) bool {
	s := p.serviceNow(arn)
	d := s.Primary()
	switch d.Shift.Stage {
	case StageReconcile:
		return p.settled(d) && len(s.Deployments) <= 2
	case StageScaleUp, StagePreProductionShift: // no share of the production traffic is for nobody (ECS-448)
		return d.PendingCount == 0 && d.HealthyCount >= s.DesiredCount
	case StageTestShift, StageProductionShift:
		return p.settled(d)
	}
	return true
}

// late sends a deployment back whose stage does not get done (ECS-144). A rollback goes on trying.
func (p *planner) late(arn string) bool {
	sh := p.serviceNow(arn).Primary().Shift
	if sh.Failed != "" || !p.due(sh.Since.Add(stageTimeout)) {
		return false
	}
	p.editShift(arn).GoBack = fmt.Sprintf("the lifecycle stage %s was not completed within %s.", sh.Lifecycle(), hours(stageTimeout))
	return true
}

// waited waits out a stage's bake time, which begins when all else is done.
func (p *planner) waited(arn string) bool {
	sh := p.serviceNow(arn).Primary().Shift
	bake := sh.Config.bake()
	switch {
	case sh.Failed != "" || sh.Blue == "": // nothing runs beside it to go back to
		return true
	case sh.Stage == StageProductionShift && sh.Production < 100:
		bake = sh.Config.stepBake()
	case sh.Stage != StageBake:
		return true
	}
	if sh.Until.IsZero() {
		sh = p.editShift(arn)
		sh.Until = p.in.Now.Add(bake)
	}
	return p.due(sh.Until)
}
