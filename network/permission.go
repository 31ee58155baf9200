package network

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// AllProtocols is EC2's name for every protocol.
const AllProtocols = "-1"

// Rule is one security group rule: one protocol, one port range, one peer. Exactly one
// of the peer members is set.
type Rule struct {
	ID       string `json:"id"` // sgr-
	GroupID  string `json:"groupId"`
	Egress   bool   `json:"egress,omitempty"`
	Protocol string `json:"protocol"` // tcp, udp, icmp, icmpv6, -1 or a number
	FromPort int    `json:"fromPort"` // ICMP: type; -1: all
	ToPort   int    `json:"toPort"`   // ICMP: code; -1: all

	CIDR        string `json:"cidr,omitempty"`
	CIDRv6      string `json:"cidrv6,omitempty"`      // stored and shown, not enforced: tasks have no IPv6
	SourceGroup string `json:"sourceGroup,omitempty"` // the peer's security group id, also for egress
	PrefixList  string `json:"prefixList,omitempty"`  // stored and shown, not enforced

	Description string `json:"description,omitempty"`
}

// Peer returns the rule's peer as text: a range, a group id or a prefix list id.
func (r Rule) Peer() string { return r.CIDR + r.CIDRv6 + r.SourceGroup + r.PrefixList }

// same reports whether two rules allow the same traffic, whatever they are called.
func (r Rule) same(o Rule) bool {
	r.ID, r.Description, o.ID, o.Description = "", "", "", ""
	return r == o
}

// describe words the rule as EC2's InvalidPermission.Duplicate does (NET-020).
func (r Rule) describe() string {
	switch r.Protocol {
	case AllProtocols:
		return fmt.Sprintf("peer: %s, ALL, ALLOW", r.Peer())
	case "icmp", "icmpv6":
		return fmt.Sprintf("peer: %s, %s, type: %d, code: %d, ALLOW", r.Peer(), strings.ToUpper(r.Protocol), r.FromPort, r.ToPort)
	case "tcp", "udp":
	default:
		return fmt.Sprintf("peer: %s, protocol: %s, ALLOW", r.Peer(), r.Protocol)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", r.Peer(), strings.ToUpper(r.Protocol), r.FromPort, r.ToPort)
}

// String words the rule for people: "tcp/80 from sg-1".
func (r Rule) String() string {
	way := " from "
	if r.Egress {
		way = " to "
	}
	return portText(r.Protocol, r.FromPort, r.ToPort) + way + r.Peer()
}

func portText(protocol string, from, to int) string {
	switch {
	case protocol == AllProtocols:
		return "all traffic"
	case from < 0 || (from == 0 && to == 65535):
		return protocol
	case from == to:
		return fmt.Sprintf("%s/%d", protocol, from)
	}
	return fmt.Sprintf("%s/%d-%d", protocol, from, to)
}

// Permission is EC2's IpPermission: a protocol and port range with many peers.
type Permission struct {
	Protocol    string
	FromPort    *int // nil: not given
	ToPort      *int
	Ranges      []Peer // CIDR blocks
	IPv6Ranges  []Peer
	Groups      []GroupPair
	PrefixLists []Peer // prefix list ids
}

// Peer is one range or prefix list of a Permission.
type Peer struct {
	Value       string
	Description string
}

// GroupPair is EC2's UserIdGroupPair. GroupID or GroupName is set.
type GroupPair struct {
	GroupID     string
	GroupName   string
	UserID      string // account
	Description string
}

// protocolNames are the protocols that EC2 shows by name (NET-022).
var protocolNames = map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": AllProtocols, "icmpv6": "icmpv6"}

func canonicalProtocol(protocol string) (string, error) {
	p := strings.ToLower(protocol)
	if name, ok := protocolNames[p]; ok {
		return name, nil
	}
	switch p {
	case "tcp", "udp", "icmp", AllProtocols:
		return p, nil
	}
	if number, err := strconv.Atoi(p); err == nil && number >= 0 && number <= 255 {
		return strconv.Itoa(number), nil
	}
	if p == "" {
		return "", missing("ipProtocol")
	}
	return "", invalidValue("Invalid value '%s' for IP protocol. Unknown protocol.", protocol)
}

// portRange checks the ports that go with a protocol; other protocols than TCP, UDP and
// ICMP have none (NET-023).
func portRange(protocol string, from, to *int) (int, int, error) {
	switch protocol {
	case "tcp", "udp":
		return tcpPortRange(from, to)
	case "icmp":
		return icmpRange(from, to)
	case "icmpv6":
		if from != nil && to != nil {
			return icmpRange(from, to)
		}
	}
	return -1, -1, nil
}

func tcpPortRange(from, to *int) (int, int, error) {
	if from == nil || to == nil {
		return 0, 0, invalidValue("Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
	}
	for _, port := range []int{*from, *to} {
		if port < 0 || port > 65535 {
			return 0, 0, permissionMalformed("TCP/UDP port (%d) out of range", port)
		}
	}
	if *from > *to {
		return 0, 0, invalidValue("Invalid TCP/UDP port range (%d:%d)", *from, *to)
	}
	return *from, *to, nil
}

func icmpRange(from, to *int) (int, int, error) {
	if from == nil || to == nil {
		return 0, 0, invalidValue("Invalid value for portRange. Must specify both from and to ports with ICMP.")
	}
	for _, n := range []int{*from, *to} {
		if n < -1 || n > 255 {
			return 0, 0, permissionMalformed("ICMP type/code (%d) out of range", n)
		}
	}
	return *from, *to, nil
}

// canonicalCIDR checks a range and clears its host bits, as EC2 does (NET-024).
func canonicalCIDR(text string, v6 bool) (string, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is6() != v6 {
		return "", invalidValue("CIDR block %s is malformed", text)
	}
	return p.Masked().String(), nil
}

// rules splits a permission into one rule per peer. Named groups are resolved in the
// group's VPC.
func (tx *tx) rules(g SecurityGroup, egress bool, p Permission) ([]Rule, error) {
	protocol, err := canonicalProtocol(p.Protocol)
	if err != nil {
		return nil, err
	}
	from, to, err := portRange(protocol, p.FromPort, p.ToPort)
	if err != nil {
		return nil, err
	}
	base := Rule{GroupID: g.ID, Egress: egress, Protocol: protocol, FromPort: from, ToPort: to}
	var out []Rule
	add := func(description string, err error, peer func(*Rule)) error {
		r := base
		r.Description = description
		peer(&r)
		out = append(out, r)
		return err
	}
	for _, peer := range p.Ranges {
		cidr, err := canonicalCIDR(peer.Value, false)
		if err := add(peer.Description, err, func(r *Rule) { r.CIDR = cidr }); err != nil {
			return nil, err
		}
	}
	for _, peer := range p.IPv6Ranges {
		cidr, err := canonicalCIDR(peer.Value, true)
		if err := add(peer.Description, err, func(r *Rule) { r.CIDRv6 = cidr }); err != nil {
			return nil, err
		}
	}
	for _, pair := range p.Groups {
		id, err := tx.peerGroup(g, pair)
		if err := add(pair.Description, err, func(r *Rule) { r.SourceGroup = id }); err != nil {
			return nil, err
		}
	}
	for _, peer := range p.PrefixLists {
		if err := add(peer.Description, nil, func(r *Rule) { r.PrefixList = peer.Value }); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, permissionMalformed("The permission has no IP range, security group or prefix list")
	}
	return out, nil
}

func (tx *tx) peerGroup(g SecurityGroup, pair GroupPair) (string, error) {
	if pair.GroupID != "" {
		found, err := tx.resolveGroup(pair.GroupID)
		return found.ID, err
	}
	if pair.GroupName == "" {
		return "", missing("groupId")
	}
	found, ok := tx.groupByName(g.VPCID, pair.GroupName)
	if !ok {
		return "", groupNotFound(pair.GroupName)
	}
	return found.ID, nil
}

// permissions groups rules by direction, protocol and ports, in order of first appearance.
func permissions(rules []Rule, egress bool) []Permission {
	type key struct {
		protocol string
		from, to int
	}
	index := map[key]int{}
	out := []Permission{}
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		k := key{r.Protocol, r.FromPort, r.ToPort}
		at, ok := index[k]
		if !ok {
			at = len(out)
			index[k] = at
			out = append(out, newPermission(r))
		}
		out[at].addPeer(r)
	}
	return out
}

func newPermission(r Rule) Permission {
	p := Permission{Protocol: r.Protocol}
	if r.Protocol == "tcp" || r.Protocol == "udp" || r.Protocol == "icmp" || r.Protocol == "icmpv6" {
		p.FromPort, p.ToPort = &r.FromPort, &r.ToPort
	}
	return p
}

func (p *Permission) addPeer(r Rule) {
	switch {
	case r.CIDR != "":
		p.Ranges = append(p.Ranges, Peer{r.CIDR, r.Description})
	case r.CIDRv6 != "":
		p.IPv6Ranges = append(p.IPv6Ranges, Peer{r.CIDRv6, r.Description})
	case r.SourceGroup != "":
		p.Groups = append(p.Groups, GroupPair{GroupID: r.SourceGroup, Description: r.Description})
	case r.PrefixList != "":
		p.PrefixLists = append(p.PrefixLists, Peer{r.PrefixList, r.Description})
	}
}
