package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/alb/control"
)

func albCommand() *cli.Command {
	return &cli.Command{
		Name:   "alb",
		Usage:  "run the load balancer node of a state directory; the daemon does that itself",
		Hidden: true,
		Description: "The daemon starts this process, feeds it and finds it again; it goes on serving, checking\n" +
			"health and draining when the daemon ends, however that is. By hand it is of use when the\n" +
			"process was killed while no daemon runs: it starts with the last configuration on disk. It\n" +
			"ends on SIGTERM, with `drydock down --all`, or when the state directory is removed.\n\n" +
			"Example:\n  drydock alb --state-dir ~/.drydock\n  drydock alb --replace        # takes the listeners over from the process that serves now",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "state-dir", Value: defaultStateDir(), EnvVars: twin("state-dir"), Usage: "`DIR` of the daemon's state"},
			&cli.BoolFlag{Name: "replace", Usage: "take over from the process that serves now, if there is one"},
			&cli.BoolFlag{Name: "await", Usage: "wait for the daemon's configuration instead of starting with the last one"},
			&cli.BoolFlag{Name: "verbose", EnvVars: twin("verbose"), Usage: "log every step"},
		},
		Action: albAction,
	}
}

func albAction(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("alb takes no argument, but was given %q", c.Args().First())
	}
	build, err := control.Build()
	if err != nil {
		return err
	}
	stateDir, err := filepath.Abs(c.String("state-dir"))
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.Bool("verbose") {
		level = slog.LevelDebug
	}
	return control.Serve(c.Context, control.Options{
		StateDir: stateDir, Version: version, Build: build,
		Logger:  slog.New(slog.NewTextHandler(c.App.ErrWriter, &slog.HandlerOptions{Level: level})),
		Replace: c.Bool("replace"), Await: c.Bool("await"),
	})
}

// NodeStatus tells about the process of the load balancers.
type NodeStatus struct {
	PID         int       `json:"pid"`
	Version     string    `json:"version"`
	StartedAt   time.Time `json:"startedAt"`
	Snapshot    uint64    `json:"snapshot"`    // version of the configuration in force
	Connections int       `json:"connections"` // of clients
	Retiring    int       `json:"retiring"`    // client connections of processes before this one
	Waiting     int       `json:"waiting"`     // reports on failed requests that are not stored yet
	Dropped     uint64    `json:"dropped"`     // reports that were lost: there were too many while no daemon took them
	Error       string    `json:"error,omitempty"`
}

func nodeStatus(s control.State, err error) *NodeStatus {
	if err != nil {
		return &NodeStatus{Error: err.Error()}
	}
	return &NodeStatus{
		PID: s.PID, Version: s.Version, StartedAt: s.StartedAt, Snapshot: s.Snapshot, Connections: s.Connections,
		Retiring: s.Retiring, Waiting: s.Waiting, Dropped: s.Dropped,
	}
}

// words tell about the process in one line.
func (n *NodeStatus) words(now time.Time) string {
	if n.Error != "" {
		return n.Error
	}
	text := fmt.Sprintf("%s, pid %d, up %s, configuration %d", n.Version, n.PID, duration(now.Sub(n.StartedAt)), n.Snapshot)
	if n.Connections > 0 {
		text += fmt.Sprintf(", %d connections", n.Connections)
	}
	if n.Retiring > 0 {
		text += fmt.Sprintf(", %d more of a process that it replaced", n.Retiring)
	}
	if n.Dropped > 0 {
		text += fmt.Sprintf(", %d reports on failed requests were lost", n.Dropped)
	}
	return text
}
