package network

import (
	"fmt"
	"net/netip"
)

// PickCIDR returns wanted if it overlaps none of taken, else the first of a fixed list
// of /16 ranges that doesn't: 172.31 down to 172.18, then 10.200 to 10.254. It returns
// false if there is none.
func PickCIDR(wanted netip.Prefix, taken []netip.Prefix) (netip.Prefix, bool) {
	for _, p := range append([]netip.Prefix{wanted}, candidates()...) {
		if p.IsValid() && !overlapsAny(p, taken) {
			return p.Masked(), true
		}
	}
	return netip.Prefix{}, false
}

func candidates() []netip.Prefix {
	var out []netip.Prefix
	for second := byte(31); second >= 18; second-- {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, second}), 16))
	}
	for second := byte(200); second < 255; second++ {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second}), 16))
	}
	return out
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if o.IsValid() && p.Overlaps(o) {
			return true
		}
	}
	return false
}

// subnetRanges cuts a VPC's range into the ranges of its three default subnets: the
// first three sixteenths of a /16 as AWS does (NET-002), quarters of anything smaller.
func subnetRanges(vpc netip.Prefix) ([]netip.Prefix, error) {
	if !vpc.IsValid() || !vpc.Addr().Is4() || vpc.Bits() < 16 || vpc.Bits() > 27 {
		return nil, &Error{Code: "InvalidVpc.Range", Message: fmt.Sprintf("The CIDR '%s' is invalid. It must be an IPv4 range between /16 and /27.", vpc)}
	}
	bits := vpc.Bits() + 2
	if vpc.Bits() == 16 {
		bits = 20
	}
	var out []netip.Prefix
	for i := range zoneLetters {
		out = append(out, netip.PrefixFrom(addressAt(vpc, i<<(32-bits)), bits))
	}
	return out, nil
}
