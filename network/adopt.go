package network

import (
	"fmt"
	"regexp"

	"drydock/timeline"
)

// The resolve functions look an id up and, unless Config.StrictIDs, adopt it: create
// what it names under that id and say so in a warning event.

func (tx *tx) resolveVPC(id string) (VPC, error) {
	if id == "" {
		id = tx.defaultVPC
	}
	if v, ok := tx.vpcs[id]; ok {
		return v, nil
	}
	if err := tx.adoptable(id, "vpc-", "InvalidVpcID.Malformed", vpcNotFound); err != nil {
		return VPC{}, err
	}
	v := VPC{ID: id, CIDR: tx.vpcs[tx.defaultVPC].CIDR, Adopted: true}
	tx.put(kindVPC, id, v)
	tx.adopted(id, fmt.Sprintf("VPC %s is not known; it was adopted as another name for the default VPC %s (%s)", id, tx.defaultVPC, v.CIDR))
	return v, nil
}

func (tx *tx) resolveSubnets(ids []string) ([]Subnet, error) {
	out := make([]Subnet, 0, len(ids))
	beside := map[string]bool{} // zones of the other subnets in this list
	for _, id := range ids {
		if s, ok := tx.subnets[id]; ok {
			beside[s.Zone] = true
		}
	}
	for _, id := range ids {
		s, err := tx.resolveSubnet(id, beside)
		if err != nil {
			return nil, err
		}
		beside[s.Zone] = true
		out = append(out, s)
	}
	return out, nil
}

func (tx *tx) resolveSubnet(id string, beside map[string]bool) (Subnet, error) {
	if s, ok := tx.subnets[id]; ok {
		return s, nil
	}
	if err := tx.adoptable(id, "subnet-", "InvalidSubnetID.Malformed", subnetNotFound); err != nil {
		return Subnet{}, err
	}
	like := tx.adoptedLike(id, beside)
	s := Subnet{ID: id, VPCID: tx.defaultVPC, CIDR: like.CIDR, Zone: like.Zone, Adopted: true}
	tx.put(kindSubnet, id, s)
	tx.adopted(id, fmt.Sprintf("subnet %s is not known; it was adopted in %s with the range %s of the default subnet %s", id, s.Zone, s.CIDR, like.ID))
	return s, nil
}

var (
	hexID    = regexp.MustCompile(`^subnet-([0-9a-f]{8}|[0-9a-f]{17})$`)
	zoneHint = regexp.MustCompile(`[-_0-9]([a-c])$`)
)

// adoptedLike chooses the default subnet whose zone and range an adopted subnet takes:
// the zone that its name ends in ("subnet-private-1a"), else a zone that no other subnet
// of the same list has (a load balancer wants different zones), else the least used.
func (tx *tx) adoptedLike(id string, beside map[string]bool) Subnet {
	count := map[string]int{}
	for _, s := range tx.subnets {
		if s.Adopted {
			count[s.Zone]++
		}
	}
	var best Subnet
	hint := zoneHint.FindStringSubmatch(id)
	for _, s := range tx.defaultSubnets() {
		if hint != nil && !hexID.MatchString(id) && s.Zone == tx.config.Region+hint[1] {
			return s
		}
		switch {
		case best.ID == "",
			beside[best.Zone] && !beside[s.Zone],
			beside[best.Zone] == beside[s.Zone] && count[s.Zone] < count[best.Zone]:
			best = s
		}
	}
	return best
}

func (tx *tx) resolveGroups(ids []string) ([]SecurityGroup, error) {
	out := make([]SecurityGroup, 0, len(ids))
	for _, id := range ids {
		g, err := tx.resolveGroup(id)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func (tx *tx) resolveGroup(id string) (SecurityGroup, error) {
	if g, ok := tx.groups[id]; ok {
		return g, nil
	}
	if err := tx.adoptable(id, "sg-", "InvalidGroupId.Malformed", groupNotFound); err != nil {
		return SecurityGroup{}, err
	}
	g := newGroup(id, id, "adopted: named by a document, rules unknown", tx.defaultVPC)
	g.Adopted, g.Open = true, true
	tx.put(kindGroup, id, g)
	tx.adopted(id, fmt.Sprintf("security group %s is not known; it was adopted without rules and lets everything in until an ingress rule is added to it", id))
	return g, nil
}

// adoptable returns the refusal for an unknown id that may not be adopted.
func (tx *tx) adoptable(id, prefix, malformedCode string, notFound func(string) *Error) error {
	err := notFoundOrMalformed(id, prefix, malformedCode, notFound)
	if tx.config.StrictIDs || !isNotFound(err, notFound) {
		return err
	}
	return nil
}

func isNotFound(err error, notFound func(string) *Error) bool {
	e, ok := err.(*Error)
	return ok && e.Code == notFound("").Code
}

func (tx *tx) adopted(id, message string) {
	tx.event(timeline.Warning, id, message, map[string]string{"adopted": id})
}
