package network

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// VPC is a virtual private cloud. All VPCs share the bridge network of the default one.
type VPC struct {
	ID      string            `json:"id"`
	CIDR    netip.Prefix      `json:"cidr"`
	Default bool              `json:"default,omitempty"`
	Adopted bool              `json:"adopted,omitempty"` // created because a document named it
	Tags    map[string]string `json:"tags,omitempty"`
}

// Gateway returns the address of the host in the VPC: the first after the network address.
func (v VPC) Gateway() netip.Addr { return v.CIDR.Masked().Addr().Next() }

// attribute returns the values that an EC2 filter of that name looks at.
func (v VPC) attribute(name string) ([]string, bool) {
	switch name {
	case "vpc-id":
		return []string{v.ID}, true
	case "cidr", "cidr-block-association.cidr-block":
		return []string{v.CIDR.String()}, true
	case "is-default", "isDefault":
		return []string{boolText(v.Default)}, true
	case "state":
		return []string{"available"}, true
	}
	return tagAttribute(v.Tags, name)
}

// VPCs returns the VPCs that have one of the ids (all, if there are none) and match the
// filters, the default VPC first.
func (n *Network) VPCs(ids []string, filters ...Filter) ([]VPC, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out, err := selectRows(n.vpcs, ids, filters, func(id string) error {
		return notFoundOrMalformed(id, "vpc-", "InvalidVpcID.Malformed", vpcNotFound)
	})
	slices.SortFunc(out, func(a, b VPC) int {
		if a.Default != b.Default {
			return strings.Compare(boolText(b.Default), boolText(a.Default))
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, err
}

// DefaultVPC returns the default VPC, whose bridge network is the real one.
func (n *Network) DefaultVPC() VPC {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.vpcs[n.defaultVPC]
}

// ResolveVPC returns the VPC with that id, adopting an unknown one. An empty id is the default VPC.
func (n *Network) ResolveVPC(ctx context.Context, id string) (VPC, error) {
	var v VPC
	err := n.update(ctx, func(tx *tx) (err error) {
		v, err = tx.resolveVPC(id)
		return err
	})
	return v, err
}
