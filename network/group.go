package network

import (
	"context"
	"maps"
	"slices"
	"strings"

	"drydock/timeline"
)

// SecurityGroup is a named set of rules. Values are read-only.
type SecurityGroup struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	VPCID       string            `json:"vpcId"`
	Default     bool              `json:"default,omitempty"`
	Adopted     bool              `json:"adopted,omitempty"`
	Open        bool              `json:"open,omitempty"` // adopted, no known ingress rules: lets everything in
	Rules       []Rule            `json:"rules"`          // ingress and egress, in order of creation
	Tags        map[string]string `json:"tags,omitempty"`

	RuleTags map[string]map[string]string `json:"ruleTags,omitempty"` // by rule id; a Rule stays comparable
}

// Ingress returns the ingress rules grouped as EC2 shows them.
func (g SecurityGroup) Ingress() []Permission { return permissions(g.Rules, false) }

// Egress returns the egress rules grouped as EC2 shows them.
func (g SecurityGroup) Egress() []Permission { return permissions(g.Rules, true) }

func (g SecurityGroup) attribute(name string) ([]string, bool) {
	switch name {
	case "group-id":
		return []string{g.ID}, true
	case "group-name":
		return []string{g.Name}, true
	case "vpc-id":
		return []string{g.VPCID}, true
	case "description":
		return []string{g.Description}, true
	}
	if field, ok := strings.CutPrefix(name, "ip-permission."); ok {
		return ruleAttribute(g.Rules, false, field)
	}
	if field, ok := strings.CutPrefix(name, "egress.ip-permission."); ok {
		return ruleAttribute(g.Rules, true, field)
	}
	return tagAttribute(g.Tags, name)
}

// SecurityGroups returns the groups that have one of the ids (all, if there are none) and
// match the filters, by name.
func (n *Network) SecurityGroups(ids []string, filters ...Filter) ([]SecurityGroup, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out, err := selectRows(n.groups, ids, filters, func(id string) error {
		return notFoundOrMalformed(id, "sg-", "InvalidGroupId.Malformed", groupNotFound)
	})
	slices.SortFunc(out, func(a, b SecurityGroup) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, err
}

// ResolveSecurityGroups returns the groups with those ids, in their order, adopting unknown ones.
func (n *Network) ResolveSecurityGroups(ctx context.Context, ids []string) ([]SecurityGroup, error) {
	var out []SecurityGroup
	err := n.update(ctx, func(tx *tx) (err error) {
		out, err = tx.resolveGroups(ids)
		return err
	})
	return out, err
}

// CreateSecurityGroupInput is what EC2's CreateSecurityGroup takes.
type CreateSecurityGroupInput struct {
	GroupName   string
	Description string
	VPCID       string // empty: the default VPC
	Tags        map[string]string
}

// CreateSecurityGroup makes a group that lets nothing in and everything out (NET-016).
// Errors: InvalidGroup.Duplicate, InvalidParameterValue, MissingParameter, those of [Network.ResolveVPC].
func (n *Network) CreateSecurityGroup(ctx context.Context, in CreateSecurityGroupInput) (SecurityGroup, error) {
	if err := checkGroupNames(in); err != nil {
		return SecurityGroup{}, err
	}
	var g SecurityGroup
	err := n.update(ctx, func(tx *tx) error {
		vpc, err := tx.resolveVPC(in.VPCID)
		if err != nil {
			return err
		}
		if _, taken := tx.groupByName(vpc.ID, in.GroupName); taken {
			return groupDuplicate(in.GroupName, vpc.ID)
		}
		g = newGroup(newID("sg-"), in.GroupName, in.Description, vpc.ID)
		g.Tags = maps.Clone(in.Tags)
		tx.put(kindGroup, g.ID, g)
		tx.event(timeline.Network, g.ID, "security group "+g.ID+" ("+g.Name+") was created", nil)
		return nil
	})
	return g, err
}

// newGroup returns a group with the default egress rule: everything, to everywhere (NET-016).
func newGroup(id, name, description, vpcID string) SecurityGroup {
	allowAll := Rule{ID: newID("sgr-"), GroupID: id, Egress: true, Protocol: AllProtocols, FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}
	return SecurityGroup{ID: id, Name: name, Description: description, VPCID: vpcID, Rules: []Rule{allowAll}}
}

const groupNameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*"

// checkGroupNames holds name and description to NET-013.
func checkGroupNames(in CreateSecurityGroupInput) error {
	switch {
	case in.GroupName == "":
		return missing("GroupName")
	case in.Description == "":
		return missing("GroupDescription")
	case in.GroupName == "default":
		return invalidValue("Cannot use reserved security group name: default")
	case strings.HasPrefix(in.GroupName, "sg-"):
		return invalidValue("Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", in.GroupName)
	case !validGroupText(in.GroupName):
		return invalidValue("Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", in.GroupName)
	case !validGroupText(in.Description):
		return invalidValue("Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", in.Description)
	}
	return nil
}

func validGroupText(s string) bool {
	outside := func(r rune) bool { return !strings.ContainsRune(groupNameCharacters, r) }
	return len(s) <= 255 && !strings.ContainsFunc(s, outside)
}

// DeleteSecurityGroup removes a group.
// Errors: InvalidGroup.NotFound, CannotDelete (a default group), DependencyViolation (an
// interface is its member or a rule of another group names it).
func (n *Network) DeleteSecurityGroup(ctx context.Context, id string) error {
	return n.update(ctx, func(tx *tx) error {
		g, err := tx.group(id)
		switch {
		case err != nil:
			return err
		case g.Default:
			return cannotDeleteDefault(g)
		case tx.groupInUse(id):
			return groupInUse(id)
		}
		tx.put(kindGroup, id, nil)
		tx.event(timeline.Network, id, "security group "+id+" ("+g.Name+") was deleted", nil)
		return nil
	})
}

func (tx *tx) group(id string) (SecurityGroup, error) {
	g, ok := tx.groups[id]
	if !ok {
		return g, notFoundOrMalformed(id, "sg-", "InvalidGroupId.Malformed", groupNotFound)
	}
	return g, nil
}

func (tx *tx) groupByName(vpcID, name string) (SecurityGroup, bool) {
	for _, g := range tx.groups {
		if g.VPCID == vpcID && g.Name == name {
			return g, true
		}
	}
	return SecurityGroup{}, false
}

func (tx *tx) groupInUse(id string) bool {
	for _, i := range tx.interfaces {
		if i.Released.IsZero() && slices.Contains(i.Groups, id) {
			return true
		}
	}
	for _, g := range tx.groups {
		names := func(r Rule) bool { return r.SourceGroup == id }
		if g.ID != id && slices.ContainsFunc(g.Rules, names) {
			return true
		}
	}
	return false
}
