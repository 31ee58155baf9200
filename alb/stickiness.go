package alb

import (
	"maps"
	"slices"
	"strings"
)

// maxStickiness is the longest that a client stays with a group or a target, in seconds.
const maxStickiness = 604800

// checkStickiness checks the stickiness of a forward action. Of several groups none may be
// sticky by itself while the action is not (ALB-248), nor by the application's cookie (ALB-249).
func (x *tx) checkStickiness(config *ForwardConfig) error {
	s := config.Stickiness
	if (s.Enabled || s.DurationSeconds != 0) && (s.DurationSeconds < 1 || s.DurationSeconds > maxStickiness) {
		return invalid("Target group stickiness duration must be between 1 and %d seconds", maxStickiness)
	}
	if len(config.TargetGroups) < 2 {
		return nil
	}
	for _, tuple := range config.TargetGroups {
		tg := x.targetGroups.rows[tuple.TargetGroupARN]
		switch {
		case !tg.sticky():
		case tg.attribute("stickiness.type") == "app_cookie":
			return appCookieInWeighted(tg.ARN)
		case !s.Enabled:
			return refuse("InvalidConfigurationRequest", "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups (%s)", tg.ARN)
		}
	}
	return nil
}

func (tg TargetGroup) sticky() bool { return tg.attribute("stickiness.enabled") == "true" }

func appCookieInWeighted(group string) error {
	return refuse("InvalidConfigurationRequest", "Stickiness of type 'app_cookie' is not supported for a target group that is weighted with others in a forward action (%s)", group)
}

// checkStickyUses is checkStickiness from the other side: a group that becomes sticky by
// itself, and the forward actions that it is in already.
func (x *tx) checkStickyUses(tg *TargetGroup) error {
	if !tg.sticky() {
		return nil
	}
	for _, arn := range slices.Sorted(maps.Keys(x.rules.rows)) {
		for _, action := range x.rules.rows[arn].Actions {
			config := action.ForwardConfig
			if config == nil || len(config.TargetGroups) < 2 || !config.has(tg.ARN) {
				continue
			}
			if tg.attribute("stickiness.type") == "app_cookie" {
				return appCookieInWeighted(tg.ARN)
			}
			if !config.Stickiness.Enabled {
				return refuse("InvalidConfigurationRequest", "This target group appears behind a rule with group stickiness disabled (%s). You must enable group stickiness before enabling target stickiness", arn)
			}
		}
	}
	return nil
}

func (c *ForwardConfig) has(group string) bool {
	return slices.ContainsFunc(c.TargetGroups, func(t TargetGroupTuple) bool { return t.TargetGroupARN == group })
}

// appCookieName reports whether a cookie may have this name: a token that is not one of
// the load balancer's own.
func appCookieName(v string) bool {
	return v == "" || len(v) <= 512 && tokenPattern.MatchString(v) && !strings.HasPrefix(v, "AWSALB")
}
