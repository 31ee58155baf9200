package orchestrator

import (
	"context"
	"math"
	"net/url"
	"slices"
	"strings"

	"drydock/alb"
)

// StrategyInput holds the members of a deploymentConfiguration that are about its strategy. A
// nil member is absent; an empty list of hooks removes them.
type StrategyInput struct {
	Strategy    string // empty: as it is
	BakeMinutes *int
	Hooks       []LifecycleHook
	Linear      *LinearConfiguration
	Canary      *CanaryConfiguration
}

// applyStrategy sets the members that were given. What belongs to another strategy goes.
func (s *Service) applyStrategy(in StrategyInput) {
	c := &s.Config
	if in.Strategy != "" {
		c.Strategy = in.Strategy
	}
	if in.BakeMinutes != nil {
		c.BakeMinutes = in.BakeMinutes
	}
	if in.Hooks != nil {
		c.Hooks = in.Hooks
	}
	if in.Linear != nil {
		c.Linear = in.Linear
	} else if c.Strategy != StrategyLinear {
		c.Linear = nil
	}
	if in.Canary != nil {
		c.Canary = in.Canary
	} else if c.Strategy != StrategyCanary {
		c.Canary = nil
	}
}

// checkStrategy refuses what does not fit the strategy (ECS-148).
func (c *Controller) checkStrategy(s *Service, in StrategyInput) error {
	config := s.Config
	if !slices.Contains([]string{"", StrategyRolling, StrategyBlueGreen, StrategyLinear, StrategyCanary}, config.Strategy) {
		return invalid("The deployment strategy %s is not valid. Valid values: ROLLING, BLUE_GREEN, LINEAR, CANARY.", config.Strategy)
	}
	switch b := config.BakeMinutes; {
	case b == nil && config.Strategy == StrategyBlueGreen:
		return invalid("bakeTimeInMinutes must be specified when the deployment strategy is BLUE_GREEN.")
	case b != nil && (*b < 0 || *b > longestBake):
		return invalid("bakeTimeInMinutes must be between 0 and %d.", longestBake)
	case config.Canary != nil && config.Strategy != StrategyCanary:
		return invalid("canaryConfiguration can only be specified when the deployment strategy is CANARY.")
	case config.Linear != nil && config.Strategy != StrategyLinear:
		return invalid("linearConfiguration can only be specified when the deployment strategy is LINEAR.")
	case len(in.Hooks) > 0 && !config.Shifts():
		return invalid("lifecycleHooks can only be specified when the deployment strategy is BLUE_GREEN, LINEAR or CANARY.")
	}
	if err := checkSteps(config); err != nil {
		return err
	}
	for _, h := range in.Hooks {
		if err := h.check(); err != nil {
			return err
		}
		if err := c.mayRun(h.Target); err != nil {
			return invalid("The hookTargetArn %s is not allowed: %v.", withoutPassword(h.Target), err)
		}
	}
	return nil
}

func checkSteps(c DeploymentConfiguration) error {
	if l := c.Linear; l != nil {
		if !isPercent(l.StepPercent, 3) {
			return invalid("stepPercent must be a multiple of 0.1 between 3.0 and 100.0.")
		}
		if l.StepBakeMinutes < 0 || l.StepBakeMinutes > longestBake {
			return invalid("stepBakeTimeInMinutes must be between 0 and %d.", longestBake)
		}
	}
	if l := c.Canary; l != nil {
		if !isPercent(l.Percent, 0.1) {
			return invalid("canaryPercent must be a multiple of 0.1 between 0.1 and 100.0.")
		}
		if l.BakeMinutes < 0 || l.BakeMinutes > longestBake {
			return invalid("canaryBakeTimeInMinutes must be between 0 and %d.", longestBake)
		}
	}
	return nil
}

// isPercent reports whether p is a multiple of 0.1 from least to 100.
func isPercent(p, least float64) bool {
	return p >= least && p <= 100 && math.Abs(p-tenth(p)) < 1e-9
}

// check refuses hooks that could not work. There is no Lambda here: a function's place is taken
// by an HTTP server or a command.
func (h LifecycleHook) check() error {
	if len(h.Stages) == 0 {
		return invalid("lifecycleStages must be specified for a deployment lifecycle hook.")
	}
	for _, stage := range h.Stages {
		if slices.Contains([]string{StageScaleUp, StageBake, StageCleanUp}, stage) || !slices.Contains(shiftStages, stage) {
			return invalid("The lifecycle stage %s is not valid for a deployment lifecycle hook.", stage)
		}
		if h.Type == HookPause && (stage == StageTestShift || stage == StageProductionShift) {
			return invalid("PAUSE hooks cannot be configured at the %s lifecycle stage.", stage)
		}
	}
	if h.TimeoutMinutes < 0 || h.TimeoutMinutes > longestHook {
		return invalid("timeoutInMinutes must be between 1 and %d.", longestHook)
	}
	return h.checkTarget()
}

func (h LifecycleHook) checkTarget() error {
	target := h.Target
	switch {
	case h.Type == HookPause && target != "":
		return invalid("hookTargetArn cannot be specified for PAUSE hooks.")
	case h.Type == HookPause:
		return nil
	case target == "":
		return invalid("hookTargetArn must be specified for a deployment lifecycle hook.")
	case strings.HasPrefix(target, "arn:"):
		return invalid("The hookTargetArn %s cannot be called: drydock runs no Lambda functions. Use the URL of an HTTP server (http://host:port/path) or a command of this machine (exec:/path/to/hook): either gets the same event and gives the same answer.", withoutPassword(target))
	case isURL(target):
		return nil
	case strings.HasPrefix(target, execPrefix+"/"):
		return nil
	}
	return invalid("The hookTargetArn %s is not valid: use a URL (http://host:port/path) or a command with its whole path (exec:/path/to/hook).", withoutPassword(target))
}

// isURL reports whether an HTTP server could be called there.
func isURL(target string) bool {
	u, err := url.Parse(target)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// checkAdvanced refuses load balancers that a strategy that shifts traffic could not work with
// (ECS-148).
func (c *Controller) checkAdvanced(ctx context.Context, s *Service, lb LoadBalancer) error {
	a := lb.Advanced
	if !s.Config.Shifts() {
		return nil
	}
	switch {
	case a == nil:
		return invalid("advancedConfiguration must be specified for each load balancer when the deployment strategy is %s.", s.Config.Strategy)
	case a.AlternateTargetGroupARN == "":
		return invalid("alternateTargetGroupArn must be specified in advancedConfiguration.")
	case a.ProductionListenerRule == "":
		return invalid("productionListenerRule must be specified in advancedConfiguration.")
	case a.Role == "":
		return invalid("roleArn must be specified in advancedConfiguration.")
	case a.AlternateTargetGroupARN == lb.TargetGroupARN:
		return invalid("The alternate target group %s must be different from the target group.", lb.TargetGroupARN)
	case a.TestListenerRule == a.ProductionListenerRule:
		return invalid("testListenerRule and productionListenerRule must be different.")
	}
	if err := c.checkGroup(ctx, s, a.AlternateTargetGroupARN); err != nil {
		return err
	}
	return c.checkRules(ctx, lb)
}

// checkRules checks that the production rule forwards to both target groups, and that the test
// rule forwards, on the same load balancer.
func (c *Controller) checkRules(ctx context.Context, lb LoadBalancer) error {
	a := lb.Advanced
	production, at, err := c.forwardRule(ctx, a.ProductionListenerRule)
	if err != nil {
		return err
	}
	for _, group := range []string{lb.TargetGroupARN, a.AlternateTargetGroupARN} {
		if _, ok := production[group]; !ok {
			return invalid("The production listener rule %s does not forward to the target group %s. It must forward to both the target group and the alternate target group.", a.ProductionListenerRule, group)
		}
	}
	if a.TestListenerRule == "" {
		return nil
	}
	_, testAt, err := c.forwardRule(ctx, a.TestListenerRule)
	if err == nil && testAt != at {
		err = invalid("The test listener rule %s must belong to the load balancer of the production listener rule.", a.TestListenerRule)
	}
	return err
}

// forwardRule returns the weights of a rule that forwards, and its load balancer.
func (c *Controller) forwardRule(ctx context.Context, arn string) (weights map[string]int, loadBalancer string, err error) {
	shifter, ok := c.balancer.(TrafficShifter)
	if !ok {
		return nil, "", errNoShifter
	}
	rules, err := shifter.DescribeRules(ctx, "", []string{arn})
	if err != nil || len(rules) == 0 {
		return nil, "", invalid("The specified listener rule %s does not exist.", arn)
	}
	if weights = shifter.ForwardWeights(arn); weights == nil {
		return nil, "", invalid("The listener rule %s must have a forward action.", arn)
	}
	listeners, err := shifter.DescribeListeners(ctx, "", []string{rules[0].ListenerARN})
	if err != nil || len(listeners) == 0 {
		return nil, "", invalid("The specified listener rule %s does not exist.", arn)
	}
	return weights, listeners[0].LoadBalancerARN, nil
}

// checkGroup refuses a target group that does not fit (ECS-084).
func (c *Controller) checkGroup(ctx context.Context, s *Service, arn string) error {
	groups, err := c.balancer.DescribeTargetGroups(ctx, "", []string{arn}, nil)
	if err != nil || len(groups) == 0 {
		return invalid("The specified target group %s does not exist.", arn)
	}
	return c.fits(s, groups[0])
}

func (c *Controller) fits(s *Service, g alb.TargetGroup) error {
	def := c.definition(s.TaskDefinition)
	if len(g.LoadBalancerARNs) == 0 {
		return invalid("The target group with targetGroupArn %s does not have an associated load balancer.", g.ARN)
	}
	if g.TargetType != "ip" && def != nil && def.NetworkMode == "awsvpc" {
		return invalid("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", g.ARN, g.TargetType)
	}
	if def != nil && g.TargetType == "ip" && networkMode(def) != "awsvpc" {
		return invalid("The provided target group %s has target type %s, which is incompatible with the %s network mode specified in the task definition.", g.ARN, g.TargetType, networkMode(def))
	}
	return nil
}
