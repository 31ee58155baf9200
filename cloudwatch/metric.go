package cloudwatch

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Dimension is one name and value of a metric's identity.
type Dimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Metric is the identity of a metric.
type Metric struct {
	Namespace  string      `json:"namespace"`
	Name       string      `json:"name"`
	Dimensions []Dimension `json:"dimensions,omitempty"` // in any order: it does not matter
}

// Is makes a metric of a namespace, a name, and names and values of dimensions in turn.
func Is(namespace, name string, dimensions ...string) Metric {
	m := Metric{Namespace: namespace, Name: name}
	for i := 0; i+1 < len(dimensions); i += 2 {
		m.Dimensions = append(m.Dimensions, Dimension{dimensions[i], dimensions[i+1]})
	}
	return m
}

// key identifies a metric: the order of dimensions does not matter.
func (m Metric) key() string {
	sorted := slices.Clone(m.Dimensions)
	slices.SortFunc(sorted, func(a, b Dimension) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString(m.Namespace + "\x00" + m.Name)
	for _, d := range sorted {
		b.WriteString("\x00" + d.Name + "\x00" + d.Value)
	}
	return b.String()
}

// Dimension returns the value of a dimension, empty if the metric has none of that name.
func (m Metric) Dimension(name string) string {
	for _, d := range m.Dimensions {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// String returns the metric for people: AWS/ECS CPUUtilization {ClusterName=a}.
func (m Metric) String() string {
	var parts []string
	for _, d := range m.Dimensions {
		parts = append(parts, d.Name+"="+d.Value)
	}
	return m.Namespace + " " + m.Name + " {" + strings.Join(parts, ", ") + "}"
}

// Datum is what somebody reports about a metric: values that were seen, or their statistics.
type Datum struct {
	Metric
	Time   time.Time
	Unit   string   // empty is None
	Values []Value  // what was seen
	Sum    *float64 // the exact sum, where Values are rounded
	Set    *Set     // statistics of what was seen, in place of Values
}

// Value is a value that was seen some number of times.
type Value struct{ Value, Count float64 }

// Set is the statistics of values that are not known singly.
type Set struct{ Count, Sum, Minimum, Maximum float64 }

// Once is one value.
func Once(m Metric, at time.Time, unit string, value float64) Datum {
	return Datum{Metric: m, Time: at, Unit: unit, Values: []Value{{value, 1}}}
}

// Events is a number of events: Sum and SampleCount are their number, all else is 1 (CW-004).
func Events(m Metric, at time.Time, n float64) Datum {
	return Datum{Metric: m, Time: at, Unit: "Count", Values: []Value{{1, n}}}
}

// Same reports whether two metrics are the same, in whatever order their dimensions are.
func (m Metric) Same(o Metric) bool { return m.key() == o.key() }
