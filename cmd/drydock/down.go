package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

func downCommand() *cli.Command {
	return &cli.Command{
		Name:      "down",
		Usage:     "delete a stack; with --all everything that is drydock's on this machine",
		ArgsUsage: "[DIR|FILE]",
		Description: "Services drain and stop, then load balancers, target groups, security groups and the\n" +
			"cluster go. Task definitions stay registered. With --all, tasks are stopped at once and\n" +
			"containers, networks, firewall rules and the state are removed, and the daemon exits;\n" +
			"what other daemons have left behind goes too, if their state is gone.\n\n" +
			"Example:\n  drydock down examples/shop\n  drydock down --all",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", EnvVars: twin("all"), Usage: "remove everything that is ours"},
			&cli.StringFlag{Name: "state-dir", Value: defaultStateDir(), EnvVars: twin("state-dir"), Usage: "`DIR` of the state, for --all without a daemon"},
			&cli.DurationFlag{Name: "timeout", Value: 10 * time.Minute, EnvVars: twin("timeout"), Usage: "how long to wait for draining services"},
			endpointFlag(),
		},
		Action: downAction,
	}
}

func downAction(c *cli.Context) error {
	if c.Bool("all") && c.Args().Present() {
		return usagef("--all removes everything: leave out %s, or leave out --all", c.Args().First())
	}
	if c.NArg() > 1 {
		return usagef("down takes one directory or file, but got %s: take stacks down one by one", strings.Join(c.Args().Slice(), ", "))
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	if c.Bool("all") {
		return downAll(c, api)
	}
	path, err := findStack(c.Args().First())
	if err != nil {
		return fmt.Errorf("%w; `drydock down --all` needs none", err)
	}
	s, err := stackToDelete(path, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(c.Context, c.Duration("timeout"), errSlow)
	defer cancel()
	d := &down{newUp(api, s, newScreen(c.App.ErrWriter))}
	if err := d.run(ctx); errors.Is(err, errSlow) {
		return fmt.Errorf("not down after %s: run `drydock down %s` again, wait longer with --timeout, or remove everything at once with `drydock down --all`", duration(c.Duration("timeout")), path)
	} else if err != nil {
		return fmt.Errorf("%w\nrun `drydock down %s` again, which goes on from here, or `drydock down --all`", err, path)
	}
	fmt.Fprintf(c.App.Writer, "%s is down: the daemon still runs\n", s.clusterName())
	return nil
}

// stackToDelete reads a stack for its names; mistakes elsewhere in it don't matter.
func stackToDelete(path string, c *cli.Context) (*stack, error) {
	s, err := readStack(path)
	if s != nil && err != nil {
		fmt.Fprintf(c.App.ErrWriter, "%s has mistakes; deleting what can be read of it\n", path)
		return s, nil
	}
	return s, err
}

// downAll has the daemon remove everything, or does it without one.
func downAll(c *cli.Context, api *client) error {
	s, dir := newScreen(c.App.ErrWriter), c.String("state-dir")
	tell := func(text string) { s.line("%s", text) }
	err := api.takeDown(c.Context, tell)
	var unreachable *unreachableError
	if errors.As(err, &unreachable) && c.IsSet("endpoint") && !c.IsSet("state-dir") {
		return fmt.Errorf("%w; to remove what a daemon has left behind that does not run any more, name its directory with --state-dir", err)
	}
	if errors.As(err, &unreachable) {
		err = downWithoutDaemon(c.Context, dir, tell)
	}
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(c.App.Writer, "nothing to do: no daemon answers at %s, and there is no state in %s (another --endpoint or --state-dir?)\n", api.endpoint, dir)
		removeAbandoned(c.Context, tell)
		return nil
	}
	if err != nil {
		return err
	}
	removeAbandoned(c.Context, tell)
	fmt.Fprintln(c.App.Writer, "everything that was ours is removed")
	return nil
}

// takeDown has the daemon remove everything and end.
func (c *client) takeDown(ctx context.Context, tell func(string)) error {
	return c.lines(ctx, http.MethodPost, "down", url.Values{"exit": {"1"}}, func(line json.RawMessage) error {
		var p struct{ Message, Error string }
		if err := json.Unmarshal(line, &p); err != nil {
			return err
		}
		if p.Error != "" {
			return errors.New(p.Error)
		}
		tell(p.Message)
		return nil
	})
}

// down deletes what a stack names. It finds things as up does.
type down struct{ *up }

func (d *down) run(ctx context.Context) error {
	if _, err := d.api.status(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{d.findNetwork, d.deleteServices, d.stopTasks, d.deleteLoadBalancers, d.deleteCertificates, d.deleteTargetGroups, d.deleteSecurityGroups, d.deleteCluster}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// deleteServices deletes all services, then waits until the last is INACTIVE.
func (d *down) deleteServices(ctx context.Context) error {
	cluster, force := d.stack.clusterName(), true
	var draining []string
	for _, s := range d.stack.services {
		have, err := describeService(ctx, d.api, cluster, s.name())
		if refusedWith(err, "ClusterNotFoundException") {
			return nil
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", s.name(), err)
		}
		if have == nil || deref(have.Status) == "INACTIVE" {
			continue
		}
		if deref(have.Status) == "ACTIVE" {
			in := &ecs.DeleteServiceRequest{Cluster: &cluster, Service: optional(s.name()), Force: &force}
			if _, err := call[ecs.DeleteServiceResponse](ctx, d.api, "ecs", "DeleteService", in); err != nil {
				return fmt.Errorf("delete service %s: %w", s.name(), err)
			}
			d.did("deleted", "service", s.name(), "draining")
		}
		draining = append(draining, s.name())
	}
	return d.awaitInactive(ctx, cluster, draining)
}

func (d *down) awaitInactive(ctx context.Context, cluster string, names []string) error {
	started := time.Now()
	for len(names) > 0 {
		have, err := describeService(ctx, d.api, cluster, names[0])
		if err != nil {
			return err
		}
		if have == nil || deref(have.Status) == "INACTIVE" {
			names = names[1:]
			continue
		}
		d.screen.draw(fmt.Sprintf("draining %s, %s", strings.Join(names, ", "), duration(time.Since(started))))
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
	return nil
}

// stopTasks stops what run-task started of the stack's task definitions.
func (d *down) stopTasks(ctx context.Context) error {
	status, err := d.api.status(ctx)
	if err != nil {
		return err
	}
	families, cluster := d.stack.names("taskDefinition"), d.stack.clusterName()
	var arns []string
	for _, t := range status.Tasks {
		family, _, _ := strings.Cut(tail(t.TaskDefinition), ":")
		if t.Service != "" || t.Cluster != cluster || t.LastStatus == "STOPPED" || !slices.Contains(families, family) {
			continue
		}
		in := &ecs.StopTaskRequest{Cluster: &cluster, Task: &t.ARN, Reason: optional("drydock down")}
		if _, err := call[ecs.StopTaskResponse](ctx, d.api, "ecs", "StopTask", in); err != nil {
			return fmt.Errorf("stop task %s: %w", shortID(t.ID), err)
		}
		d.did("stopped", "task", shortID(t.ID), t.TaskDefinition)
		arns = append(arns, t.ARN)
	}
	if len(arns) == 0 {
		return nil
	}
	_, err = waitTasks(ctx, d.api, d.screen, arns, "STOPPED", 5*time.Minute)
	return err
}

func (d *down) deleteLoadBalancers(ctx context.Context) error {
	for _, b := range d.stack.loadBalancers {
		have, err := d.describeLoadBalancer(ctx, b.name())
		if err != nil {
			return fmt.Errorf("load balancer %s: %w", b.name(), err)
		}
		if have == nil {
			continue
		}
		in := &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: have.LoadBalancerArn}
		if _, err := call[elbv2.DeleteLoadBalancerOutput](ctx, d.api, "elbv2", "DeleteLoadBalancer", in); err != nil {
			return fmt.Errorf("delete load balancer %s: %w", b.name(), err)
		}
		d.did("deleted", "load balancer", b.name(), "")
	}
	return nil
}

func (d *down) deleteTargetGroups(ctx context.Context) error {
	for _, g := range d.stack.targetGroups {
		found, err := call[elbv2.DescribeTargetGroupsOutput](ctx, d.api, "elbv2", "DescribeTargetGroups", &elbv2.DescribeTargetGroupsInput{Names: []string{g.name()}})
		if refusedWith(err, "TargetGroupNotFound") || err == nil && len(found.TargetGroups) == 0 {
			continue
		}
		if err == nil {
			_, err = call[elbv2.DeleteTargetGroupOutput](ctx, d.api, "elbv2", "DeleteTargetGroup", &elbv2.DeleteTargetGroupInput{TargetGroupArn: found.TargetGroups[0].TargetGroupArn})
		}
		if err != nil {
			return fmt.Errorf("delete target group %s: %w", g.name(), err)
		}
		d.did("deleted", "target group", g.name(), "")
	}
	return nil
}

// deleteSecurityGroups first takes the groups' rules away, since a group that another one's
// rule names cannot be deleted, and tries again while interfaces are still on their way out.
func (d *down) deleteSecurityGroups(ctx context.Context) error {
	var ids []string
	for _, g := range d.stack.securityGroups {
		filters := append(filter("group-name", g.name()), filter("vpc-id", d.vpc)...)
		found, err := call[ec2.DescribeSecurityGroupsResult](ctx, d.api, "ec2", "DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{Filters: filters})
		if err != nil {
			return fmt.Errorf("security group %s: %w", g.name(), err)
		}
		for _, existing := range found.SecurityGroups {
			ids = append(ids, deref(existing.GroupId))
			if _, err := d.changeRules(ctx, deref(existing.GroupId), "Ingress", flatten(existing.IpPermissions), nil); err != nil {
				return fmt.Errorf("security group %s: %w", g.name(), err)
			}
		}
	}
	for _, id := range ids {
		if err := d.deleteSecurityGroup(ctx, id); err != nil {
			return fmt.Errorf("delete security group %s: %w", id, err)
		}
		d.did("deleted", "security group", id, "")
	}
	return nil
}

func (d *down) deleteSecurityGroup(ctx context.Context, id string) error {
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := call[ec2.DeleteSecurityGroupResult](ctx, d.api, "ec2", "DeleteSecurityGroup", &ec2.DeleteSecurityGroupRequest{GroupId: &id})
		if !refusedWith(err, "DependencyViolation") || time.Now().After(deadline) {
			return err
		}
		d.screen.draw("waiting until nothing uses " + id)
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// deleteCluster leaves the cluster if something that is not the stack's still runs in it.
func (d *down) deleteCluster(ctx context.Context) error {
	name := d.stack.clusterName()
	_, err := call[ecs.DeleteClusterResponse](ctx, d.api, "ecs", "DeleteCluster", &ecs.DeleteClusterRequest{Cluster: &name})
	switch {
	case err == nil:
		d.did("deleted", "cluster", name, "")
	case refusedWith(err, "ClusterContainsServicesException", "ClusterContainsTasksException"):
		d.say("unchanged", "cluster", name, "something else runs in it")
	case !refusedWith(err, "ClusterNotFoundException"):
		return fmt.Errorf("delete cluster %s: %w", name, err)
	}
	return nil
}
