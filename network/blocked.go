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
	t := traffic{rs, from, to.Addr(), "tcp", int(to.Port())}
	if v := t.check(balancer, true, task.Address); !v.Allowed {
		return fmt.Sprintf("no outbound rule of the load balancer's %s lets tcp/%d out to %s%s", rs.groupsOf(balancer), t.port, task.Address, nearest(v.Rule, "outbound"))
	}
	if v := t.check(task, false, balancer.Address); !v.Allowed {
		return fmt.Sprintf("no inbound rule of the task's %s lets tcp/%d in from the load balancer (%s, in %s)%s",
			rs.groupsOf(task), t.port, balancer.Address, rs.groupsOf(balancer), nearest(v.Rule, "inbound"))
	}
	return ""
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

// nearest names the rule that comes closest, if there is one.
func nearest(r Rule, way string) string {
	if r.ID == "" {
		return ": it has no " + way + " rule"
	}
	return fmt.Sprintf("; the nearest is %s (%s)", r, r.ID)
}
