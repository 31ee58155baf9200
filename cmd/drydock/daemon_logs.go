package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"drydock/cloudwatch/logs"
	"drydock/orchestrator"
	"drydock/orchestrator/docker"
	"drydock/taskdefs"
)

// logStreams is the folder, among the kept logs of tasks, of streams that clients write.
const logStreams = "streams"

func (d *daemon) openLogs(ctx context.Context) (err error) {
	d.logs, err = logs.Open(ctx, d.store, containerLogs{d}, logs.Config{
		Region: d.config.Region, Account: d.config.Account, Directory: filepath.Join(d.config.StateDir, "logs", logStreams),
	})
	return err
}

// containerLogs is where CloudWatch Logs finds what containers write.
type containerLogs struct{ d *daemon }

// Sources implements [logs.Containers].
func (c containerLogs) Sources() []logs.Source {
	var sources []logs.Source
	for _, t := range c.d.scheduler.Snapshot().Tasks {
		definition, err := c.d.definitions.Lookup(t.TaskDefinition)
		if err != nil {
			continue
		}
		for _, def := range definition.Document.Definition.ContainerDefinitions {
			if at := t.Container(def.Name); at != nil && at.RuntimeID != "" && def.LogConfiguration != nil && def.LogConfiguration.LogDriver == "awslogs" {
				sources = append(sources, logSource(t, at.RuntimeID, def))
			}
		}
	}
	return sources
}

// logSource is the stream that the awslogs driver would write for a container.
func logSource(t *orchestrator.Task, runtimeID string, def taskdefs.ContainerDefinition) logs.Source {
	options := def.LogConfiguration.Options
	stream := runtimeID // without a prefix the stream is named after the container
	if prefix := options["awslogs-stream-prefix"]; prefix != "" {
		stream = prefix + "/" + def.Name + "/" + t.ID
	}
	return logs.Source{
		Group: options["awslogs-group"], Stream: stream, Task: t.ARN, TaskID: t.ID, Container: def.Name, CreatedAt: t.CreatedAt,
		Begins: cmp.Or(options["awslogs-multiline-pattern"], datetimePattern(options["awslogs-datetime-format"])),
	}
}

// datetimes are the codes of awslogs-datetime-format, as regular expressions.
var datetimes = strings.NewReplacer("%A", `\w+`, "%a", `\w+`, "%B", `\w+`, "%b", `\w+`, "%d", `\d{1,2}`, "%f", `\d+`, "%H", `\d{1,2}`,
	"%I", `\d{1,2}`, "%j", `\d{1,3}`, "%L", `\d{3}`, "%M", `\d{2}`, "%m", `\d{1,2}`, "%p", `[AaPp][Mm]`, "%S", `\d{2}`, "%Y", `\d{4}`,
	"%y", `\d{2}`, "%Z", `\w+`, "%z", `[+-]\d{4}`)

func datetimePattern(format string) string {
	if format == "" {
		return ""
	}
	return datetimes.Replace(regexp.QuoteMeta(format))
}

// Open implements [logs.Containers].
func (c containerLogs) Open(ctx context.Context, s logs.Source, since time.Time) (io.ReadCloser, error) {
	log, err := c.d.engine.Logs(ctx, s.Task, s.Container, docker.LogOptions{Since: since, Timestamps: true})
	var gone *docker.NotFoundError
	if errors.As(err, &gone) {
		return os.Open(c.d.keptLog(s.TaskID, s.Container))
	}
	return log, err
}

// plainLog reads a kept log as its container wrote it: without the time before each line.
type plainLog struct {
	*os.File
	lines *bufio.Reader
	left  string // of the line at hand
}

func newPlainLog(kept *os.File) *plainLog { return &plainLog{File: kept, lines: bufio.NewReader(kept)} }

func (l *plainLog) Read(p []byte) (int, error) {
	for l.left == "" {
		line, err := l.lines.ReadString('\n')
		if _, l.left, _ = strings.Cut(line, " "); err != nil && l.left == "" {
			return 0, err
		}
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}
