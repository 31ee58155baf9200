package network

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// Subnet is a range of a VPC in one availability zone. An adopted subnet shares the
// range of the zone's default subnet.
type Subnet struct {
	ID      string            `json:"id"`
	VPCID   string            `json:"vpcId"`
	CIDR    netip.Prefix      `json:"cidr"`
	Zone    string            `json:"zone"`
	Default bool              `json:"default,omitempty"` // the default subnet of its zone
	Adopted bool              `json:"adopted,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	// Free is the number of addresses that could be handed out now.
	Free int `json:"-"`
}

func (s Subnet) attribute(name string) ([]string, bool) {
	switch name {
	case "subnet-id":
		return []string{s.ID}, true
	case "vpc-id":
		return []string{s.VPCID}, true
	case "availability-zone", "availabilityZone":
		return []string{s.Zone}, true
	case "cidr", "cidr-block", "cidrBlock":
		return []string{s.CIDR.String()}, true
	case "default-for-az", "defaultForAz":
		return []string{boolText(s.Default)}, true
	case "state":
		return []string{"available"}, true
	}
	return tagAttribute(s.Tags, name)
}

// Subnets returns the subnets that have one of the ids (all, if there are none) and match
// the filters, by zone, default subnets first.
func (n *Network) Subnets(ids []string, filters ...Filter) ([]Subnet, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out, err := selectRows(n.subnets, ids, filters, func(id string) error {
		return notFoundOrMalformed(id, "subnet-", "InvalidSubnetID.Malformed", subnetNotFound)
	})
	for i := range out {
		out[i].Free = n.free(out[i].CIDR)
	}
	slices.SortFunc(out, compareSubnets)
	return out, err
}

func compareSubnets(a, b Subnet) int {
	if a.Default != b.Default {
		return strings.Compare(boolText(b.Default), boolText(a.Default))
	}
	if c := strings.Compare(a.Zone, b.Zone); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// ResolveSubnets returns the subnets with those ids, in their order, adopting unknown ones.
func (n *Network) ResolveSubnets(ctx context.Context, ids []string) ([]Subnet, error) {
	var out []Subnet
	err := n.update(ctx, func(tx *tx) (err error) {
		out, err = tx.resolveSubnets(ids)
		return err
	})
	return out, err
}

// Zone is an availability zone.
type Zone struct {
	Name   string // us-east-1a
	ID     string // use1-az1
	Region string
}

// AvailabilityZones returns the three zones of the region.
func (n *Network) AvailabilityZones() []Zone {
	zones := make([]Zone, 0, len(zoneLetters))
	for i, letter := range zoneLetters {
		zones = append(zones, Zone{
			Name:   n.config.Region + letter,
			ID:     zoneID(n.config.Region, i+1),
			Region: n.config.Region,
		})
	}
	return zones
}

var zoneLetters = []string{"a", "b", "c"}

// zoneID abbreviates a region the way AWS does: us-east-1 → use1-az1, ap-southeast-2 → apse2-az1.
func zoneID(region string, nth int) string {
	parts := strings.Split(region, "-")
	if len(parts) < 3 {
		return region + "-az" + string(rune('0'+nth))
	}
	directions := strings.NewReplacer("north", "n", "south", "s", "east", "e", "west", "w", "central", "c")
	middle := directions.Replace(strings.Join(parts[1:len(parts)-1], ""))
	return parts[0] + middle + parts[len(parts)-1] + "-az" + string(rune('0'+nth))
}
