package ecs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/taskdefs"
)

func isDefinition(arn string) bool { return strings.Contains(arn, ":task-definition/") }

func (a api) listTagsForResource(_ context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	tags, err := a.tags(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &ListTagsForResourceResponse{Tags: tagShapes(tags)}, nil
}

func (a api) tags(arn string) (map[string]string, error) {
	if !isDefinition(arn) {
		return a.scheduler.Tags(arn)
	}
	r, err := a.definitions.Lookup(arn)
	if err != nil {
		return nil, invalid("The specified resource %s was not found.", arn)
	}
	tags := map[string]string{}
	for _, t := range r.Tags {
		tags[t.Key] = t.Value
	}
	return tags, nil
}

func (a api) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	add, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, a.retag(ctx, *in.ResourceArn, add, nil)
}

func (a api) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	return nil, a.retag(ctx, *in.ResourceArn, nil, in.TagKeys)
}

func (a api) retag(ctx context.Context, arn string, add map[string]string, remove []string) error {
	tags, err := a.tags(arn)
	if err != nil {
		return err
	}
	if !isDefinition(arn) {
		if tooMany(tags, add) {
			return invalid("Too many tags. The maximum number of tags is 50.")
		}
		return a.scheduler.Tag(ctx, arn, add, remove)
	}
	maps.Copy(tags, add)
	for _, key := range remove {
		delete(tags, key)
	}
	var list []taskdefs.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, taskdefs.Tag{Key: key, Value: tags[key]})
	}
	return a.definitions.SetTags(ctx, arn, list, time.Now())
}

func tooMany(tags, add map[string]string) bool {
	n := len(tags)
	for key := range add {
		if _, known := tags[key]; !known {
			n++
		}
	}
	return n > 50
}
