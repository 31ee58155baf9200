package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
)

func runTaskCommand() *cli.Command {
	return &cli.Command{
		Name:      "run-task",
		Usage:     "run tasks of their own, outside of any service",
		ArgsUsage: "FAMILY[:REVISION] [-- COMMAND [ARGUMENT...]]",
		Description: "With --wait it waits until the tasks have stopped, and exits 1 if an essential\n" +
			"container did not exit with 0.\n\n" +
			"Example:\n  drydock run-task order-service --env MODE=migrate --wait -- /service --once",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cluster", EnvVars: twin("cluster"), Usage: "the `CLUSTER` to run in; the only one if there is one"},
			&cli.Int64Flag{Name: "count", Value: 1, EnvVars: twin("count"), Usage: "how many, 1 to 10"},
			&cli.StringSliceFlag{Name: "security-group", EnvVars: twin("security-group"), Usage: "`ID` or name, may be repeated; the VPC's default group otherwise"},
			&cli.StringSliceFlag{Name: "subnet", EnvVars: twin("subnet"), Usage: "`ID`, may be repeated; all default subnets otherwise"},
			&cli.StringFlag{Name: "container", EnvVars: twin("container"), Usage: "the `CONTAINER` that --env and COMMAND are for; the first one otherwise"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, EnvVars: twin("env"), Usage: "`NAME=VALUE` for the container, may be repeated"},
			&cli.BoolFlag{Name: "wait", EnvVars: twin("wait"), Usage: "wait until the tasks have stopped"},
			&cli.DurationFlag{Name: "timeout", Value: 10 * time.Minute, EnvVars: twin("timeout"), Usage: "how long to wait"},
			endpointFlag(),
		},
		Action: runTaskAction,
	}
}

func runTaskAction(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) > 1 && args[1] == "--" {
		args = append(args[:1:1], args[2:]...)
	}
	if len(args) == 0 || c.Int64("count") < 1 || c.Int64("count") > 10 {
		return usagef("run-task needs a task definition, and --count from 1 to 10: `drydock run-task order-service`")
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	in, err := runTaskInput(c, api, args[0], args[1:])
	if err != nil {
		return err
	}
	out, err := call[ecs.RunTaskResponse](c.Context, api, "ecs", "RunTask", in)
	if err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	for _, f := range out.Failures {
		fmt.Fprintf(c.App.ErrWriter, "not placed: %s %s\n", deref(f.Reason), deref(f.Detail))
	}
	if len(out.Tasks) == 0 {
		return fmt.Errorf("no task of %s was started: see `drydock events`", args[0])
	}
	return awaitRun(c, api, out.Tasks, len(out.Failures) > 0)
}

func awaitRun(c *cli.Context, api *client, tasks []ecs.Task, failed bool) error {
	var arns []string
	for _, t := range tasks {
		arns = append(arns, deref(t.TaskArn))
		if !c.Bool("wait") {
			fmt.Fprintln(c.App.Writer, tail(deref(t.TaskArn)))
		}
	}
	if c.Bool("wait") {
		stopped, err := waitTasks(c.Context, api, newScreen(c.App.ErrWriter), arns, "STOPPED", c.Duration("timeout"))
		if err != nil {
			return err
		}
		for _, t := range stopped {
			fmt.Fprintf(c.App.Writer, "task %s: %s\n", shortID(t.ID), stopReason(t))
			failed = failed || !succeeded(t)
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// succeeded reports whether every container that ran exited with 0, and one did.
func succeeded(t TaskStatus) bool {
	ok := false
	for _, container := range t.Containers {
		if container.ExitCode != nil && *container.ExitCode != 0 || container.Reason != "" {
			return false
		}
		ok = ok || container.ExitCode != nil
	}
	return ok
}

func runTaskInput(c *cli.Context, api *client, definition string, command []string) (*ecs.RunTaskRequest, error) {
	found, err := call[ecs.DescribeTaskDefinitionResponse](c.Context, api, "ecs", "DescribeTaskDefinition", &ecs.DescribeTaskDefinitionRequest{TaskDefinition: &definition})
	if err != nil {
		return nil, fmt.Errorf("%w: register %s first, with `drydock up` or `aws ecs register-task-definition`", err, definition)
	}
	if found.TaskDefinition == nil {
		return nil, fmt.Errorf("the daemon does not know %s", definition)
	}
	cluster, err := chooseCluster(c, api)
	if err != nil {
		return nil, err
	}
	count := c.Int64("count")
	in := &ecs.RunTaskRequest{TaskDefinition: found.TaskDefinition.TaskDefinitionArn, Cluster: &cluster, Count: &count, StartedBy: optional("drydock run-task")}
	if slices.Contains(found.TaskDefinition.RequiresCompatibilities, "FARGATE") {
		in.LaunchType = optional("FARGATE")
	}
	if in.Overrides, err = overrides(c, found.TaskDefinition, command); err != nil {
		return nil, err
	}
	if deref(found.TaskDefinition.NetworkMode) == "awsvpc" {
		in.NetworkConfiguration, err = taskNetwork(c, api)
	}
	return in, err
}

// chooseCluster returns the cluster that is meant: the named one, the only one, or default.
func chooseCluster(c *cli.Context, api *client) (string, error) {
	if name := c.String("cluster"); name != "" {
		return name, nil
	}
	found, err := call[ecs.ListClustersResponse](c.Context, api, "ecs", "ListClusters", &ecs.ListClustersRequest{})
	if err != nil {
		return "", err
	}
	var names []string
	for _, arn := range found.ClusterArns {
		names = append(names, tail(arn))
	}
	switch {
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0 || slices.Contains(names, "default"):
		return "default", nil
	}
	return "", usagef("there are several clusters, %s: choose one with --cluster", strings.Join(names, ", "))
}

// overrides returns what COMMAND and --env change, or nil.
func overrides(c *cli.Context, t *ecs.TaskDefinition, command []string) (*ecs.TaskOverride, error) {
	if len(command) == 0 && len(c.StringSlice("env")) == 0 {
		return nil, nil
	}
	var names []string
	for _, container := range t.ContainerDefinitions {
		names = append(names, deref(container.Name))
	}
	name := c.String("container")
	if name == "" && len(names) > 0 {
		name = names[0]
	}
	if !slices.Contains(names, name) {
		return nil, usagef("%s has no container %s: %s", deref(t.Family), name, didYouMean(name, names))
	}
	override := ecs.ContainerOverride{Name: &name, Command: command}
	for _, pair := range c.StringSlice("env") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usagef("--env %q: write it as NAME=VALUE", pair)
		}
		override.Environment = append(override.Environment, ecs.KeyValuePair{Name: &key, Value: &value})
	}
	return &ecs.TaskOverride{ContainerOverrides: []ecs.ContainerOverride{override}}, nil
}

func taskNetwork(c *cli.Context, api *client) (*ecs.NetworkConfiguration, error) {
	u := newUp(api, &stack{}, newScreen(c.App.ErrWriter))
	if err := u.findNetwork(c.Context); err != nil {
		return nil, err
	}
	vpc := &ecs.AwsVpcConfiguration{Subnets: c.StringSlice("subnet")}
	if len(vpc.Subnets) == 0 {
		vpc.Subnets = u.subnets
	}
	for _, group := range c.StringSlice("security-group") {
		id, err := groupID(c.Context, api, u.vpc, group)
		if err != nil {
			return nil, err
		}
		vpc.SecurityGroups = append(vpc.SecurityGroups, id)
	}
	return &ecs.NetworkConfiguration{AwsvpcConfiguration: vpc}, nil
}

// groupID returns the id of a security group that is given by id or name.
func groupID(ctx context.Context, api *client, vpc, group string) (string, error) {
	if strings.HasPrefix(group, "sg-") {
		return group, nil
	}
	found, err := call[ec2.DescribeSecurityGroupsResult](ctx, api, "ec2", "DescribeSecurityGroups", &ec2.DescribeSecurityGroupsRequest{Filters: filter("vpc-id", vpc)})
	if err != nil {
		return "", err
	}
	var names []string
	for _, g := range found.SecurityGroups {
		if deref(g.GroupName) == group {
			return deref(g.GroupId), nil
		}
		names = append(names, deref(g.GroupName))
	}
	return "", fmt.Errorf("there is no security group %s: %s", group, didYouMean(group, names))
}

// waitTasks waits until tasks have a status, and returns them.
func waitTasks(ctx context.Context, api *client, s *screen, arns []string, want string, patience time.Duration) ([]TaskStatus, error) {
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	for {
		status, err := api.status(ctx)
		if err != nil {
			return nil, tooSlow(err, want, patience)
		}
		tasks := slices.DeleteFunc(slices.Clone(status.Tasks), func(t TaskStatus) bool { return !slices.Contains(arns, t.ARN) })
		reached := slices.DeleteFunc(slices.Clone(tasks), func(t TaskStatus) bool { return t.LastStatus != want })
		if len(reached) == len(arns) {
			s.erase()
			return reached, nil
		}
		v := statusView{screen: s, now: time.Now(), stopped: true}
		s.draw(fmt.Sprintf("waiting for %s, %s\n%s", want, duration(time.Since(started)), v.tasks(tasks)))
		if err := pause(ctx, pollInterval); err != nil {
			return nil, tooSlow(err, want, patience)
		}
	}
}

func tooSlow(err error, want string, patience time.Duration) error {
	if err != errSlow {
		return err
	}
	return fmt.Errorf("not %s after %s: see `drydock status --stopped`, or wait longer with --timeout", want, duration(patience))
}
