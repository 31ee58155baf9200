package iptables

import (
	"net/netip"
	"strings"
	"testing"

	"drydock/network"
)

func TestGroupSet_FitsTheKernel(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"sg-0123456789abcdef0", "sg-alb", "sg-a-very-long-name-for-production", "sg-a-very-long-name-for-staging", "sg-UPPER", "sg-upper"} {
		name := groupSet("dd123456", id)
		if len(name) > maxSetName {
			t.Errorf("%s: %q has %d characters", id, name, len(name))
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%s and %s share %s", id, other, name)
		}
		seen[name] = id
	}
}

// A task that stops must not cost more than a member of a set.
func TestCompile_ClosedChangesSetsOnly(t *testing.T) {
	member := netip.MustParseAddr("172.31.0.5")
	live := network.RuleSet{Tasks: []network.Member{{Address: member}}}
	closed := live
	closed.Closed = []netip.Addr{member}
	if compile("p", live, "") != compile("p", closed, "") {
		t.Error("the chains differ")
	}
	have, want := wantedSets("p", live), wantedSets("p", closed)
	if got := additions(have, want) + removals(have, want); got != "add p-closed 172.31.0.5\n" {
		t.Errorf("the change of sets is %q", got)
	}
}

func TestCompile_Rules(t *testing.T) {
	member := netip.MustParseAddr("172.31.0.5")
	rule := func(r network.Rule) network.RuleSet {
		r.ID = "sgr-1"
		return network.RuleSet{Groups: []network.Group{
			{ID: "sg-a", Members: []netip.Addr{member}, Rules: []network.Rule{r}},
			{ID: "sg-b", Members: []netip.Addr{member}},
			{ID: "sg-empty"},
		}}
	}
	const own = "-m set --match-set p-sg-a dst "
	const end = "-m comment --comment sgr-1 -j p-ACC"
	for _, c := range []struct {
		name string
		rule network.Rule
		want string // empty: no rule
	}{
		{"everything", network.Rule{Protocol: "-1", CIDR: "0.0.0.0/0"}, own + end},
		{"range and port", network.Rule{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "10.0.0.0/8"}, "-s 10.0.0.0/8 " + own + "-p tcp --dport 80:80 " + end},
		{"all ports", network.Rule{Protocol: "udp", ToPort: 65535, CIDR: "0.0.0.0/0"}, own + "-p udp " + end},
		{"group", network.Rule{Protocol: "tcp", FromPort: 1, ToPort: 2, SourceGroup: "sg-b"}, "-m set --match-set p-sg-b src " + own + "-p tcp --dport 1:2 " + end},
		{"group without members", network.Rule{Protocol: "-1", SourceGroup: "sg-empty"}, ""},
		{"ping", network.Rule{Protocol: "icmp", FromPort: 8, ToPort: 0, CIDR: "0.0.0.0/0"}, own + "-p icmp --icmp-type 8/0 " + end},
		{"any icmp", network.Rule{Protocol: "icmp", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}, own + "-p icmp " + end},
		{"protocol by number", network.Rule{Protocol: "50", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}, own + "-p 50 " + end},
		{"IPv6", network.Rule{Protocol: "-1", CIDRv6: "::/0"}, ""},
		{"prefix list", network.Rule{Protocol: "-1", PrefixList: "pl-1"}, ""},
	} {
		got := ""
		for line := range strings.Lines(compile("p", rule(c.rule), "")) {
			if strings.Contains(line, "sgr-1") {
				got = strings.TrimPrefix(strings.TrimSpace(line), "-A p-IN ")
			}
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
