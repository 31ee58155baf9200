package network

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"drydock/timeline"
)

// Store keeps the rows and events of a Network.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a nil
	// document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Config holds the settings of a Network.
type Config struct {
	Region  string
	Account string
	// CIDR is the range of the default VPC, /16 to /27. It counts only the first time:
	// a VPC that is already stored keeps its own.
	CIDR netip.Prefix
	// BridgeName returns the name of a VPC's bridge interface on the host, which the engine
	// chooses; nil: made from the end of the VPC's id.
	BridgeName func(vpcID string) string
	// Prefix begins the names of all chains and sets; at most 9 characters; empty: made from the VPC's id.
	Prefix string
	// StrictIDs refuses unknown subnet, group and VPC ids instead of adopting them.
	StrictIDs bool
	// Quarantine is how long a released address is not reused; 0: 60 s.
	Quarantine time.Duration
	// Linger is how long the address of a closed interface goes on resetting connections after
	// the interface was deleted, within its quarantine. It stands for the slow end of an
	// interface on AWS, where nothing else here waits for it; 0: not at all.
	Linger time.Duration
	// Enforced says that Enforce will be called: Applied waits for it from the start.
	Enforced bool
}

// Network is the state of the virtual network. Its methods are safe for concurrent use.
type Network struct {
	store  Store
	config Config

	bridge string // of the default VPC

	mu sync.RWMutex
	state
	version     uint64 // of the rule set
	subscribers []*subscriber
	agent       netip.AddrPort // where ECS's agent listens; see SetAgent
	blackholes  []Blackhole    // injected faults; see SetBlackholes
	enforcement enforcement
}

// Open loads the network, or creates the default VPC, its three subnets and its default
// security group if there is none.
func Open(ctx context.Context, store Store, config Config) (*Network, error) {
	config.Quarantine = cmp.Or(config.Quarantine, 60*time.Second)
	config.Region = cmp.Or(config.Region, "us-east-1")
	n := &Network{store: store, config: config, state: newState(), version: 1, enforcement: newEnforcement(config.Enforced)}
	if err := n.load(ctx); err != nil {
		return nil, fmt.Errorf("load network: %w", err)
	}
	if n.defaultVPC == "" {
		if err := n.update(ctx, (*tx).createDefaults); err != nil {
			return nil, fmt.Errorf("create default VPC: %w", err)
		}
	}
	n.setNames()
	return n, nil
}

// setNames derives the names on the host from the VPC's id, so that two daemons with
// different states don't touch each other's.
func (n *Network) setNames() {
	id := n.defaultVPC[len(n.defaultVPC)-6:]
	n.config.Prefix = cmp.Or(n.config.Prefix, "dd"+id)
	n.bridge = "dd-" + id
	if n.config.BridgeName != nil {
		n.bridge = n.config.BridgeName(n.defaultVPC)
	}
}

// Bridge returns the name of the VPC's bridge interface on the host.
func (n *Network) Bridge() string { return n.bridge }

func (n *Network) load(ctx context.Context) error {
	loads := []struct { // subnets before addresses: they give the size of the ranges
		kind   string
		decode func([]byte) (any, error)
	}{
		{kindVPC, decode[VPC]},
		{kindSubnet, decode[Subnet]},
		{kindGroup, decode[SecurityGroup]},
		{kindInterface, decode[Interface]},
		{kindQuarantine, decode[Quarantined]},
	}
	for _, l := range loads {
		err := n.store.Load(ctx, l.kind, func(key string, doc []byte) error {
			row, err := l.decode(doc)
			if err != nil {
				return fmt.Errorf("%s %s: %w", l.kind, key, err)
			}
			n.set(l.kind, key, row)
			return nil
		})
		if err != nil {
			return err
		}
	}
	n.rewindCursors()
	return nil
}

func decode[T any](doc []byte) (any, error) {
	var row T
	err := json.Unmarshal(doc, &row)
	return row, err
}

// createDefaults makes what every AWS account has: NET-002, NET-003.
func (tx *tx) createDefaults() error {
	ranges, err := subnetRanges(tx.config.CIDR)
	if err != nil {
		return err
	}
	vpc := VPC{ID: newID("vpc-"), CIDR: tx.config.CIDR.Masked(), Default: true}
	tx.put(kindVPC, vpc.ID, vpc)
	tx.event(timeline.Network, vpc.ID, fmt.Sprintf("default VPC %s (%s) was created", vpc.ID, vpc.CIDR), nil)
	for i, r := range ranges {
		s := Subnet{ID: newID("subnet-"), VPCID: vpc.ID, CIDR: r, Zone: tx.config.Region + zoneLetters[i], Default: true}
		tx.put(kindSubnet, s.ID, s)
		tx.event(timeline.Network, s.ID, fmt.Sprintf("default subnet %s (%s) was created in %s", s.ID, s.CIDR, s.Zone), nil)
	}
	g := newGroup(newID("sg-"), "default", "default VPC security group", vpc.ID)
	g.Default = true
	g.Rules = append(g.Rules, Rule{ID: newID("sgr-"), GroupID: g.ID, Protocol: AllProtocols, FromPort: -1, ToPort: -1, SourceGroup: g.ID})
	tx.put(kindGroup, g.ID, g)
	tx.event(timeline.Network, g.ID, "default security group "+g.ID+" was created", nil)
	return nil
}
