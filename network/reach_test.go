package network

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"

	"drydock/store/storetest"
)

func TestReach(t *testing.T) {
	n := open(t, &storetest.Memory{})
	alb, tasks, shut := group(t, n, "alb"), group(t, n, "tasks"), group(t, n, "shut")
	authorize(t, n, alb.ID, ports("tcp", 80, 80, "0.0.0.0/0"))
	authorize(t, n, tasks.ID, ports("tcp", 22, 22, "10.0.0.0/8"), fromGroup("tcp", 80, 80, alb.ID))
	if err := n.RevokeEgress(t.Context(), shut.ID, []Permission{{Protocol: "-1", Ranges: []Peer{{Value: "0.0.0.0/0"}}}}); err != nil {
		t.Fatal(err)
	}
	address := func(owner, description string, groups ...string) netip.Addr {
		i, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: owner, Description: description, Groups: groups})
		if err != nil {
			t.Fatal(err)
		}
		return i.Address
	}
	lb, web := address("lb", "ELB app/web/1", alb.ID), address("web", "", tasks.ID)
	free, closed := address("free", "", "sg-adopted"), address("closed", "", shut.ID)
	gone, _ := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "gone"})
	if err := n.DeleteInterface(t.Context(), gone.ID, gone.Created); err != nil {
		t.Fatal(err)
	}
	dead, _ := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "dead", Groups: []string{tasks.ID}})
	if err := n.CloseInterface(t.Context(), dead.ID); err != nil {
		t.Fatal(err)
	}
	out := netip.MustParseAddr("10.1.2.3")
	rs := n.RuleSet()
	for _, c := range []struct {
		name     string
		src, dst netip.Addr
		port     int
		allowed  bool
		reason   string
	}{
		{"allowed by group", lb, web, 80, true, tasks.ID + " allows tcp/80 from " + alb.ID},
		{"other port", lb, web, 3000, false, "no ingress rule of " + tasks.ID + " matches tcp/3000 from " + alb.ID + "; nearest: tcp/80 from " + alb.ID},
		{"other group", free, web, 80, false, "no ingress rule of " + tasks.ID + " matches tcp/80 from sg-adopted; nearest: tcp/80 from " + alb.ID},
		{"from outside", out, web, 22, true, tasks.ID + " allows tcp/22 from 10.0.0.0/8"},
		{"adopted", web, free, 9, true, "sg-adopted was adopted without rules and lets everything in"},
		{"no egress", closed, free, 9, false, "no egress rule of " + shut.ID + " matches tcp/9 to sg-adopted"},
		{"DNS in spite of that", closed, out, 53, true, "10.1.2.3 is outside the VPC"},                                                                // NET-040
		{"metadata", closed, MetadataAddress, 80, true, "169.254.170.2 is outside the VPC"},                                                           // NET-040
		{"nobody there", lb, dead.Address, 80, true, tasks.ID + " allows tcp/80 from " + alb.ID + "; but nobody listens there any more: it is reset"}, // NET-042
		{"quarantined", web, gone.Address, 80, false, gone.Address.String() + " is quarantined: it was released a moment ago"},
	} {
		v := rs.Reach(c.src, c.dst, "tcp", c.port)
		if v.Allowed != c.allowed || v.Reason != c.reason {
			t.Errorf("%s:\n got %v, %s\nwant %v, %s", c.name, v.Allowed, v.Reason, c.allowed, c.reason)
		}
	}
	who := rs.WhoCanReach(web, "tcp", 80)
	if len(who) != 1 || who[0].Owner != "lb" {
		t.Errorf("who can reach web: %+v, want the balancer", who)
	}
	doc, err := json.Marshal(rs)
	var back RuleSet
	if err != nil || json.Unmarshal(doc, &back) != nil || !reflect.DeepEqual(rs, back) {
		t.Errorf("the rule set does not survive JSON:\n%+v\n%+v", rs, back)
	}
}
