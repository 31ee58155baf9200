package orchestrator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/timeline"
)

// How StopServiceDeployment ends a service deployment.
const (
	StopRollback = "ROLLBACK"
	StopAbort    = "ABORT"
)

// The longest history of service deployments: AWS keeps 90 days of them (ECS-415).
const (
	recordsKept   = 90 * 24 * time.Hour
	recordsAtMost = 100 // a service
)

// ListServiceDeploymentsInput selects service deployments of one service.
type ListServiceDeploymentsInput struct {
	Cluster, Service string
	Statuses         []string // none is all
	After, Before    time.Time
}

// ListServiceDeployments returns the selected service deployments, newest first.
func (c *Controller) ListServiceDeployments(in ListServiceDeploymentsInput) ([]*ServiceDeployment, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, err := c.service(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	all := c.recordsOf(s.ARN)
	return slices.DeleteFunc(all, func(r *ServiceDeployment) bool { return !in.selects(r) }), nil
}

func (in ListServiceDeploymentsInput) selects(r *ServiceDeployment) bool {
	return (len(in.Statuses) == 0 || slices.Contains(in.Statuses, r.Status)) &&
		(in.After.IsZero() || r.CreatedAt.After(in.After)) && (in.Before.IsZero() || r.CreatedAt.Before(in.Before))
}

// recordsOf returns the service deployments of a service, newest first. The caller holds the lock.
func (c *Controller) recordsOf(service string) []*ServiceDeployment {
	var all []*ServiceDeployment
	for _, r := range c.records {
		if r.Service == service {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *ServiceDeployment) int {
		if n := b.CreatedAt.Compare(a.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(a.ARN, b.ARN)
	})
	return all
}

// ServiceDeployment returns a service deployment by ARN, nil if there is none.
func (c *Controller) ServiceDeployment(arn string) *ServiceDeployment {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.records[arn]
}

// ServiceRevision returns a service revision by ARN, nil if there is none.
func (c *Controller) ServiceRevision(arn string) *ServiceRevision {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.revisions[arn]
}

// CurrentRevisions counts the tasks of the service revisions that have a deployment, the
// primary's first.
func (s *Service) CurrentRevisions() []RevisionCounts {
	var all []RevisionCounts
	for _, d := range s.Deployments {
		if d.RevisionARN == "" || slices.ContainsFunc(all, func(c RevisionCounts) bool { return c.ARN == d.RevisionARN }) {
			continue
		}
		c := RevisionCounts{ARN: d.RevisionARN}
		countRevision(s, &c)
		all = append(all, c)
	}
	return all
}

// StopServiceDeployment ends a deployment that is in progress: ROLLBACK, also where none is
// configured, or ABORT, which leaves everything as it stands (ECS-414).
func (c *Controller) StopServiceDeployment(ctx context.Context, arn, how string) error {
	if how == "" {
		how = StopRollback
	}
	return c.update(ctx, func(x *change) error {
		r := c.records[arn]
		if r == nil {
			return &Error{"ServiceDeploymentNotFoundException", "Service deployment not found."}
		}
		old := c.services[r.Service]
		if r.over() || old == nil || old.Status != ServiceActive || old.Primary().Record != arn || old.Primary().Rollback || old.Primary().Stop != "" {
			return &Error{"ConflictException", fmt.Sprintf("The service deployment can't be stopped because its status is %s.", r.Status)}
		}
		if how == StopRollback && old.LastCompleted == nil {
			return &Error{"ConflictException", "The service deployment can't be rolled back because no service deployment was completed before it."}
		}
		s := old.clone()
		d := s.Primary()
		d.Stop = how
		d.Cause = x.event(timeline.Deployment, s.ARN, fmt.Sprintf("service %s: deployment %s is to stop: %s", s.Name, d.ID, how), deploymentData(s, d))
		s.Cause = d.Cause
		x.putService(s)
		r = r.clone()
		r.Status, r.UpdatedAt = ServiceDeploymentRollbackRequested, x.now
		if how == StopAbort {
			r.Status = ServiceDeploymentStopRequested
		}
		x.putRecord(r)
		return nil
	})
}

// pruneRecords deletes the service deployments of a service that are too old or too many, and
// the service revisions that no other names.
func (x *change) pruneRecords(s *Service) {
	all := x.c.recordsOf(s.ARN)
	used := map[string]bool{s.LastCompletedARN: true}
	for _, d := range s.Deployments {
		used[d.Record], used[d.RevisionARN] = true, true
	}
	for n, r := range all {
		if used[r.ARN] || n < recordsAtMost && x.now.Sub(r.CreatedAt) < recordsKept {
			r.names(used)
			continue
		}
		x.drop(recordRow, r.ARN, func() { delete(x.c.records, r.ARN) })
	}
	for _, arn := range slices.Sorted(maps.Keys(x.c.revisions)) {
		if x.c.revisions[arn].Service == s.ARN && !used[arn] {
			x.drop(revisionRow, arn, func() { delete(x.c.revisions, arn) })
		}
	}
}

// names marks the service revisions that a service deployment names.
func (r *ServiceDeployment) names(used map[string]bool) {
	used[r.Target.ARN] = true
	for _, source := range r.Sources {
		used[source.ARN] = true
	}
	if r.Rollback != nil {
		used[r.Rollback.Revision] = true
	}
}
