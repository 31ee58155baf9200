package network

import (
	"context"
	"fmt"
	"net/netip"

	"drydock/timeline"
)

// Move gives the default VPC another range, /16 to /27. It is an error while somebody has an
// address in the old one.
func (n *Network) Move(ctx context.Context, to netip.Prefix) error {
	err := n.update(ctx, func(tx *tx) error { return tx.move(to.Masked()) })
	if err != nil {
		return fmt.Errorf("move the default VPC to %s: %w", to, err)
	}
	return nil
}

func (tx *tx) move(to netip.Prefix) error {
	vpc := tx.vpcs[tx.defaultVPC]
	if len(tx.interfaces) > 0 {
		return fmt.Errorf("%d interfaces have addresses in %s", len(tx.interfaces), vpc.CIDR)
	}
	ranges, err := subnetRanges(to)
	if err != nil {
		return err
	}
	for a := range tx.quarantine {
		tx.put(kindQuarantine, a.String(), nil)
	}
	of := map[string]netip.Prefix{} // by zone: adopted subnets share it
	for i, s := range tx.defaultSubnets() {
		of[s.Zone] = ranges[i]
	}
	for id, s := range tx.subnets {
		s.CIDR = of[s.Zone]
		tx.put(kindSubnet, id, s)
	}
	for id, v := range tx.vpcs {
		v.CIDR = to
		tx.put(kindVPC, id, v)
	}
	tx.event(timeline.Network, vpc.ID, fmt.Sprintf("default VPC %s has %s instead of %s", vpc.ID, to, vpc.CIDR), nil)
	return nil
}
