package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// compose is Docker Compose: docker-compose, or docker's plugin.
type compose struct{ command []string }

// findCompose returns nil if neither is installed.
func findCompose(ctx context.Context) *compose {
	for _, command := range [][]string{{"docker-compose"}, {"docker", "compose"}} {
		if exec.CommandContext(ctx, command[0], append(command[1:], "version")...).Run() == nil {
			return &compose{command}
		}
	}
	return nil
}

func (c *compose) name() string { return strings.Join(c.command, " ") }

// project is the name of the run's Compose project.
func (c *compose) project(b *bench) string { return "drydockbench" + b.docker.id }

// up starts the containers and returns how long it took until the last answers.
func (c *compose) up(ctx context.Context, b *bench) (time.Duration, error) {
	file := filepath.Join(b.dir, "compose.yaml")
	text := fmt.Sprintf("version: \"3\"\nservices:\n  app:\n    image: %s\n    labels: {%s: %q}\n", b.docker.image, benchLabel, b.docker.id)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return 0, err
	}
	b.onEnd(func(ctx context.Context) error { return c.down(ctx, b) })
	began := time.Now()
	if err := c.run(ctx, b, "up", "-d", "--scale", "app="+strconv.Itoa(b.tasks)); err != nil {
		return 0, err
	}
	addresses, err := b.docker.addresses(ctx, "com.docker.compose.project="+c.project(b))
	if err == nil && len(addresses) != b.tasks {
		err = fmt.Errorf("%s started %d containers instead of %d", c.name(), len(addresses), b.tasks)
	}
	for _, at := range addresses {
		err = errors.Join(err, answers(ctx, at))
	}
	return time.Since(began), err
}

func (c *compose) down(ctx context.Context, b *bench) error { return c.run(ctx, b, "down", "-t", "1") }

func (c *compose) run(ctx context.Context, b *bench, args ...string) error {
	args = append([]string{"-p", c.project(b), "-f", filepath.Join(b.dir, "compose.yaml")}, args...)
	cmd := exec.CommandContext(ctx, c.command[0], append(c.command[1:], args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %.500s", c.name(), strings.Join(args, " "), err, out)
	}
	return nil
}
