package network

import "net/netip"

// SetAgent says where ECS's agent listens: an address and port of the VPC's gateway, on which only
// packets from the VPC's bridge arrive. Tasks reach it at [MetadataAddress]; the zero value says
// that it does not serve.
func (n *Network) SetAgent(at netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.agent == at {
		return
	}
	n.agent = at
	n.version++
	n.pokeExcept(func(*subscriber) bool { return false })
}
