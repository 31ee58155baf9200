package logs

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/cloudwatch/logs"
)

// noContainers has none.
type noContainers struct{}

func (noContainers) Sources() []logs.Source { return nil }

func (noContainers) Open(context.Context, logs.Source, time.Time) (io.ReadCloser, error) {
	return nil, os.ErrNotExist
}

// TestCommandLine has the real AWS CLI write, read, follow and delete.
func TestCommandLine(t *testing.T) {
	service, err := logs.Open(t.Context(), &apitest.Store{}, noContainers{}, logs.Config{Region: "us-east-1", Account: "123456789012", Directory: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	Register(s, service)
	cli := apitest.NewCLI(t, s)

	cli.Run("logs", "create-log-group", "--log-group-name", "/ecs/web", "--tags", "team=shop")
	cli.Run("logs", "put-retention-policy", "--log-group-name", "/ecs/web", "--retention-in-days", "7")
	cli.Run("logs", "create-log-stream", "--log-group-name", "/ecs/web", "--log-stream-name", "by/hand")
	now := time.Now().UnixMilli()
	cli.Run("logs", "put-log-events", "--log-group-name", "/ecs/web", "--log-stream-name", "by/hand", "--log-events",
		fmt.Sprintf("timestamp=%d,message=hello", now-2000), fmt.Sprintf("timestamp=%d,message=world ERROR", now-1000))

	expect := func(want string, args ...string) {
		t.Helper()
		if got := cli.Run(args...); got != want {
			t.Errorf("aws %s:\n%s\nwant\n%s", strings.Join(args, " "), got, want)
		}
	}
	expect("/ecs/web\t7", "logs", "describe-log-groups", "--log-group-name-prefix", "/ecs", "--query", "logGroups[].[logGroupName,retentionInDays]", "--output", "text")
	expect("by/hand", "logs", "describe-log-streams", "--log-group-name", "/ecs/web", "--order-by", "LastEventTime", "--query", "logStreams[].logStreamName", "--output", "text")
	expect("hello\tworld ERROR", "logs", "get-log-events", "--log-group-name", "/ecs/web", "--log-stream-name", "by/hand", "--query", "events[].message", "--output", "text")
	expect("world ERROR", "logs", "filter-log-events", "--log-group-name", "/ecs/web", "--filter-pattern", "ERROR", "--query", "events[].message", "--output", "text")
	expect("shop", "logs", "list-tags-for-resource", "--resource-arn", "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/web", "--query", "tags.team", "--output", "text")
	if strings.HasPrefix(cli.Run("--version"), "aws-cli/2") { // version 1 has no tail
		if got := cli.Run("logs", "tail", "/ecs/web", "--format", "short"); !strings.HasSuffix(got, "world ERROR") || strings.Count(got, "\n") != 1 {
			t.Errorf("aws logs tail:\n%s", got)
		}
	}
	for want, args := range map[string][]string{
		"ResourceNotFoundException":      {"get-log-events", "--log-group-name", "/ecs/web", "--log-stream-name", "other"},
		"ResourceAlreadyExistsException": {"create-log-group", "--log-group-name", "/ecs/web"},
		"can not be provided together":   {"filter-log-events", "--log-group-name", "/ecs/web", "--log-group-identifier", "/ecs/web"},
	} {
		if got := cli.Fail(append([]string{"logs"}, args...)...); !strings.Contains(got, want) {
			t.Errorf("aws logs %v: %s, want %s", args, got, want)
		}
	}
	cli.Run("logs", "delete-log-group", "--log-group-name", "/ecs/web")
	expect("[]", "logs", "describe-log-groups", "--query", "logGroups")
}
