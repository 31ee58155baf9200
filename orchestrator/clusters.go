package orchestrator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"drydock/timeline"
)

// CreateClusterInput is ECS's CreateCluster.
type CreateClusterInput struct {
	Name     string // empty is "default"
	Tags     map[string]string
	Settings map[string]string
}

// CreateCluster makes a cluster; one that exists is returned as it is (ECS-081).
func (c *Controller) CreateCluster(ctx context.Context, in CreateClusterInput) (*Cluster, error) {
	name := clusterName(in.Name)
	if !namePattern.MatchString(name) {
		return nil, invalid("Cluster name '%s' is not valid: up to 255 letters, numbers, hyphens and underscores are allowed.", name)
	}
	var made *Cluster
	err := c.update(ctx, func(x *change) error {
		if old := c.clusters[name]; old != nil && old.Status == ServiceActive {
			made = old
			return nil
		}
		made = x.newCluster(name)
		made.Tags, made.Settings = in.Tags, in.Settings
		return nil
	})
	return made, err
}

func (x *change) newCluster(name string) *Cluster {
	row := &Cluster{Name: name, ARN: x.c.arn("cluster/" + name), Status: ServiceActive}
	x.putCluster(row)
	x.event(timeline.Config, row.ARN, fmt.Sprintf("cluster %s created", name), map[string]string{"cluster": name})
	return row
}

// cluster returns an active cluster. The default cluster is made when it is first used (ECS-082).
func (x *change) cluster(ref string) (*Cluster, error) {
	name := clusterName(ref)
	if row := x.c.clusters[name]; row != nil && row.Status == ServiceActive {
		return row, nil
	}
	if name == "default" {
		return x.newCluster(name), nil
	}
	return nil, errClusterNotFound
}

// Cluster returns a cluster that is or was active.
func (c *Controller) Cluster(ref string) (*Cluster, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if row := c.clusters[clusterName(ref)]; row != nil {
		return row, nil
	}
	if clusterName(ref) == "default" {
		return &Cluster{Name: "default", ARN: c.arn("cluster/default"), Status: ServiceActive}, nil
	}
	return nil, errClusterNotFound
}

// ClusterCounts are a cluster's statistics.
type ClusterCounts struct {
	Services, Running, Pending int
}

// ClusterCounts counts what lives in a cluster.
func (c *Controller) ClusterCounts(name string) ClusterCounts {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var n ClusterCounts
	for _, s := range c.services {
		if s.Cluster == name && s.Status == ServiceActive {
			n.Services++
		}
	}
	for _, t := range c.tasks {
		if t.Cluster == name && t.running() {
			n.Running++
		}
		if t.Cluster == name && t.pending() {
			n.Pending++
		}
	}
	return n
}

// ContainerInstance returns the ARN of a cluster's one container instance, this machine. It is
// empty in a cluster that has only tasks of Fargate: those run on none (ECS-253).
func (c *Controller) ContainerInstance(cluster string) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, t := range c.tasks {
		if t.Cluster == cluster && t.Status != Stopped && t.LaunchType == "EC2" {
			return c.arn("container-instance/" + cluster + "/" + c.config.Machine)
		}
	}
	return ""
}

// DeleteCluster makes an empty cluster INACTIVE.
func (c *Controller) DeleteCluster(ctx context.Context, ref string) (*Cluster, error) {
	var deleted Cluster
	err := c.update(ctx, func(x *change) error {
		row := c.clusters[clusterName(ref)]
		if row == nil {
			return errClusterNotFound
		}
		if err := c.empty(row.Name); err != nil {
			return err
		}
		deleted = *row
		deleted.Status = ServiceInactive
		x.putCluster(&deleted)
		x.event(timeline.Config, row.ARN, fmt.Sprintf("cluster %s deleted", row.Name), map[string]string{"cluster": row.Name})
		return nil
	})
	return &deleted, err
}

func (c *Controller) empty(cluster string) error {
	for _, s := range c.services {
		if s.Cluster == cluster && s.Status != ServiceInactive {
			return &Error{"ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."}
		}
	}
	for _, t := range c.tasks {
		if t.Cluster == cluster && t.Status != Stopped {
			return &Error{"ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."}
		}
	}
	return nil
}

// retag merges tags into a copy, or removes keys from it.
func retag(tags, add map[string]string, remove []string) map[string]string {
	tags = maps.Clone(tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, add)
	for _, key := range remove {
		delete(tags, key)
	}
	return tags
}

// Tag changes the tags of a cluster, service or task.
func (c *Controller) Tag(ctx context.Context, arn string, add map[string]string, remove []string) error {
	return c.update(ctx, func(x *change) error {
		if s := c.services[arn]; s != nil {
			s = s.clone()
			s.Tags = retag(s.Tags, add, remove)
			x.putService(s)
			x.sayTags(arn, "service "+s.Name, add, remove)
			return nil
		}
		if t := c.tasks[arn]; t != nil {
			t = t.clone()
			t.Tags = retag(t.Tags, add, remove)
			x.putTask(t)
			x.sayTags(arn, "task "+t.ID, add, remove)
			return nil
		}
		if k := c.clusters[lastPart(arn)]; k != nil && k.ARN == arn {
			row := *k
			row.Tags = retag(k.Tags, add, remove)
			x.putCluster(&row)
			x.sayTags(arn, "cluster "+k.Name, add, remove)
			return nil
		}
		return invalid("The specified resource %s was not found.", arn)
	})
}

// sayTags tells which tags of what were changed.
func (x *change) sayTags(arn, what string, add map[string]string, remove []string) {
	var changed []string
	for _, key := range slices.Sorted(maps.Keys(add)) {
		changed = append(changed, key+"="+add[key])
	}
	for _, key := range remove {
		changed = append(changed, key+" removed")
	}
	x.event(timeline.Config, arn, fmt.Sprintf("the tags of %s were changed: %s", what, strings.Join(changed, ", ")), nil)
}

// Tags returns the tags of a cluster, service or task.
func (c *Controller) Tags(arn string) (map[string]string, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.services[arn]; s != nil {
		return s.Tags, nil
	}
	if t := c.tasks[arn]; t != nil {
		return t.Tags, nil
	}
	if k := c.clusters[lastPart(arn)]; k != nil && k.ARN == arn {
		return k.Tags, nil
	}
	return nil, invalid("The specified resource %s was not found.", arn)
}
