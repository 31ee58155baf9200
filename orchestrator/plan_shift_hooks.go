package orchestrator

import (
	"fmt"
	"slices"

	"drydock/timeline"
)

// beginHooks writes down the runs of a stage's hooks: the intent, before any is called.
func (p *planner) beginHooks(sh *Shift) {
	for _, h := range sh.Config.hooksAt(sh.Stage) {
		timeout, action := h.timeout()
		run := HookRun{
			ID: uuid(p.in.ID), Stage: sh.Stage, Type: h.Type, Target: h.Target, Status: HookInProgress, Call: 1, CallAt: p.in.Now,
			ExpiresAt: p.in.Now.Add(timeout), TimeoutAction: action, Details: h.Details,
		}
		if h.Type == HookPause {
			if sh.Failed != "" {
				continue
			}
			run.Status = HookAwaiting
		}
		sh.Hooks = append(sh.Hooks, run)
	}
	for len(sh.Hooks) > keptHooks && !sh.Hooks[0].open() {
		sh.Hooks = slices.Delete(sh.Hooks, 0, 1)
	}
}

// hooksDone reports whether all hooks of the stage have ended well. One that did not sends the
// deployment back. They run one after the other.
func (p *planner) hooksDone(arn string) bool {
	sh := p.serviceNow(arn).Primary().Shift
	for n := range sh.Hooks {
		h := sh.Hooks[n]
		switch {
		case !h.open():
			continue
		case h.Decision != "":
			p.decided(arn, n)
		case p.due(h.ExpiresAt):
			p.timedOut(arn, n)
		case h.Type != HookPause && p.due(h.CallAt):
			p.plan.Actions = append(p.plan.Actions, Action{Kind: CallHook, Service: arn, Hook: h.ID, Call: h.Call, Cause: p.serviceNow(arn).Primary().Cause})
			return false
		default:
			return false
		}
		if p.serviceNow(arn).Primary().Shift.GoBack != "" {
			return false
		}
	}
	return true
}

// decided ends a pause as ContinueServiceDeployment said.
func (p *planner) decided(arn string, n int) {
	if p.serviceNow(arn).Primary().Shift.Hooks[n].Decision == HookContinue {
		p.endHook(arn, n, HookSucceeded, "it was continued", "")
		return
	}
	p.endHook(arn, n, HookFailed, "it was told to roll back", "it was rolled back at a pause.")
}

func (p *planner) timedOut(arn string, n int) {
	h := p.serviceNow(arn).Primary().Shift.Hooks[n]
	why := ""
	if h.TimeoutAction != HookContinue {
		why = fmt.Sprintf("the lifecycle hook at %s timed out.", h.Stage)
	}
	p.endHook(arn, n, HookTimedOut, "it timed out", why)
}

// endHook ends a run. A reason to go back counts unless the deployment is going back already.
func (p *planner) endHook(arn string, n int, status, how, why string) {
	sh := p.editShift(arn)
	h := &sh.Hooks[n]
	h.Status = status
	if sh.Failed == "" {
		sh.GoBack = why
	}
	s := p.editService(arn)
	d := s.Primary()
	data := stageData(s, d, sh.Stage)
	data["hook"], data["hookStatus"], data["hookTarget"] = h.ID, status, withoutPassword(h.Target)
	d.Cause = p.event(timeline.Deployment, s.ARN, d.Cause,
		fmt.Sprintf("deployment %s of service %s: hook %s at %s is %s: %s", d.ID, s.Name, h.name(), h.Stage, status, how), data)
}

// name is what people know a hook by.
func (h *HookRun) name() string {
	if h.Type == HookPause {
		return HookPause
	}
	return withoutPassword(h.Target)
}

// hookResult takes in the answer of a hook. One to a run that is over changes nothing.
func (p *planner) hookResult(r Result) {
	sh := p.serviceNow(r.Service).Primary().Shift
	n := slices.IndexFunc(sh.Hooks, func(h HookRun) bool { return h.ID == r.Hook && h.Call == r.Call })
	if n < 0 || !sh.Hooks[n].open() {
		return
	}
	switch {
	case r.Err != nil:
		p.endHook(r.Service, n, HookFailed, r.Err.Error(), fmt.Sprintf("the lifecycle hook at %s failed: %v.", sh.Hooks[n].Stage, r.Err))
	case r.Answer.Status == HookSucceeded:
		p.endHook(r.Service, n, HookSucceeded, "it said so", "")
	case r.Answer.Status == HookFailed:
		p.endHook(r.Service, n, HookFailed, "it said so", fmt.Sprintf("the lifecycle hook at %s returned FAILED.", sh.Hooks[n].Stage))
	default:
		sh = p.editShift(r.Service)
		h := &sh.Hooks[n]
		h.Call++
		h.CallAt = p.in.Now.Add(r.Answer.Delay)
		h.Details = merged(h.Details, r.Answer.Details)
	}
}
