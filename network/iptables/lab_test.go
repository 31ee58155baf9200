package iptables

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"drydock/network"
	"drydock/timeline"
)

// lab is a host of its own in a network namespace, with the chains that Docker makes and a
// bridge on which everything may talk to everything until rules are applied.
type lab struct {
	t        testing.TB
	host     *namespace
	network  *network.Network
	enforcer *Enforcer
	bridge   string
	prefix   string
	links    int
}

// task is a namespace on the bridge with an interface of the network.
type task struct {
	*namespace
	network.Interface
}

const (
	vpcRange = "198.19.250.0/24"
	gateway  = "198.19.250.1"
	outside  = "198.19.251.2" // a machine that is not in the VPC
	patience = 300 * time.Millisecond
)

func needRoot(t testing.TB) {
	t.Helper()
	reason := ""
	if os.Geteuid() != 0 {
		reason = "not root"
	}
	for _, program := range []string{"iptables", "iptables-restore", "ipset", "ip"} {
		if err := need(program); err != nil {
			reason = err.Error()
		}
	}
	switch {
	case reason == "":
	case os.Getenv("DRYDOCK_TEST_REQUIRE_DOCKER") == "1":
		t.Fatal(reason)
	default:
		t.Skip("needs a kernel to try rules on: " + reason)
	}
}

func newLab(t testing.TB) *lab {
	t.Helper()
	needRoot(t)
	host, err := newNamespace()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(host.close)
	l := &lab{t: t, host: host, bridge: "ddlab0", prefix: "ddlab"}
	l.network, err = network.Open(t.Context(), nowhere{}, network.Config{
		Region: "eu-central-1", CIDR: netip.MustParsePrefix(vpcRange), BridgeName: func(string) string { return l.bridge }, Prefix: l.prefix})
	if err != nil {
		t.Fatal(err)
	}
	l.enforcer = New(l.prefix, l.bridge)
	l.sh("ip link set lo up",
		"sysctl -q -w net.ipv4.ip_forward=1",
		"iptables -w -N DOCKER-USER", "iptables -w -A DOCKER-USER -j RETURN", "iptables -w -A FORWARD -j DOCKER-USER",
		"ip link add "+l.bridge+" type bridge", "ip address add "+gateway+"/24 dev "+l.bridge, "ip link set "+l.bridge+" up",
		"ip link add outer0 type bridge", "ip address add 198.19.251.1/24 dev outer0", "ip link set outer0 up")
	return l
}

// sh runs commands on the lab's host.
func (l *lab) sh(commands ...string) string {
	l.t.Helper()
	var out strings.Builder
	for _, c := range commands {
		f := strings.Fields(c)
		err := l.host.do(func() error {
			text, err := run(context.Background(), "", f[0], f[1:]...)
			out.WriteString(text)
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return out.String()
}

// attach connects a namespace to one of the lab's bridges.
func (l *lab) attach(bridge, address, via string) *namespace {
	l.t.Helper()
	l.links++
	var ns *namespace
	err := l.host.do(func() (err error) {
		ns, err = attach(context.Background(), bridge, fmt.Sprintf("ddlab-v%d", l.links), address)
		return err
	})
	if err == nil {
		l.t.Cleanup(ns.close)
		err = ns.do(func() error { return ipAll(context.Background(), [][]string{{"route", "add", "default", "via", via}}) })
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return ns
}

func (l *lab) outsider() *namespace { return l.attach("outer0", outside+"/24", "198.19.251.1") }

func (l *lab) group(name string, ingress ...network.Permission) string {
	l.t.Helper()
	g, err := l.network.CreateSecurityGroup(l.t.Context(), network.CreateSecurityGroupInput{GroupName: name, Description: name})
	if err == nil && len(ingress) > 0 {
		_, err = l.network.AuthorizeIngress(l.t.Context(), g.ID, ingress)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return g.ID
}

func (l *lab) address(owner, description string, groups ...string) network.Interface {
	l.t.Helper()
	i, err := l.network.CreateInterface(l.t.Context(), network.CreateInterfaceInput{Owner: owner, Description: description, Groups: groups})
	if err != nil {
		l.t.Fatal(err)
	}
	return i
}

// task starts a task that listens on ports 3000 and 4000.
func (l *lab) task(name string, groups ...string) task {
	l.t.Helper()
	i := l.address(name, "", groups...)
	ns := l.attach(l.bridge, i.Address.String()+"/24", gateway)
	for _, port := range []int{3000, 4000} {
		serve(l.t, ns, fmt.Sprintf("%s:%d", i.Address, port))
	}
	return task{ns, i}
}

// serve accepts and closes connections until the test ends.
func serve(t testing.TB, ns *namespace, address string) {
	t.Helper()
	listener, err := ns.listen(address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
}

// apply applies the current rule set on the lab's host.
func (l *lab) apply() network.Report {
	l.t.Helper()
	report, err := l.tryApply()
	if err != nil {
		l.t.Fatal(err)
	}
	return report
}

func (l *lab) tryApply() (report network.Report, err error) {
	err = l.host.do(func() error {
		if report, err = l.enforcer.Apply(context.Background(), l.network.RuleSet()); err != nil {
			return err
		}
		return l.enforcer.Test(context.Background())
	})
	return report, err
}

func (l *lab) check() error {
	return l.host.do(func() error { return l.enforcer.Check(context.Background()) })
}

func (l *lab) remove() {
	l.t.Helper()
	if err := l.host.do(func() error { return l.enforcer.Remove(context.Background()) }); err != nil {
		l.t.Fatal(err)
	}
}

// dialFrom dials on the lab's host from an address, with a mark.
func (l *lab) dialFrom(source netip.Addr, mark uint32, address string) error {
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
		}), err)
	}}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return l.host.do(func() error {
		c, err := d.Dial("tcp4", address)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// passes fails the test unless the connection was made.
func passes(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v, should pass", what, err)
	}
}

// drops fails the test unless there was no answer at all.
func drops(t *testing.T, what string, err error) {
	t.Helper()
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("%s: %v, should be dropped", what, err)
	}
}

// refuses fails the test unless the connection was answered with a reset.
func refuses(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s: %v, should be refused", what, err)
	}
}

// unplug takes a task's end of the wire away, as the end of its container does.
func (l *lab) unplug(t task) {
	l.t.Helper()
	err := t.do(func() error { return ipAll(context.Background(), [][]string{{"link", "delete", "eth0"}}) })
	if err != nil {
		l.t.Fatal(err)
	}
}

func tcp(port int, peer string) network.Permission {
	p := network.Permission{Protocol: "tcp", FromPort: &port, ToPort: &port}
	if strings.HasPrefix(peer, "sg-") {
		p.Groups = []network.GroupPair{{GroupID: peer}}
	} else {
		p.Ranges = []network.Peer{{Value: peer}}
	}
	return p
}

// nowhere is a Store that keeps nothing.
type nowhere struct{}

func (nowhere) NextSeq() int64                                                 { return 1 }
func (nowhere) Load(context.Context, string, func(string, []byte) error) error { return nil }
func (nowhere) Commit(context.Context, map[string]any, []timeline.Event) error { return nil }
