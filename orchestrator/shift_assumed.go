package orchestrator

import "time"

// Values of deployments that shift traffic. AWS documents the defaults; the times of stages and
// calls are those of its developer guide, not seen (ECS-144, ECS-145).
var (
	defaultCanary = CanaryConfiguration{Percent: 5, BakeMinutes: 10}
	defaultLinear = LinearConfiguration{StepPercent: 10, StepBakeMinutes: 6}
)

const (
	// longestBake bounds all bake times, in minutes.
	longestBake = 1440
	// stageTimeout is how long a stage may last before the deployment goes back; bake times and
	// hooks have limits of their own.
	stageTimeout = 24 * time.Hour
	// hookTimeout is how long a hook may take unless it says otherwise, in all its calls together.
	hookTimeout = 24 * time.Hour
	// longestHook bounds what a hook may say, in minutes.
	longestHook = 20160
	// hookCallTimeout is how long one call may take: what a Lambda function may.
	hookCallTimeout = 15 * time.Minute
	// hookCallback is the delay before a hook that is IN_PROGRESS is called again, if it names none.
	hookCallback = 30 * time.Second
	// keptHooks is how many hook runs that have ended are kept for people.
	keptHooks = 20
)
