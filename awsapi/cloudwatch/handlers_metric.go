package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/awsapi"
	"drydock/cloudwatch"
)

func (h api) putMetricData(_ context.Context, in *PutMetricDataInput) (*PutMetricDataOutput, error) {
	if strings.HasPrefix(*in.Namespace, "AWS/") {
		return nil, &awsapi.Error{Code: "InvalidParameterValue", Message: "The value AWS/ for parameter Namespace is invalid."}
	}
	all := slices.Clone(in.MetricData)
	for _, e := range in.EntityMetricData {
		all = append(all, e.MetricData...)
	}
	if len(all) == 0 {
		return nil, &awsapi.Error{Code: "MissingParameter", Message: "The parameter MetricData is required."}
	}
	var data []cloudwatch.Datum
	for i := range all {
		d, err := datum(*in.Namespace, &all[i])
		if err != nil {
			return nil, err
		}
		data = append(data, d)
	}
	return nil, h.monitor.Put(data)
}

func datum(namespace string, in *MetricDatum) (cloudwatch.Datum, error) {
	d := cloudwatch.Datum{
		Metric: cloudwatch.Metric{Namespace: namespace, Name: *in.MetricName, Dimensions: dimensions(in.Dimensions)},
		Time:   time.Now(), Unit: awsapi.Value(in.Unit),
	}
	if in.Timestamp != nil {
		d.Time = *in.Timestamp
	}
	switch {
	case in.Value != nil:
		d.Values = []cloudwatch.Value{{Value: *in.Value, Count: 1}}
	case in.StatisticValues != nil:
		s := in.StatisticValues
		d.Set = &cloudwatch.Set{Count: *s.SampleCount, Sum: *s.Sum, Minimum: *s.Minimum, Maximum: *s.Maximum}
	case len(in.Values) > 0:
		if len(in.Counts) > 0 && len(in.Counts) != len(in.Values) {
			return d, &awsapi.Error{Code: "InvalidParameterValue", Message: "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."}
		}
		for i, v := range in.Values {
			count := 1.0
			if len(in.Counts) > 0 {
				count = in.Counts[i]
			}
			d.Values = append(d.Values, cloudwatch.Value{Value: v, Count: count})
		}
	default:
		return d, &awsapi.Error{Code: "MissingParameter", Message: "At least one of the parameters must be specified: MetricData.member.1.Value, .Values, .StatisticValues"}
	}
	return d, nil
}

func (h api) getMetricStatistics(_ context.Context, in *GetMetricStatisticsInput) (*GetMetricStatisticsOutput, error) {
	samples, unit, err := h.monitor.Statistics(cloudwatch.Query{
		Metric:     cloudwatch.Metric{Namespace: *in.Namespace, Name: *in.MetricName, Dimensions: dimensions(in.Dimensions)},
		Statistics: slices.Concat(in.Statistics, in.ExtendedStatistics), Period: seconds(in.Period), Unit: awsapi.Value(in.Unit), From: *in.StartTime, To: *in.EndTime,
	})
	if err != nil {
		return nil, err
	}
	points := []Datapoint{}
	for _, s := range samples {
		points = append(points, datapoint(s, unit))
	}
	return &GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: points}, nil
}

func datapoint(s cloudwatch.Sample, unit string) Datapoint {
	d := Datapoint{Timestamp: &s.At, Unit: &unit}
	plain := map[string]**float64{"SampleCount": &d.SampleCount, "Average": &d.Average, "Sum": &d.Sum, "Minimum": &d.Minimum, "Maximum": &d.Maximum}
	for name, value := range s.Values {
		if at := plain[name]; at != nil {
			*at = &value
			continue
		}
		if d.ExtendedStatistics == nil {
			d.ExtendedStatistics = map[string]float64{}
		}
		d.ExtendedStatistics[name] = value
	}
	return d
}

func (h api) getMetricData(_ context.Context, in *GetMetricDataInput) (*GetMetricDataOutput, error) {
	results := []MetricDataResult{}
	for i := range in.MetricDataQueries {
		q := &in.MetricDataQueries[i]
		result, err := h.result(in, q)
		if err != nil {
			return nil, err
		}
		if q.ReturnData == nil || *q.ReturnData {
			results = append(results, result)
		}
	}
	return &GetMetricDataOutput{MetricDataResults: results, Messages: []MessageData{}}, nil
}

func (h api) result(in *GetMetricDataInput, q *MetricDataQuery) (MetricDataResult, error) {
	if q.MetricStat == nil {
		if q.Expression != nil {
			return MetricDataResult{}, unsupported("A metric math expression")
		}
		return MetricDataResult{}, invalid(fmt.Sprintf("Error in query %q: either MetricStat or Expression must be specified.", *q.Id))
	}
	s := q.MetricStat
	samples, _, err := h.monitor.Statistics(cloudwatch.Query{
		Metric: metric(s.Metric), Statistics: []string{*s.Stat}, Period: seconds(s.Period), Unit: awsapi.Value(s.Unit), From: *in.StartTime, To: *in.EndTime,
	})
	if err != nil {
		return MetricDataResult{}, err
	}
	if awsapi.Value(in.ScanBy) != "TimestampAscending" {
		slices.Reverse(samples)
	}
	result := MetricDataResult{Id: q.Id, Label: q.Label, StatusCode: new("Complete"), Timestamps: []time.Time{}, Values: []float64{}}
	if result.Label == nil {
		result.Label = s.Metric.MetricName
	}
	for _, sample := range samples {
		if v, ok := sample.Values[*s.Stat]; ok {
			result.Timestamps, result.Values = append(result.Timestamps, sample.At), append(result.Values, v)
		}
	}
	return result, nil
}

// metricPage is the most metrics that CloudWatch returns at once (CW-017).
const metricPage = 500

func (h api) listMetrics(_ context.Context, in *ListMetricsInput) (*ListMetricsOutput, error) {
	all := h.monitor.Metrics()
	if in.RecentlyActive != nil {
		all = h.monitor.RecentMetrics()
	}
	found := slices.DeleteFunc(all, func(m cloudwatch.Metric) bool {
		return in.Namespace != nil && *in.Namespace != m.Namespace || in.MetricName != nil && *in.MetricName != m.Name || !hasAll(m, in.Dimensions)
	})
	part, next, err := page(found, in.NextToken, nil, metricPage)
	if err != nil {
		return nil, err
	}
	return &ListMetricsOutput{Metrics: awsapi.List(part, metricShape), NextToken: next}, nil
}

// hasAll reports whether a metric has every dimension of a filter, with the value that it names, if it does.
func hasAll(m cloudwatch.Metric, filters []DimensionFilter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(m.Dimensions, func(d cloudwatch.Dimension) bool { return d.Name == *f.Name && (f.Value == nil || d.Value == *f.Value) }) {
			return false
		}
	}
	return true
}
