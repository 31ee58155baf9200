package applicationautoscaling

import (
	"context"
	"errors"
	"slices"

	"drydock/autoscaling"
	"drydock/awsapi"
)

// api holds what the handlers need.
type api struct {
	scaler *autoscaling.Scaler
}

// Register registers the handlers of Application Auto Scaling.
func Register(s *awsapi.Server, scaler *autoscaling.Scaler) {
	h := api{scaler}
	awsapi.Handle(s, "application-autoscaling", "RegisterScalableTarget", h.registerScalableTarget)
	awsapi.Handle(s, "application-autoscaling", "DescribeScalableTargets", h.describeScalableTargets)
	awsapi.Handle(s, "application-autoscaling", "DeregisterScalableTarget", h.deregisterScalableTarget)
	awsapi.Handle(s, "application-autoscaling", "PutScalingPolicy", h.putScalingPolicy)
	awsapi.Handle(s, "application-autoscaling", "DescribeScalingPolicies", h.describeScalingPolicies)
	awsapi.Handle(s, "application-autoscaling", "DeleteScalingPolicy", h.deleteScalingPolicy)
	awsapi.Handle(s, "application-autoscaling", "PutScheduledAction", h.putScheduledAction)
	awsapi.Handle(s, "application-autoscaling", "DescribeScheduledActions", h.describeScheduledActions)
	awsapi.Handle(s, "application-autoscaling", "DeleteScheduledAction", h.deleteScheduledAction)
	awsapi.Handle(s, "application-autoscaling", "DescribeScalingActivities", h.describeScalingActivities)
	awsapi.Handle(s, "application-autoscaling", "ListTagsForResource", h.listTagsForResource)
	awsapi.Handle(s, "application-autoscaling", "TagResource", h.tagResource)
	awsapi.Handle(s, "application-autoscaling", "UntagResource", h.untagResource)
}

// pageSize is the most that is returned at once (AAS-003).
const pageSize = 50

func page[T any](items []T, token *string, size *int64) (part []T, next *string, err error) {
	part, next, err = awsapi.Page(items, token, size, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		err = &awsapi.Error{Code: "InvalidNextTokenException", Message: "The next token supplied was invalid."}
	}
	return part, next, err
}

var (
	namespace = "ecs"
	dimension = autoscaling.Dimension
)

// checkScope refuses what is not the desired count of an ECS service: drydock scales nothing else.
func checkScope(service, scalable *string) error {
	if awsapi.Value(service) != namespace || scalable != nil && *scalable != dimension {
		return &awsapi.Error{Code: "ValidationException", Message: "drydock scales the desired count of ECS services only: service namespace ecs, scalable dimension " + dimension + "."}
	}
	return nil
}

// found returns the targets that a description asks for: all without a resource.
func (h api) found(service, scalable *string, resources []string) []*autoscaling.Target {
	if checkScope(service, scalable) != nil { // of other services there are none
		return nil
	}
	return slices.DeleteFunc(h.scaler.Targets(), func(t *autoscaling.Target) bool {
		return len(resources) > 0 && !slices.Contains(resources, t.Resource)
	})
}

func one(resource *string) []string {
	if resource == nil {
		return nil
	}
	return []string{*resource}
}

func number(n *int64) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

func numberShape(n *int) *int64 {
	if n == nil {
		return nil
	}
	return new(int64(*n))
}

func (h api) registerScalableTarget(ctx context.Context, in *RegisterScalableTargetRequest) (*RegisterScalableTargetResponse, error) {
	if err := checkScope(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	register := autoscaling.RegisterInput{Resource: *in.ResourceId, Min: number(in.MinCapacity), Max: number(in.MaxCapacity), RoleARN: awsapi.Value(in.RoleARN), Tags: in.Tags}
	if s := in.SuspendedState; s != nil {
		register.Suspended = &autoscaling.Suspended{In: awsapi.Value(s.DynamicScalingInSuspended), Out: awsapi.Value(s.DynamicScalingOutSuspended), Scheduled: awsapi.Value(s.ScheduledScalingSuspended)}
	}
	arn, err := h.scaler.RegisterScalableTarget(ctx, register)
	if err != nil {
		return nil, err
	}
	return &RegisterScalableTargetResponse{ScalableTargetARN: &arn}, nil
}

func (h api) describeScalableTargets(_ context.Context, in *DescribeScalableTargetsRequest) (*DescribeScalableTargetsResponse, error) {
	part, next, err := page(h.found(in.ServiceNamespace, in.ScalableDimension, in.ResourceIds), in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeScalableTargetsResponse{ScalableTargets: awsapi.List(part, targetShape), NextToken: next}, nil
}

func targetShape(t *autoscaling.Target) ScalableTarget {
	return ScalableTarget{
		ServiceNamespace: &namespace, ResourceId: &t.Resource, ScalableDimension: &dimension, MinCapacity: new(int64(t.Min)), MaxCapacity: new(int64(t.Max)),
		RoleARN: &t.RoleARN, CreationTime: &t.CreatedAt, ScalableTargetARN: &t.ARN,
		SuspendedState: &SuspendedState{DynamicScalingInSuspended: &t.Suspended.In, DynamicScalingOutSuspended: &t.Suspended.Out, ScheduledScalingSuspended: &t.Suspended.Scheduled},
	}
}

func (h api) deregisterScalableTarget(ctx context.Context, in *DeregisterScalableTargetRequest) (*DeregisterScalableTargetResponse, error) {
	if err := checkScope(in.ServiceNamespace, in.ScalableDimension); err != nil {
		return nil, err
	}
	return &DeregisterScalableTargetResponse{}, h.scaler.DeregisterScalableTarget(ctx, *in.ResourceId)
}

func (h api) describeScalingActivities(_ context.Context, in *DescribeScalingActivitiesRequest) (*DescribeScalingActivitiesResponse, error) {
	all := []ScalingActivity{}
	for _, t := range h.found(in.ServiceNamespace, in.ScalableDimension, one(in.ResourceId)) {
		for _, a := range t.Activities {
			all = append(all, activityShape(t.Resource, a))
		}
	}
	slices.SortStableFunc(all, func(a, b ScalingActivity) int { return b.StartTime.Compare(*a.StartTime) })
	part, next, err := page(all, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &DescribeScalingActivitiesResponse{ScalingActivities: part, NextToken: next}, nil
}

func activityShape(resource string, a autoscaling.Activity) ScalingActivity {
	return ScalingActivity{
		ActivityId: &a.ID, ServiceNamespace: &namespace, ResourceId: &resource, ScalableDimension: &dimension, Description: &a.Text, Cause: &a.Cause,
		StartTime: &a.Begun, EndTime: awsapi.NonZero(a.Ended), StatusCode: &a.Status, StatusMessage: awsapi.NonZero(a.Message),
	}
}

func (h api) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	return &TagResourceResponse{}, h.scaler.Tag(ctx, *in.ResourceARN, in.Tags, nil)
}

func (h api) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	return &UntagResourceResponse{}, h.scaler.Tag(ctx, *in.ResourceARN, nil, in.TagKeys)
}

func (h api) listTagsForResource(_ context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	tags, err := h.scaler.Tags(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	if tags == nil {
		tags = map[string]string{}
	}
	return &ListTagsForResourceResponse{Tags: tags}, nil
}
