package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"drydock/orchestrator/docker"
)

// buildImages builds the stack's images, one after the other.
func (u *up) buildImages(ctx context.Context) error {
	if len(u.stack.images) == 0 {
		return nil
	}
	engine, err := docker.New(ctx, docker.Config{Instance: u.instance})
	if err != nil {
		return err
	}
	ran := map[string]bool{}
	for _, image := range u.stack.images {
		started := time.Now()
		if err := u.runCommands(ctx, image, ran); err != nil {
			return err
		}
		output := &progress{screen: u.screen, title: "building " + image.tag}
		options := docker.BuildOptions{Dir: u.stack.path(image.context), Dockerfile: image.dockerfile, Tag: image.tag, Args: image.args, Output: output}
		if err := engine.Build(ctx, options); err != nil {
			return fmt.Errorf("%w%s", err, output.last())
		}
		u.say("built", "image", image.tag, duration(time.Since(started)))
	}
	return nil
}

// runCommands runs what an image wants run on the host. A command that several images
// have runs once.
func (u *up) runCommands(ctx context.Context, image stackImage, ran map[string]bool) error {
	for _, command := range image.run {
		if ran[command] {
			continue
		}
		ran[command] = true
		output := &progress{screen: u.screen, title: "running " + command}
		u.screen.draw(output.title)
		shell := exec.CommandContext(ctx, "sh", "-c", command)
		shell.Dir, shell.Stdout, shell.Stderr = u.stack.dir, output, output
		if err := shell.Run(); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("build %s: `%s` in %s: %w%s", image.tag, command, u.stack.dir, err, output.last())
		}
		u.screen.erase()
	}
	return nil
}

// progress shows the last line of what a step writes, and remembers the last few.
type progress struct {
	screen *screen
	title  string

	mu    sync.Mutex
	lines []string
	rest  []byte
}

// maxProgressLines is how many lines an error shows.
const maxProgressLines = 15

func (p *progress) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, data...)
	for {
		line, rest, found := bytes.Cut(p.rest, []byte("\n"))
		if !found {
			break
		}
		p.rest = rest
		p.lines = append(p.lines, strings.TrimRight(string(line), "\r"))
	}
	p.lines = p.lines[max(0, len(p.lines)-maxProgressLines):]
	if len(p.lines) > 0 {
		p.screen.draw(p.title + ": " + p.screen.paint(dim, p.lines[len(p.lines)-1]))
	}
	return len(data), nil
}

// last returns the last lines, indented, for the end of an error.
func (p *progress) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.lines
	if len(p.rest) > 0 {
		lines = append(lines, string(p.rest))
	}
	if len(lines) == 0 {
		return ""
	}
	return "\n    " + strings.Join(lines, "\n    ")
}
