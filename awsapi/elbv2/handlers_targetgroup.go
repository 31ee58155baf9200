package elbv2

import (
	"context"
	"slices"

	"drydock/alb"
	"drydock/awsapi"
)

func (a api) createTargetGroup(ctx context.Context, in *CreateTargetGroupInput) (*CreateTargetGroupOutput, error) {
	if err := unsupported(refused{"TargetControlPort", in.TargetControlPort != nil}); err != nil {
		return nil, err
	}
	check, err := healthCheck(ModifyTargetGroupInput{
		HealthCheckProtocol: in.HealthCheckProtocol, HealthCheckPort: in.HealthCheckPort, HealthCheckPath: in.HealthCheckPath,
		HealthCheckEnabled: in.HealthCheckEnabled, HealthCheckIntervalSeconds: in.HealthCheckIntervalSeconds,
		HealthCheckTimeoutSeconds: in.HealthCheckTimeoutSeconds, HealthyThresholdCount: in.HealthyThresholdCount,
		UnhealthyThresholdCount: in.UnhealthyThresholdCount, Matcher: in.Matcher,
	})
	if err != nil {
		return nil, err
	}
	tg, err := a.balancer.CreateTargetGroup(ctx, alb.CreateTargetGroupInput{
		Name: *in.Name, Protocol: awsapi.Value(in.Protocol), ProtocolVersion: awsapi.Value(in.ProtocolVersion), Port: number(in.Port),
		VPCID: awsapi.Value(in.VpcId), TargetType: awsapi.Value(in.TargetType), IPAddressType: awsapi.Value(in.IpAddressType),
		HealthCheck: check, Tags: tags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &CreateTargetGroupOutput{TargetGroups: []TargetGroup{targetGroupShape(tg)}}, nil
}

func healthCheck(in ModifyTargetGroupInput) (alb.HealthCheck, error) {
	check := alb.HealthCheck{
		Enabled: in.HealthCheckEnabled, Protocol: awsapi.Value(in.HealthCheckProtocol), Port: awsapi.Value(in.HealthCheckPort),
		Path: awsapi.Value(in.HealthCheckPath), IntervalSeconds: number(in.HealthCheckIntervalSeconds),
		TimeoutSeconds: number(in.HealthCheckTimeoutSeconds), HealthyThresholdCount: number(in.HealthyThresholdCount),
		UnhealthyThresholdCount: number(in.UnhealthyThresholdCount),
	}
	if in.Matcher == nil {
		return check, nil
	}
	check.Matcher, check.GRPCMatcher = awsapi.Value(in.Matcher.HttpCode), awsapi.Value(in.Matcher.GrpcCode)
	return check, nil
}

func targetGroupShape(tg alb.TargetGroup) TargetGroup {
	h := tg.HealthCheck
	return TargetGroup{
		TargetGroupArn: &tg.ARN, TargetGroupName: &tg.Name, Protocol: &tg.Protocol, ProtocolVersion: &tg.ProtocolVersion,
		Port: new(int64(tg.Port)), VpcId: &tg.VPCID, TargetType: &tg.TargetType, IpAddressType: &tg.IPAddressType,
		HealthCheckEnabled: h.Enabled, HealthCheckProtocol: &h.Protocol, HealthCheckPort: &h.Port, HealthCheckPath: &h.Path,
		HealthCheckIntervalSeconds: new(int64(h.IntervalSeconds)), HealthCheckTimeoutSeconds: new(int64(h.TimeoutSeconds)),
		HealthyThresholdCount: new(int64(h.HealthyThresholdCount)), UnhealthyThresholdCount: new(int64(h.UnhealthyThresholdCount)),
		Matcher:          &Matcher{HttpCode: awsapi.NonZero(h.Matcher), GrpcCode: awsapi.NonZero(h.GRPCMatcher)},
		LoadBalancerArns: awsapi.List(tg.LoadBalancerARNs, func(arn string) string { return arn }),
	}
}

func (a api) describeTargetGroups(ctx context.Context, in *DescribeTargetGroupsInput) (*DescribeTargetGroupsOutput, error) {
	found, err := a.balancer.DescribeTargetGroups(ctx, awsapi.Value(in.LoadBalancerArn), in.TargetGroupArns, in.Names)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeTargetGroupsOutput{TargetGroups: awsapi.List(part, targetGroupShape), NextMarker: next}, nil
}

func (a api) modifyTargetGroup(ctx context.Context, in *ModifyTargetGroupInput) (*ModifyTargetGroupOutput, error) {
	change, err := healthCheck(*in)
	if err != nil {
		return nil, err
	}
	tg, err := a.balancer.ModifyTargetGroup(ctx, *in.TargetGroupArn, change)
	if err != nil {
		return nil, err
	}
	return &ModifyTargetGroupOutput{TargetGroups: []TargetGroup{targetGroupShape(tg)}}, nil
}

func (a api) deleteTargetGroup(ctx context.Context, in *DeleteTargetGroupInput) (*DeleteTargetGroupOutput, error) {
	return nil, a.balancer.DeleteTargetGroup(ctx, *in.TargetGroupArn)
}

func targetGroupAttribute(at alb.Attribute) TargetGroupAttribute {
	return TargetGroupAttribute{Key: &at.Key, Value: &at.Value}
}

func (a api) describeTargetGroupAttributes(ctx context.Context, in *DescribeTargetGroupAttributesInput) (*DescribeTargetGroupAttributesOutput, error) {
	attributes, err := a.balancer.DescribeTargetGroupAttributes(ctx, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return &DescribeTargetGroupAttributesOutput{Attributes: awsapi.List(attributes, targetGroupAttribute)}, nil
}

func (a api) modifyTargetGroupAttributes(ctx context.Context, in *ModifyTargetGroupAttributesInput) (*ModifyTargetGroupAttributesOutput, error) {
	changes := awsapi.List(in.Attributes, func(at TargetGroupAttribute) alb.Attribute {
		return alb.Attribute{Key: awsapi.Value(at.Key), Value: awsapi.Value(at.Value)}
	})
	attributes, err := a.balancer.ModifyTargetGroupAttributes(ctx, *in.TargetGroupArn, changes)
	if err != nil {
		return nil, err
	}
	return &ModifyTargetGroupAttributesOutput{Attributes: awsapi.List(attributes, targetGroupAttribute)}, nil
}

func targets(shapes []TargetDescription) ([]alb.Target, error) {
	for _, t := range shapes {
		if err := unsupported(refused{"QuicServerId", t.QuicServerId != nil}); err != nil {
			return nil, err
		}
	}
	return awsapi.List(shapes, func(t TargetDescription) alb.Target {
		return alb.Target{ID: *t.Id, Port: number(t.Port), AvailabilityZone: awsapi.Value(t.AvailabilityZone)}
	}), nil
}

func (a api) registerTargets(ctx context.Context, in *RegisterTargetsInput) (*RegisterTargetsOutput, error) {
	list, err := targets(in.Targets)
	if err != nil {
		return nil, err
	}
	return nil, a.balancer.RegisterTargets(ctx, *in.TargetGroupArn, list)
}

func (a api) deregisterTargets(ctx context.Context, in *DeregisterTargetsInput) (*DeregisterTargetsOutput, error) {
	list, err := targets(in.Targets)
	if err != nil {
		return nil, err
	}
	return nil, a.balancer.DeregisterTargets(ctx, *in.TargetGroupArn, list)
}

func (a api) describeTargetHealth(ctx context.Context, in *DescribeTargetHealthInput) (*DescribeTargetHealthOutput, error) {
	list, err := targets(in.Targets)
	if err != nil {
		return nil, err
	}
	found, err := a.balancer.DescribeTargetHealth(ctx, *in.TargetGroupArn, list)
	if err != nil {
		return nil, err
	}
	anomalies := slices.Contains(in.Include, "AnomalyDetection") || slices.Contains(in.Include, "All")
	return &DescribeTargetHealthOutput{TargetHealthDescriptions: awsapi.List(found, func(h alb.TargetHealth) TargetHealthDescription {
		return targetHealthShape(h, anomalies)
	})}, nil
}

func targetHealthShape(h alb.TargetHealth, anomalies bool) TargetHealthDescription {
	shape := TargetHealthDescription{
		Target: &TargetDescription{
			Id: &h.Target.ID, Port: awsapi.NonZero(int64(h.Target.Port)), AvailabilityZone: awsapi.NonZero(h.Target.AvailabilityZone),
		},
		HealthCheckPort: awsapi.NonZero(h.HealthCheckPort),
		TargetHealth:    &TargetHealth{State: new(string(h.State)), Reason: awsapi.NonZero(h.Reason), Description: awsapi.NonZero(h.Description)},
	}
	if anomalies {
		shape.AnomalyDetection = &AnomalyDetection{Result: new("normal"), MitigationInEffect: new("no")}
	}
	return shape
}
