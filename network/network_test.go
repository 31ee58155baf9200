package network

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drydock/store/storetest"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// eventsAbout returns the messages of the events of a kind about a subject.
func eventsAbout(m *storetest.Memory, kind timeline.Kind, subject string) []string {
	var out []string
	for _, e := range m.Told(kind) {
		if e.Subject == subject {
			out = append(out, e.Message)
		}
	}
	return out
}

func open(t *testing.T, m *storetest.Memory, change ...func(*Config)) *Network {
	t.Helper()
	c := Config{Region: "eu-central-1", Account: "123456789012", CIDR: netip.MustParsePrefix("172.31.0.0/16")}
	for _, f := range change {
		f(&c)
	}
	n, err := Open(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func strict(c *Config) { c.StrictIDs = true }

// wantCode fails unless err carries an AWS error of that code and, if given, message.
func wantCode(t *testing.T, err error, code, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || (message != "" && e.Message != message) {
		t.Fatalf("error is %v, want %s: %s", err, code, message)
	}
}

func TestOpen_CreatesDefaults(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	subnets, err := n.Subnets(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range subnets {
		got = append(got, s.Zone+" "+s.CIDR.String())
		if s.Free != 4091 { // NET-001
			t.Errorf("%s has %d free addresses, want 4091", s.ID, s.Free)
		}
	}
	want := []string{"eu-central-1a 172.31.0.0/20", "eu-central-1b 172.31.16.0/20", "eu-central-1c 172.31.32.0/20"}
	if !slices.Equal(got, want) {
		t.Errorf("subnets are %v, want %v", got, want)
	}
	groups, _ := n.SecurityGroups(nil)
	if len(groups) != 1 || groups[0].Name != "default" || len(groups[0].Ingress()) != 1 ||
		groups[0].Ingress()[0].Groups[0].GroupID != groups[0].ID || groups[0].Egress()[0].Ranges[0].Value != "0.0.0.0/0" {
		t.Errorf("default group is %+v", groups)
	}
	if v := n.DefaultVPC(); v.Gateway() != netip.MustParseAddr("172.31.0.1") || len(v.ID) != len("vpc-")+17 {
		t.Errorf("default VPC is %+v", v)
	}
	if len(m.Events) != 5 {
		t.Errorf("%d events for VPC, subnets and group, want 5", len(m.Events))
	}
}

func TestOpen_FindsWhatWasStored(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	i, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1", SubnetIDs: []string{"subnet-x"}, Groups: []string{"sg-x"}})
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/2"})
	if err := n.DeleteInterface(t.Context(), gone.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(n.RuleSet())
	again := open(t, m, func(c *Config) { c.CIDR = netip.MustParsePrefix("10.200.0.0/16") })
	rs := again.RuleSet()
	rs.Version = n.RuleSet().Version
	if got, _ := json.Marshal(rs); string(got) != string(want) {
		t.Errorf("after opening again\n%s\nwant\n%s", got, want)
	}
	same, err := again.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1"})
	if err != nil || same.ID != i.ID {
		t.Errorf("task/1 got %v, %v; want its own %s", same.ID, err, i.ID)
	}
}

func TestUpdate_FailedCommitChangesNothing(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	before := n.RuleSet()
	m.Fail = errors.New("disk full")
	if _, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "task/1", SubnetIDs: []string{"subnet-1"}, Groups: []string{"sg-1"}}); !errors.Is(err, m.Fail) {
		t.Fatalf("error is %v, want disk full", err)
	}
	m.Fail = nil
	after := n.RuleSet()
	a, _ := json.Marshal(before)
	if b, _ := json.Marshal(after); string(a) != string(b) {
		t.Errorf("rule set changed:\n%s\n%s", a, b)
	}
	if subnets, _ := n.Subnets(nil); len(subnets) != 3 || subnets[0].Free+subnets[1].Free+subnets[2].Free != 3*4091 {
		t.Errorf("subnets changed: %+v", subnets)
	}
}

func TestEvents_NameTheirCause(t *testing.T) {
	m := &storetest.Memory{}
	n := open(t, m)
	if _, err := n.CreateSecurityGroup(timeline.WithCause(t.Context(), 77), CreateSecurityGroupInput{GroupName: "web", Description: "d"}); err != nil {
		t.Fatal(err)
	}
	if last := m.Events[len(m.Events)-1]; last.Cause != 77 || last.Kind != timeline.Network {
		t.Errorf("event is %+v, want cause 77", last)
	}
}

func TestChanged_PokesEveryListener(t *testing.T) {
	n := open(t, &storetest.Memory{})
	a, b := n.Changed(), n.Changed()
	for range 3 {
		if _, err := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: newID("task-")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []<-chan struct{}{a, b} {
		select {
		case <-c:
		default:
			t.Error("listener was not poked")
		}
	}
}

func TestNames_FitTheKernelAndDiffer(t *testing.T) {
	a, b := open(t, &storetest.Memory{}), open(t, &storetest.Memory{})
	if a.RuleSet().Prefix == b.RuleSet().Prefix || a.Bridge() == b.Bridge() {
		t.Error("two networks share their names")
	}
	if len(a.RuleSet().Prefix) > 9 || len(a.Bridge()) > 15 {
		t.Errorf("names %q, %q are too long", a.RuleSet().Prefix, a.Bridge())
	}
}

// fakeEnforcer records what it is told.
type fakeEnforcer struct {
	applied chan RuleSet
	report  Report
	err     error
	gone    atomic.Bool // what was applied is not there any more
}

func (f *fakeEnforcer) Apply(_ context.Context, rs RuleSet) (Report, error) {
	select {
	case f.applied <- rs:
	default:
	}
	return f.report, f.err
}

func (f *fakeEnforcer) Test(context.Context) error { return nil }

func (f *fakeEnforcer) Check(context.Context) error {
	if f.gone.Load() {
		return errors.New("hook is gone")
	}
	return nil
}

func (f *fakeEnforcer) Remove(context.Context) error { return nil }

func TestEnforce_AppliesChangesAndWaits(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		m := &storetest.Memory{}
		n := open(t, m, func(c *Config) { c.Enforced = true })
		f := &fakeEnforcer{applied: make(chan RuleSet, 100)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		waited := make(chan error, 1)
		go func() { waited <- n.Applied(ctx) }()
		synctest.Wait()
		if len(waited) != 0 {
			t.Error("Applied returned before anything was applied")
		}
		go func() { done <- n.Enforce(ctx, f, 10*time.Second) }()
		if err := <-waited; err != nil {
			t.Error(err)
		}
		i, _ := n.CreateInterface(ctx, CreateInterfaceInput{Owner: "task/1"})
		if err := n.Applied(ctx); err != nil {
			t.Error(err)
		}
		var last RuleSet
		for len(f.applied) > 0 {
			last = <-f.applied
		}
		if len(last.Tasks) != 1 || last.Tasks[0].Address != i.Address {
			t.Errorf("applied tasks %v, want %v", last.Tasks, i.Address)
		}
		if ok, _ := n.Enforcement(); !ok || n.EnforcementStatus() != "enforced" {
			t.Errorf("status is %s", n.EnforcementStatus())
		}
		synctest.Wait()
		time.Sleep(55 * time.Second)
		if len(f.applied) != 0 {
			t.Error("applied although nothing changed")
		}
		f.gone.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(f.applied) != 1 {
			t.Errorf("applied %d times after a failed check, want 1", len(f.applied))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestEnforce_SaysWhyNot(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		m := &storetest.Memory{}
		n := open(t, m)
		f := &fakeEnforcer{applied: make(chan RuleSet, 100), err: errors.New("ipset is not installed")}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- n.Enforce(ctx, f, 10*time.Second) }()
		synctest.Wait()
		time.Sleep(time.Minute)
		if err := n.Applied(ctx); err != nil {
			t.Errorf("Applied: %v", err)
		}
		want := "NOT ENFORCED (ipset is not installed)"
		if got := n.EnforcementStatus(); got != want {
			t.Errorf("status %q, want %q", got, want)
		}
		warnings := eventsAbout(m, timeline.Warning, n.DefaultVPC().ID)
		if !slices.Equal(warnings, []string{"security groups: " + want}) {
			t.Errorf("warnings %q, want one", warnings)
		}
		cancel()
		<-done
	})
}

func TestDialFrom_OnlyPlacedAliases(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		n := open(t, &storetest.Memory{})
		lb, _ := n.CreateInterface(t.Context(), CreateInterfaceInput{Owner: "lb", Description: "ELB app/web/1"})
		if a, mark := n.DialFrom(lb.Address); a.IsValid() || mark != 0 {
			t.Errorf("before: %v %x", a, mark)
		}
		changed := n.Changed()
		f := &fakeEnforcer{applied: make(chan RuleSet, 1), report: Report{Aliases: []netip.Addr{lb.Address}}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- n.Enforce(ctx, f, time.Second) }()
		<-changed
		if a, mark := n.DialFrom(lb.Address); a != lb.Address || mark != Mark {
			t.Errorf("after: %v %x", a, mark)
		}
		cancel()
		<-done
	})
}

func TestZoneID(t *testing.T) { // NET-004
	want := map[string]string{"us-east-1": "use1-az1", "eu-central-1": "euc1-az1", "ap-southeast-2": "apse2-az1"}
	for _, region := range slices.Sorted(maps.Keys(want)) {
		if got := zoneID(region, 1); got != want[region] {
			t.Errorf("%s: %s, want %s", region, got, want[region])
		}
	}
}
