package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ecs"
)

func stopTaskCommand() *cli.Command {
	return &cli.Command{
		Name:      "stop-task",
		Usage:     "stop a task at once, as `aws ecs stop-task` does: its target is still registered",
		ArgsUsage: "TASK",
		Description: "The stop signal goes out while the load balancer still sends requests: expect 502s,\n" +
			"as on AWS. To take a task out without any, use scale or deploy.\n\n" +
			"Example:\n  drydock stop-task 3f2a9c --reason \"try what happens\"",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "reason", EnvVars: twin("reason"), Usage: "why, for stoppedReason"},
			&cli.BoolFlag{Name: "no-wait", EnvVars: twin("no-wait"), Usage: "do not wait until it has stopped"},
			&cli.DurationFlag{Name: "timeout", Value: 3 * time.Minute, EnvVars: twin("timeout"), Usage: "how long to wait"},
			endpointFlag(),
		},
		Action: stopTaskAction,
	}
}

func stopTaskAction(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("stop-task needs one task id: `drydock stop-task 3f2a9c`; `drydock status` lists the tasks")
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	status, err := api.status(c.Context)
	if err != nil {
		return err
	}
	task, err := findTask(status, c.Args().First())
	if err != nil {
		return err
	}
	if task.LastStatus == "STOPPED" {
		fmt.Fprintf(c.App.Writer, "task %s had already stopped: %s\n", shortID(task.ID), stopReason(*task))
		return nil
	}
	in := &ecs.StopTaskRequest{Cluster: &task.Cluster, Task: &task.ARN, Reason: optional(c.String("reason"))}
	if _, err := call[ecs.StopTaskResponse](c.Context, api, "ecs", "StopTask", in); err != nil {
		return fmt.Errorf("stop task %s: %w", shortID(task.ID), err)
	}
	if c.Bool("no-wait") {
		fmt.Fprintf(c.App.Writer, "task %s is stopping\n", shortID(task.ID))
		return nil
	}
	stopped, err := waitTasks(c.Context, api, newScreen(c.App.ErrWriter), []string{task.ARN}, "STOPPED", c.Duration("timeout"))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "task %s stopped: %s\n", shortID(task.ID), stopReason(stopped[0]))
	return nil
}
