package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "show load balancers, services and tasks",
		ArgsUsage:   "[SERVICE]",
		Description: "Example:\n  drydock status\n  drydock status user-service --stopped",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stopped", EnvVars: twin("stopped"), Usage: "show tasks stopped in the last hour too, with the reason"},
			&cli.StringFlag{Name: "cluster", EnvVars: twin("cluster"), Usage: "only this `CLUSTER`"},
			outputFlag(),
			endpointFlag(),
		},
		Action: statusAction,
	}
}

func statusAction(c *cli.Context) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	status, err := api.status(c.Context)
	if err != nil {
		return err
	}
	if name := c.Args().First(); name != "" {
		service, err := findService(status, c.String("cluster"), name)
		if err != nil {
			return err
		}
		status = onlyService(status, service)
	} else if cluster := c.String("cluster"); cluster != "" {
		status = onlyCluster(status, tail(cluster))
	}
	if wantsJSON(c) {
		return printJSON(c.App.Writer, status)
	}
	v := statusView{newScreen(c.App.Writer), time.Now(), c.Bool("stopped")}
	_, err = fmt.Fprint(c.App.Writer, v.text(status))
	return err
}

// findService returns the service with a name or ARN. Without a cluster the name
// has to be unique.
func findService(s *Status, cluster, name string) (*ServiceStatus, error) {
	var found []*ServiceStatus
	var names []string
	for i := range s.Services {
		service := &s.Services[i]
		if cluster != "" && service.Cluster != tail(cluster) {
			continue
		}
		names = append(names, service.Name)
		if service.Name == name || service.ARN == name {
			found = append(found, service)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, usagef("service %s exists in %s clusters: choose one with --cluster %s or --cluster %s", name, number(len(found)), found[0].Cluster, found[1].Cluster)
	}
	return nil, noSuchService(cluster, name, names)
}

func noSuchService(cluster, name string, names []string) error {
	where := ""
	if cluster != "" {
		where = " in cluster " + tail(cluster)
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no service %s%s, and no other either: bring a stack up with `drydock up DIR`", name, where)
	}
	hint := "choose one of them"
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	slices.Sort(names)
	return fmt.Errorf("there is no service %s%s, only %s: %s", name, where, strings.Join(names, ", "), hint)
}

func onlyService(s *Status, service *ServiceStatus) *Status {
	only := *s
	only.LoadBalancers = nil
	only.Services = []ServiceStatus{*service}
	only.Tasks = slices.DeleteFunc(slices.Clone(s.Tasks), func(t TaskStatus) bool { return t.Service != service.Name || t.Cluster != service.Cluster })
	return &only
}

func onlyCluster(s *Status, cluster string) *Status {
	only := *s
	only.Services = slices.DeleteFunc(slices.Clone(s.Services), func(v ServiceStatus) bool { return v.Cluster != cluster })
	only.Tasks = slices.DeleteFunc(slices.Clone(s.Tasks), func(t TaskStatus) bool { return t.Cluster != cluster })
	return &only
}

// statusView writes a Status for people.
type statusView struct {
	screen  *screen
	now     time.Time
	stopped bool // show stopped tasks too
}

func (v statusView) text(s *Status) string {
	parts := []string{v.daemon(s.Daemon, s.Node)}
	if len(s.LoadBalancers) > 0 {
		parts = append(parts, v.loadBalancers(s.LoadBalancers))
	}
	if len(s.Services) > 0 {
		parts = append(parts, v.services(s.Services))
	} else {
		parts = append(parts, "no services: bring a stack up with `drydock up DIR`\n")
	}
	if tasks := v.tasks(s.Tasks); tasks != "" {
		parts = append(parts, tasks)
	}
	return strings.Join(parts, "\n")
}

func (v statusView) daemon(d DaemonStatus, n *NodeStatus) string {
	groups := v.screen.paint(green, d.SecurityGroups)
	if d.SecurityGroups != "enforced" {
		groups = v.screen.paint(yellow, d.SecurityGroups)
	}
	var t table
	t.add("daemon", fmt.Sprintf("%s, pid %d, up %s, listens on %s, state in %s", d.Version, d.PID, duration(v.now.Sub(d.StartedAt)), d.Listen, d.StateDir))
	t.add("engine", d.Engine)
	if n != nil {
		t.add("load balancers", v.node(n))
	}
	t.add("network", fmt.Sprintf("%s %s, security groups %s", d.VPC, d.CIDR, groups))
	if strings.HasPrefix(d.TaskMetadata, "NOT SERVED") {
		t.add("task metadata", v.screen.paint(yellow, d.TaskMetadata))
	}
	return t.String()
}

// node tells about the load balancers' process, loudly if there is something amiss.
func (v statusView) node(n *NodeStatus) string {
	text := n.words(v.now)
	if n.Error != "" || n.Dropped > 0 {
		return v.screen.paint(yellow, text)
	}
	return text
}

func (v statusView) loadBalancers(all []LoadBalancerStatus) string {
	var b strings.Builder
	for _, lb := range all {
		fmt.Fprintf(&b, "%s  %s  %s\n", v.screen.paint(bold, "load balancer "+lb.Name), v.screen.paint(healthColor(lb.State), lb.State), lb.DNSName)
		for _, l := range lb.Listeners {
			b.WriteString(v.listener(l))
		}
	}
	return b.String()
}

func (v statusView) listener(l ListenerStatus) string {
	url := l.URL
	if l.Error != "" {
		url += "  " + v.screen.paint(red, "DOES NOT LISTEN: "+l.Error)
	}
	var t table
	for _, r := range l.Rules {
		condition := r.If
		if condition == "" {
			condition = "otherwise"
		}
		t.add("    "+r.Priority, condition, "→ "+r.Then)
	}
	return "  " + url + "\n" + t.String()
}

func (v statusView) services(all []ServiceStatus) string {
	var t table
	t.add(v.screen.paint(bold, "SERVICE"), "CLUSTER", "TASK DEFINITION", "DESIRED", "RUNNING", "PENDING", "TARGETS", "DEPLOYMENT")
	for _, s := range all {
		t.add(s.Name, s.Cluster, s.TaskDefinition, fmt.Sprint(s.Desired), fmt.Sprint(s.Running), fmt.Sprint(s.Pending), v.targets(s.TargetGroups), v.rollout(s))
	}
	return t.String()
}

func (v statusView) targets(groups []TargetGroupStatus) string {
	sum := map[string]int{}
	for _, g := range groups {
		for state, n := range g.States {
			sum[state] += n
		}
	}
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(sum)) {
		if sum[state] > 0 {
			parts = append(parts, v.screen.paint(healthColor(state), fmt.Sprintf("%d %s", sum[state], state)))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func (v statusView) rollout(s ServiceStatus) string {
	switch {
	case s.Status != "" && s.Status != "ACTIVE":
		return v.screen.paint(yellow, s.Status)
	case s.Steady:
		return v.screen.paint(green, "steady")
	case len(s.Deployments) == 0:
		return "-"
	case s.Deployments[0].RolloutState == "FAILED":
		return v.screen.paint(red, "FAILED: "+s.Deployments[0].Reason)
	}
	return v.screen.paint(yellow, strings.TrimSpace(s.Deployments[0].RolloutState+" "+stageWords(s.Deployments[0])))
}

// stageWords says how far a deployment is that shifts traffic: "PRODUCTION_TRAFFIC_SHIFT, 5 % of
// the traffic"; nothing of one that does not.
func stageWords(d DeploymentStatus) string {
	if d.Stage == "" || d.RolloutState != "IN_PROGRESS" {
		return ""
	}
	return d.Stage + trafficWords(d)
}

func trafficWords(d DeploymentStatus) string {
	if d.Production == nil {
		return ""
	}
	return fmt.Sprintf(", %v %% of the traffic", *d.Production)
}

func (v statusView) tasks(all []TaskStatus) string {
	var t table
	t.add(v.screen.paint(bold, "TASK"), "SERVICE", "TASK DEFINITION", "STATUS", "HEALTH", "ADDRESS", "TARGETS", "AGE")
	for _, task := range all {
		if task.LastStatus == "STOPPED" && !v.stopped {
			continue
		}
		t.add(v.task(task)...)
	}
	if len(t.rows) == 1 {
		return ""
	}
	return t.String()
}

func (v statusView) task(task TaskStatus) []string {
	status := v.screen.paint(healthColor(task.LastStatus), task.LastStatus)
	if task.DesiredStatus == "STOPPED" && task.LastStatus != "STOPPED" {
		status += " (stopping)"
	}
	age := duration(v.now.Sub(task.CreatedAt))
	if task.LastStatus == "STOPPED" {
		age = duration(v.now.Sub(task.StoppedAt)) + " ago: " + stopReason(task)
	}
	return []string{shortID(task.ID), orDash(task.Service), task.TaskDefinition, status, task.Health, orDash(task.Address), v.taskTargets(task), age}
}

// stopReason says why a task stopped, with the container that knows more.
func stopReason(task TaskStatus) string {
	reason := task.StoppedReason
	if task.HealthCheck != "" {
		reason += "; the health check saw " + task.HealthCheck
	}
	for _, c := range task.Containers {
		switch {
		case c.Reason != "" && c.Reason != reason:
			reason += "; " + c.Name + ": " + c.Reason
		case c.ExitCode != nil && *c.ExitCode != 0:
			reason += fmt.Sprintf("; %s exited with %d", c.Name, *c.ExitCode)
		}
	}
	return reason
}

func (v statusView) taskTargets(task TaskStatus) string {
	var parts []string
	for _, target := range task.Targets {
		parts = append(parts, v.target(target))
	}
	return orDash(strings.Join(parts, ", "))
}

// target writes a target's state, with the time left if it drains.
func (v statusView) target(t TaskTarget) string {
	text := v.screen.paint(healthColor(t.State), t.State)
	if t.State == "draining" {
		text += fmt.Sprintf(" %s left, %d in flight", duration(max(0, t.DrainUntil.Sub(v.now))), t.InFlight)
	} else if t.Reason != "" && t.State != "healthy" {
		text += " (" + t.Reason + ")"
	}
	return text
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
