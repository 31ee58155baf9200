package iptables

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"drydock/network"
)

// placeAliases puts the load balancers' addresses on the bridge and takes stale ones
// off. It returns those that are there; pending says that the bridge does not exist yet.
func placeAliases(ctx context.Context, bridge string, balancers []network.Member) (placed []netip.Addr, pending bool, err error) {
	have, ok := readAliases(bridge)
	if !ok {
		return nil, len(balancers) > 0, nil
	}
	for _, m := range balancers {
		if !slices.Contains(have, m.Address) {
			if _, err := run(ctx, "", "ip", "address", "add", m.Address.String()+"/32", "dev", bridge); err != nil {
				return placed, false, err
			}
		}
		placed = append(placed, m.Address)
	}
	for _, a := range have {
		if !slices.Contains(placed, a) {
			if _, err := run(ctx, "", "ip", "address", "del", a.String()+"/32", "dev", bridge); err != nil {
				return placed, false, err
			}
		}
	}
	return placed, false, nil
}

// readAliases returns the aliases on the bridge: its single addresses, except link-local
// ones. The bridge is the VPC's own and Docker's address on it has the VPC's range, so
// nobody else has any. It returns false if there is no such bridge.
func readAliases(bridge string) ([]netip.Addr, bool) {
	i, err := net.InterfaceByName(bridge)
	if err != nil {
		return nil, false
	}
	list, err := i.Addrs()
	if err != nil {
		return nil, false
	}
	var out []netip.Addr
	for _, a := range list {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && p.IsSingleIP() && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out, true
}
