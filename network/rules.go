package network

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"drydock/timeline"
)

// AuthorizeIngress adds ingress rules to a group; all of them or none.
// Errors: InvalidGroup.NotFound, InvalidPermission.Duplicate, InvalidPermission.Malformed, InvalidParameterValue.
func (n *Network) AuthorizeIngress(ctx context.Context, groupID string, permissions []Permission) ([]Rule, error) {
	return n.authorize(ctx, groupID, false, permissions)
}

// AuthorizeEgress adds egress rules to a group; all of them or none. Errors as [Network.AuthorizeIngress].
func (n *Network) AuthorizeEgress(ctx context.Context, groupID string, permissions []Permission) ([]Rule, error) {
	return n.authorize(ctx, groupID, true, permissions)
}

// RevokeIngress removes ingress rules from a group; all of them or none.
// Errors: InvalidGroup.NotFound, InvalidPermission.NotFound, InvalidPermission.Malformed.
func (n *Network) RevokeIngress(ctx context.Context, groupID string, permissions []Permission) error {
	return n.revoke(ctx, groupID, false, permissions)
}

// RevokeEgress removes egress rules from a group; all of them or none. Errors as [Network.RevokeIngress].
func (n *Network) RevokeEgress(ctx context.Context, groupID string, permissions []Permission) error {
	return n.revoke(ctx, groupID, true, permissions)
}

// RevokeRules removes rules of one direction by their ids; all of them or none.
// Errors: InvalidGroup.NotFound, InvalidSecurityGroupRuleId.NotFound.
func (n *Network) RevokeRules(ctx context.Context, groupID string, egress bool, ruleIDs []string) error {
	return n.update(ctx, func(tx *tx) error {
		g, err := tx.group(groupID)
		if err != nil {
			return err
		}
		rules := slices.Clone(g.Rules)
		for _, id := range ruleIDs {
			at := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id && r.Egress == egress })
			if at < 0 {
				return ruleIDNotFound(id)
			}
			rules = slices.Delete(rules, at, at+1)
		}
		return tx.revoked(g, rules)
	})
}

func (n *Network) authorize(ctx context.Context, groupID string, egress bool, permissions []Permission) ([]Rule, error) {
	var added []Rule
	err := n.update(ctx, func(tx *tx) (err error) {
		g, wanted, err := tx.wantedRules(groupID, egress, permissions)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for i := range wanted {
			if slices.ContainsFunc(g.Rules, wanted[i].same) {
				return ruleDuplicate(wanted[i])
			}
			wanted[i].ID = newID("sgr-")
			g.Rules = append(g.Rules, wanted[i])
		}
		g.Open = g.Open && egress
		tx.put(kindGroup, g.ID, g)
		tx.authorized(g, wanted)
		added = wanted
		return nil
	})
	return added, err
}

func (tx *tx) authorized(g SecurityGroup, rules []Rule) {
	for _, r := range rules {
		tx.event(timeline.Network, g.ID, fmt.Sprintf("security group %s (%s) now allows %s", g.ID, g.Name, r),
			map[string]string{"rule": r.ID})
		if r.CIDRv6 != "" || r.PrefixList != "" {
			tx.event(timeline.Warning, g.ID, fmt.Sprintf("rule %s (%s) is stored but has no effect: tasks have IPv4 addresses only and prefix lists are not resolved", r.ID, r), nil)
		}
	}
}

func (n *Network) revoke(ctx context.Context, groupID string, egress bool, permissions []Permission) error {
	return n.update(ctx, func(tx *tx) error {
		g, wanted, err := tx.wantedRules(groupID, egress, permissions)
		if err != nil {
			return err
		}
		rules := slices.Clone(g.Rules)
		for _, w := range wanted {
			at := slices.IndexFunc(rules, w.same)
			if at < 0 {
				return ruleNotFound()
			}
			rules = slices.Delete(rules, at, at+1)
		}
		return tx.revoked(g, rules)
	})
}

// revoked stores what is left of a group's rules.
func (tx *tx) revoked(g SecurityGroup, left []Rule) error {
	for _, r := range g.Rules {
		if !slices.Contains(left, r) {
			tx.event(timeline.Network, g.ID, fmt.Sprintf("security group %s (%s) no longer allows %s", g.ID, g.Name, r),
				map[string]string{"rule": r.ID})
		}
	}
	g.RuleTags = maps.Clone(g.RuleTags)
	maps.DeleteFunc(g.RuleTags, func(id string, _ map[string]string) bool {
		return !slices.ContainsFunc(left, func(r Rule) bool { return r.ID == id })
	})
	g.Rules = left
	tx.put(kindGroup, g.ID, g)
	return nil
}

func (tx *tx) wantedRules(groupID string, egress bool, permissions []Permission) (SecurityGroup, []Rule, error) {
	g, err := tx.group(groupID)
	if err != nil {
		return g, nil, err
	}
	if len(permissions) == 0 {
		return g, nil, missing("ipPermissions")
	}
	var wanted []Rule
	for _, p := range permissions {
		rules, err := tx.rules(g, egress, p)
		if err != nil {
			return g, nil, err
		}
		for _, r := range rules {
			if slices.ContainsFunc(wanted, r.same) {
				return g, nil, ruleTwice()
			}
			wanted = append(wanted, r)
		}
	}
	return g, wanted, nil
}

// SecurityGroupRules returns the rules that have one of the ids (all, if there are none)
// and match the filters, by group and order of creation.
func (n *Network) SecurityGroupRules(ids []string, filters ...Filter) ([]Rule, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	rows := map[string]ruleRow{}
	for _, g := range n.groups {
		for i, r := range g.Rules {
			rows[r.ID] = ruleRow{r, i, g.RuleTags[r.ID]}
		}
	}
	found, err := selectRows(rows, ids, filters, func(id string) error { return ruleIDNotFound(id) })
	slices.SortFunc(found, func(a, b ruleRow) int {
		if c := strings.Compare(a.GroupID, b.GroupID); c != 0 {
			return c
		}
		return a.nth - b.nth
	})
	rules := make([]Rule, 0, len(found))
	for _, r := range found {
		rules = append(rules, r.Rule)
	}
	return rules, err
}

type ruleRow struct {
	Rule
	nth  int // place among its group's rules
	tags map[string]string
}

func (r ruleRow) attribute(name string) ([]string, bool) {
	switch name {
	case "group-id":
		return []string{r.GroupID}, true
	case "security-group-rule-id":
		return []string{r.ID}, true
	}
	return tagAttribute(r.tags, name)
}

// ruleAttribute returns what the ip-permission.* filters of security groups look at.
func ruleAttribute(rules []Rule, egress bool, field string) ([]string, bool) {
	get, ok := map[string]func(Rule) string{
		"cidr":           func(r Rule) string { return r.CIDR },
		"ipv6-cidr":      func(r Rule) string { return r.CIDRv6 },
		"group-id":       func(r Rule) string { return r.SourceGroup },
		"prefix-list-id": func(r Rule) string { return r.PrefixList },
		"protocol":       func(r Rule) string { return r.Protocol },
		"from-port":      func(r Rule) string { return strconv.Itoa(r.FromPort) },
		"to-port":        func(r Rule) string { return strconv.Itoa(r.ToPort) },
	}[field]
	if !ok {
		return nil, false
	}
	var out []string
	for _, r := range rules {
		if r.Egress == egress {
			out = append(out, get(r))
		}
	}
	return out, true
}
