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

// sample is what one load saw.
type sample struct {
	requests int64
	took     time.Duration
	p50, p99 time.Duration // 0: not known
}

// wrkScript makes wrk say in the end what it saw, in one line.
const wrkScript = `done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("BENCH %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout))
end
`

// wrk loads a URL with one request at a time on each of so many connections.
func (b *bench) wrk(ctx context.Context, url string, connections int, d time.Duration, headers ...string) (sample, error) {
	script := filepath.Join(b.dir, "report.lua")
	if _, err := os.Stat(script); err != nil {
		if err := os.WriteFile(script, []byte(wrkScript), 0o600); err != nil {
			return sample{}, err
		}
	}
	args := []string{"-t", "1", "-c", strconv.Itoa(connections), "-d", wholeSeconds(d), "-s", script}
	for _, h := range headers {
		args = append(args, "-H", h)
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk %s: %w: %.300s", url, err, out)
	}
	s, err := readWrk(string(out))
	if err != nil {
		return s, fmt.Errorf("wrk %s: %w", url, err)
	}
	return s, nil
}

// wholeSeconds is how wrk and h2load want to be told: at least 1.
func wholeSeconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(d.Round(time.Second)/time.Second)))
}

// readWrk reads the line of wrkScript. Any error that wrk counted is one: the figures would lie.
func readWrk(out string) (sample, error) {
	for line := range strings.Lines(out) {
		var requests, took, p50, p99, statuses, failures int64
		n, _ := fmt.Sscanf(line, "BENCH %d %d %d %d %d %d", &requests, &took, &p50, &p99, &statuses, &failures)
		if n < 6 {
			continue
		}
		s := sample{requests, time.Duration(took) * time.Microsecond, time.Duration(p50) * time.Microsecond, time.Duration(p99) * time.Microsecond}
		switch {
		case statuses > 0 || failures > 0:
			return s, fmt.Errorf("%d of %d answers with an error status, %d failed", statuses, requests, failures)
		case requests == 0:
			return s, errors.New("no answer")
		}
		return s, nil
	}
	return sample{}, fmt.Errorf("no figures in %.300q", out)
}
