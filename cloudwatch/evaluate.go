package cloudwatch

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// point is one period of an alarm's evaluation range.
type point struct {
	at    time.Time
	value float64
	count float64 // samples
	known bool    // there are data
}

// verdict is what an evaluation comes to.
type verdict struct {
	state  string
	reason string
	points []point // those that were looked at, oldest first
}

// evaluate says which state an alarm is to be in. points are its evaluation range, oldest first,
// EvaluationPeriods and a few more before them (CW-012).
func evaluate(s *AlarmSpec, points []point, before string) verdict {
	compare := comparisons[s.Comparison]
	known := lastKnown(points, s.EvaluationPeriods)
	filled := s.EvaluationPeriods - len(known)
	breaching := 0
	for _, p := range known {
		if compare.breaches(p.value, s.Threshold) {
			breaching++
		}
	}
	v := verdict{points: known}
	switch {
	case filled == 0:
		v.state = stateOf(breaching >= s.needed())
	case s.MissingData == TreatBreaching:
		v.state = stateOf(breaching+filled >= s.needed())
	case s.MissingData == TreatNotBreaching:
		v.state = stateOf(breaching >= s.needed())
	case breaching >= s.needed():
		v.state = InAlarm
	case s.MissingData == TreatIgnore:
		v.state = before
	case len(known) == 0:
		v.state = InsufficientData
	default:
		v.state = stateOf(breaching == len(known) && oldest(points) >= s.needed()) // premature: CW-012
	}
	v.reason = s.explain(v, breaching, filled, before)
	return v
}

func stateOf(alarm bool) string {
	if alarm {
		return InAlarm
	}
	return OK
}

// lastKnown returns the last n points that have data.
func lastKnown(points []point, n int) []point {
	var known []point
	for _, p := range points {
		if p.known {
			known = append(known, p)
		}
	}
	return known[max(0, len(known)-n):]
}

// oldest returns how many periods ago the first point with data is; the last period is 1.
func oldest(points []point) int {
	for i, p := range points {
		if p.known {
			return len(points) - i
		}
	}
	return 0
}

// explain words a verdict as CloudWatch does (CW-014).
func (s *AlarmSpec) explain(v verdict, breaching, filled int, before string) string {
	if v.state == InsufficientData {
		return fmt.Sprintf("Insufficient Data: %s unknown.", count(max(1, filled), "datapoint", "was", "were"))
	}
	if len(v.points) == 0 {
		treated := map[string]string{TreatBreaching: "Breaching", TreatNotBreaching: "NonBreaching", TreatIgnore: "Ignore"}[s.MissingData]
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s and %s treated as [%s].",
			plural(s.EvaluationPeriods, "period"), count(filled, "missing datapoint", "was", "were"), treated)
	}
	not, verb, subject := "", "were", plural(len(v.points), "datapoint")
	if v.state == OK {
		not = "not "
	} else if s.EvaluationPeriods > 1 || s.DatapointsToAlarm > 0 {
		subject = fmt.Sprintf("%d out of the last %s", breaching, plural(s.EvaluationPeriods, "datapoint"))
	}
	if len(v.points) == 1 || v.state == InAlarm && breaching == 1 {
		verb = "was"
	}
	text := fmt.Sprintf("Threshold Crossed: %s [%s] %s %s%s the threshold (%s)",
		subject, s.list(v), verb, not, comparisons[s.Comparison].words, decimal(s.Threshold))
	if v.state != before && (s.EvaluationPeriods > 1 || s.DatapointsToAlarm > 0) {
		minimum := s.needed()
		if v.state == OK {
			minimum = s.EvaluationPeriods - s.needed() + 1
		}
		text += fmt.Sprintf(" (minimum %s for %s -> %s transition)", plural(minimum, "datapoint"), before, v.state)
	}
	return text + "."
}

// list names the datapoints that made the state, newest first.
func (s *AlarmSpec) list(v verdict) string {
	var texts []string
	for i := len(v.points) - 1; i >= 0; i-- {
		p := v.points[i]
		if v.state == OK || comparisons[s.Comparison].breaches(p.value, s.Threshold) {
			texts = append(texts, fmt.Sprintf("%s (%s)", decimal(p.value), p.at.UTC().Format("02/01/06 15:04:05")))
		}
	}
	return strings.Join(texts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func count(n int, noun, one, many string) string {
	if n == 1 {
		return plural(n, noun) + " " + one
	}
	return plural(n, noun) + " " + many
}

// decimal writes a number as Java does: 5.0.
func decimal(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// reasonData is StateReasonData, a document.
func (s *AlarmSpec) reasonData(v verdict, now time.Time) string {
	const form = "2006-01-02T15:04:05.000-0700"
	type evaluated struct {
		Timestamp   string  `json:"timestamp"`
		SampleCount float64 `json:"sampleCount"`
		Value       float64 `json:"value"`
	}
	doc := map[string]any{
		"version": "1.0", "queryDate": now.UTC().Format(form), "statistic": s.Statistic, "period": int(s.Period / time.Second),
		"threshold": s.Threshold, "recentDatapoints": []float64{}, "evaluatedDatapoints": []evaluated{},
	}
	recent, all := []float64{}, []evaluated{}
	for _, p := range v.points {
		recent = append(recent, p.value)
		all = append([]evaluated{{p.at.UTC().Format(form), p.count, p.value}}, all...)
	}
	if len(v.points) > 0 {
		doc["startDate"] = v.points[0].at.UTC().Format(form)
	}
	doc["recentDatapoints"], doc["evaluatedDatapoints"] = recent, all
	text, _ := json.Marshal(doc) // numbers and strings always encode
	if len(text) > 4000 {
		delete(doc, "evaluatedDatapoints")
		text, _ = json.Marshal(doc)
	}
	return string(text[:min(len(text), 4000)])
}
