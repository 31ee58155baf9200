package orchestrator

import (
	"regexp"
	"strings"
)

// namePattern is what names of clusters and services look like (ECS-080).
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func (c *Controller) arn(resource string) string {
	return "arn:aws:ecs:" + c.config.Region + ":" + c.config.Account + ":" + resource
}

// ServiceARN returns the ARN of a service.
func (c *Controller) ServiceARN(cluster, name string) string {
	return c.arn("service/" + cluster + "/" + name)
}

// TaskARN returns the ARN of a task, given its id or ARN.
func (c *Controller) TaskARN(cluster, ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return c.arn("task/" + cluster + "/" + ref)
}

// clusterName returns the name in a cluster reference: a name or an ARN; empty is "default".
func clusterName(ref string) string {
	if ref == "" {
		return "default"
	}
	if strings.HasPrefix(ref, "arn:") {
		return ref[strings.LastIndexByte(ref, '/')+1:]
	}
	return ref
}

// lastPart returns what follows the last slash.
func lastPart(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
