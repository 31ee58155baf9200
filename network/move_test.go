package network

import (
	"net/netip"
	"testing"

	"drydock/store/storetest"
)

// TestMove_WhileNobodyHasAnAddress moves a VPC with all its subnets, adopted ones too, for good.
func TestMove_WhileNobodyHasAnAddress(t *testing.T) {
	store := &storetest.Memory{}
	n := open(t, store)
	if _, err := n.ResolveSubnets(t.Context(), []string{"subnet-mine"}); err != nil {
		t.Fatal(err)
	}
	if err := n.Move(t.Context(), netip.MustParsePrefix("10.9.8.7/24")); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Network{n, open(t, store)} {
		if cidr := n.DefaultVPC().CIDR.String(); cidr != "10.9.8.0/24" {
			t.Errorf("the VPC has %s", cidr)
		}
		subnets, err := n.Subnets(nil)
		if err != nil || len(subnets) != 4 {
			t.Fatalf("%d subnets, %v", len(subnets), err)
		}
		for _, s := range subnets {
			if !n.DefaultVPC().CIDR.Overlaps(s.CIDR) || s.CIDR.Bits() != 26 {
				t.Errorf("subnet %s has %s", s.ID, s.CIDR)
			}
		}
		i, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task", SubnetIDs: []string{"subnet-mine"}})
		if err != nil || !n.DefaultVPC().CIDR.Contains(i.Address) {
			t.Errorf("an interface has %s, %v", i.Address, err)
		}
	}
	if err := n.Move(t.Context(), netip.MustParsePrefix("10.9.9.0/24")); err == nil {
		t.Error("the VPC was moved away under an interface")
	}
}
