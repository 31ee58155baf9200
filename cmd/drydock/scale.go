package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ecs"
)

func scaleCommand() *cli.Command {
	return &cli.Command{
		Name:        "scale",
		Usage:       "set how many tasks a service runs",
		ArgsUsage:   "SERVICE=N... | SERVICE N",
		Description: "Example:\n  drydock scale user-service=5 order-service=3\n  drydock scale user-service 5",
		Flags:       watchFlags(),
		Action:      scaleAction,
	}
}

// scaleTarget is a service and the count it is to have.
type scaleTarget struct {
	service string
	desired int64
}

func scaleAction(c *cli.Context) error {
	targets, err := scaleTargets(c.Args().Slice())
	if err != nil {
		return err
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	status, err := api.status(c.Context)
	if err != nil {
		return err
	}
	var services []*ServiceStatus
	for _, t := range targets {
		service, err := findService(status, c.String("cluster"), t.service)
		if err != nil {
			return err
		}
		services = append(services, service)
	}
	clusters := map[string][]string{}
	for i, t := range targets {
		if err := scaleService(c, api, services[i], t.desired); err != nil {
			return err
		}
		clusters[services[i].Cluster] = append(clusters[services[i].Cluster], services[i].Name)
	}
	if c.Bool("no-wait") {
		return nil
	}
	for cluster, names := range clusters {
		if err := waitSteady(c.Context, api, newScreen(c.App.ErrWriter), cluster, names, c.Duration("timeout")); err != nil {
			return err
		}
	}
	return nil
}

func scaleService(c *cli.Context, api *client, service *ServiceStatus, desired int64) error {
	update := &ecs.UpdateServiceRequest{Cluster: &service.Cluster, Service: &service.Name, DesiredCount: &desired}
	if _, err := call[ecs.UpdateServiceResponse](c.Context, api, "ecs", "UpdateService", update); err != nil {
		return fmt.Errorf("scale %s: %w", service.Name, err)
	}
	fmt.Fprintf(c.App.Writer, "%s: %d → %d\n", service.Name, service.Desired, desired)
	return nil
}

func scaleTargets(args []string) ([]scaleTarget, error) {
	if len(args) == 2 && !strings.Contains(args[0]+args[1], "=") {
		args = []string{args[0] + "=" + args[1]}
	}
	if len(args) == 0 {
		return nil, usagef("scale needs a service and a count: `drydock scale user-service=5`")
	}
	var targets []scaleTarget
	for _, arg := range args {
		name, count, _ := strings.Cut(arg, "=")
		n, err := strconv.ParseInt(count, 10, 32)
		if err != nil || n < 0 || name == "" {
			return nil, usagef("%q is not a service and a count: write `drydock scale user-service=5`", arg)
		}
		targets = append(targets, scaleTarget{name, n})
	}
	return targets, nil
}
