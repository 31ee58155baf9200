package timeline

import "strings"

// The rules for 503 (WHY-003): why is there no target to choose?

// nothingDesired: the service's desiredCount is 0.
func nothingDesired(s *scene) (finding, bool) {
	decision, ok := s.decision(func(e Event) bool { return e.Data["desired"] != "" })
	if !ok || decision.Data["desired"] != "0" {
		return no()
	}
	return because(NoDesiredTasks, Certain, decision)
}

// lastTaskStopped: the target that left last belonged to a task that StopTask stopped.
func lastTaskStopped(s *scene) (finding, bool) {
	left := s.emptied()
	call, ok := s.origin(left)
	if ok && operation(call) == "StopTask" {
		return because(LastTaskStopped, Certain, left)
	}
	if _, failed := s.failure(s.lifeOf(left)); failed || s.lifeOf(left).data("stopCode", s.o.Start) != "UserInitiated" {
		return no()
	}
	return because(LastTaskStopped, Likely, left)
}

// lifeOf returns the life of the task whose target e tells of.
func (s *scene) lifeOf(e Event) *life { return s.tasks[e.Data["task"]] }

// oldTasksStoppedFirst: the deployment was allowed to stop every old task before a new one was healthy.
func oldTasksStoppedFirst(s *scene) (finding, bool) {
	left := s.emptied()
	decision, ok := s.decision(func(e Event) bool {
		return stopsTask(e, left.Data["task"]) || left.Seq == 0 && e.Data["stop"] != ""
	})
	if floor, known := number(decision, "min"); !ok || !known || floor != 0 || decision.Data["desired"] == "0" {
		return no()
	}
	if left.Seq == 0 {
		return because(StoppedFirst, Likely, decision)
	}
	return because(StoppedFirst, Certain, decision)
}

// noTaskSurvived: the task whose target left last had failed.
func noTaskSurvived(s *scene) (finding, bool) {
	left := s.emptied()
	if end, ok := s.failure(s.lifeOf(left)); ok {
		return because(NoTaskSurvived, Certain, end)
	}
	latest := s.lastFailureOf(s.ownService())
	if latest.Seq == 0 {
		return no()
	}
	return because(NoTaskSurvived, Likely, latest)
}

// lastFailureOf returns the event that shows the last failure of a service's task.
func (s *scene) lastFailureOf(service string) Event {
	var latest Event
	for _, l := range s.tasks {
		end, ok := s.failure(l)
		if !ok || service == "" || last(l.data("service", s.o.Start)) != last(service) {
			continue
		}
		if order := end.Time.Compare(latest.Time); order > 0 || order == 0 && end.Seq > latest.Seq {
			latest = end
		}
	}
	return latest
}

// failure returns the event that shows that a task failed, at the request's start or before.
func (s *scene) failure(l *life) (Event, bool) {
	if l == nil {
		return Event{}, false
	}
	return lastBefore(l.states, s.o.Start.Add(skew), func(e Event) bool {
		code := e.Data["stopCode"]
		return code == "EssentialContainerExited" || code == "TaskFailedToStart" || strings.Contains(e.Data["reason"], "failed") || strings.Contains(e.Data["reason"], "from outside")
	})
}

// notRegisteredYet: nothing is wrong with the group's tasks, they are still on their way.
func notRegisteredYet(s *scene) (finding, bool) {
	states := s.groups[s.o.TargetGroup]
	_, began := lastBefore(states, s.o.Start, anyEvent)
	root, ok := s.decision(func(e Event) bool { return e.Data["start"] != "" })
	if !ok && !began {
		root, ok = lastBefore(s.service(s.ownService()), s.o.Start.Add(skew), anyEvent)
	}
	if !ok || s.emptied().Time.After(root.Time) {
		return no()
	}
	if _, came := firstAfter(states, s.o.Start, with("to", "initial", "healthy")); came {
		return because(NotRegisteredYet, Certain, root)
	}
	return because(NotRegisteredYet, Likely, root)
}
