package iptables

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"drydock/network"
)

// The self-test's ports and addresses (the range of RFC 2544, which nobody routes).
const (
	testAllowed   = 7
	testForbidden = 9
	testClient    = "198.18.254.1"
	testServer    = "198.18.254.2"

	// testPatience is how long a forbidden dial must stay unanswered, testAllowance how long
	// the allowed one may take.
	testPatience  = 250 * time.Millisecond
	testAllowance = 3 * time.Second
)

// errBypassed is the reason when bridged traffic does not pass iptables.
var errBypassed = errors.New("traffic between containers does not pass iptables on this host: " +
	"modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1")

// bridgeSwitch says whether bridged traffic passes iptables; it exists once br_netfilter is loaded.
const bridgeSwitch = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// bypassed reports whether the switch is off or absent. That it is on proves nothing,
// hence the self-test.
func bypassed() bool {
	b, err := os.ReadFile(bridgeSwitch)
	return err != nil || strings.TrimSpace(string(b)) != "1"
}

// selfTest dials between two throw-away namespaces on a throw-away bridge, through the
// real hook: what the chains allow must pass and what they drop must not.
func (e *Enforcer) selfTest(ctx context.Context, rs network.RuleSet) error {
	if err := e.restoreChains(ctx, compile(e.prefix, rs, testBridge(e.prefix))); err != nil {
		return err
	}
	defer removeTestLinks(context.WithoutCancel(ctx), e.prefix)
	removeTestLinks(ctx, e.prefix)
	if err := makeBridge(ctx, testBridge(e.prefix), ""); err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	client, err := attach(ctx, testBridge(e.prefix), testLinks(e.prefix)[1], testClient+"/30")
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	defer client.close()
	server, err := attach(ctx, testBridge(e.prefix), testLinks(e.prefix)[2], testServer+"/30")
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	defer server.close()
	return dialBoth(client, server)
}

func dialBoth(client, server *namespace) error {
	for _, port := range []int{testAllowed, testForbidden} {
		l, err := server.listen(fmt.Sprintf("%s:%d", testServer, port))
		if err != nil {
			return fmt.Errorf("self-test: %w", err)
		}
		defer l.Close()
	}
	if err := client.dial(fmt.Sprintf("%s:%d", testServer, testAllowed), testAllowance); err != nil {
		return fmt.Errorf("self-test: an allowed connection between two namespaces does not pass: %w", err)
	}
	if err := client.dial(fmt.Sprintf("%s:%d", testServer, testForbidden), testPatience); err == nil {
		return errBypassed
	}
	return nil
}

func testBridge(prefix string) string { return prefix + "t" }

// testLinks are the self-test's bridge and the host's ends of its veth pairs.
func testLinks(prefix string) []string {
	return []string{testBridge(prefix), prefix + "ta", prefix + "tb"}
}

// removeTestLinks removes what the self-test has made, also what a crash has left. The
// veth pairs go with their namespaces too, but the kernel takes its time.
func removeTestLinks(ctx context.Context, prefix string) {
	for _, name := range testLinks(prefix) {
		if _, err := net.InterfaceByName(name); err == nil {
			_, _ = run(ctx, "", "ip", "link", "delete", name) // it may vanish by itself meanwhile
		}
	}
}

// makeBridge makes a bridge, with an address if one is given.
func makeBridge(ctx context.Context, name, address string) error {
	if _, err := run(ctx, "", "ip", "link", "add", name, "type", "bridge"); err != nil {
		return err
	}
	if address != "" {
		if _, err := run(ctx, "", "ip", "address", "add", address, "dev", name); err != nil {
			return err
		}
	}
	_, err := run(ctx, "", "ip", "link", "set", name, "up")
	return err
}

// attach makes a namespace with that address, connected to a bridge by a veth pair whose
// end on the host is called link.
func attach(ctx context.Context, bridge, link, address string) (*namespace, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	outside := [][]string{
		{"link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", ns.path},
		{"link", "set", link, "master", bridge, "up"},
	}
	inside := [][]string{
		{"link", "set", "lo", "up"},
		{"address", "add", address, "dev", "eth0"},
		{"link", "set", "eth0", "up"},
	}
	err = ipAll(ctx, outside)
	if err == nil {
		err = ns.do(func() error { return ipAll(ctx, inside) })
	}
	if err != nil {
		ns.close()
		return nil, err
	}
	return ns, nil
}

func ipAll(ctx context.Context, commands [][]string) error {
	for _, c := range commands {
		if _, err := run(ctx, "", "ip", c...); err != nil {
			return err
		}
	}
	return nil
}

// listen listens inside the namespace.
func (ns *namespace) listen(address string) (l net.Listener, err error) {
	err = ns.do(func() error {
		l, err = net.Listen("tcp4", address)
		return err
	})
	return l, err
}

// dial opens a connection from inside the namespace and closes it.
func (ns *namespace) dial(address string, timeout time.Duration) error {
	return ns.do(func() error {
		c, err := net.DialTimeout("tcp4", address, timeout)
		if err != nil {
			return err
		}
		return c.Close()
	})
}
