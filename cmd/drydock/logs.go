package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"
)

func logsCommand() *cli.Command {
	return &cli.Command{
		Name:        "logs",
		Usage:       "show what the containers of a service or a task write, or a load balancer's access log",
		ArgsUsage:   "[SERVICE|TASK]",
		Description: "Example:\n  drydock logs -f user-service\n  drydock logs 3f2a9c --container app --tail 50\n  drydock logs --alb shop -f",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, EnvVars: twin("follow"), Usage: "keep showing lines as they are written"},
			&cli.StringFlag{Name: "alb", EnvVars: twin("alb"), Usage: "the access log of the load balancer of this `NAME`, in ALB's format; following works also where access logs are not enabled"},
			&cli.StringFlag{Name: "container", EnvVars: twin("container"), Usage: "only the `CONTAINER` of this name"},
			&cli.IntFlag{Name: "tail", Aliases: []string{"n"}, Value: 100, EnvVars: twin("tail"), Usage: "begin with the last so many `LINES` of each task"},
			&cli.StringFlag{Name: "cluster", EnvVars: twin("cluster"), Usage: "the service's `CLUSTER`, if its name is in several"},
			endpointFlag(),
		},
		Action: logsAction,
	}
}

func logsAction(c *cli.Context) error {
	balancer := c.String("alb")
	switch {
	case balancer != "" && c.Args().Present():
		return usagef("--alb shows a load balancer's log: leave out %s, or leave out --alb", c.Args().First())
	case balancer == "" && c.NArg() != 1:
		return usagef("logs needs one service or task: `drydock logs user-service`; `drydock status` lists both")
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	if balancer != "" {
		return balancerLogs(c, api, balancer)
	}
	status, err := api.status(c.Context)
	if err != nil {
		return err
	}
	tasks, err := findTasks(status, c.String("cluster"), c.Args().First())
	if err != nil {
		return err
	}
	err = followLogs(c, api, tasks)
	if c.Bool("follow") && c.Context.Err() != nil {
		return nil // interrupting is how following ends
	}
	return err
}

// balancerLogs shows a load balancer's access log.
func balancerLogs(c *cli.Context, api *client, name string) error {
	q := url.Values{"alb": {name}, "tail": {fmt.Sprint(c.Int("tail"))}}
	if c.Bool("follow") {
		q.Set("follow", "1")
	}
	err := copyLogs(c.Context, api, q, "", &logWriter{w: c.App.Writer})
	if c.Bool("follow") && c.Context.Err() != nil {
		return nil
	}
	return err
}

// findTasks returns the tasks that a name means: those of the service of that name, or
// the one whose id begins so or whose ARN it is.
func findTasks(s *Status, cluster, name string) ([]TaskStatus, error) {
	service, err := findService(s, cluster, name)
	if err == nil {
		tasks := onlyService(s, service).Tasks
		running := slices.DeleteFunc(slices.Clone(tasks), func(t TaskStatus) bool { return t.LastStatus == "STOPPED" })
		if len(running) > 0 {
			return running, nil
		}
		if len(tasks) == 0 {
			return nil, fmt.Errorf("service %s has no tasks: see why with `drydock events`", name)
		}
		return tasks, nil
	}
	if _, ambiguous := err.(*usageError); ambiguous {
		return nil, err
	}
	task, taskErr := findTask(s, name)
	if taskErr != nil {
		return nil, fmt.Errorf("%w (and no task id begins with %s)", err, name)
	}
	return []TaskStatus{*task}, nil
}

// findTask returns the task with an ARN, or whose id begins with what is given.
func findTask(s *Status, id string) (*TaskStatus, error) {
	var found *TaskStatus
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if t.ARN == id || t.ID == id {
			return t, nil
		}
		if len(id) < 4 || !strings.HasPrefix(t.ID, id) {
			continue
		}
		if found != nil {
			return nil, usagef("more than one task id begins with %s: give more of it", id)
		}
		found = t
	}
	if found == nil {
		return nil, fmt.Errorf("there is no task %s: `drydock status --stopped` lists the tasks", id)
	}
	return found, nil
}

// followLogs copies the logs of tasks to the output, each line after its task's id if
// there are several.
func followLogs(c *cli.Context, api *client, tasks []TaskStatus) error {
	out := &logWriter{w: c.App.Writer}
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, task := range tasks {
		prefix := ""
		if len(tasks) > 1 {
			prefix = newScreen(c.App.Writer).paint(dim, shortID(task.ID)) + "  "
		}
		copyOne := func() { errs[i] = copyLogs(c.Context, api, logsQuery(c, task.ARN), prefix, out) }
		if c.Bool("follow") {
			wg.Go(copyOne)
		} else {
			copyOne()
		}
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func logsQuery(c *cli.Context, task string) url.Values {
	q := url.Values{"task": {task}, "tail": {fmt.Sprint(c.Int("tail"))}}
	if name := c.String("container"); name != "" {
		q.Set("container", name)
	}
	if c.Bool("follow") {
		q.Set("follow", "1")
	}
	return q
}

func copyLogs(ctx context.Context, api *client, q url.Values, prefix string, out *logWriter) error {
	body, err := api.stream(ctx, http.MethodGet, "logs", q)
	if err != nil {
		return err
	}
	defer body.Close()
	r := bufio.NewReader(body)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			out.line(prefix, strings.TrimRight(line, "\n"))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return api.explain(ctx, err)
		}
	}
}

// logWriter keeps the lines of several streams whole.
type logWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *logWriter) line(prefix, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, prefix+text)
}
