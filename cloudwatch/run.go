package cloudwatch

import (
	"context"
	"slices"
	"time"
)

// lag is how long after the end of a slot its data are asked for.
const lag = 50 * time.Millisecond

// Run collects data and evaluates alarms every 10 seconds until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		now := time.Now()
		timer.Reset(now.Truncate(Resolution).Add(Resolution + lag).Sub(now))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		m.tick(ctx, time.Now())
	}
}

// tick takes in what happened until now, then evaluates the alarms that are due.
func (m *Monitor) tick(ctx context.Context, now time.Time) {
	watched := m.watched(now)
	for _, collect := range m.config.Sources {
		m.archive.put(now, collect(ctx, now, watched))
	}
	if ctx.Err() != nil {
		return
	}
	if err := m.evaluateDue(ctx, now.Truncate(Resolution)); err != nil {
		m.config.Logger.Error("evaluate alarms", "error", err)
	}
}

// watched returns the metrics that alarms, or questions of late, are about.
func (m *Monitor) watched(now time.Time) []Metric {
	all := m.archive.asked(now.Add(-watchedFor))
	for _, a := range m.Alarms() {
		all = append(all, a.Metric)
	}
	return all
}

func (m *Monitor) evaluateDue(ctx context.Context, at time.Time) error {
	if !slices.ContainsFunc(m.Alarms(), func(a *Alarm) bool { return a.due(at) }) {
		return nil
	}
	return m.update(ctx, func(t *tx) error {
		for _, a := range m.rows {
			if a.due(at) && !m.blind(a, at) {
				t.evaluate(a, at)
			}
		}
		return nil
	})
}

// blind reports whether this process is too young to know what an older alarm wants to know: it
// keeps its state until then (CW-015).
func (m *Monitor) blind(a *Alarm, at time.Time) bool {
	from := at.Add(-a.Period * time.Duration(a.EvaluationPeriods))
	return a.ConfiguredAt.Before(m.started) && from.Before(m.started.Truncate(Resolution)) && !a.anyKnown(&m.archive, at)
}

func (a *Alarm) anyKnown(from *archive, at time.Time) bool {
	return slices.ContainsFunc(a.points(from, at), func(p point) bool { return p.known })
}

// evaluate evaluates one alarm and keeps what changed.
func (t *tx) evaluate(before *Alarm, at time.Time) {
	points := before.points(&t.archive, at)
	v := evaluate(&before.AlarmSpec, points, before.State)
	a := before.clone()
	a.Value, a.ValueAt = nil, time.Time{}
	if last := points[len(points)-1]; last.known {
		a.Value, a.ValueAt = &last.value, last.at
	}
	if v.state != before.State || before.Reason == unchecked {
		t.enter(a, v.state, v.reason, before.reasonData(v, t.now))
		t.next[a.Name] = a
		return
	}
	t.rows[a.Name] = a // the value alone is not worth a write
}

// points returns the alarm's evaluation range at a time.
func (a *Alarm) points(from *archive, at time.Time) []point {
	end := at
	if a.Period < time.Minute {
		end = at.Truncate(a.Period)
	} else {
		end = at.Truncate(time.Minute)
	}
	n := a.EvaluationPeriods + extraPeriods
	first := end.Add(-a.Period * time.Duration(n))
	points := make([]point, n)
	stat, err := parseStatistic(a.Statistic)
	for i, s := range from.window(a.Metric, first, end, a.Period) {
		points[i].at = first.Add(a.Period * time.Duration(i))
		if s == nil || err != nil || a.Unit != "" && a.Unit != from.unit(a.Metric) {
			continue
		}
		points[i].value, points[i].known = stat(s)
		points[i].count = s.count
	}
	return points
}
