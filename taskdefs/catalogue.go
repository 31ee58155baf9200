package taskdefs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"drydock/timeline"
)

// Store makes the catalogue's rows and events durable.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are
	// "kind/key"; a nil document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Catalogue holds every family and its revisions. It is safe for concurrent use and the
// only writer of its rows; memory changes only after the store has committed.
type Catalogue struct {
	store     Store
	arnPrefix string

	mu       sync.RWMutex
	families map[string]*family
}

// family is one line of revisions.
type family struct {
	last      int // the highest revision ever given; never reused (ECS-122)
	revisions map[int]Registered
}

// Open loads the catalogue of an account in a region.
func Open(ctx context.Context, store Store, region, account string) (*Catalogue, error) {
	c := &Catalogue{
		store:     store,
		arnPrefix: fmt.Sprintf("arn:aws:ecs:%s:%s:task-definition/", region, account),
		families:  map[string]*family{},
	}
	if err := c.load(ctx); err != nil {
		return nil, fmt.Errorf("open task definitions: %w", err)
	}
	return c, nil
}

// Register validates a document and gives it the next revision of its family. Tags of the
// document count unless others are given; by is the ARN of the caller.
func (c *Catalogue) Register(ctx context.Context, doc []byte, tags []Tag, by string, now time.Time) (Registered, error) {
	d, err := Parse(doc)
	if err != nil {
		return Registered{}, err
	}
	if len(tags) == 0 {
		tags = d.Definition.Tags
	}
	if err := checkTags(tags); err != nil {
		return Registered{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.next(d)
	r.Tags, r.RegisteredBy, r.RegisteredAt = tags, by, now
	if err := c.save(ctx, r, registeredEvents(r, now)); err != nil {
		return Registered{}, fmt.Errorf("register task definition %s: %w", r.Name(), err)
	}
	return r, nil
}

// next makes the revision that a document will be.
func (c *Catalogue) next(d *Document) Registered {
	name := d.Definition.Family
	revision := 1
	if f := c.families[name]; f != nil {
		revision = f.last + 1
	}
	r := Registered{
		Document:           *d,
		ARN:                fmt.Sprintf("%s%s:%d", c.arnPrefix, name, revision),
		Family:             name,
		Revision:           revision,
		Status:             Active,
		Compatibilities:    compatibilities(d.Definition),
		RequiresAttributes: requiresAttributes(d.Definition),
	}
	r.Definition.Revision = revision
	return r
}

func registeredEvents(r Registered, now time.Time) []timeline.Event {
	events := []timeline.Event{{
		Time: now, Kind: timeline.Config, Subject: r.ARN,
		Message: fmt.Sprintf("Task definition %s was registered.", r.Name()),
		Data:    map[string]string{"family": r.Family, "revision": strconv.Itoa(r.Revision)},
	}}
	for _, w := range r.Warnings {
		events = append(events, timeline.Event{
			Time: now, Kind: timeline.Warning, Subject: r.ARN,
			Message: fmt.Sprintf("Task definition %s: %s.", r.Name(), w),
		})
	}
	return events
}

// Lookup finds a revision by full ARN, by family:revision, or the latest ACTIVE one by
// family. Of an ARN only what follows the last slash counts.
func (c *Catalogue) Lookup(ref string) (Registered, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.lookup(ref)
}

func (c *Catalogue) lookup(ref string) (Registered, error) {
	name, revision, err := parseRef(ref)
	if err != nil {
		return Registered{}, err
	}
	f := c.families[name]
	if f == nil {
		return Registered{}, errUnknown()
	}
	if revision == 0 {
		revision = f.latestActive()
	}
	r, ok := f.revisions[revision]
	if !ok {
		return Registered{}, errUnknown()
	}
	return r, nil
}

func errUnknown() error { return clientError("Unable to describe task definition.") }

// latestActive returns 0 if no revision is active.
func (f *family) latestActive() int {
	latest := 0
	for n, r := range f.revisions {
		if r.Status == Active {
			latest = max(latest, n)
		}
	}
	return latest
}

// parseRef splits a reference; the revision is 0 if there is none.
func parseRef(ref string) (name string, revision int, err error) {
	name, number, found := strings.Cut(ref[strings.LastIndex(ref, "/")+1:], ":")
	if !found {
		return name, 0, nil
	}
	revision, err = strconv.Atoi(number)
	if err != nil || revision < 1 {
		return "", 0, invalidParameter("Invalid revision number. Number: %s", number)
	}
	return name, revision, nil
}

// Deregister makes a revision INACTIVE. Doing it again changes nothing.
func (c *Catalogue) Deregister(ctx context.Context, ref string, now time.Time) (Registered, error) {
	_, revision, err := parseRef(ref)
	if err != nil {
		return Registered{}, err
	}
	if revision == 0 {
		return Registered{}, clientError("Revision is missing.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.lookup(ref)
	if err != nil || r.Status != Active {
		return r, err
	}
	r.Status, r.DeregisteredAt = Inactive, now
	if err := c.save(ctx, r, changed(r, now, "was deregistered")); err != nil {
		return Registered{}, fmt.Errorf("deregister task definition %s: %w", r.Name(), err)
	}
	return r, nil
}

func changed(r Registered, now time.Time, what string) []timeline.Event {
	return []timeline.Event{{
		Time: now, Kind: timeline.Config, Subject: r.ARN,
		Message: fmt.Sprintf("Task definition %s %s.", r.Name(), what),
	}}
}

// SetTags replaces the tags of a revision.
func (c *Catalogue) SetTags(ctx context.Context, ref string, tags []Tag, now time.Time) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.lookup(ref)
	if err != nil {
		return err
	}
	r.Tags = tags
	if err := c.save(ctx, r, changed(r, now, "was tagged")); err != nil {
		return fmt.Errorf("tag task definition %s: %w", r.Name(), err)
	}
	return nil
}

const (
	maxTags        = 50  // ECS-123
	maxTagKeySize  = 128 // ECS-123
	maxTagValueLen = 256 // ECS-123
)

func checkTags(tags []Tag) error {
	if len(tags) > maxTags {
		return invalidParameter("Too many tags. The maximum number of tags is %d.", maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || len([]rune(t.Key)) > maxTagKeySize:
			return invalidParameter("Tag key '%s' must have between 1 and %d characters.", t.Key, maxTagKeySize)
		case len([]rune(t.Value)) > maxTagValueLen:
			return invalidParameter("The value of tag '%s' must have at most %d characters.", t.Key, maxTagValueLen)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return invalidParameter("Tag key '%s' must not start with 'aws:'.", t.Key)
		case seen[t.Key]:
			return invalidParameter("Duplicate tag key '%s'.", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}
