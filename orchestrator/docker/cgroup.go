package docker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/docker/docker/api/types/system"

	"drydock/orchestrator"
)

// cgroupRoot is where the host's cgroups are.
const cgroupRoot = "/sys/fs/cgroup"

// cpuPeriod is the kernel's default, in microseconds: a quota is so much of it.
const cpuPeriod = 100_000

// cgroups makes a cgroup for a task of several containers, so that its limits hold for all of
// them together (ECS-207, ECS-208). It can where Docker's cgroups are plain directories that we see
// and may change: the cgroupfs driver, on this machine, and we are root.
type cgroups struct {
	root string // empty: it cannot
	v2   bool
	off  atomic.Bool // it could not, after all
}

// find decides whether it can.
func (g *cgroups) find(info system.Info, host string) {
	socket, local := strings.CutPrefix(host, "unix://")
	if !local || os.Geteuid() != 0 || info.CgroupDriver != "cgroupfs" || !sameCgroups(socket) {
		return
	}
	g.root, g.v2 = cgroupRoot, info.CgroupVersion == "2"
}

// sameCgroups reports whether the process behind a socket sees the cgroups that we see.
func sameCgroups(socket string) bool {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	var peer *syscall.Ucred
	if raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}) != nil || err != nil {
		return false
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/cgroup", peer.Pid))
	ours, err2 := os.Readlink("/proc/self/ns/cgroup")
	return err == nil && err2 == nil && theirs == ours
}

// cgroupOf is the cgroup of a task as Docker names it, or empty: a task of one container needs none.
func (e *Engine) cgroupOf(spec orchestrator.TaskSpec) string {
	if e.cgroups.root == "" || e.cgroups.off.Load() || len(spec.Containers) < 2 || spec.CPU == 0 && spec.Memory == 0 {
		return ""
	}
	return e.cgroupName(spec.ARN)
}

func (e *Engine) cgroupName(task string) string {
	return "/drydock-" + e.config.Instance + "/" + task[strings.LastIndexByte(task, '/')+1:]
}

// ensureCgroup makes a task's cgroup. When that fails, tasks do without from now on.
func (e *Engine) ensureCgroup(spec orchestrator.TaskSpec) {
	name := e.cgroupOf(spec)
	if name == "" {
		return
	}
	quota := e.nanoCPUs(spec.CPU) * cpuPeriod / 1e9
	if err := e.cgroups.make(name, quota, spec.CPU, spec.Memory<<20); err != nil {
		e.cgroups.off.Store(true)
		e.log.Warn("tasks have no cgroup of their own: each container has its task's limits", "error", err)
	}
}

// make makes a cgroup with limits: microseconds of CPU a period, shares, bytes of memory; 0 is none.
func (g *cgroups) make(name string, quota, shares, memory int64) error {
	if g.v2 {
		return g.makeV2(name, quota, shares, memory)
	}
	cpu, mem := filepath.Join(g.root, "cpu", name), filepath.Join(g.root, "memory", name)
	if err := errors.Join(os.MkdirAll(cpu, 0o755), os.MkdirAll(mem, 0o755)); err != nil {
		return err
	}
	var err error
	if quota > 0 {
		err = errors.Join(setting(cpu, "cpu.cfs_period_us", cpuPeriod), setting(cpu, "cpu.cfs_quota_us", quota), setting(cpu, "cpu.shares", max(shares, leastShares)))
	}
	if memory > 0 {
		err = errors.Join(err, setting(mem, "memory.limit_in_bytes", memory))
		// Kernels without swap accounting don't have this one.
		if _, missing := os.Stat(filepath.Join(mem, "memory.memsw.limit_in_bytes")); missing == nil {
			err = errors.Join(err, setting(mem, "memory.memsw.limit_in_bytes", memory))
		}
	}
	return err
}

// makeV2 does so in the unified hierarchy, where a parent has to hand its controllers down.
func (g *cgroups) makeV2(name string, quota, shares, memory int64) error {
	dir := filepath.Join(g.root, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, parent := range []string{g.root, filepath.Dir(dir), dir} {
		if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+cpu +memory +pids"), 0o644); err != nil {
			return err
		}
	}
	var err error
	if quota > 0 {
		limit := fmt.Sprintf("%d %d", quota, cpuPeriod)
		weight := min(max(shares*100/defaultCPUShares, 1), 10_000)
		err = errors.Join(os.WriteFile(filepath.Join(dir, "cpu.max"), []byte(limit), 0o644), setting(dir, "cpu.weight", weight))
	}
	if memory > 0 {
		err = errors.Join(err, setting(dir, "memory.max", memory), setting(dir, "memory.swap.max", 0))
	}
	return err
}

func setting(dir, name string, value int64) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(strconv.FormatInt(value, 10)), 0o644)
}

// removeCgroup removes a task's cgroup, which its containers have left.
func (e *Engine) removeCgroup(task string) error { return e.cgroups.remove(e.cgroupName(task)) }

// removeCgroups removes what is left of the instance's.
func (e *Engine) removeCgroups() error {
	if e.cgroups.root == "" {
		return nil
	}
	instance := "/drydock-" + e.config.Instance
	err := error(nil)
	for _, dir := range e.cgroups.dirs(instance) {
		tasks, _ := os.ReadDir(dir)
		for _, t := range tasks {
			if t.IsDir() {
				err = errors.Join(err, gone(os.Remove(filepath.Join(dir, t.Name()))))
			}
		}
	}
	return errors.Join(err, e.cgroups.remove(instance))
}

// remove removes a cgroup from every hierarchy: the runtime has made it where we have not.
func (g *cgroups) remove(name string) error {
	if g.root == "" {
		return nil
	}
	var err error
	for _, dir := range g.dirs(name) {
		err = errors.Join(err, gone(os.Remove(dir)))
	}
	return err
}

// dirs are the directories of a cgroup.
func (g *cgroups) dirs(name string) []string {
	if g.v2 {
		return []string{filepath.Join(g.root, name)}
	}
	dirs, _ := filepath.Glob(filepath.Join(g.root, "*", name))
	return dirs
}

func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
