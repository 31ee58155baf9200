package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/alb/control"
	"drydock/alb/logs"
	"drydock/alb/metrics"
	"drydock/alb/node"
)

func albCommand() *cli.Command {
	return &cli.Command{
		Name:  "alb",
		Usage: "run the load balancer node of a state directory; the daemon does that itself",
		Description: "The daemon starts this process, feeds it and finds it again; it goes on serving, checking\n" +
			"health and draining when the daemon ends, however that is. By hand it is of use when the\n" +
			"process was killed while no daemon runs: it starts with the last configuration on disk. It\n" +
			"ends on SIGTERM, with `drydock down --all`, or when the state directory is removed.\n\n" +
			"Example:\n  drydock alb --state-dir ~/.drydock\n  drydock alb --replace        # takes the listeners over from the process that serves now",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "state-dir", Value: defaultStateDir(), EnvVars: twin("state-dir"), Usage: "`DIR` of the daemon's state"},
			&cli.BoolFlag{Name: "replace", EnvVars: twin("replace"), Usage: "take over from the process that serves now, if there is one"},
			&cli.BoolFlag{Name: "await", EnvVars: twin("await"), Usage: "wait for the daemon's configuration instead of starting with the last one"},
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
	options := control.Options{
		StateDir: stateDir, Version: version, Build: build,
		Logger:  slog.New(slog.NewTextHandler(c.App.ErrWriter, &slog.HandlerOptions{Level: level})),
		Replace: c.Bool("replace"), Await: c.Bool("await"),
	}
	return newProcess(options).Serve(c.Context)
}

// newProcess makes the node's process with what it leaves behind: logs and metrics.
func newProcess(options control.Options) *control.Process {
	var p *control.Process
	delivery := logs.New(logs.Config{Dir: filepath.Join(options.StateDir, bucketsDir), Logger: options.Logger})
	counted := metrics.New(metrics.Sources{
		Targets:     func() []node.TargetStatus { return p.Targets() },
		Connections: func() []metrics.Connections { return connections(p.Counters()) },
		Lost: func() []metrics.Lost {
			return append(lostLines(delivery), metrics.Lost{Record: "outcome", Reason: "memory", Records: p.State().Dropped})
		},
	})
	options.Observers = []control.Observer{
		{Sink: delivery, Apply: delivery.Configure, Run: delivery.Run},
		{Sink: counted, Apply: counted.Configure},
	}
	options.Handlers = map[string]http.Handler{
		"GET /metrics":     counted.Handler(),
		"GET /logs/tail":   tailLog(delivery),
		"POST /logs/flush": flushLogs(delivery),
	}
	p = control.New(options)
	return p
}

// bucketsDir is the folder of buckets in the state directory.
const bucketsDir = "s3"

// connections are the node's counters as CloudWatch has them: clients and targets together.
func connections(list []node.Counters) []metrics.Connections {
	var all []metrics.Connections
	for _, c := range list {
		all = append(all, metrics.Connections{LoadBalancer: c.LoadBalancer, Active: c.ActiveClients + c.ActiveTargets,
			New: c.NewClients + c.NewTargets, Rejected: c.Rejected})
	}
	return all
}

func lostLines(d *logs.Delivery) []metrics.Lost {
	var all []metrics.Lost
	for _, l := range d.Lost() {
		all = append(all, metrics.Lost{Record: l.Log, Reason: "queue", Records: l.Queue}, metrics.Lost{Record: l.Log, Reason: "disk", Records: l.Disk})
	}
	return all
}

// tailLog answers with the end of a load balancer's access log.
func tailLog(d *logs.Delivery) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		lines, _ := strconv.Atoi(q.Get("tail"))
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out := flusher{w, http.NewResponseController(w)}
		if err := d.Tail(r.Context(), q.Get("alb"), q.Get("follow") != "", lines, out); err != nil {
			refuse(w, http.StatusNotFound, err.Error(), "`drydock status` lists the load balancers")
		}
	})
}

// flushLogs has everything that was logged put into the buckets.
func flushLogs(d *logs.Delivery) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := d.Flush(r.Context()); err != nil {
			refuse(w, http.StatusInternalServerError, err.Error(), "")
			return
		}
		reply(w, struct{}{})
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
