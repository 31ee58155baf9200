package iptables

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"drydock/network"
)

// addresses are the members of one set.
type addresses map[netip.Addr]bool

// sets are sets by name.
type sets map[string]addresses

// The sets that are there whatever the groups are.
const (
	tasksSet      = "tasks"
	balancersSet  = "lb"
	closedSet     = "closed"
	quarantineSet = "quar"
	openSet       = "open" // members of groups that let everything in
)

// maxSetName is what the kernel allows (IPSET_MAXNAMELEN less the final zero).
const maxSetName = 31

var shortGroupID = regexp.MustCompile(`^sg-[0-9a-z]+$`)

// groupSet names the set of a group's members; a long or odd id is hashed.
func groupSet(prefix, id string) string {
	if name := prefix + "-" + id; len(name) <= maxSetName && shortGroupID.MatchString(id) {
		return name
	}
	sum := sha256.Sum256([]byte(id))
	return prefix + "-sg_" + hex.EncodeToString(sum[:8])
}

// wantedSets returns the sets that a rule set needs. A group without members has none:
// no rule from or to it can match.
func wantedSets(prefix string, rs network.RuleSet) sets {
	name := func(s string) string { return prefix + "-" + s }
	w := sets{name(tasksSet): {}, name(balancersSet): {}, name(closedSet): {}, name(quarantineSet): {}, name(openSet): {}}
	for _, m := range rs.Tasks {
		w[name(tasksSet)][m.Address] = true
	}
	for _, m := range rs.Balancers {
		w[name(balancersSet)][m.Address] = true
	}
	for _, a := range rs.Closed {
		w[name(closedSet)][a] = true
	}
	for _, a := range rs.Quarantine {
		w[name(quarantineSet)][a] = true
	}
	for _, g := range rs.Groups {
		if len(g.Members) == 0 {
			continue
		}
		members := addresses{}
		for _, a := range g.Members {
			members[a] = true
			if g.Open {
				w[name(openSet)][a] = true
			}
		}
		w[groupSet(prefix, g.ID)] = members
	}
	return w
}

// readSets returns the sets in the kernel whose names begin with our prefix.
func readSets(ctx context.Context, prefix string) (sets, error) {
	out, err := run(ctx, "", "ipset", "save")
	if err != nil {
		return nil, err
	}
	have := sets{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[1], prefix+"-") {
			continue
		}
		switch f[0] {
		case "create":
			have[f[1]] = addresses{}
		case "add":
			a, err := netip.ParseAddr(f[2])
			if err != nil {
				return nil, fmt.Errorf("ipset save: %w", err)
			}
			have[f[1]][a] = true
		}
	}
	return have, nil
}

// additions is the ipset script that creates and fills; it comes before the new chains.
func additions(have, want sets) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := have[name]; !ok {
			fmt.Fprintf(&b, "create %s hash:ip family inet maxelem 65536\n", name)
		}
		for a := range want[name] {
			if !have[name][a] {
				fmt.Fprintf(&b, "add %s %s\n", name, a)
			}
		}
	}
	return b.String()
}

// removals is the ipset script that takes away; it comes after the new chains.
func removals(have, want sets) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			fmt.Fprintf(&b, "destroy %s\n", name)
			continue
		}
		for a := range have[name] {
			if !want[name][a] {
				fmt.Fprintf(&b, "del %s %s\n", name, a)
			}
		}
	}
	return b.String()
}

// restoreSets runs an ipset script.
func restoreSets(ctx context.Context, script string) error {
	if script == "" {
		return nil
	}
	_, err := run(ctx, script, "ipset", "restore", "-exist")
	return err
}
