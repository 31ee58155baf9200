package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ecs"
	"drydock/timeline"
)

func rollbackCommand() *cli.Command {
	return &cli.Command{
		Name:      "rollback",
		Usage:     "deploy what a service ran before, and watch until it is done",
		ArgsUsage: "SERVICE",
		Description: "Goes back to the task definition of the last completed deployment of another one; if\n" +
			"none is known, to the active revision before the current one.\n\n" +
			"Example:\n  drydock rollback user-service\n  drydock rollback user-service --to 3",
		Flags: append([]cli.Flag{
			&cli.Int64Flag{Name: "to", EnvVars: twin("to"), Usage: "go back to this `REVISION` of the same family"},
		}, watchFlags()...),
		Action: rollbackAction,
	}
}

func rollbackAction(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("rollback needs one service: `drydock rollback user-service`; `drydock status` lists the services")
	}
	api, service, err := serviceArgument(c, c.Args().First())
	if err != nil {
		return err
	}
	if underShift(service) && c.Int64("to") == 0 {
		return stopShift(c, api, service)
	}
	previous, err := previousDefinition(c, api, service)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "rolling %s back from %s to %s\n", service.Name, service.TaskDefinition, previous)
	return startDeployment(c, api, &ecs.UpdateServiceRequest{Cluster: &service.Cluster, Service: &service.Name, TaskDefinition: &previous})
}

// underShift reports whether a deployment of the service shifts traffic right now: what ran
// before still does.
func underShift(service *ServiceStatus) bool {
	return len(service.Deployments) > 1 && service.Deployments[0].Stage != "" && service.Deployments[0].RolloutState == "IN_PROGRESS"
}

// stopShift stops a deployment that shifts traffic: all of it returns at once, no task has to start.
func stopShift(c *cli.Context, api *client, service *ServiceStatus) error {
	now, err := describeService(c.Context, api, service.Cluster, service.Name)
	if err != nil || now == nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "stopping the deployment of %s to %s: its traffic goes back\n", service.TaskDefinition, service.Name)
	if _, err := call[ecs.StopServiceDeploymentResponse](c.Context, api, "ecs", "StopServiceDeployment", &ecs.StopServiceDeploymentRequest{ServiceDeploymentArn: now.CurrentServiceDeployment}); err != nil {
		return err
	}
	if c.Bool("no-wait") {
		return nil
	}
	return waitSteady(c.Context, api, newScreen(c.App.Writer), service.Cluster, []string{service.Name}, c.Duration("timeout"))
}

// previousDefinition returns the family:revision to go back to.
func previousDefinition(c *cli.Context, api *client, service *ServiceStatus) (string, error) {
	current := tail(service.TaskDefinition)
	family, _, _ := strings.Cut(current, ":")
	if to := c.Int64("to"); to != 0 {
		return fmt.Sprintf("%s:%d", family, to), nil
	}
	for _, d := range service.Deployments[min(1, len(service.Deployments)):] {
		if d.RolloutState == "COMPLETED" && tail(d.TaskDefinition) != current {
			return tail(d.TaskDefinition), nil // still running: the current deployment is under way
		}
	}
	active, err := activeRevisions(c, api, family)
	if err != nil {
		return "", err
	}
	if completed := lastCompleted(c, api, service, current); active[completed] {
		return completed, nil
	}
	if previous := revisionBefore(active, family, current); previous != "" {
		return previous, nil
	}
	return "", fmt.Errorf("service %s has nothing to go back to: %s is the first active revision of %s", service.Name, current, family)
}

// lastCompleted returns the task definition of the last completed deployment of another
// one, as the timeline remembers it; "" if it does not.
func lastCompleted(c *cli.Context, api *client, service *ServiceStatus, current string) string {
	last := ""
	query := url.Values{"limit": {"0"}, "since": {"720h"}}
	api.lines(c.Context, http.MethodGet, "events", query, func(line json.RawMessage) error {
		var e timeline.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if e.Kind != timeline.Deployment || e.Subject != service.ARN || e.Data["rolloutState"] != "COMPLETED" {
			return nil
		}
		if definition := tail(e.Data["taskDefinition"]); definition != "" && definition != current {
			last = definition
		}
		return nil
	})
	return last
}

// activeRevisions returns the active revisions of a family, as family:revision.
func activeRevisions(c *cli.Context, api *client, family string) (map[string]bool, error) {
	all := map[string]bool{}
	in := &ecs.ListTaskDefinitionsRequest{FamilyPrefix: &family, Status: optional("ACTIVE")}
	for {
		out, err := call[ecs.ListTaskDefinitionsResponse](c.Context, api, "ecs", "ListTaskDefinitions", in)
		if err != nil {
			return nil, fmt.Errorf("list the revisions of %s: %w", family, err)
		}
		for _, arn := range out.TaskDefinitionArns {
			all[tail(arn)] = true
		}
		if deref(out.NextToken) == "" {
			return all, nil
		}
		in.NextToken = out.NextToken
	}
}

// revisionBefore returns the highest active revision below the current one, or "".
func revisionBefore(active map[string]bool, family, current string) string {
	best := 0
	for name := range active {
		if n := revisionOf(name); strings.HasPrefix(name, family+":") && n < revisionOf(current) {
			best = max(best, n)
		}
	}
	if best == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", family, best)
}

func revisionOf(name string) int {
	_, revision, _ := strings.Cut(name, ":")
	n, _ := strconv.Atoi(revision)
	return n
}
