package cloudwatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"drydock/awsapi"
	"drydock/cloudwatch"
)

func (h api) putMetricAlarm(ctx context.Context, in *PutMetricAlarmInput) (*PutMetricAlarmOutput, error) {
	spec, err := alarmSpec(in)
	if err != nil {
		return nil, err
	}
	return nil, h.monitor.PutMetricAlarm(ctx, spec)
}

func alarmSpec(in *PutMetricAlarmInput) (cloudwatch.AlarmSpec, error) {
	spec := cloudwatch.AlarmSpec{
		Name: *in.AlarmName, Description: awsapi.Value(in.AlarmDescription), ActionsEnabled: in.ActionsEnabled == nil || *in.ActionsEnabled,
		OKActions: in.OKActions, AlarmActions: in.AlarmActions, NoDataActions: in.InsufficientDataActions,
		EvaluationPeriods: int(awsapi.Value(in.EvaluationPeriods)), DatapointsToAlarm: int(awsapi.Value(in.DatapointsToAlarm)),
		Threshold: awsapi.Value(in.Threshold), Comparison: awsapi.Value(in.ComparisonOperator), Interval: seconds(in.EvaluationInterval),
		MissingData: awsapi.Value(in.TreatMissingData), LowSampleCount: awsapi.Value(in.EvaluateLowSampleCountPercentile), Tags: tags(in.Tags),
	}
	switch {
	case in.EvaluationCriteria != nil:
		return spec, unsupported("An alarm on a PromQL query")
	case in.ThresholdMetricId != nil:
		return spec, unsupported("An alarm on an anomaly detection model")
	case in.ComparisonOperator == nil || in.EvaluationPeriods == nil:
		return spec, invalid("ComparisonOperator and EvaluationPeriods must be specified.")
	case in.Threshold == nil:
		return spec, invalid("Threshold must be specified.")
	case len(in.Metrics) > 0:
		err := specOfQueries(&spec, in)
		return spec, err
	}
	err := specOfMetric(&spec, in)
	return spec, err
}

// specOfMetric takes the metric that is given by members of the call itself.
func specOfMetric(spec *cloudwatch.AlarmSpec, in *PutMetricAlarmInput) error {
	if in.Statistic != nil && in.ExtendedStatistic != nil {
		return &awsapi.Error{Code: "InvalidParameterCombination", Message: "The parameters Statistic and ExtendedStatistic must not be used together."}
	}
	if in.Period == nil {
		return invalid("Period must be specified.")
	}
	spec.Metric = metric(&Metric{Namespace: in.Namespace, MetricName: in.MetricName, Dimensions: in.Dimensions})
	spec.Statistic = awsapi.Value(in.Statistic) + awsapi.Value(in.ExtendedStatistic)
	spec.Period, spec.Unit = seconds(in.Period), awsapi.Value(in.Unit)
	return nil
}

// specOfQueries takes the metric of the one query that there may be.
func specOfQueries(spec *cloudwatch.AlarmSpec, in *PutMetricAlarmInput) error {
	if in.MetricName != nil || in.Namespace != nil || in.Statistic != nil || in.Period != nil {
		return &awsapi.Error{Code: "InvalidParameterCombination", Message: "The parameters MetricName and Metrics must not be used together."}
	}
	q := in.Metrics[0]
	if len(in.Metrics) > 1 || q.Expression != nil || q.MetricStat == nil {
		return unsupported("An alarm on a metric math expression")
	}
	spec.Metric, spec.Statistic = metric(q.MetricStat.Metric), *q.MetricStat.Stat
	spec.Period, spec.Unit, spec.QueryID = seconds(q.MetricStat.Period), awsapi.Value(q.MetricStat.Unit), *q.Id
	return nil
}

// The most alarms, and items of their history, that CloudWatch returns at once (CW-017).
const (
	alarmPage = 100
	alarmRest = 50 // without MaxRecords
)

func (h api) describeAlarms(_ context.Context, in *DescribeAlarmsInput) (*DescribeAlarmsOutput, error) {
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		return nil, &awsapi.Error{Code: "InvalidParameterCombination", Message: "AlarmNames and AlarmNamePrefix must not be used together."}
	}
	var found []*cloudwatch.Alarm
	for _, a := range h.monitor.Alarms() {
		if wanted(in, a) {
			found = append(found, a)
		}
	}
	part, next, err := page(found, in.NextToken, limit(in.MaxRecords), alarmPage)
	if err != nil {
		return nil, err
	}
	return &DescribeAlarmsOutput{MetricAlarms: alarmShapes(part), CompositeAlarms: []CompositeAlarm{}, NextToken: next}, nil
}

func limit(n *int64) *int64 {
	if n == nil {
		return new(int64(alarmRest))
	}
	return n
}

func wanted(in *DescribeAlarmsInput, a *cloudwatch.Alarm) bool {
	switch {
	case len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, "MetricAlarm"),
		in.ChildrenOfAlarmName != nil, in.ParentsOfAlarmName != nil, // composite alarms only
		len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, a.Name),
		!strings.HasPrefix(a.Name, awsapi.Value(in.AlarmNamePrefix)),
		in.StateValue != nil && *in.StateValue != a.State:
		return false
	}
	return in.ActionPrefix == nil || slices.ContainsFunc(slices.Concat(a.AlarmActions, a.OKActions, a.NoDataActions), func(action string) bool {
		return strings.HasPrefix(action, *in.ActionPrefix)
	})
}

func (h api) describeAlarmsForMetric(_ context.Context, in *DescribeAlarmsForMetricInput) (*DescribeAlarmsForMetricOutput, error) {
	asked := metric(&Metric{Namespace: in.Namespace, MetricName: in.MetricName, Dimensions: in.Dimensions})
	stat := awsapi.Value(in.Statistic) + awsapi.Value(in.ExtendedStatistic)
	var found []*cloudwatch.Alarm
	for _, a := range h.monitor.Alarms() {
		if a.Metric.Same(asked) && (stat == "" || stat == a.Statistic) && (in.Period == nil || seconds(in.Period) == a.Period) && (in.Unit == nil || *in.Unit == a.Unit) {
			found = append(found, a)
		}
	}
	return &DescribeAlarmsForMetricOutput{MetricAlarms: alarmShapes(found)}, nil
}

func alarmShapes(list []*cloudwatch.Alarm) []MetricAlarm {
	return awsapi.List(list, alarmShape)
}

func alarmShape(a *cloudwatch.Alarm) MetricAlarm {
	shape := MetricAlarm{
		AlarmName: &a.Name, AlarmArn: &a.ARN, AlarmDescription: awsapi.NonZero(a.Description), AlarmConfigurationUpdatedTimestamp: &a.ConfiguredAt,
		ActionsEnabled: &a.ActionsEnabled, OKActions: list(a.OKActions), AlarmActions: list(a.AlarmActions), InsufficientDataActions: list(a.NoDataActions),
		StateValue: &a.State, StateReason: &a.Reason, StateReasonData: awsapi.NonZero(a.ReasonData), StateUpdatedTimestamp: &a.StateAt,
		StateTransitionedTimestamp: &a.TransitionedAt, EvaluationPeriods: new(int64(a.EvaluationPeriods)), DatapointsToAlarm: awsapi.NonZero(int64(a.DatapointsToAlarm)),
		Threshold: &a.Threshold, ComparisonOperator: &a.Comparison, TreatMissingData: awsapi.NonZero(a.MissingData),
		EvaluateLowSampleCountPercentile: awsapi.NonZero(a.LowSampleCount), EvaluationInterval: awsapi.NonZero(int64(a.Interval / time.Second)),
		Dimensions: []Dimension{},
	}
	period := int64(a.Period / time.Second)
	if a.QueryID != "" {
		shape.Metrics = []MetricDataQuery{{Id: &a.QueryID, ReturnData: new(true), MetricStat: &MetricStat{
			Metric: new(metricShape(a.Metric)), Period: &period, Stat: &a.Statistic, Unit: awsapi.NonZero(a.Unit)}}}
		return shape
	}
	shape.Namespace, shape.MetricName, shape.Dimensions = &a.Metric.Namespace, &a.Metric.Name, dimensionShapes(a.Metric.Dimensions)
	shape.Period, shape.Unit = &period, awsapi.NonZero(a.Unit)
	if slices.Contains(cloudwatch.Statistics, a.Statistic) {
		shape.Statistic = &a.Statistic
	} else {
		shape.ExtendedStatistic = &a.Statistic
	}
	return shape
}

// list is sent also when it is empty.
func list(s []string) []string { return append([]string{}, s...) }

func (h api) describeAlarmHistory(_ context.Context, in *DescribeAlarmHistoryInput) (*DescribeAlarmHistoryOutput, error) {
	items := []AlarmHistoryItem{}
	for _, a := range h.monitor.Alarms() {
		if in.AlarmName != nil && *in.AlarmName != a.Name || len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, "MetricAlarm") {
			continue
		}
		for _, item := range a.History {
			if happened(in, item) {
				items = append(items, AlarmHistoryItem{AlarmName: &a.Name, AlarmType: new("MetricAlarm"), Timestamp: &item.At,
					HistoryItemType: &item.Type, HistorySummary: &item.Summary, HistoryData: &item.Data})
			}
		}
	}
	slices.SortStableFunc(items, func(x, y AlarmHistoryItem) int { return x.Timestamp.Compare(*y.Timestamp) })
	if awsapi.Value(in.ScanBy) != "TimestampAscending" {
		slices.Reverse(items)
	}
	part, next, err := page(items, in.NextToken, in.MaxRecords, alarmPage)
	return &DescribeAlarmHistoryOutput{AlarmHistoryItems: part, NextToken: next}, err
}

func happened(in *DescribeAlarmHistoryInput, item cloudwatch.HistoryItem) bool {
	return (in.HistoryItemType == nil || *in.HistoryItemType == item.Type) &&
		(in.StartDate == nil || !item.At.Before(*in.StartDate)) && (in.EndDate == nil || !item.At.After(*in.EndDate))
}

func (h api) deleteAlarms(ctx context.Context, in *DeleteAlarmsInput) (*DeleteAlarmsOutput, error) {
	return nil, h.monitor.DeleteAlarms(ctx, in.AlarmNames)
}

func (h api) setAlarmState(ctx context.Context, in *SetAlarmStateInput) (*SetAlarmStateOutput, error) {
	return nil, h.monitor.SetAlarmState(ctx, *in.AlarmName, *in.StateValue, *in.StateReason, awsapi.Value(in.StateReasonData))
}

func (h api) enableAlarmActions(ctx context.Context, in *EnableAlarmActionsInput) (*EnableAlarmActionsOutput, error) {
	return nil, h.monitor.SetActionsEnabled(ctx, in.AlarmNames, true)
}

func (h api) disableAlarmActions(ctx context.Context, in *DisableAlarmActionsInput) (*DisableAlarmActionsOutput, error) {
	return nil, h.monitor.SetActionsEnabled(ctx, in.AlarmNames, false)
}
