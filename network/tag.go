package network

import (
	"context"
	"maps"
	"strings"

	"drydock/timeline"
)

// Tags returns the tags of a VPC, a subnet, a security group or a security group rule; none of
// what there is not.
func (n *Network) Tags(id string) map[string]string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if g, ok := n.groups[n.groupOfRule(id)]; ok {
		return g.RuleTags[id]
	}
	for _, tags := range []map[string]string{n.vpcs[id].Tags, n.subnets[id].Tags, n.groups[id].Tags} {
		if tags != nil {
			return tags
		}
	}
	return nil
}

// Tag adds tags to VPCs, subnets, security groups and security group rules, or replaces those of
// the same keys: of all of them, or of none. Errors: those of unknown ids, InvalidID.
func (n *Network) Tag(ctx context.Context, ids []string, tags map[string]string) error {
	return n.retag(ctx, ids, func(have map[string]string) { maps.Copy(have, tags) })
}

// Untag takes tags away: those whose value is given only if they have it, and all if tags is
// nil. Errors as [Network.Tag].
func (n *Network) Untag(ctx context.Context, ids []string, tags map[string]*string) error {
	return n.retag(ctx, ids, func(have map[string]string) {
		maps.DeleteFunc(have, func(key, value string) bool {
			wanted, named := tags[key]
			return tags == nil || named && (wanted == nil || *wanted == value)
		})
	})
}

func (n *Network) retag(ctx context.Context, ids []string, change func(map[string]string)) error {
	return n.update(ctx, func(tx *tx) error {
		for _, id := range ids {
			if err := tx.retag(id, change); err != nil {
				return err
			}
			tx.event(timeline.Config, id, "the tags of "+id+" were changed", nil)
		}
		return nil
	})
}

func (tx *tx) retag(id string, change func(map[string]string)) error {
	changed := func(tags map[string]string) map[string]string {
		tags = maps.Clone(tags)
		if tags == nil {
			tags = map[string]string{}
		}
		change(tags)
		return tags
	}
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "vpc":
		v, ok := tx.vpcs[id]
		if !ok {
			return vpcNotFound(id)
		}
		v.Tags = changed(v.Tags)
		tx.put(kindVPC, id, v)
	case "subnet":
		s, ok := tx.subnets[id]
		if !ok {
			return subnetNotFound(id)
		}
		s.Tags = changed(s.Tags)
		tx.put(kindSubnet, id, s)
	case "sg":
		g, err := tx.group(id)
		if err != nil {
			return err
		}
		g.Tags = changed(g.Tags)
		tx.put(kindGroup, id, g)
	case "sgr":
		return tx.retagRule(id, changed)
	default:
		return errorf("InvalidID", "The ID '%s' is not valid", id) // NET-051
	}
	return nil
}

// retagRule changes the tags of a rule, which its group has.
func (tx *tx) retagRule(id string, changed func(map[string]string) map[string]string) error {
	g, ok := tx.groups[tx.groupOfRule(id)]
	if !ok {
		return ruleIDNotFound(id)
	}
	tags := changed(g.RuleTags[id])
	g.RuleTags = maps.Clone(g.RuleTags)
	if g.RuleTags == nil {
		g.RuleTags = map[string]map[string]string{}
	}
	g.RuleTags[id] = tags
	tx.put(kindGroup, g.ID, g)
	return nil
}

// groupOfRule returns the id of the group that has a rule; empty if none has it.
func (s *state) groupOfRule(id string) string {
	if !strings.HasPrefix(id, "sgr-") {
		return ""
	}
	for _, g := range s.groups {
		for _, r := range g.Rules {
			if r.ID == id {
				return g.ID
			}
		}
	}
	return ""
}
