package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Verdict says whether a connection passes, and by which rule.
type Verdict struct {
	Allowed bool   `json:"allowed"`
	Rule    Rule   `json:"rule,omitzero"` // that allows it; if it doesn't pass, the nearest one, if any
	Reason  string `json:"reason"`        // one sentence for people
}

// Reach says whether src may open a connection to port of dst. protocol is tcp or udp.
// Addresses that belong to nobody in the VPC are the outside: nothing limits them. What
// may reach a closed interface is allowed, and the reason adds that it is reset (NET-042).
func (rs RuleSet) Reach(src, dst netip.Addr, protocol string, port int) Verdict {
	for _, a := range []netip.Addr{src, dst} {
		if slices.Contains(rs.Quarantine, a) {
			return Verdict{Reason: fmt.Sprintf("%s is quarantined: it was released a moment ago", a)}
		}
	}
	for _, d := range rs.Dropped {
		if d.catches(src, dst, protocol, port) {
			return Verdict{Reason: fmt.Sprintf("a fault is injected at %s: %s/%d is a black hole", d.Address, protocol, port)}
		}
	}
	t := traffic{rs, src, dst, protocol, port}
	if m, ok := rs.Member(src); ok && !alwaysOut(dst, protocol, port) {
		if v := t.check(m, true, dst); !v.Allowed {
			return v
		}
	}
	m, ok := rs.Member(dst)
	if !ok {
		return Verdict{Allowed: true, Reason: fmt.Sprintf("%s is outside the VPC", dst)}
	}
	v := t.check(m, false, src)
	if v.Allowed && protocol == "tcp" && slices.Contains(rs.Closed, dst) {
		v.Reason += "; but nobody listens there any more: it is reset"
	}
	return v
}

// alwaysOut reports whether a task may send this whatever its egress rules are (NET-040).
func alwaysOut(dst netip.Addr, protocol string, port int) bool {
	return dst == MetadataAddress && protocol == "tcp" && port == MetadataPort || port == 53
}

// traffic is the connection that is asked about.
type traffic struct {
	rs       RuleSet
	src, dst netip.Addr
	protocol string
	port     int
}

// check looks for a rule of m's groups in one direction that allows the traffic. The nearest
// that does not is one for the same port with another peer, else one for the same peer, else any.
func (t traffic) check(m Member, egress bool, peer netip.Addr) Verdict {
	var nearest Rule
	closest := neither
	for _, id := range m.Groups {
		g, _ := t.rs.group(id)
		if g.Open && !egress {
			return Verdict{Allowed: true, Reason: g.ID + " was adopted without rules and lets everything in"}
		}
		for _, r := range g.Rules {
			if r.Egress != egress {
				continue
			}
			c := t.closeness(r, peer)
			if c == exact {
				return Verdict{Allowed: true, Rule: r, Reason: fmt.Sprintf("%s allows %s", g.ID, r)}
			}
			if nearest.ID == "" || c > closest {
				nearest, closest = r, c
			}
		}
	}
	return t.refused(m, egress, peer, nearest)
}

// How close a rule comes to allowing a connection.
const (
	neither = iota
	samePeer
	samePort
	exact
)

func (t traffic) closeness(r Rule, peer netip.Addr) int {
	c := neither
	if t.rs.peerMatches(r, peer) {
		c = samePeer
	}
	if r.Protocol == AllProtocols || r.Protocol == t.protocol && r.FromPort <= t.port && t.port <= r.ToPort {
		c += samePort
	}
	return c
}

func (rs RuleSet) peerMatches(r Rule, peer netip.Addr) bool {
	if r.SourceGroup != "" {
		g, _ := rs.group(r.SourceGroup)
		return slices.Contains(g.Members, peer)
	}
	p, err := netip.ParsePrefix(r.CIDR)
	return err == nil && p.Contains(peer)
}

func (t traffic) refused(m Member, egress bool, peer netip.Addr, nearest Rule) Verdict {
	kind, way := "ingress", "from"
	if egress {
		kind, way = "egress", "to"
	}
	who := peer.String()
	if p, ok := t.rs.Member(peer); ok {
		who = strings.Join(p.Groups, "+")
	}
	reason := fmt.Sprintf("no %s rule of %s matches %s/%d %s %s", kind, strings.Join(m.Groups, "+"), t.protocol, t.port, way, who)
	if nearest.ID != "" {
		reason += "; nearest: " + nearest.String()
	}
	return Verdict{Rule: nearest, Reason: reason}
}

// WhoCanReach returns the tasks and load balancers that may open a connection to port of dst.
func (rs RuleSet) WhoCanReach(dst netip.Addr, protocol string, port int) []Member {
	var out []Member
	for _, list := range [][]Member{rs.Tasks, rs.Balancers} {
		for _, m := range list {
			if m.Address != dst && rs.Reach(m.Address, dst, protocol, port).Allowed {
				out = append(out, m)
			}
		}
	}
	return out
}
