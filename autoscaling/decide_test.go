package autoscaling

import (
	"math"
	"testing"
	"time"

	"drydock/cloudwatch"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// alarm makes an alarm in ALARM that names a policy, with a datapoint of just now.
func alarm(name, policy string, value, threshold float64) *cloudwatch.Alarm {
	return &cloudwatch.Alarm{
		AlarmSpec: cloudwatch.AlarmSpec{Name: name, ActionsEnabled: true, AlarmActions: []string{policy}, Threshold: threshold, Comparison: "GreaterThanThreshold"},
		State:     cloudwatch.InAlarm, Value: &value, ValueAt: noon.Add(-10 * time.Second),
	}
}

func over(policy string, value float64) *cloudwatch.Alarm {
	return alarm("TargetTracking-service/c/s-AlarmHigh-1", policy, value, 50)
}

func under(policy string, value float64) *cloudwatch.Alarm {
	return alarm("TargetTracking-service/c/s-AlarmLow-1", policy, value, 45)
}

func tracking(name string) Policy {
	return Policy{Name: name, ARN: name, Tracking: &Tracking{Target: 50, Statistic: "Average"}}
}

func stepping(name string, adjustment string, steps ...Interval) Policy {
	return Policy{Name: name, ARN: name, Step: &Step{Adjustment: adjustment, Steps: steps}}
}

// TestDecide has what target tracking and step scaling come to (AAS-011, AAS-012, AAS-015 to AAS-017).
func TestDecide(t *testing.T) {
	soon, lately := noon.Add(time.Minute), noon.Add(-time.Second)
	noScaleIn := tracking("b")
	noScaleIn.Tracking.DisableScaleIn = true
	for _, c := range []struct {
		name    string
		target  Target
		service Service
		alarms  []*cloudwatch.Alarm
		want    int // 0: nothing
	}{
		{"metric at twice the target doubles", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", 100)}, 4},
		{"rounds up", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", 51)}, 3},
		{"counts from running tasks", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 2}, []*cloudwatch.Alarm{over("a", 100)}, 0},
		{"clamped to the maximum", Target{Max: 3, Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", 500)}, 3},
		{"a metric beyond measure", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", 1e300)}, 100},
		{"an infinite metric", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", math.Inf(1))}, 100},
		{"no number", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", math.NaN())}, 0},
		{"nothing without an alarm", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, nil, 0},
		{"another policy's alarm", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("z", 100)}, 0},
		{"out during a deployment", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2, Deploying: true}, []*cloudwatch.Alarm{over("a", 100)}, 4},
		{"out suspended", Target{Suspended: Suspended{Out: true}, Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", 100)}, 0},
		{"metric of before the change", Target{ChangedAt: lately, Policies: []Policy{tracking("a")}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{over("a", 100)}, 0},
		{"cooldown counts what was added", Target{OutUntil: soon, OutBase: 2, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{over("a", 100)}, 0},
		{"cooldown lets a larger change through", Target{OutUntil: soon, OutBase: 2, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{over("a", 150)}, 6},
		{"in", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20)}, 2},
		{"in no further than the minimum", Target{Min: 3, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 0)}, 3},
		{"not in during a deployment", Target{Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4, Deploying: true}, []*cloudwatch.Alarm{under("a", 20)}, 0},
		{"not in during the cooldown in", Target{InUntil: soon, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20)}, 0},
		{"not in during the cooldown out", Target{OutUntil: soon, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20)}, 0},
		{"out during the cooldown in", Target{InUntil: soon, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{over("a", 100)}, 8},
		{"in suspended", Target{Suspended: Suspended{In: true}, Policies: []Policy{tracking("a")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20)}, 0},
		{"in only if all say so", Target{Policies: []Policy{tracking("a"), tracking("b")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20)}, 0},
		{"in to the largest", Target{Policies: []Policy{tracking("a"), tracking("b")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20), under("b", 30)}, 3},
		{"one with scale-in disabled has no say", Target{Policies: []Policy{tracking("a"), noScaleIn}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20)}, 2},
		{"out if any says so", Target{Policies: []Policy{tracking("a"), tracking("b")}}, Service{Desired: 4, Running: 4}, []*cloudwatch.Alarm{under("a", 20), over("b", 100)}, 8},
		{"a step", Target{Policies: []Policy{stepping("s", ChangeInCapacity, Interval{Lower: new(0.0), Upper: new(10.0), Adjust: 1}, Interval{Lower: new(10.0), Adjust: 3})}},
			Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{alarm("mine", "s", 60, 50)}, 5},
		{"a step down", Target{Policies: []Policy{stepping("s", ChangeInCapacity, Interval{Upper: new(0.0), Adjust: -1})}},
			Service{Desired: 3, Running: 3}, []*cloudwatch.Alarm{alarm("mine", "s", 40, 50)}, 2},
		{"a step again only after a while", Target{ActedAt: map[string]time.Time{"s": lately}, Policies: []Policy{stepping("s", ChangeInCapacity, Interval{Lower: new(0.0), Adjust: 1})}},
			Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{alarm("mine", "s", 60, 50)}, 0},
		{"exact", Target{Policies: []Policy{stepping("s", ExactCapacity, Interval{Lower: new(0.0), Adjust: 7})}}, Service{Desired: 2, Running: 2}, []*cloudwatch.Alarm{alarm("mine", "s", 60, 50)}, 7},
	} {
		if c.target.Max == 0 {
			c.target.Max = 100
		}
		got := decide(noon, PaceFast, &c.target, c.service, c.alarms)
		if got == nil && c.want != 0 || got != nil && got.desired != c.want {
			t.Errorf("%s: %+v, want %d", c.name, got, c.want)
		}
	}
}

// TestStep_FindsItsInterval has the bounds above and below the threshold, and rounding (AAS-014).
func TestStep_FindsItsInterval(t *testing.T) {
	s := &Step{Adjustment: PercentChangeInCapacity, MinMagnitude: 2, Steps: []Interval{
		{Lower: new(0.0), Upper: new(10.0), Adjust: 10}, {Lower: new(10.0), Adjust: 50}, {Lower: new(-10.0), Upper: new(0.0), Adjust: -10}, {Upper: new(-10.0), Adjust: -50}}}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		distance float64
		below    bool
		base     int
		want     int
	}{{0, false, 10, 12}, {9.9, false, 10, 12}, {10, false, 10, 15}, {0, true, 10, 8}, {-9.9, true, 10, 8}, {-10, true, 10, 5}, {-11, true, 11, 6}, {10, false, 25, 37}} {
		i := s.find(c.distance, c.below)
		if i == nil {
			t.Errorf("%v: no step", c.distance)
			continue
		}
		if got := s.apply(i, c.base); got != c.want {
			t.Errorf("%v from %d: %d, want %d", c.distance, c.base, got, c.want)
		}
	}
	small := &Step{Adjustment: PercentChangeInCapacity, Steps: []Interval{{Lower: new(0.0), Adjust: 10}}}
	if got := small.apply(&small.Steps[0], 2); got != 3 {
		t.Errorf("10 %% of 2: %d", got)
	}
}

// TestStep_RefusesGapsAndOverlaps has what PutScalingPolicy refuses (AAS-013).
func TestStep_RefusesGapsAndOverlaps(t *testing.T) {
	for name, s := range map[string]*Step{
		"no type":        {Steps: []Interval{{Lower: new(0.0), Adjust: 1}}},
		"no steps":       {Adjustment: ChangeInCapacity},
		"a gap":          {Adjustment: ChangeInCapacity, Steps: []Interval{{Lower: new(0.0), Upper: new(1.0)}, {Lower: new(2.0)}}},
		"an overlap":     {Adjustment: ChangeInCapacity, Steps: []Interval{{Lower: new(0.0), Upper: new(3.0)}, {Lower: new(2.0)}}},
		"no open end":    {Adjustment: ChangeInCapacity, Steps: []Interval{{Lower: new(0.0), Upper: new(3.0)}}},
		"no open begin":  {Adjustment: ChangeInCapacity, Steps: []Interval{{Lower: new(-5.0), Upper: new(0.0)}}},
		"bounds swapped": {Adjustment: ChangeInCapacity, Steps: []Interval{{Lower: new(5.0), Upper: new(0.0)}}},
		"magnitude":      {Adjustment: ChangeInCapacity, MinMagnitude: 2, Steps: []Interval{{Lower: new(0.0), Adjust: 1}}},
		"negative":       {Adjustment: ExactCapacity, Steps: []Interval{{Lower: new(0.0), Adjust: -1}}},
	} {
		if s.check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestSchedule_NextTimes has at, rate and AWS's cron of six fields (AAS-020).
func TestSchedule_NextTimes(t *testing.T) {
	for _, c := range []struct{ text, zone, after, want string }{
		{"at(2026-11-22T13:00:00)", "", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"},
		{"at(2026-11-22T13:00:00)", "Europe/Berlin", "2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"},
		{"at(2026-11-22T11:00:00)", "", "2026-11-22T12:00:00Z", ""},
		{"rate(5 minutes)", "", "2026-11-22T12:07:00Z", "2026-11-22T12:10:00Z"},
		{"rate(1 hour)", "", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"},
		{"cron(0 9 * * ? *)", "", "2026-11-22T12:00:00Z", "2026-11-23T09:00:00Z"},
		{"cron(0/15 * * * ? *)", "", "2026-11-22T12:01:00Z", "2026-11-22T12:15:00Z"},
		{"cron(30 8 ? * MON-FRI *)", "", "2026-11-20T12:00:00Z", "2026-11-23T08:30:00Z"},
		{"cron(0 12 L * ? *)", "", "2026-02-01T00:00:00Z", "2026-02-28T12:00:00Z"},
		{"cron(0 0 ? * 6L *)", "", "2026-11-01T00:00:00Z", "2026-11-27T00:00:00Z"},
		{"cron(0 0 ? * 2#1 *)", "", "2026-11-03T00:00:00Z", "2026-12-07T00:00:00Z"},
		{"cron(0 0 1W * ? *)", "", "2026-07-31T00:00:01Z", "2026-08-03T00:00:00Z"},
		{"cron(0 0 29 2 ? *)", "", "2026-11-22T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"cron(0 0 1 1 ? 2020)", "", "2026-11-22T12:00:00Z", ""},
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2027-03-27T12:00:00Z", "2027-03-29T00:30:00Z"}, // 2:30 is left out on the 28th
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseSchedule(c.text, c.zone, noon)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got := ""
		if at := s.next(after); !at.IsZero() {
			got = at.UTC().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s %s after %s: %s, want %s", c.text, c.zone, c.after, got, c.want)
		}
	}
	for _, bad := range []string{"", "at(tomorrow)", "rate(0 minutes)", "rate(5 fortnights)", "cron(0 9 * * *)", "cron(0 9 * * * *)", "cron(0 9 ? * ? *)", "cron(60 9 * * ? *)", "cron(0 9 * * ? *", "cron(a 9 * * ? *)", "cron(5-1 9 * * ? *)"} {
		if _, err := parseSchedule(bad, "", noon); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if _, err := parseSchedule("rate(1 day)", "Mars/Olympus", noon); err == nil {
		t.Error("a time zone that there is not is accepted")
	}
}
