package cloudwatch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"drydock/awsapi"
	"drydock/cloudwatch"
)

// api holds what the handlers need.
type api struct {
	monitor *cloudwatch.Monitor
}

// Register registers the handlers of CloudWatch.
func Register(s *awsapi.Server, m *cloudwatch.Monitor) {
	h := api{m}
	awsapi.Handle(s, "cloudwatch", "PutMetricAlarm", h.putMetricAlarm)
	awsapi.Handle(s, "cloudwatch", "DescribeAlarms", h.describeAlarms)
	awsapi.Handle(s, "cloudwatch", "DescribeAlarmsForMetric", h.describeAlarmsForMetric)
	awsapi.Handle(s, "cloudwatch", "DescribeAlarmHistory", h.describeAlarmHistory)
	awsapi.Handle(s, "cloudwatch", "DeleteAlarms", h.deleteAlarms)
	awsapi.Handle(s, "cloudwatch", "SetAlarmState", h.setAlarmState)
	awsapi.Handle(s, "cloudwatch", "EnableAlarmActions", h.enableAlarmActions)
	awsapi.Handle(s, "cloudwatch", "DisableAlarmActions", h.disableAlarmActions)
	awsapi.Handle(s, "cloudwatch", "PutMetricData", h.putMetricData)
	awsapi.Handle(s, "cloudwatch", "GetMetricData", h.getMetricData)
	awsapi.Handle(s, "cloudwatch", "GetMetricStatistics", h.getMetricStatistics)
	awsapi.Handle(s, "cloudwatch", "ListMetrics", h.listMetrics)
	awsapi.Handle(s, "cloudwatch", "TagResource", h.tagResource)
	awsapi.Handle(s, "cloudwatch", "UntagResource", h.untagResource)
	awsapi.Handle(s, "cloudwatch", "ListTagsForResource", h.listTagsForResource)
}

// page returns the part of a list that a call asks for.
func page[T any](items []T, token *string, size *int64, most int) (part []T, next *string, err error) {
	part, next, err = awsapi.Page(items, token, size, most)
	if errors.Is(err, awsapi.ErrToken) {
		err = &awsapi.Error{Code: "InvalidNextToken", Message: "Invalid nextToken."}
	}
	return part, next, err
}

func invalid(message string) error {
	return &awsapi.Error{Code: "ValidationError", Message: message}
}

func unsupported(what string) error {
	return &awsapi.Error{Code: "InvalidParameterValue", Message: what + " is not supported by drydock."}
}

func seconds(n *int64) time.Duration { return time.Duration(awsapi.Value(n)) * time.Second }

func dimensions(list []Dimension) []cloudwatch.Dimension {
	return awsapi.List(list, func(d Dimension) cloudwatch.Dimension { return cloudwatch.Dimension{Name: *d.Name, Value: *d.Value} })
}

func dimensionShapes(list []cloudwatch.Dimension) []Dimension {
	return awsapi.List(list, func(d cloudwatch.Dimension) Dimension { return Dimension{&d.Name, &d.Value} })
}

func metric(m *Metric) cloudwatch.Metric {
	return cloudwatch.Metric{Namespace: awsapi.Value(m.Namespace), Name: awsapi.Value(m.MetricName), Dimensions: dimensions(m.Dimensions)}
}

func metricShape(m cloudwatch.Metric) Metric {
	return Metric{Namespace: &m.Namespace, MetricName: &m.Name, Dimensions: dimensionShapes(m.Dimensions)}
}

func (h api) tagResource(ctx context.Context, in *TagResourceInput) (*TagResourceOutput, error) {
	return &TagResourceOutput{}, h.monitor.Tag(ctx, *in.ResourceARN, tags(in.Tags), nil)
}

func (h api) untagResource(ctx context.Context, in *UntagResourceInput) (*UntagResourceOutput, error) {
	return &UntagResourceOutput{}, h.monitor.Tag(ctx, *in.ResourceARN, nil, in.TagKeys)
}

func (h api) listTagsForResource(_ context.Context, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	all, err := h.monitor.Tags(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	shapes := []Tag{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		shapes = append(shapes, Tag{new(key), new(all[key])})
	}
	return &ListTagsForResourceOutput{Tags: shapes}, nil
}

func tags(list []Tag) map[string]string {
	all := make(map[string]string, len(list))
	for _, t := range list {
		all[*t.Key] = *t.Value
	}
	return all
}
