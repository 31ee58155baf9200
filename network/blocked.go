package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Blocked says in words what keeps a TCP connection from a load balancer's address away from a
// task's address and port: which group has no rule for it, and what it has instead. It is empty
// if the security groups let the connection pass, are not enforced, or are not known.
func (n *Network) Blocked(from netip.Addr, to netip.AddrPort) string {
	if enforced, _ := n.Enforcement(); !enforced {
		return ""
	}
	return n.RuleSet().blocked(from, to)
}

func (rs RuleSet) blocked(from netip.Addr, to netip.AddrPort) string {
	balancer, known := rs.Member(from)
	task, ok := rs.Member(to.Addr())
	if !known || !ok || slices.Contains(rs.Closed, to.Addr()) {
		return ""
	}
	port := fmt.Sprintf("tcp/%d", to.Port())
	if rules, pass := rs.passes(balancer, task.Address, to.Port(), true); !pass {
		return fmt.Sprintf("no outbound rule of the load balancer's %s lets %s out to %s%s", rs.groupsOf(balancer), port, task.Address, nearest(rules, to.Port(), "outbound"))
	}
	if rules, pass := rs.passes(task, balancer.Address, to.Port(), false); !pass {
		return fmt.Sprintf("no inbound rule of the task's %s lets %s in from the load balancer (%s, in %s)%s",
			rs.groupsOf(task), port, balancer.Address, rs.groupsOf(balancer), nearest(rules, to.Port(), "inbound"))
	}
	return ""
}

// passes reports whether one of a member's groups lets TCP to a port from or to a peer pass, and
// returns the rules that were looked at.
func (rs RuleSet) passes(m Member, peer netip.Addr, port uint16, egress bool) (seen []Rule, pass bool) {
	for _, id := range m.Groups {
		g, _ := rs.group(id)
		if g.Open && !egress {
			return nil, true
		}
		for _, r := range g.Rules {
			if r.Egress != egress {
				continue
			}
			seen = append(seen, r)
			if r.covers(port) && rs.isPeer(r, peer) {
				return seen, true
			}
		}
	}
	return seen, false
}

// covers reports whether the rule is about TCP to that port.
func (r Rule) covers(port uint16) bool {
	return r.Protocol == AllProtocols || r.Protocol == "tcp" && r.FromPort <= int(port) && int(port) <= r.ToPort
}

// isPeer reports whether an address is what the rule names as its peer.
func (rs RuleSet) isPeer(r Rule, a netip.Addr) bool {
	if r.SourceGroup != "" {
		g, _ := rs.group(r.SourceGroup)
		return slices.Contains(g.Members, a)
	}
	p, err := netip.ParsePrefix(r.CIDR)
	return err == nil && p.Contains(a)
}

// groupsOf names a member's groups: "security group sg-1 (shut)".
func (rs RuleSet) groupsOf(m Member) string {
	var names []string
	for _, id := range m.Groups {
		g, _ := rs.group(id)
		names = append(names, fmt.Sprintf("%s (%s)", id, g.Name))
	}
	word := "security group "
	if len(names) > 1 {
		word = "security groups "
	}
	return word + strings.Join(names, ", ")
}

// nearest names the rule that comes closest to the port: one for it from somebody else, else any.
func nearest(rules []Rule, port uint16, way string) string {
	if len(rules) == 0 {
		return ": it has no " + way + " rule"
	}
	r := rules[max(0, slices.IndexFunc(rules, func(r Rule) bool { return r.covers(port) }))]
	return fmt.Sprintf("; the nearest is %s (%s)", r, r.ID)
}
