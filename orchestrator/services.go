package orchestrator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"drydock/timeline"
)

// ServiceInput holds the members of CreateService and UpdateService. A nil member is absent;
// an empty list is one that was given, empty.
type ServiceInput struct {
	Cluster        string
	Name           string
	TaskDefinition string
	DesiredCount   *int
	LaunchType     *string
	Platform       *string
	LoadBalancers  []LoadBalancer
	Network        *NetworkConfiguration
	MinimumHealthy *int
	Maximum        *int
	Breaker        *Breaker
	Alarms         *DeploymentAlarms
	GracePeriod    *int
	ExecuteCommand *bool
	ManagedTags    *bool
	PropagateTags  *string
	AZRebalancing  *string
	StrategyInput

	Scheduling  string                     // create only
	Controller  string                     // create only
	Role        string                     // create only
	ClientToken string                     // create only
	CreatedBy   string                     // create only
	Tags        map[string]string          // create only
	Request     json.RawMessage            // create only: the call as sent, to recognise a repeated one
	Echo        map[string]json.RawMessage // members without effect here

	ForceNewDeployment bool // update only
	Automatic          bool // update only: nobody asked for it but Application Auto Scaling
}

// Breaker is a deployment circuit breaker's configuration. An empty type leaves the threshold
// at its default, 50 % of the desired count within bounds.
type Breaker struct {
	Enable, Rollback bool
	Type             string
	Value            int
	Cumulative       bool // resetOnHealthyTask is false
}

// CreateService makes a service and its first deployment.
func (c *Controller) CreateService(ctx context.Context, in ServiceInput) (*Service, error) {
	var made *Service
	err := c.update(ctx, func(x *change) error {
		cluster, err := x.cluster(in.Cluster)
		if err != nil {
			return err
		}
		if made, err = c.existing(cluster.Name, in); made != nil || err != nil {
			return err
		}
		s, err := c.newService(ctx, cluster.Name, in)
		if err != nil {
			return err
		}
		x.deploy(s, "service %s created: %d tasks of %s")
		x.sayWithoutEffect(s, in)
		x.putService(s)
		made = s
		return nil
	})
	return made, err
}

// existing answers a repeated CreateService (ECS-083).
func (c *Controller) existing(cluster string, in ServiceInput) (*Service, error) {
	s := c.services[c.ServiceARN(cluster, in.Name)]
	switch {
	case s == nil || s.Status == ServiceInactive:
		return nil, nil
	case s.Status == ServiceDraining:
		return nil, invalid("Unable to Start a service that is still Draining.")
	case bytes.Equal(s.Request, in.Request):
		return s, nil
	}
	return nil, invalid("Creation of service was not idempotent.")
}

// newService checks a CreateService and returns the service, without its deployment.
func (c *Controller) newService(ctx context.Context, cluster string, in ServiceInput) (*Service, error) {
	if !namePattern.MatchString(in.Name) {
		return nil, invalid("Service name '%s' is not valid: up to 255 letters, numbers, hyphens and underscores are allowed.", in.Name)
	}
	if err := unsupported(in); err != nil {
		return nil, err
	}
	if err := checkToken(in.ClientToken, serviceTokenLongest); err != nil {
		return nil, err
	}
	if in.DesiredCount == nil {
		return nil, invalid("desiredCount is required for services with the REPLICA scheduling strategy.")
	}
	s := &Service{
		ARN: c.ServiceARN(cluster, in.Name), Name: in.Name, Cluster: cluster, Status: ServiceActive,
		Config: DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200},
		Role:   in.Role, ClientToken: in.ClientToken, CreatedBy: in.CreatedBy, Tags: in.Tags, Request: in.Request,
		PropagateTags: "NONE", AZRebalancing: "ENABLED", PlatformVersion: "LATEST",
	}
	if err := c.apply(ctx, s, in); err != nil {
		return nil, err
	}
	return s, nil
}

// serviceTokenLongest is how long CreateService's client token may be, in characters (ECS-083).
const serviceTokenLongest = 36

// platforms are Fargate's platform versions (ECS-418).
var platforms = []string{"", "LATEST", "1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"}

// checkPlatform refuses platform versions that don't exist, and launch types that run nothing
// here (ECS-418).
func checkPlatform(s *Service) error {
	switch s.LaunchType {
	case "", "FARGATE", "EC2", "EXTERNAL":
	default:
		return &Error{"UnsupportedFeatureException", fmt.Sprintf("The launch type %s is not supported by drydock.", s.LaunchType)}
	}
	if !slices.Contains(platforms, s.PlatformVersion) {
		return &Error{"PlatformUnknownException", "The specified platform version does not exist."}
	}
	return nil
}

// unsupported refuses what would otherwise be silently different.
func unsupported(in ServiceInput) error {
	if in.Scheduling == "DAEMON" {
		return invalid("The DAEMON scheduling strategy is not supported by drydock: use REPLICA.")
	}
	if in.Controller != "" && in.Controller != "ECS" {
		return invalid("The deployment controller %s is not supported by drydock: use ECS.", in.Controller)
	}
	return nil
}

// apply sets the members that were given, after checking them.
func (c *Controller) apply(ctx context.Context, s *Service, in ServiceInput) error {
	set(&s.DesiredCount, in.DesiredCount)
	set(&s.LaunchType, in.LaunchType)
	set(&s.PlatformVersion, in.Platform)
	set(&s.Config.MinimumHealthyPercent, in.MinimumHealthy)
	set(&s.Config.MaximumPercent, in.Maximum)
	set(&s.GracePeriodSeconds, in.GracePeriod)
	set(&s.EnableExecuteCommand, in.ExecuteCommand)
	set(&s.EnableManagedTags, in.ManagedTags)
	set(&s.PropagateTags, in.PropagateTags)
	set(&s.AZRebalancing, in.AZRebalancing)
	set(&s.Config.Alarms, in.Alarms)
	if b := in.Breaker; b != nil {
		s.Config.BreakerEnable, s.Config.BreakerRollback = b.Enable, b.Rollback
		s.Config.BreakerType, s.Config.BreakerValue, s.Config.BreakerCumulative = b.Type, b.Value, b.Cumulative
	}
	s.applyStrategy(in.StrategyInput)
	if in.LoadBalancers != nil {
		s.LoadBalancers = in.LoadBalancers
	}
	if in.Network != nil {
		s.Network = in.Network
	}
	if len(in.Echo) > 0 {
		s.Echo = maps.Clone(s.Echo)
		if s.Echo == nil {
			s.Echo = map[string]json.RawMessage{}
		}
		maps.Copy(s.Echo, in.Echo)
	}
	return c.check(ctx, s, in)
}

func set[T any](field *T, given *T) {
	if given != nil {
		*field = *given
	}
}

// check validates a service as a whole.
func (c *Controller) check(ctx context.Context, s *Service, in ServiceInput) error {
	if s.DesiredCount < 0 {
		return invalid("desiredCount must not be negative.")
	}
	if s.Config.MinimumHealthyPercent < 0 || s.Config.MaximumPercent < 0 {
		return invalid("minimumHealthyPercent and maximumPercent must not be negative.")
	}
	if s.Config.MinimumHealthyPercent > 100 {
		return invalid("minimumHealthyPercent must not be greater than 100.")
	}
	if s.Config.MaximumPercent < s.Config.MinimumHealthyPercent || s.Config.MaximumPercent == 0 {
		return invalid("maximumPercent must be greater than 0 and not less than minimumHealthyPercent.")
	}
	if err := s.Config.checkFailureDetection(); err != nil {
		return err
	}
	if s.GracePeriodSeconds < 0 || s.GracePeriodSeconds > math.MaxInt32 {
		return invalid("healthCheckGracePeriodSeconds must be between 0 and %d.", math.MaxInt32)
	}
	if err := checkPlatform(s); err != nil {
		return err
	}
	if in.GracePeriod != nil && *in.GracePeriod > 0 && len(s.LoadBalancers) == 0 {
		return invalid("Health check grace period is only valid for services configured to use load balancers")
	}
	if err := c.checkDefinition(s, in.TaskDefinition); err != nil {
		return err
	}
	if err := c.checkStrategy(s, in.StrategyInput); err != nil {
		return err
	}
	create := s.CreatedAt.IsZero()
	if create || in.LoadBalancers != nil || in.TaskDefinition != "" || in.Strategy != "" {
		if err := c.checkLoadBalancers(ctx, s); err != nil {
			return err
		}
	}
	// Last, since unknown ids are adopted: a refused call leaves nothing behind.
	if create || in.Network != nil || in.TaskDefinition != "" {
		return c.checkNetwork(ctx, s)
	}
	return nil
}

// checkFailureDetection validates the circuit breaker and the alarms.
func (c DeploymentConfiguration) checkFailureDetection() error {
	switch c.BreakerType {
	case "":
	case ThresholdCount, ThresholdBoundedPercent, ThresholdUnboundedPercent:
		if c.BreakerValue < 1 {
			return invalid("The value of thresholdConfiguration must be greater than 0.")
		}
	default:
		return invalid("The type of thresholdConfiguration must be one of COUNT, BOUNDED_PERCENT, UNBOUNDED_PERCENT.")
	}
	if c.Alarms.Enable && len(c.Alarms.Names) == 0 {
		return invalid("alarmNames can not be empty when deployment alarms are enabled.")
	}
	return nil
}

// checkDefinition resolves the task definition, if one was named, for the service's launch type.
func (c *Controller) checkDefinition(s *Service, ref string) error {
	if ref == "" {
		if s.TaskDefinition == "" {
			return invalid("TaskDefinition can not be blank.")
		}
		return nil
	}
	r, err := c.usable(ref, s.LaunchType)
	if err != nil {
		return err
	}
	s.TaskDefinition = r
	return nil
}

// usable returns the ARN of an ACTIVE task definition that can have the launch type (ECS-440).
func (c *Controller) usable(ref, launchType string) (string, error) {
	r, err := c.definitions.Lookup(ref)
	if err != nil {
		return "", clientError("TaskDefinition not found.")
	}
	if err := r.Usable(); err != nil {
		return "", err
	}
	return r.ARN, r.Supports(launchType)
}

// checkNetwork resolves subnets and security groups, adopting unknown ones.
func (c *Controller) checkNetwork(ctx context.Context, s *Service) error {
	resolved, err := c.resolveNetwork(ctx, s.TaskDefinition, s.Network)
	if err != nil {
		return err
	}
	s.Network = resolved
	return nil
}

func (c *Controller) resolveNetwork(ctx context.Context, definition string, n *NetworkConfiguration) (*NetworkConfiguration, error) {
	def := c.definition(definition)
	if def == nil {
		return n, nil
	}
	if def.NetworkMode == "awsvpc" && n == nil {
		return nil, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	if def.NetworkMode != "awsvpc" && n != nil {
		return nil, invalid("Network Configuration is not valid for the given networkMode of this task definition.")
	}
	if n == nil {
		return nil, nil
	}
	if len(n.Subnets) == 0 {
		return nil, invalid("subnets can not be empty.")
	}
	if len(n.Subnets) > 16 {
		return nil, invalid("subnets can have at most 16 items.")
	}
	if len(n.SecurityGroups) > 5 {
		return nil, invalid("securityGroups can have at most 5 items.")
	}
	if _, err := c.network.ResolveSubnets(ctx, n.Subnets); err != nil {
		return nil, invalid("Error retrieving subnet information for %v: %s (ErrorCode: %s)", n.Subnets, messageOf(err), awsCode(err))
	}
	if len(n.SecurityGroups) > 0 {
		if _, err := c.network.ResolveSecurityGroups(ctx, n.SecurityGroups); err != nil {
			return nil, invalid("Error retrieving security group information for %v: %s (ErrorCode: %s)", n.SecurityGroups, messageOf(err), awsCode(err))
		}
	}
	return n, nil
}

// checkLoadBalancers refuses target groups and containers that do not fit (ECS-084).
func (c *Controller) checkLoadBalancers(ctx context.Context, s *Service) error {
	if len(s.LoadBalancers) > 5 {
		return invalid("load balancers can have at most 5 items.")
	}
	def := c.definition(s.TaskDefinition)
	for _, lb := range s.LoadBalancers {
		if lb.TargetGroupARN == "" {
			return invalid("A load balancer needs a targetGroupArn: Classic Load Balancers are not supported.")
		}
		if err := c.checkGroup(ctx, s, lb.TargetGroupARN); err != nil {
			return err
		}
		if err := c.checkAdvanced(ctx, s, lb); err != nil {
			return err
		}
		if def == nil {
			continue
		}
		n := slices.IndexFunc(def.ContainerDefinitions, containerNamed(lb.ContainerName))
		if n < 0 {
			return invalid("The container %s does not exist in the task definition.", lb.ContainerName)
		}
		if !slices.ContainsFunc(def.ContainerDefinitions[n].PortMappings, mapsPort(lb.ContainerPort)) {
			return invalid("The container %s did not have a container port %d defined.", lb.ContainerName, lb.ContainerPort)
		}
	}
	return nil
}

// deploy starts a new deployment of s and says so; the message takes name, count, definition.
func (x *change) deploy(s *Service, message string) {
	id := deploymentID(randomHex)
	startDeployment(s, id, x.now, fmt.Sprintf("ECS deployment %s in progress.", id))
	d := s.Primary()
	data := deploymentData(s, d)
	data["desired"] = strconv.Itoa(s.DesiredCount)
	d.Cause = x.event(timeline.Deployment, s.ARN, fmt.Sprintf(message, s.Name, s.DesiredCount, lastPart(s.TaskDefinition)), data)
	s.Cause = d.Cause
	if s.CreatedAt.IsZero() {
		s.CreatedAt = x.now
	}
	x.record(s, d)
}

// record makes the lasting rows of a deployment that begins: its service deployment, PENDING
// until the loop has seen it, and its service revision (ECS-401).
func (x *change) record(s *Service, d *Deployment) {
	d.Record, d.RevisionARN = serviceDeploymentARN(s.ARN, randomHex), serviceRevisionARN(s.ARN, randomHex)
	x.putRevision(&ServiceRevision{ARN: d.RevisionARN, Service: s.ARN, Cluster: s.Cluster, Revision: d.Revision, Alternate: d.Alternate, CreatedAt: x.now})
	r := &ServiceDeployment{
		ARN: d.Record, Service: s.ARN, Cluster: s.Cluster, Status: ServiceDeploymentPending,
		CreatedAt: x.now, UpdatedAt: x.now, Target: RevisionCounts{ARN: d.RevisionARN}, Config: s.Config,
	}
	for _, old := range s.Deployments[1:] {
		if old.RevisionARN != "" {
			r.Sources = append(r.Sources, RevisionCounts{ARN: old.RevisionARN, Requested: old.RunningCount + old.PendingCount, Running: old.RunningCount, Pending: old.PendingCount})
		}
	}
	x.putRecord(r)
	x.pruneRecords(s)
}

// UpdateService changes a service. What it changes decides whether a new deployment
// starts (ECS-030).
func (c *Controller) UpdateService(ctx context.Context, in ServiceInput) (*Service, error) {
	var updated *Service
	err := c.update(ctx, func(x *change) error {
		old, err := c.active(in.Cluster, in.Name)
		if err != nil {
			return err
		}
		if err := unsupported(in); err != nil {
			return err
		}
		s := old.clone()
		if err := c.apply(ctx, s, in); err != nil {
			return err
		}
		x.updateDeployments(old, s, in)
		x.sayWithoutEffect(s, in)
		x.putService(s)
		updated = s
		return nil
	})
	return updated, err
}

func (x *change) updateDeployments(old, s *Service, in ServiceInput) {
	before, _ := json.Marshal(old.Revision())
	after, _ := json.Marshal(s.Revision())
	if in.ForceNewDeployment || !bytes.Equal(before, after) {
		x.deploy(s, "service %s: new deployment: %d tasks of %s")
		return
	}
	if old.DesiredCount != s.DesiredCount {
		s.Steady = false
		d := s.Primary()
		s.Cause = x.event(timeline.Deployment, s.ARN,
			fmt.Sprintf("service %s: desired count %d → %d", s.Name, old.DesiredCount, s.DesiredCount), deploymentData(s, d))
		d.Cause = s.Cause
		if len(s.Deployments) > 1 {
			s.Deployments[1].Grow += max(0, s.DesiredCount-old.DesiredCount) // ECS-407
		}
	}
	if d := s.Primary(); d != nil && !in.Automatic {
		d.NextStart = x.now // an update resets the start throttle (ECS-007)
		d.FailedStarts, d.Crashes = 0, 0
		delete(s.Complaints, complaintImpaired)
	}
}

// active returns a service that is ACTIVE. The caller holds the lock.
func (c *Controller) active(cluster, ref string) (*Service, error) {
	s, err := c.service(cluster, ref)
	if err != nil {
		return nil, err
	}
	if s.Status != ServiceActive {
		return nil, errServiceNotActive
	}
	return s, nil
}

// service finds a service by name or ARN. The caller holds the lock.
func (c *Controller) service(cluster, ref string) (*Service, error) {
	name := clusterName(cluster)
	if c.clusters[name] == nil && name != "default" {
		return nil, errClusterNotFound
	}
	if s := c.services[ref]; s != nil {
		return s, nil
	}
	if s := c.services[c.ServiceARN(name, lastPart(ref))]; s != nil {
		return s, nil
	}
	return nil, errServiceNotFound
}

// Service returns a service by name or ARN, whatever its status.
func (c *Controller) Service(cluster, ref string) (*Service, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.service(cluster, ref)
}

// DeleteService begins the end of a service: DRAINING until its tasks have stopped, then
// INACTIVE (ECS-065).
func (c *Controller) DeleteService(ctx context.Context, cluster, ref string, force bool) (*Service, error) {
	var deleted *Service
	err := c.update(ctx, func(x *change) error {
		old, err := c.service(cluster, ref)
		if err != nil {
			return err
		}
		if old.Status != ServiceActive {
			deleted = old
			return nil
		}
		if old.DesiredCount > 0 && !force {
			return invalid("The service cannot be stopped while it is scaled above 0.")
		}
		s := old.clone()
		s.Status, s.DesiredCount, s.Steady = ServiceDraining, 0, false
		s.Cause = x.event(timeline.Deployment, s.ARN, fmt.Sprintf("service %s is DRAINING: it was deleted", s.Name), deploymentData(s, s.Primary()))
		s.Primary().Cause = s.Cause
		x.putService(s)
		deleted = s
		return nil
	})
	return deleted, err
}
