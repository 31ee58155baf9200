package alb

// Quotas of Application Load Balancers that are enforced (ALB-209).
const (
	maxLoadBalancers           = 50
	maxListeners               = 50  // per load balancer
	maxRules                   = 100 // per load balancer, without default rules
	maxTargetGroups            = 3000
	maxTargets                 = 1000 // per target group
	maxTargetGroupsPerAction   = 5
	maxConditionValuesPerRule  = 5
	maxConditionWildcards      = 5 // per rule
	maxTags                    = 50
	maxConditionValuesAdvisory = 3 // per condition: documented, not seen enforced; only warned about
)
