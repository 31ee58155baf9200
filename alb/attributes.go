package alb

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"drydock/timeline"
)

// Attribute is a key and a value; values are strings whatever they mean.
type Attribute struct{ Key, Value string }

// attributeSpec is what there is to know about one attribute (ALB-210, ALB-211, ALB-241).
type attributeSpec struct {
	key, value string // and its default
	check      func(string) bool
	ignored    bool // accepted and stored, but without effect for now
	hidden     bool // accepted, not part of descriptions
}

func (spec attributeSpec) withoutEffect() attributeSpec { spec.ignored = true; return spec }

func boolean(key, value string) attributeSpec {
	return oneOf(key, value, "true", "false")
}

func oneOf(key, value string, allowed ...string) attributeSpec {
	return attributeSpec{key: key, value: value, check: func(v string) bool { return slices.Contains(allowed, v) }}
}

func integer(key, value string, low, high int) attributeSpec {
	return attributeSpec{key: key, value: value, check: func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && low <= n && n <= high
	}}
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixPart = regexp.MustCompile(`^[A-Za-z0-9!_.*'()=:@,+-]+$`)
)

// bucket is the name of an S3 bucket, by S3's rules; it becomes the name of a directory.
func bucket(key string) attributeSpec {
	return attributeSpec{key: key, check: func(v string) bool {
		return v == "" || bucketName.MatchString(v) && !strings.Contains(v, "..")
	}}
}

// prefix is the beginning of the names of log files: it may not contain AWSLogs (ALB-242).
func prefix(key string) attributeSpec {
	return attributeSpec{key: key, check: func(v string) bool {
		if v == "" {
			return true
		}
		for _, part := range strings.Split(v, "/") {
			if !prefixPart.MatchString(part) || part == "." || part == ".." || part == "AWSLogs" {
				return false
			}
		}
		return len(v) <= 1024
	}}
}

// either accepts a word, or what spec accepts.
func either(word string, spec attributeSpec) attributeSpec {
	check := spec.check
	spec.check = func(v string) bool { return v == word || check(v) }
	return spec
}

var loadBalancerAttributes = []attributeSpec{
	boolean("access_logs.s3.enabled", "false"),
	bucket("access_logs.s3.bucket"),
	prefix("access_logs.s3.prefix"),
	integer("idle_timeout.timeout_seconds", "60", 1, 4000),
	boolean("deletion_protection.enabled", "false"),
	boolean("routing.http2.enabled", "true"),
	boolean("routing.http.drop_invalid_header_fields.enabled", "false"),
	oneOf("routing.http.xff_header_processing.mode", "append", "append", "preserve", "remove"),
	boolean("routing.http.preserve_host_header.enabled", "false"),
	boolean("routing.http.xff_client_port.enabled", "false"),
	oneOf("routing.http.desync_mitigation_mode", "defensive", "monitor", "defensive", "strictest"),
	boolean("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
	boolean("load_balancing.cross_zone.enabled", "true").withoutEffect(),
	boolean("waf.fail_open.enabled", "false").withoutEffect(),
	integer("client_keep_alive.seconds", "3600", 60, 604800),
	boolean("connection_logs.s3.enabled", "false"),
	bucket("connection_logs.s3.bucket"),
	prefix("connection_logs.s3.prefix"),
	boolean("health_check_logs.s3.enabled", "false"),
	bucket("health_check_logs.s3.bucket"),
	prefix("health_check_logs.s3.prefix"),
	boolean("zonal_shift.config.enabled", "false").withoutEffect(),
	boolean("ipv6.deny_all_igw_traffic", "false").withoutEffect(),
}

var targetGroupAttributes = []attributeSpec{
	integer("deregistration_delay.timeout_seconds", "300", 0, 3600),
	boolean("stickiness.enabled", "false"),
	oneOf("stickiness.type", "lb_cookie", "lb_cookie", "app_cookie"),
	integer("stickiness.lb_cookie.duration_seconds", "86400", 1, 604800),
	integer("stickiness.app_cookie.duration_seconds", "86400", 1, 604800),
	{key: "stickiness.app_cookie.cookie_name", check: appCookieName},
	either("0", integer("slow_start.duration_seconds", "0", 30, 900)),
	oneOf("load_balancing.algorithm.type", "round_robin", "round_robin", "least_outstanding_requests", "weighted_random"),
	oneOf("load_balancing.algorithm.anomaly_mitigation", "off", "on", "off").withoutEffect(),
	oneOf("load_balancing.cross_zone.enabled", "use_load_balancer_configuration", "true", "false", "use_load_balancer_configuration").withoutEffect(),
	either("off", integer("target_group_health.dns_failover.minimum_healthy_targets.count", "1", 1, maxTargets)).withoutEffect(),
	either("off", integer("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", 1, 100)).withoutEffect(),
	integer("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", 1, maxTargets),
	either("off", integer("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", 1, 100)),
	{key: "lambda.multi_value_headers.enabled", value: "false", check: func(v string) bool { return v == "false" }, hidden: true},
}

// foreignAttributes are those of target groups of other kinds of load balancer (ALB-243).
var foreignAttributes = []string{
	"deregistration_delay.connection_termination.enabled", "preserve_client_ip.enabled", "proxy_protocol_v2.enabled",
	"target_failover.on_deregistration", "target_failover.on_unhealthy", "target_health_state.unhealthy.connection_termination.enabled",
	"target_health_state.unhealthy.draining_interval_seconds", "tcp.idle_timeout.seconds",
}

func specOf(specs []attributeSpec, key string) *attributeSpec {
	for i := range specs {
		if specs[i].key == key {
			return &specs[i]
		}
	}
	return nil
}

// valueOf returns the value of an attribute that specs knows, or its default.
func valueOf(specs []attributeSpec, set map[string]string, key string) string {
	if value, ok := set[key]; ok {
		return value
	}
	return specOf(specs, key).value
}

func (lb LoadBalancer) attribute(key string) string {
	if key == "ipv6.deny_all_igw_traffic" && lb.Scheme == "internal" && lb.Attributes[key] == "" {
		return "true"
	}
	return valueOf(loadBalancerAttributes, lb.Attributes, key)
}

func (tg TargetGroup) attribute(key string) string {
	return valueOf(targetGroupAttributes, tg.Attributes, key)
}

var attributeKey = regexp.MustCompile(`^[a-zA-Z0-9._]{1,256}$`)

// mergeAttributes returns set with changes; noun is "load balancer", "target group" or "listener".
func mergeAttributes(noun string, specs []attributeSpec, set map[string]string, changes []Attribute) (map[string]string, error) {
	merged := maps.Clone(set)
	if merged == nil {
		merged = map[string]string{}
	}
	for _, change := range changes {
		spec := specOf(specs, change.Key)
		switch {
		case slices.Contains(foreignAttributes, change.Key):
			return nil, refuse("InvalidConfigurationRequest", "The provided %s attribute is not supported", noun)
		case !attributeKey.MatchString(change.Key) || spec == nil:
			return nil, invalid("%s attribute key '%s' is not recognized", upperFirst(noun), change.Key) // ALB-212
		case !spec.check(change.Value):
			return nil, invalid("%s attribute value '%s' is not valid for key '%s'", upperFirst(noun), change.Value, change.Key)
		}
		merged[change.Key] = change.Value
	}
	return merged, nil
}

// warnIgnored records attributes that were given a value which has no effect for now.
func (x *tx) warnIgnored(arn string, specs []attributeSpec, before map[string]string, changes []Attribute) {
	for _, change := range changes {
		spec := specOf(specs, change.Key)
		if spec.ignored && change.Value != spec.value && before[change.Key] != change.Value {
			x.warn(arn, change.Key+" = "+change.Value+" is accepted but has no effect in drydock yet", change.Key)
		}
	}
}

// warn records that something accepted works differently from AWS.
func (x *tx) warn(arn, message, field string) {
	x.event(timeline.Warning, arn, message, map[string]string{"field": field})
}

// DescribeLoadBalancerAttributes returns all attributes, defaults included.
func (b *Balancer) DescribeLoadBalancerAttributes(_ context.Context, arn string) ([]Attribute, error) {
	lb, err := b.view.Load().loadBalancer(arn)
	if err != nil {
		return nil, err
	}
	return describeAttributes(loadBalancerAttributes, lb.attribute), nil
}

func describeAttributes(specs []attributeSpec, value func(key string) string) []Attribute {
	var all []Attribute
	for _, spec := range specs {
		if !spec.hidden {
			all = append(all, Attribute{Key: spec.key, Value: value(spec.key)})
		}
	}
	return all
}

// ModifyLoadBalancerAttributes sets attributes and returns all of them.
func (b *Balancer) ModifyLoadBalancerAttributes(ctx context.Context, arn string, changes []Attribute) ([]Attribute, error) {
	err := b.update(ctx, func(x *tx) error {
		lb, err := x.loadBalancer(arn)
		if err != nil {
			return err
		}
		next := *lb
		if next.Attributes, err = mergeAttributes("load balancer", loadBalancerAttributes, lb.Attributes, changes); err != nil {
			return err
		}
		if err := checkLogs(next); err != nil {
			return err
		}
		x.warnIgnored(arn, loadBalancerAttributes, lb.Attributes, changes)
		x.loadBalancers.put(x, arn, &next)
		x.event(timeline.Config, arn, "modified attributes of load balancer "+lb.Name, attributeData(changes))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.DescribeLoadBalancerAttributes(ctx, arn)
}

func checkLogs(lb LoadBalancer) error {
	for _, log := range []string{"access_logs", "connection_logs", "health_check_logs"} {
		if lb.attribute(log+".s3.enabled") == "true" && lb.attribute(log+".s3.bucket") == "" {
			return refuse("InvalidConfigurationRequest", "The value of '%s.s3.bucket' cannot be empty", log)
		}
	}
	return nil
}

func attributeData(changes []Attribute) map[string]string {
	data := map[string]string{}
	for _, change := range changes {
		data[change.Key] = change.Value
	}
	return data
}

// DescribeTargetGroupAttributes returns all attributes, defaults included.
func (b *Balancer) DescribeTargetGroupAttributes(_ context.Context, arn string) ([]Attribute, error) {
	tg, err := b.view.Load().targetGroup(arn)
	if err != nil {
		return nil, err
	}
	return describeAttributes(targetGroupAttributes, tg.attribute), nil
}

// ModifyTargetGroupAttributes sets attributes and returns all of them. A changed
// deregistration delay does not move the deadline of targets that already drain (ALB-213).
func (b *Balancer) ModifyTargetGroupAttributes(ctx context.Context, arn string, changes []Attribute) ([]Attribute, error) {
	err := b.update(ctx, func(x *tx) error {
		tg, err := x.targetGroup(arn)
		if err != nil {
			return err
		}
		next := *tg
		if next.Attributes, err = mergeAttributes("target group", targetGroupAttributes, tg.Attributes, changes); err != nil {
			return err
		}
		if err := next.checkAttributePairs(); err != nil {
			return err
		}
		if err := x.checkStickyUses(&next); err != nil {
			return err
		}
		x.warnIgnored(arn, targetGroupAttributes, tg.Attributes, changes)
		x.targetGroups.put(x, arn, &next)
		x.event(timeline.Config, arn, "modified attributes of target group "+tg.Name, attributeData(changes))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.DescribeTargetGroupAttributes(ctx, arn)
}

// checkAttributePairs refuses values that exclude each other (ALB-214).
func (tg TargetGroup) checkAttributePairs() error {
	algorithm := tg.attribute("load_balancing.algorithm.type")
	slow := tg.attribute("slow_start.duration_seconds") != "0"
	switch {
	case slow && algorithm == "least_outstanding_requests":
		return refuse("InvalidConfigurationRequest", "You cannot enable both slow start and least outstanding requests algorithm on a target group")
	case slow && algorithm == "weighted_random":
		return refuse("InvalidConfigurationRequest", "You cannot enable both slow start and weighted random algorithm on a target group")
	case tg.attribute("load_balancing.algorithm.anomaly_mitigation") == "on" && algorithm != "weighted_random":
		return refuse("InvalidConfigurationRequest", "You cannot enable anomaly mitigation on a target group with the load balancing algorithm '%s'", algorithm)
	case !tg.sticky():
		return nil
	case algorithm == "weighted_random":
		return refuse("InvalidConfigurationRequest", "You cannot have both stickiness and weighted random algorithm enabled on the same target group.")
	case tg.attribute("load_balancing.cross_zone.enabled") == "false":
		return refuse("InvalidConfigurationRequest", "You cannot enable stickiness on a target group with cross-zone load balancing disabled")
	case tg.attribute("stickiness.type") == "app_cookie" && tg.attribute("stickiness.app_cookie.cookie_name") == "":
		return refuse("InvalidConfigurationRequest", "You must set an application cookie name to enable stickiness of type 'app_cookie'")
	}
	return nil
}
