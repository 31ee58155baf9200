package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/orchestrator/agent"
)

func faultCommand() *cli.Command {
	return &cli.Command{
		Name:      "fault",
		Usage:     "inject a fault into a task or a target group, end one, or list them",
		ArgsUsage: "[TASK|TARGET-GROUP FAULT]",
		Description: "Faults of a task are those of AWS's Fault Injection Service: network-blackhole-port,\n" +
			"network-latency and network-packet-loss. Latency and loss act between load balancers and the\n" +
			"task. A fault ends with --stop, or with its task. " + faultForm + "\n" +
			"is a fault of a target group. `drydock why` names a fault as the cause of what it breaks.\n\n" +
			"Example:\n  drydock fault 3f2a9c network-blackhole-port --port 3000\n  drydock fault 3f2a9c network-latency --delay 800ms --jitter 200ms\n  drydock fault 3f2a9c network-latency --stop",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stop", EnvVars: twin("stop"), Usage: "end the fault"},
			&cli.UintFlag{Name: "port", EnvVars: twin("port"), Usage: "`PORT` of network-blackhole-port"},
			&cli.StringFlag{Name: "protocol", Value: "tcp", EnvVars: twin("protocol"), Usage: "`tcp` or udp"},
			&cli.StringFlag{Name: "traffic", Value: "ingress", EnvVars: twin("traffic"), Usage: "`ingress` or egress"},
			&cli.DurationFlag{Name: "delay", EnvVars: twin("delay"), Usage: "of network-latency"},
			&cli.DurationFlag{Name: "jitter", EnvVars: twin("jitter"), Usage: "by which the delay varies, up and down"},
			&cli.UintFlag{Name: "loss", EnvVars: twin("loss"), Usage: "`PERCENT` of network-packet-loss"},
			&cli.StringSliceFlag{Name: "source", EnvVars: twin("source"), Usage: "`CIDR` of the load balancers that latency and loss concern; all if not given"},
			&cli.StringSliceFlag{Name: "except", EnvVars: twin("except"), Usage: "`CIDR` that a fault does not concern"},
			outputFlag(),
			endpointFlag(),
		},
		Action: faultAction,
	}
}

func faultAction(c *cli.Context) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	switch c.NArg() {
	case 0:
		return listFaults(c, api)
	case 2:
	default:
		return usagef("fault needs a task and a fault: `drydock fault 3f2a9c network-blackhole-port --port 3000`; `drydock status` lists the tasks")
	}
	subject, kind := c.Args().Get(0), c.Args().Get(1)
	if !isTaskFault(kind) {
		return groupFault(c, api, subject, kind)
	}
	status, err := api.status(c.Context)
	if err != nil {
		return err
	}
	task, err := findTask(status, subject)
	if err != nil {
		return err
	}
	in := taskFault{Fault: faultOf(c, kind), Stop: c.Bool("stop")}
	in.Task = task.ARN
	if err := api.post(c.Context, "faults", in); err != nil {
		return err
	}
	done := "is injected into"
	if in.Stop {
		done = "does not run any more in"
	}
	fmt.Fprintf(c.App.Writer, "%s %s task %s\n", in.Fault.String(), done, shortID(task.ID))
	return nil
}

// faultOf is the fault that the options describe.
func faultOf(c *cli.Context, kind string) agent.Fault {
	f := agent.Fault{Kind: kind, SourcesToFilter: c.StringSlice("except")}
	if kind == agent.BlackholePort {
		f.Port, f.Protocol, f.TrafficType = uint16(c.Uint("port")), c.String("protocol"), c.String("traffic")
		return f
	}
	f.DelayMilliseconds, f.JitterMilliseconds = uint64(c.Duration("delay").Milliseconds()), uint64(c.Duration("jitter").Milliseconds())
	f.LossPercent, f.Sources = uint64(c.Uint("loss")), c.StringSlice("source")
	if len(f.Sources) == 0 {
		f.Sources = []string{"0.0.0.0/0"}
	}
	return f
}

// groupFault has a target group reproduce a fault of its own, or not any more.
func groupFault(c *cli.Context, api *client, group, fault string) error {
	if c.Bool("stop") {
		fault = ""
	} else if _, err := parseFault(fault); err != nil {
		return err
	}
	if err := api.post(c.Context, "fault", faultRequest{TargetGroup: group, Fault: fault}); err != nil {
		return err
	}
	if fault == "" {
		fault = "no fault"
	}
	fmt.Fprintf(c.App.Writer, "target group %s: %s\n", group, fault)
	return nil
}

func listFaults(c *cli.Context, api *client) error {
	var faults []agent.Fault
	if err := api.get(c.Context, "faults", nil, &faults); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c.App.Writer, faults)
	}
	if len(faults) == 0 {
		fmt.Fprintln(c.App.Writer, "no fault is injected")
		return nil
	}
	var t table
	t.add("TASK", "FAULT", "SINCE")
	for _, f := range faults {
		t.add(shortID(f.Task[strings.LastIndexByte(f.Task, '/')+1:]), f.String(), duration(time.Since(f.StartedAt)))
	}
	fmt.Fprint(c.App.Writer, t.String())
	return nil
}
