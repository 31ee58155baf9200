package alb

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/timeline"
)

// TargetGroup is a target group.
type TargetGroup struct {
	ARN, Name        string
	Protocol         string // HTTP or HTTPS
	ProtocolVersion  string // HTTP1, HTTP2 or GRPC
	Port             int    // of targets registered without one
	VPCID            string
	TargetType       string // instance or ip
	IPAddressType    string // ipv4
	HealthCheck      HealthCheck
	LoadBalancerARNs []string          `json:"-"` // those that forward to it: none or one
	Attributes       map[string]string // those that were set; see DescribeTargetGroupAttributes
	Tags             []Tag
	CreatedTime      time.Time
	StaleConnection  time.Duration `json:",omitempty"` // the fault of SetFault; 0: the balancer's own
}

// ID returns the name in logs and metrics: targetgroup/name/16 hex.
func (tg TargetGroup) ID() string {
	_, id, _ := strings.Cut(tg.ARN, ":targetgroup/")
	return "targetgroup/" + id
}

// HealthCheck holds a target group's health check settings. In a request zero values
// ask for the default, or leave a setting as it is.
type HealthCheck struct {
	Enabled                                        *bool // always true: it can't be disabled for instance and ip targets
	Protocol                                       string
	Port                                           string // "traffic-port" or a number
	Path                                           string
	IntervalSeconds, TimeoutSeconds                int
	HealthyThresholdCount, UnhealthyThresholdCount int
	Matcher                                        string // HTTP codes: 200, 200,202 or 200-299; empty for gRPC
	GRPCMatcher                                    string // gRPC codes: 12, 0,1 or 0-5; for gRPC only
}

// defaultHealthCheck holds ELBv2's defaults for instance and ip targets (ALB-215, ALB-250).
func defaultHealthCheck(version string) HealthCheck {
	enabled := true
	h := HealthCheck{
		Enabled: &enabled, Protocol: "HTTP", Port: trafficPort, Path: "/",
		IntervalSeconds: 30, TimeoutSeconds: 5, HealthyThresholdCount: 5, UnhealthyThresholdCount: 2, Matcher: "200",
	}
	if version == "GRPC" {
		h.Path, h.Matcher, h.GRPCMatcher = "/AWS.ALB/healthcheck", "", "12"
	}
	return h
}

const trafficPort = "traffic-port"

// with returns h with the settings of change.
func (h HealthCheck) with(change HealthCheck) HealthCheck {
	return HealthCheck{
		Enabled:                 cmp.Or(change.Enabled, h.Enabled),
		Protocol:                cmp.Or(change.Protocol, h.Protocol),
		Port:                    cmp.Or(change.Port, h.Port),
		Path:                    cmp.Or(change.Path, h.Path),
		IntervalSeconds:         cmp.Or(change.IntervalSeconds, h.IntervalSeconds),
		TimeoutSeconds:          cmp.Or(change.TimeoutSeconds, h.TimeoutSeconds),
		HealthyThresholdCount:   cmp.Or(change.HealthyThresholdCount, h.HealthyThresholdCount),
		UnhealthyThresholdCount: cmp.Or(change.UnhealthyThresholdCount, h.UnhealthyThresholdCount),
		Matcher:                 cmp.Or(change.Matcher, h.Matcher),
		GRPCMatcher:             cmp.Or(change.GRPCMatcher, h.GRPCMatcher),
	}
}

func (h HealthCheck) check(version string) error {
	for _, limit := range []struct {
		member           string
		value, low, high int
	}{
		{"healthCheckIntervalSeconds", h.IntervalSeconds, 5, 300},
		{"healthCheckTimeoutSeconds", h.TimeoutSeconds, 2, 120},
		{"healthyThresholdCount", h.HealthyThresholdCount, 2, 10},
		{"unhealthyThresholdCount", h.UnhealthyThresholdCount, 2, 10},
	} {
		if limit.value < limit.low {
			return constraint(limit.value, limit.member, fmt.Sprintf("have value greater than or equal to %d", limit.low))
		}
		if limit.value > limit.high {
			return constraint(limit.value, limit.member, fmt.Sprintf("have value less than or equal to %d", limit.high))
		}
	}
	switch {
	case !*h.Enabled:
		return invalid("Health check enabled must be true for target groups with target type 'instance' or 'ip'")
	case h.IntervalSeconds <= h.TimeoutSeconds:
		return invalid("Health check interval must be greater than the timeout.") // ALB-216
	case h.Protocol != "HTTP" && h.Protocol != "HTTPS":
		return invalid("Health check protocol '%s' must be HTTP or HTTPS", h.Protocol)
	case h.Port != trafficPort && !isPort(h.Port):
		return invalid("Health check port '%s' must be '%s' or a number from 1 to 65535", h.Port, trafficPort)
	case !strings.HasPrefix(h.Path, "/") || len(h.Path) > 1024:
		return invalid("Health check path '%s' must begin with '/' and have at most 1024 characters", h.Path)
	case !printable.MatchString(h.Path):
		return invalid("Health check path must be printable ASCII") // a line break would be a request of its own
	}
	return h.checkMatcher(version)
}

// checkMatcher checks the codes of a healthy answer: gRPC groups have gRPC's, others HTTP's.
func (h HealthCheck) checkMatcher(version string) error {
	switch {
	case version == "GRPC" && h.Matcher != "":
		return invalid("Health check matcher HTTP code cannot be specified for target groups with the protocol-version 'GRPC'; specify a GRPC code")
	case version != "GRPC" && h.GRPCMatcher != "":
		return invalid("Health check matcher GRPC code cannot be specified for target groups with the protocol-version '%s'; specify an HTTP code", version)
	case version == "GRPC" && !isMatcher(h.GRPCMatcher, 0, 99):
		return invalid("Health check matcher GRPC code '%s' must be within '0-99': use a code, a list (0,1) or a range (0-5)", h.GRPCMatcher)
	case version != "GRPC" && !isMatcher(h.Matcher, 200, 499):
		return invalid("Health check matcher HTTP code '%s' must be within '200-499': use a code, a list (200,202) or a range (200-299)", h.Matcher)
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && 1 <= n && n <= 65535
}

var matcherPart = regexp.MustCompile(`^([0-9]{1,3})(?:-([0-9]{1,3}))?$`)

// isMatcher reports whether s is a list of codes and ranges of codes from low to high.
func isMatcher(s string, low, high int) bool {
	for _, part := range strings.Split(s, ",") {
		m := matcherPart.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return false
		}
		first := number(m[1])
		last := number(cmp.Or(m[2], m[1]))
		if first < low || last > high || last < first {
			return false
		}
	}
	return true
}

// CreateTargetGroupInput holds what CreateTargetGroup takes.
type CreateTargetGroupInput struct {
	Name            string
	Protocol        string // HTTP or HTTPS
	ProtocolVersion string // HTTP1
	Port            int
	VPCID           string
	TargetType      string // instance
	IPAddressType   string // ipv4
	HealthCheck     HealthCheck
	Tags            []Tag
}

// CreateTargetGroup creates a target group; the same settings again return the one that exists.
func (b *Balancer) CreateTargetGroup(ctx context.Context, in CreateTargetGroupInput) (TargetGroup, error) {
	in.TargetType = cmp.Or(in.TargetType, "instance")
	in.ProtocolVersion = cmp.Or(in.ProtocolVersion, "HTTP1")
	in.IPAddressType = cmp.Or(in.IPAddressType, "ipv4")
	in.HealthCheck = defaultHealthCheck(in.ProtocolVersion).with(in.HealthCheck)
	if err := in.check(); err != nil {
		return TargetGroup{}, err
	}
	var tg TargetGroup
	err := b.update(ctx, func(x *tx) (err error) {
		tg, err = x.createTargetGroup(in)
		return err
	})
	return tg, err
}

func (in CreateTargetGroupInput) check() error {
	if err := checkName("target group", in.Name); err != nil {
		return err
	}
	if err := in.checkKind(); err != nil {
		return err
	}
	switch {
	case in.Port == 0:
		return invalid("A port must be specified")
	case in.Port < 0:
		return constraint(in.Port, "port", "have value greater than or equal to 1")
	case in.Port > 65535:
		return constraint(in.Port, "port", "have value less than or equal to 65535")
	case in.VPCID == "":
		return invalid("A VPC must be specified")
	}
	if err := in.HealthCheck.check(in.ProtocolVersion); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

// checkKind refuses the kinds of target group that AWS has and drydock does not.
func (in CreateTargetGroupInput) checkKind() error {
	switch in.TargetType {
	case "instance", "ip":
	case "lambda", "alb":
		return unsupported("InvalidConfigurationRequest", fmt.Sprintf("The target type '%s'", in.TargetType), "use ip")
	default:
		return constraint(in.TargetType, "targetType", "satisfy enum value set: [instance, ip, lambda, alb]")
	}
	switch in.Protocol {
	case "HTTP", "HTTPS":
	case "":
		return invalid("A protocol must be specified")
	case "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC":
		return unsupported("UnsupportedProtocol", fmt.Sprintf("The target group protocol '%s'", in.Protocol), "use HTTP or HTTPS")
	default:
		return constraint(in.Protocol, "protocol", "satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]")
	}
	if !slices.Contains([]string{"HTTP1", "HTTP2", "GRPC"}, in.ProtocolVersion) {
		return invalid("Protocol version '%s' must be one of '[HTTP1, HTTP2, GRPC]'", in.ProtocolVersion)
	}
	if in.IPAddressType != "ipv4" {
		return unsupported("InvalidConfigurationRequest", fmt.Sprintf("The IP address type '%s'", in.IPAddressType), "use ipv4")
	}
	return nil
}

func (x *tx) createTargetGroup(in CreateTargetGroupInput) (TargetGroup, error) {
	vpc, err := x.b.network.ResolveVPC(x.ctx, in.VPCID)
	if err != nil {
		return TargetGroup{}, translate(err)
	}
	tg := TargetGroup{
		Name: in.Name, Protocol: in.Protocol, ProtocolVersion: in.ProtocolVersion, Port: in.Port, VPCID: vpc.ID,
		TargetType: in.TargetType, IPAddressType: in.IPAddressType, HealthCheck: in.HealthCheck, Tags: in.Tags,
	}
	if existing := x.targetGroupNamed(in.Name); existing != nil {
		if !tg.sameSettings(*existing) {
			return TargetGroup{}, refuse("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", in.Name)
		}
		return x.describeTargetGroup(*existing), nil
	}
	if len(x.targetGroups.rows) >= maxTargetGroups {
		return TargetGroup{}, refuse("TooManyTargetGroups", "The maximum number of target groups has been reached")
	}
	tg.ARN, tg.CreatedTime = x.b.targetGroupARN(in.Name), x.now
	x.targetGroups.put(x, tg.ARN, &tg)
	x.event(timeline.Config, tg.ARN, "created target group "+tg.Name, nil)
	return tg, nil
}

func (tg TargetGroup) sameSettings(existing TargetGroup) bool {
	return tg.Protocol == existing.Protocol && tg.ProtocolVersion == existing.ProtocolVersion && tg.Port == existing.Port &&
		tg.VPCID == existing.VPCID && tg.TargetType == existing.TargetType && tg.IPAddressType == existing.IPAddressType &&
		tg.HealthCheck.same(existing.HealthCheck) && sameTags(tg.Tags, existing.Tags)
}

func (h HealthCheck) same(other HealthCheck) bool {
	h.Enabled, other.Enabled = nil, nil
	return h == other
}

// ModifyTargetGroup changes health check settings, from the next check on (ALB-217).
func (b *Balancer) ModifyTargetGroup(ctx context.Context, arn string, change HealthCheck) (TargetGroup, error) {
	var tg TargetGroup
	err := b.update(ctx, func(x *tx) error {
		old, err := x.targetGroup(arn)
		if err != nil {
			return err
		}
		next := *old
		next.HealthCheck = old.HealthCheck.with(change)
		if err := next.HealthCheck.check(next.ProtocolVersion); err != nil {
			return err
		}
		x.targetGroups.put(x, arn, &next)
		x.event(timeline.Config, arn, "modified health check of target group "+next.Name, nil)
		tg = x.describeTargetGroup(next)
		return nil
	})
	return tg, err
}

// DescribeTargetGroups returns the target groups of a load balancer, or with these ARNs
// or names; all if nothing is asked for.
func (b *Balancer) DescribeTargetGroups(_ context.Context, loadBalancer string, arns, names []string) ([]TargetGroup, error) {
	v := b.view.Load()
	if loadBalancer != "" {
		if _, err := v.loadBalancer(loadBalancer); err != nil {
			return nil, err
		}
	}
	for _, arn := range arns {
		if _, err := v.targetGroup(arn); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if v.targetGroupNamed(name) == nil {
			return nil, targetGroupsNotFound()
		}
	}
	all := loadBalancer == "" && len(arns)+len(names) == 0
	uses := v.uses()
	rows := sorted(v.targetGroups, func(tg *TargetGroup) bool {
		return all || slices.Contains(arns, tg.ARN) || slices.Contains(names, tg.Name) ||
			loadBalancer != "" && slices.Contains(uses[tg.ARN], loadBalancer)
	}, func(a, b *TargetGroup) int { return cmp.Compare(a.Name, b.Name) })
	found := make([]TargetGroup, 0, len(rows))
	for _, tg := range rows {
		described := *tg
		described.LoadBalancerARNs = uses[tg.ARN]
		found = append(found, described)
	}
	return found, nil
}

func (s state) describeTargetGroup(tg TargetGroup) TargetGroup {
	tg.LoadBalancerARNs = s.loadBalancersOf(tg.ARN)
	return tg
}

func (s state) targetGroupNamed(name string) *TargetGroup {
	for _, tg := range s.targetGroups.rows {
		if tg.Name == name {
			return tg
		}
	}
	return nil
}

func (s state) targetGroup(arn string) (*TargetGroup, error) {
	if err := checkARN("target group", arn); err != nil {
		return nil, err
	}
	if tg := s.targetGroups.rows[arn]; tg != nil {
		return tg, nil
	}
	return nil, targetGroupsNotFound()
}

// DeleteTargetGroup deletes a target group that no rule forwards to, and its targets.
// Deleting one that does not exist succeeds (ALB-218).
func (b *Balancer) DeleteTargetGroup(ctx context.Context, arn string) error {
	if err := checkARN("target group", arn); err != nil {
		return err
	}
	return b.update(ctx, func(x *tx) error {
		tg := x.targetGroups.rows[arn]
		if tg == nil {
			return nil
		}
		if len(x.loadBalancersOf(arn)) > 0 {
			return refuse("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", arn)
		}
		cause := x.event(timeline.Config, arn, "deleted target group "+tg.Name, nil)
		for _, r := range x.registrationsOf(arn) {
			x.forget(r, "its target group was deleted", cause)
		}
		x.targetGroups.remove(x, arn)
		return nil
	})
}

// deregistrationDelay returns how long targets of the group drain.
func (tg TargetGroup) deregistrationDelay() time.Duration {
	return seconds(tg.attribute("deregistration_delay.timeout_seconds"))
}

func seconds(value string) time.Duration {
	n, _ := strconv.Atoi(value)
	return time.Duration(n) * time.Second
}

// forwardsTo returns the ARNs of the target groups that actions forward to.
func forwardsTo(actions []Action) []string {
	groups := map[string]bool{}
	for _, action := range actions {
		if action.ForwardConfig == nil {
			continue
		}
		for _, tuple := range action.ForwardConfig.TargetGroups {
			groups[tuple.TargetGroupARN] = true
		}
	}
	return slices.Sorted(maps.Keys(groups))
}
