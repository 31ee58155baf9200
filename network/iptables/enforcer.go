package iptables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"drydock/network"
)

// Enforcer makes rule sets true with ipset and iptables.
type Enforcer struct {
	prefix string
	bridge string

	mu      sync.Mutex
	rs      network.RuleSet // last applied
	chains  string          // its iptables-restore input
	notes   []string        // about IPv6, from when the chains were last written
	applied bool            // rs is true in the kernel as far as we know
	pending bool            // only the bridge was missing
	tested  bool            // the self-test passed
	report  network.Report  // of the last Apply
}

var _ network.Enforcer = (*Enforcer)(nil)

// New returns an Enforcer for the names in a RuleSet: the prefix of all chains and sets,
// and the bridge of the VPC. It changes nothing yet.
func New(prefix, bridge string) *Enforcer { return &Enforcer{prefix: prefix, bridge: bridge} }

// Apply makes a rule set true: members first, then all chains at once, then the hooks,
// then what is not needed any more goes. The first time a self-test follows. Its errors
// read as the reason why security groups are not enforced, and name the remedy.
func (e *Enforcer) Apply(ctx context.Context, rs network.RuleSet) (network.Report, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stillPending(rs) {
		return e.report, nil
	}
	whole := !e.applied || e.rs.Version == rs.Version // nothing changed: somebody asks for repair
	e.applied = false
	if os.Geteuid() != 0 {
		return network.Report{}, errors.New("the daemon does not run as root: start it with sudo")
	}
	report, aliasErr := e.placeAliases(ctx, rs)
	for _, program := range []string{"iptables", "iptables-restore", "ipset", "ip"} {
		if err := need(program); err != nil {
			return report, err
		}
	}
	if aliasErr != nil {
		return report, fmt.Errorf("put the load balancers' addresses on %s: %w", e.bridge, aliasErr)
	}
	notes, err := e.apply(ctx, rs, whole)
	report.Notes = notes
	if err != nil {
		return report, err
	}
	e.rs, e.applied, e.pending, e.report = rs, true, report.Pending, report
	return report, nil
}

// stillPending reports whether there is nothing new: same rule set, and no bridge yet.
func (e *Enforcer) stillPending(rs network.RuleSet) bool {
	if !e.applied || !e.pending || e.rs.Version != rs.Version {
		return false
	}
	_, ok := readAliases(e.bridge)
	return !ok
}

func (e *Enforcer) placeAliases(ctx context.Context, rs network.RuleSet) (network.Report, error) {
	placed, pending, err := placeAliases(ctx, e.bridge, rs.Balancers)
	return network.Report{Aliases: placed, Pending: pending}, err
}

// apply does the part that iptables and ipset have in it. Tasks that come and go change
// sets only; then chains and hooks are left alone unless the whole is asked for.
func (e *Enforcer) apply(ctx context.Context, rs network.RuleSet, whole bool) (notes []string, err error) {
	want := wantedSets(e.prefix, rs)
	have, err := readSets(ctx, e.prefix)
	if err != nil {
		return nil, err
	}
	if err := restoreSets(ctx, additions(have, want)); err != nil {
		return nil, err
	}
	if chains := compile(e.prefix, rs, ""); whole || chains != e.chains {
		if err := e.restoreChains(ctx, chains); err != nil {
			return nil, err
		}
		e.chains, e.notes = chains, mirrorIPv6(ctx, e.prefix, e.bridge)
	}
	if whole || rs.Agent != e.rs.Agent {
		if err := e.placeAgent(ctx, rs); err != nil {
			return nil, err
		}
	}
	if err := restoreSets(ctx, removals(have, want)); err != nil {
		return nil, err
	}
	return slices.Concat(e.notes, forgetFlows(ctx, released(have, want, e.prefix))), nil
}

// Test dials what the rules forbid, between two throw-away namespaces, unless that was done
// before: settings of the kernel decide whether they are looked at at all.
func (e *Enforcer) Test(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tested {
		return nil
	}
	err := e.selfTest(ctx, e.rs)
	if err == nil {
		err = e.restoreChains(ctx, e.chains) // without the test's own rules
	}
	e.tested, e.applied = err == nil, err == nil
	return err
}

// restoreChains replaces our chains in one transaction and makes sure of the hooks.
func (e *Enforcer) restoreChains(ctx context.Context, script string) error {
	if _, err := run(ctx, script, "iptables-restore", "--noflush", "-w"); err != nil {
		return err
	}
	return insertHooks(ctx, filterTable4, e.hooks(ctx))
}

// released returns the addresses that are new in the quarantine.
func released(have, want sets, prefix string) []netip.Addr {
	name := prefix + "-" + quarantineSet
	var out []netip.Addr
	for a := range want[name] {
		if !have[name][a] {
			out = append(out, a)
		}
	}
	return out
}

// Check returns an error if sets, chains, hooks or aliases are not as the last Apply
// left them, or if bridged traffic does not pass iptables any more.
func (e *Enforcer) Check(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.applied {
		return errors.New("no rule set is applied")
	}
	err := errors.Join(e.checkSets(ctx), e.checkChains(ctx), e.checkAgent(ctx), e.checkAliases())
	if bypassed() {
		e.tested = false
		err = errBypassed
	}
	e.applied = err == nil
	return err
}

func (e *Enforcer) checkSets(ctx context.Context) error {
	have, err := readSets(ctx, e.prefix)
	if err != nil {
		return err
	}
	want := wantedSets(e.prefix, e.rs)
	if additions(have, want)+removals(have, want) != "" {
		return errors.New("the sets were changed")
	}
	return nil
}

func (e *Enforcer) checkChains(ctx context.Context) error {
	t, err := readTable(ctx, filterTable4, e.prefix)
	if err != nil {
		return err
	}
	if !maps.Equal(t.chains, chainSizes(compile(e.prefix, e.rs, ""))) {
		return errors.New("the chains were changed")
	}
	for _, h := range e.hooks(ctx) {
		if !slices.Contains(t.hooks, h) {
			return fmt.Errorf("the hook in %s is gone", h.from)
		}
	}
	return nil
}

func (e *Enforcer) checkAliases() error {
	have, ok := readAliases(e.bridge)
	if ok == e.pending && len(e.rs.Balancers) > 0 {
		return fmt.Errorf("bridge %s came or went", e.bridge)
	}
	if ok && len(have) != len(e.rs.Balancers) {
		return fmt.Errorf("the addresses on %s were changed", e.bridge)
	}
	return nil
}

// Remove takes away hooks, chains, sets and aliases. What is not there, or can't be there
// because its program is missing, is not an error.
func (e *Enforcer) Remove(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return nil // nothing was made: Apply was refused
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.applied, e.tested = false, false
	var errs []error
	for _, t := range []table{natTable, filterTable4, filterTable6} {
		if installed(t[0]) {
			errs = append(errs, removeTable(ctx, t, e.prefix))
		}
	}
	if installed("ipset") {
		errs = append(errs, e.removeSets(ctx))
	}
	if installed("ip") {
		removeTestLinks(ctx, e.prefix)
		_, _, err := placeAliases(ctx, e.bridge, nil)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the firewall rules of %s: %w", e.prefix, err)
	}
	return nil
}

func (e *Enforcer) removeSets(ctx context.Context) error {
	have, err := readSets(ctx, e.prefix)
	if err != nil {
		return err
	}
	return restoreSets(ctx, removals(have, nil))
}

// mirrorIPv6 drops all IPv6 from and to the bridge: tasks have none, and a link-local
// address must not be a way around the rules. It returns notes about what it couldn't do.
func mirrorIPv6(ctx context.Context, prefix, bridge string) []string {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		return nil
	}
	if !installed("ip6tables") || !installed("ip6tables-restore") {
		return []string{"ip6tables is not installed, IPv6 on the bridge is not dropped: apt install iptables"}
	}
	chain := prefix + "-V6"
	script := fmt.Sprintf("*filter\n:%s - [0:0]\n-A %[1]s -i %[2]s -j DROP\n-A %[1]s -o %[2]s -j DROP\nCOMMIT\n", chain, bridge)
	if _, err := run(ctx, script, "ip6tables-restore", "--noflush", "-w"); err != nil {
		return []string{"IPv6 on the bridge is not dropped: " + err.Error()}
	}
	if err := insertHooks(ctx, filterTable6, []hook{{"FORWARD", chain}, {"OUTPUT", chain}, {"INPUT", chain}}); err != nil {
		return []string{"IPv6 on the bridge is not dropped: " + err.Error()}
	}
	return nil
}

// forgetFlows deletes the connections of released addresses, so that who gets an address
// next does not inherit them.
func forgetFlows(ctx context.Context, released []netip.Addr) []string {
	if !installed("conntrack") {
		return []string{"conntrack is not installed, connections of stopped tasks are remembered until they time out: apt install conntrack"}
	}
	var notes []string
	for _, a := range released {
		for _, side := range []string{"--src", "--dst"} {
			_, err := run(ctx, "", "conntrack", "-D", "-f", "ipv4", side, a.String())
			if err != nil && !strings.Contains(err.Error(), "0 flow entries") {
				notes = []string{"connections of stopped tasks could not be forgotten: " + err.Error()}
			}
		}
	}
	return notes
}
