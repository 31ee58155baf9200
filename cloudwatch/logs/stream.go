package logs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Stream is a log stream.
type Stream struct {
	Group     string    `json:"group"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Source    *Source   `json:"source,omitempty"`  // nil: clients write it
	Deleted   bool      `json:"deleted,omitempty"` // kept so that its container gets no new one
}

func (c *change) addStream(stream *Stream) {
	c.edit(stream.Group).streams[stream.Name] = stream
	c.rows[streamKey(stream)] = stream
}

func (c *change) dropStream(stream *Stream) {
	if stream.Source == nil {
		c.rows[streamKey(stream)] = nil
		return
	}
	dropped := *stream
	dropped.Deleted = true
	c.rows[streamKey(stream)] = &dropped
	c.dropped = append(c.dropped, streamKey(stream))
}

// streamKey is a stream's row: group names have no colon.
func streamKey(stream *Stream) string { return streamRow + "/" + stream.Group + ":" + stream.Name }

// path is the file of a stream that clients write.
func (s *Service) path(stream *Stream) string {
	sum := sha256.Sum256([]byte(stream.Group + ":" + stream.Name))
	return filepath.Join(s.config.Directory, hex.EncodeToString(sum[:16])+".jsonl")
}

// Sync gives every container with the awslogs driver its stream, and its group where there is
// none (CWL-002). What was deleted meanwhile stays deleted.
func (s *Service) Sync(ctx context.Context) error {
	sources := s.containers.Sources()
	return s.update(ctx, func(c *change) error {
		for _, source := range sources {
			c.follow(source)
		}
		return nil
	})
}

func (c *change) follow(source Source) {
	stream := &Stream{Group: source.Group, Name: source.Stream, CreatedAt: source.CreatedAt, Source: &source}
	g := c.group(source.Group)
	if c.s.dropped[streamKey(stream)] || g != nil && g.streams[source.Stream] != nil {
		return
	}
	if g == nil {
		c.add(source.Group)
		c.say(source.Group, fmt.Sprintf("log group %s was created for container %s of task %s", source.Group, source.Container, source.TaskID))
	}
	c.addStream(stream)
}

// CreateLogStream makes a stream that clients write.
func (s *Service) CreateLogStream(ctx context.Context, group, name string) error {
	return s.update(ctx, func(c *change) error {
		g := c.group(group)
		switch {
		case g == nil:
			return errNoGroup
		case g.streams[name] != nil:
			return errStreamExists
		}
		c.addStream(&Stream{Group: group, Name: name, CreatedAt: time.Now()})
		c.say(group, fmt.Sprintf("log stream %s was created in %s", name, group))
		return nil
	})
}

// DeleteLogStream removes a stream and what clients wrote to it.
func (s *Service) DeleteLogStream(ctx context.Context, group, name string) error {
	var gone *Stream
	err := s.update(ctx, func(c *change) error {
		g := c.group(group)
		if g == nil {
			return errNoGroup
		}
		if gone = g.streams[name]; gone == nil {
			return errNoStream
		}
		delete(c.edit(group).streams, name)
		c.dropStream(gone)
		c.say(group, fmt.Sprintf("log stream %s of %s was deleted", name, group))
		return nil
	})
	if err != nil {
		return err
	}
	return s.removeFile(gone)
}

// streams returns the streams of a group whose names begin with prefix, by name; or those named.
func (s *Service) streams(ctx context.Context, group, prefix string, names []string) ([]*Stream, error) {
	if err := s.Sync(ctx); err != nil {
		return nil, err
	}
	g, err := s.find(group)
	if err != nil {
		return nil, err
	}
	var list []*Stream
	for _, name := range names {
		if g.streams[name] == nil {
			return nil, errNoStream
		}
		list = append(list, g.streams[name])
	}
	if len(names) > 0 {
		return list, nil
	}
	for _, name := range sortedKeys(g.streams) {
		if strings.HasPrefix(name, prefix) {
			list = append(list, g.streams[name])
		}
	}
	return list, nil
}

// DescribeLogStreams returns the streams of a group: by name, or by the time of their last event.
func (s *Service) DescribeLogStreams(ctx context.Context, group, prefix string, byTime, descending bool) ([]StreamSummary, error) {
	if byTime && prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	streams, err := s.streams(ctx, group, prefix, nil)
	if err != nil {
		return nil, err
	}
	list := make([]StreamSummary, len(streams))
	for i, stream := range streams {
		if list[i], err = s.summary(ctx, stream); err != nil {
			return nil, err
		}
	}
	if byTime {
		slices.SortStableFunc(list, func(a, b StreamSummary) int {
			return cmp.Or(a.Last.Compare(b.Last), a.CreatedAt.Compare(b.CreatedAt))
		})
	}
	if descending {
		slices.Reverse(list)
	}
	return list, nil
}

// Expire drops what is older than it is to be kept: streams of tasks that are no longer known,
// once their last event is older than the group's retention, or than what drydock keeps, and
// what clients wrote before that (CWL-004). known tells of a task, by ARN, whether it is.
func (s *Service) Expire(ctx context.Context, now time.Time, known func(task string) bool) error {
	s.mu.Lock()
	groups := make([]*Group, 0, len(s.groups))
	for _, g := range s.groups {
		groups = append(groups, g)
	}
	s.mu.Unlock()
	errs := []error{s.forget(ctx, known)}
	for _, g := range groups {
		for _, stream := range g.streams {
			if stream.Source != nil && known(stream.Source.Task) {
				continue
			}
			sum, err := s.summary(ctx, stream)
			if err == nil && now.Sub(latest(sum.Last, stream.CreatedAt)) > g.keeps() {
				err = s.DeleteLogStream(ctx, g.Name, stream.Name)
			} else if err == nil && stream.Source == nil && now.Sub(sum.First) > g.keeps() && !sum.First.IsZero() {
				err = s.trim(stream, now.Add(-g.keeps()))
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// forget drops the marks of deleted streams whose container is gone for good.
func (s *Service) forget(ctx context.Context, known func(task string) bool) error {
	var keys []string
	err := s.store.Load(ctx, streamRow, func(key string, doc []byte) error {
		stream := Stream{}
		err := json.Unmarshal(doc, &stream)
		if stream.Deleted && !known(stream.Source.Task) {
			keys = append(keys, streamRow+"/"+key)
		}
		return err
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return s.update(ctx, func(c *change) error {
		for _, key := range keys {
			c.rows[key] = nil
			c.forgotten = append(c.forgotten, key)
		}
		return nil
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (g *Group) keeps() time.Duration {
	if days := time.Duration(g.RetentionInDays) * 24 * time.Hour; days > 0 {
		return min(days, keptFor)
	}
	return keptFor
}

// Uses reports whether a stream still needs the log that is kept of a task, by its id.
func (s *Service) Uses(taskID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		for _, stream := range g.streams {
			if stream.Source != nil && stream.Source.TaskID == taskID {
				return true
			}
		}
	}
	return false
}
