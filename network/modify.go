package network

import (
	"context"
	"fmt"
	"slices"

	"drydock/timeline"
)

// RuleChange says what the rule of an id shall allow. The permission has exactly one peer.
type RuleChange struct {
	ID         string
	Permission Permission
}

// ModifyRules changes rules of a group, which keep their ids and directions; all of them or none.
// Errors: InvalidGroup.NotFound, InvalidSecurityGroupRuleId.NotFound, InvalidPermission.Duplicate,
// InvalidPermission.Malformed, InvalidParameterValue.
func (n *Network) ModifyRules(ctx context.Context, groupID string, changes []RuleChange) error {
	return n.update(ctx, func(tx *tx) error {
		g, err := tx.group(groupID)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for _, c := range changes {
			if err := tx.modifyRule(g, c); err != nil {
				return err
			}
		}
		tx.put(kindGroup, g.ID, g)
		return nil
	})
}

// modifyRule changes a rule in g.Rules.
func (tx *tx) modifyRule(g SecurityGroup, c RuleChange) error {
	at := slices.IndexFunc(g.Rules, func(r Rule) bool { return r.ID == c.ID })
	if at < 0 {
		return ruleIDNotFound(c.ID)
	}
	before := g.Rules[at]
	wanted, err := tx.rules(g, before.Egress, c.Permission)
	if err != nil {
		return err
	}
	if len(wanted) != 1 {
		return invalidValue("A security group rule has exactly one peer; %s would get %d", c.ID, len(wanted))
	}
	if same := slices.IndexFunc(g.Rules, wanted[0].same); same >= 0 && same != at {
		return ruleDuplicate(wanted[0])
	}
	wanted[0].ID = c.ID
	g.Rules[at] = wanted[0]
	if !before.same(wanted[0]) {
		tx.event(timeline.Network, g.ID, fmt.Sprintf("security group %s (%s) no longer allows %s", g.ID, g.Name, before), map[string]string{"rule": c.ID})
		tx.authorized(g, wanted)
	}
	return nil
}

// SetRuleDescriptionsByID gives rules of one direction other descriptions; all of them or none.
// Errors: InvalidGroup.NotFound, InvalidSecurityGroupRuleId.NotFound.
func (n *Network) SetRuleDescriptionsByID(ctx context.Context, groupID string, egress bool, descriptions map[string]string) error {
	return n.update(ctx, func(tx *tx) error {
		g, err := tx.group(groupID)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for id, description := range descriptions {
			at := slices.IndexFunc(g.Rules, func(r Rule) bool { return r.ID == id && r.Egress == egress })
			if at < 0 {
				return ruleIDNotFound(id)
			}
			g.Rules[at].Description = description
		}
		tx.put(kindGroup, g.ID, g)
		return nil
	})
}

// SetRuleDescriptions gives the rules that permissions mean the descriptions that stand there; all of
// them or none. Errors: InvalidGroup.NotFound, InvalidPermission.NotFound, InvalidPermission.Malformed.
func (n *Network) SetRuleDescriptions(ctx context.Context, groupID string, egress bool, permissions []Permission) error {
	return n.update(ctx, func(tx *tx) error {
		g, wanted, err := tx.wantedRules(groupID, egress, permissions)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for _, w := range wanted {
			at := slices.IndexFunc(g.Rules, w.same)
			if at < 0 {
				return ruleNotFound()
			}
			g.Rules[at].Description = w.Description
		}
		tx.put(kindGroup, g.ID, g)
		return nil
	})
}
