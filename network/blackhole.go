package network

import (
	"net/netip"
	"reflect"
	"slices"
)

// Blackhole is a fault that is injected into a task's network (NET-050): packets to one port
// vanish, those of connections that are known included.
type Blackhole struct {
	Owner    string         `json:"owner"`    // ARN of the task
	Protocol string         `json:"protocol"` // tcp or udp
	Port     uint16         `json:"port"`
	Egress   bool           `json:"egress,omitempty"` // what the task sends, instead of what is sent to it
	Except   []netip.Prefix `json:"except,omitempty"` // peers that it does not concern
}

// Dropped is a Blackhole and the address of the task that it is at.
type Dropped struct {
	Address netip.Addr `json:"address"`
	Blackhole
}

// SetBlackholes replaces the faults that are injected into tasks' networks. They are not kept: who
// injects them does that, and gives them again after a restart. Each acts for as long as its task
// has an open interface.
func (n *Network) SetBlackholes(wanted []Blackhole) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(wanted) == 0 && len(n.blackholes) == 0 || reflect.DeepEqual(wanted, n.blackholes) {
		return
	}
	n.blackholes = slices.Clone(wanted)
	n.version++
	n.pokeExcept(func(*subscriber) bool { return false })
}

// dropped returns the injected faults at the addresses that their tasks have, in the order in which
// they were given. The mutex is held.
func (n *Network) dropped() []Dropped {
	var out []Dropped
	for _, b := range n.blackholes {
		for _, i := range n.interfaces {
			if i.Owner == b.Owner && !i.Closed && !i.LoadBalancer() {
				out = append(out, Dropped{i.Address, b})
			}
		}
	}
	return out
}

// catches reports whether a fault makes this traffic vanish.
func (d Dropped) catches(src, dst netip.Addr, protocol string, port int) bool {
	own, peer := dst, src
	if d.Egress {
		own, peer = src, dst
	}
	excepted := slices.ContainsFunc(d.Except, func(p netip.Prefix) bool { return p.Contains(peer) })
	return own == d.Address && d.Protocol == protocol && int(d.Port) == port && !excepted
}
