package network

import (
	"fmt"
	"strings"
	"testing"

	"drydock/store/storetest"
	"drydock/timeline"
)

func TestResolve_AdoptsUnknownIDs(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	subnets, err := n.ResolveSubnets(t.Context(), []string{"subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2", "subnet-0aaaaaaaaaaaaaaa3", "subnet-0aaaaaaaaaaaaaaa4"})
	if err != nil {
		t.Fatal(err)
	}
	zones := map[string]int{}
	for _, s := range subnets {
		zones[s.Zone]++
		if like, _ := n.Subnets(nil, Filter{"availability-zone", []string{s.Zone}}, Filter{"default-for-az", []string{"true"}}); like[0].CIDR != s.CIDR || !s.Adopted {
			t.Errorf("adopted %+v, default subnet of its zone %+v", s, like)
		}
		if w := eventsAbout(m, timeline.Warning, s.ID); len(w) != 1 {
			t.Errorf("warnings about %s: %q", s.ID, w)
		}
	}
	if len(zones) != 3 {
		t.Errorf("four subnets went to zones %v, want all three", zones)
	}
	events := len(m.Events)
	again, err := n.ResolveSubnets(t.Context(), []string{subnets[3].ID, subnets[0].ID})
	if err != nil || again[0].ID != subnets[3].ID || again[0].Zone != subnets[3].Zone || len(m.Events) != events {
		t.Errorf("the second time: %+v, %v, %d new events", again, err, len(m.Events)-events)
	}
	v, err := n.ResolveVPC(t.Context(), "vpc-prod")
	if err != nil || v.CIDR != n.DefaultVPC().CIDR || v.Default {
		t.Errorf("adopted VPC %+v, %v", v, err)
	}
	if v, err := n.ResolveVPC(t.Context(), ""); err != nil || v.ID != n.DefaultVPC().ID {
		t.Errorf("no id: %+v, %v", v, err)
	}
}

func TestResolve_ZoneHints(t *testing.T) {
	n := open(t, &storetest.Memory{})
	for id, zone := range map[string]string{
		"subnet-private-b":         "eu-central-1b",
		"subnet-eu-central-1c":     "eu-central-1c",
		"subnet-public_a":          "eu-central-1a",
		"subnet-database-tier-1-c": "eu-central-1c",
	} {
		s, err := n.ResolveSubnets(t.Context(), []string{id})
		if err != nil || s[0].Zone != zone {
			t.Errorf("%s went to %v, %v; want %s", id, s, err, zone)
		}
	}
}

// A load balancer's subnets must lie in different zones, however its ids end and
// whatever was adopted before.
func TestResolve_SpreadsOneList(t *testing.T) {
	n := open(t, &storetest.Memory{})
	for i := range 20 {
		ids := []string{fmt.Sprintf("subnet-%017x", i*2), fmt.Sprintf("subnet-%017x", i*2+1)}
		s, err := n.ResolveSubnets(t.Context(), ids)
		if err != nil || s[0].Zone == s[1].Zone {
			t.Errorf("%v went to %v, %v", ids, s, err)
		}
	}
}

func TestResolve_AdoptedGroupIsOpenUntilItHasARule(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	g, err := n.ResolveSecurityGroups(t.Context(), []string{"sg-prod"})
	if err != nil || !g[0].Open || !g[0].Adopted || len(eventsAbout(m, timeline.Warning, "sg-prod")) != 1 {
		t.Fatalf("adopted %+v, %v", g, err)
	}
	if _, err := n.AuthorizeEgress(t.Context(), "sg-prod", []Permission{ports("tcp", 1, 1, "10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	if !n.groups["sg-prod"].Open {
		t.Error("an egress rule closed it")
	}
	authorize(t, n, "sg-prod", ports("tcp", 80, 80, "0.0.0.0/0"))
	if n.groups["sg-prod"].Open {
		t.Error("it is still open with an ingress rule")
	}
}

func TestResolve_StrictAndMalformed(t *testing.T) {
	for _, c := range []struct {
		id, code, message string
		strict            bool
	}{
		{"subnet-1", "InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist", true}, // NET-010
		{"sg-1", "InvalidGroup.NotFound", "The security group 'sg-1' does not exist", true},       // NET-010
		{"vpc-1", "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", true},             // NET-010
		{"sunbet-1", "InvalidSubnetID.Malformed", `Invalid id: "sunbet-1" (expecting "subnet-...")`, false},
		{"subnet-", "InvalidSubnetID.Malformed", "", false},
		{"subnet-1\n-A INPUT -j ACCEPT", "InvalidSubnetID.Malformed", "", false},
		{"subnet-a/b", "InvalidSubnetID.Malformed", "", false},
		{"subnet-" + strings.Repeat("a", 65), "InvalidSubnetID.Malformed", "", false},
		{"sq-1", "InvalidGroupId.Malformed", `Invalid id: "sq-1" (expecting "sg-...")`, false},
		{"vpc1", "InvalidVpcID.Malformed", `Invalid id: "vpc1" (expecting "vpc-...")`, false},
	} {
		m := &storetest.Memory{}
		n := open(t, m, func(config *Config) { config.StrictIDs = c.strict })
		events := len(m.Events)
		var err error
		switch strings.TrimSuffix(strings.SplitN(c.code, ".", 2)[0], "Id") {
		case "InvalidSubnetID":
			good, _ := n.Subnets(nil)
			_, err = n.ResolveSubnets(t.Context(), []string{good[0].ID, c.id})
		case "InvalidGroup":
			_, err = n.ResolveSecurityGroups(t.Context(), []string{c.id})
		default:
			_, err = n.ResolveVPC(t.Context(), c.id)
		}
		wantCode(t, err, c.code, c.message)
		if len(n.subnets) != 3 || len(m.Events) != events {
			t.Errorf("%s: something was created although it was refused", c.id)
		}
	}
}
