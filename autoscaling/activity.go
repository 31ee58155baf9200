package autoscaling

import (
	"fmt"
	"time"
)

// begin notes a change that is about to be made, on the timeline too, and returns its activity.
func (x *tx) begin(t *Target, desired int, cause string) (id string) {
	for i := range t.Activities {
		if a := &t.Activities[i]; a.Status == InProgress {
			a.Status, a.Ended, a.Message = Overridden, x.now, "A later change took the place of this one."
		}
	}
	a := Activity{ID: newID(), Text: fmt.Sprintf("Setting desired count to %d.", desired), Cause: cause, Begun: x.now, Status: InProgress, Desired: desired,
		Message: fmt.Sprintf("Successfully set desired count to %d. Waiting for change to be fulfilled by ecs.", desired)}
	t.Activities = append([]Activity{a}, t.Activities...)
	t.Activities = t.Activities[:min(len(t.Activities), activitiesKept)]
	t.Activities[0].Event = x.event(t, fmt.Sprintf("setting the desired count of %s to %d: %s", t.Resource, desired, cause), map[string]string{"activity": a.ID, "desired": fmt.Sprint(desired)})
	return a.ID
}

// answered notes what the scheduler said about a change.
func (x *tx) answered(t *Target, id string, failure error) {
	for i := range t.Activities {
		a := &t.Activities[i]
		if a.ID != id {
			continue
		}
		if a.Asked = true; failure != nil {
			a.Status, a.Ended = Failed, x.now
			a.Message = fmt.Sprintf("Failed to set desired count to %d: %v", a.Desired, failure)
			x.event(t, a.Message, map[string]string{"activity": id})
		}
	}
}

// fulfilled returns the activities with the one in progress ended, if the service has come to
// what it wanted; changed tells whether it has.
func fulfilled(activities []Activity, s Service, now time.Time) (changed bool) {
	for i := range activities {
		a := &activities[i]
		if a.Status != InProgress {
			continue
		}
		switch {
		case s.Desired == a.Desired && s.Running == a.Desired:
			a.Status, a.Ended = Successful, now
			a.Message = fmt.Sprintf("Successfully set desired count to %d. Change successfully fulfilled by ecs.", a.Desired)
			changed = true
		case s.Desired != a.Desired && a.Asked && now.Sub(a.Begun) > time.Second: // somebody else changed it
			a.Status, a.Ended, a.Message = Overridden, now, fmt.Sprintf("The desired count was set to %d meanwhile.", s.Desired)
			changed = true
		}
	}
	return changed
}

// unasked returns what the scheduler was to be asked for, but was not, since this process or one
// before it ended in between; nil if there is nothing. Asking twice does no harm.
func (t *Target) unasked(now time.Time) *correction {
	for i := range t.Activities {
		if a := &t.Activities[i]; a.Status == InProgress && !a.Asked && now.Sub(a.Begun) > time.Second {
			return &correction{resource: t.Resource, desired: a.Desired, activity: a.ID, event: a.Event}
		}
	}
	return nil
}
