// Package apitest helps to test handlers with the real AWS command line: a store in
// memory and a server that `aws` is pointed at. Only tests import it.
package apitest

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drydock/awsapi"
	"drydock/store/storetest"
)

// Store is a store in memory.
type Store = storetest.Memory

// CLI runs the AWS command line against a server.
type CLI struct {
	t    *testing.T
	path string
	env  []string
}

// NewCLI serves s until the test ends. It skips the test if `aws` is not installed.
func NewCLI(t *testing.T, s *awsapi.Server) *CLI {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &CLI{t: t, path: path, env: Environment(server.URL, t.TempDir())}
}

// Environment is what an AWS client needs to call endpoint, without the user's own
// settings: home is an empty directory.
func Environment(endpoint, home string) []string {
	return append(os.Environ(), "AWS_ENDPOINT_URL="+endpoint, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=x",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE="+filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "credentials"))
}

// Run runs `aws` with arguments that must succeed and returns what it prints.
func (c *CLI) Run(args ...string) string {
	c.t.Helper()
	out, err := c.command(args).CombinedOutput()
	if err != nil {
		c.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Fail runs `aws` with arguments that must fail and returns what it prints.
func (c *CLI) Fail(args ...string) string {
	c.t.Helper()
	out, err := c.command(args).CombinedOutput()
	if err == nil {
		c.t.Fatalf("aws %s succeeded:\n%s", strings.Join(args, " "), out)
	}
	return strings.TrimSpace(string(out))
}

func (c *CLI) command(args []string) *exec.Cmd {
	command := exec.Command(c.path, args...)
	command.Env = c.env
	return command
}
