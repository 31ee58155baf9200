package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/timeline"
)

// AlarmState is the state in which an alarm fails deployments.
const AlarmState = "ALARM"

// alarmSight is one look at the alarms that deployments name, by name.
type alarmSight struct {
	states  map[string]string
	windows map[string]time.Duration // how far back they look
	events  map[string]int64         // that tell of their last change of state
}

// alarmStates looks at the alarms that deployments name. The caller is the one who writes.
func (c *Controller) alarmStates() alarmSight {
	var names []string
	for _, s := range c.services {
		if s.Config.Alarms.Enable && s.Status == ServiceActive {
			names = append(names, s.Config.Alarms.Names...)
		}
	}
	if c.config.Alarms == nil || len(names) == 0 {
		return alarmSight{}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	seen := alarmSight{states: c.config.Alarms.States(names)}
	if w, ok := c.config.Alarms.(AlarmWindows); ok {
		seen.windows = w.Windows(names)
	}
	if e, ok := c.config.Alarms.(AlarmEvents); ok {
		seen.events = map[string]int64{}
		for _, name := range names {
			seen.events[name] = e.StateEvent(name)
		}
	}
	return seen
}

// watchAlarms fails a deployment when one of its alarms goes into ALARM. Alarms that are in
// ALARM when it begins are ignored, all of them, for as long as it lasts (ECS-409).
func (p *planner) watchAlarms(arn string) {
	s := p.serviceNow(arn)
	d := s.Primary()
	if !s.Config.Alarms.Enable || s.Status != ServiceActive || d.RolloutState != RolloutInProgress || d.Watch == AlarmsIgnored ||
		d.Shift != nil && d.Shift.Stage == StageCleanUp { // blue is on its way out
		return
	}
	ringing := p.ringing(s)
	switch {
	case d.Watch == "":
		p.beginWatch(arn, ringing)
	case len(ringing) > 0:
		if r := p.editRecord(d.Record); r != nil {
			r.Alarms.Status, r.Alarms.Triggered = MonitorTriggered, ringing
		}
		if cause := p.in.AlarmEvents[ringing[0]]; cause != 0 {
			p.editService(arn).Primary().Cause = cause
		}
		p.fail(arn, byAlarm(s.Config.Alarms.Rollback, ringing))
	}
}

// beginWatch decides whether a deployment's alarms count, and says so.
func (p *planner) beginWatch(arn string, ringing []string) {
	s := p.editService(arn)
	d := s.Primary()
	names := strings.Join(s.Config.Alarms.Names, ", ")
	said := fmt.Sprintf("deployment %s of service %s: its alarms are watched: %s", d.ID, s.Name, names)
	if d.Watch = AlarmsWatched; len(ringing) > 0 {
		d.Watch = AlarmsIgnored
		said = fmt.Sprintf("deployment %s of service %s: its alarms are ignored, for %s was in ALARM when it began", d.ID, s.Name, strings.Join(ringing, ", "))
	}
	p.event(timeline.Alarm, arn, d.Cause, said, deploymentData(s, d))
	for _, name := range s.Config.Alarms.Names {
		if _, known := p.in.Alarms[name]; !known {
			p.event(timeline.Warning, arn, d.Cause, fmt.Sprintf("deployment %s of service %s: there is no alarm %s: it cannot fail the deployment", d.ID, s.Name, name), deploymentData(s, d))
		}
	}
}

// ringing returns the service's alarms that are in ALARM.
func (p *planner) ringing(s *Service) []string {
	var names []string
	for _, name := range s.Config.Alarms.Names {
		if p.in.Alarms[name] == AlarmState {
			names = append(names, name)
		}
	}
	return names
}

// baked reports whether a deployment that is done otherwise has been watched long enough
// (ECS-410).
func (p *planner) baked(arn string) bool {
	s := p.serviceNow(arn)
	d := s.Primary()
	if !s.Config.Alarms.Enable || d.Watch != AlarmsWatched {
		return true
	}
	if d.BakeUntil.IsZero() {
		d = p.editService(arn).Primary()
		d.BakeUntil = p.in.Now.Add(p.bake(s))
	}
	return p.due(d.BakeUntil)
}

// bake returns how long the service's deployments bake: as long as its alarms look back.
func (p *planner) bake(s *Service) time.Duration {
	longest := time.Duration(0)
	for _, name := range s.Config.Alarms.Names {
		longest = max(longest, p.in.Windows[name])
	}
	if longest == 0 {
		return p.in.Pace.AlarmBake
	}
	return longest
}

// byAlarm is the failure of a deployment by its alarms.
func byAlarm(rollback bool, names []string) failure {
	return failure{
		reason: "ECS deployment failed: alarm detected.", event: "alarm detected", rollback: rollback,
		back: "ECS deployment alarm", why: "Service deployment rolled back because of an alarm: " + strings.Join(names, ", ") + ".",
	}
}
