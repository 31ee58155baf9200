package cloudwatch

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// ApplicationELB is the namespace of load balancers' metrics.
const ApplicationELB = "AWS/ApplicationELB"

// Counters makes data of the counters of the load balancer node, which only grow. Use it from
// one goroutine.
type Counters struct {
	last  map[string]reading
	begun bool
}

// reading is what a counter or histogram stood at.
type reading struct {
	value   float64 // of a histogram, its sum
	buckets []float64
}

// Data returns what was counted since the families were last read. What the node had counted
// before the first time is left out: nobody knows when that was. Families that do not have a
// name of CloudWatch's are ignored.
func (c *Counters) Data(now time.Time, families []*dto.MetricFamily) []Datum {
	s := sweep{counters: c, at: now.Add(-Resolution), next: map[string]reading{}, groups: map[string]bool{}, totals: map[string]*Datum{}}
	for _, f := range families {
		if f.GetName() == "HealthyHostCount" {
			for _, m := range f.GetMetric() {
				s.groups[label(m, "TargetGroup")] = true
			}
		}
	}
	for _, f := range families {
		if name := f.GetName(); name != "" && name[0] >= 'A' && name[0] <= 'Z' {
			for _, m := range f.GetMetric() {
				s.metric(f.GetType(), name, m)
			}
		}
	}
	for _, total := range s.totals {
		s.data = append(s.data, *total)
	}
	c.last, c.begun = s.next, true
	return s.data
}

// sweep is one reading of all counters.
type sweep struct {
	counters *Counters
	at       time.Time
	next     map[string]reading
	groups   map[string]bool   // target groups that load balancers use
	totals   map[string]*Datum // gauges of a target group, summed over zones
	data     []Datum
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (s *sweep) metric(kind dto.MetricType, name string, m *dto.Metric) {
	dims := dimensions{label(m, "LoadBalancer"), label(m, "TargetGroup"), label(m, "AvailabilityZone")}
	switch {
	case kind == dto.MetricType_HISTOGRAM:
		s.histogram(name, dims, m.GetHistogram())
	case kind == dto.MetricType_GAUGE:
		s.gauge(name, dims, m.GetGauge().GetValue())
	default:
		s.counter(name, dims, m.GetCounter().GetValue())
	}
}

// dimensions are the three that load balancers' metrics have; empty ones are absent.
type dimensions struct{ balancer, group, zone string }

// metric returns the metric of some of the dimensions; those that are absent are left out.
func (d dimensions) metric(name string, balancer, group, zone bool) Metric {
	m := Metric{Namespace: ApplicationELB, Name: name}
	for _, one := range []struct {
		wanted      bool
		name, value string
	}{{zone, "AvailabilityZone", d.zone}, {balancer, "LoadBalancer", d.balancer}, {group, "TargetGroup", d.group}} {
		if one.wanted && one.value != "" {
			m.Dimensions = append(m.Dimensions, Dimension{one.name, one.value})
		}
	}
	return m
}

// metrics returns every set of dimensions under which CloudWatch has a metric (CW-020).
func (d dimensions) metrics(name string) []Metric {
	all := []Metric{d.metric(name, true, false, false)}
	if d.zone != "" {
		all = append(all, d.metric(name, true, false, true))
	}
	if d.group != "" {
		all = append(all, d.metric(name, true, true, false))
	}
	if d.group != "" && d.zone != "" {
		all = append(all, d.metric(name, true, true, true))
	}
	return all
}

func (d dimensions) key(name string) string {
	return name + "\x00" + d.balancer + "\x00" + d.group + "\x00" + d.zone
}

// grown returns by how much a counter grew, and remembers it. A counter that shrank began anew.
func (s *sweep) grown(name string, dims dimensions, now float64) float64 {
	key := dims.key(name)
	before := s.counters.last[key].value
	s.next[key] = reading{value: now}
	if !s.counters.begun {
		return 0
	}
	if now < before {
		return now
	}
	return now - before
}

func (s *sweep) counter(name string, dims dimensions, value float64) {
	n := s.grown(name, dims, value)
	switch {
	case name == "RequestCountPerTarget":
		if s.groups[dims.group] && s.counters.begun { // always reported: CW-021
			s.data = append(s.data, Once(dims.metric(name, false, true, false), s.at, "Count", n), Once(dims.metric(name, true, true, false), s.at, "Count", n))
		}
	case n == 0: // CW-021
	case name == "ProcessedBytes":
		s.data = append(s.data, Once(dims.metric(name, true, false, false), s.at, "Bytes", n))
	default:
		for _, m := range dims.metrics(name) {
			s.data = append(s.data, Events(m, s.at, n))
		}
	}
}

// gauge reports a gauge: those of connections if they are not 0, those of target groups always,
// under the group as the sum over its zones (CW-022).
func (s *sweep) gauge(name string, dims dimensions, value float64) {
	if dims.group == "" {
		if value != 0 {
			s.data = append(s.data, Once(dims.metric(name, true, false, false), s.at, "Count", value))
		}
		return
	}
	if dims.zone != "" {
		s.data = append(s.data, Once(dims.metric(name, true, true, true), s.at, "Count", value))
	}
	total := dims.metric(name, true, true, false)
	if d := s.totals[total.key()]; d != nil {
		d.Values[0].Value += value
		return
	}
	d := Once(total, s.at, "Count", value)
	s.totals[total.key()] = &d
}

// histogram reports durations: exact in number and sum, as near as the buckets are else.
func (s *sweep) histogram(name string, dims dimensions, h *dto.Histogram) {
	key := dims.key(name)
	before := s.counters.last[key]
	now := reading{value: h.GetSampleSum(), buckets: singly(h)}
	s.next[key] = now
	if !s.counters.begun {
		return
	}
	if len(before.buckets) == 0 || now.value < before.value {
		before = reading{buckets: make([]float64, len(now.buckets))}
	}
	var values []Value
	for i, n := range now.buckets {
		if n > before.buckets[i] {
			values = append(values, Value{middle(h, i), n - before.buckets[i]})
		}
	}
	if len(values) == 0 {
		return
	}
	sum := now.value - before.value
	for _, m := range dims.metrics(name) {
		s.data = append(s.data, Datum{Metric: m, Time: s.at, Unit: "Seconds", Values: values, Sum: &sum})
	}
}

// singly returns the count of every bucket, that above the last bound at the end.
func singly(h *dto.Histogram) []float64 {
	var counts []float64
	below := 0.0
	for _, b := range h.GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		counts = append(counts, float64(b.GetCumulativeCount())-below)
		below = float64(b.GetCumulativeCount())
	}
	return append(counts, float64(h.GetSampleCount())-below)
}

// middle returns a value that stands for a bucket.
func middle(h *dto.Histogram, i int) float64 {
	bound := func(i int) float64 { return h.GetBucket()[i].GetUpperBound() }
	switch {
	case i == 0:
		return bound(0) / 2
	case i >= len(h.GetBucket()) || math.IsInf(bound(i), 1):
		return bound(i - 1)
	}
	return math.Sqrt(bound(i-1) * bound(i))
}
