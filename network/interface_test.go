package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"drydock/store/storetest"
	"drydock/timeline"
)

func TestCreateInterface(t *testing.T) {
	n := open(t, &storetest.Memory{})
	in := CreateInterfaceInput{Owner: "task/1", SubnetIDs: []string{"subnet-b"}, Groups: []string{"sg-web", "sg-web"}, Description: "task"}
	i, err := n.CreateInterface(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if i.Address != netip.MustParseAddr("172.31.16.4") || i.Zone != "eu-central-1b" || i.SubnetID != "subnet-b" || i.MAC != "02:42:ac:1f:10:04" ||
		i.PrivateDNSName != "ip-172-31-16-4.eu-central-1.compute.internal" || !slices.Equal(i.Groups, []string{"sg-web"}) || i.LoadBalancer() { // NET-001, NET-031
		t.Errorf("interface is %+v", i)
	}
	again, err := n.CreateInterface(t.Context(), in)
	if err != nil || again.ID != i.ID {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	other, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1", Description: "ELB app/web/1", Zone: "eu-central-1c"})
	if err != nil || other.Address == i.Address || other.Zone != "eu-central-1c" || !other.LoadBalancer() { // NET-030
		t.Errorf("another description: %+v, %v", other, err)
	}
	def, _ := n.SecurityGroups(nil, Filter{"group-name", []string{"default"}})
	if !slices.Equal(other.Groups, []string{def[0].ID}) { // NET-032
		t.Errorf("without groups it is in %v, want %s", other.Groups, def[0].ID)
	}
	elb, err := n.NetworkInterfaces(nil, Filter{"description", []string{"ELB app/web/1"}}) // NET-030
	if err != nil || len(elb) != 1 || elb[0].ID != other.ID {
		t.Errorf("by description: %v, %v", elb, err)
	}
	if err := n.SetInterfaceGroups(t.Context(), i.ID, []string{"sg-new"}); err != nil {
		t.Fatal(err)
	}
	if m, _ := n.RuleSet().Member(i.Address); !slices.Equal(m.Groups, []string{"sg-new"}) {
		t.Errorf("member of %v, want sg-new", m.Groups)
	}
	wantCode(t, n.SetInterfaceGroups(t.Context(), "eni-none", nil), "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-none' does not exist") // NET-010
}

func TestCloseInterface(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	i, _ := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1"})
	for range 2 {
		if err := n.CloseInterface(timeline.WithCause(t.Context(), 77), i.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.CloseInterface(t.Context(), "eni-none"); err != nil {
		t.Errorf("unknown id: %v", err)
	}
	told := eventsAbout(m, timeline.Network, "task/1")
	if last := m.Events[len(m.Events)-1]; len(told) != 2 || last.Cause != 77 {
		t.Errorf("events %q, the last with cause %d; want one of the closing, with cause 77", told, last.Cause)
	}
	for _, n := range []*Network{n, open(t, m)} {
		if rs := n.RuleSet(); !slices.Equal(rs.Closed, []netip.Addr{i.Address}) || len(rs.Tasks) != 1 {
			t.Errorf("closed %v of tasks %v, want %v", rs.Closed, rs.Tasks, i.Address)
		}
	}
	if err := n.DeleteInterface(t.Context(), i.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if rs := n.RuleSet(); len(rs.Closed) != 0 || !slices.Equal(rs.Quarantine, []netip.Addr{i.Address}) {
		t.Errorf("after deletion closed %v, quarantine %v", rs.Closed, rs.Quarantine)
	}
}

func TestDeleteInterface_AClosedOneLingers(t *testing.T) {
	m := &storetest.Memory{}
	n, err := Open(t.Context(), m, Config{CIDR: netip.MustParsePrefix("172.31.0.0/16"), Linger: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	i, _ := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1"})
	n.CloseInterface(t.Context(), i.ID)
	now := time.Now()
	for range 2 {
		if err := n.DeleteInterface(t.Context(), i.ID, now); err != nil {
			t.Fatal(err)
		}
	}
	if seen, _ := n.NetworkInterfaces(nil); len(seen) != 0 {
		t.Errorf("%v is still described", seen)
	}
	if rs := n.RuleSet(); !slices.Equal(rs.Closed, []netip.Addr{i.Address}) || len(rs.Quarantine) != 0 {
		t.Errorf("closed %v, quarantine %v", rs.Closed, rs.Quarantine)
	}
	next, err := n.Expire(t.Context(), now.Add(29*time.Second))
	if err != nil || !next.Equal(now.Add(30*time.Second)) {
		t.Errorf("next = %v, %v", next, err)
	}
	next, _ = n.Expire(t.Context(), now.Add(30*time.Second))
	if rs := n.RuleSet(); len(rs.Closed) != 0 || !slices.Equal(rs.Quarantine, []netip.Addr{i.Address}) {
		t.Errorf("closed %v, quarantine %v", rs.Closed, rs.Quarantine)
	}
	if !next.Equal(now.Add(60 * time.Second)) {
		t.Errorf("next = %v, want the end of the quarantine", next)
	}
	n.Expire(t.Context(), now.Add(time.Minute))
	if rs := n.RuleSet(); len(rs.Quarantine) != 0 {
		t.Errorf("quarantine %v", rs.Quarantine)
	}
}

func TestDeleteInterfacesOf_LeavesThoseOfOthers(t *testing.T) {
	n := open(t, &storetest.Memory{})
	for _, owner := range []string{"task/1", "task/2"} {
		for _, what := range []string{"a", "b"} {
			if _, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: owner, Description: what}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := n.DeleteInterfacesOf(t.Context(), "task/1", time.Now()); err != nil {
		t.Fatal(err)
	}
	left, _ := n.NetworkInterfaces(nil)
	if len(left) != 2 || left[0].Owner != "task/2" || left[1].Owner != "task/2" {
		t.Errorf("left: %v", left)
	}
}

func TestCreateInterface_SpreadsOverSubnets(t *testing.T) {
	n := open(t, &storetest.Memory{})
	zones := map[string]int{}
	for i := range 9 {
		got, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: fmt.Sprint(i), SubnetIDs: []string{"subnet-a", "subnet-b", "subnet-c"}})
		if err != nil {
			t.Fatal(err)
		}
		zones[got.Zone]++
	}
	if len(zones) != 3 || zones["eu-central-1a"] != 3 || zones["eu-central-1b"] != 3 {
		t.Errorf("zones %v, want three each", zones)
	}
}

func small(c *Config) { c.CIDR = netip.MustParsePrefix("172.31.0.0/26") } // three subnets of 11 addresses

func TestCreateInterface_Full(t *testing.T) {
	n := open(t, &storetest.Memory{}, small)
	now := time.Now()
	var last Interface
	for i := range 3 * 11 {
		var err error
		if last, err = n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: fmt.Sprint(i)}); err != nil {
			t.Fatalf("interface %d: %v", i, err)
		}
	}
	_, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "one more"})
	if !errors.Is(err, ErrNoAddress) {
		t.Fatalf("error is %v, want ErrNoAddress", err)
	}
	wantCode(t, err, "InsufficientFreeAddressesInSubnet", "") // NET-033
	if err := n.DeleteInterface(t.Context(), last.ID, now); err != nil {
		t.Fatal(err)
	}
	if _, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "one more"}); !errors.Is(err, ErrNoAddress) {
		t.Errorf("a quarantined address was given away, or: %v", err)
	}
	if rs := n.RuleSet(); !slices.Equal(rs.Quarantine, []netip.Addr{last.Address}) || len(rs.Tasks) != 32 {
		t.Errorf("rule set has %d tasks and the quarantine %v", len(rs.Tasks), rs.Quarantine)
	}
	next, err := n.Expire(t.Context(), now.Add(59*time.Second))
	if err != nil || !next.Equal(now.Add(60*time.Second)) {
		t.Errorf("next is %v, %v; want 60 s after the release", next, err)
	}
	if next, err = n.Expire(t.Context(), now.Add(60*time.Second)); err != nil || !next.IsZero() {
		t.Errorf("next is %v, %v; want none", next, err)
	}
	i, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "one more"})
	if err != nil || i.Address != last.Address {
		t.Errorf("after the quarantine: %v, %v", i.Address, err)
	}
}

// Whatever is created, deleted, expired and reopened in whatever order: no address is
// handed out twice, in quarantine, reserved or outside its subnet, and one is refused
// only when none is free.
func TestAddresses_Property(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &storetest.Memory{}
		n := open(t, m, small)
		now := time.Unix(1700000000, 0)
		owned := map[string]Interface{}
		released := map[netip.Addr]time.Time{}
		expire := func() {
			for a, until := range released {
				if !until.After(now) {
					delete(released, a)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				owner := fmt.Sprint("task/", rapid.IntRange(0, 60).Draw(rt, "owner"))
				i, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: owner, Zone: rapid.SampledFrom([]string{"", "eu-central-1b"}).Draw(rt, "zone")})
				if errors.Is(err, ErrNoAddress) {
					if len(owned)+len(released) < 33 {
						rt.Fatalf("refused with %d owned and %d quarantined of 33", len(owned), len(released))
					}
					return
				}
				if err != nil {
					rt.Fatal(err)
				}
				if had, ok := owned[owner]; ok && had.Address != i.Address {
					rt.Fatalf("%s had %v and got %v", owner, had.Address, i.Address)
				}
				for o, other := range owned {
					if o != owner && other.Address == i.Address {
						rt.Fatalf("%v was given to %s and %s", i.Address, o, owner)
					}
				}
				if _, ok := released[i.Address]; ok {
					rt.Fatalf("%v was given away in quarantine", i.Address)
				}
				s, _ := n.Subnets([]string{i.SubnetID})
				if at := offsetIn(s[0].CIDR, i.Address); !s[0].CIDR.Contains(i.Address) || at < 4 || at > 14 {
					rt.Fatalf("%v is reserved or not in %v", i.Address, s[0].CIDR)
				}
				owned[owner] = i
			},
			"delete": func(rt *rapid.T) {
				for owner, i := range owned {
					if err := n.DeleteInterface(t.Context(), i.ID, now); err != nil {
						rt.Fatal(err)
					}
					released[i.Address] = now.Add(60 * time.Second)
					delete(owned, owner)
					return
				}
			},
			"time": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "seconds")) * time.Second)
				if _, err := n.Expire(t.Context(), now); err != nil {
					rt.Fatal(err)
				}
				expire()
			},
			"reopen": func(rt *rapid.T) { n = open(t, m, small) },
			"": func(rt *rapid.T) {
				subnets, _ := n.Subnets(nil)
				free := 0
				for _, s := range subnets {
					free += s.Free
				}
				if free != 33-len(owned)-len(released) {
					rt.Fatalf("%d free, want 33 less %d and %d", free, len(owned), len(released))
				}
			},
		})
	})
}

func TestPickCIDR(t *testing.T) {
	p := netip.MustParsePrefix
	wanted := p("172.31.0.0/16")
	for _, c := range []struct {
		taken []netip.Prefix
		want  string
	}{
		{nil, "172.31.0.0/16"},
		{[]netip.Prefix{p("172.17.0.0/16"), p("0.0.0.0/32")}, "172.31.0.0/16"},
		{[]netip.Prefix{p("172.31.5.0/24")}, "172.30.0.0/16"},
		{[]netip.Prefix{p("172.16.0.0/12")}, "10.200.0.0/16"},
		{[]netip.Prefix{p("172.16.0.0/12"), p("10.0.0.0/8")}, ""},
	} {
		got, ok := PickCIDR(wanted, c.taken)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("with %v taken: %v, %v; want %s", c.taken, got, ok, c.want)
		}
	}
}

func TestOpen_RefusesBadRange(t *testing.T) {
	for _, cidr := range []string{"10.0.0.0/8", "172.31.0.0/28", "fd00::/64"} {
		_, err := Open(t.Context(), &storetest.Memory{}, Config{CIDR: netip.MustParsePrefix(cidr)})
		wantCode(t, err, "InvalidVpc.Range", "")
	}
	n := open(t, &storetest.Memory{}, func(c *Config) { c.CIDR = netip.MustParsePrefix("10.9.0.0/24") })
	if s, _ := n.Subnets(nil); s[2].CIDR.String() != "10.9.0.128/26" {
		t.Errorf("third subnet of a /24 is %v", s[2].CIDR)
	}
}
