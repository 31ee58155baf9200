package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// apartEnv is set in the process that measures the proxies.
const apartEnv = "DRYDOCK_BENCH_APART"

// targetRange is on the loopback interface of the proxies' network namespace: targets must
// have private addresses, which 127.0.0.0/8 is not.
const targetRange = "10.200.0.1/16"

// priority is that of all proxies, generators and backends alike: what else the machine does
// disturbs them less.
const priority = "-10"

// measureProxies compares the balancers in a process of its own with a network namespace of
// its own: there all ports are free, targets can have private addresses, the machine's own
// firewall rules are not measured along, and nothing of it is left however the run ends.
func measureProxies(ctx context.Context, b *bench) error {
	if os.Getenv(apartEnv) != "" {
		return b.compareProxies(ctx)
	}
	if os.Geteuid() != 0 {
		b.report.skip("proxy", "the balancer beside nginx and HAProxy", "a network namespace needs root")
		return nil
	}
	file := filepath.Join(b.dir, "proxy.json")
	err := b.runApart(ctx, file)
	text, readErr := os.ReadFile(file)
	if readErr != nil {
		return fmt.Errorf("measure the proxies in a namespace: %w", err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	b.report.Figures = append(b.report.Figures, r.Figures...)
	b.report.Notes = append(b.report.Notes, r.Notes...)
	return err
}

// runApart runs this program again, which writes its report to file.
func (b *bench) runApart(ctx context.Context, file string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := slices.Concat([]string{"-n", priority, self}, os.Args[1:], []string{"--only", "proxy", "--drydock", b.drydock, "--json", file})
	cmd := exec.CommandContext(ctx, "nice", args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), apartEnv+"=1"), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setsid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, time.Minute
	return cmd.Run()
}

// prefer gives a process's session the priority of all that is measured: where the kernel
// groups processes by session, their own priority counts only within it.
func prefer(pid int) {
	os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(priority), 0) // not every kernel groups
}

// furnish gives the new namespace its addresses.
func furnish() error {
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"address", "add", targetRange, "dev", "lo"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	// More ports for those that open a connection for each request, and a congestion control
	// that does not pace: the usual one, or the one that every kernel has. It works without, too.
	os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("10240 65000"), 0)
	if os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("cubic"), 0) != nil {
		os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0)
	}
	return nil
}
