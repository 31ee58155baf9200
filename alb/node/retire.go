package node

import (
	"net"
	"net/netip"
)

// Retire has every client connection end in order: idle ones are kept until they are used
// once more or time out, and each answer from now on says that it is the last one. Nothing
// is refused or cut. Another node is to listen by then; see [Node.Connections].
func (n *Node) Retire() { n.retiring.Store(true) }

// Connections returns the number of client connections now.
func (n *Node) Connections() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := 0
	for _, l := range n.everyListener() {
		sum += l.connections()
	}
	return sum
}

// Listeners returns the sockets that the node listens on, by the address in the snapshot.
// They belong to the node.
func (n *Node) Listeners() map[netip.AddrPort]net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := map[netip.AddrPort]net.Listener{}
	for _, l := range n.listeners {
		for addr, s := range l.sockets {
			all[addr] = s.Listener
		}
	}
	return all
}
