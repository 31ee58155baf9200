package network

import (
	"net/netip"
	"strings"
	"testing"

	"drydock/store/storetest"
)

// TestBlocked_NamesTheGroupAndTheNearestRule asks for the way from a load balancer to a task,
// for all that can be in it.
func TestBlocked_NamesTheGroupAndTheNearestRule(t *testing.T) {
	n := open(t, &storetest.Memory{})
	group := func(name string) SecurityGroup {
		g, err := n.CreateSecurityGroup(t.Context(), CreateSecurityGroupInput{GroupName: name, Description: "of the test", VPCID: n.DefaultVPC().ID})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	public, shut := group("public"), group("shut")
	lb, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "lb", Description: "ELB app/web/1", Groups: []string{public.ID}})
	if err != nil {
		t.Fatal(err)
	}
	task, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1", Groups: []string{shut.ID}})
	if err != nil {
		t.Fatal(err)
	}
	wants := func(when string, parts ...string) {
		t.Helper()
		got := n.Blocked(lb.Address, netip.AddrPortFrom(task.Address, 3000))
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q, want %q in it", when, got, part)
			}
		}
		if len(parts) == 0 && got != "" {
			t.Errorf("%s: %q, want nothing", when, got)
		}
	}
	allow := func(g SecurityGroup, port int, from GroupPair) {
		t.Helper()
		if _, err := n.AuthorizeIngress(t.Context(), g.ID, []Permission{{Protocol: "tcp", FromPort: &port, ToPort: &port, Groups: []GroupPair{from}}}); err != nil {
			t.Fatal(err)
		}
	}
	wants("nothing is enforced")
	n.setEnforcement(func(s *enforcement) { s.enforced = true })
	wants("no rule at all", "no inbound rule of the task's security group "+shut.ID+" (shut) lets tcp/3000 in from the load balancer ("+lb.Address.String()+", in security group "+public.ID+" (public))", ": it has no inbound rule")
	allow(shut, 80, GroupPair{GroupID: public.ID})
	wants("another port", "; the nearest is tcp/80 from "+public.ID+" (sgr-")
	allow(shut, 3000, GroupPair{GroupID: shut.ID})
	wants("another peer", "; the nearest is tcp/3000 from "+shut.ID)
	allow(shut, 3000, GroupPair{GroupID: public.ID})
	wants("allowed")
	if err := n.RevokeEgress(t.Context(), public.ID, public.Egress()); err != nil {
		t.Fatal(err)
	}
	wants("the balancer may send nothing", "no outbound rule of the load balancer's security group "+public.ID+" (public) lets tcp/3000 out to "+task.Address.String(), ": it has no outbound rule")
	if got := n.Blocked(lb.Address, netip.MustParseAddrPort("172.31.99.99:3000")); got != "" {
		t.Errorf("for an address that nobody has: %q", got)
	}
}
