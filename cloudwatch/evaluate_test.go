package cloudwatch

import (
	"strings"
	"testing"
	"time"
)

// pointsOf makes an evaluation range of a picture: X breaches, 0 does not, - is missing.
func pointsOf(picture string) []point {
	at := time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)
	var points []point
	for i, c := range strings.Fields(picture) {
		p := point{at: at.Add(time.Duration(i) * time.Minute)}
		switch c {
		case "X":
			p.value, p.count, p.known = 9, 1, true
		case "0":
			p.count, p.known = 1, true
		}
		points = append(points, p)
	}
	return points
}

// TestEvaluate_AsInTheUserGuide has the tables of CloudWatch's guide on missing data (CW-012).
func TestEvaluate_AsInTheUserGuide(t *testing.T) {
	for _, c := range []struct {
		needed                                   int
		picture                                  string
		missing, ignore, breaching, notBreaching string
	}{
		{3, "0 - X - X", OK, OK, OK, OK},
		{3, "- - - - 0", OK, "retain", OK, OK},
		{3, "- - - - -", InsufficientData, "retain", InAlarm, OK},
		{3, "0 X X - X", InAlarm, InAlarm, InAlarm, InAlarm},
		{3, "- - X - -", InAlarm, "retain", InAlarm, OK},
		{2, "0 - X - X", InAlarm, InAlarm, InAlarm, InAlarm},
		{2, "0 0 X 0 X", InAlarm, InAlarm, InAlarm, InAlarm},
		{2, "0 - X - -", OK, "retain", InAlarm, OK},
		{2, "- - - - 0", OK, "retain", InAlarm, OK},
		{2, "- - - X -", InAlarm, "retain", InAlarm, OK},
	} {
		for treatment, want := range map[string]string{
			TreatMissing: c.missing, "": c.missing, TreatIgnore: c.ignore, TreatBreaching: c.breaching, TreatNotBreaching: c.notBreaching,
		} {
			for _, before := range []string{OK, InAlarm, InsufficientData} {
				s := &AlarmSpec{EvaluationPeriods: 3, DatapointsToAlarm: c.needed, Threshold: 5, Comparison: "GreaterThanThreshold", MissingData: treatment}
				expected := want
				if want == "retain" {
					expected = before
				}
				if got := evaluate(s, pointsOf(c.picture), before); got.state != expected {
					t.Errorf("%d of 3, %s, %q, from %s: %s, want %s", c.needed, c.picture, treatment, before, got.state, expected)
				}
			}
		}
	}
}

func TestEvaluate_ComparesAsTold(t *testing.T) {
	for operator, alarms := range map[string][3]bool{ // below, at and above the threshold
		"GreaterThanThreshold":          {false, false, true},
		"GreaterThanOrEqualToThreshold": {false, true, true},
		"LessThanThreshold":             {true, false, false},
		"LessThanOrEqualToThreshold":    {true, true, false},
	} {
		for i, alarm := range alarms {
			s := &AlarmSpec{EvaluationPeriods: 1, Threshold: 1, Comparison: operator}
			got := evaluate(s, []point{{value: float64(i), known: true}}, OK)
			if (got.state == InAlarm) != alarm {
				t.Errorf("%d %s 1: %s", i, operator, got.state)
			}
		}
	}
}

// TestEvaluate_GivesReasonsInCloudWatchsWords has its sentences (CW-014).
func TestEvaluate_GivesReasonsInCloudWatchsWords(t *testing.T) {
	for _, c := range []struct {
		periods, needed          int
		treatment, picture, from string
		want                     string
	}{
		{1, 0, "", "- - X", OK, "Threshold Crossed: 1 datapoint [9.0 (22/11/26 13:02:00)] was greater than the threshold (5.0)."},
		{1, 0, "", "- - 0", InAlarm, "Threshold Crossed: 1 datapoint [0.0 (22/11/26 13:02:00)] was not greater than the threshold (5.0)."},
		{1, 1, "", "- - X", OK, "Threshold Crossed: 1 out of the last 1 datapoint [9.0 (22/11/26 13:02:00)] was greater than the threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition)."},
		{3, 2, "", "X 0 X", OK, "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (22/11/26 13:02:00), 9.0 (22/11/26 13:00:00)] were greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."},
		{1, 0, "", "- - -", OK, "Insufficient Data: 1 datapoint was unknown."},
		{1, 0, TreatNotBreaching, "- - -", InAlarm, "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."},
	} {
		s := &AlarmSpec{EvaluationPeriods: c.periods, DatapointsToAlarm: c.needed, Threshold: 5, Comparison: "GreaterThanThreshold", MissingData: c.treatment}
		if got := evaluate(s, pointsOf(c.picture), c.from).reason; got != c.want {
			t.Errorf("%s from %s:\n got %s\nwant %s", c.picture, c.from, got, c.want)
		}
	}
}
