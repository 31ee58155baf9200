package alb

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"drydock/timeline"
)

// SetSubnets replaces the zones that a load balancer is enabled for. Its address stays in the
// subnet that it was made in, which is warned about if that is no longer one of them.
// ipAddressType may be empty.
func (b *Balancer) SetSubnets(ctx context.Context, arn string, ids []string, ipAddressType string) (LoadBalancer, error) {
	if err := checkIPAddressType(cmp.Or(ipAddressType, "ipv4")); err != nil {
		return LoadBalancer{}, err
	}
	var set LoadBalancer
	err := b.update(ctx, func(x *tx) error {
		lb, err := x.loadBalancer(arn)
		if err != nil {
			return err
		}
		next := *lb
		if next.AvailabilityZones, err = x.resolveZones(lb.VPCID, ids); err != nil {
			return err
		}
		x.loadBalancers.put(x, arn, &next)
		x.event(timeline.Config, arn, "set subnets of load balancer "+lb.Name, map[string]string{"subnets": strings.Join(ids, ",")})
		if zone, inside := b.zoneOf(lb.VPCAddress); inside && !slices.ContainsFunc(next.AvailabilityZones, func(z AvailabilityZone) bool { return z.ZoneName == zone }) {
			x.warn(arn, "the load balancer keeps its address "+addrText(lb.VPCAddress)+" in zone "+zone+", which it is no longer enabled for", "Subnets")
		}
		set = next
		return nil
	})
	return set, err
}

// resolveZones returns the zones of subnets, which are all in the load balancer's VPC.
func (x *tx) resolveZones(vpc string, ids []string) ([]AvailabilityZone, error) {
	if len(ids) < 2 {
		return nil, invalid("At least two subnets in two different Availability Zones must be specified")
	}
	subnets, err := x.b.network.ResolveSubnets(x.ctx, ids)
	if err != nil {
		return nil, translate(err)
	}
	for _, subnet := range subnets {
		if subnet.VPCID != vpc {
			return nil, refuse("InvalidConfigurationRequest", "Subnet '%s' is not in the load balancer's VPC '%s'", subnet.ID, vpc)
		}
	}
	return zonesOf(subnets)
}

// SetIPAddressType accepts what a load balancer has already: ipv4.
func (b *Balancer) SetIPAddressType(_ context.Context, arn, ipAddressType string) (string, error) {
	lb, err := b.view.Load().loadBalancer(arn)
	if err != nil {
		return "", err
	}
	return lb.IPAddressType, checkIPAddressType(ipAddressType)
}

func checkIPAddressType(t string) error {
	switch t {
	case "ipv4":
		return nil
	case "dualstack", "dualstack-without-public-ipv4":
		return unsupported("InvalidConfigurationRequest", "The IP address type '"+t+"'", "use ipv4")
	}
	return constraint(t, "ipAddressType", "satisfy enum value set: [ipv4, dualstack, dualstack-without-public-ipv4]")
}
