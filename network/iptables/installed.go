package iptables

import (
	"context"
	"os"
	"regexp"
	"strings"
)

// forwardChain is the chain that every rule set has, by its prefix as package network makes them.
var forwardChain = regexp.MustCompile(`^(dd[0-9a-f]{6})-FWD$`)

// Installed returns the rule sets that are in the kernel, whoever put them there: the prefixes of
// their names, with the bridge that they are about, empty if no rule names one. Without root there are
// none that anybody could see.
func Installed(ctx context.Context) (map[string]string, error) {
	if os.Geteuid() != 0 || !installed("iptables") {
		return nil, nil
	}
	out, err := filterTable4.run(ctx, "-S")
	if err != nil {
		return nil, err
	}
	return ruleSets(out), nil
}

func ruleSets(listed string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(listed) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "-N" && f[0] != "-A" {
			continue
		}
		chain := forwardChain.FindStringSubmatch(f[1])
		if chain == nil {
			continue
		}
		found[chain[1]] += ""
		for n, word := range f[:len(f)-1] {
			if word == "-i" && found[chain[1]] == "" {
				found[chain[1]] = f[n+1]
			}
		}
	}
	return found
}
