package orchestrator

// ClusterName returns the name in a cluster reference: a name or an ARN; empty is "default".
func ClusterName(ref string) string { return clusterName(ref) }

// ClusterARN returns the ARN of a cluster, given its name or ARN, whether it exists or not.
func (c *Controller) ClusterARN(ref string) string { return c.arn("cluster/" + clusterName(ref)) }

// ContainerInstanceARN returns the ARN that the one container instance, this machine, has in a
// cluster.
func (c *Controller) ContainerInstanceARN(cluster string) string {
	return c.arn("container-instance/" + clusterName(cluster) + "/" + c.config.Machine)
}
