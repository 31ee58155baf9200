package iptables

import (
	"fmt"
	"strings"

	"drydock/network"
)

// compiler writes the chains of one rule set as iptables-restore input.
type compiler struct {
	prefix string
	rs     network.RuleSet
	sets   sets
	b      strings.Builder
}

// chainNames are our chains, without prefix, in the order in which they can be deleted.
var chainNames = []string{"FWD", "OUT", "INP", "EG", "IN", "ACC", "HOLE"}

// compile returns the iptables-restore input that replaces all our chains. testBridge,
// if not empty, is the bridge of the self-test.
func compile(prefix string, rs network.RuleSet, testBridge string) string {
	c := &compiler{prefix: prefix, rs: rs, sets: wantedSets(prefix, rs)}
	c.b.WriteString("*filter\n")
	for _, name := range chainNames {
		fmt.Fprintf(&c.b, ":%s-%s - [0:0]\n", prefix, name)
	}
	c.forward(testBridge)
	c.output()
	c.input()
	c.egress()
	c.ingress()
	c.accepted()
	c.holes()
	c.b.WriteString("COMMIT\n")
	return c.b.String()
}

// add writes one rule; empty parts vanish.
func (c *compiler) add(chain string, parts ...string) {
	fmt.Fprintf(&c.b, "-A %s-%s", c.prefix, chain)
	for _, p := range parts {
		if p != "" {
			c.b.WriteString(" " + p)
		}
	}
	c.b.WriteByte('\n')
}

func (c *compiler) jump(chain string) string { return "-j " + c.prefix + "-" + chain }

// in matches packets whose src or dst is in one of the fixed sets.
func (c *compiler) in(set, direction string) string { return match(c.prefix+"-"+set, direction) }

func (c *compiler) notIn(set, direction string) string {
	return fmt.Sprintf("-m set ! --match-set %s-%s %s", c.prefix, set, direction)
}

func match(set, direction string) string {
	return fmt.Sprintf("-m set --match-set %s %s", set, direction)
}

const (
	established = "-m conntrack --ctstate ESTABLISHED,RELATED"
	accept      = "-j ACCEPT"
	drop        = "-j DROP"
	reset       = "-j REJECT --reject-with tcp-reset"
	giveBack    = "-j RETURN"
)

// toAgent matches what is sent to ECS's agent, cameForAgent what was before it was led there: who
// knows where the agent really listens does not reach it there.
var (
	toAgent      = fmt.Sprintf("-d %s/32 -p tcp --dport %d", network.MetadataAddress, network.MetadataPort)
	cameForAgent = fmt.Sprintf("-m conntrack --ctorigdst %s --ctorigdstport %d", network.MetadataAddress, network.MetadataPort)
)

// forward is the way between containers, and between containers and the outside. Rules hold
// for our own bridge only: an address on another one is not ours.
func (c *compiler) forward(testBridge string) {
	if testBridge != "" {
		c.add("FWD", "-i", testBridge, "-p tcp --dport", fmt.Sprint(testForbidden), drop)
		c.add("FWD", "-i", testBridge, accept)
	}
	from, to := "-i "+c.rs.Bridge, "-o "+c.rs.Bridge
	c.add("FWD", from, "-d", network.MetadataAddress.String()+"/32", drop) // the agent is here or nowhere
	c.add("FWD", from, c.jump("HOLE"))
	c.add("FWD", to, c.jump("HOLE"))
	c.add("FWD", from, c.in(quarantineSet, "src"), drop)
	c.add("FWD", to, c.in(quarantineSet, "dst"), drop)
	c.add("FWD", from, c.in(tasksSet, "src"), c.jump("EG"))
	c.add("FWD", to, c.in(tasksSet, "dst"), c.jump("IN"))
}

// output is the way from the host to containers: the load balancer, and everybody else
// on the host. A new connection from a balancer's address without the mark is faked.
func (c *compiler) output() {
	c.add("OUT", "! -o", c.rs.Bridge, giveBack)
	c.add("OUT", c.jump("HOLE"))
	c.add("OUT", c.in(quarantineSet, "dst"), drop)
	c.add("OUT", c.notIn(tasksSet, "dst"), giveBack)
	c.add("OUT", c.in(balancersSet, "src"), "-m conntrack --ctstate NEW", c.unmarked(), drop)
	c.add("OUT", c.in(balancersSet, "src"), c.jump("EG"))
	c.add("OUT", c.jump("IN"))
}

func (c *compiler) unmarked() string {
	return fmt.Sprintf("-m mark ! --mark %#x/%#x", c.rs.Mark, c.rs.MarkMask)
}

// input is the way from containers to the host, and from everywhere to the load
// balancers' addresses. Metadata and DNS are always reachable (NET-040).
func (c *compiler) input() {
	c.add("INP", "-i", c.rs.Bridge, c.jump("HOLE"))
	c.add("INP", c.in(quarantineSet, "src"), drop)
	c.add("INP", c.notIn(tasksSet, "src"), c.notIn(balancersSet, "dst"), giveBack)
	c.add("INP", established, accept)
	if c.rs.Agent.IsValid() {
		c.add("INP", "-i", c.rs.Bridge, c.in(tasksSet, "src"), "-p tcp", cameForAgent, accept)
	}
	c.add("INP", c.in(tasksSet, "src"), "-p udp --dport 53", accept)
	c.add("INP", c.in(tasksSet, "src"), "-p tcp --dport 53", accept)
	c.add("INP", c.in(tasksSet, "src"), c.jump("EG"))
	c.add("INP", c.in(balancersSet, "dst"), c.jump("IN"))
	c.add("INP", drop)
}

// egress returns what a member may send and drops the rest.
func (c *compiler) egress() {
	c.add("EG", established, giveBack)
	c.add("EG", "-p udp --dport 53", giveBack)
	c.add("EG", "-p tcp --dport 53", giveBack)
	c.rules("EG", true, giveBack)
	c.add("EG", drop)
}

// ingress hands what may reach a member to ACC and drops the rest. It is stateful (NET-041):
// a rule that goes does not cut connections that it let in.
func (c *compiler) ingress() {
	accepted := c.jump("ACC")
	c.add("IN", established, accepted)
	c.add("IN", "-m conntrack --ctstate INVALID", drop)
	c.add("IN", c.in(openSet, "dst"), accepted)
	c.rules("IN", false, accepted)
	c.add("IN", drop)
}

// accepted accepts what may reach a member, unless nobody is behind the address any more:
// then the answer is the reset that the stopped task's kernel would send (NET-042). That
// holds for known connections too: one may have the ports of the new one.
func (c *compiler) accepted() {
	c.add("ACC", "-p tcp", c.in(closedSet, "dst"), reset)
	c.add("ACC", accept)
}

// holes drops what injected faults concern, whatever the groups say and though the connection may
// be known (NET-050). The agent that ends a fault stays in reach, as with AWS.
func (c *compiler) holes() {
	for _, d := range c.rs.Dropped {
		own, peer := "-d ", "-s "
		if d.Egress {
			own, peer = "-s ", "-d "
			c.add("HOLE", "-p tcp", cameForAgent, giveBack)
		}
		packet := fmt.Sprintf("%s%s/32 -p %s --dport %d", own, d.Address, d.Protocol, d.Port)
		for _, p := range d.Except {
			c.add("HOLE", peer+p.String(), packet, giveBack)
		}
		c.add("HOLE", packet, drop)
	}
}

// rules writes the security group rules of one direction.
func (c *compiler) rules(chain string, egress bool, target string) {
	own, other := "dst", "src"
	if egress {
		own, other = "src", "dst"
	}
	for _, g := range c.rs.Groups {
		if len(g.Members) == 0 {
			continue
		}
		for _, r := range g.Rules {
			peer, ok := c.peer(r, other)
			ports, known := portMatch(r)
			if r.Egress != egress || !ok || !known {
				continue
			}
			c.add(chain, peer, match(groupSet(c.prefix, g.ID), own), ports, "-m comment --comment", r.ID, target)
		}
	}
}

// peer matches a rule's peer; false if nothing can match it.
func (c *compiler) peer(r network.Rule, direction string) (string, bool) {
	if r.SourceGroup != "" {
		name := groupSet(c.prefix, r.SourceGroup)
		_, ok := c.sets[name]
		return match(name, direction), ok
	}
	if r.CIDR == "0.0.0.0/0" {
		return "", true
	}
	return map[string]string{"src": "-s ", "dst": "-d "}[direction] + r.CIDR, r.CIDR != ""
}

// portMatch matches a rule's protocol and ports; false if tasks can't speak it.
func portMatch(r network.Rule) (string, bool) {
	switch r.Protocol {
	case network.AllProtocols:
		return "", true
	case "tcp", "udp":
		if r.FromPort == 0 && r.ToPort == 65535 {
			return "-p " + r.Protocol, true
		}
		return fmt.Sprintf("-p %s --dport %d:%d", r.Protocol, r.FromPort, r.ToPort), true
	case "icmp":
		return "-p icmp" + icmpType(r), true
	case "icmpv6":
		return "", false
	}
	return "-p " + r.Protocol, true
}

func icmpType(r network.Rule) string {
	switch {
	case r.FromPort < 0:
		return ""
	case r.ToPort < 0:
		return fmt.Sprintf(" --icmp-type %d", r.FromPort)
	}
	return fmt.Sprintf(" --icmp-type %d/%d", r.FromPort, r.ToPort)
}
