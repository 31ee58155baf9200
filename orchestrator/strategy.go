package orchestrator

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// The deployment strategies (ECS-140).
const (
	StrategyRolling   = "ROLLING"
	StrategyBlueGreen = "BLUE_GREEN"
	StrategyLinear    = "LINEAR"
	StrategyCanary    = "CANARY"
)

// The lifecycle stages of a deployment that shifts traffic, in their order (ECS-140).
// StagePreProductionShift is one for hooks only: it is shown as StageProductionShift.
const (
	StageReconcile           = "RECONCILE_SERVICE"
	StagePreScaleUp          = "PRE_SCALE_UP"
	StageScaleUp             = "SCALE_UP"
	StagePostScaleUp         = "POST_SCALE_UP"
	StageTestShift           = "TEST_TRAFFIC_SHIFT"
	StagePostTestShift       = "POST_TEST_TRAFFIC_SHIFT"
	StagePreProductionShift  = "PRE_PRODUCTION_TRAFFIC_SHIFT"
	StageProductionShift     = "PRODUCTION_TRAFFIC_SHIFT"
	StagePostProductionShift = "POST_PRODUCTION_TRAFFIC_SHIFT"
	StageBake                = "BAKE_TIME"
	StageCleanUp             = "CLEAN_UP"
)

var (
	shiftStages = []string{
		StageReconcile, StagePreScaleUp, StageScaleUp, StagePostScaleUp, StageTestShift, StagePostTestShift,
		StagePreProductionShift, StageProductionShift, StagePostProductionShift, StageBake, StageCleanUp,
	}
	// A rollback goes through the stages that shift traffic only, the weights first of all (ECS-146).
	rollbackStages = []string{StageProductionShift, StageTestShift, StageCleanUp}
)

// LinearConfiguration shifts production traffic in equal steps.
type LinearConfiguration struct {
	StepPercent     float64 `json:"stepPercent"`
	StepBakeMinutes int     `json:"stepBakeMinutes"` // after each step but the last
}

// CanaryConfiguration shifts a part of the production traffic first, then the rest.
type CanaryConfiguration struct {
	Percent     float64 `json:"percent"`
	BakeMinutes int     `json:"bakeMinutes"` // between the part and the rest
}

// AdvancedConfiguration names what a deployment that shifts traffic works with.
type AdvancedConfiguration struct {
	AlternateTargetGroupARN string `json:"alternateTargetGroupArn"`
	ProductionListenerRule  string `json:"productionListenerRule"` // ARN; a listener's default rule has one too
	TestListenerRule        string `json:"testListenerRule,omitempty"`
	Role                    string `json:"role"`
}

// LifecycleHook is run, or waited for, at some stages of a deployment.
type LifecycleHook struct {
	Type           string          `json:"type"`             // AWS_LAMBDA or PAUSE
	Target         string          `json:"target,omitempty"` // http://…, https://… or exec:…; none for PAUSE
	Role           string          `json:"role,omitempty"`
	Stages         []string        `json:"stages"`
	Details        json.RawMessage `json:"details,omitempty"` // passed on with every call
	TimeoutMinutes int             `json:"timeoutMinutes,omitempty"`
	TimeoutAction  string          `json:"timeoutAction,omitempty"`
}

// The types of lifecycle hooks, and what ends them. AWS_LAMBDA is the default, and stands here
// for whatever is called.
const (
	HookCall  = "AWS_LAMBDA"
	HookPause = "PAUSE"

	HookContinue = "CONTINUE"
	HookRollback = "ROLLBACK"
)

// timeout returns how long a run of the hook may take, and what happens then (ECS-145).
func (h LifecycleHook) timeout() (time.Duration, string) {
	after, action := hookTimeout, HookRollback
	if h.TimeoutMinutes > 0 {
		after = time.Duration(h.TimeoutMinutes) * time.Minute
	}
	if h.TimeoutAction != "" {
		action = h.TimeoutAction
	}
	return after, action
}

// Shifts reports whether deployments shift traffic between two sets of tasks, rather than
// replace tasks one after the other.
func (c DeploymentConfiguration) Shifts() bool {
	return c.Strategy != "" && c.Strategy != StrategyRolling
}

// bake returns how long blue and green run side by side after the shift.
func (c DeploymentConfiguration) bake() time.Duration {
	if c.BakeMinutes == nil {
		return 0
	}
	return time.Duration(*c.BakeMinutes) * time.Minute
}

// step returns the share of the production traffic that follows after now, in percent (ECS-143).
func (c DeploymentConfiguration) step(now float64) float64 {
	now = max(now, 0)
	switch {
	case c.Strategy == StrategyCanary && now == 0:
		return c.canary().Percent
	case c.Strategy == StrategyLinear:
		return min(tenth(now+c.linear().StepPercent), 100)
	}
	return 100
}

// stepBake returns how long each share but the last is kept.
func (c DeploymentConfiguration) stepBake() time.Duration {
	switch c.Strategy {
	case StrategyCanary:
		return time.Duration(c.canary().BakeMinutes) * time.Minute
	case StrategyLinear:
		return time.Duration(c.linear().StepBakeMinutes) * time.Minute
	}
	return 0
}

func (c DeploymentConfiguration) canary() CanaryConfiguration {
	if c.Canary == nil {
		return defaultCanary
	}
	return *c.Canary
}

func (c DeploymentConfiguration) linear() LinearConfiguration {
	if c.Linear == nil {
		return defaultLinear
	}
	return *c.Linear
}

// hooksAt returns the hooks of a stage.
func (c DeploymentConfiguration) hooksAt(stage string) []LifecycleHook {
	return slices.DeleteFunc(slices.Clone(c.Hooks), func(h LifecycleHook) bool { return !slices.Contains(h.Stages, stage) })
}

// tenth rounds a percentage to AWS's granularity.
func tenth(percent float64) float64 { return math.Round(percent*10) / 10 }

// weigh splits 100 % between two target groups: whole percents as they are, tenths as tenths,
// since a weight is a whole number up to 999 (ECS-143).
func weigh(percent float64) (mine, other int) {
	if percent == math.Trunc(percent) {
		return int(percent), 100 - int(percent)
	}
	tenths := int(math.Round(percent * 10))
	return tenths, 1000 - tenths
}
