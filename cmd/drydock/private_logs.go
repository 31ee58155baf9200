package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/docker"
)

// keptLogLines is how much of a container's log outlives the container.
const keptLogLines = 10_000

// serveLogs streams the log of one container of a task, or a load balancer's access log.
func (d *daemon) serveLogs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Has("alb") {
		d.forward("/logs/tail")(w, r)
		return
	}
	task, err := d.scheduler.Task("", q.Get("task"))
	if err != nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no task %s", q.Get("task")), "`drydock status` lists the tasks")
		return
	}
	name := q.Get("container")
	if name == "" && len(task.Containers) > 0 {
		name = task.Containers[0].Name
	}
	tail, _ := strconv.Atoi(q.Get("tail"))
	log, err := d.openLog(r.Context(), task, name, docker.LogOptions{Follow: q.Get("follow") != "", Tail: tail})
	if err != nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no log of container %s of task %s: %v", name, task.ID, err), "")
		return
	}
	defer log.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.Copy(flusher{w, http.NewResponseController(w)}, log)
}

// openLog opens a container's log, or what was kept of it.
func (d *daemon) openLog(ctx context.Context, task *orchestrator.Task, container string, o docker.LogOptions) (io.ReadCloser, error) {
	log, err := d.engine.Logs(ctx, task.ARN, container, o)
	var gone *docker.NotFoundError
	if !errors.As(err, &gone) {
		return log, err
	}
	if task.Container(container) == nil {
		return nil, err // not a name of ours: it must not become a path
	}
	kept, openErr := os.Open(d.keptLog(task.ID, container))
	if openErr != nil {
		return nil, err
	}
	return newPlainLog(kept), nil
}

func (d *daemon) keptLog(task, container string) string {
	return filepath.Join(d.config.StateDir, "logs", task, container+".log")
}

// keepLogs saves the end of a task's logs, with the time of each line, before its containers are removed.
func (d *daemon) keepLogs(ctx context.Context, t orchestrator.Task) {
	if err := d.logs.Sync(ctx); err != nil {
		d.log.Error("keep the log streams", "error", err)
	}
	for _, c := range t.Containers {
		if err := d.keepLog(ctx, t, c.Name); err != nil {
			d.log.Debug("keep a log", "task", t.ID, "container", c.Name, "error", err)
		}
	}
}

func (d *daemon) keepLog(ctx context.Context, t orchestrator.Task, container string) error {
	log, err := d.engine.Logs(ctx, t.ARN, container, docker.LogOptions{Tail: keptLogLines, Timestamps: true})
	if err != nil {
		return err
	}
	defer log.Close()
	path := d.keptLog(t.ID, container)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, log)
	return errors.Join(err, f.Close())
}

// dropLogs removes what was kept of tasks that are no longer known, unless a log stream needs it.
func (d *daemon) dropLogs(ctx context.Context) error {
	byID, byARN := map[string]bool{}, map[string]bool{}
	for _, t := range d.scheduler.Snapshot().Tasks {
		byID[t.ID], byARN[t.ARN] = true, true
	}
	if err := d.logs.Expire(ctx, time.Now(), func(task string) bool { return byARN[task] }); err != nil {
		return err
	}
	dir := filepath.Join(d.config.StateDir, "logs")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if name := entry.Name(); name != logStreams && !byID[name] && !d.logs.Uses(name) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
		}
	}
	return err
}

// flusher sends every write on at once.
type flusher struct {
	w    io.Writer
	ctrl *http.ResponseController
}

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.ctrl.Flush()
	return n, err
}
