package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Application Load Balancer ends a connection of HTTP/2 after 10,000 requests, and h2load does not
// connect again: a load stays below that.
const perH2Connection = 9_900

// h2load loads a URL over HTTP/2, so many streams at a time on each connection, for about d.
func (b *bench) h2load(ctx context.Context, url string, connections, streams int, d time.Duration) (sample, error) {
	requests := min(connections*perH2Connection, int(d.Seconds()*40_000))
	file, err := os.CreateTemp(b.dir, "h2load.*.log")
	if err != nil {
		return sample{}, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	out, err := exec.CommandContext(ctx, "h2load", "-t", "1", "-c", strconv.Itoa(connections), "-m", strconv.Itoa(streams),
		"-n", strconv.Itoa(requests), "--log-file", file.Name(), url).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("h2load %s: %w: %.300s", url, err, out)
	}
	s, err := readH2load(string(out))
	if err != nil {
		return s, fmt.Errorf("h2load %s: %w", url, err)
	}
	times, err := readTimes(file)
	s.p50, s.p99 = percentile(times, 50), percentile(times, 99)
	return s, err
}

var h2loadTook = regexp.MustCompile(`(?m)^finished in ([0-9.]+(?:us|ms|s|m)),`)

var h2loadRequests = regexp.MustCompile(`(?m)^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)

// readH2load reads h2load's summary. What was under way when the time was over is no failure.
func readH2load(out string) (sample, error) {
	if !strings.Contains(out, "Application protocol: h2\n") {
		return sample{}, errors.New("HTTP/2 was not negotiated")
	}
	m, finished := h2loadRequests.FindStringSubmatch(out), h2loadTook.FindStringSubmatch(out)
	if m == nil || finished == nil {
		return sample{}, fmt.Errorf("no figures in %.300q", out)
	}
	var n [6]int64
	for i := range m[1:] {
		n[i], _ = strconv.ParseInt(m[i+1], 10, 64) // the pattern has seen to it
	}
	done, succeeded := n[0], n[1]
	if succeeded == 0 || succeeded < done {
		return sample{}, fmt.Errorf("%d of %d answers were good", succeeded, done)
	}
	took, err := time.ParseDuration(finished[1])
	if err != nil {
		return sample{}, fmt.Errorf("h2load's time: %w", err)
	}
	return sample{requests: succeeded, took: took}, nil
}

// readTimes reads h2load's log: start, status and microseconds of each request.
func readTimes(r io.Reader) ([]time.Duration, error) {
	var all []time.Duration
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return all, lines.Err()
		}
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue
		}
		µs, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read h2load's log: %w", err)
		}
		all = append(all, time.Duration(µs)*time.Microsecond)
	}
}

// percentile returns the nearest rank; 0 of nothing. It sorts all.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	rank := (len(all)*percent + 99) / 100
	return all[max(rank, 1)-1]
}
