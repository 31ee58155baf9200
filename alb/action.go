package alb

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Action is what a listener or rule does with a request. Exactly one of the
// configurations is set; a forward to one group also has its TargetGroupARN.
type Action struct {
	Type                string // forward, redirect or fixed-response
	Order               int    // 1 to 50000; 0: not given
	TargetGroupARN      string
	ForwardConfig       *ForwardConfig
	RedirectConfig      *RedirectConfig
	FixedResponseConfig *FixedResponseConfig
}

// scope is where actions are: a listener, made or still to be made.
type scope struct {
	loadBalancer string // ARN
	protocol     string // of the listener
	port         int
}

func (l *Listener) scope() scope { return scope{l.LoadBalancerARN, l.Protocol, l.Port} }

// ForwardConfig shares requests among target groups by weight.
type ForwardConfig struct {
	TargetGroups []TargetGroupTuple
	Stickiness   TargetGroupStickiness
}

// TargetGroupTuple is a target group and its weight.
type TargetGroupTuple struct {
	TargetGroupARN string
	Weight         *int // 0 to 999; nil: 1
}

// TargetGroupStickiness keeps a client with the target group that it came to first.
type TargetGroupStickiness struct {
	Enabled         bool
	DurationSeconds int // 1 to 604800
}

// RedirectConfig holds a redirect. Empty members keep the request's own.
type RedirectConfig struct {
	StatusCode                        string // HTTP_301 or HTTP_302
	Protocol, Host, Port, Path, Query string
}

// FixedResponseConfig holds a fixed response.
type FixedResponseConfig struct {
	StatusCode  string // 2XX, 4XX or 5XX
	ContentType string
	MessageBody string
}

// resolveActions checks actions and completes them as descriptions show them.
func (x *tx) resolveActions(at scope, actions []Action) ([]Action, error) {
	if len(actions) == 0 {
		return nil, invalid("You must specify at least one action")
	}
	resolved := make([]Action, 0, 1)
	for _, action := range actions {
		next, err := x.resolveAction(at, action)
		if err != nil {
			return nil, err
		}
		resolved = append(resolved, next)
	}
	if len(resolved) > 1 {
		return nil, refuse("TooManyActions", "You can specify only one action of type forward, redirect or fixed-response per rule")
	}
	return resolved, nil
}

func (x *tx) resolveAction(at scope, a Action) (Action, error) {
	if a.Order < 0 || a.Order > 50000 {
		return a, constraint(a.Order, "actions.1.member.order", "have value between 1 and 50000")
	}
	if err := a.checkMembers(); err != nil {
		return a, err
	}
	switch a.Type {
	case "forward":
		return x.resolveForward(at, a)
	case "redirect":
		redirect, err := a.RedirectConfig.resolve(at)
		a.RedirectConfig = redirect
		return a, err
	case "fixed-response":
		return a, a.FixedResponseConfig.check()
	case "authenticate-oidc", "authenticate-cognito", "jwt-validation":
		return a, unsupportedAction(a.Type)
	}
	return a, constraint(a.Type, "actions.1.member.type", "satisfy enum value set: [forward, authenticate-oidc, authenticate-cognito, redirect, fixed-response, jwt-validation]")
}

// checkMembers checks that an action has the configuration of its type, and no other (ALB-228).
func (a Action) checkMembers() error {
	for _, member := range []struct {
		kind, name string
		present    bool
	}{
		{"forward", "TargetGroupArn", a.TargetGroupARN != "" || a.ForwardConfig != nil},
		{"redirect", "RedirectConfig", a.RedirectConfig != nil},
		{"fixed-response", "FixedResponseConfig", a.FixedResponseConfig != nil},
	} {
		if a.Type == member.kind && !member.present {
			return refuse("InvalidLoadBalancerAction", "For actions of type '%s', you must specify the following fields: '%s'", a.Type, member.name)
		}
		if a.Type != member.kind && member.present {
			return refuse("InvalidLoadBalancerAction", "For actions of type '%s', you cannot specify the following fields: '%s'", a.Type, member.name)
		}
	}
	return nil
}

func (x *tx) resolveForward(at scope, a Action) (Action, error) {
	config, err := a.forward()
	if err != nil {
		return a, err
	}
	if len(config.TargetGroups) > maxTargetGroupsPerAction {
		return a, refuse("TooManyTargetGroups", "An action can forward to at most '%d' target groups", maxTargetGroupsPerAction)
	}
	for i, tuple := range config.TargetGroups {
		if err := x.checkForward(at, tuple.TargetGroupARN); err != nil {
			return a, err
		}
		if tuple.Weight == nil {
			one := 1
			config.TargetGroups[i].Weight = &one
		} else if w := *tuple.Weight; w < 0 || w > 999 {
			return a, constraint(w, "actions.1.member.forwardConfig.targetGroups.1.member.weight", "have value between 0 and 999")
		}
	}
	if err := x.checkStickiness(config); err != nil {
		return a, err
	}
	if err := x.checkUniqueGroups(at.loadBalancer, config); err != nil {
		return a, err
	}
	a.ForwardConfig, a.TargetGroupARN = config, ""
	if len(config.TargetGroups) == 1 {
		a.TargetGroupARN = config.TargetGroups[0].TargetGroupARN
	}
	return a, nil
}

// forward brings both ways to name target groups into one (ALB-229).
func (a Action) forward() (*ForwardConfig, error) {
	if a.ForwardConfig == nil {
		return &ForwardConfig{TargetGroups: []TargetGroupTuple{{TargetGroupARN: a.TargetGroupARN}}}, nil
	}
	config := &ForwardConfig{TargetGroups: slices.Clone(a.ForwardConfig.TargetGroups), Stickiness: a.ForwardConfig.Stickiness}
	if len(config.TargetGroups) == 0 {
		return nil, refuse("InvalidLoadBalancerAction", "You must specify at least one target group in a forward action")
	}
	if a.TargetGroupARN != "" && (len(config.TargetGroups) != 1 || config.TargetGroups[0].TargetGroupARN != a.TargetGroupARN) {
		return nil, refuse("InvalidLoadBalancerAction", "You can specify both a top-level target group ARN and a target group list in ForwardConfig only with the same, single target group")
	}
	seen := map[string]bool{}
	for _, tuple := range config.TargetGroups {
		if seen[tuple.TargetGroupARN] {
			return nil, refuse("InvalidLoadBalancerAction", "A target group may be specified only once in a forward action: '%s'", tuple.TargetGroupARN)
		}
		seen[tuple.TargetGroupARN] = true
	}
	return config, nil
}

// checkForward checks that a listener may forward to a group: one load balancer per group,
// and HTTP/2 and gRPC behind HTTPS only (ALB-247).
func (x *tx) checkForward(at scope, group string) error {
	tg, err := x.targetGroup(group)
	if err != nil {
		return err
	}
	if tg.ProtocolVersion != "HTTP1" && at.protocol != "HTTPS" {
		return refuse("InvalidLoadBalancerAction", "Listener protocol '%s' is not supported with a target group with the protocol-version '%s'", at.protocol, tg.ProtocolVersion)
	}
	for _, other := range x.loadBalancersOf(group) {
		if other != at.loadBalancer {
			return refuse("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", group)
		}
	}
	return nil
}

// checkUniqueGroups checks how many target groups a load balancer would use (ALB-254).
func (x *tx) checkUniqueGroups(lb string, config *ForwardConfig) error {
	used := map[string]bool{}
	for _, tuple := range config.TargetGroups {
		used[tuple.TargetGroupARN] = true
	}
	for group, balancers := range x.uses() {
		if slices.Contains(balancers, lb) {
			used[group] = true
		}
	}
	if len(used) > maxGroupsPerLoadBalancer {
		return refuse("TooManyUniqueTargetGroupsPerLoadBalancer", "The maximum number of unique target groups '%d' has been reached on load balancer '%s'", maxGroupsPerLoadBalancer, lb)
	}
	return nil
}

var redirectPort = regexp.MustCompile(`^([0-9]{1,5}|#\{port\})$`)

// resolve checks a redirect and fills in the placeholders that keep the request's own
// (ALB-230, ALB-252).
func (r RedirectConfig) resolve(at scope) (*RedirectConfig, error) {
	r.Protocol = cmp.Or(r.Protocol, "#{protocol}")
	r.Host = cmp.Or(r.Host, "#{host}")
	r.Port = cmp.Or(r.Port, "#{port}")
	r.Path = cmp.Or(r.Path, "/#{path}")
	r.Query = cmp.Or(r.Query, "#{query}")
	switch {
	case r.StatusCode != "HTTP_301" && r.StatusCode != "HTTP_302":
		return nil, constraint(r.StatusCode, "actions.1.member.redirectConfig.statusCode", "satisfy enum value set: [HTTP_301, HTTP_302]")
	case r.Protocol != "HTTP" && r.Protocol != "HTTPS" && r.Protocol != "#{protocol}":
		return nil, invalid("The redirect protocol '%s' must be HTTP, HTTPS or #{protocol}", r.Protocol)
	case !redirectPort.MatchString(r.Port) || r.Port != "#{port}" && !isPort(r.Port):
		return nil, invalid("The redirect port '%s' must be from 1 to 65535 or #{port}", r.Port)
	case len(r.Host) > 128:
		return nil, invalid("The redirect host cannot be longer than '128' characters")
	case len(r.Path) > 128 || !strings.HasPrefix(r.Path, "/"):
		return nil, invalid("The redirect path '%s' must begin with '/' and cannot be longer than '128' characters", r.Path)
	case len(r.Query) > 128 || strings.HasPrefix(r.Query, "?"):
		return nil, invalid("The redirect query '%s' must not begin with '?' and cannot be longer than '128' characters", r.Query)
	case !printable.MatchString(r.Host + r.Path + r.Query):
		return nil, invalid("The redirect host, path and query must be printable ASCII") // a line break would end the Location
	case at.protocol == "HTTPS" && r.Protocol == "HTTP":
		return nil, refuse("InvalidLoadBalancerAction", "The redirect configuration is not valid because it redirects HTTPS to HTTP.")
	case r.loops(at):
		return nil, refuse("InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop.")
	}
	return &r, nil
}

// loops reports whether a redirect changes none of protocol, host, port and path.
func (r RedirectConfig) loops(at scope) bool {
	return (r.Protocol == "#{protocol}" || r.Protocol == at.protocol) && r.Host == "#{host}" &&
		(r.Port == "#{port}" || r.Port == strconv.Itoa(at.port)) && r.Path == "/#{path}"
}

var (
	fixedStatus   = regexp.MustCompile(`^[245][0-9][0-9]$`)
	contentTypes  = []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
	maxFixedBytes = 1024
)

func (f FixedResponseConfig) check() error {
	switch {
	case !fixedStatus.MatchString(f.StatusCode):
		return constraint(f.StatusCode, "actions.1.member.fixedResponseConfig.statusCode", "satisfy regular expression pattern: ^(2|4|5)\\d\\d$")
	case f.ContentType != "" && !slices.Contains(contentTypes, f.ContentType):
		return refuse("InvalidLoadBalancerAction", "The fixed response content type '%s' must be one of: %s", f.ContentType, strings.Join(contentTypes, ", "))
	case len(f.MessageBody) > maxFixedBytes:
		return constraint(f.MessageBody, "actions.1.member.fixedResponseConfig.messageBody", "have length less than or equal to 1024")
	}
	return nil
}
