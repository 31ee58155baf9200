package alb

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"drydock/network"
)

// Network is what the balancer asks of the network. Its errors may carry EC2's codes.
type Network interface {
	// ResolveVPC returns a VPC; the default VPC if id is empty.
	ResolveVPC(ctx context.Context, id string) (network.VPC, error)
	// ResolveSubnets returns the subnets in the order of ids.
	ResolveSubnets(ctx context.Context, ids []string) ([]network.Subnet, error)
	ResolveSecurityGroups(ctx context.Context, ids []string) ([]network.SecurityGroup, error)
	// Subnets returns all subnets if ids is empty.
	Subnets(ids []string, filters ...network.Filter) ([]network.Subnet, error)
	NetworkInterfaces(ids []string, filters ...network.Filter) ([]network.Interface, error)
	// CreateInterface is idempotent per owner and description.
	CreateInterface(ctx context.Context, in network.CreateInterfaceInput) (network.Interface, error)
	SetInterfaceGroups(ctx context.Context, id string, groups []string) error
	// DialFrom returns what a load balancer with this VPC address dials targets with: source
	// address and SO_MARK, zero values as long as the host does not have the address.
	DialFrom(address netip.Addr) (source netip.Addr, mark uint32)
	// Changed returns a new channel of size 1 that holds a token when what DialFrom returns may
	// have changed.
	Changed() <-chan struct{}
	// Blocked says what keeps a TCP connection from a load balancer's address away from a task's
	// address and port; empty if nothing is known to.
	Blocked(from netip.Addr, to netip.AddrPort) string
	// DeleteInterface releases an interface's address; one that is gone is no error.
	DeleteInterface(ctx context.Context, id string, now time.Time) error
}

var _ Network = (*network.Network)(nil)

// createInterface gives lb its address in the VPC. Clients wait until no interface with
// this description is left after a deletion (ALB-207).
func (x *tx) createInterface(lb *LoadBalancer) error {
	created, err := x.b.network.CreateInterface(x.ctx, network.CreateInterfaceInput{
		SubnetIDs: lb.subnets(), Groups: lb.SecurityGroups, Description: "ELB " + lb.ID(), Owner: lb.ARN,
	})
	if err != nil {
		return translate(err)
	}
	x.undo = append(x.undo, func() {
		x.b.network.DeleteInterface(context.WithoutCancel(x.ctx), created.ID, x.now)
	})
	lb.NetworkInterface, lb.VPCAddress, lb.SecurityGroups = created.ID, created.Address, created.Groups
	return nil
}

// releaseOrphans releases the interfaces of load balancers that are gone: a creation or
// deletion was cut short.
func (b *Balancer) releaseOrphans(ctx context.Context, s state) error {
	all, err := b.network.NetworkInterfaces(nil)
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, i := range all {
		if !i.LoadBalancer() || s.loadBalancers.rows[i.Owner] != nil {
			continue
		}
		if err := b.network.DeleteInterface(ctx, i.ID, time.Now()); err != nil {
			return fmt.Errorf("release %s: %w", i.ID, err)
		}
	}
	return nil
}

// zoneOf returns the availability zone of the subnet that holds addr. All VPCs share
// one range.
func (b *Balancer) zoneOf(addr netip.Addr) (string, bool) {
	subnets, err := b.network.Subnets(nil)
	if err != nil {
		return "", false
	}
	for _, subnet := range subnets {
		if subnet.CIDR.Contains(addr) {
			return subnet.Zone, true
		}
	}
	return "", false
}

// translate gives an error of the network ELBv2's code for it; other errors pass.
func translate(err error) error {
	var coded interface{ AWSError() (string, string) }
	if !errors.As(err, &coded) {
		return err
	}
	code, message := coded.AWSError()
	switch code {
	case "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed":
		return refuse("SubnetNotFound", "%s", message)
	case "InvalidGroup.NotFound", "InvalidGroupId.Malformed", "InvalidGroupID.Malformed":
		return refuse("InvalidSecurityGroup", "%s", message)
	case "InvalidVpcID.NotFound", "InvalidVpcID.Malformed":
		return invalid("%s", message)
	case "InsufficientFreeAddressesInSubnet":
		return refuse("InvalidSubnet", "%s", message)
	}
	return err
}
