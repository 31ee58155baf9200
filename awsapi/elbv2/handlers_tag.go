package elbv2

import (
	"context"

	"drydock/alb"
	"drydock/awsapi"
)

func (a api) addTags(ctx context.Context, in *AddTagsInput) (*AddTagsOutput, error) {
	return nil, a.balancer.AddTags(ctx, in.ResourceArns, tags(in.Tags))
}

func (a api) removeTags(ctx context.Context, in *RemoveTagsInput) (*RemoveTagsOutput, error) {
	return nil, a.balancer.RemoveTags(ctx, in.ResourceArns, in.TagKeys)
}

func (a api) describeTags(ctx context.Context, in *DescribeTagsInput) (*DescribeTagsOutput, error) {
	found, err := a.balancer.DescribeTags(ctx, in.ResourceArns)
	if err != nil {
		return nil, err
	}
	return &DescribeTagsOutput{TagDescriptions: awsapi.List(found, func(d alb.TagDescription) TagDescription {
		return TagDescription{ResourceArn: &d.ResourceARN, Tags: awsapi.List(d.Tags, func(t alb.Tag) Tag { return Tag{Key: &t.Key, Value: &t.Value} })}
	})}, nil
}
