package alb

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drydock/network"
	"drydock/timeline"
)

// LoadBalancer is an Application Load Balancer.
type LoadBalancer struct {
	ARN, Name, DNSName    string
	CanonicalHostedZoneID string
	Scheme                string // internet-facing or internal
	Type                  string // application
	IPAddressType         string // ipv4
	VPCID                 string
	AvailabilityZones     []AvailabilityZone
	SecurityGroups        []string
	CreatedTime           time.Time
	State                 LoadBalancerState `json:"-"`
	Attributes            map[string]string // those that were set; see DescribeLoadBalancerAttributes
	Tags                  []Tag

	Address          netip.Addr // where its listeners listen on this machine; zero before the first
	VPCAddress       netip.Addr // its address in the VPC: targets see it as their peer
	NetworkInterface string     // the interface that holds VPCAddress
}

// AvailabilityZone is a zone that a load balancer is enabled for.
type AvailabilityZone struct {
	ZoneName, SubnetID string
}

// LoadBalancerState is provisioning, active or active_impaired, and why.
type LoadBalancerState struct {
	Code, Reason string
}

// ID returns the name in logs and metrics: app/name/16 hex.
func (lb LoadBalancer) ID() string {
	_, id, _ := strings.Cut(lb.ARN, ":loadbalancer/")
	return id
}

// CreateLoadBalancerInput holds what CreateLoadBalancer takes.
type CreateLoadBalancerInput struct {
	Name           string
	Subnets        []string // also those of SubnetMappings
	SecurityGroups []string // empty: the VPC's default group
	Scheme         string   // internet-facing
	Type           string   // application
	IPAddressType  string   // ipv4
	Tags           []Tag
}

// hostedZoneID stands for the hosted zone of a region's load balancers (ALB-205).
const hostedZoneID = "Z35SXDOTRQ7X7K"

// CreateLoadBalancer creates a load balancer; the same settings again return the one that exists.
func (b *Balancer) CreateLoadBalancer(ctx context.Context, in CreateLoadBalancerInput) (LoadBalancer, error) {
	in.Scheme = cmp.Or(in.Scheme, "internet-facing")
	in.Type = cmp.Or(in.Type, "application")
	in.IPAddressType = cmp.Or(in.IPAddressType, "ipv4")
	if err := in.check(); err != nil {
		return LoadBalancer{}, err
	}
	var lb LoadBalancer
	err := b.update(ctx, func(x *tx) (err error) {
		lb, err = x.createLoadBalancer(in)
		return err
	})
	return lb, err
}

func (in CreateLoadBalancerInput) check() error {
	if err := checkName("load balancer", in.Name); err != nil {
		return err
	}
	switch in.Type {
	case "application":
	case "network", "gateway":
		return unsupported("InvalidConfigurationRequest", fmt.Sprintf("The load balancer type '%s'", in.Type), "use application")
	default:
		return constraint(in.Type, "type", "satisfy enum value set: [application, network, gateway]")
	}
	if in.Scheme != "internet-facing" && in.Scheme != "internal" {
		return constraint(in.Scheme, "scheme", "satisfy enum value set: [internet-facing, internal]")
	}
	if err := checkIPAddressType(in.IPAddressType); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

func (x *tx) createLoadBalancer(in CreateLoadBalancerInput) (LoadBalancer, error) {
	existing := x.loadBalancerNamed(in.Name)
	lb, err := x.resolveLoadBalancer(in)
	if err != nil {
		return LoadBalancer{}, err
	}
	if existing != nil {
		if !lb.sameSettings(*existing) {
			return LoadBalancer{}, refuse("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", in.Name)
		}
		return x.b.view.Load().describe(*existing), nil
	}
	if len(x.loadBalancers.rows) >= maxLoadBalancers {
		return LoadBalancer{}, refuse("TooManyLoadBalancers", "The maximum number of load balancers has been reached")
	}
	lb.ARN = x.b.loadBalancerARN(in.Name)
	lb.DNSName = x.b.dnsName(in.Name, in.Scheme)
	lb.CreatedTime = x.now
	if err := x.createInterface(&lb); err != nil {
		return LoadBalancer{}, err
	}
	x.loadBalancers.put(x, lb.ARN, &lb)
	x.event(timeline.Config, lb.ARN, "created load balancer "+lb.Name, map[string]string{"dnsName": lb.DNSName, "vpcAddress": addrText(lb.VPCAddress)})
	created := lb
	created.State = LoadBalancerState{Code: "provisioning"} // ALB-206: active from the next look on
	return created, nil
}

// resolveLoadBalancer turns the ids of a request into a load balancer without identity.
func (x *tx) resolveLoadBalancer(in CreateLoadBalancerInput) (LoadBalancer, error) {
	if len(in.Subnets) < 2 {
		return LoadBalancer{}, invalid("At least two subnets in two different Availability Zones must be specified")
	}
	subnets, err := x.b.network.ResolveSubnets(x.ctx, in.Subnets)
	if err != nil {
		return LoadBalancer{}, translate(err)
	}
	zones, err := zonesOf(subnets)
	if err != nil {
		return LoadBalancer{}, err
	}
	groups, err := x.resolveGroups(in.SecurityGroups)
	if err != nil {
		return LoadBalancer{}, err
	}
	return LoadBalancer{
		Name: in.Name, Scheme: in.Scheme, Type: in.Type, IPAddressType: in.IPAddressType, Tags: in.Tags,
		CanonicalHostedZoneID: hostedZoneID, VPCID: subnets[0].VPCID, AvailabilityZones: zones, SecurityGroups: groups,
	}, nil
}

func (x *tx) resolveGroups(ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	groups, err := x.b.network.ResolveSecurityGroups(x.ctx, ids)
	if err != nil {
		return nil, translate(err)
	}
	var resolved []string
	for _, group := range groups {
		resolved = append(resolved, group.ID)
	}
	return resolved, nil
}

func zonesOf(subnets []network.Subnet) ([]AvailabilityZone, error) {
	var zones []AvailabilityZone
	for _, subnet := range subnets {
		for _, zone := range zones {
			if zone.ZoneName == subnet.Zone {
				return nil, refuse("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
			}
		}
		zones = append(zones, AvailabilityZone{ZoneName: subnet.Zone, SubnetID: subnet.ID})
	}
	slices.SortFunc(zones, func(a, b AvailabilityZone) int { return cmp.Compare(a.ZoneName, b.ZoneName) })
	return zones, nil
}

func (lb LoadBalancer) subnets() []string {
	var ids []string
	for _, zone := range lb.AvailabilityZones {
		ids = append(ids, zone.SubnetID)
	}
	return ids
}

// sameSettings compares lb, as asked for, with one that exists.
func (lb LoadBalancer) sameSettings(existing LoadBalancer) bool {
	return lb.Scheme == existing.Scheme && lb.Type == existing.Type && lb.IPAddressType == existing.IPAddressType &&
		slices.Equal(lb.AvailabilityZones, existing.AvailabilityZones) && sameTags(lb.Tags, existing.Tags) &&
		(len(lb.SecurityGroups) == 0 || sameSet(lb.SecurityGroups, existing.SecurityGroups))
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// dnsName makes a name as AWS does: my-lb-424835706.us-west-2.elb…
func (b *Balancer) dnsName(name, scheme string) string {
	var digits uint64
	fmt.Sscanf(b.newID(), "%x", &digits)
	prefix := ""
	if scheme == "internal" {
		prefix = "internal-"
	}
	return fmt.Sprintf("%s%s-%d.%s.%s", prefix, name, 100_000_000+digits%1_900_000_000, b.config.Region, b.config.DNSSuffix)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// DescribeLoadBalancers returns the load balancers with these ARNs or names; all if there are neither.
func (b *Balancer) DescribeLoadBalancers(_ context.Context, arns, names []string) ([]LoadBalancer, error) {
	v := b.view.Load()
	for _, arn := range arns {
		if err := checkARN("load balancer", arn); err != nil {
			return nil, err
		}
		if v.loadBalancers.rows[arn] == nil {
			return nil, loadBalancersNotFound()
		}
	}
	for _, name := range names {
		if v.loadBalancerNamed(name) == nil {
			return nil, refuse("LoadBalancerNotFound", "Load balancers '[%s]' not found", strings.Join(names, ", "))
		}
	}
	all := len(arns)+len(names) == 0
	rows := sorted(v.loadBalancers, func(lb *LoadBalancer) bool {
		return all || slices.Contains(arns, lb.ARN) || slices.Contains(names, lb.Name)
	}, func(a, b *LoadBalancer) int { return cmp.Compare(a.Name, b.Name) })
	found := make([]LoadBalancer, 0, len(rows))
	for _, lb := range rows {
		found = append(found, v.describe(*lb))
	}
	return found, nil
}

func (s state) loadBalancerNamed(name string) *LoadBalancer {
	for _, lb := range s.loadBalancers.rows {
		if lb.Name == name {
			return lb
		}
	}
	return nil
}

// describe adds the state: impaired while a listener is not open.
func (v *view) describe(lb LoadBalancer) LoadBalancer {
	lb.State = LoadBalancerState{Code: "active"}
	for _, l := range v.listenersOf(lb.ARN) {
		if err := v.problems[l.ARN]; err != nil {
			lb.State = LoadBalancerState{Code: "active_impaired", Reason: fmt.Sprintf("listener on port %d: %v", l.Port, err)}
		}
	}
	return lb
}

// DeleteLoadBalancer deletes a load balancer, its listeners and their rules. Deleting
// one that does not exist succeeds (ALB-208).
func (b *Balancer) DeleteLoadBalancer(ctx context.Context, arn string) error {
	if err := checkARN("load balancer", arn); err != nil {
		return err
	}
	var iface string
	err := b.update(ctx, func(x *tx) error {
		lb := x.loadBalancers.rows[arn]
		if lb == nil {
			return nil
		}
		if lb.attribute("deletion_protection.enabled") == "true" {
			return refuse("OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", arn)
		}
		cause := x.event(timeline.Config, arn, "deleted load balancer "+lb.Name, nil)
		for _, l := range x.listenersOf(arn) {
			x.removeListener(l)
		}
		x.loadBalancers.remove(x, arn)
		x.settle(cause)
		iface = lb.NetworkInterface
		return nil
	})
	if err != nil || iface == "" {
		return err
	}
	if err := b.network.DeleteInterface(ctx, iface, time.Now()); err != nil {
		return fmt.Errorf("release address of %s: %w", arn, err)
	}
	return nil
}

// SetSecurityGroups replaces a load balancer's security groups and returns them.
func (b *Balancer) SetSecurityGroups(ctx context.Context, arn string, groups []string) ([]string, error) {
	if len(groups) == 0 {
		return nil, refuse("InvalidConfigurationRequest", "A load balancer of type 'application' must have at least one security group")
	}
	var set []string
	err := b.update(ctx, func(x *tx) error {
		lb, err := x.loadBalancer(arn)
		if err != nil {
			return err
		}
		if set, err = x.resolveGroups(groups); err != nil {
			return err
		}
		if err := b.network.SetInterfaceGroups(ctx, lb.NetworkInterface, set); err != nil {
			return translate(err)
		}
		before := lb.SecurityGroups
		x.undo = append(x.undo, func() {
			b.network.SetInterfaceGroups(context.WithoutCancel(ctx), lb.NetworkInterface, before)
		})
		next := *lb
		next.SecurityGroups = set
		x.loadBalancers.put(x, arn, &next)
		x.event(timeline.Config, arn, "set security groups of load balancer "+lb.Name, map[string]string{"securityGroups": strings.Join(set, ",")})
		return nil
	})
	return set, err
}

func (s state) loadBalancer(arn string) (*LoadBalancer, error) {
	if err := checkARN("load balancer", arn); err != nil {
		return nil, err
	}
	if lb := s.loadBalancers.rows[arn]; lb != nil {
		return lb, nil
	}
	return nil, loadBalancerNotFound(arn)
}
