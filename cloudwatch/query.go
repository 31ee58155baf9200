package cloudwatch

import (
	"math"
	"time"
)

// Sample is a statistic of one period.
type Sample struct {
	At     time.Time // start of the period
	Values map[string]float64
}

// Query asks for statistics of a metric.
type Query struct {
	Metric     Metric
	Statistics []string // Sum, p99
	Period     time.Duration
	Unit       string // empty: whichever it has
	From, To   time.Time
}

// maxSamples is the most that one query returns (CW-006).
const maxSamples = 1440

// Statistics answers a query, oldest first, and tells the metric's unit. Periods without data
// are left out. What it is asked for counts as watched for some minutes.
func (m *Monitor) Statistics(q Query) (samples []Sample, unit string, err error) {
	if err := q.check(); err != nil {
		return nil, "", err
	}
	unit = m.archive.ask(q.Metric, time.Now())
	if unit == "" {
		unit = "None"
	}
	if q.Unit != "" && q.Unit != unit {
		return nil, unit, nil
	}
	from := q.From.Add(-1).Truncate(q.Period).Add(q.Period) // the first period that begins at or after From
	if q.From.Equal(q.From.Truncate(q.Period)) {
		from = q.From
	}
	for i, s := range m.archive.window(q.Metric, from, q.To, q.Period) {
		if s != nil {
			samples = append(samples, q.sample(from.Add(time.Duration(i)*q.Period), s))
		}
	}
	return samples, unit, nil
}

func (q *Query) sample(at time.Time, s *slot) Sample {
	values := map[string]float64{}
	for _, name := range q.Statistics {
		stat, err := parseStatistic(name)
		if err != nil {
			continue // check refused it
		}
		if v, ok := stat(s); ok {
			values[name] = v
		}
	}
	return Sample{At: at.UTC(), Values: values}
}

func (q *Query) check() error {
	if !q.From.Before(q.To) {
		return badValue("The parameter StartTime must be less than the parameter EndTime.")
	}
	if err := checkQueryPeriod(q.Period); err != nil {
		return err
	}
	if len(q.Statistics) == 0 {
		return refuse("MissingParameter", "The parameter Statistics or ExtendedStatistics is required.")
	}
	for _, name := range q.Statistics {
		if _, err := parseStatistic(name); err != nil {
			return err
		}
	}
	if n := q.To.Sub(q.From) / q.Period; n > maxSamples {
		return badCombination("You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxSamples)
	}
	return nil
}

func checkQueryPeriod(p time.Duration) error {
	if checkPeriod(p) == nil {
		return nil
	}
	if p == time.Second || p == 5*time.Second {
		return badValue("drydock adds data up over 10 seconds: the smallest Period is 10.")
	}
	return badValue("The parameter Period must be a multiple of 60, or 10, 20 or 30.")
}

// Put takes data in, as PutMetricData does.
func (m *Monitor) Put(data []Datum) error {
	now := time.Now()
	for _, d := range data {
		if err := d.check(now); err != nil {
			return err
		}
	}
	m.archive.put(now, data)
	return nil
}

func (d *Datum) check(now time.Time) error {
	if d.Time.After(now.Add(futureLimit)) || d.Time.Before(now.Add(-pastLimit)) {
		return badValue("The parameter MetricData.member.1.Timestamp must specify a time within two weeks in the past and two hours in the future.")
	}
	for _, v := range d.Values {
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || v.Count < 0 {
			return badValue("The value %v for parameter MetricData.member.1.Value is invalid.", v.Value)
		}
	}
	if s := d.Set; s != nil && (s.Maximum < s.Minimum || s.Count < 0) {
		return badValue("The parameter MetricData.member.1.StatisticValues.Maximum must be greater than MetricData.member.1.StatisticValues.Minimum.")
	}
	return nil
}

// recently is how long a metric without new data is listed (CW-007).
const recently = 14 * 24 * time.Hour

// Metrics returns the metrics that there are data of, in order.
func (m *Monitor) Metrics() []Metric { return m.archive.list(time.Now().Add(-recently)) }

// RecentMetrics returns those that were reported in the last three hours.
func (m *Monitor) RecentMetrics() []Metric { return m.archive.list(time.Now().Add(-3 * time.Hour)) }
