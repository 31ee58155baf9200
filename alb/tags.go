package alb

import (
	"context"
	"slices"
	"strings"

	"drydock/timeline"
)

// Tag is a tag of a resource.
type Tag struct{ Key, Value string }

// TagDescription holds the tags of one resource.
type TagDescription struct {
	ResourceARN string
	Tags        []Tag
}

func checkTags(tags []Tag) error {
	seen := map[string]bool{}
	for _, tag := range tags {
		switch {
		case tag.Key == "":
			return constraint(tag.Key, "tags.1.member.key", "have length greater than or equal to 1")
		case len(tag.Key) > 128:
			return constraint(tag.Key, "tags.1.member.key", "have length less than or equal to 128")
		case len(tag.Value) > 256:
			return constraint(tag.Value, "tags.1.member.value", "have length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(tag.Key), "aws:"):
			return invalid("Tag key '%s' is reserved: the prefix 'aws:' is for AWS use", tag.Key)
		case seen[tag.Key]:
			return refuse("DuplicateTagKeys", "A tag key was specified more than once: '%s'", tag.Key)
		}
		seen[tag.Key] = true
	}
	if len(tags) > maxTags {
		return refuse("TooManyTags", "The maximum number of tags '%d' has been exceeded", maxTags)
	}
	return nil
}

func sameTags(a, b []Tag) bool {
	byKey := func(a, b Tag) int { return strings.Compare(a.Key, b.Key) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byKey), slices.SortedFunc(slices.Values(b), byKey))
}

func mergeTags(tags, added []Tag) []Tag {
	merged := slices.Clone(tags)
	for _, tag := range added {
		if i := slices.IndexFunc(merged, func(t Tag) bool { return t.Key == tag.Key }); i >= 0 {
			merged[i] = tag
		} else {
			merged = append(merged, tag)
		}
	}
	return merged
}

// AddTags adds tags to resources; a tag with a key that exists replaces it.
func (b *Balancer) AddTags(ctx context.Context, arns []string, tags []Tag) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return b.retag(ctx, arns, func(old []Tag) []Tag { return mergeTags(old, tags) })
}

// RemoveTags removes the tags with these keys from resources.
func (b *Balancer) RemoveTags(ctx context.Context, arns, keys []string) error {
	return b.retag(ctx, arns, func(old []Tag) []Tag {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(keys, t.Key) })
	})
}

// DescribeTags returns the tags of resources in the order of arns.
func (b *Balancer) DescribeTags(_ context.Context, arns []string) ([]TagDescription, error) {
	v := b.view.Load()
	var found []TagDescription
	for _, arn := range arns {
		tags, err := v.tagsOf(arn)
		if err != nil {
			return nil, err
		}
		found = append(found, TagDescription{ResourceARN: arn, Tags: tags})
	}
	return found, nil
}

func (b *Balancer) retag(ctx context.Context, arns []string, change func([]Tag) []Tag) error {
	return b.update(ctx, func(x *tx) error {
		for _, arn := range arns {
			tags, err := x.tagsOf(arn)
			if err != nil {
				return err
			}
			if tags = change(tags); len(tags) > maxTags {
				return refuse("TooManyTags", "The maximum number of tags '%d' has been exceeded", maxTags)
			}
			x.putTags(arn, tags)
			x.event(timeline.Config, arn, "changed tags", nil)
		}
		return nil
	})
}

func (s state) tagsOf(arn string) ([]Tag, error) {
	switch {
	case s.loadBalancers.rows[arn] != nil:
		return s.loadBalancers.rows[arn].Tags, nil
	case s.targetGroups.rows[arn] != nil:
		return s.targetGroups.rows[arn].Tags, nil
	case s.listeners.rows[arn] != nil:
		return s.listeners.rows[arn].Tags, nil
	case s.rules.rows[arn] != nil:
		return s.rules.rows[arn].Tags, nil
	}
	return nil, resourceNotFound(arn)
}

func resourceNotFound(arn string) error {
	switch {
	case checkARN("load balancer", arn) == nil:
		return loadBalancerNotFound(arn)
	case checkARN("target group", arn) == nil:
		return refuse("TargetGroupNotFound", "Target groups '%s' not found", arn)
	case checkARN("listener", arn) == nil:
		return refuse("ListenerNotFound", "Listener '%s' not found", arn)
	case checkARN("listener rule", arn) == nil:
		return refuse("RuleNotFound", "Rule '%s' not found", arn)
	}
	return invalid("'%s' is not a valid load balancer, target group, listener or listener rule ARN", arn)
}

func (x *tx) putTags(arn string, tags []Tag) {
	if row := x.loadBalancers.rows[arn]; row != nil {
		next := *row
		next.Tags = tags
		x.loadBalancers.put(x, arn, &next)
	}
	if row := x.targetGroups.rows[arn]; row != nil {
		next := *row
		next.Tags = tags
		x.targetGroups.put(x, arn, &next)
	}
	if row := x.listeners.rows[arn]; row != nil {
		next := *row
		next.Tags = tags
		x.listeners.put(x, arn, &next)
	}
	if row := x.rules.rows[arn]; row != nil {
		next := *row
		next.Tags = tags
		x.rules.put(x, arn, &next)
	}
}
