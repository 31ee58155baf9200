package autoscaling

import (
	"context"
	"fmt"
	"time"

	"drydock/cloudwatch"
)

// sweep is the longest time between two looks.
const sweep = 5 * time.Second

// Run scales until ctx ends.
func (s *Scaler) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.poke:
		}
		s.pass(ctx)
		timer.Reset(sweep)
	}
}

// pass looks at every target.
func (s *Scaler) pass(ctx context.Context) {
	targets := s.Targets()
	if len(targets) == 0 {
		return
	}
	alarms := s.alarms.Alarms()
	for _, t := range targets {
		if err := s.settleAlarms(ctx, t.Resource); err != nil && ctx.Err() == nil {
			s.config.Logger.Error("settle a target's alarms", "resource", t.Resource, "error", err)
		}
		cluster, name, _ := names(t.Resource)
		service, found := s.services.ScaledService(cluster, name)
		if !found || ctx.Err() != nil {
			continue
		}
		if err := s.look(ctx, t, service, alarms); err != nil && ctx.Err() == nil {
			s.config.Logger.Error("scale a service", "resource", t.Resource, "error", err)
		}
	}
}

// look does for one target what is to be done now: at most one change.
func (s *Scaler) look(ctx context.Context, t *Target, service Service, alarms []*cloudwatch.Alarm) error {
	now := time.Now().UTC()
	if fulfilled(t.clone().Activities, service, now) {
		if err := s.change(ctx, t, func(x *tx, t *Target) { fulfilled(t.Activities, service, now) }); err != nil {
			return err
		}
	}
	if c := t.unasked(now); c != nil {
		return s.apply(ctx, c)
	}
	for i := range t.Actions {
		if a := &t.Actions[i]; !a.NextAt.IsZero() && !a.NextAt.After(now) {
			return s.runAction(ctx, t, a.Name, service)
		}
	}
	c := decide(now, s.config.Pace, t, service, alarms)
	if c == nil {
		return nil
	}
	var wanted *correction
	err := s.change(ctx, t, func(x *tx, t *Target) { wanted = x.choose(t, c, service) })
	if err != nil {
		return err
	}
	return s.apply(ctx, wanted)
}

// change changes a target unless the API has changed or forgotten it since it was read: then
// the next pass sees to it.
func (s *Scaler) change(ctx context.Context, read *Target, f func(*tx, *Target)) error {
	return s.update(ctx, func(x *tx) error {
		if x.rows[read.Resource] != read {
			s.Poke()
			return nil
		}
		t, err := x.target(read.Resource)
		if err != nil {
			return err
		}
		f(x, t)
		return nil
	})
}

// choose notes a choice before it is carried out.
func (x *tx) choose(t *Target, c *choice, s Service) *correction {
	x.cause = c.alarm.Event
	t.ChangedAt = x.now
	if c.policy.Step != nil {
		t.ActedAt[c.policy.Name] = x.now
	}
	if c.desired > s.Desired {
		t.OutBase, t.OutUntil, t.InUntil = s.Running, x.now.Add(c.cooldown), time.Time{}
	} else {
		t.InUntil = x.now.Add(c.cooldown)
	}
	id := x.begin(t, c.desired, c.cause())
	return &correction{resource: t.Resource, desired: c.desired, activity: id, event: x.events[len(x.events)-1].Seq}
}

// runAction carries a scheduled action out that is due (AAS-021).
func (s *Scaler) runAction(ctx context.Context, t *Target, name string, service Service) error {
	var wanted *correction
	err := s.change(ctx, t, func(x *tx, t *Target) { wanted = x.act(t, name, service) })
	if err != nil {
		return err
	}
	return s.apply(ctx, wanted)
}

func (x *tx) act(t *Target, name string, s Service) *correction {
	a := t.Action(name)
	a.NextAt, _ = a.due(x.now) // it was read when it was put
	if t.Suspended.Scheduled {
		return nil
	}
	if a.Min != nil {
		t.Min = *a.Min
	}
	if a.Max != nil {
		t.Max = *a.Max
	}
	if t.Min > t.Max && a.Min != nil { // one bound pushes the other
		t.Max = t.Min
	}
	t.Min = min(t.Min, t.Max)
	cause := x.event(t, fmt.Sprintf("scheduled action %s: %s scales between %d and %d tasks", name, t.Resource, t.Min, t.Max), map[string]string{"scheduledAction": name})
	c := x.correct(t, s, cause)
	if c != nil {
		t.Activities[0].Cause += " and scheduled action name " + name + " was triggered"
	}
	return c
}
