package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// profileTime is how long drydock is watched in each workload.
const profileTime = 2 * time.Second

// profileOurs writes, with --profile, where drydock's CPU time went in a load that does not
// count: NAME.perf for perf, and NAME.txt to read.
func (a *arena) profileOurs(ctx context.Context, c *comparison) error {
	if a.profile == "" || c.notYet != nil {
		return nil
	}
	if _, err := exec.LookPath("perf"); err != nil {
		return fmt.Errorf("--profile: %w", err)
	}
	if err := os.MkdirAll(a.profile, 0o755); err != nil {
		return err
	}
	data := filepath.Join(a.profile, c.name+".perf")
	perf := exec.CommandContext(ctx, "perf", "record", "-q", "-g", "-F", "999", "-o", data,
		"-p", strconv.Itoa(a.ours.processes()[0]), "--", "sleep", strconv.Itoa(int(profileTime.Seconds())))
	if err := perf.Start(); err != nil {
		return err
	}
	_, err := c.load(ctx, a.bench, c.on(a.ours), profileTime+time.Second)
	if err := errors.Join(err, perf.Wait()); err != nil {
		return fmt.Errorf("profile %s: %w", c.name, err)
	}
	text, err := exec.CommandContext(ctx, "perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.3").Output()
	if err != nil {
		return fmt.Errorf("perf report: %w", err)
	}
	return os.WriteFile(filepath.Join(a.profile, c.name+".txt"), text, 0o644)
}
