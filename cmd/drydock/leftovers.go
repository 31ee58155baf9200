package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	dockerapi "github.com/docker/docker/client"

	"drydock/alb/control"
	"drydock/network/iptables"
	"drydock/orchestrator/docker"
	"drydock/store"
)

// leftover is what an instance has on this machine whose daemon does not run.
type leftover struct {
	instance   string // empty if only rules are left
	prefix     string // of its rules' names
	home       string // where its state is or was, as [home] says it; empty if nothing tells
	networks   []string
	containers int
	bridge     string // that its rules are about
	rules      bool
}

// findLeftovers looks for what instances have in Docker and in the firewall whose daemons do not run.
func findLeftovers(ctx context.Context) ([]*leftover, error) {
	alive, err := aliveInstances()
	if err != nil {
		return nil, err
	}
	found := map[string]*leftover{} // by prefix
	if err := findInDocker(ctx, alive, found); err != nil {
		return nil, err
	}
	rules, err := iptables.Installed(ctx)
	if err != nil {
		return nil, err
	}
	for instance := range alive {
		delete(rules, rulePrefix(instance))
	}
	for prefix, bridge := range rules {
		l := cmp.Or(found[prefix], &leftover{prefix: prefix})
		l.rules, l.bridge = true, bridge
		found[prefix] = l
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *leftover) int { return strings.Compare(a.prefix, b.prefix) }), nil
}

func rulePrefix(instance string) string { return "dd" + instance[:min(6, len(instance))] }

// findInDocker looks for the networks and containers of instances that are not alive.
func findInDocker(ctx context.Context, alive map[string]bool, found map[string]*leftover) error {
	engine, err := dockerapi.NewClientWithOpts(dockerapi.FromEnv, dockerapi.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer engine.Close()
	of := func(labels map[string]string) *leftover {
		instance := labels["drydock.instance"]
		if alive[instance] {
			return nil
		}
		prefix := rulePrefix(instance)
		if found[prefix] == nil {
			found[prefix] = &leftover{instance: instance, prefix: prefix}
		}
		return found[prefix]
	}
	ours := filters.NewArgs(filters.Arg("label", "drydock.instance"))
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: ours})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if l := of(n.Labels); l != nil {
			l.networks, l.home = append(l.networks, n.Name), cmp.Or(n.Labels["drydock.home"], l.home)
		}
	}
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	for _, c := range containers {
		if l := of(c.Labels); l != nil {
			l.containers++
		}
	}
	return err
}

// stateDir is where the state is or was, empty if that is not known or on another machine.
func (l *leftover) stateDir() string {
	host, dir, _ := strings.Cut(l.home, ":")
	if host != hostname() {
		return ""
	}
	return dir
}

// abandoned reports whether it is certain that no daemon will ever take this up: its state is gone,
// or it is nothing but rules about a bridge that is gone.
func (l *leftover) abandoned() bool {
	if l.home == "" {
		return l.instance == "" && !bridgeThere(l.bridge)
	}
	dir := l.stateDir()
	if dir == "" || control.Holder(dir) != 0 {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, store.File))
	return errors.Is(err, os.ErrNotExist)
}

func bridgeThere(name string) bool {
	_, err := net.InterfaceByName(name)
	return name != "" && err == nil
}

// what says what is left.
func (l *leftover) what() string {
	var parts []string
	if l.containers > 0 {
		parts = append(parts, fmt.Sprintf("%d containers", l.containers))
	}
	if len(l.networks) > 0 {
		parts = append(parts, "network "+strings.Join(l.networks, ", "))
	}
	if l.rules {
		parts = append(parts, "firewall rules "+l.prefix)
	}
	return strings.Join(parts, " and ")
}

// check is the leftover as `drydock doctor` shows it.
func (l *leftover) check() Check {
	c := Check{Name: "left behind", Verdict: VerdictWarn, Found: l.what()}
	dir := l.stateDir()
	switch {
	case l.abandoned() && dir != "":
		c.Found += " of a daemon whose state in " + dir + " is gone"
		c.Remedy = "`drydock down --all` removes them"
	case l.abandoned():
		c.Remedy = "`drydock down --all` removes them"
	case dir != "":
		c.Found += " of a daemon that does not run"
		c.Remedy = fmt.Sprintf("`drydock daemon --state-dir %s` takes them up, `drydock down --all --state-dir %[1]s` removes them", dir)
	case l.home != "":
		c.Found += " of a daemon elsewhere, " + l.home
		c.Remedy = "if that one is gone for good: " + l.byHand()
	default:
		c.Found += " of a daemon that does not run and has not said where its state is"
		c.Remedy = "if it is gone for good: " + l.byHand()
	}
	return c
}

// byHand removes what is left in Docker.
func (l *leftover) byHand() string {
	if l.instance == "" {
		return "remove the chains that begin with " + l.prefix
	}
	label := "--filter label=drydock.instance=" + l.instance
	return fmt.Sprintf("`docker rm -f $(docker ps -aq %s)` and `docker network rm $(docker network ls -q %[1]s)`", label)
}

// remove removes what is left.
func (l *leftover) remove(ctx context.Context) error {
	var err error
	if l.instance != "" {
		engine, newErr := docker.New(ctx, docker.Config{Instance: l.instance, Logger: slog.New(slog.DiscardHandler)})
		if newErr != nil {
			return newErr
		}
		err = engine.Purge(ctx)
	}
	return errors.Join(err, iptables.New(l.prefix, l.bridge).Remove(ctx))
}

// removeAbandoned removes what no daemon will ever take up, and tells of the rest. What cannot be
// removed is told, too: it is not this daemon's, whose own end does not fail for it.
func removeAbandoned(ctx context.Context, tell func(string)) {
	found, err := findLeftovers(ctx)
	if err != nil {
		tell(fmt.Sprintf("what other daemons may have left behind is not known: %v", err))
		return
	}
	for _, l := range found {
		c := l.check()
		if !l.abandoned() {
			tell(fmt.Sprintf("left alone: %s; %s", c.Found, c.Remedy))
		} else if removeErr := l.remove(ctx); removeErr != nil {
			tell(fmt.Sprintf("left behind: %s cannot be removed: %v", c.Found, removeErr))
		} else {
			tell("removed " + c.Found)
		}
	}
}

// checkLeftovers looks for what daemons that do not run have left behind.
func checkLeftovers(ctx context.Context) []Check {
	found, err := findLeftovers(ctx)
	if err != nil {
		return []Check{{Name: "left behind", Verdict: VerdictWarn, Found: err.Error()}}
	}
	if len(found) == 0 {
		return []Check{{Name: "left behind", Verdict: VerdictOK, Found: "nothing of daemons that do not run"}}
	}
	var checks []Check
	for _, l := range found {
		checks = append(checks, l.check())
	}
	return checks
}
