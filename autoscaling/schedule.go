package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ScheduledAction sets a target's bounds at certain times.
type ScheduledAction struct {
	Name      string    `json:"name"`
	ARN       string    `json:"arn"`
	Schedule  string    `json:"schedule"` // at(…), rate(…), cron(…)
	Zone      string    `json:"zone,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`
	Min       *int      `json:"min,omitempty"`
	Max       *int      `json:"max,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	NextAt    time.Time `json:"nextAt,omitzero"` // when it is due; zero: never again
}

// schedule says when something is to happen.
type schedule interface {
	// next returns the first time after a time, zero if there is none.
	next(after time.Time) time.Time
}

// parseSchedule reads an expression of AWS's three forms (AAS-020).
func parseSchedule(text, zone string, begun time.Time) (schedule, error) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, invalid("Invalid timezone: %s", zone)
	}
	form, rest, _ := strings.Cut(text, "(")
	inside, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return nil, badSchedule(text)
	}
	switch form {
	case "at":
		at, err := time.ParseInLocation("2006-01-02T15:04:05", inside, location)
		if err != nil {
			return nil, badSchedule(text)
		}
		return once(at), nil
	case "rate":
		return parseRate(text, inside, begun)
	case "cron":
		return parseCron(text, inside, location)
	}
	return nil, badSchedule(text)
}

func badSchedule(text string) *Error {
	return invalid("Schedule expression %s is invalid: it must be at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields).", text)
}

// once is at(…).
type once time.Time

func (o once) next(after time.Time) time.Time {
	if time.Time(o).After(after) {
		return time.Time(o)
	}
	return time.Time{}
}

// rate is rate(…): every so often from when it begun.
type rate struct {
	begun time.Time
	every time.Duration
}

func (r rate) next(after time.Time) time.Time {
	if after.Before(r.begun) {
		return r.begun
	}
	return r.begun.Add((after.Sub(r.begun)/r.every + 1) * r.every)
}

func parseRate(text, inside string, begun time.Time) (schedule, error) {
	number, unit, _ := strings.Cut(inside, " ")
	n, err := strconv.Atoi(number)
	length := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(unit, "s")]
	if err != nil || n < 1 || length == 0 || n > 10_000 {
		return nil, badSchedule(text)
	}
	return rate{begun, time.Duration(n) * length}, nil
}

// due returns when the action is next due after a time, within its start and end.
func (a *ScheduledAction) due(after time.Time) (time.Time, error) {
	begun := a.CreatedAt
	if !a.Start.IsZero() {
		begun = a.Start
	}
	s, err := parseSchedule(a.Schedule, a.Zone, begun)
	if err != nil {
		return time.Time{}, err
	}
	if !a.Start.IsZero() && after.Before(a.Start) {
		after = a.Start.Add(-1)
	}
	at := s.next(after)
	if !a.End.IsZero() && at.After(a.End) {
		at = time.Time{}
	}
	return at, nil
}

// PutScheduledAction makes a scheduled action, or changes one: what is given takes the place of
// what was there.
func (s *Scaler) PutScheduledAction(ctx context.Context, resource string, a ScheduledAction) error {
	return s.update(ctx, func(x *tx) error {
		t, err := x.target(resource)
		if err != nil {
			return err
		}
		a.ARN, a.CreatedAt = s.actionARN(resource, a.Name), x.now
		if old := t.Action(a.Name); old != nil {
			a.keep(old)
		}
		if err := a.check(); err != nil {
			return err
		}
		if a.NextAt, err = a.due(x.now); err != nil {
			return err
		}
		if strings.HasPrefix(a.Schedule, "at(") && a.NextAt.IsZero() {
			return invalid("Scheduled action's time is in the past: %s", a.Schedule)
		}
		t.Actions = slices.DeleteFunc(t.Actions, func(b ScheduledAction) bool { return b.Name == a.Name })
		t.Actions = append(t.Actions, a)
		x.event(t, fmt.Sprintf("scheduled action %s of %s: %s", a.Name, resource, a.Schedule), nil)
		return nil
	})
}

// keep takes over what a call that changes an action does not name.
func (a *ScheduledAction) keep(old *ScheduledAction) {
	a.ARN, a.CreatedAt = old.ARN, old.CreatedAt
	if a.Schedule == "" {
		a.Schedule = old.Schedule
	}
	if a.Min == nil && a.Max == nil {
		a.Min, a.Max = old.Min, old.Max
	}
}

func (a *ScheduledAction) check() error {
	switch {
	case a.Schedule == "":
		return invalid("Schedule must be specified for a new scheduled action.")
	case a.Min == nil && a.Max == nil:
		return invalid("ScalableTargetAction must have at least one of MinCapacity and MaxCapacity.")
	case a.Min != nil && a.Max != nil && *a.Min > *a.Max:
		return invalid("Maximum capacity cannot be less than minimum capacity")
	case !a.Start.IsZero() && !a.End.IsZero() && !a.Start.Before(a.End):
		return invalid("StartTime must be before EndTime.")
	}
	return nil
}

// DeleteScheduledAction deletes a scheduled action.
func (s *Scaler) DeleteScheduledAction(ctx context.Context, resource, name string) error {
	return s.update(ctx, func(x *tx) error {
		t, err := x.target(resource)
		if err != nil || t.Action(name) == nil {
			return noAction(resource, name)
		}
		t.Actions = slices.DeleteFunc(t.Actions, func(a ScheduledAction) bool { return a.Name == name })
		return nil
	})
}
