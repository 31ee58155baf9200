package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"drydock/timeline"
)

// Store makes groups, streams and events of the timeline durable.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a nil
	// document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Containers is where the events of streams come from that containers write.
type Containers interface {
	// Sources returns a source for every container with the awslogs driver whose task is known.
	Sources() []Source
	// Open reads a container's log from a time on, or all of it if the time is zero: lines, each
	// after a time in RFC 3339 and a space. It also reads what is kept of a container that is gone.
	Open(ctx context.Context, s Source, since time.Time) (io.ReadCloser, error)
}

// Source is the container behind a stream.
type Source struct {
	Group     string    `json:"group"`
	Stream    string    `json:"stream"`
	Task      string    `json:"task"`   // ARN
	TaskID    string    `json:"taskId"` // 32 hex digits
	Container string    `json:"container"`
	CreatedAt time.Time `json:"createdAt"`
	// Begins matches the lines that begin an event; empty: every line is one.
	Begins string `json:"begins,omitempty"`
}

// Config holds the settings of a Service.
type Config struct {
	Region    string
	Account   string
	Directory string // for streams that clients write
}

// Service keeps log groups and streams. It is safe for concurrent use.
type Service struct {
	store      Store
	containers Containers
	config     Config

	mu      sync.Mutex
	groups  map[string]*Group // by name; published rows are never changed
	dropped map[string]bool   // rows of streams that were deleted though their task is known
	write   sync.Mutex        // one writer of files at a time

	spansMu sync.Mutex
	spans   map[string]span // of streams, by row; what is not there is read
}

const (
	groupRow  = "log-group"
	streamRow = "log-stream"
)

// Open loads what the store has.
func Open(ctx context.Context, store Store, containers Containers, config Config) (*Service, error) {
	s := &Service{store: store, containers: containers, config: config, groups: map[string]*Group{}, dropped: map[string]bool{}, spans: map[string]span{}}
	err := store.Load(ctx, groupRow, func(_ string, doc []byte) error {
		g := &Group{streams: map[string]*Stream{}}
		err := json.Unmarshal(doc, g)
		s.groups[g.Name] = g
		return err
	})
	if err == nil {
		err = store.Load(ctx, streamRow, s.restoreStream)
	}
	if err != nil {
		return nil, fmt.Errorf("load log groups: %w", err)
	}
	return s, nil
}

func (s *Service) restoreStream(_ string, doc []byte) error {
	stream := &Stream{}
	if err := json.Unmarshal(doc, stream); err != nil {
		return err
	}
	if stream.Deleted {
		s.dropped[streamKey(stream)] = true
	} else if g := s.groups[stream.Group]; g != nil {
		g.streams[stream.Name] = stream
	}
	return nil
}

// change is one transaction.
type change struct {
	s      *Service
	ctx    context.Context
	rows   map[string]any
	events []timeline.Event
	groups map[string]*Group // changed copies; nil: deleted

	dropped, forgotten []string // rows of streams
}

// update runs f and makes what it changed durable, then visible. The caller does not hold mu.
func (s *Service) update(ctx context.Context, f func(c *change) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &change{s: s, ctx: ctx, rows: map[string]any{}, groups: map[string]*Group{}}
	if err := f(c); err != nil {
		return err
	}
	if len(c.rows) == 0 {
		return nil
	}
	if err := s.store.Commit(ctx, c.rows, c.events); err != nil {
		return fmt.Errorf("keep log groups: %w", err)
	}
	for _, key := range c.dropped {
		s.dropped[key] = true
	}
	for _, key := range c.forgotten {
		delete(s.dropped, key)
	}
	for name, g := range c.groups {
		if g == nil {
			delete(s.groups, name)
		} else {
			s.groups[name] = g
		}
	}
	return nil
}

// group returns a group for reading, nil if there is none.
func (c *change) group(name string) *Group {
	if g, ok := c.groups[name]; ok {
		return g
	}
	return c.s.groups[name]
}

// edit returns a copy of a group for changing.
func (c *change) edit(name string) *Group {
	g, ok := c.groups[name]
	if !ok {
		g = c.s.groups[name].clone()
		c.groups[name] = g
	}
	c.rows[groupRow+"/"+name] = g
	return g
}

func (c *change) say(group, message string) {
	c.events = append(c.events, timeline.Event{
		Seq: c.s.store.NextSeq(), Time: time.Now(), Kind: timeline.Config, Subject: "log-group/" + group,
		Cause: timeline.CauseFrom(c.ctx), Message: message, Data: map[string]string{"logGroup": group},
	})
}

// find returns a group by name or ARN.
func (s *Service) find(group string) (*Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[NameOf(group)]; g != nil {
		return g, nil
	}
	return nil, errNoGroup
}

// NameOf returns the name of a log group of which the name, the ARN, or the ARN with :* is given.
func NameOf(group string) string {
	if _, name, ok := strings.Cut(group, ":log-group:"); ok {
		group = name
	}
	return strings.TrimSuffix(group, ":*")
}

func (s *Service) arn(group string) string {
	return fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", s.config.Region, s.config.Account, group)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
