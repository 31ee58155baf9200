package logs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Group is a log group.
type Group struct {
	Name            string            `json:"name"`
	ARN             string            `json:"arn"` // without :*
	CreatedAt       time.Time         `json:"createdAt"`
	RetentionInDays int               `json:"retentionInDays,omitempty"` // 0: for ever, as far as drydock keeps logs
	Class           string            `json:"class"`
	KMSKeyID        string            `json:"kmsKeyId,omitempty"`
	Tags            map[string]string `json:"tags,omitempty"`

	streams map[string]*Stream // by name
}

// clone returns a copy whose streams can be added to and removed from.
func (g *Group) clone() *Group {
	c := *g
	c.streams = maps.Clone(g.streams)
	c.Tags = maps.Clone(g.Tags)
	return &c
}

// CreateLogGroup makes a group. class may be empty.
func (s *Service) CreateLogGroup(ctx context.Context, name, class, key string, tags map[string]string) error {
	return s.update(ctx, func(c *change) error {
		if c.group(name) != nil {
			return errGroupExists
		}
		g := c.add(name)
		g.KMSKeyID, g.Tags = key, tags
		if class != "" {
			g.Class = class
		}
		c.say(name, fmt.Sprintf("log group %s was created", name))
		return nil
	})
}

func (c *change) add(name string) *Group {
	g := &Group{Name: name, ARN: c.s.arn(name), CreatedAt: time.Now(), Class: "STANDARD", streams: map[string]*Stream{}}
	c.groups[name] = g
	c.rows[groupRow+"/"+name] = g
	return g
}

// DeleteLogGroup removes a group, its streams and what clients wrote to them. A container that
// goes on writing gets no new stream in it (CWL-006).
func (s *Service) DeleteLogGroup(ctx context.Context, name string) error {
	if err := s.Sync(ctx); err != nil {
		return err
	}
	var gone []*Stream
	err := s.update(ctx, func(c *change) error {
		g := c.group(name)
		if g == nil {
			return errNoGroup
		}
		for _, stream := range g.streams {
			gone = append(gone, stream)
			c.dropStream(stream)
		}
		c.groups[name], c.rows[groupRow+"/"+name] = nil, nil
		c.say(name, fmt.Sprintf("log group %s was deleted with its %d streams", name, len(gone)))
		return nil
	})
	for _, stream := range gone {
		err = errors.Join(err, s.removeFile(stream))
	}
	return err
}

func (s *Service) removeFile(stream *Stream) error {
	s.forgetSpan(stream)
	if err := os.Remove(s.path(stream)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// DescribeLogGroups returns the groups by name: all of them, or those whose name begins with
// prefix and contains pattern.
func (s *Service) DescribeLogGroups(ctx context.Context, prefix, pattern string) ([]Group, error) {
	if err := s.Sync(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Group
	for _, name := range sortedKeys(s.groups) {
		if strings.HasPrefix(name, prefix) && strings.Contains(strings.ToLower(name), strings.ToLower(pattern)) {
			list = append(list, *s.groups[name])
		}
	}
	return list, nil
}

// retentions are the days that a retention policy may name (CWL-003).
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy sets how many days events are kept; 0 days delete the policy.
func (s *Service) PutRetentionPolicy(ctx context.Context, name string, days int) error {
	if days != 0 && !slices.Contains(retentions, days) {
		return invalid("Invalid retention value: %d. Valid values are: %s", days, strings.Trim(fmt.Sprint(retentions), "[]"))
	}
	return s.update(ctx, func(c *change) error {
		if c.group(name) == nil {
			return errNoGroup
		}
		c.edit(name).RetentionInDays = days
		c.say(name, fmt.Sprintf("log group %s keeps events for %d days (0: as long as drydock keeps logs)", name, days))
		return nil
	})
}

// Tags returns the tags of a group, by name or ARN.
func (s *Service) Tags(group string) (map[string]string, error) {
	g, err := s.find(group)
	if err != nil {
		return nil, err
	}
	return g.Tags, nil
}

// Tag adds tags to a group, or replaces their values.
func (s *Service) Tag(ctx context.Context, group string, tags map[string]string) error {
	return s.retag(ctx, group, func(have map[string]string) { maps.Copy(have, tags) })
}

// Untag removes tags from a group.
func (s *Service) Untag(ctx context.Context, group string, keys []string) error {
	return s.retag(ctx, group, func(have map[string]string) {
		for _, key := range keys {
			delete(have, key)
		}
	})
}

func (s *Service) retag(ctx context.Context, group string, alter func(map[string]string)) error {
	name := NameOf(group)
	return s.update(ctx, func(c *change) error {
		if c.group(name) == nil {
			return errNoGroup
		}
		g := c.edit(name)
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		alter(g.Tags)
		c.say(name, fmt.Sprintf("the tags of log group %s were changed", name))
		return nil
	})
}
