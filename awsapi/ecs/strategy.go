package ecs

import (
	"drydock/awsapi"
	"drydock/orchestrator"
)

// strategyMembers are the members of a deploymentConfiguration that the scheduler knows.
var strategyMembers = []string{"strategy", "bakeTimeInMinutes", "lifecycleHooks", "linearConfiguration", "canaryConfiguration"}

// strategyInput converts what a deploymentConfiguration says of its strategy.
func strategyInput(d *DeploymentConfiguration) orchestrator.StrategyInput {
	in := orchestrator.StrategyInput{Strategy: awsapi.Value(d.Strategy), BakeMinutes: intOf(d.BakeTimeInMinutes)}
	if d.LifecycleHooks != nil {
		in.Hooks = awsapi.List(d.LifecycleHooks, lifecycleHook)
	}
	if l := d.LinearConfiguration; l != nil {
		in.Linear = &orchestrator.LinearConfiguration{StepPercent: 10, StepBakeMinutes: 6} // ECS-143
		given(&in.Linear.StepPercent, l.StepPercent)
		given(&in.Linear.StepBakeMinutes, intOf(l.StepBakeTimeInMinutes))
	}
	if c := d.CanaryConfiguration; c != nil {
		in.Canary = &orchestrator.CanaryConfiguration{Percent: 5, BakeMinutes: 10} // ECS-143
		given(&in.Canary.Percent, c.CanaryPercent)
		given(&in.Canary.BakeMinutes, intOf(c.CanaryBakeTimeInMinutes))
	}
	return in
}

func given[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

func lifecycleHook(shape DeploymentLifecycleHook) orchestrator.LifecycleHook {
	h := orchestrator.LifecycleHook{
		Type: awsapi.Value(shape.TargetType), Target: awsapi.Value(shape.HookTargetArn), Role: awsapi.Value(shape.RoleArn),
		Stages: shape.LifecycleStages, Details: shape.HookDetails,
	}
	if h.Type == "" {
		h.Type = orchestrator.HookCall
	}
	if t := shape.TimeoutConfiguration; t != nil {
		h.TimeoutMinutes, h.TimeoutAction = int(awsapi.Value(t.TimeoutInMinutes)), awsapi.Value(t.Action)
	}
	return h
}

func advancedInput(shape *AdvancedConfiguration) *orchestrator.AdvancedConfiguration {
	if shape == nil {
		return nil
	}
	return &orchestrator.AdvancedConfiguration{
		AlternateTargetGroupARN: awsapi.Value(shape.AlternateTargetGroupArn), ProductionListenerRule: awsapi.Value(shape.ProductionListenerRule),
		TestListenerRule: awsapi.Value(shape.TestListenerRule), Role: awsapi.Value(shape.RoleArn),
	}
}

func advancedShape(a *orchestrator.AdvancedConfiguration) *AdvancedConfiguration {
	if a == nil {
		return nil
	}
	return &AdvancedConfiguration{
		AlternateTargetGroupArn: awsapi.NonZero(a.AlternateTargetGroupARN), ProductionListenerRule: awsapi.NonZero(a.ProductionListenerRule),
		TestListenerRule: awsapi.NonZero(a.TestListenerRule), RoleArn: awsapi.NonZero(a.Role),
	}
}

// strategyShape puts a strategy into a deploymentConfiguration.
func strategyShape(shape *DeploymentConfiguration, c orchestrator.DeploymentConfiguration) {
	shape.Strategy, shape.BakeTimeInMinutes = new(orchestrator.StrategyRolling), count(0)
	if c.Strategy != "" {
		shape.Strategy = &c.Strategy
	}
	if c.BakeMinutes != nil {
		shape.BakeTimeInMinutes = count(*c.BakeMinutes)
	}
	if len(c.Hooks) > 0 {
		shape.LifecycleHooks = awsapi.List(c.Hooks, lifecycleHookShape)
	}
	if l := c.Linear; l != nil {
		shape.LinearConfiguration = &LinearConfiguration{StepPercent: &l.StepPercent, StepBakeTimeInMinutes: count(l.StepBakeMinutes)}
	}
	if l := c.Canary; l != nil {
		shape.CanaryConfiguration = &CanaryConfiguration{CanaryPercent: &l.Percent, CanaryBakeTimeInMinutes: count(l.BakeMinutes)}
	}
}

func lifecycleHookShape(h orchestrator.LifecycleHook) DeploymentLifecycleHook {
	shape := DeploymentLifecycleHook{
		TargetType: &h.Type, HookTargetArn: awsapi.NonZero(h.Target), RoleArn: awsapi.NonZero(h.Role),
		LifecycleStages: h.Stages, HookDetails: h.Details,
	}
	if h.TimeoutMinutes > 0 || h.TimeoutAction != "" {
		shape.TimeoutConfiguration = &DeploymentLifecycleHookTimeoutConfiguration{Action: awsapi.NonZero(h.TimeoutAction)}
		if h.TimeoutMinutes > 0 {
			shape.TimeoutConfiguration.TimeoutInMinutes = count(h.TimeoutMinutes)
		}
	}
	return shape
}
