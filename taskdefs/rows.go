package taskdefs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"drydock/timeline"
)

// The kinds of the catalogue's rows.
const (
	revisionKind = "task-definition"        // key family:revision
	familyKind   = "task-definition-family" // key family
)

// row is a stored revision. The document is a string, because JSON in JSON would lose
// its white space.
type row struct {
	ARN               string    `json:"arn"`
	Family            string    `json:"family"`
	Revision          int       `json:"revision"`
	Status            string    `json:"status"`
	RegisteredAt      time.Time `json:"registeredAt"`
	DeregisteredAt    time.Time `json:"deregisteredAt,omitzero"`
	DeleteRequestedAt time.Time `json:"deleteRequestedAt,omitzero"`
	RegisteredBy      string    `json:"registeredBy,omitempty"`
	Tags              []Tag     `json:"tags,omitempty"`
	Document          string    `json:"document"`
}

// familyRow outlives the revisions of its family, so that numbers are never reused.
type familyRow struct {
	Family string `json:"family"`
	Last   int    `json:"last"`
}

func newRow(r Registered) row {
	return row{
		ARN: r.ARN, Family: r.Family, Revision: r.Revision, Status: r.Status,
		RegisteredAt: r.RegisteredAt, DeregisteredAt: r.DeregisteredAt, DeleteRequestedAt: r.DeleteRequestedAt,
		RegisteredBy: r.RegisteredBy, Tags: r.Tags, Document: string(r.Raw),
	}
}

// registered reads the document again, but doesn't validate it: what was once accepted stays.
func (w row) registered() (Registered, error) {
	d, err := read([]byte(w.Document))
	if err != nil {
		return Registered{}, fmt.Errorf("task definition %s:%d: %w", w.Family, w.Revision, err)
	}
	d.Definition.Revision = w.Revision
	return Registered{
		Document: *d,
		ARN:      w.ARN, Family: w.Family, Revision: w.Revision, Status: w.Status,
		RegisteredAt: w.RegisteredAt, DeregisteredAt: w.DeregisteredAt, DeleteRequestedAt: w.DeleteRequestedAt,
		RegisteredBy: w.RegisteredBy, Tags: w.Tags,
		Compatibilities: compatibilities(d.Definition), RequiresAttributes: requiresAttributes(d.Definition),
	}, nil
}

func (c *Catalogue) load(ctx context.Context) error {
	err := c.store.Load(ctx, familyKind, func(key string, doc []byte) error {
		var w familyRow
		if err := json.Unmarshal(doc, &w); err != nil {
			return fmt.Errorf("family %s: %w", key, err)
		}
		c.familyOf(w.Family).last = w.Last
		return nil
	})
	if err != nil {
		return err
	}
	return c.store.Load(ctx, revisionKind, func(key string, doc []byte) error {
		var w row
		if err := json.Unmarshal(doc, &w); err != nil {
			return fmt.Errorf("revision %s: %w", key, err)
		}
		r, err := w.registered()
		if err != nil {
			return err
		}
		c.put(r)
		return nil
	})
}

// save makes a revision durable, then visible.
func (c *Catalogue) save(ctx context.Context, r Registered, events []timeline.Event) error {
	last := r.Revision
	if f := c.families[r.Family]; f != nil {
		last = max(last, f.last)
	}
	rows := map[string]any{
		revisionKind + "/" + r.Name(): newRow(r),
		familyKind + "/" + r.Family:   familyRow{r.Family, last},
	}
	if err := c.commit(ctx, rows, events); err != nil {
		return err
	}
	c.put(r)
	return nil
}

func (c *Catalogue) forget(ctx context.Context, r Registered, events []timeline.Event) error {
	if err := c.commit(ctx, map[string]any{revisionKind + "/" + r.Name(): nil}, events); err != nil {
		return err
	}
	delete(c.families[r.Family].revisions, r.Revision)
	return nil
}

// commit numbers the events. The first was caused by the call in ctx, the others by the first.
func (c *Catalogue) commit(ctx context.Context, rows map[string]any, events []timeline.Event) error {
	cause := timeline.CauseFrom(ctx)
	for i := range events {
		events[i].Seq, events[i].Cause = c.store.NextSeq(), cause
		cause = events[0].Seq
	}
	return c.store.Commit(ctx, rows, events)
}

func (c *Catalogue) put(r Registered) {
	f := c.familyOf(r.Family)
	f.last = max(f.last, r.Revision)
	f.revisions[r.Revision] = r
}

func (c *Catalogue) familyOf(name string) *family {
	f := c.families[name]
	if f == nil {
		f = &family{revisions: map[int]Registered{}}
		c.families[name] = f
	}
	return f
}
