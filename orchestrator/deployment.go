package orchestrator

import "time"

// Deployment statuses and rollout states.
const (
	DeploymentPrimary = "PRIMARY"
	DeploymentActive  = "ACTIVE"

	RolloutInProgress = "IN_PROGRESS"
	RolloutCompleted  = "COMPLETED"
	RolloutFailed     = "FAILED"
)

// AlarmWatch is how far the alarms of a deployment are watched.
type AlarmWatch string

// The watches: none is not looked at yet.
const (
	AlarmsWatched AlarmWatch = "WATCHED"
	AlarmsIgnored AlarmWatch = "IGNORED" // one was in ALARM when the deployment began (ECS-409)
)

// Deployment is one revision of a service on its way in (PRIMARY) or out (ACTIVE). The API
// makes it; the loop writes its progress.
type Deployment struct {
	ID            string    `json:"id"` // ecs-svc/<19 digits>
	Status        string    `json:"status"`
	Revision      Revision  `json:"revision"`
	RolloutState  string    `json:"rolloutState"`
	RolloutReason string    `json:"rolloutReason"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`

	Record      string `json:"record,omitempty"`      // ARN of its service deployment; a rollback shares that of what failed
	RevisionARN string `json:"revisionArn,omitempty"` // ARN of its service revision
	Stage       string `json:"stage,omitempty"`       // lifecycle stage, where the strategy has any

	DesiredCount int `json:"desiredCount"` // as shown; 0 for ACTIVE ones (trace T5)
	PendingCount int `json:"pendingCount"`
	RunningCount int `json:"runningCount"`
	HealthyCount int `json:"healthyCount"`
	FailedTasks  int `json:"failedTasks"` // in a row; 0 again when a task becomes healthy (ECS-031)

	// Keep is how many tasks an ACTIVE deployment still keeps: the scheduler lowers it as
	// it stops them; tasks that are lost meanwhile are replaced by their own revision (ECS-032).
	// -1 until the loop has counted them.
	Keep int `json:"keep"`
	// Grow is how many more it is to keep: a scale-out reaches both revisions (ECS-407).
	Grow int `json:"grow,omitempty"`
	// Proven is set once a task was healthy: then the circuit breaker leaves it alone (ECS-033).
	Proven bool `json:"proven,omitempty"`
	// Stop is what StopServiceDeployment asked for: ROLLBACK or ABORT.
	Stop string `json:"stop,omitempty"`
	// Watch is how far its alarms are watched, BakeUntil how long it does not complete because
	// of them.
	Watch     AlarmWatch `json:"watch,omitempty"`
	BakeUntil time.Time  `json:"bakeUntil,omitzero"`
	// Rollback is set if the circuit breaker made it: it is not rolled back in turn.
	Rollback bool `json:"rollback,omitempty"`
	// NextStart is the deadline before which no task is started, after failed starts.
	NextStart    time.Time `json:"nextStart,omitzero"`
	FailedStarts int       `json:"failedStarts,omitempty"` // in a row, before RUNNING
	Crashes      int       `json:"crashes,omitempty"`      // in a row, soon after RUNNING
	Cause        int64     `json:"cause,omitempty"`        // the event that made it, then its latest one
	// Alternate is set if its tasks are in the alternate target groups.
	Alternate bool `json:"alternate,omitempty"`
	// Shift is how far it is with its traffic; nil if it replaces tasks one after the other.
	Shift *Shift `json:"shift,omitempty"`
	// Reclaim is set if it takes the traffic back from one that was shifting it: it replaces tasks
	// one after the other, and the listener rules are to give its target groups all requests again.
	Reclaim *Steering `json:"reclaim,omitempty"`
}

// rollout sets the rollout state and its reason.
func (d *Deployment) rollout(now time.Time, state, reason string) {
	d.RolloutState, d.RolloutReason, d.UpdatedAt = state, reason, now
}
