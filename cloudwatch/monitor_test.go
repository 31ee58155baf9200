package cloudwatch

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"drydock/store/storetest"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// gauge is a source whose value a test sets; nil is no data.
type gauge struct {
	metric Metric
	value  atomic.Pointer[float64]
}

func (g *gauge) collect(_ context.Context, now time.Time, _ []Metric) []Datum {
	value := g.value.Load()
	if value == nil {
		return nil
	}
	return []Datum{Once(g.metric, now.Add(-Resolution), "Percent", *value)}
}

func gaugeAt(value float64) *gauge {
	g := &gauge{metric: load}
	g.value.Store(&value)
	return g
}

// running opens a monitor on a store and runs it until stop is called.
func running(t *testing.T, store *storetest.Memory, g *gauge) (m *Monitor, stop func()) {
	m, err := Open(context.Background(), store, Config{Sources: []Source{g.collect}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	return m, func() { cancel(); <-done }
}

func state(m *Monitor) string { return m.States([]string{"high"})["high"] }

var load = Is("n", "load", "a", "1")

func highLoad() AlarmSpec {
	return AlarmSpec{Name: "high", Metric: load, Statistic: "Average", Period: 10 * time.Second, EvaluationPeriods: 2, Threshold: 80,
		Comparison: "GreaterThanThreshold", ActionsEnabled: true, AlarmActions: []string{"arn:aws:autoscaling:x"}}
}

// TestAlarm_FollowsItsMetric goes through the states in virtual time (CW-013).
func TestAlarm_FollowsItsMetric(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		store, g := &storetest.Memory{}, &gauge{metric: load}
		m, stop := running(t, store, g)
		defer stop()
		if err := m.PutMetricAlarm(context.Background(), highLoad()); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			value float64
			after time.Duration
			want  string
		}{{50, 11 * time.Second, OK}, {90, 11 * time.Second, OK}, {90, 10 * time.Second, InAlarm}, {90, time.Minute, InAlarm}, {10, 11 * time.Second, OK}} {
			g.value.Store(&step.value)
			time.Sleep(step.after)
			if got := state(m); got != step.want {
				t.Errorf("with %v: %s, want %s", step.value, got, step.want)
			}
		}
		g.value.Store(nil)
		time.Sleep(5 * time.Minute)
		if got := state(m); got != InsufficientData {
			t.Errorf("without data: %s", got)
		}
		if n := len(store.Events); n != 5 || store.Events[2].Kind != timeline.Alarm || store.Events[2].Data["to"] != InAlarm {
			t.Errorf("%d events: %+v", n, store.Events)
		}
		if m.StateEvent("high") != store.Events[4].Seq {
			t.Error("the last change of state names another event")
		}
	})
}

// TestAlarm_KeepsItsStateWhenTheDaemonIsYoung: metrics are lost with the process, states are not (CW-015).
func TestAlarm_KeepsItsStateWhenTheDaemonIsYoung(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		store, g := &storetest.Memory{}, gaugeAt(90.0)
		m, stop := running(t, store, g)
		spec := highLoad()
		spec.EvaluationPeriods, spec.Period = 3, time.Minute
		if err := m.PutMetricAlarm(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		stop()
		g.value.Store(nil)
		m, stop = running(t, store, g)
		defer stop()
		time.Sleep(2 * time.Minute)
		if got := state(m); got != InAlarm {
			t.Errorf("after a restart: %s", got)
		}
		time.Sleep(3 * time.Minute)
		if got := state(m); got != InsufficientData {
			t.Errorf("long after a restart: %s", got)
		}
	})
}

func TestSetAlarmState_LastsUntilTheNextEvaluation(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		store, g := &storetest.Memory{}, gaugeAt(1.0)
		m, stop := running(t, store, g)
		defer stop()
		m.PutMetricAlarm(context.Background(), highLoad())
		time.Sleep(30 * time.Second)
		if err := m.SetAlarmState(context.Background(), "high", InAlarm, "a drill", ""); err != nil || state(m) != InAlarm {
			t.Fatal(err, state(m))
		}
		time.Sleep(11 * time.Second)
		if got := state(m); got != OK {
			t.Errorf("after the next evaluation: %s", got)
		}
	})
}

func samplesOf(t *testing.T, m *Monitor, period time.Duration, from, to time.Time, statistics ...string) []Sample {
	t.Helper()
	samples, _, err := m.Statistics(Query{Metric: load, Statistics: statistics, Period: period, From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// TestStatistics_OfValues: periods add up what was put, percentiles included (CW-003, CW-006).
func TestStatistics_OfValues(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		m, _ := Open(context.Background(), &storetest.Memory{}, Config{})
		begin := time.Now().Truncate(time.Hour)
		time.Sleep(time.Until(begin.Add(2 * time.Hour)))
		var data []Datum
		for i := range 1000 {
			data = append(data, Once(load, begin.Add(time.Hour+time.Duration(i%60)*time.Second), "Percent", float64(i+1)))
		}
		if err := m.Put(data); err != nil {
			t.Fatal(err)
		}
		s := samplesOf(t, m, time.Minute, begin, begin.Add(2*time.Hour), "Sum", "Minimum", "Maximum", "Average", "SampleCount", "p90", "p50")
		if len(s) != 1 || !s[0].At.Equal(begin.Add(time.Hour)) {
			t.Fatalf("%+v", s)
		}
		for name, want := range map[string]float64{"Sum": 500500, "Minimum": 1, "Maximum": 1000, "Average": 500.5, "SampleCount": 1000} {
			if got := s[0].Values[name]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		for name, want := range map[string]float64{"p90": 900, "p50": 500} {
			if got := s[0].Values[name]; got < want*0.98 || got > want*1.02 {
				t.Errorf("%s is %v, want about %v", name, got, want)
			}
		}
		if n := len(samplesOf(t, m, 10*time.Second, begin.Add(time.Hour), begin.Add(2*time.Hour), "Sum")); n != 6 {
			t.Errorf("%d samples of 10 s", n)
		}
		time.Sleep(4 * time.Hour) // what is fine is dropped as more comes in
		m.Put([]Datum{Once(load, time.Now(), "Percent", 1)})
		if n := len(samplesOf(t, m, 10*time.Second, begin.Add(time.Hour), begin.Add(2*time.Hour), "Sum")); n != 0 {
			t.Errorf("%d samples of 10 s after four hours (CW-002)", n)
		}
		if n := len(samplesOf(t, m, time.Minute, begin, begin.Add(2*time.Hour), "Sum")); n != 1 {
			t.Errorf("%d samples of a minute after four hours", n)
		}
	})
}

func TestArchive_IsBounded(t *testing.T) {
	m, _ := Open(context.Background(), &storetest.Memory{}, Config{})
	now := time.Now()
	for i := range 3 * seriesLimit {
		m.archive.put(now, []Datum{Once(Is("n", "m", "i", time.Duration(i).String()), now.Add(time.Duration(i)*time.Millisecond), "", 1)})
	}
	if n := len(m.archive.series); n > seriesLimit {
		t.Errorf("%d metrics are kept", n)
	}
}

func TestPut_RefusesTimesOutOfRange(t *testing.T) {
	m, _ := Open(context.Background(), &storetest.Memory{}, Config{})
	for _, ago := range []time.Duration{-3 * time.Hour, 15 * 24 * time.Hour} {
		if err := m.Put([]Datum{Once(load, time.Now().Add(-ago), "", 1)}); err == nil {
			t.Errorf("a datum of %v ago is taken", ago)
		}
	}
	if err := m.Put([]Datum{Once(load, time.Now(), "", 1)}); err != nil {
		t.Error(err)
	}
}

// TestArchive_Ages: data of a metric that nobody reports any more go, and at last the metric.
func TestArchive_Ages(t *testing.T) {
	m, _ := Open(context.Background(), &storetest.Memory{}, Config{})
	now, other := time.Now(), Is("n", "other")
	m.archive.put(now, []Datum{Once(load, now, "", 1)})
	now = now.Add(2 * coarseKept)
	m.archive.put(now, []Datum{Once(other, now, "", 1)})
	if s := m.archive.series[load.key()]; s == nil || len(s.fine)+len(s.coarse) != 0 {
		t.Errorf("kept %+v", s)
	}
	now = now.Add(recently)
	m.archive.put(now, []Datum{Once(other, now, "", 1)})
	if n := len(m.archive.series); n != 1 {
		t.Errorf("%d metrics are kept", n)
	}
}

// TestPutMetricAlarm_RefusesSpansBeyondNumbers: periods times their length, however large.
func TestPutMetricAlarm_RefusesSpansBeyondNumbers(t *testing.T) {
	m, _ := Open(context.Background(), &storetest.Memory{}, Config{})
	for _, periods := range []int{1441, 200_000_000, 1 << 31, 1 << 61} {
		spec := highLoad()
		spec.Period, spec.EvaluationPeriods = time.Minute, periods
		if err := m.PutMetricAlarm(t.Context(), spec); err == nil {
			t.Errorf("%d periods are taken", periods)
		}
	}
}
