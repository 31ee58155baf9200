package network

import (
	"encoding/binary"
	"net/netip"
)

// reservedAddresses is how many addresses of a subnet are never handed out: the first
// four and the last (NET-001).
const reservedAddresses = 5

// usable returns the number of addresses of a range that may be handed out.
func usable(p netip.Prefix) int { return max(0, 1<<(32-p.Bits())-reservedAddresses) }

// free returns how many addresses of a default subnet's range could be handed out now.
func (s *state) free(p netip.Prefix) int { return usable(p) - s.used[p] }

// pickAddress chooses a subnet and a free address in it: the preferred zone first, then
// the range with most free addresses, then the order given.
func (tx *tx) pickAddress(subnets []Subnet, zone string) (Subnet, netip.Addr, error) {
	var best Subnet
	for _, s := range subnets {
		s.Free = tx.free(s.CIDR)
		if s.Free > 0 && (best.ID == "" || better(s, best, zone)) {
			best = s
		}
	}
	if best.ID == "" {
		return best, netip.Addr{}, noAddress(subnets)
	}
	return best, tx.nextAddress(best.CIDR), nil
}

func better(s, than Subnet, zone string) bool {
	if (s.Zone == zone) != (than.Zone == zone) {
		return s.Zone == zone
	}
	return s.Free > than.Free
}

// nextAddress returns the next free address after the last one handed out in the range,
// so that a freed address comes back as late as possible. The range must have a free one.
func (tx *tx) nextAddress(p netip.Prefix) netip.Addr {
	size := usable(p)
	for range size {
		at := tx.cursor[p] % size
		tx.cursor[p] = at + 1
		a := addressAt(p, at+reservedAddresses-1)
		if !tx.taken(a) {
			return a
		}
	}
	panic("network: no free address in " + p.String() + " although its count says so")
}

// addressAt returns the nth address of a range, from 0.
func addressAt(p netip.Prefix, nth int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], number(p.Masked().Addr())+uint32(nth))
	return netip.AddrFrom4(b)
}

// offsetIn is the inverse of addressAt.
func offsetIn(p netip.Prefix, a netip.Addr) int { return int(number(a) - number(p.Masked().Addr())) }

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func (s *state) taken(a netip.Addr) bool {
	if _, used := s.byAddress[a]; used {
		return true
	}
	_, quarantined := s.quarantine[a]
	return quarantined
}
