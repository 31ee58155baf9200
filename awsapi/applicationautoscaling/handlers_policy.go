package applicationautoscaling

import (
	"context"
	"slices"
	"time"

	"drydock/autoscaling"
	"drydock/awsapi"
	"drydock/cloudwatch"
)

func (h api) putScalingPolicy(ctx context.Context, in *PutScalingPolicyRequest) (*PutScalingPolicyResponse, error) {
	if err := checkScope(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	p, err := h.policy(in)
	if err != nil {
		return nil, err
	}
	if p, err = h.scaler.PutScalingPolicy(ctx, *in.ResourceId, p); err != nil {
		return nil, err
	}
	return &PutScalingPolicyResponse{PolicyARN: &p.ARN, Alarms: h.alarmShapes(p)}, nil
}

// policy reads what is given; a policy that is changed keeps its type without naming it.
func (h api) policy(in *PutScalingPolicyRequest) (autoscaling.Policy, error) {
	p := autoscaling.Policy{Name: *in.PolicyName}
	switch {
	case awsapi.Value(in.PolicyType) == "PredictiveScaling" || in.PredictiveScalingPolicyConfiguration != nil:
		return p, &awsapi.Error{Code: "ValidationException", Message: "Predictive scaling is not supported by drydock: it needs weeks of history."}
	case in.TargetTrackingScalingPolicyConfiguration != nil && in.StepScalingPolicyConfiguration != nil:
		return p, &awsapi.Error{Code: "ValidationException", Message: "Only one policy configuration can be specified."}
	case in.TargetTrackingScalingPolicyConfiguration != nil:
		k, err := tracking(in.TargetTrackingScalingPolicyConfiguration)
		p.Tracking = k
		return p, err
	case in.StepScalingPolicyConfiguration != nil:
		p.Step = step(in.StepScalingPolicyConfiguration)
	}
	return p, nil
}

func tracking(in *TargetTrackingScalingPolicyConfiguration) (*autoscaling.Tracking, error) {
	k := &autoscaling.Tracking{Target: *in.TargetValue, OutCooldown: seconds(in.ScaleOutCooldown), InCooldown: seconds(in.ScaleInCooldown), DisableScaleIn: awsapi.Value(in.DisableScaleIn)}
	if (in.PredefinedMetricSpecification == nil) == (in.CustomizedMetricSpecification == nil) {
		return nil, &awsapi.Error{Code: "ValidationException", Message: "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified."}
	}
	if p := in.PredefinedMetricSpecification; p != nil {
		k.Predefined, k.Label = *p.PredefinedMetricType, awsapi.Value(p.ResourceLabel)
		return k, nil
	}
	c := in.CustomizedMetricSpecification
	if len(c.Metrics) > 0 {
		return nil, &awsapi.Error{Code: "ValidationException", Message: "Metric math is not supported by drydock: name one metric."}
	}
	k.Metric = cloudwatch.Metric{Namespace: awsapi.Value(c.Namespace), Name: awsapi.Value(c.MetricName), Dimensions: awsapi.List(c.Dimensions, func(d MetricDimension) cloudwatch.Dimension {
		return cloudwatch.Dimension{Name: *d.Name, Value: *d.Value}
	})}
	k.Statistic, k.Unit = awsapi.Value(c.Statistic), awsapi.Value(c.Unit)
	return k, nil
}

func seconds(n *int64) *time.Duration {
	if n == nil {
		return nil
	}
	return new(time.Duration(*n) * time.Second)
}

func secondsShape(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	return new(int64(*d / time.Second))
}

func step(in *StepScalingPolicyConfiguration) *autoscaling.Step {
	return &autoscaling.Step{
		Adjustment: awsapi.Value(in.AdjustmentType), MinMagnitude: int(awsapi.Value(in.MinAdjustmentMagnitude)), Cooldown: seconds(in.Cooldown), Aggregation: awsapi.Value(in.MetricAggregationType),
		Steps: awsapi.List(in.StepAdjustments, func(a StepAdjustment) autoscaling.Interval {
			return autoscaling.Interval{Lower: a.MetricIntervalLowerBound, Upper: a.MetricIntervalUpperBound, Adjust: int(*a.ScalingAdjustment)}
		}),
	}
}

func (h api) alarmShapes(p autoscaling.Policy) []Alarm {
	return awsapi.List(h.scaler.AlarmsOf(p), func(a *cloudwatch.Alarm) Alarm { return Alarm{&a.Name, &a.ARN} })
}

func (h api) describeScalingPolicies(_ context.Context, in *DescribeScalingPoliciesRequest) (*DescribeScalingPoliciesResponse, error) {
	all := []ScalingPolicy{}
	for _, t := range h.found(in.ServiceNamespace, in.ScalableDimension, one(in.ResourceId)) {
		for _, p := range t.Policies {
			if len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, p.Name) || slices.Contains(in.PolicyNames, p.ARN) {
				all = append(all, h.policyShape(t.Resource, p))
			}
		}
	}
	part, next, err := page(all, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeScalingPoliciesResponse{ScalingPolicies: part, NextToken: next}, nil
}

func (h api) policyShape(resource string, p autoscaling.Policy) ScalingPolicy {
	shape := ScalingPolicy{PolicyARN: &p.ARN, PolicyName: &p.Name, ServiceNamespace: &namespace, ResourceId: &resource, ScalableDimension: &dimension,
		Alarms: h.alarmShapes(p), CreationTime: &p.CreatedAt}
	if p.Step != nil {
		shape.PolicyType, shape.StepScalingPolicyConfiguration = new("StepScaling"), stepShape(p.Step)
		return shape
	}
	shape.PolicyType, shape.TargetTrackingScalingPolicyConfiguration = new("TargetTrackingScaling"), trackingShape(p.Tracking)
	return shape
}

func stepShape(s *autoscaling.Step) *StepScalingPolicyConfiguration {
	return &StepScalingPolicyConfiguration{
		AdjustmentType: &s.Adjustment, MinAdjustmentMagnitude: awsapi.NonZero(int64(s.MinMagnitude)), Cooldown: secondsShape(s.Cooldown), MetricAggregationType: awsapi.NonZero(s.Aggregation),
		StepAdjustments: awsapi.List(s.Steps, func(i autoscaling.Interval) StepAdjustment {
			return StepAdjustment{MetricIntervalLowerBound: i.Lower, MetricIntervalUpperBound: i.Upper, ScalingAdjustment: new(int64(i.Adjust))}
		}),
	}
}

func trackingShape(k *autoscaling.Tracking) *TargetTrackingScalingPolicyConfiguration {
	shape := &TargetTrackingScalingPolicyConfiguration{TargetValue: &k.Target, ScaleOutCooldown: secondsShape(k.OutCooldown), ScaleInCooldown: secondsShape(k.InCooldown), DisableScaleIn: &k.DisableScaleIn}
	if k.Predefined != "" {
		shape.PredefinedMetricSpecification = &PredefinedMetricSpecification{PredefinedMetricType: &k.Predefined, ResourceLabel: awsapi.NonZero(k.Label)}
		return shape
	}
	shape.CustomizedMetricSpecification = &CustomizedMetricSpecification{MetricName: &k.Metric.Name, Namespace: &k.Metric.Namespace, Statistic: &k.Statistic, Unit: awsapi.NonZero(k.Unit),
		Dimensions: awsapi.List(k.Metric.Dimensions, func(d cloudwatch.Dimension) MetricDimension { return MetricDimension{&d.Name, &d.Value} })}
	return shape
}

func (h api) deleteScalingPolicy(ctx context.Context, in *DeleteScalingPolicyRequest) (*DeleteScalingPolicyResponse, error) {
	if err := checkScope(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	return &DeleteScalingPolicyResponse{}, h.scaler.DeleteScalingPolicy(ctx, *in.ResourceId, *in.PolicyName)
}

func (h api) putScheduledAction(ctx context.Context, in *PutScheduledActionRequest) (*PutScheduledActionResponse, error) {
	if err := checkScope(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	a := autoscaling.ScheduledAction{Name: *in.ScheduledActionName, Schedule: awsapi.Value(in.Schedule), Zone: awsapi.Value(in.Timezone), Start: awsapi.Value(in.StartTime), End: awsapi.Value(in.EndTime)}
	if bounds := in.ScalableTargetAction; bounds != nil {
		a.Min, a.Max = number(bounds.MinCapacity), number(bounds.MaxCapacity)
	}
	return &PutScheduledActionResponse{}, h.scaler.PutScheduledAction(ctx, *in.ResourceId, a)
}

func (h api) describeScheduledActions(_ context.Context, in *DescribeScheduledActionsRequest) (*DescribeScheduledActionsResponse, error) {
	all := []ScheduledAction{}
	for _, t := range h.found(in.ServiceNamespace, in.ScalableDimension, one(in.ResourceId)) {
		for _, a := range t.Actions {
			if len(in.ScheduledActionNames) == 0 || slices.Contains(in.ScheduledActionNames, a.Name) || slices.Contains(in.ScheduledActionNames, a.ARN) {
				all = append(all, actionShape(t.Resource, a))
			}
		}
	}
	part, next, err := page(all, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeScheduledActionsResponse{ScheduledActions: part, NextToken: next}, nil
}

func actionShape(resource string, a autoscaling.ScheduledAction) ScheduledAction {
	return ScheduledAction{
		ScheduledActionName: &a.Name, ScheduledActionARN: &a.ARN, ServiceNamespace: &namespace, Schedule: &a.Schedule, Timezone: awsapi.NonZero(a.Zone), ResourceId: &resource,
		ScalableDimension: &dimension, StartTime: awsapi.NonZero(a.Start), EndTime: awsapi.NonZero(a.End), CreationTime: &a.CreatedAt,
		ScalableTargetAction: &ScalableTargetAction{MinCapacity: numberShape(a.Min), MaxCapacity: numberShape(a.Max)},
	}
}

func (h api) deleteScheduledAction(ctx context.Context, in *DeleteScheduledActionRequest) (*DeleteScheduledActionResponse, error) {
	if err := checkScope(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	return &DeleteScheduledActionResponse{}, h.scaler.DeleteScheduledAction(ctx, *in.ResourceId, *in.ScheduledActionName)
}
