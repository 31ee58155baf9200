package taskdefs

import (
	"maps"
	"slices"
	"strings"
)

// List says which revisions to list.
type List struct {
	Family     string // exact name; empty is every family (ECS-124)
	Status     string // empty is ACTIVE
	Descending bool
}

// List returns ARNs by family, then by revision.
func (c *Catalogue) List(l List) []string {
	if l.Status == "" {
		l.Status = Active
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	arns := []string{}
	for _, name := range slices.Sorted(maps.Keys(c.families)) {
		if l.Family != "" && l.Family != name {
			continue
		}
		f := c.families[name]
		for _, n := range slices.Sorted(maps.Keys(f.revisions)) {
			if r := f.revisions[n]; r.Status == l.Status {
				arns = append(arns, r.ARN)
			}
		}
	}
	if l.Descending {
		slices.Reverse(arns)
	}
	return arns
}

// Families returns the names that begin with prefix. Status ACTIVE asks for families with
// an active revision, INACTIVE for those without; empty or ALL for both (ECS-125).
func (c *Catalogue) Families(prefix, status string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(c.families)) {
		f := c.families[name]
		if !strings.HasPrefix(name, prefix) || len(f.revisions) == 0 {
			continue
		}
		active := f.latestActive() > 0
		if status == "" || status == "ALL" || active == (status == Active) {
			names = append(names, name)
		}
	}
	return names
}
