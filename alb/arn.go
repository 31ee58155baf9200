package alb

import (
	"fmt"
	"regexp"
	"strings"
)

// The ARNs of ELBv2 (ALB-203).

func (b *Balancer) arn(resource string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:%s", b.config.Region, b.config.Account, resource)
}

func (b *Balancer) loadBalancerARN(name string) string {
	return b.arn("loadbalancer/app/" + name + "/" + b.newID())
}

func (b *Balancer) targetGroupARN(name string) string {
	return b.arn("targetgroup/" + name + "/" + b.newID())
}

func (b *Balancer) listenerARN(loadBalancer string) string {
	return strings.Replace(loadBalancer, ":loadbalancer/", ":listener/", 1) + "/" + b.newID()
}

func (b *Balancer) ruleARN(listener string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + b.newID()
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// checkName checks a load balancer's or target group's name (ALB-204).
func checkName(noun, name string) error {
	switch {
	case name == "":
		return invalid("%s name must be specified", upperFirst(noun))
	case len(name) > 32:
		return invalid("%s name '%s' cannot be longer than '32' characters", upperFirst(noun), name)
	case !namePattern.MatchString(name):
		return invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-)", upperFirst(noun), name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return invalid("%s name '%s' cannot begin or end with '-'", upperFirst(noun), name)
	case noun == "load balancer" && strings.HasPrefix(name, "internal-"):
		return invalid("%s name '%s' cannot start with 'internal-'", upperFirst(noun), name)
	}
	return nil
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// checkARN checks that arn can be the ARN of a noun: load balancer, target group,
// listener or rule.
func checkARN(noun, arn string) error {
	prefix := map[string]string{
		"load balancer": "loadbalancer/", "target group": "targetgroup/", "listener": "listener/", "listener rule": "listener-rule/",
	}[noun]
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "elasticloadbalancing" || !strings.HasPrefix(parts[5], prefix) {
		return invalid("'%s' is not a valid %s ARN", arn, noun)
	}
	return nil
}
