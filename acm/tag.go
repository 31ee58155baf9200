package acm

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// AddTagsToCertificate adds tags, or replaces the values of those that are there.
func (a *Authority) AddTagsToCertificate(ctx context.Context, arn string, tags []Tag) error {
	return a.retag(ctx, arn, func(have []Tag) ([]Tag, error) {
		for _, tag := range tags {
			have = append(without(have, tag.Key), tag)
		}
		return have, checkTags(tags, have...)
	})
}

// RemoveTagsFromCertificate removes tags by key; a tag with a value is removed only if the value is
// the same. withValue tells of each tag whether it was given one.
func (a *Authority) RemoveTagsFromCertificate(ctx context.Context, arn string, tags []Tag, withValue []bool) error {
	return a.retag(ctx, arn, func(have []Tag) ([]Tag, error) {
		for i, tag := range tags {
			have = slices.DeleteFunc(have, func(t Tag) bool { return t.Key == tag.Key && (!withValue[i] || t.Value == tag.Value) })
		}
		return have, nil
	})
}

// ListTagsForCertificate returns a certificate's tags.
func (a *Authority) ListTagsForCertificate(arn string) ([]Tag, error) {
	c, err := a.find(arn)
	if err != nil {
		return nil, err
	}
	return c.Tags, nil
}

func (a *Authority) retag(ctx context.Context, arn string, change func([]Tag) ([]Tag, error)) error {
	return a.update(ctx, func(t *tx) error {
		old, err := t.get(arn)
		if err != nil {
			return err
		}
		c := *old
		if c.Tags, err = change(slices.Clone(old.Tags)); err != nil {
			return err
		}
		t.event(0, arn, fmt.Sprintf("changed the tags of the certificate for %s", c.DomainName), nil)
		t.put(c)
		return nil
	})
}

func without(tags []Tag, key string) []Tag {
	return slices.DeleteFunc(tags, func(t Tag) bool { return t.Key == key })
}

// checkTags refuses tags that AWS keeps for itself (ACM-015), and too many of them.
func checkTags(tags []Tag, all ...Tag) error {
	for _, tag := range tags {
		if strings.HasPrefix(strings.ToLower(tag.Key), "aws:") {
			return invalid("Invalid Tag Key: %q. AWS internal tags cannot be changed with this API", tag.Key)
		}
	}
	if max(len(tags), len(all)) > maxTags {
		return refuse("TooManyTagsException", "A certificate can have %d tags at most.", maxTags)
	}
	return nil
}
