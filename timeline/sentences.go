package timeline

import (
	"cmp"
	"fmt"
	"time"
)

// The sentences that depend on what is known.

func tellStopTask(t *telling) string {
	by := ""
	if caller := callerName(t.stop.call.Data["caller"]); caller != "" {
		by = " by " + caller
	}
	return fmt.Sprintf("%s was stopped with StopTask%s while its target was still registered (%s); it %s%s.",
		t.whoFirst(), by, t.first.chosenState(), t.damage(), t.untilDeregistered())
}

// untilDeregistered says when the target left service, counted from the stop signal.
func (t *telling) untilDeregistered() string {
	d, from := t.stop.deregistered, firstKnown(t.stop.term, t.stop.exit)
	if d.Seq == 0 {
		return "; the target is still registered"
	}
	if d.Time.Before(from.Time) {
		return ""
	}
	return " until ECS deregistered it " + seconds(d.Time.Sub(from.Time)) + " after the stop signal"
}

func tellSignalFirst(t *telling) string {
	term, d := t.stop.term, t.stop.deregistered
	order := "and its target has not been deregistered"
	if d.Seq != 0 {
		order = seconds(d.Time.Sub(term.Time)) + " before its target was deregistered"
	}
	return fmt.Sprintf("ECS sent %s to %s %s; the task %s%s.", signalOf(term), t.who(), order, t.damage(), t.byCall(term))
}

func signalOf(e Event) string { return cmp.Or(e.Data["signal"], "SIGTERM") }

func tellDrainLag(t *telling) string {
	d := t.stop.deregistered
	text := fmt.Sprintf("%s was chosen %s after its deregistration began, and ", t.whoFirst(), seconds(t.o.Start.Sub(d.Time)))
	switch {
	case t.stop.exit.Seq != 0:
		return text + fmt.Sprintf("its container %s had exited by then: it %s.", t.stop.exit.Data["container"], t.damage())
	case t.stop.term.Seq != 0:
		return text + fmt.Sprintf("it had stopped listening at %s: it %s.", signalOf(t.stop.term), t.damage())
	}
	return text + "it no longer listened: it " + t.damage() + "."
}

func tellExitedAtSignal(t *telling) string {
	term, exit := t.stop.term, t.stop.exit
	text := fmt.Sprintf("ECS sent %s to %s%s", signalOf(term), t.who(), t.byCall(term))
	if exit.Seq == 0 {
		return text + fmt.Sprintf("; the task %s, the longest %s old.", t.damage(), seconds(t.longest()))
	}
	return text + fmt.Sprintf("; its container %s exited %s %s later and %s, the longest %s old.",
		exit.Data["container"], exit.Data["exitCode"], seconds(exit.Time.Sub(term.Time)), t.damage(), seconds(t.longest()))
}

func tellStopTimeout(t *telling) string {
	term := t.stop.term
	return fmt.Sprintf("ECS sent SIGKILL to %s%s: stopTimeout %s had passed since %s and it was still working; that %s, the longest %s old.",
		t.who(), t.byCall(term), cmp.Or(t.stopTimeout().Value, seconds(t.stop.kill.Time.Sub(term.Time))), signalOf(term), t.damage(), seconds(t.longest()))
}

func tellOutOfMemory(t *telling) string {
	return fmt.Sprintf("Container %s of %s was killed at its memory limit (OutOfMemoryError, exit code %s) while its target was %s; the task %s.",
		t.stop.exit.Data["container"], t.who(), cmp.Or(t.stop.exit.Data["exitCode"], "137"), t.first.chosenState(), t.damage())
}

func tellContainerExit(t *telling) string {
	exit := t.stop.exit
	how := "was removed from outside"
	if code := exit.Data["exitCode"]; code != "" {
		how = "exited with code " + code + ", and nothing had asked it to"
	}
	return fmt.Sprintf("Container %s of %s %s; its target was still registered (%s) and %s.",
		exit.Data["container"], t.who(), how, t.first.chosenState(), t.damage())
}

func tellContainerRestart(t *telling) string {
	exit := t.root
	how := "exited with code " + cmp.Or(exit.Data["exitCode"], "unknown")
	if exit.Data["oom"] == "true" {
		how = "was killed at its memory limit (OutOfMemoryError, exit code " + cmp.Or(exit.Data["exitCode"], "137") + ")"
	}
	text := fmt.Sprintf("Container %s of %s %s and its restartPolicy started it again in place", exit.Data["container"], t.who(), how)
	if _, back := t.life.bounce(exit.Time); back.Seq != 0 {
		text += ", " + seconds(back.Time.Sub(exit.Time)) + " later"
	}
	return fmt.Sprintf("%s; its target stayed registered (%s) and %s.", text, t.first.chosenState(), t.damage())
}

func tellNotListeningYet(t *telling) string {
	text := fmt.Sprintf("No target of %s was healthy, so the load balancer failed open to %s, which was still initial and not listening on %s yet; it %s.",
		t.group(), t.who(), t.o.Target.Address, t.damage())
	if healthy, ok := firstAfter(t.target, t.o.Start, with("to", "healthy")); ok {
		text += " It became healthy " + seconds(healthy.Time.Sub(t.window.From)) + " after the first failure."
	}
	return text
}

func tellFailedOpen(t *telling) string {
	why := t.root.Data["description"]
	if why = cmp.Or(t.root.Data["detail"], why, t.root.Data["reason"]); why != "" {
		why = " (" + why + ")"
	}
	return fmt.Sprintf("No target of %s was healthy, so the load balancer failed open to %s, which was unhealthy%s; it %s on %s.",
		t.group(), t.who(), why, t.damage(), t.o.Target.Address)
}

func tellKeepAlive(t *telling) string {
	c := t.first.o.Connection
	text := fmt.Sprintf("%s closed an idle connection just as the load balancer sent a request on it", t.whoFirst())
	if c.Idle > 0 {
		text += fmt.Sprintf(": it had been idle for %s", exactly(c.Idle))
	}
	if c.Nth > 1 {
		text += fmt.Sprintf(", and this was request %d on it", c.Nth)
	}
	if n := len(t.members); n > 1 {
		text += fmt.Sprintf(" (the first of %s)", plural(n, "request"))
	}
	if idle := t.idleTimeout(); idle.Value != "" {
		return text + ". idle_timeout.timeout_seconds is " + idle.Value + "."
	}
	return text + "."
}

func tellDeregShort(t *telling) string {
	delay := t.deregDelay().Value
	if delay != "" {
		delay = " of " + delay
	}
	return fmt.Sprintf("The load balancer itself cut %s at the end of the deregistration delay%s; %s was still working, the longest request was %s old%s.",
		plural(len(t.members), "request"), delay, t.who(), seconds(t.longest()), t.byCall(t.root))
}

func tellIdleTimeout(t *telling) string {
	return fmt.Sprintf("%s sent nothing for %s after the request; the load balancer gave up.%s%s", t.whoFirst(),
		cmp.Or(t.idleTimeout().Value, exactly(t.longest())), t.detail(), t.epilogue())
}

// epilogue says what the target did after nobody waited for it any more.
func (t *telling) epilogue() string {
	e := t.first.o.Epilogue
	switch {
	case e == nil:
		return ""
	case e.Status != 0:
		return fmt.Sprintf(" The target answered %d after %s, to nobody.", e.Status, exactly(e.After))
	}
	return fmt.Sprintf(" The target had not answered after %s (%s).", exactly(e.After), e.Detail)
}

func tellTargetTLS(t *telling) string {
	what := "did not agree on a TLS session with the load balancer"
	if t.o.Cause == TargetTLSTimeout {
		what = "did not finish the TLS handshake within 10 s"
	}
	return fmt.Sprintf("%s %s on %s, which the HTTPS %s asks for.%s", t.whoFirst(), what, t.o.Target.Address, t.group(), t.detail())
}

func tellProtocolVersion(t *telling) string {
	o := t.first.o
	return fmt.Sprintf("The client's %s %s does not fit the protocol version of %s; no target was asked.%s", cmp.Or(o.Proto, "HTTP"), o.Method, t.group(), t.detail())
}

func tellFrozen(t *telling) string {
	return fmt.Sprintf("%s accepted connections but answered neither requests (the load balancer gave up after %s) nor health checks (Target.Timeout).",
		t.whoFirst(), seconds(t.longest()))
}

func tellSecurityGroup(t *telling) string {
	if blocked := t.root.Data["blocked"]; blocked != "" {
		return fmt.Sprintf("Connections to %s on %s got no answer for 10 s: %s%s.", t.who(), t.o.Target.Address, blocked, t.byCall(t.root))
	}
	return fmt.Sprintf("Connections to %s on %s got no answer for 10 s, since a security group changed %s before the first failure: %s%s.",
		t.who(), t.o.Target.Address, seconds(t.window.From.Sub(t.root.Time)), describe(t.root), t.byCall(t.root))
}

func tellFault(t *telling) string {
	return fmt.Sprintf("A fault had been injected into %s on purpose, %s before the first failure: %s%s.",
		t.who(), seconds(max(0, t.window.From.Sub(t.root.Time))), t.root.Data["what"], t.byCall(t.root))
}

func tellAddressGone(t *telling) string {
	return fmt.Sprintf("%s had been gone for %s and its address %s with it, but its target was still %s%s.",
		t.whoFirst(), seconds(t.first.o.Start.Sub(t.root.Time)), t.o.Target.Address, t.first.chosenState(), t.byCall(t.root))
}

// gap says for how long the target group was empty.
func (t *telling) gap() string {
	left, back := t.first.emptied(), t.refilled()
	switch {
	case left.Seq != 0 && back.Seq != 0:
		return fmt.Sprintf("%s had no target for %s", t.group(), seconds(back.Time.Sub(left.Time)))
	case left.Seq != 0:
		return fmt.Sprintf("%s has had no target since %s", t.group(), left.Time.Format(time.TimeOnly))
	}
	return t.group() + " had no target"
}

func (t *telling) serviceName() string { return "service " + cmp.Or(last(t.ownService()), "unknown") }

func tellNothingDesired(t *telling) string {
	return fmt.Sprintf("The desiredCount of %s is 0%s; %s.", t.serviceName(), t.byCall(t.root), t.gap())
}

func tellLastTaskStopped(t *telling) string {
	return fmt.Sprintf("The only task of %s, %s, was stopped with StopTask%s; %s.",
		t.serviceName(), taskID(t.root.Data["task"]), t.byCall(t.root), t.gap())
}

func tellStoppedFirst(t *telling) string {
	ceiling := ""
	if n, ok := number(t.root, "max"); ok {
		ceiling = fmt.Sprintf(" and maximumPercent at most %s", plural(n, "task"))
	}
	return fmt.Sprintf("A deployment of %s%s stopped its old tasks before a new one was healthy: minimumHealthyPercent asks for 0 healthy tasks%s; %s.",
		t.serviceName(), t.byCall(t.root), ceiling, t.gap())
}

func tellNoTaskSurvived(t *telling) string {
	return fmt.Sprintf("The tasks of %s failed, last %s (%s); %s.", t.serviceName(), taskID(subject(t.root, "task")),
		cmp.Or(t.root.Data["reason"], t.root.Data["stopCode"]), t.gap())
}

func tellNotRegisteredYet(t *telling) string {
	text := fmt.Sprintf("%s was still starting its tasks%s: %s had no registered target", capital(t.serviceName()), t.byCall(t.root), t.group())
	if back := t.refilled(); back.Seq != 0 {
		return text + fmt.Sprintf(" until %s after the first failure.", seconds(back.Time.Sub(t.window.From)))
	}
	return text + " yet."
}

func tellTargetMade(t *telling) string {
	return fmt.Sprintf("%s answered %d itself; the load balancer only passed it on.", t.whoFirst(), cmp.Or(t.o.TargetStatus, t.o.Status))
}

// tellUnknown gives the facts and admits that they explain nothing.
func tellUnknown(t *telling) string {
	o := t.first.o
	text := fmt.Sprintf("I don't know. The load balancer saw %s", cmp.Or(string(o.Cause), "no cause"))
	if o.Target.Address != "" {
		text += " from " + t.who() + " at " + o.Target.Address
	} else if o.TargetGroup != "" {
		text += " at " + t.group()
	}
	if status, _ := t.first.taskStatus(o.Start); status != "" {
		text += "; the task was " + status
	}
	if o.Target.Address != "" {
		text += "; its target was " + t.first.chosenState()
	}
	return text + "." + t.detail()
}
