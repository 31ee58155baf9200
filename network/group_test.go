package network

import (
	"slices"
	"strings"
	"testing"

	"drydock/store/storetest"
	"drydock/timeline"
)

func ports(protocol string, from, to int, cidr string) Permission {
	return Permission{Protocol: protocol, FromPort: &from, ToPort: &to, Ranges: []Peer{{Value: cidr}}}
}

func fromGroup(protocol string, from, to int, id string) Permission {
	return Permission{Protocol: protocol, FromPort: &from, ToPort: &to, Groups: []GroupPair{{GroupID: id}}}
}

func group(t *testing.T, n *Network, name string) SecurityGroup {
	t.Helper()
	g, err := n.CreateSecurityGroup(t.Context(), CreateSecurityGroupInput{GroupName: name, Description: "for a test"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCreateSecurityGroup(t *testing.T) {
	n := open(t, &storetest.Memory{})
	vpc := n.DefaultVPC().ID
	g := group(t, n, "web")
	if len(g.Ingress()) != 0 || len(g.Egress()) != 1 || g.Egress()[0].Protocol != "-1" || g.Egress()[0].FromPort != nil { // NET-016
		t.Errorf("a new group has %+v, %+v", g.Ingress(), g.Egress())
	}
	if g.VPCID != vpc || !strings.HasPrefix(g.ID, "sg-0") || len(g.ID) != 20 {
		t.Errorf("new group is %+v", g)
	}
	for _, c := range []struct {
		in            CreateSecurityGroupInput
		code, message string
	}{
		{CreateSecurityGroupInput{GroupName: "web", Description: "d"}, "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC '" + vpc + "'"},                                            // NET-012
		{CreateSecurityGroupInput{GroupName: "default", Description: "d"}, "InvalidParameterValue", "Cannot use reserved security group name: default"},                                                      // NET-013
		{CreateSecurityGroupInput{GroupName: "sg-web", Description: "d"}, "InvalidParameterValue", "Value (sg-web) for parameter GroupName is invalid. Group names may not be in the format sg-*."},          // NET-013
		{CreateSecurityGroupInput{GroupName: "x", Description: "schön"}, "InvalidParameterValue", "Value (schön) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported."}, // NET-013
		{CreateSecurityGroupInput{GroupName: "x"}, "MissingParameter", "The request must contain the parameter GroupDescription"},                                                                            // NET-013
		{CreateSecurityGroupInput{Description: "x"}, "MissingParameter", "The request must contain the parameter GroupName"},                                                                                 // NET-013
		{CreateSecurityGroupInput{GroupName: "x", Description: "d", VPCID: "home"}, "InvalidVpcID.Malformed", `Invalid id: "home" (expecting "vpc-...")`},                                                    // NET-011
	} {
		_, err := n.CreateSecurityGroup(t.Context(), c.in)
		wantCode(t, err, c.code, c.message)
	}
}

func TestDeleteSecurityGroup(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	groups, _ := n.SecurityGroups(nil)
	def := groups[0]
	wantCode(t, n.DeleteSecurityGroup(t.Context(), def.ID), "CannotDelete", `the specified group: "`+def.ID+`" name: "default" cannot be deleted by a user`) // NET-015
	wantCode(t, n.DeleteSecurityGroup(t.Context(), "sg-none"), "InvalidGroup.NotFound", "The security group 'sg-none' does not exist")                       // NET-010

	used, named, self := group(t, n, "used"), group(t, n, "named"), group(t, n, "self")
	i, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1", Groups: []string{used.ID}})
	if err != nil {
		t.Fatal(err)
	}
	authorize(t, n, used.ID, fromGroup("tcp", 80, 80, named.ID))
	authorize(t, n, self.ID, fromGroup("tcp", 80, 80, self.ID))
	wantCode(t, n.DeleteSecurityGroup(t.Context(), used.ID), "DependencyViolation", "resource "+used.ID+" has a dependent object") // NET-014
	wantCode(t, n.DeleteSecurityGroup(t.Context(), named.ID), "DependencyViolation", "")
	if err := n.DeleteSecurityGroup(t.Context(), self.ID); err != nil {
		t.Errorf("a group that only names itself: %v", err)
	}
	if err := n.DeleteInterface(t.Context(), i.ID, i.Created); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{used.ID, named.ID} {
		if err := n.DeleteSecurityGroup(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if left := open(t, m).groups; len(left) != 1 {
		t.Errorf("%d groups are stored, want the default one", len(left))
	}
}

func authorize(t *testing.T, n *Network, id string, p ...Permission) []Rule {
	t.Helper()
	rules, err := n.AuthorizeIngress(t.Context(), id, p)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestAuthorize_OneRulePerPeer(t *testing.T) { // NET-026
	m := &storetest.Memory{}
	n := open(t, m)
	g := group(t, n, "web")
	p := ports("TCP", 80, 80, "100.68.0.18/18")
	p.Ranges = append(p.Ranges, Peer{"10.0.0.0/8", "inside"})
	p.IPv6Ranges = []Peer{{Value: "::/0"}}
	p.Groups = []GroupPair{{GroupName: "web"}, {GroupName: "default"}}
	p.PrefixLists = []Peer{{Value: "pl-1"}}
	rules := authorize(t, n, g.ID, p)
	if len(rules) != 6 || rules[0].CIDR != "100.68.0.0/18" || rules[3].SourceGroup != g.ID { // NET-024
		t.Fatalf("rules are %+v", rules)
	}
	found, err := n.SecurityGroupRules(nil, Filter{"group-id", []string{g.ID}})
	if err != nil || len(found) != 7 || !slices.Equal(found[1:], rules) {
		t.Errorf("SecurityGroupRules: %+v, %v", found, err)
	}
	groups, _ := n.SecurityGroups([]string{g.ID})
	in := groups[0].Ingress()
	if len(in) != 1 || in[0].Protocol != "tcp" || *in[0].FromPort != 80 || len(in[0].Ranges) != 2 || in[0].Ranges[1].Description != "inside" ||
		len(in[0].IPv6Ranges) != 1 || len(in[0].Groups) != 2 || len(in[0].PrefixLists) != 1 {
		t.Errorf("ingress is %+v", in)
	}
	if w := eventsAbout(m, timeline.Warning, g.ID); len(w) != 2 {
		t.Errorf("warnings about IPv6 and prefix lists: %q", w)
	}
}

func TestAuthorize_Refusals(t *testing.T) {
	n := open(t, &storetest.Memory{}, strict)
	g := group(t, n, "web")
	authorize(t, n, g.ID, ports("tcp", 80, 80, "0.0.0.0/0"), ports("-1", 0, 0, "10.0.0.0/8"), ports("50", 0, 0, "10.0.0.0/8"))
	before := n.groups[g.ID]
	one := 1
	for _, c := range []struct {
		p             Permission
		code, message string
	}{
		{ports("6", 80, 80, "0.0.0.0/0"), "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`}, // NET-020, NET-022
		{ports("all", 1, 2, "10.0.0.0/8"), "InvalidPermission.Duplicate", `the specified rule "peer: 10.0.0.0/8, ALL, ALLOW" already exists`},                           // NET-020
		{ports("50", 1, 2, "10.0.0.0/8"), "InvalidPermission.Duplicate", `the specified rule "peer: 10.0.0.0/8, protocol: 50, ALLOW" already exists`},                   // NET-020
		{ports("tcp", 80, 70000, "0.0.0.0/0"), "InvalidPermission.Malformed", "TCP/UDP port (70000) out of range"},                                                      // NET-023
		{ports("udp", 90, 80, "0.0.0.0/0"), "InvalidParameterValue", "Invalid TCP/UDP port range (90:80)"},                                                              // NET-023
		{Permission{Protocol: "tcp", FromPort: &one, Ranges: []Peer{{Value: "0.0.0.0/0"}}}, "InvalidParameterValue", "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."},
		{Permission{Protocol: "icmp", Ranges: []Peer{{Value: "0.0.0.0/0"}}}, "InvalidParameterValue", "Invalid value for portRange. Must specify both from and to ports with ICMP."},
		{ports("icmp", 300, 0, "0.0.0.0/0"), "InvalidPermission.Malformed", ""},
		{ports("", 1, 1, "0.0.0.0/0"), "MissingParameter", "The request must contain the parameter ipProtocol"},
		{ports("smoke", 1, 1, "0.0.0.0/0"), "InvalidParameterValue", "Invalid value 'smoke' for IP protocol. Unknown protocol."},
		{ports("tcp", 1, 1, "10.0.0.0/33"), "InvalidParameterValue", "CIDR block 10.0.0.0/33 is malformed"},
		{ports("tcp", 1, 1, "::/0"), "InvalidParameterValue", "CIDR block ::/0 is malformed"},
		{fromGroup("tcp", 1, 1, "sg-none"), "InvalidGroup.NotFound", "The security group 'sg-none' does not exist"},
		{fromGroup("tcp", 1, 1, "none"), "InvalidGroupId.Malformed", `Invalid id: "none" (expecting "sg-...")`}, // NET-011
		{Permission{Protocol: "-1", Groups: []GroupPair{{GroupName: "none"}}}, "InvalidGroup.NotFound", "The security group 'none' does not exist"},
		{Permission{Protocol: "-1"}, "InvalidPermission.Malformed", ""},
	} {
		good := ports("tcp", 9999, 9999, "0.0.0.0/0") // must not be added when the other is refused
		_, err := n.AuthorizeIngress(t.Context(), g.ID, []Permission{good, c.p})
		wantCode(t, err, c.code, c.message)
	}
	twice := ports("tcp", 1, 1, "0.0.0.0/0")
	_, err := n.AuthorizeIngress(t.Context(), g.ID, []Permission{twice, twice})
	wantCode(t, err, "InvalidParameterValue", "The same permission must not appear multiple times") // NET-025
	_, err = n.AuthorizeIngress(t.Context(), g.ID, nil)
	wantCode(t, err, "MissingParameter", "The request must contain the parameter ipPermissions")
	if after := n.groups[g.ID]; !slices.Equal(after.Rules, before.Rules) {
		t.Errorf("a refused call changed the rules to %+v", after.Rules)
	}
}

func TestRevoke(t *testing.T) {
	n := open(t, &storetest.Memory{})
	g := group(t, n, "web")
	rules := authorize(t, n, g.ID, ports("tcp", 80, 80, "0.0.0.0/0"), ports("tcp", 443, 443, "0.0.0.0/0"))
	everything := Permission{Protocol: "-1", Ranges: []Peer{{Value: "0.0.0.0/0"}}}
	if err := n.RevokeEgress(t.Context(), g.ID, []Permission{everything}); err != nil { // NET-016
		t.Errorf("revoke the default egress rule: %v", err)
	}
	wantCode(t, n.RevokeEgress(t.Context(), g.ID, []Permission{everything}), "InvalidPermission.NotFound", "The specified rule does not exist in this security group.") // NET-021
	wantCode(t, n.RevokeIngress(t.Context(), g.ID, []Permission{ports("tcp", 80, 80, "0.0.0.0/0"), ports("tcp", 81, 81, "0.0.0.0/0")}), "InvalidPermission.NotFound", "")
	wantCode(t, n.RevokeRules(t.Context(), g.ID, false, []string{rules[0].ID, "sgr-none"}), "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID 'sgr-none' does not exist") // NET-027
	wantCode(t, n.RevokeRules(t.Context(), g.ID, true, []string{rules[0].ID}), "InvalidSecurityGroupRuleId.NotFound", "")
	if err := n.RevokeRules(t.Context(), g.ID, false, []string{rules[0].ID}); err != nil {
		t.Error(err)
	}
	if err := n.RevokeIngress(t.Context(), g.ID, []Permission{ports("tcp", 443, 443, "0.0.0.0/0")}); err != nil {
		t.Error(err)
	}
	if left := n.groups[g.ID].Rules; len(left) != 0 {
		t.Errorf("left are %+v", left)
	}
}

func TestFilters(t *testing.T) {
	n := open(t, &storetest.Memory{})
	g, err := n.CreateSecurityGroup(t.Context(), CreateSecurityGroupInput{GroupName: "web", Description: "d", Tags: map[string]string{"stage": "test"}})
	if err != nil {
		t.Fatal(err)
	}
	authorize(t, n, g.ID, ports("tcp", 80, 80, "0.0.0.0/0"))
	for name, want := range map[string]struct {
		filters []Filter
		count   int
	}{
		"by name":         {[]Filter{{"group-name", []string{"web"}}}, 1},
		"by either name":  {[]Filter{{"group-name", []string{"web", "default"}}}, 2},
		"by wildcard":     {[]Filter{{"group-name", []string{"d?f*"}}}, 1},
		"by both":         {[]Filter{{"group-name", []string{"web"}}, {"vpc-id", []string{"vpc-other"}}}, 0},
		"by tag":          {[]Filter{{"tag:stage", []string{"test"}}}, 1},
		"by absent tag":   {[]Filter{{"tag:other", []string{"*"}}}, 0},
		"by tag key":      {[]Filter{{"tag-key", []string{"stage"}}}, 1},
		"by ingress port": {[]Filter{{"ip-permission.from-port", []string{"80"}}}, 1},
		"by egress range": {[]Filter{{"egress.ip-permission.cidr", []string{"0.0.0.0/0"}}}, 2},
		"no filter":       {nil, 2},
	} {
		got, err := n.SecurityGroups(nil, want.filters...)
		if err != nil || len(got) != want.count {
			t.Errorf("%s: %d groups, %v; want %d", name, len(got), err, want.count)
		}
	}
	_, err = n.SecurityGroups(nil, Filter{"colour", []string{"red"}})
	wantCode(t, err, "InvalidParameterValue", "The filter 'colour' is invalid") // NET-028
	_, err = n.SecurityGroups([]string{"sg-none"})
	wantCode(t, err, "InvalidGroup.NotFound", "")
	if vpcs, err := n.VPCs(nil, Filter{"is-default", []string{"true"}}); err != nil || len(vpcs) != 1 {
		t.Errorf("default VPCs: %v, %v", vpcs, err)
	}
	if subnets, err := n.Subnets(nil, Filter{"availability-zone", []string{"*b"}}, Filter{"default-for-az", []string{"true"}}); err != nil || len(subnets) != 1 {
		t.Errorf("subnets: %v, %v", subnets, err)
	}
}
