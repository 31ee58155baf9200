package orchestrator

import (
	"strings"
	"time"
)

// The statuses of a service deployment.
const (
	ServiceDeploymentPending            = "PENDING"
	ServiceDeploymentInProgress         = "IN_PROGRESS"
	ServiceDeploymentSuccessful         = "SUCCESSFUL"
	ServiceDeploymentStopRequested      = "STOP_REQUESTED"
	ServiceDeploymentStopped            = "STOPPED"
	ServiceDeploymentRollbackRequested  = "ROLLBACK_REQUESTED"
	ServiceDeploymentRollbackInProgress = "ROLLBACK_IN_PROGRESS"
	ServiceDeploymentRollbackSuccessful = "ROLLBACK_SUCCESSFUL"
	ServiceDeploymentRollbackFailed     = "ROLLBACK_FAILED"
)

// The statuses of what watches a service deployment: its circuit breaker and its alarms.
const (
	MonitorDisabled   = "DISABLED"
	MonitorMonitoring = "MONITORING"
	MonitorComplete   = "MONITORING_COMPLETE"
	MonitorTriggered  = "TRIGGERED"
)

// ServiceDeployment is the lasting row of one deployment of a service. A deployment that fails
// and its rollback are two [Deployment] rows of the service, but one service deployment. The
// API makes it; the loop writes its progress, and Stage and Hooks stay what the strategy says.
type ServiceDeployment struct {
	ARN        string                  `json:"arn"`
	Service    string                  `json:"service"` // ARN
	Cluster    string                  `json:"cluster"` // name
	Status     string                  `json:"status"`
	Reason     string                  `json:"reason,omitempty"`
	CreatedAt  time.Time               `json:"createdAt"`
	StartedAt  time.Time               `json:"startedAt,omitzero"`
	FinishedAt time.Time               `json:"finishedAt,omitzero"`
	StoppedAt  time.Time               `json:"stoppedAt,omitzero"`
	UpdatedAt  time.Time               `json:"updatedAt"`
	Sources    []RevisionCounts        `json:"sources,omitempty"` // what ran when it began
	Target     RevisionCounts          `json:"target"`
	Config     DeploymentConfiguration `json:"config"`
	Stage      string                  `json:"stage,omitempty"` // lifecycleStage, of [Deployment.Stage]
	Hooks      []HookRun               `json:"hooks,omitempty"`
	Rollback   *Rollback               `json:"rollback,omitempty"`
	Breaker    BreakerMonitor          `json:"breaker"`
	Alarms     AlarmMonitor            `json:"alarms"`
}

// RevisionCounts are the tasks of one service revision, and the share of the traffic that it
// is meant to get, in percent; nil where no strategy shifts traffic.
type RevisionCounts struct {
	ARN              string   `json:"arn"`
	Requested        int      `json:"requested"`
	Running          int      `json:"running"`
	Pending          int      `json:"pending"`
	TestWeight       *float64 `json:"testWeight,omitempty"`
	ProductionWeight *float64 `json:"productionWeight,omitempty"`
}

// Rollback says why a service deployment went back, and to which service revision.
type Rollback struct {
	Reason    string    `json:"reason"`
	StartedAt time.Time `json:"startedAt"`
	Revision  string    `json:"revision"` // ARN
}

// BreakerMonitor is the state of a service deployment's circuit breaker.
type BreakerMonitor struct {
	Status    string `json:"status"`
	Failures  int    `json:"failures"`
	Threshold int    `json:"threshold"`
}

// AlarmMonitor is the state of a service deployment's alarms.
type AlarmMonitor struct {
	Status    string   `json:"status"`
	Names     []string `json:"names,omitempty"`
	Triggered []string `json:"triggered,omitempty"`
}

// over reports whether nothing will happen to the service deployment any more.
func (r *ServiceDeployment) over() bool { return !r.FinishedAt.IsZero() || !r.StoppedAt.IsZero() }

// clone returns a copy that can be changed.
func (r *ServiceDeployment) clone() *ServiceDeployment {
	c := *r
	c.Sources = append([]RevisionCounts(nil), r.Sources...)
	if r.Rollback != nil {
		c.Rollback = new(*r.Rollback)
	}
	return &c
}

// ServiceRevision is the lasting row of what a service deployment deployed. It never changes.
type ServiceRevision struct {
	ARN       string    `json:"arn"`
	Service   string    `json:"service"` // ARN
	Cluster   string    `json:"cluster"` // name
	Revision  Revision  `json:"revision"`
	Alternate bool      `json:"alternate,omitempty"` // its tasks are in the alternate target groups
	CreatedAt time.Time `json:"createdAt"`
}

// serviceDeploymentARN makes the ARN of a new service deployment: the id is 21 characters (ECS-400).
func serviceDeploymentARN(service string, id func(int) string) string {
	return strings.Replace(service, ":service/", ":service-deployment/", 1) + "/" + id(21)
}

// serviceRevisionARN makes the ARN of a new service revision: the id is 19 digits (ECS-400).
func serviceRevisionARN(service string, id func(int) string) string {
	digits := strings.TrimPrefix(deploymentID(id), "ecs-svc/")
	return strings.Replace(service, ":service/", ":service-revision/", 1) + "/" + digits
}

// serviceOf returns the ARN of the service in the ARN of a service deployment or revision,
// empty if it is neither.
func serviceOf(arn, kind string) string {
	service := strings.Replace(arn, ":"+kind+"/", ":service/", 1)
	cut := strings.LastIndexByte(service, '/')
	if service == arn || cut < 0 {
		return ""
	}
	return service[:cut]
}
