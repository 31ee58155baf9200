package cloudwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PutMetricAlarm makes an alarm, or changes one but for its state, tags and history.
func (m *Monitor) PutMetricAlarm(ctx context.Context, spec AlarmSpec) error {
	if err := spec.check(); err != nil {
		return err
	}
	return m.update(ctx, func(t *tx) error {
		a := &Alarm{ARN: m.ARN(spec.Name), State: InsufficientData, Reason: unchecked, StateAt: t.now, TransitionedAt: t.now}
		verb := "created"
		if old := t.get(spec.Name); old != nil {
			a, verb, spec.Tags = old.clone(), "updated", old.Tags
		}
		a.AlarmSpec, a.ConfiguredAt = spec, t.now
		a.remember(HistoryItem{At: t.now, Type: "ConfigurationUpdate", Summary: fmt.Sprintf("Alarm %q %s", a.Name, verb), Data: configuration(a, verb)})
		t.next[a.Name] = a
		t.event(a.ARN, fmt.Sprintf("alarm %s %s: %s", a.Name, verb, spec.String()), map[string]string{"alarm": a.Name, "metric": a.Metric.String()})
		t.warnOfActions(a)
		return nil
	})
}

// warnOfActions says which actions nobody carries out here.
func (t *tx) warnOfActions(a *Alarm) {
	var idle []string
	for _, action := range slices.Concat(a.AlarmActions, a.OKActions, a.NoDataActions) {
		if !strings.HasPrefix(action, "arn:aws:autoscaling:") {
			idle = append(idle, action)
		}
	}
	if len(idle) > 0 {
		t.event(a.ARN, fmt.Sprintf("alarm %s: drydock carries out scaling policies only, not %s", a.Name, strings.Join(idle, ", ")), map[string]string{"alarm": a.Name, "ignored": strings.Join(idle, " ")})
	}
}

func configuration(a *Alarm, verb string) string {
	text, _ := json.Marshal(map[string]any{"version": "1.0", "type": strings.ToUpper(verb[:1]) + strings.TrimSuffix(verb[1:], "d"), "updatedAlarm": a.AlarmSpec}) // always encodes
	return string(text[:min(len(text), 4095)])
}

// DeleteAlarms deletes alarms: all, or none if one of them does not exist (CW-016).
func (m *Monitor) DeleteAlarms(ctx context.Context, names []string) error {
	return m.update(ctx, func(t *tx) error {
		for _, name := range names {
			if t.get(name) == nil {
				return notFound()
			}
		}
		for _, name := range names {
			t.event(m.ARN(name), "alarm "+name+" deleted", map[string]string{"alarm": name})
			t.next[name] = nil
		}
		return nil
	})
}

func notFound() *Error { return refuse("ResourceNotFound", "") }

// SetAlarmState puts an alarm into a state until it is evaluated again.
func (m *Monitor) SetAlarmState(ctx context.Context, name, state, reason, data string) error {
	if data != "" && !json.Valid([]byte(data)) {
		return refuse("InvalidFormat", "StateReasonData must be valid JSON.")
	}
	return m.update(ctx, func(t *tx) error {
		old := t.get(name)
		if old == nil {
			return notFound()
		}
		a := old.clone()
		t.enter(a, state, reason, data)
		t.next[name] = a
		return nil
	})
}

// SetActionsEnabled enables or disables the actions of alarms; those that do not exist are
// ignored, as AWS does.
func (m *Monitor) SetActionsEnabled(ctx context.Context, names []string, enabled bool) error {
	return m.update(ctx, func(t *tx) error {
		for _, name := range names {
			if old := t.get(name); old != nil && old.ActionsEnabled != enabled {
				a := old.clone()
				a.ActionsEnabled = enabled
				t.next[name] = a
				verb := "disabled"
				if enabled {
					verb = "enabled"
				}
				t.event(a.ARN, fmt.Sprintf("the actions of alarm %s were %s", name, verb), map[string]string{"alarm": name})
			}
		}
		return nil
	})
}

// Tag adds and removes tags of an alarm.
func (m *Monitor) Tag(ctx context.Context, arn string, add map[string]string, remove []string) error {
	return m.update(ctx, func(t *tx) error {
		old, err := t.byARN(arn)
		if err != nil {
			return err
		}
		a := old.clone()
		a.Tags = maps.Clone(old.Tags)
		if a.Tags == nil {
			a.Tags = map[string]string{}
		}
		maps.Copy(a.Tags, add)
		for _, key := range remove {
			delete(a.Tags, key)
		}
		if len(a.Tags) > 50 {
			return invalid("The maximum number of tags per resource is 50.")
		}
		t.next[a.Name] = a
		t.event(arn, fmt.Sprintf("the tags of alarm %s were changed", a.Name), map[string]string{"alarm": a.Name})
		return nil
	})
}

// Tags returns the tags of an alarm.
func (m *Monitor) Tags(arn string) (map[string]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	a, err := (&tx{Monitor: m}).byARN(arn)
	if err != nil {
		return nil, err
	}
	return a.Tags, nil
}

func (t *tx) byARN(arn string) (*Alarm, error) {
	if _, name, ok := strings.Cut(arn, ":alarm:"); ok {
		if a := t.get(name); a != nil && a.ARN == arn {
			return a, nil
		}
	}
	return nil, refuse("ResourceNotFoundException", "Unknown resource %s", arn)
}
