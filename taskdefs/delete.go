package taskdefs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const maxDeletes = 10 // revisions in one call (ECS-126)

// Failure is one reference that DeleteTaskDefinitions could not serve.
type Failure struct {
	ARN    string // as it was given
	Reason string
}

// Delete starts the deletion of deregistered revisions. They stay DELETE_IN_PROGRESS
// until [Catalogue.Purge] finds that nothing refers to them.
func (c *Catalogue) Delete(ctx context.Context, refs []string, now time.Time) ([]Registered, []Failure, error) {
	if len(refs) == 0 || len(refs) > maxDeletes {
		return nil, nil, invalidParameter("The number of task definitions must be between 1 and %d.", maxDeletes)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var deleted []Registered
	var failures []Failure
	for _, ref := range refs {
		r, reason := c.deletable(ref)
		if reason != "" {
			failures = append(failures, Failure{ref, reason})
			continue
		}
		r.Status, r.DeleteRequestedAt = DeleteInProgress, now
		if err := c.save(ctx, r, changed(r, now, "is being deleted")); err != nil {
			return deleted, failures, fmt.Errorf("delete task definition %s: %w", r.Name(), err)
		}
		deleted = append(deleted, r)
	}
	return deleted, failures, nil
}

func (c *Catalogue) deletable(ref string) (r Registered, reason string) {
	_, revision, err := parseRef(ref)
	if err != nil || revision == 0 || strings.HasSuffix(ref, "/") {
		return r, "The specified task definition identifier is invalid. Specify a valid name or ARN and try again."
	}
	r, err = c.lookup(ref)
	if err != nil {
		return r, "The specified task definition does not exist. Specify a valid account, family, revision and try again."
	}
	if r.Status == Active {
		return r, "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
	}
	return r, ""
}

// Purge forgets revisions in deletion that nothing refers to any more. Their numbers are
// never given again. inUse is asked without a lock, since who answers it may look definitions
// up; nothing new can refer to a revision meanwhile, as none in deletion is usable (ECS-121).
func (c *Catalogue) Purge(ctx context.Context, inUse func(arn string) bool, now time.Time) error {
	for _, r := range c.inDeletion() {
		if inUse(r.ARN) {
			continue
		}
		if err := c.purge(ctx, r, now); err != nil {
			return fmt.Errorf("purge task definition %s: %w", r.Name(), err)
		}
	}
	return nil
}

func (c *Catalogue) purge(ctx context.Context, r Registered, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forget(ctx, r, changed(r, now, "was deleted"))
}

// inDeletion returns the revisions in deletion, in the order of their ARNs.
func (c *Catalogue) inDeletion() []Registered {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []Registered
	for _, f := range c.families {
		for _, r := range f.revisions {
			if r.Status == DeleteInProgress {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b Registered) int { return strings.Compare(a.ARN, b.ARN) })
	return all
}
