package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/timeline"
)

// defaultDescribedEvents is how many events a description has unless told.
const defaultDescribedEvents = 10

// What a description may be of.
const (
	describedService    = "service"
	describedTask       = "task"
	describedDefinition = "task definition"
)

// Description is the answer of GET /_drydock/describe and the result of
// `drydock describe --output json`.
type Description struct {
	Kind           string            `json:"kind"` // service, task or task definition
	Service        *ServiceStatus    `json:"service,omitempty"`
	Tasks          []TaskStatus      `json:"tasks,omitempty"`          // the task; of a service or definition, those that it has
	TaskDefinition *DefinitionStatus `json:"taskDefinition,omitempty"` // absent if it is gone
	Events         []timeline.Event  `json:"events"`                   // the last ones, oldest first
	WithoutEffect  []Unregarded      `json:"withoutEffect"`            // accepted and answered, but nothing here acts on it
}

// Unregarded is something that the user asked for and that has no effect here.
type Unregarded struct {
	Of     string `json:"of"`     // service web, task definition web:3
	Member string `json:"member"` // containerDefinitions[0].credentialSpecs
	Why    string `json:"why"`
}

// DefinitionStatus is a revision of a task definition.
type DefinitionStatus struct {
	Name                    string             `json:"name"` // family:revision
	ARN                     string             `json:"arn"`
	Status                  string             `json:"status"`
	RegisteredAt            time.Time          `json:"registeredAt"`
	NetworkMode             string             `json:"networkMode"`
	CPU                     string             `json:"cpu,omitempty"`    // CPU units
	Memory                  string             `json:"memory,omitempty"` // MiB
	RequiresCompatibilities []string           `json:"requiresCompatibilities,omitempty"`
	Containers              []DefinedContainer `json:"containers"`
	UsedBy                  []string           `json:"usedBy,omitempty"` // cluster/service
}

// DefinedContainer is a container as a task definition has it.
type DefinedContainer struct {
	Name        string   `json:"name"`
	Image       string   `json:"image"`
	Essential   bool     `json:"essential"`
	HealthCheck bool     `json:"healthCheck"`
	Ports       []string `json:"ports,omitempty"`     // 80/tcp
	Secrets     []string `json:"secrets,omitempty"`   // names of the variables
	DependsOn   []string `json:"dependsOn,omitempty"` // db HEALTHY
}

func describeCommand() *cli.Command {
	return &cli.Command{
		Name:      "describe",
		Usage:     "show all about a service, a task or a task definition",
		ArgsUsage: "NAME",
		Description: "NAME is a service, a task id or the beginning of one, a family, family:revision, or an ARN. What\n" +
			"was accepted but has no effect on this machine is listed at the end.\n\n" +
			"Example:\n  drydock describe user-service\n  drydock describe user-service:3\n  drydock describe 3f2a9c --output json",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cluster", EnvVars: twin("cluster"), Usage: "the service's `CLUSTER`, if its name is not unique"},
			&cli.IntFlag{Name: "events", Aliases: []string{"n"}, Value: defaultDescribedEvents, EnvVars: twin("events"), Usage: "at most so many events, the newest ones"},
			outputFlag(),
			endpointFlag(),
		},
		Action: describeAction,
	}
}

func describeAction(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("describe needs one name: `drydock describe user-service`; `drydock status` lists services and tasks")
	}
	if c.Int("events") < 0 {
		return usagef("--events can't be below 0: for example --events 20")
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	q := url.Values{"name": {c.Args().First()}, "cluster": {c.String("cluster")}, "events": {fmt.Sprint(c.Int("events"))}}
	var d Description
	err = api.get(c.Context, "describe", q, &d)
	var refused *privateError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
		return &usageError{refused.Error()}
	case err != nil:
		return err
	case wantsJSON(c):
		return printJSON(c.App.Writer, d)
	}
	v := describeView{statusView{newScreen(c.App.Writer), time.Now(), true}}
	_, err = fmt.Fprint(c.App.Writer, v.text(&d))
	return err
}

// describeView writes a Description for people.
type describeView struct{ statusView }

func (v describeView) text(d *Description) string {
	var parts []string
	switch d.Kind {
	case describedService:
		parts = append(parts, v.service(d.Service), v.deployments(d.Service.Deployments), v.tasks(d.Tasks), v.containers(d.Tasks), v.definition(d.TaskDefinition))
	case describedTask:
		parts = append(parts, v.oneTask(d.Tasks[0]), v.containers(d.Tasks), v.definition(d.TaskDefinition))
	default:
		parts = append(parts, v.definition(d.TaskDefinition), v.tasks(d.Tasks))
	}
	parts = append(parts, v.events(d.Events), v.withoutEffect(d.WithoutEffect))
	var text []string
	for _, part := range parts {
		if part != "" {
			text = append(text, part)
		}
	}
	return strings.Join(text, "\n")
}

func (v describeView) title(kind, name, state string) string {
	return fmt.Sprintf("%s  %s\n", v.screen.paint(bold, kind+" "+name), v.screen.paint(healthColor(state), state))
}

func (v describeView) service(s *ServiceStatus) string {
	state := s.Status
	if s.Steady {
		state = "steady"
	}
	var t table
	t.add("  arn", s.ARN)
	t.add("  cluster", s.Cluster)
	t.add("  task definition", s.TaskDefinition)
	t.add("  tasks", fmt.Sprintf("%d desired, %d running, %d pending", s.Desired, s.Running, s.Pending))
	for _, g := range s.TargetGroups {
		t.add("  target group", g.Name+": "+v.targets([]TargetGroupStatus{g}))
	}
	return v.title(describedService, s.Name, state) + t.String()
}

func (v describeView) deployments(all []DeploymentStatus) string {
	if len(all) == 0 {
		return ""
	}
	var t table
	t.add(v.screen.paint(bold, "DEPLOYMENT"), "STATUS", "TASK DEFINITION", "DESIRED", "RUNNING", "HEALTHY", "FAILED", "ROLLOUT", "AGE")
	for _, d := range all {
		rollout := v.screen.paint(healthColor(d.RolloutState), d.RolloutState)
		if d.Reason != "" {
			rollout += ": " + d.Reason
		}
		t.add(d.ID, d.Status, d.TaskDefinition, fmt.Sprint(d.Desired), fmt.Sprint(d.Running), fmt.Sprint(d.Healthy), fmt.Sprint(d.Failed), rollout, duration(v.now.Sub(d.CreatedAt)))
	}
	return t.String()
}

func (v describeView) oneTask(task TaskStatus) string {
	var t table
	t.add("  arn", task.ARN)
	t.add("  service", orDash(task.Service)+" in cluster "+task.Cluster)
	t.add("  task definition", task.TaskDefinition)
	t.add("  desired", task.DesiredStatus)
	t.add("  health", task.Health)
	t.add("  address", strings.TrimSpace(orDash(task.Address)+" "+task.Zone))
	t.add("  targets", v.taskTargets(task))
	t.add("  created", duration(v.now.Sub(task.CreatedAt))+" ago")
	if reason := stopReason(task); reason != "" {
		t.add("  stopped", reason)
	}
	return v.title(describedTask, task.ID, task.LastStatus) + t.String()
}

func (v describeView) containers(tasks []TaskStatus) string {
	var t table
	t.add(v.screen.paint(bold, "CONTAINER"), "TASK", "STATUS", "EXIT", "IMAGE", "REASON")
	for _, task := range tasks {
		for _, c := range task.Containers {
			exit := "-"
			if c.ExitCode != nil {
				exit = fmt.Sprint(*c.ExitCode)
			}
			t.add(c.Name, shortID(task.ID), v.screen.paint(healthColor(c.Status), c.Status), exit, c.Image, orDash(c.Reason))
		}
	}
	if len(t.rows) == 1 {
		return ""
	}
	return t.String()
}

func (v describeView) definition(d *DefinitionStatus) string {
	if d == nil {
		return "its task definition was deleted\n"
	}
	var t table
	t.add("  arn", d.ARN)
	t.add("  registered", d.RegisteredAt.Local().Format("2006-01-02 15:04:05"))
	size := fmt.Sprintf("network mode %s", d.NetworkMode)
	if d.CPU != "" {
		size += ", cpu " + d.CPU
	}
	if d.Memory != "" {
		size += ", memory " + d.Memory + " MiB"
	}
	t.add("  task", size)
	for _, c := range d.Containers {
		t.add("  container", c.words())
	}
	t.add("  used by", orDash(strings.Join(d.UsedBy, ", ")))
	return v.title(describedDefinition, d.Name, d.Status) + t.String()
}

// words tells of a container in one line.
func (c DefinedContainer) words() string {
	words := []string{c.Name + ": " + c.Image}
	if !c.Essential {
		words = append(words, "not essential")
	}
	if c.HealthCheck {
		words = append(words, "health check")
	}
	for _, more := range []struct {
		what string
		list []string
	}{{"ports", c.Ports}, {"secrets", c.Secrets}, {"after", c.DependsOn}} {
		if len(more.list) > 0 {
			words = append(words, more.what+" "+strings.Join(more.list, " "))
		}
	}
	return strings.Join(words, ", ")
}

func (v describeView) events(all []timeline.Event) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(v.screen.paint(bold, "last events") + "\n")
	for _, e := range all {
		b.WriteString(eventLine(v.screen, e) + "\n")
	}
	return b.String()
}

func (v describeView) withoutEffect(all []Unregarded) string {
	var t table
	for _, u := range all {
		t.add("  "+u.Of, u.Member, u.Why)
	}
	title := v.screen.paint(bold, "accepted, but without effect here")
	if len(all) == 0 {
		return title + "\n  nothing\n"
	}
	return title + "\n" + t.String()
}
