package ec2

import (
	"context"

	"drydock/awsapi"
	"drydock/network"
)

func (a api) createTags(ctx context.Context, in *CreateTagsRequest) (*struct{}, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range in.Tags {
		tags[awsapi.Value(tag.Key)] = awsapi.Value(tag.Value)
	}
	return &struct{}{}, a.network.Tag(ctx, in.Resources, tags)
}

func (a api) deleteTags(ctx context.Context, in *DeleteTagsRequest) (*struct{}, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	var tags map[string]*string // nil: all
	for _, tag := range in.Tags {
		if tags == nil {
			tags = map[string]*string{}
		}
		tags[awsapi.Value(tag.Key)] = tag.Value
	}
	return &struct{}{}, a.network.Untag(ctx, in.Resources, tags)
}

// tagRules gives new rules the tags of the request that made them.
func (a api) tagRules(ctx context.Context, rules []network.Rule, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	return a.network.Tag(ctx, awsapi.List(rules, func(r network.Rule) string { return r.ID }), tags)
}
