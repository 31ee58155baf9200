package timeline

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// exitLag is how much later than the failure of a request the exit behind it may be recorded.
	exitLag = time.Second
	// skew is how far the clocks of the daemon and the node may seem apart.
	skew = 50 * time.Millisecond
)

// scene is one failed request and what surrounded it.
type scene struct {
	*history
	o      Outcome
	task   string // ARN; empty if the target is not known to be a task
	life   *life
	target []Event // states of its target in its target group
	stop   stop
}

// stop is how the task ended, as far as it matters to the request. Events that are not known are zero.
type stop struct {
	intent       Event // the task's desiredStatus became STOPPED
	call         Event // the API call that led there
	term         Event // stop signal
	kill         Event // SIGKILL, or the exit that shows it
	exit         Event // of a container
	deregistered Event // the target became draining or unused, at any time
	byUser       bool  // StopTask
}

func (h *history) scene(o Outcome) *scene {
	s := &scene{history: h, o: o, task: h.taskOf(o)}
	s.life = h.tasks[s.task]
	s.target = s.targetStates()
	s.stop = s.findStop()
	return s
}

// taskOf returns the task behind the target of o.
func (h *history) taskOf(o Outcome) string {
	if o.Target.Task != "" || o.Target.Registration == "" {
		return o.Target.Task
	}
	e, _ := lastBefore(h.groups[o.TargetGroup], o.End, with("registration", o.Target.Registration))
	return e.Data["task"]
}

func (s *scene) targetStates() []Event {
	if s.o.Target.Address == "" {
		return nil
	}
	if s.life != nil {
		return s.life.targetsIn(s.o.TargetGroup)
	}
	var states []Event
	for _, e := range s.groups[s.o.TargetGroup] {
		if e.Data["target"] == s.o.Target.Address {
			states = append(states, e)
		}
	}
	return states
}

// findStop collects how the task ended up to the moment of the failure.
func (s *scene) findStop() stop {
	var st stop
	st.deregistered = s.deregistration()
	if s.life == nil {
		return st
	}
	now := s.o.End.Add(skew)
	isKill := with("signal", "SIGKILL")
	st.term = first(s.life.signals, now, func(e Event) bool { return !isKill(e) })
	st.kill = first(s.life.signals, now, isKill)
	st.intent = first(s.life.states, now, with("desiredStatus", "STOPPED"))
	st.exit = s.exit(st)
	if st.kill.Seq == 0 && isKilled(st.term, st.exit) {
		st.kill = st.exit
	}
	st.call, st.byUser = s.userStop(st)
	return st
}

// first returns the first of events up to t that want accepts.
func first(events []Event, t time.Time, want func(Event) bool) Event {
	for _, e := range events {
		if !e.Time.After(t) && want(e) {
			return e
		}
	}
	return Event{}
}

// exit returns the container exit that can be behind the failure: one recorded a little later
// counts too, unless it follows a signal that was sent after the failure. An essential container's
// memory kill goes before the exits that follow it.
func (s *scene) exit(st stop) Event {
	until := s.o.End.Add(exitLag)
	later, signalled := firstAfter(s.life.signals, s.o.End.Add(skew), anyEvent)
	counts := func(e Event) bool {
		return !signalled || st.term.Seq != 0 || e.Time.Before(later.Time)
	}
	if oom := first(s.life.exits, until, func(e Event) bool { return counts(e) && e.Data["oom"] == "true" }); oom.Seq != 0 {
		return oom
	}
	if exit := first(s.life.exits, until, counts); exit.Seq != 0 {
		return exit
	}
	return first(s.life.exits, s.o.End.Add(noticed), func(e Event) bool { return counts(e) && endedBefore(e, s.o.End) })
}

// isKilled reports whether exit is the end that SIGKILL makes when stopTimeout has passed after term.
func isKilled(term, exit Event) bool {
	timeout, ok := number(term, "stopTimeout")
	if !ok || exit.Data["exitCode"] != "137" || exit.Data["oom"] == "true" {
		return false
	}
	return exit.Time.Sub(term.Time) >= time.Duration(timeout)*time.Second-skew
}

// userStop returns the StopTask call behind the stop, if that is what it was.
func (s *scene) userStop(st stop) (call Event, byUser bool) {
	for _, e := range []Event{st.term, st.kill, st.exit, st.intent} {
		if api, ok := s.origin(e); ok {
			if call.Seq == 0 {
				call = api
			}
			if operation(api) == "StopTask" {
				return api, true
			}
		}
	}
	user := first(s.life.states, s.o.End.Add(skew), with("stopCode", "UserInitiated"))
	if user.Seq == 0 {
		return call, false
	}
	api, _ := s.origin(user)
	return api, true
}

// deregistration returns the event that took the target out of service for good.
func (s *scene) deregistration() Event {
	var gone Event
	for _, e := range slices.Backward(s.target) {
		if e.Data["to"] == "draining" && leaves(e) {
			return e
		}
		if gone.Seq == 0 && leaves(e) {
			gone = e
		}
	}
	return gone
}

// leaves reports whether a target went out of service with e. A registration, which begins as
// unused too, has no state before it.
func leaves(e Event) bool {
	from, to := e.Data["from"], e.Data["to"]
	switch to {
	case "draining":
		return from != to
	case "unused", "":
		return from != "" && from != to
	}
	return false
}

// stillRegistered reports whether the target was not yet deregistered at t.
func (s *scene) stillRegistered(t time.Time) bool {
	d := s.stop.deregistered
	return d.Seq == 0 || d.Time.After(t)
}

// drainDelay returns the deregistration delay, as far as the event that began draining tells it.
func (s *scene) drainDelay() (time.Duration, bool) {
	d := s.stop.deregistered
	until, err := time.Parse(time.RFC3339, d.Data["drainUntil"])
	switch {
	case d.Seq == 0:
		return 0, false
	case err != nil && s.o.Cause == DeregDelayElapsed:
		until = s.o.End // that is when it was over
	case err != nil:
		return 0, false
	}
	delay := until.Sub(d.Time)
	if until.Nanosecond() == 0 { // the fraction was cut off
		delay += time.Second/2 - time.Nanosecond
	}
	return delay.Round(time.Second), true // ALB takes whole seconds
}

// taskStatus returns the task's status at t, and the event that shows it.
func (s *scene) taskStatus(t time.Time) (string, Event) {
	e, _ := s.life.stateAt(t)
	return e.Data["to"], e
}

// targetState returns the target's health state at t, and the event that shows it.
func (s *scene) targetState(t time.Time) (string, Event) {
	e, _ := lastBefore(s.target, t, anyEvent)
	return e.Data["to"], e
}

// chosenState returns the target's health state when the load balancer chose it.
func (s *scene) chosenState() string {
	state, _ := s.targetState(s.o.Start)
	return cmp.Or(s.o.Target.State, state, "unknown")
}

// definition returns the task's task definition as family:revision.
func (s *scene) definition() string { return last(s.life.data("taskDefinition", s.o.End)) }

// ownService returns the service of the task, or of the target group if there was no target.
func (s *scene) ownService() string {
	return cmp.Or(s.life.data("service", s.o.End), s.owners[s.o.TargetGroup])
}

// decision returns the scheduler's last decision about the service, at the request's start or before.
func (s *scene) decision(want func(Event) bool) (Event, bool) {
	return lastBefore(s.service(s.ownService()), s.o.Start.Add(skew), func(e Event) bool {
		return e.Kind == Decision && want(e)
	})
}

// emptied returns the event that took the last target out of the request's target group.
func (s *scene) emptied() Event {
	e, _ := lastBefore(s.groups[s.o.TargetGroup], s.o.Start.Add(skew), leaves)
	return e
}

// stopsTask reports whether a decision stops a task.
func stopsTask(e Event, task string) bool {
	return task != "" && slices.Contains(strings.Fields(e.Data["stop"]), task)
}

// number returns the number under key in e's data.
func number(e Event, key string) (int, bool) {
	n, err := strconv.Atoi(e.Data[key])
	return n, err == nil
}
