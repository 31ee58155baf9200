package network

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// The firewall mark of the load balancer's connections to targets. Only a process with
// CAP_NET_ADMIN can set it, so it proves that the balancer dials.
const (
	Mark     uint32 = 0xDD000000
	MarkMask uint32 = 0xFF000000
)

// MetadataAddress is where tasks find ECS's agent: their metadata and credentials, on
// MetadataPort. It is always reachable (NET-040).
var MetadataAddress = netip.MustParseAddr("169.254.170.2")

// MetadataPort is the port of [MetadataAddress].
const MetadataPort = 80

// RuleSet is all that has to be true in the kernel, as plain data: it survives JSON.
// Its slices are sorted.
type RuleSet struct {
	Version    uint64         `json:"version"`
	Prefix     string         `json:"prefix"` // begins the names of chains and sets
	Bridge     string         `json:"bridge"` // the VPC's bridge interface
	VPC        string         `json:"vpc"`
	CIDR       netip.Prefix   `json:"cidr"`
	Mark       uint32         `json:"mark"` // of the load balancer's connections
	MarkMask   uint32         `json:"markMask"`
	Groups     []Group        `json:"groups"`
	Tasks      []Member       `json:"tasks"`
	Balancers  []Member       `json:"balancers"`         // their addresses are aliases on the bridge
	Closed     []netip.Addr   `json:"closed"`            // TCP that may reach them is answered with a reset (NET-042)
	Quarantine []netip.Addr   `json:"quarantine"`        // packets from and to them are dropped
	Agent      netip.AddrPort `json:"agent,omitzero"`    // where what is sent to MetadataAddress goes; zero: nowhere
	Dropped    []Dropped      `json:"dropped,omitempty"` // injected faults
}

// Group is a security group and the addresses in it.
type Group struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Open    bool         `json:"open,omitempty"` // lets everything in
	Members []netip.Addr `json:"members"`
	Rules   []Rule       `json:"rules"`
}

// Member is the address of one task or load balancer.
type Member struct {
	Address netip.Addr `json:"address"`
	Owner   string     `json:"owner"`
	Groups  []string   `json:"groups"`
}

// RuleSet compiles the state to the rule set that the kernel should obey.
func (n *Network) RuleSet() RuleSet {
	n.mu.RLock()
	defer n.mu.RUnlock()
	rs := RuleSet{
		Version: n.version, Prefix: n.config.Prefix, Bridge: n.bridge,
		VPC: n.defaultVPC, CIDR: n.vpcs[n.defaultVPC].CIDR, Mark: Mark, MarkMask: MarkMask,
		Quarantine: slices.SortedFunc(maps.Keys(n.quarantine), netip.Addr.Compare),
		Agent:      n.agent,
		Dropped:    n.dropped(),
	}
	members := map[string][]netip.Addr{}
	for _, a := range slices.SortedFunc(maps.Keys(n.byAddress), netip.Addr.Compare) {
		i := n.interfaces[n.byAddress[a]]
		m := Member{Address: a, Owner: i.Owner, Groups: i.Groups}
		if i.LoadBalancer() {
			rs.Balancers = append(rs.Balancers, m)
		} else {
			rs.Tasks = append(rs.Tasks, m)
		}
		if i.Closed {
			rs.Closed = append(rs.Closed, a)
		}
		for _, g := range i.Groups {
			members[g] = append(members[g], a)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(n.groups)) {
		g := n.groups[id]
		rs.Groups = append(rs.Groups, Group{ID: g.ID, Name: g.Name, Open: g.Open, Members: members[id], Rules: g.Rules})
	}
	return rs
}

// group returns the group with that id.
func (rs RuleSet) group(id string) (Group, bool) {
	at, ok := slices.BinarySearchFunc(rs.Groups, id, func(g Group, id string) int { return strings.Compare(g.ID, id) })
	if !ok {
		return Group{}, false
	}
	return rs.Groups[at], true
}

// Member returns the task or load balancer at an address.
func (rs RuleSet) Member(a netip.Addr) (Member, bool) {
	for _, list := range [][]Member{rs.Tasks, rs.Balancers} {
		at, ok := slices.BinarySearchFunc(list, a, func(m Member, a netip.Addr) int { return m.Address.Compare(a) })
		if ok {
			return list[at], true
		}
	}
	return Member{}, false
}
