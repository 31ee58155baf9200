package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"drydock/alb"
	"drydock/alb/control"
	"drydock/orchestrator"
)

func (d *daemon) serveStatus(w http.ResponseWriter, r *http.Request) {
	reply(w, d.currentStatus(r.Context(), d.scheduler.Snapshot()))
}

func (d *daemon) currentStatus(ctx context.Context, snapshot orchestrator.Snapshot) *Status {
	groups := d.groupNames(ctx)
	targets := d.balancer.Targets()
	state, err := d.node.State(ctx)
	return &Status{
		Daemon:        d.daemonStatus(ctx, snapshot.Engine),
		Node:          nodeStatus(state, err),
		LoadBalancers: d.balancerStatus(ctx, groups),
		Services:      serviceStatus(snapshot, targets, groups),
		Tasks:         taskStatus(snapshot, targets, groups, inFlight(state)),
	}
}

func (d *daemon) daemonStatus(ctx context.Context, trouble string) DaemonStatus {
	engine, err := d.engine.Version(ctx)
	if err != nil {
		engine = cmp.Or(trouble, err.Error())
	}
	vpc := d.network.DefaultVPC()
	return DaemonStatus{
		Version: version, PID: os.Getpid(), StartedAt: d.started, StateDir: d.config.StateDir, Instance: d.instance,
		Listen: d.Addr().String(), Pace: d.config.Pace, Region: d.config.Region, Account: d.config.Account,
		VPC: vpc.ID, CIDR: vpc.CIDR.String(), SecurityGroups: d.network.EnforcementStatus(),
		TaskMetadata: d.agent.Status(),
		Engine:       engine,
	}
}

// groupNames returns the names of the target groups by ARN.
func (d *daemon) groupNames(ctx context.Context) map[string]string {
	groups, _ := d.balancer.DescribeTargetGroups(ctx, "", nil, nil)
	names := make(map[string]string, len(groups))
	for _, g := range groups {
		names[g.ARN] = g.Name
	}
	return names
}

func (d *daemon) balancerStatus(ctx context.Context, groups map[string]string) []LoadBalancerStatus {
	all, _ := d.balancer.DescribeLoadBalancers(ctx, nil, nil)
	out := make([]LoadBalancerStatus, 0, len(all))
	for _, lb := range all {
		status := LoadBalancerStatus{Name: lb.Name, ARN: lb.ARN, DNSName: lb.DNSName, State: lb.State.Code, VPCAddress: lb.VPCAddress.String()}
		listeners, _ := d.balancer.DescribeListeners(ctx, lb.ARN, nil)
		for _, l := range listeners {
			rules, _ := d.balancer.DescribeRules(ctx, l.ARN, nil)
			status.Listeners = append(status.Listeners, ListenerStatus{ARN: l.ARN, URL: listenerURL(l), Error: l.Problem, Rules: ruleStatus(rules, groups)})
		}
		out = append(out, status)
	}
	return out
}

func listenerURL(l alb.Listener) string {
	scheme, usual := "http", uint16(80)
	if l.Protocol == "HTTPS" {
		scheme, usual = "https", 443
	}
	if l.Address.Port() == usual {
		return scheme + "://" + l.Address.Addr().String()
	}
	return scheme + "://" + l.Address.String()
}

func ruleStatus(rules []alb.Rule, groups map[string]string) []RuleStatus {
	var out []RuleStatus
	for _, r := range rules {
		var conditions []string
		for _, c := range r.Conditions {
			conditions = append(conditions, conditionWords(c))
		}
		out = append(out, RuleStatus{Priority: r.Priority, If: strings.Join(conditions, " and "), Then: actionWords(r.Actions, groups)})
	}
	return out
}

func conditionWords(c alb.Condition) string {
	values := c.Values
	for _, config := range []*alb.ValuesConfig{c.PathPatternConfig, c.HostHeaderConfig, c.HTTPRequestMethodConfig, c.SourceIPConfig} {
		if config != nil {
			values = withRegexes(config.Values, config.RegexValues)
		}
	}
	field := strings.NewReplacer("path-pattern", "path", "host-header", "host", "http-request-method", "method").Replace(c.Field)
	if c.HTTPHeaderConfig != nil {
		field, values = c.HTTPHeaderConfig.HTTPHeaderName+":", withRegexes(c.HTTPHeaderConfig.Values, c.HTTPHeaderConfig.RegexValues)
	}
	if c.QueryStringConfig != nil {
		values = nil
		for _, kv := range c.QueryStringConfig.Values {
			values = append(values, kv.Key+"="+kv.Value)
		}
	}
	return field + " " + strings.Join(values, " or ")
}

// withRegexes marks regular expressions with a tilde.
func withRegexes(values, regexes []string) []string {
	all := slices.Clone(values)
	for _, regex := range regexes {
		all = append(all, "~"+regex)
	}
	return all
}

func actionWords(actions []alb.Action, groups map[string]string) string {
	if len(actions) == 0 {
		return ""
	}
	a := actions[len(actions)-1]
	switch {
	case a.FixedResponseConfig != nil:
		return "fixed " + a.FixedResponseConfig.StatusCode
	case a.RedirectConfig != nil:
		return "redirect " + strings.TrimPrefix(a.RedirectConfig.StatusCode, "HTTP_")
	case a.ForwardConfig != nil && len(a.ForwardConfig.TargetGroups) > 1:
		var parts []string
		for _, g := range a.ForwardConfig.TargetGroups {
			weight := 1
			if g.Weight != nil {
				weight = *g.Weight
			}
			parts = append(parts, fmt.Sprintf("%s×%d", groups[g.TargetGroupARN], weight))
		}
		return "forward " + strings.Join(parts, ", ")
	case a.TargetGroupARN == "" && a.ForwardConfig != nil && len(a.ForwardConfig.TargetGroups) == 1:
		return "forward " + groups[a.ForwardConfig.TargetGroups[0].TargetGroupARN]
	}
	return "forward " + groups[a.TargetGroupARN]
}

func serviceStatus(snapshot orchestrator.Snapshot, targets map[alb.TargetKey]alb.TargetHealth, groups map[string]string) []ServiceStatus {
	out := []ServiceStatus{}
	for _, s := range snapshot.Services {
		if s.Status == orchestrator.ServiceInactive {
			continue
		}
		status := ServiceStatus{
			Name: s.Name, ARN: s.ARN, Cluster: s.Cluster, Status: s.Status, TaskDefinition: revisionName(s.TaskDefinition),
			Desired: s.DesiredCount,
		}
		for _, d := range s.Deployments {
			status.Running += d.RunningCount
			status.Pending += d.PendingCount
			production, test := s.Traffic(d.RevisionARN)
			status.Deployments = append(status.Deployments, DeploymentStatus{
				Stage: d.Stage, Production: production, Test: test,
				ID: d.ID, Status: d.Status, TaskDefinition: revisionName(d.Revision.TaskDefinition),
				Desired: d.DesiredCount, Running: d.RunningCount, Pending: d.PendingCount, Healthy: d.HealthyCount,
				Failed: d.FailedTasks, RolloutState: d.RolloutState, Reason: d.RolloutReason, CreatedAt: d.CreatedAt,
			})
		}
		status.Steady = s.Steady && status.Running == status.Desired // a task may be lost that the scheduler has not looked for yet
		for _, lb := range s.LoadBalancers {
			status.TargetGroups = append(status.TargetGroups, groupStatus(lb.TargetGroupARN, targets, groups))
			if lb.Advanced != nil {
				status.TargetGroups = append(status.TargetGroups, groupStatus(lb.Advanced.AlternateTargetGroupARN, targets, groups))
			}
		}
		out = append(out, status)
	}
	slices.SortFunc(out, func(a, b ServiceStatus) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func groupStatus(arn string, targets map[alb.TargetKey]alb.TargetHealth, groups map[string]string) TargetGroupStatus {
	status := TargetGroupStatus{Name: groups[arn], ARN: arn, States: map[string]int{}}
	for k, h := range targets {
		if k.TargetGroup == arn {
			status.States[string(h.State)]++
		}
	}
	return status
}

// revisionName returns family:revision of a task definition's ARN.
func revisionName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// inFlight returns the requests on each registration.
func inFlight(s control.State) map[string]int {
	busy := map[string]int{}
	for _, t := range s.Targets {
		busy[t.Registration] = t.InFlight
	}
	return busy
}

func taskStatus(snapshot orchestrator.Snapshot, targets map[alb.TargetKey]alb.TargetHealth, groups map[string]string, inFlight map[string]int) []TaskStatus {
	out := []TaskStatus{}
	for _, t := range snapshot.Tasks {
		status := TaskStatus{
			ID: t.ID, ARN: t.ARN, Cluster: t.Cluster, Deployment: t.Deployment, TaskDefinition: revisionName(t.TaskDefinition),
			LastStatus: string(t.Status), DesiredStatus: string(t.Desired), Health: t.Health,
			CreatedAt: t.CreatedAt, StartedAt: t.StartedAt, StoppedAt: t.StoppedAt, StoppedReason: t.StopReason, HealthCheck: t.Probe,
		}
		if s := snapshot.Services[t.Service]; s != nil {
			status.Service = s.Name
		}
		if t.Interface != nil {
			status.Address, status.Zone = t.Interface.Address.String(), t.Interface.Zone
		}
		status.Targets = targetStatus(t, targets, groups, inFlight)
		for _, c := range t.Containers {
			status.Containers = append(status.Containers, ContainerStatus{
				Name: c.Name, Image: c.Image, Status: c.Status, RuntimeID: c.RuntimeID, ExitCode: c.ExitCode, Reason: c.Reason,
			})
		}
		out = append(out, status)
	}
	slices.SortFunc(out, func(a, b TaskStatus) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return out
}

func targetStatus(t *orchestrator.Task, targets map[alb.TargetKey]alb.TargetHealth, groups map[string]string, inFlight map[string]int) []TaskTarget {
	var out []TaskTarget
	for _, key := range t.TargetKeys() {
		h, ok := targets[key]
		if !ok || h.Target.Task != t.ARN {
			continue
		}
		out = append(out, TaskTarget{
			TargetGroup: groups[key.TargetGroup], State: string(h.State), Reason: h.Reason, Description: h.Description,
			DrainUntil: h.DrainUntil, InFlight: inFlight[h.Registration],
		})
	}
	return out
}
