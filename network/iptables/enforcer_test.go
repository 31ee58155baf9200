package iptables

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drydock/network"
)

func to(a netip.Addr, port int) string { return fmt.Sprintf("%s:%d", a, port) }

func TestEnforcer_Matrix(t *testing.T) {
	l := newLab(t)
	sgALB := l.group("alb", tcp(80, outside+"/32"))
	sgTasks := l.group("tasks", tcp(3000, sgALB))
	sgUsers := l.group("users")
	sgNamed := l.group("named", tcp(3000, sgUsers), tcp(4000, outside+"/32"))
	sgShut := l.group("shut")
	if err := l.network.RevokeEgress(t.Context(), sgShut, []network.Permission{{Protocol: "-1", Ranges: []network.Peer{{Value: "0.0.0.0/0"}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.network.AuthorizeEgress(t.Context(), sgShut, []network.Permission{tcp(3000, "sg-adopted")}); err != nil {
		t.Fatal(err)
	}
	alb := l.address("alb", "ELB app/web/1", sgALB)
	web, user, named := l.task("web", sgTasks), l.task("user", sgUsers), l.task("named", sgNamed)
	shut, free := l.task("shut", sgShut), l.task("free", "sg-adopted")
	stranger := l.outsider()
	serve(t, l.host, gateway+":53")
	serve(t, l.host, gateway+":8080")

	passes(t, "before anything is applied, task → task", user.dial(to(web.Address, 3000), patience))
	report := l.apply()
	if !slices.Equal(report.Aliases, []netip.Addr{alb.Address}) {
		t.Fatalf("aliases %v, want %v", report.Aliases, alb.Address)
	}
	serve(t, l.host, to(alb.Address, 80))
	serve(t, l.host, to(alb.Address, 81))

	passes(t, "balancer → task, allowed port", l.dialFrom(alb.Address, network.Mark, to(web.Address, 3000)))
	drops(t, "balancer → task, other port", l.dialFrom(alb.Address, network.Mark, to(web.Address, 4000)))
	drops(t, "balancer's address without its mark → task", l.dialFrom(alb.Address, 0, to(web.Address, 3000)))
	drops(t, "mark without the balancer's address → task", l.dialFrom(netip.Addr{}, network.Mark, to(web.Address, 3000)))
	drops(t, "other host process → task", l.dialFrom(netip.Addr{}, 0, to(web.Address, 3000)))
	drops(t, "other host process → task, rule for somebody else", l.dialFrom(netip.Addr{}, 0, to(named.Address, 4000)))

	drops(t, "task → task", user.dial(to(web.Address, 3000), patience))
	passes(t, "task → task whose group names the source's", user.dial(to(named.Address, 3000), patience))
	drops(t, "the same, other port", user.dial(to(named.Address, 4000), patience))
	drops(t, "task of another group", web.dial(to(named.Address, 3000), patience))
	passes(t, "task → adopted group without rules", web.dial(to(free.Address, 4000), patience))

	drops(t, "outside → task", stranger.dial(to(web.Address, 3000), patience))
	drops(t, "outside → task, allowed from elsewhere", stranger.dial(to(named.Address, 3000), patience))
	passes(t, "outside → task, by range", stranger.dial(to(named.Address, 4000), patience))

	passes(t, "egress inside its rules", shut.dial(to(free.Address, 3000), patience))
	drops(t, "egress outside its rules", shut.dial(to(free.Address, 4000), patience))

	drops(t, "task → host service", web.dial(gateway+":8080", patience))
	passes(t, "task → DNS on the host", shut.dial(gateway+":53", patience)) // NET-040

	drops(t, "task → balancer, not in its group's rules", web.dial(to(alb.Address, 80), patience))
	passes(t, "outside → balancer, allowed port", stranger.dial(to(alb.Address, 80), patience))
	drops(t, "outside → balancer, other port", stranger.dial(to(alb.Address, 81), patience))
	if _, err := l.network.AuthorizeIngress(t.Context(), sgALB, []network.Permission{tcp(80, sgTasks)}); err != nil {
		t.Fatal(err)
	}
	l.apply()
	passes(t, "task → balancer, after its group allows it", web.dial(to(alb.Address, 80), patience))
	if err := l.check(); err != nil {
		t.Errorf("check after all that: %v", err)
	}
}

func TestEnforcer_AgreesWithReach(t *testing.T) {
	l := newLab(t)
	sgA := l.group("a")
	sgB := l.group("b", tcp(3000, sgA), tcp(4000, vpcRange))
	a, b := l.task("a", sgA), l.task("b", sgB, sgA)
	l.apply()
	rs := l.network.RuleSet()
	for _, c := range []struct{ from, to task }{{a, b}, {b, a}} {
		for _, port := range []int{3000, 4000} {
			err := c.from.dial(to(c.to.Address, port), patience)
			if v := rs.Reach(c.from.Address, c.to.Address, "tcp", port); v.Allowed != (err == nil) {
				t.Errorf("%s → %s:%d: kernel says %v, Reach says %+v", c.from.Owner, c.to.Owner, port, err, v)
			}
		}
	}
}

func TestEnforcer_MetadataAddress(t *testing.T) { // NET-040
	l := newLab(t)
	none := l.group("none")
	everything := network.Permission{Protocol: "-1", Ranges: []network.Peer{{Value: "0.0.0.0/0"}}}
	if err := l.network.RevokeEgress(t.Context(), none, []network.Permission{everything}); err != nil {
		t.Fatal(err)
	}
	l.sh("ip route add default via " + outside)
	web, free, outsider := l.task("web", none), l.task("free", l.group("free")), l.outsider()
	serve(t, l.host, gateway+":51679")
	serve(t, l.host, "0.0.0.0:80") // it is not what tasks shall reach
	l.apply()
	drops(t, "task → metadata before there is an agent", web.dial("169.254.170.2:80", patience))
	drops(t, "task that may send everything → metadata before there is an agent", free.dial("169.254.170.2:80", patience))
	l.network.SetAgent(netip.MustParseAddrPort(gateway + ":51679"))
	l.apply()
	passes(t, "task → metadata", web.dial("169.254.170.2:80", patience))
	drops(t, "task → another port of the metadata address", web.dial("169.254.170.2:81", patience))
	drops(t, "task → the agent, past the metadata address", web.dial(gateway+":51679", patience))
	drops(t, "another machine → metadata", outsider.dial("169.254.170.2:80", patience))
	l.sh("iptables -w -t nat -F PREROUTING")
	if err := l.check(); err == nil {
		t.Error("the hook in the table nat is gone and nobody noticed")
	}
	l.apply()
	passes(t, "task → metadata, repaired", web.dial("169.254.170.2:80", patience))
	l.network.SetAgent(netip.AddrPort{})
	l.apply()
	drops(t, "task → metadata without an agent", web.dial("169.254.170.2:80", patience))
	l.network.SetAgent(netip.MustParseAddrPort(gateway + ":51679"))
	l.apply()
	l.remove()
	if out := l.sh("iptables -w -t nat -S"); strings.Contains(out, l.prefix) {
		t.Errorf("the table nat still has what is ours:\n%s", out)
	}
}

func TestEnforcer_BlackholeSwallowsOnePort(t *testing.T) { // NET-050
	l := newLab(t)
	sg := l.group("all", network.Permission{Protocol: "-1", Ranges: []network.Peer{{Value: "0.0.0.0/0"}}})
	a, b, c := l.task("a", sg), l.task("b", sg), l.task("c", sg)
	l.apply()
	open := connect(t, a.namespace, b, 4500)
	in := network.Blackhole{Owner: "b", Protocol: "tcp", Port: 4500, Except: []netip.Prefix{netip.PrefixFrom(c.Address, 32)}}
	serve(t, b.namespace, to(b.Address, 4501))
	l.network.SetBlackholes([]network.Blackhole{in, {Owner: "b", Protocol: "udp", Port: 3000}, {Owner: "gone", Protocol: "tcp", Port: 3000}})
	l.apply()
	drops(t, "task → the port", a.dial(to(b.Address, 4500), patience))
	drops(t, "host → the port", l.host.dial(to(b.Address, 4500), patience))
	passes(t, "who is excepted → the port", c.dial(to(b.Address, 4500), patience))
	passes(t, "task → another port", a.dial(to(b.Address, 3000), patience))
	if v := l.network.RuleSet().Reach(a.Address, b.Address, "tcp", 4500); v.Allowed || !strings.Contains(v.Reason, "fault") {
		t.Errorf("Reach says %+v, want the fault", v)
	}
	if err := open(); err == nil {
		t.Error("what is sent on a connection that was open arrives")
	}
	l.network.SetBlackholes([]network.Blackhole{{Owner: "a", Protocol: "tcp", Port: 3000, Egress: true}})
	l.apply()
	drops(t, "the task → that port of another", a.dial(to(b.Address, 3000), patience))
	passes(t, "another task → that port", c.dial(to(b.Address, 3000), patience))
	passes(t, "another task → that port of the task", c.dial(to(a.Address, 3000), patience))
	if err := l.network.CloseInterface(t.Context(), a.Interface.ID); err != nil {
		t.Fatal(err)
	}
	if got := l.network.RuleSet().Dropped; len(got) != 0 {
		t.Errorf("a fault outlives its task: %v", got)
	}
}

// An agent must stay in reach of a task of which it has to end the fault.
func TestEnforcer_BlackholeSparesTheAgent(t *testing.T) { // NET-050
	l := newLab(t)
	web := l.task("web", l.group("none"))
	serve(t, l.host, gateway+":51679")
	l.network.SetAgent(netip.MustParseAddrPort(gateway + ":51679"))
	l.network.SetBlackholes([]network.Blackhole{{Owner: "web", Protocol: "tcp", Port: 80, Egress: true}, {Owner: "web", Protocol: "tcp", Port: 51679, Egress: true}})
	l.apply()
	passes(t, "task → metadata", web.dial("169.254.170.2:80", patience))
}

// connect opens a connection to a new listener of a task. What it returns sends a byte and
// waits for it to arrive.
func connect(t *testing.T, from *namespace, b task, port int) func() error {
	t.Helper()
	server, err := b.listen(to(b.Address, port))
	if err != nil {
		t.Fatal(err)
	}
	var c net.Conn
	if err := from.do(func() (err error) { c, err = net.DialTimeout("tcp4", to(b.Address, port), patience); return err }); err != nil {
		t.Fatal(err)
	}
	s, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close(); server.Close() })
	return func() error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		s.SetReadDeadline(time.Now().Add(patience))
		_, err := s.Read(make([]byte, 1))
		return err
	}
}

func TestEnforcer_RuleThatGoesKeepsConnections(t *testing.T) { // NET-041
	l := newLab(t)
	sgA := l.group("a")
	sgB := l.group("b", tcp(5000, sgA))
	a, b := l.task("a", sgA), l.task("b", sgB)
	l.apply()
	server, err := b.listen(to(b.Address, 5000))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var c net.Conn
	if err := a.do(func() (err error) { c, err = net.DialTimeout("tcp4", to(b.Address, 5000), patience); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := l.network.RevokeIngress(t.Context(), sgB, []network.Permission{tcp(5000, sgA)}); err != nil {
		t.Fatal(err)
	}
	l.apply()
	drops(t, "new connection", a.dial(to(b.Address, 5000), patience))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := s.Read(make([]byte, 1)); err != nil {
		t.Errorf("established connection: %v", err)
	}
}

func TestEnforcer_ClosedInterfaceResets(t *testing.T) { // NET-042
	l := newLab(t)
	sgALB, sgUsers := l.group("alb"), l.group("users")
	sgTasks := l.group("tasks", tcp(3000, sgALB), tcp(3000, sgUsers), tcp(4000, outside+"/32"))
	alb := l.address("alb", "ELB app/web/1", sgALB)
	web, other, user := l.task("web", sgTasks), l.task("other", sgTasks), l.task("user", sgUsers)
	stranger := l.outsider()
	l.apply()
	passes(t, "balancer → task", l.dialFrom(alb.Address, network.Mark, to(web.Address, 3000)))
	l.unplug(web)
	drops(t, "balancer → task whose container is gone, before the interface is closed", l.dialFrom(alb.Address, network.Mark, to(web.Address, 3000)))

	for _, i := range []string{web.ID, other.ID} {
		if err := l.network.CloseInterface(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	l.apply()
	refuses(t, "balancer → closed, allowed port", l.dialFrom(alb.Address, network.Mark, to(web.Address, 3000)))
	refuses(t, "outside → closed, by range", stranger.dial(to(web.Address, 4000), patience))
	refuses(t, "task → closed, allowed port", user.dial(to(other.Address, 3000), patience))
	drops(t, "balancer → closed, other port", l.dialFrom(alb.Address, network.Mark, to(web.Address, 4000)))
	drops(t, "balancer's address without its mark → closed", l.dialFrom(alb.Address, 0, to(web.Address, 3000)))
	drops(t, "other host process → closed", l.dialFrom(netip.Addr{}, 0, to(web.Address, 3000)))
	drops(t, "outside → closed, other port", stranger.dial(to(web.Address, 3000), patience))
	drops(t, "task → closed, other port", user.dial(to(other.Address, 4000), patience))
	if err := l.check(); err != nil {
		t.Error(err)
	}

	if err := l.network.DeleteInterface(t.Context(), web.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	l.apply()
	drops(t, "balancer → released", l.dialFrom(alb.Address, network.Mark, to(web.Address, 3000)))
	drops(t, "outside → released", stranger.dial(to(web.Address, 4000), patience))
}

// A request on a connection that the balancer kept open is not answered with silence either.
func TestEnforcer_ClosedInterfaceResetsKnownConnections(t *testing.T) { // NET-042
	l := newLab(t)
	b := l.task("b", "sg-open")
	l.apply()
	server, err := b.listen(to(b.Address, 5000))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var c net.Conn
	if err := l.host.do(func() (err error) { c, err = net.DialTimeout("tcp4", to(b.Address, 5000), patience); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l.unplug(b)
	if err := l.network.CloseInterface(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	l.apply()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want a reset", err)
	}
}

func TestEnforcer_QuarantineDropsAndForgets(t *testing.T) {
	l := newLab(t)
	a, b := l.task("a", "sg-open"), l.task("b", "sg-open")
	l.apply()
	passes(t, "task → task", a.dial(to(b.Address, 3000), patience))
	flows := func() bool {
		return installed("conntrack") && strings.Contains(l.sh("conntrack -L"), b.Address.String())
	}
	if installed("conntrack") && !flows() {
		t.Error("no flow is remembered before: the test shows nothing")
	}
	now := time.Now()
	if err := l.network.DeleteInterface(t.Context(), b.ID, now); err != nil {
		t.Fatal(err)
	}
	l.apply()
	if flows() {
		t.Error("the flow of a released address is still remembered")
	}
	drops(t, "→ released address", a.dial(to(b.Address, 3000), patience))
	drops(t, "host → released address", l.dialFrom(netip.Addr{}, 0, to(b.Address, 3000)))
	drops(t, "released address →", b.dial(to(a.Address, 3000), patience))
	if _, err := l.network.Expire(t.Context(), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	l.apply()
	passes(t, "host → address after quarantine, in nobody's rules", l.dialFrom(netip.Addr{}, 0, to(b.Address, 3000)))
}

// flood sends datagrams until the returned function is called.
func flood(t *testing.T, from *namespace, address string) (stop func()) {
	t.Helper()
	var c net.Conn
	if err := from.do(func() (err error) { c, err = net.Dial("udp4", address); return err }); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := c.Write([]byte("x")); errors.Is(err, net.ErrClosed) {
				return
			}
		}
	}()
	return func() { c.Close(); <-done }
}

func TestEnforcer_ReplacesRulesAtomically(t *testing.T) {
	l := newLab(t)
	sgA := l.group("a")
	sgB := l.group("b")
	a, b := l.task("a", sgA), l.task("b", sgB)
	var received atomic.Int64
	var sink net.PacketConn
	if err := b.do(func() (err error) { sink, err = net.ListenPacket("udp4", to(b.Address, 6000)); return err }); err != nil {
		t.Fatal(err)
	}
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		for buf := make([]byte, 16); ; received.Add(1) {
			if _, _, err := sink.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	l.apply()
	stopTask, stopHost := flood(t, a.namespace, to(b.Address, 6000)), flood(t, l.host, to(b.Address, 6000))
	deadline := time.Now().Add(2 * time.Second)
	changes := 0
	for ; time.Now().Before(deadline); changes++ {
		if _, err := l.network.AuthorizeIngress(t.Context(), sgB, []network.Permission{tcp(7000+changes, sgA)}); err != nil {
			t.Fatal(err)
		}
		l.address(fmt.Sprintf("extra/%d", changes%100), "", sgA)
		l.apply()
	}
	if n := received.Load(); n != 0 {
		t.Errorf("%d forbidden datagrams arrived during %d changes", n, changes)
	}
	l.sh("iptables -w -F " + l.prefix + "-IN") // the control: this is what a gap looks like
	for deadline := time.Now().Add(10 * time.Second); received.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if received.Load() == 0 {
		t.Error("nothing arrived although the chain is empty: the test shows nothing")
	}
	stopTask()
	stopHost()
	sink.Close()
	<-counted
	t.Logf("%d changes", changes)
}

// snapshot is all that the enforcer could leave behind.
func (l *lab) snapshot() string {
	var lines []string
	for line := range strings.Lines(l.sh("iptables-save", "ip6tables-save", "ipset save", "ip -o -4 address show")) {
		if !strings.HasPrefix(line, "#") {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " [")
			lines = append(lines, line)
		}
	}
	for line := range strings.Lines(l.sh("ip -br link show")) {
		lines = append(lines, strings.Fields(line)[0])
	}
	return strings.Join(lines, "\n")
}

func TestEnforcer_RemoveLeavesNothing(t *testing.T) {
	l := newLab(t)
	l.sh("ip6tables -w -N OTHER", "ipset create other hash:ip", "iptables -w -A INPUT -p tcp --dport 1 -j DROP",
		"iptables -w -N "+l.prefix+"x", "iptables -w -A OUTPUT -j "+l.prefix+"x") // of somebody with a similar name
	sg := l.group("a", tcp(3000, outside+"/32"))
	l.task("a", sg)
	l.address("alb", "ELB app/web/1", sg)
	before := l.snapshot()
	l.apply()
	if l.snapshot() == before {
		t.Fatal("apply changed nothing")
	}
	l.remove()
	if after := l.snapshot(); after != before {
		t.Errorf("after remove:\n%s\nbefore:\n%s", after, before)
	}
	l.remove()
	l.apply()
	l.enforcer = New(l.prefix, l.bridge) // of a daemon that did not apply anything itself
	l.remove()
	if after := l.snapshot(); after != before {
		t.Errorf("after remove by another process:\n%s\nbefore:\n%s", after, before)
	}
}

func TestEnforcer_CheckFindsWhatIsGone(t *testing.T) {
	l := newLab(t)
	sg := l.group("a", tcp(3000, outside+"/32"))
	a := l.task("a", sg)
	alb := l.address("alb", "ELB app/web/1", sg)
	l.apply()
	p := l.prefix
	for _, damage := range []string{
		"iptables -w -D DOCKER-USER -j " + p + "-FWD",
		"iptables -w -F INPUT",
		"iptables -w -F OUTPUT",
		"iptables -w -F " + p + "-IN",
		"ipset del " + p + "-tasks " + a.Address.String(),
		"ipset add " + p + "-open " + a.Address.String(),
		"ip address del " + alb.Address.String() + "/32 dev " + l.bridge,
	} {
		if err := l.check(); err != nil {
			t.Errorf("before %q: %v", damage, err)
		}
		l.sh(damage)
		if l.check() == nil {
			t.Errorf("check did not find %q", damage)
		}
		l.apply()
	}
	if err := l.check(); err != nil {
		t.Error(err)
	}
}

func TestEnforcer_SelfTestFindsBypass(t *testing.T) {
	l := newLab(t)
	l.sh("sysctl -q -w net.bridge.bridge-nf-call-iptables=0")
	if _, err := l.tryApply(); !errors.Is(err, errBypassed) {
		t.Fatalf("error is %v, want %v", err, errBypassed)
	}
	if links := l.sh("ip -o link show"); strings.Contains(links, l.prefix+"t") {
		t.Error("the self-test left something:\n" + links)
	}
	l.sh("sysctl -q -w net.bridge.bridge-nf-call-iptables=1")
	l.apply()
	l.sh("sysctl -q -w net.bridge.bridge-nf-call-iptables=0")
	if err := l.check(); !errors.Is(err, errBypassed) {
		t.Errorf("check says %v, want %v", err, errBypassed)
	}
}

func TestEnforcer_AliasesWaitForTheBridge(t *testing.T) {
	l := newLab(t)
	alb := l.address("alb", "ELB app/web/1", l.group("a"))
	l.sh("ip link delete " + l.bridge)
	for range 2 {
		if report := l.apply(); !report.Pending || len(report.Aliases) != 0 {
			t.Errorf("without a bridge: %+v", report)
		}
	}
	l.sh("ip link add "+l.bridge+" type bridge", "ip link set "+l.bridge+" up")
	if report := l.apply(); report.Pending || !slices.Equal(report.Aliases, []netip.Addr{alb.Address}) {
		t.Errorf("with a bridge: %+v", report)
	}
	if err := l.network.DeleteInterface(t.Context(), alb.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	l.apply()
	if out := l.sh("ip address show dev " + l.bridge); strings.Contains(out, alb.Address.String()) {
		t.Error("the alias of a deleted balancer is still there")
	}
}

func TestEnforcer_WithoutDockerHooksForward(t *testing.T) {
	l := newLab(t)
	l.sh("iptables -w -F FORWARD", "iptables -w -F DOCKER-USER", "iptables -w -X DOCKER-USER")
	a, b := l.task("a", l.group("a")), l.task("b", l.group("b"))
	l.apply()
	drops(t, "task → task", a.dial(to(b.Address, 3000), patience))
	l.sh("iptables -w -N DOCKER-USER", "iptables -w -I FORWARD -j DOCKER-USER")
	if l.check() == nil {
		t.Error("check did not notice that Docker came")
	}
	l.apply()
	if err := l.check(); err != nil {
		t.Error(err)
	}
}

func TestApply_NamesMissingProgram(t *testing.T) {
	needRoot(t)
	t.Setenv("PATH", t.TempDir())
	_, err := New("ddnone", "ddnone0").Apply(context.Background(), network.RuleSet{})
	if err == nil || err.Error() != "iptables is not installed: apt install iptables" {
		t.Errorf("error is %v", err)
	}
}

func BenchmarkApply_OneTaskMore(b *testing.B) {
	l := newLab(b)
	sg := l.group("a", tcp(3000, outside+"/32"))
	for i := range 150 {
		l.address(fmt.Sprintf("task/%d", i), "", sg)
	}
	l.apply()
	for b.Loop() {
		i := l.address("one", "", sg)
		l.apply()
		b.StopTimer()
		if err := l.network.DeleteInterface(b.Context(), i.ID, time.Now()); err != nil {
			b.Fatal(err)
		}
		if _, err := l.network.Expire(b.Context(), time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
		l.apply()
		b.StartTimer()
	}
}

// The time from CloseInterface to the first reset, beside 150 other tasks.
func BenchmarkCloseInterface(b *testing.B) {
	l := newLab(b)
	sg := l.group("a", tcp(3000, gateway+"/32"))
	for i := range 150 {
		l.address(fmt.Sprintf("task/%d", i), "", sg)
	}
	for b.Loop() {
		b.StopTimer()
		i := l.address("one", "", sg)
		l.apply()
		b.StartTimer()
		if err := l.network.CloseInterface(b.Context(), i.ID); err != nil {
			b.Fatal(err)
		}
		l.apply()
		if err := l.dialFrom(netip.Addr{}, 0, to(i.Address, 3000)); !errors.Is(err, syscall.ECONNREFUSED) {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := l.network.DeleteInterface(b.Context(), i.ID, time.Now()); err != nil {
			b.Fatal(err)
		}
		if _, err := l.network.Expire(b.Context(), time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
