package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"drydock/timeline"
)

// The kinds of row.
const (
	kindVPC        = "vpc"
	kindSubnet     = "subnet"
	kindGroup      = "security-group"
	kindInterface  = "network-interface"
	kindQuarantine = "quarantine"
)

// state is all rows in memory, and indexes over them.
type state struct {
	vpcs       map[string]VPC
	subnets    map[string]Subnet
	groups     map[string]SecurityGroup
	interfaces map[string]Interface
	quarantine map[netip.Addr]Quarantined

	defaultVPC string
	subnetBits int                   // size of every subnet
	byAddress  map[netip.Addr]string // interface ids
	byOwner    map[ownerKey]string   // interface ids
	used       map[netip.Prefix]int  // taken addresses, by range
	cursor     map[netip.Prefix]int  // where the search for a free address goes on, by range
}

type ownerKey struct{ owner, description string }

func newState() state {
	return state{
		vpcs: map[string]VPC{}, subnets: map[string]Subnet{}, groups: map[string]SecurityGroup{},
		interfaces: map[string]Interface{}, quarantine: map[netip.Addr]Quarantined{},
		byAddress: map[netip.Addr]string{}, byOwner: map[ownerKey]string{},
		used: map[netip.Prefix]int{}, cursor: map[netip.Prefix]int{},
	}
}

// get returns a row, or nil.
func (s *state) get(kind, key string) any {
	switch kind {
	case kindVPC:
		return row(s.vpcs, key)
	case kindSubnet:
		return row(s.subnets, key)
	case kindGroup:
		return row(s.groups, key)
	case kindInterface:
		return row(s.interfaces, key)
	default:
		return row(s.quarantine, netip.MustParseAddr(key))
	}
}

func row[K comparable, V any](rows map[K]V, key K) any {
	if v, ok := rows[key]; ok {
		return v
	}
	return nil
}

// set replaces a row; nil deletes it.
func (s *state) set(kind, key string, doc any) {
	switch kind {
	case kindVPC:
		setRow(s.vpcs, key, doc)
		if v, ok := doc.(VPC); ok && v.Default {
			s.defaultVPC = v.ID
		}
	case kindSubnet:
		setRow(s.subnets, key, doc)
		if subnet, ok := doc.(Subnet); ok {
			s.subnetBits = subnet.CIDR.Bits()
		}
	case kindGroup:
		setRow(s.groups, key, doc)
	case kindInterface:
		s.setInterface(key, doc)
	case kindQuarantine:
		a := netip.MustParseAddr(key)
		s.count(a, -len(s.quarantine))
		setRow(s.quarantine, a, doc)
		s.count(a, len(s.quarantine))
	}
}

func setRow[K comparable, V any](rows map[K]V, key K, doc any) {
	if v, ok := doc.(V); ok {
		rows[key] = v
		return
	}
	delete(rows, key)
}

func (s *state) setInterface(id string, doc any) {
	if old, ok := s.interfaces[id]; ok {
		delete(s.byAddress, old.Address)
		delete(s.byOwner, ownerKey{old.Owner, old.Description})
		s.count(old.Address, -1)
	}
	setRow(s.interfaces, id, doc)
	if i, ok := doc.(Interface); ok {
		s.byAddress[i.Address] = id
		s.byOwner[ownerKey{i.Owner, i.Description}] = id
		s.count(i.Address, 1)
	}
}

// count adds to the number of taken addresses of the range that a is in. All subnets
// have the same size, so the range follows from the address.
func (s *state) count(a netip.Addr, by int) {
	if p, err := a.Prefix(s.subnetBits); err == nil {
		s.used[p] += by
	}
}

// defaultSubnets returns the default subnets by zone.
func (s *state) defaultSubnets() []Subnet {
	var out []Subnet
	for _, subnet := range s.subnets {
		if subnet.Default {
			out = append(out, subnet)
		}
	}
	slices.SortFunc(out, compareSubnets)
	return out
}

// tx is one change: rows are visible in memory at once to its own code (everybody else
// waits for the mutex) and undone if the change is refused or can't be made durable.
type tx struct {
	*Network
	ctx    context.Context
	now    time.Time
	rows   map[string]any
	events []timeline.Event
	undo   []func()
}

// update runs one change under the mutex and commits it.
func (n *Network) update(ctx context.Context, change func(*tx) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := &tx{Network: n, ctx: ctx, now: time.Now(), rows: map[string]any{}}
	if err := change(t); err != nil {
		t.rollback()
		return err
	}
	if len(t.rows) == 0 && len(t.events) == 0 {
		return nil
	}
	if err := n.store.Commit(ctx, t.rows, t.events); err != nil {
		t.rollback()
		return fmt.Errorf("commit network change: %w", err)
	}
	if len(t.rows) > 0 {
		n.version++
		n.pokeExcept(func(*subscriber) bool { return false })
	}
	return nil
}

// put stores a row; nil deletes it.
func (tx *tx) put(kind, key string, doc any) {
	old := tx.get(kind, key)
	tx.undo = append(tx.undo, func() { tx.set(kind, key, old) })
	tx.set(kind, key, doc)
	tx.rows[kind+"/"+key] = doc
}

func (tx *tx) rollback() {
	for _, undo := range slices.Backward(tx.undo) {
		undo()
	}
}

// event records what the change did, caused by what its context carries.
func (tx *tx) event(kind timeline.Kind, subject, message string, data map[string]string) {
	tx.events = append(tx.events, timeline.Event{
		Seq: tx.store.NextSeq(), Time: tx.now, Kind: kind, Subject: subject,
		Cause: timeline.CauseFrom(tx.ctx), Message: message, Data: data,
	})
}

// rewindCursors lets the search for addresses go on after the highest one in use.
func (s *state) rewindCursors() {
	for a := range s.byAddress {
		p, err := a.Prefix(s.subnetBits)
		if err != nil {
			continue
		}
		s.cursor[p] = max(s.cursor[p], offsetIn(p, a)-reservedAddresses+2)
	}
}
