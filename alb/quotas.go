package alb

// Quotas of Application Load Balancers that are enforced (ALB-209).
const (
	maxLoadBalancers           = 50
	maxListeners               = 50  // per load balancer
	maxRules                   = 100 // per load balancer, without default rules
	maxTargetGroups            = 3000
	maxTargets                 = 1000 // per target group
	maxTargetGroupsPerAction   = 5
	maxGroupsPerLoadBalancer   = 100
	maxCertificates            = 25 // per load balancer, without default certificates
	maxConditionValuesPerRule  = 5
	maxConditionWildcards      = 5 // per rule
	maxTags                    = 50
	maxConditionValuesAdvisory = 3 // per condition: documented, not seen enforced; only warned about
)

// Limit is a quota of an account.
type Limit struct {
	Name string
	Max  int
}

// AccountLimits returns the quotas of Application Load Balancers under ELBv2's names (ALB-255).
func AccountLimits() []Limit {
	return []Limit{
		{"target-groups", maxTargetGroups},
		{"targets-per-application-load-balancer", 1000},
		{"listeners-per-application-load-balancer", maxListeners},
		{"application-load-balancers", maxLoadBalancers},
		{"rules-per-application-load-balancer", maxRules},
		{"target-id-registrations-per-application-load-balancer", 1000},
		{"certificates-per-application-load-balancer", maxCertificates},
		{"targets-per-target-group", maxTargets},
		{"target-groups-per-application-load-balancer", maxGroupsPerLoadBalancer},
		{"target-groups-per-action-on-application-load-balancer", maxTargetGroupsPerAction},
		{"condition-values-per-alb-rule", maxConditionValuesPerRule},
		{"condition-wildcards-per-alb-rule", maxConditionWildcards},
	}
}
