package alb

import (
	"cmp"
	"net/netip"
	"strconv"
	"time"

	"drydock/alb/node"
)

// compile makes the snapshot of a state, with the next version. Versions grow, and are not
// below the number of the last event: events with lower ones are what led to it.
func (b *Balancer) compile(s state) node.Snapshot {
	b.version = max(b.version+1, b.lastEvent)
	b.outside = b.look(s)
	snapshot := node.Snapshot{Version: uint64(b.version), Certificates: b.outside.certificates, CookieKey: b.cookieKey}
	byARN := func(*LoadBalancer) bool { return true }
	for _, lb := range sorted(s.loadBalancers, byARN, func(a, b *LoadBalancer) int { return cmp.Compare(a.ARN, b.ARN) }) {
		snapshot.LoadBalancers = append(snapshot.LoadBalancers, b.compileLoadBalancer(s, lb))
	}
	uses, targets := s.uses(), s.targetsByGroup()
	all := func(*TargetGroup) bool { return true }
	for _, tg := range sorted(s.targetGroups, all, func(a, b *TargetGroup) int { return cmp.Compare(a.ARN, b.ARN) }) {
		group := b.compileTargetGroup(tg, targets[tg.ARN])
		for _, arn := range uses[tg.ARN] {
			source := b.outside.sources[arn]
			group.InUse, group.Source, group.Mark = true, source.addr, source.mark
		}
		snapshot.TargetGroups = append(snapshot.TargetGroups, group)
	}
	return snapshot
}

func (b *Balancer) compileLoadBalancer(s state, lb *LoadBalancer) node.LoadBalancer {
	source := b.outside.sources[lb.ARN]
	compiled := node.LoadBalancer{
		ARN: lb.ARN, ID: lb.ID(), DNSName: lb.DNSName, Address: lb.VPCAddress, Source: source.addr, Mark: source.mark,
		Attributes: node.LoadBalancerAttributes{
			IdleTimeout:             seconds(lb.attribute("idle_timeout.timeout_seconds")),
			ClientKeepAlive:         seconds(lb.attribute("client_keep_alive.seconds")),
			DropInvalidHeaderFields: lb.attribute("routing.http.drop_invalid_header_fields.enabled") == "true",
			PreserveHostHeader:      lb.attribute("routing.http.preserve_host_header.enabled") == "true",
			XFFHeaderProcessing:     lb.attribute("routing.http.xff_header_processing.mode"),
			XFFClientPort:           lb.attribute("routing.http.xff_client_port.enabled") == "true",
			DesyncMitigationMode:    lb.attribute("routing.http.desync_mitigation_mode"),
			NoHTTP2:                 lb.attribute("routing.http2.enabled") == "false",
			TLSHeaders:              lb.attribute("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") == "true",
			AccessLogs:              lb.logBucket("access_logs"),
			ConnectionLogs:          lb.logBucket("connection_logs"),
			HealthCheckLogs:         lb.logBucket("health_check_logs"),
		},
	}
	for _, l := range s.listenersOf(lb.ARN) {
		compiled.Listeners = append(compiled.Listeners, compileListener(s, lb, l))
	}
	return compiled
}

// logBucket returns where a kind of log goes; nil if it is disabled.
func (lb LoadBalancer) logBucket(kind string) *node.LogBucket {
	if lb.attribute(kind+".s3.enabled") != "true" {
		return nil
	}
	return &node.LogBucket{Bucket: lb.attribute(kind + ".s3.bucket"), Prefix: lb.attribute(kind + ".s3.prefix")}
}

func compileListener(s state, lb *LoadBalancer, l *Listener) node.Listener {
	compiled := node.Listener{
		ARN: l.ARN, Protocol: l.Protocol, Port: l.Port, Addresses: []netip.AddrPort{l.Address},
		Certificates: l.served(), SSLPolicy: l.SSLPolicy, Attributes: l.compileAttributes(),
	}
	if lb.VPCAddress.IsValid() {
		compiled.Addresses = append(compiled.Addresses, netip.AddrPortFrom(lb.VPCAddress, uint16(l.Port)))
	}
	for _, rule := range s.rulesOf(l.ARN) {
		compiled.Rules = append(compiled.Rules, compileRule(rule))
	}
	return compiled
}

func compileRule(rule *Rule) node.Rule {
	compiled := node.Rule{ARN: rule.ARN, Priority: rule.Priority, Action: compileAction(rule.Actions[len(rule.Actions)-1])}
	for _, c := range rule.Conditions {
		condition := node.Condition{Field: c.Field}
		switch c.Field {
		case queryString:
			for _, pair := range c.QueryStringConfig.Values {
				condition.Pairs = append(condition.Pairs, node.Pair(pair))
			}
		case httpHeader:
			condition.Name = c.HTTPHeaderConfig.HTTPHeaderName
			condition.Values, condition.Regex = c.HTTPHeaderConfig.Values, c.HTTPHeaderConfig.RegexValues
		default:
			condition.Values, condition.Regex = c.texts(), c.RegexValues
		}
		compiled.Conditions = append(compiled.Conditions, condition)
	}
	for _, t := range rule.Transforms {
		compiled.Transforms = append(compiled.Transforms, node.Transform{Type: t.Type, Regex: t.Rewrites[0].Regex, Replace: t.Rewrites[0].Replace})
	}
	return compiled
}

func compileAction(a Action) node.Action {
	switch {
	case a.ForwardConfig != nil:
		forward := &node.Forward{}
		if s := a.ForwardConfig.Stickiness; s.Enabled {
			forward.Stickiness = time.Duration(s.DurationSeconds) * time.Second
		}
		for _, tuple := range a.ForwardConfig.TargetGroups {
			forward.TargetGroups = append(forward.TargetGroups, node.WeightedTargetGroup{ARN: tuple.TargetGroupARN, Weight: *tuple.Weight})
		}
		return node.Action{Forward: forward}
	case a.RedirectConfig != nil:
		r := a.RedirectConfig
		return node.Action{Redirect: &node.Redirect{
			StatusCode: number(r.StatusCode[len("HTTP_"):]), Protocol: r.Protocol, Host: r.Host, Port: r.Port, Path: r.Path, Query: r.Query,
		}}
	}
	f := a.FixedResponseConfig
	return node.Action{FixedResponse: &node.FixedResponse{
		StatusCode: number(f.StatusCode), ContentType: f.ContentType, MessageBody: f.MessageBody,
	}}
}

// number converts digits that were checked before.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

func (b *Balancer) compileTargetGroup(tg *TargetGroup, targets []*registration) node.TargetGroup {
	h := tg.HealthCheck
	compiled := node.TargetGroup{
		ARN: tg.ARN, Name: tg.Name, Protocol: tg.Protocol, ProtocolVersion: tg.ProtocolVersion,
		Algorithm: tg.attribute("load_balancing.algorithm.type"), SlowStart: seconds(tg.attribute("slow_start.duration_seconds")),
		Stickiness:               tg.compileStickiness(),
		MinimumHealthyCount:      minimum(tg.attribute("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"), "1"),
		MinimumHealthyPercentage: minimum(tg.attribute("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"), "off"),
		StaleConnection:          cmp.Or(tg.StaleConnection, b.config.StaleConnection),
		HealthCheck: node.HealthCheck{
			Enabled: *h.Enabled, Protocol: h.Protocol, Path: h.Path, Matcher: cmp.Or(h.GRPCMatcher, h.Matcher),
			Interval: time.Duration(h.IntervalSeconds) * time.Second, Timeout: time.Duration(h.TimeoutSeconds) * time.Second,
			HealthyThreshold: h.HealthyThresholdCount, UnhealthyThreshold: h.UnhealthyThresholdCount,
			InitialInterval: b.config.Pace.InitialInterval,
		},
	}
	if h.Port != trafficPort {
		compiled.HealthCheck.Port = number(h.Port)
	}
	for _, r := range targets {
		compiled.Targets = append(compiled.Targets, b.compileTarget(r))
	}
	return compiled
}

// minimum returns a minimum of healthy targets; 0 for the default.
func minimum(value, byDefault string) int {
	if value == byDefault {
		return 0
	}
	return number(value)
}

func (tg *TargetGroup) compileStickiness() *node.Stickiness {
	if !tg.sticky() {
		return nil
	}
	kind := tg.attribute("stickiness.type")
	s := &node.Stickiness{Type: kind, Duration: seconds(tg.attribute("stickiness." + kind + ".duration_seconds"))}
	if kind == "app_cookie" {
		s.CookieName = tg.attribute("stickiness.app_cookie.cookie_name")
	}
	return s
}

func (b *Balancer) compileTarget(r *registration) node.Target {
	addr, err := netip.ParseAddr(r.Target.ID)
	if err != nil { // an instance id
		addr = machine
	}
	return node.Target{
		Registration: r.ID, Addr: netip.AddrPortFrom(addr, uint16(r.Target.Port)), Task: r.Target.Task, Zone: r.Target.AvailabilityZone,
		CheckFrom: r.CheckFrom, Draining: r.draining(), DrainFrom: r.DrainFrom, DrainUntil: r.DrainUntil, State: node.State(r.Health), Fault: b.faultOf(r.Target.Task),
	}
}

func (s state) targetsByGroup() map[string][]*registration {
	groups := map[string][]*registration{}
	for _, r := range s.allRegistrations() {
		groups[r.TargetGroup] = append(groups[r.TargetGroup], r)
	}
	return groups
}
