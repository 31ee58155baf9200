package iptables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// table is a program and the table of it that is meant, as the words that begin its commands.
type table []string

var (
	filterTable4 = table{"iptables", "-w"}
	filterTable6 = table{"ip6tables", "-w"}
	natTable     = table{"iptables", "-w", "-t", "nat"}
)

func (t table) run(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "", t[0], slices.Concat(t[1:], args)...)
}

// hook is a jump from a chain that is not ours to one that is.
type hook struct{ from, to string }

// hooks returns the hooks of IPv4. DOCKER-USER comes before Docker's own rules and
// survives its restarts; without it (no Docker yet) FORWARD has to do.
func (e *Enforcer) hooks(ctx context.Context) []hook {
	forward := "DOCKER-USER"
	if _, err := run(ctx, "", "iptables", "-w", "-n", "-L", forward, "1"); err != nil {
		forward = "FORWARD"
	}
	return []hook{{forward, e.prefix + "-FWD"}, {"OUTPUT", e.prefix + "-OUT"}, {"INPUT", e.prefix + "-INP"}}
}

// insertHooks puts hooks that are missing on top of their chains.
func insertHooks(ctx context.Context, in table, hooks []hook) error {
	for _, h := range hooks {
		if _, err := in.run(ctx, "-C", h.from, "-j", h.to); err == nil {
			continue
		}
		if _, err := in.run(ctx, "-I", h.from, "1", "-j", h.to); err != nil {
			return fmt.Errorf("hook %s into %s: %w", h.to, h.from, err)
		}
	}
	return nil
}

// listing is what iptables -S prints, reduced to what concerns us.
type listing struct {
	hooks  []hook         // jumps from foreign chains to ours
	chains map[string]int // our chains, and the number of their rules
}

// readTable returns what is ours in a table.
func readTable(ctx context.Context, in table, prefix string) (listing, error) {
	t := listing{chains: map[string]int{}}
	out, err := in.run(ctx, "-S")
	if err != nil {
		return t, err
	}
	ours := func(chain string) bool { return strings.HasPrefix(chain, prefix+"-") }
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case f[0] == "-N" && ours(f[1]):
			t.chains[f[1]] += 0
		case f[0] == "-A" && ours(f[1]):
			t.chains[f[1]]++
		case f[0] == "-A" && len(f) == 4 && f[2] == "-j" && ours(f[3]):
			t.hooks = append(t.hooks, hook{f[1], f[3]})
		}
	}
	return t, nil
}

// removeTable deletes our hooks, then our chains.
func removeTable(ctx context.Context, in table, prefix string) error {
	t, err := readTable(ctx, in, prefix)
	if err != nil {
		return err
	}
	var errs []error
	do := func(args ...string) {
		_, err := in.run(ctx, args...)
		errs = append(errs, err)
	}
	for _, h := range t.hooks {
		do("-D", h.from, "-j", h.to)
	}
	names := slices.Sorted(maps.Keys(t.chains))
	for _, name := range names {
		do("-F", name)
	}
	for _, name := range names {
		do("-X", name)
	}
	return errors.Join(errs...)
}

// chainSizes counts the rules of every chain in iptables-restore input.
func chainSizes(script string) map[string]int {
	sizes := map[string]int{}
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, ":"):
			sizes[f[0][1:]] += 0
		case strings.HasPrefix(line, "-A "):
			sizes[f[1]]++
		}
	}
	return sizes
}
