package docker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// LogOptions selects a part of a container's log.
type LogOptions struct {
	Follow     bool
	Tail       int       // last lines; 0: all
	Since      time.Time // zero: from the start
	Timestamps bool      // an RFC 3339 time and a space before each line
}

// Logs reads what a container of a task has written, standard output and error in one stream. The
// container's name may be empty for the task's first one. Reading ends with the log, or when the
// container stops if it is followed.
func (e *Engine) Logs(ctx context.Context, task, name string, o LogOptions) (io.ReadCloser, error) {
	c, err := e.locate(ctx, task, name)
	if err != nil {
		return nil, fmt.Errorf("logs of task %s: %w", task, err)
	}
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: o.Follow, Timestamps: o.Timestamps}
	if o.Tail > 0 {
		options.Tail = strconv.Itoa(o.Tail)
	}
	if !o.Since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", o.Since.Unix(), o.Since.Nanosecond())
	}
	body, err := e.client.ContainerLogs(ctx, c.ID, options)
	if err != nil {
		return nil, fmt.Errorf("logs of container %s: %w", c.ID, err)
	}
	if c.Config.Tty {
		return body, nil
	}
	return &demux{body: body}, nil
}

// locate finds a container of a task.
func (e *Engine) locate(ctx context.Context, task, name string) (container.InspectResponse, error) {
	list, err := e.containers(ctx, task)
	if err != nil {
		return container.InspectResponse{}, err
	}
	for _, s := range list {
		if s.Labels[labelContainer] == name || name == "" && !isPause(s) {
			return e.client.ContainerInspect(ctx, s.ID)
		}
	}
	return container.InspectResponse{}, &NotFoundError{Task: task, Container: name}
}

// demux reads the frames in which Docker sends output and error as one stream of their content.
type demux struct {
	body io.ReadCloser
	left uint32 // of the frame at hand
}

func (d *demux) Read(p []byte) (int, error) {
	for d.left == 0 {
		var head [8]byte
		if _, err := io.ReadFull(d.body, head[:]); err != nil {
			return 0, err
		}
		if stdcopy.StdType(head[0]) > stdcopy.Systemerr {
			return 0, fmt.Errorf("docker sent a frame of unknown kind %d", head[0])
		}
		d.left = binary.BigEndian.Uint32(head[4:])
	}
	n, err := d.body.Read(p[:min(len(p), int(d.left))])
	d.left -= uint32(n)
	return n, err
}

func (d *demux) Close() error { return d.body.Close() }

// NotFoundError says that Docker has no such container of ours.
type NotFoundError struct{ Task, Container string }

func (e *NotFoundError) Error() string {
	if e.Container == "" {
		return "task " + e.Task + " has no container"
	}
	return "task " + e.Task + " has no container named " + e.Container
}
