package autoscaling

import (
	"slices"
	"strings"
	"time"
)

// Dimension is the one scalable dimension that there is here.
const Dimension = "ecs:service:DesiredCount"

// Target is a scalable target with all that belongs to it. The API writes it, but for what
// Run writes: cooldowns, activities and when scheduled actions are next due.
type Target struct {
	Resource   string            `json:"resource"` // service/cluster/name
	ARN        string            `json:"arn"`
	Min        int               `json:"min"`
	Max        int               `json:"max"`
	RoleARN    string            `json:"roleArn"`
	Suspended  Suspended         `json:"suspended"`
	CreatedAt  time.Time         `json:"createdAt"`
	Tags       map[string]string `json:"tags,omitempty"`
	Policies   []Policy          `json:"policies,omitempty"`
	Actions    []ScheduledAction `json:"actions,omitempty"`
	Activities []Activity        `json:"activities,omitempty"` // newest first

	Leftover []string `json:"leftover,omitempty"` // alarms of before, which are still to be deleted

	ChangedAt time.Time            `json:"changedAt,omitzero"` // when a policy last changed the count
	OutUntil  time.Time            `json:"outUntil,omitzero"`  // end of the cooldown after scaling out
	OutBase   int                  `json:"outBase,omitempty"`  // the count before that
	InUntil   time.Time            `json:"inUntil,omitzero"`   // end of the cooldown after scaling in
	ActedAt   map[string]time.Time `json:"actedAt,omitempty"`  // when step policies last acted, by name
}

// Suspended says which kinds of scaling are suspended.
type Suspended struct {
	In        bool `json:"in,omitempty"`
	Out       bool `json:"out,omitempty"`
	Scheduled bool `json:"scheduled,omitempty"`
}

// Policy is a scaling policy: of its two configurations, one is set.
type Policy struct {
	Name      string    `json:"name"`
	ARN       string    `json:"arn"`
	CreatedAt time.Time `json:"createdAt"`
	Tracking  *Tracking `json:"tracking,omitempty"`
	Step      *Step     `json:"step,omitempty"`
	Alarms    []string  `json:"alarms,omitempty"` // names: of target tracking, high then low
	Unmade    bool      `json:"unmade,omitempty"` // the alarms are still to be put
}

// Activity is a scaling activity.
type Activity struct {
	ID      string    `json:"id"`
	Text    string    `json:"text"` // Description
	Cause   string    `json:"cause"`
	Begun   time.Time `json:"begun"`
	Ended   time.Time `json:"ended,omitzero"`
	Status  string    `json:"status"`
	Message string    `json:"message,omitempty"`
	Desired int       `json:"desired"`         // what the count was to be
	Asked   bool      `json:"asked,omitempty"` // the scheduler has been asked for it
	Event   int64     `json:"event,omitempty"` // number of the event that tells of it
}

// The statuses of an activity.
const (
	InProgress = "InProgress"
	Successful = "Successful"
	Overridden = "Overridden"
	Failed     = "Failed"
)

// names returns cluster and service of a resource id.
func names(resource string) (cluster, service string, ok bool) {
	parts := strings.Split(resource, "/")
	if len(parts) != 3 || parts[0] != "service" || parts[1] == "" || parts[2] == "" {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// clamp returns n, or the bound of the target that it is beyond.
func (t *Target) clamp(n int) int { return max(t.Min, min(t.Max, n)) }

// clone returns a copy that can be changed.
func (t *Target) clone() *Target {
	c := *t
	c.Policies, c.Actions, c.Activities = slices.Clone(t.Policies), slices.Clone(t.Actions), slices.Clone(t.Activities)
	c.Leftover = slices.Clone(t.Leftover)
	c.ActedAt = map[string]time.Time{}
	for name, at := range t.ActedAt {
		c.ActedAt[name] = at
	}
	return &c
}

// Policy returns the policy of a name, nil if there is none.
func (t *Target) Policy(name string) *Policy {
	i := slices.IndexFunc(t.Policies, func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Policies[i]
}

// Action returns the scheduled action of a name, nil if there is none.
func (t *Target) Action(name string) *ScheduledAction {
	i := slices.IndexFunc(t.Actions, func(a ScheduledAction) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Actions[i]
}
