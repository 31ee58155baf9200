package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is the CPU time of processes.
type usage struct {
	all  time.Duration // in nanoseconds where the kernel counts them
	user time.Duration // in ticks
}

func (u usage) sub(v usage) usage { return usage{u.all - v.all, u.user - v.user} }

// usageOf adds up what processes have used.
func usageOf(pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		all, err1 := cpuTime(pid)
		user, _, err2 := ticks(pid)
		if err := errors.Join(err1, err2); err != nil {
			return sum, err
		}
		sum.all, sum.user = sum.all+all, sum.user+user
	}
	return sum, nil
}

// cpuTime returns the CPU time that a process has used, user and system. The scheduler's own
// statistics count in nanoseconds; where the kernel has none, /proc/PID/stat counts in ticks.
func cpuTime(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		user, system, err := ticks(pid)
		return user + system, err
	}
	var sum time.Duration
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on all architectures of Go.
const tick = 10 * time.Millisecond

func ticks(pid int) (user, system time.Duration, err error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, 0, err
	}
	u, err1 := strconv.Atoi(fields[11])
	s, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("read the CPU time of process %d: %q", pid, fields)
	}
	return time.Duration(u) * tick, time.Duration(s) * tick, nil
}

// stat returns the fields of /proc/PID/stat that follow the name; the parent's id is [1].
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 22 {
		return nil, fmt.Errorf("read /proc/%d/stat: %q", pid, text)
	}
	return fields, nil
}

// children returns the processes that a process has started.
func children(pid int) []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var out []int
	for _, dir := range dirs {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if fields, err := stat(child); err == nil && fields[1] == strconv.Itoa(pid) {
			out = append(out, child)
		}
	}
	return out
}

// family returns a process and everything that it has started.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

// resident returns the sum of a line of /proc/PID/status, VmRSS or RssAnon, in MiB.
func resident(name string, pids ...int) (float64, error) {
	var sum float64
	for _, pid := range pids {
		mib, err := residentOne(name, pid)
		if err != nil {
			return 0, err
		}
		sum += mib
	}
	return sum, nil
}

func residentOne(name string, pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d: no %s", pid, name)
}
