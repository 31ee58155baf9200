package network

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drydock/timeline"
)

// Interface is an elastic network interface: the address of a task, or of a load
// balancer in one zone. Values are read-only.
type Interface struct {
	ID             string     `json:"id"` // eni-
	VPCID          string     `json:"vpcId"`
	SubnetID       string     `json:"subnetId"`
	Zone           string     `json:"zone"`
	Address        netip.Addr `json:"address"`
	MAC            string     `json:"mac"`
	PrivateDNSName string     `json:"privateDnsName"`
	Groups         []string   `json:"groups"` // security group ids
	Description    string     `json:"description"`
	Owner          string     `json:"owner"`        // ARN of the task or load balancer
	AttachmentID   string     `json:"attachmentId"` // eni-attach-
	Created        time.Time  `json:"created"`
	Closed         bool       `json:"closed,omitempty"`  // nobody is behind it any more: see CloseInterface
	Released       time.Time  `json:"released,omitzero"` // deleted, but its address still lingers: see Config.Linger
}

// balancerDescription begins the description of a load balancer's interface: "ELB app/name/id" (NET-030).
const balancerDescription = "ELB "

// LoadBalancer reports whether the interface belongs to a load balancer, which its
// description says: "ELB app/name/id" (NET-030). All others belong to tasks.
func (i Interface) LoadBalancer() bool { return strings.HasPrefix(i.Description, balancerDescription) }

// Status is in-use, or available for one that is kept ready for a task.
func (i Interface) Status() string {
	if i.Warm() {
		return "available"
	}
	return "in-use"
}

func (i Interface) attribute(name string) ([]string, bool) {
	switch name {
	case "network-interface-id":
		return []string{i.ID}, true
	case "vpc-id":
		return []string{i.VPCID}, true
	case "subnet-id":
		return []string{i.SubnetID}, true
	case "availability-zone":
		return []string{i.Zone}, true
	case "group-id":
		return i.Groups, true
	case "description":
		return []string{i.Description}, true
	case "private-ip-address", "addresses.private-ip-address":
		return []string{i.Address.String()}, true
	case "private-dns-name":
		return []string{i.PrivateDNSName}, true
	case "mac-address":
		return []string{i.MAC}, true
	case "attachment.attachment-id":
		return []string{i.AttachmentID}, true
	case "status":
		return []string{i.Status()}, true
	case "interface-type":
		return []string{"interface"}, true
	}
	return tagAttribute(nil, name)
}

// NetworkInterfaces returns the interfaces that have one of the ids (all, if there are
// none) and match the filters, by address.
func (n *Network) NetworkInterfaces(ids []string, filters ...Filter) ([]Interface, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out, err := selectRows(n.interfaces, ids, filters, func(id string) error {
		return notFoundOrMalformed(id, "eni-", "InvalidNetworkInterfaceId.Malformed", interfaceNotFound)
	})
	out = slices.DeleteFunc(out, func(i Interface) bool { return !i.Released.IsZero() })
	slices.SortFunc(out, func(a, b Interface) int { return a.Address.Compare(b.Address) })
	return out, err
}

// CreateInterfaceInput says where an interface shall be and whom it is for.
type CreateInterfaceInput struct {
	SubnetIDs   []string // empty: the default subnets
	Groups      []string // security group ids; empty: the VPC's default group
	Description string   // "ELB app/name/id" makes it a load balancer's
	Owner       string   // ARN of the task or load balancer
	Zone        string   // preferred zone; a full or absent one is passed over
}

// CreateInterface gives Owner an address in the subnet with most free addresses. It is
// idempotent per Owner and Description: a second call returns the first one's interface.
// Unknown subnets and groups are adopted. When all subnets are full the error matches [ErrNoAddress].
func (n *Network) CreateInterface(ctx context.Context, in CreateInterfaceInput) (Interface, error) {
	var out Interface
	err := n.update(ctx, func(tx *tx) (err error) {
		if id, ok := tx.byOwner[ownerKey{in.Owner, in.Description}]; ok {
			out = tx.interfaces[id]
			return nil
		}
		out, err = tx.createInterface(in)
		return err
	})
	if err != nil {
		return Interface{}, fmt.Errorf("create interface for %s: %w", in.Owner, err)
	}
	return out, nil
}

func (tx *tx) createInterface(in CreateInterfaceInput) (Interface, error) {
	subnets, err := tx.subnetsOrDefault(in.SubnetIDs)
	if err != nil {
		return Interface{}, err
	}
	var groups []string
	if !strings.HasPrefix(in.Owner, WarmOwner) {
		if groups, err = tx.groupsOrDefault(in.Groups); err != nil {
			return Interface{}, err
		}
	}
	subnet, address, err := tx.pickAddress(subnets, in.Zone)
	if err != nil {
		return Interface{}, err
	}
	i := Interface{
		ID: newID("eni-"), VPCID: subnet.VPCID, SubnetID: subnet.ID, Zone: subnet.Zone,
		Address: address, MAC: macOf(address), PrivateDNSName: privateDNSName(address, tx.config.Region),
		Groups: groups, Description: in.Description, Owner: in.Owner,
		AttachmentID: newID("eni-attach-"), Created: tx.now,
	}
	tx.put(kindInterface, i.ID, i)
	tx.given(i)
	return i, nil
}

func (tx *tx) subnetsOrDefault(ids []string) ([]Subnet, error) {
	if len(ids) > 0 {
		return tx.resolveSubnets(ids)
	}
	return tx.defaultSubnets(), nil
}

func (tx *tx) groupsOrDefault(ids []string) ([]string, error) {
	if len(ids) == 0 {
		g, _ := tx.groupByName(tx.defaultVPC, "default")
		return []string{g.ID}, nil
	}
	groups, err := tx.resolveGroups(ids)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(groups))
	for _, g := range groups {
		if !slices.Contains(out, g.ID) {
			out = append(out, g.ID)
		}
	}
	return out, nil
}

// SetInterfaceGroups replaces the security groups of an interface.
func (n *Network) SetInterfaceGroups(ctx context.Context, id string, groups []string) error {
	return n.update(ctx, func(tx *tx) error {
		i, ok := tx.interfaces[id]
		if !ok {
			return interfaceNotFound(id)
		}
		wanted, err := tx.groupsOrDefault(groups)
		if err != nil || slices.Equal(wanted, i.Groups) {
			return err
		}
		i.Groups = wanted
		tx.put(kindInterface, id, i)
		tx.event(timeline.Network, i.Owner, fmt.Sprintf("address %s is now in %s", i.Address, strings.Join(wanted, ", ")),
			map[string]string{"interface": id, "groups": strings.Join(wanted, ",")})
		return nil
	})
}

// CloseInterface says that all containers behind an interface have stopped. The interface
// lives on until it is deleted, and meanwhile TCP that its groups let in is answered with
// a reset (NET-042). A second call changes nothing. An unknown id is not an error.
func (n *Network) CloseInterface(ctx context.Context, id string) error {
	return n.update(ctx, func(tx *tx) error {
		i, ok := tx.interfaces[id]
		if !ok || i.Closed {
			return nil
		}
		i.Closed = true
		tx.put(kindInterface, id, i)
		tx.event(timeline.Network, i.Owner, fmt.Sprintf("nobody listens at address %s any more; until it is released, connections to it are reset", i.Address),
			map[string]string{"interface": id, "address": i.Address.String()})
		return nil
	})
}

// DeleteInterface removes an interface. Its address stays in quarantine until now plus
// Config.Quarantine: nobody gets it, and packets to and from it are dropped; that of a
// closed interface goes on resetting connections for Config.Linger first (NET-043). An
// unknown id is not an error.
func (n *Network) DeleteInterface(ctx context.Context, id string, now time.Time) error {
	return n.update(ctx, func(tx *tx) error {
		tx.deleteInterface(id, now)
		return nil
	})
}

// DeleteInterfacesOf deletes every interface of an owner, as [Network.DeleteInterface] does:
// also one that the owner does not know of, because its creation was cut short.
func (n *Network) DeleteInterfacesOf(ctx context.Context, owner string, now time.Time) error {
	return n.update(ctx, func(tx *tx) error {
		for _, i := range slices.Collect(maps.Values(tx.interfaces)) {
			if i.Owner == owner {
				tx.deleteInterface(i.ID, now)
			}
		}
		return nil
	})
}

func (tx *tx) deleteInterface(id string, now time.Time) {
	i, ok := tx.interfaces[id]
	if !ok || !i.Released.IsZero() {
		return
	}
	if i.Warm() {
		tx.forgetWarm(i)
		return
	}
	until := now.Add(tx.config.Quarantine)
	if i.Closed && tx.config.Linger > 0 {
		i.Released = now
		tx.put(kindInterface, id, i)
	} else {
		tx.quarantineAddress(i, until)
	}
	tx.event(timeline.Network, i.Owner, fmt.Sprintf("address %s was released; it is quarantined until %s", i.Address, until.UTC().Format(time.RFC3339)),
		map[string]string{"interface": id, "address": i.Address.String()})
}

// quarantineAddress makes an interface's address a black hole.
func (tx *tx) quarantineAddress(i Interface, until time.Time) {
	tx.put(kindInterface, i.ID, nil)
	tx.put(kindQuarantine, i.Address.String(), Quarantined{Address: i.Address, Until: until})
}

// Quarantined is a released address that must not be used before Until.
type Quarantined struct {
	Address netip.Addr `json:"address"`
	Until   time.Time  `json:"until"`
}

// Expire silences the addresses that have lingered long enough, and frees those whose
// quarantine is over. It returns when the next such moment comes, or the zero time if
// there is none.
func (n *Network) Expire(ctx context.Context, now time.Time) (next time.Time, err error) {
	err = n.update(ctx, func(tx *tx) error {
		next = time.Time{}
		for _, i := range tx.interfaces {
			if !i.Released.IsZero() && isDue(i.Released.Add(tx.config.Linger), now, &next) {
				tx.quarantineAddress(i, i.Released.Add(tx.config.Quarantine))
			}
		}
		for _, q := range tx.quarantine {
			if isDue(q.Until, now, &next) {
				tx.put(kindQuarantine, q.Address.String(), nil)
				tx.event(timeline.Network, q.Address.String(), fmt.Sprintf("address %s is free again", q.Address), nil)
			}
		}
		return nil
	})
	return next, err
}

// isDue reports whether a deadline has passed; next becomes the earliest that has not.
func isDue(deadline, now time.Time, next *time.Time) bool {
	if !deadline.After(now) {
		return true
	}
	if next.IsZero() || deadline.Before(*next) {
		*next = deadline
	}
	return false
}

// macOf derives the MAC address from the address, so that a restarted container keeps it.
func macOf(a netip.Addr) string {
	b := a.As4()
	return fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
}

// privateDNSName returns the name that EC2 gives an address (NET-031).
func privateDNSName(a netip.Addr, region string) string {
	host := "ip-" + strings.ReplaceAll(a.String(), ".", "-")
	if region == "us-east-1" {
		return host + ".ec2.internal"
	}
	return host + "." + region + ".compute.internal"
}
