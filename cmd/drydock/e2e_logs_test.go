package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestLogs_OfTasksAreStreams reads what containers write through CloudWatch Logs: while they
// run, after they have ended, and after the daemon was killed.
func TestLogs_OfTasksAreStreams(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	aws := p.AWS()
	p.Run("up", smallDir)
	task := p.tasksOf("web")[0].ID
	stream := "web/web/" + task
	read := func() string {
		return aws.Run("logs", "get-log-events", "--log-group-name", "/ecs/small", "--log-stream-name", stream, "--start-from-head", "--query", "events[].message", "--output", "text")
	}
	const greeting = "listens on port 3000"
	if got := read(); strings.Count(got, greeting) != 1 {
		t.Errorf("the stream of a running task: %q", got)
	}
	all := aws.Run("logs", "filter-log-events", "--log-group-name", "/ecs/small", "--filter-pattern", `"`+greeting+`"`, "--query", "events[].logStreamName", "--output", "text")
	if got := strings.Fields(all); len(got) != 2 || !strings.Contains(all, stream) {
		t.Errorf("streams with the greeting: %v, want those of two tasks", got)
	}
	p.Run("stop-task", task)
	p.Eventually("the stopped task's containers are removed", func() error {
		for id, c := range containersOf(t, p.instance) {
			if strings.Contains(strings.Join(c.Names, " ")+c.Labels["com.amazonaws.ecs.task-arn"], task) {
				return fmt.Errorf("container %s is there", id)
			}
		}
		return nil
	})
	p.Kill()
	p.Start()
	if got := read(); strings.Count(got, greeting) != 1 {
		t.Errorf("the stream of a task that is gone: %q", got)
	}
	p.wants([]string{greeting}, "logs", task)
	if out := p.Run("logs", task); strings.Contains(out.String(), "T1") && strings.Contains(out.String(), "Z "+"user") {
		t.Errorf("the kept log shows its times:\n%s", out)
	}
	aws.Run("logs", "delete-log-group", "--log-group-name", "/ecs/small")
	if got := aws.Run("logs", "describe-log-groups", "--query", "logGroups[].logGroupName"); strings.Contains(got, "/ecs/small") {
		t.Errorf("a deleted group is back: %s", got)
	}
}
