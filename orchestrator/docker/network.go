package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"
	"os"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"drydock/orchestrator"
)

// ensureNetwork makes the VPC's bridge network if it is not there. A network that was there once is
// not looked for again: asking while containers start takes Docker long. A start that misses it forgets it.
func (e *Engine) ensureNetwork(ctx context.Context, vpc orchestrator.VPC) error {
	e.networks.Lock()
	defer e.networks.Unlock()
	if e.present[vpc] {
		return nil
	}
	name := e.networkName(vpc.ID)
	found, err := e.client.NetworkInspect(ctx, name, network.InspectOptions{})
	switch {
	case err == nil:
		err = e.checkNetwork(found, vpc)
	case cerrdefs.IsNotFound(err):
		err = e.createNetwork(ctx, name, vpc)
	}
	if err != nil {
		return fmt.Errorf("make network %s for %s: %w", name, vpc.CIDR, err)
	}
	e.present[vpc] = true
	return nil
}

// ErrRangeTaken says that Docker has another network in a VPC's range.
var ErrRangeTaken = errors.New("the range is another Docker network's")

// Claim makes the VPC's network, so that nobody else gets its range: of two who ask for
// overlapping ranges at the same time, Docker gives one to one. The other's error is [ErrRangeTaken].
func (e *Engine) Claim(ctx context.Context, vpc orchestrator.VPC) error {
	return e.ensureNetwork(ctx, vpc)
}

func (e *Engine) createNetwork(ctx context.Context, name string, vpc orchestrator.VPC) error {
	ctx, cancel := outlive(ctx)
	defer cancel()
	_, err := e.client.NetworkCreate(ctx, name, e.networkOptions(vpc))
	switch {
	case cerrdefs.IsConflict(err): // another process of ours was faster
		return nil
	case err != nil && strings.Contains(err.Error(), "overlap"): // Docker has no code for it
		return fmt.Errorf("%w: %w", ErrRangeTaken, err)
	}
	return err
}

func (e *Engine) forgetNetworks() {
	e.networks.Lock()
	defer e.networks.Unlock()
	clear(e.present)
}

func (e *Engine) networkOptions(vpc orchestrator.VPC) network.CreateOptions {
	ipv6 := false
	return network.CreateOptions{
		Driver:     "bridge",
		EnableIPv6: &ipv6,
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{
			Subnet:  vpc.CIDR.Masked().String(),
			Gateway: vpc.Gateway.String(),
		}}},
		Options: map[string]string{"com.docker.network.bridge.name": BridgeName(e.config.Instance, vpc.ID)},
		Labels:  e.networkLabels(vpc),
	}
}

func (e *Engine) networkLabels(vpc orchestrator.VPC) map[string]string {
	labels := map[string]string{labelInstance: e.config.Instance, labelVPC: vpc.ID}
	if e.config.Home != "" {
		labels[labelHome] = e.config.Home
	}
	return labels
}

// checkNetwork refuses a network of our name that is not the one we would have made.
func (e *Engine) checkNetwork(found network.Inspect, vpc orchestrator.VPC) error {
	remedy := "remove it (`docker network rm " + found.Name + "`)"
	if found.Labels[labelInstance] != e.config.Instance {
		return fmt.Errorf("network %s exists and is not drydock's: %s", found.Name, remedy)
	}
	for _, c := range found.IPAM.Config {
		if c.Subnet == vpc.CIDR.Masked().String() {
			return nil
		}
	}
	return fmt.Errorf("network %s has another range than %s: %s", found.Name, vpc.CIDR, remedy)
}

// UsedPrefixes lists the IPv4 ranges of Docker networks that are not ours.
func (e *Engine) UsedPrefixes(ctx context.Context) ([]netip.Prefix, error) {
	list, err := e.client.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var used []netip.Prefix
	for _, n := range list {
		if n.Labels[labelInstance] == e.config.Instance {
			continue
		}
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is4() {
				used = append(used, p.Masked())
			}
		}
	}
	return used, nil
}

// Route is an IPv4 route of the host.
type Route struct {
	Interface string
	Prefix    netip.Prefix
}

// HostRoutes lists the host's IPv4 routes, without the default route. Routes of our own bridges
// are among them: see [BridgeName].
func HostRoutes() ([]Route, error) {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("read host routes: %w", err)
	}
	defer f.Close()
	return parseRoutes(f)
}

func parseRoutes(r io.Reader) ([]Route, error) {
	var routes []Route
	lines := bufio.NewScanner(r)
	lines.Scan() // head
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			continue
		}
		addr, err := parseRouteAddr(f[1])
		if err != nil {
			return nil, fmt.Errorf("host route %q: %w", lines.Text(), err)
		}
		mask, err := parseRouteAddr(f[7])
		if err != nil {
			return nil, fmt.Errorf("host route %q: %w", lines.Text(), err)
		}
		ones := bits.OnesCount32(binary.BigEndian.Uint32(mask.AsSlice()))
		if ones > 0 {
			routes = append(routes, Route{Interface: f[0], Prefix: netip.PrefixFrom(addr, ones)})
		}
	}
	return routes, lines.Err()
}

// parseRouteAddr reads an address as the kernel prints it: hexadecimal, in the host's byte order.
func parseRouteAddr(s string) (netip.Addr, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return netip.Addr{}, fmt.Errorf("bad address %q", s)
	}
	var a [4]byte
	binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(b))
	return netip.AddrFrom4(a), nil
}
