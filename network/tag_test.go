package network

import (
	"maps"
	"testing"

	"drydock/store/storetest"
)

func TestTag_WhatThereIs(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	g := group(t, n, "web")
	ids := []string{n.DefaultVPC().ID, g.ID, g.Rules[0].ID}
	if err := n.Tag(t.Context(), ids, map[string]string{"stage": "local", "team": "a"}); err != nil {
		t.Fatal(err)
	}
	if err := n.Untag(t.Context(), ids, map[string]*string{"team": nil, "stage": new("another")}); err != nil {
		t.Fatal(err)
	}
	again := open(t, m)
	for _, id := range ids {
		if got := again.Tags(id); !maps.Equal(got, map[string]string{"stage": "local"}) {
			t.Errorf("%s has %v", id, got)
		}
	}
	found, err := n.SecurityGroupRules(nil, Filter{Name: "tag:stage", Values: []string{"local"}})
	if err != nil || len(found) != 1 || found[0].ID != g.Rules[0].ID {
		t.Errorf("rules by tag: %v, %v", found, err)
	}
	for id, code := range map[string]string{"vpc-1": "InvalidVpcID.NotFound", "subnet-1": "InvalidSubnetID.NotFound", "sg-1": "InvalidGroup.NotFound", "sgr-1": "InvalidSecurityGroupRuleId.NotFound", "i-1": "InvalidID"} {
		wantCode(t, n.Tag(t.Context(), []string{id}, nil), code, "")
	}
	if err := n.RevokeRules(t.Context(), g.ID, true, []string{g.Rules[0].ID}); err != nil || n.Tags(g.Rules[0].ID) != nil {
		t.Errorf("a revoked rule: %v, tags %v", err, n.Tags(g.Rules[0].ID))
	}
}

func TestModifyRules_KeepsIDsAndTags(t *testing.T) {
	n := open(t, &storetest.Memory{})
	g := group(t, n, "web")
	rules, err := n.AuthorizeIngress(t.Context(), g.ID, []Permission{ports("tcp", 80, 80, "0.0.0.0/0"), ports("tcp", 443, 443, "0.0.0.0/0")})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Tag(t.Context(), []string{rules[0].ID}, map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	change := func(id string, p Permission) error {
		return n.ModifyRules(t.Context(), g.ID, []RuleChange{{ID: id, Permission: p}})
	}
	wantCode(t, change(rules[0].ID, ports("tcp", 443, 443, "0.0.0.0/0")), "InvalidPermission.Duplicate", "")
	wantCode(t, change("sgr-1", ports("tcp", 81, 81, "0.0.0.0/0")), "InvalidSecurityGroupRuleId.NotFound", "")
	if err := change(rules[0].ID, ports("tcp", 8080, 8080, "10.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	if err := n.SetRuleDescriptions(t.Context(), g.ID, false, []Permission{{Protocol: "tcp", FromPort: new(443), ToPort: new(443), Ranges: []Peer{{"0.0.0.0/0", "secure"}}}}); err != nil {
		t.Fatal(err)
	}
	if err := n.SetRuleDescriptionsByID(t.Context(), g.ID, false, map[string]string{rules[0].ID: "inside"}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, n.SetRuleDescriptionsByID(t.Context(), g.ID, true, map[string]string{rules[0].ID: "inside"}), "InvalidSecurityGroupRuleId.NotFound", "")
	got, err := n.SecurityGroupRules([]string{rules[0].ID, rules[1].ID})
	if err != nil || got[0].FromPort != 8080 || got[0].CIDR != "10.0.0.0/8" || got[0].Description != "inside" || got[0].Egress || got[1].Description != "secure" {
		t.Errorf("rules are %+v, %v", got, err)
	}
	if n.Tags(rules[0].ID)["a"] != "b" {
		t.Errorf("tags are %v", n.Tags(rules[0].ID))
	}
}
