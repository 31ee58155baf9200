package orchestrator

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Service statuses.
const (
	ServiceActive   = "ACTIVE"
	ServiceDraining = "DRAINING"
	ServiceInactive = "INACTIVE"
)

// Service keeps a number of tasks of one task definition running. The API writes it, but
// for Deployments' progress and Events, which the loop writes.
type Service struct {
	ARN                  string                     `json:"arn"`
	Name                 string                     `json:"name"`
	Cluster              string                     `json:"cluster"` // name
	Status               string                     `json:"status"`
	TaskDefinition       string                     `json:"taskDefinition"` // ARN
	DesiredCount         int                        `json:"desiredCount"`
	LaunchType           string                     `json:"launchType,omitempty"`
	PlatformVersion      string                     `json:"platformVersion,omitempty"`
	LoadBalancers        []LoadBalancer             `json:"loadBalancers,omitempty"`
	Network              *NetworkConfiguration      `json:"network,omitempty"`
	Config               DeploymentConfiguration    `json:"config"`
	GracePeriodSeconds   int                        `json:"gracePeriodSeconds"`
	EnableExecuteCommand bool                       `json:"enableExecuteCommand,omitempty"`
	EnableManagedTags    bool                       `json:"enableManagedTags,omitempty"`
	PropagateTags        string                     `json:"propagateTags,omitempty"`
	AZRebalancing        string                     `json:"azRebalancing,omitempty"`
	Role                 string                     `json:"role,omitempty"`
	ClientToken          string                     `json:"clientToken,omitempty"`
	Request              json.RawMessage            `json:"request,omitempty"` // the CreateService call, to tell a repeated one
	Echo                 map[string]json.RawMessage `json:"echo,omitempty"`    // members kept and shown, without effect here
	Tags                 map[string]string          `json:"tags,omitempty"`
	CreatedAt            time.Time                  `json:"createdAt"`
	CreatedBy            string                     `json:"createdBy,omitempty"`
	Deployments          []Deployment               `json:"deployments"` // the primary first
	LastCompleted        *Revision                  `json:"lastCompleted,omitempty"`
	LastCompletedARN     string                     `json:"lastCompletedArn,omitempty"` // its service revision
	Events               []Event                    `json:"events,omitempty"`           // newest first
	Complaints           map[string]time.Time       `json:"complaints,omitempty"`       // cause → when the service was told; until it is resolved
	Steady               bool                       `json:"steady"`
	SteadySaid           time.Time                  `json:"steadySaid,omitzero"`
	InactiveAt           time.Time                  `json:"inactiveAt,omitzero"`
	Cause                int64                      `json:"cause,omitempty"` // the event that last changed what is desired
}

// LoadBalancer ties a container's port to a target group.
type LoadBalancer struct {
	TargetGroupARN string `json:"targetGroupArn"`
	ContainerName  string `json:"containerName"`
	ContainerPort  int    `json:"containerPort"`
	// Advanced is what a strategy that shifts traffic needs; nil if there is none.
	Advanced *AdvancedConfiguration `json:"advanced,omitempty"`
}

// NetworkConfiguration is the awsvpc configuration of a service or task.
type NetworkConfiguration struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups,omitempty"`
	AssignPublicIP string   `json:"assignPublicIp,omitempty"`
}

// DeploymentConfiguration says how many tasks may run, and must be healthy, during a deployment.
type DeploymentConfiguration struct {
	MinimumHealthyPercent int  `json:"minimumHealthyPercent"`
	MaximumPercent        int  `json:"maximumPercent"`
	BreakerEnable         bool `json:"breakerEnable,omitempty"`
	BreakerRollback       bool `json:"breakerRollback,omitempty"`
	// How many failures trip the breaker (ECS-408): a type with its value, empty is
	// BOUNDED_PERCENT and 50; cumulative ones are not reset by a healthy task.
	BreakerType       string `json:"breakerType,omitempty"`
	BreakerValue      int    `json:"breakerValue,omitempty"`
	BreakerCumulative bool   `json:"breakerCumulative,omitempty"`

	Strategy    string               `json:"strategy,omitempty"`    // empty is ROLLING
	BakeMinutes *int                 `json:"bakeMinutes,omitempty"` // nil: not given
	Hooks       []LifecycleHook      `json:"hooks,omitempty"`
	Linear      *LinearConfiguration `json:"linear,omitempty"`
	Canary      *CanaryConfiguration `json:"canary,omitempty"`

	Alarms DeploymentAlarms `json:"alarms,omitzero"`
}

// DeploymentAlarms name the alarms that fail a deployment.
type DeploymentAlarms struct {
	Names    []string `json:"names,omitempty"`
	Enable   bool     `json:"enable,omitempty"`
	Rollback bool     `json:"rollback,omitempty"`
}

// Minimum returns how many tasks must be healthy: ceil(desired × minimumHealthyPercent) (ECS-020).
func (c DeploymentConfiguration) Minimum(desired int) int {
	return (desired*c.MinimumHealthyPercent + 99) / 100
}

// Maximum returns how many tasks may run: floor(desired × maximumPercent) (ECS-020).
func (c DeploymentConfiguration) Maximum(desired int) int {
	return desired * c.MaximumPercent / 100
}

// The types of a circuit breaker's threshold.
const (
	ThresholdCount            = "COUNT"
	ThresholdBoundedPercent   = "BOUNDED_PERCENT"
	ThresholdUnboundedPercent = "UNBOUNDED_PERCENT"
)

// Threshold returns how many failures trip the circuit breaker (ECS-033, ECS-408).
func (c DeploymentConfiguration) Threshold(desired int) int {
	value := c.BreakerValue
	if c.BreakerType == "" {
		value = 50
	}
	share := (desired*value + 99) / 100
	switch c.BreakerType {
	case ThresholdCount:
		return value
	case ThresholdUnboundedPercent:
		return max(share, 1)
	}
	return min(max(share, 3), 200)
}

// Event is a service event, in AWS's wording.
type Event struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	Message   string    `json:"message"`
}

// Revision is what a deployment deploys: all that starts a new one when it changes (ECS-030).
type Revision struct {
	TaskDefinition  string                `json:"taskDefinition"` // ARN
	LaunchType      string                `json:"launchType,omitempty"`
	PlatformVersion string                `json:"platformVersion,omitempty"`
	LoadBalancers   []LoadBalancer        `json:"loadBalancers,omitempty"`
	Network         *NetworkConfiguration `json:"network,omitempty"`
	// Images are the image ids that the deployment's containers are pinned to, by container name:
	// the loop writes them as the first tasks show what their tags mean (ECS-170). A service's own
	// revision has none, so that the next deployment resolves the tags anew.
	Images map[string]string `json:"images,omitempty"`
	// Digests are those images' digests in their registries, where they have one (ECS-445).
	Digests map[string]string `json:"digests,omitempty"`
}

// Revision returns what a deployment of the service as it stands would deploy.
func (s *Service) Revision() Revision {
	return Revision{TaskDefinition: s.TaskDefinition, LaunchType: s.LaunchType, PlatformVersion: s.PlatformVersion,
		LoadBalancers: s.LoadBalancers, Network: s.Network}
}

// Primary returns the primary deployment, nil if there is none.
func (s *Service) Primary() *Deployment {
	if len(s.Deployments) == 0 {
		return nil
	}
	return &s.Deployments[0]
}

// Deployment returns the deployment with this id, nil if there is none.
func (s *Service) Deployment(id string) *Deployment {
	i := slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Deployments[i]
}

// clone returns a copy whose deployments and events can be changed.
func (s *Service) clone() *Service {
	c := *s
	c.Deployments = slices.Clone(s.Deployments)
	c.Events = slices.Clone(s.Events)
	c.Complaints = maps.Clone(s.Complaints)
	return &c
}
