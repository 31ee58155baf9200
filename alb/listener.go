package alb

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"syscall"

	"drydock/timeline"
)

// Listener is a listener of a load balancer.
type Listener struct {
	ARN, LoadBalancerARN string
	Protocol             string // HTTP or HTTPS
	Port                 int
	DefaultActions       []Action
	Attributes           map[string]string `json:",omitempty"` // those that were set; see DescribeListenerAttributes
	Tags                 []Tag

	DefaultCertificate string   `json:",omitempty"` // ARN; of HTTPS only
	Certificates       []string `json:",omitempty"` // ARNs of the list for SNI; it may hold the default one too
	SSLPolicy          string   `json:",omitempty"` // of HTTPS only

	Address netip.AddrPort // where it listens on this machine
	Problem string         `json:"-"` // why it is not open; empty if all is well
}

// CreateListenerInput holds what CreateListener takes.
type CreateListenerInput struct {
	LoadBalancerARN string
	Protocol        string
	Port            int
	DefaultActions  []Action
	Security        Security
	Tags            []Tag
}

// CreateListener creates a listener and its default rule; the same settings again return
// the one that exists (ALB-227). If its port is taken on this machine nothing is created.
func (b *Balancer) CreateListener(ctx context.Context, in CreateListenerInput) (Listener, error) {
	if err := in.check(); err != nil {
		return Listener{}, err
	}
	var l Listener
	err := b.updateListener(ctx, func(x *tx) (string, error) {
		created, isNew, err := x.createListener(in)
		l = created
		if err != nil || !isNew {
			return "", err
		}
		return l.ARN, nil
	}, func(x *tx) error {
		x.removeListener(x.listeners.rows[l.ARN])
		x.settle(x.event(timeline.Config, l.ARN, "took back listener: its port could not be opened", nil))
		return nil
	})
	if err != nil {
		return Listener{}, err
	}
	return l, nil
}

func (in CreateListenerInput) check() error {
	if err := checkListener(in.Protocol, in.Port); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

func checkListener(protocol string, port int) error {
	switch {
	case protocol == "":
		return invalid("A listener protocol must be specified")
	case protocol != "HTTP" && protocol != "HTTPS":
		return unsupportedListenerProtocol(protocol)
	case port == 0:
		return invalid("A listener port must be specified")
	case port < 1:
		return constraint(port, "port", "have value greater than or equal to 1")
	case port > 65535:
		return constraint(port, "port", "have value less than or equal to 65535")
	}
	return nil
}

func (x *tx) createListener(in CreateListenerInput) (l Listener, isNew bool, err error) {
	lb, err := x.loadBalancer(in.LoadBalancerARN)
	if err != nil {
		return Listener{}, false, err
	}
	l = Listener{LoadBalancerARN: lb.ARN, Protocol: in.Protocol, Port: in.Port, Tags: in.Tags}
	if err := x.secure(&l, in.Security); err != nil {
		return Listener{}, false, err
	}
	if l.DefaultActions, err = x.resolveActions(l.scope(), in.DefaultActions); err != nil {
		return Listener{}, false, err
	}
	if existing := x.listenerOn(lb.ARN, in.Port); existing != nil {
		if l.sameSettings(existing) {
			return *existing, false, nil
		}
		return Listener{}, false, duplicateListener(lb.ARN)
	}
	if len(x.listenersOf(lb.ARN)) >= maxListeners {
		return Listener{}, false, refuse("TooManyListeners", "The maximum number of listeners has been reached on load balancer '%s'", lb.ARN)
	}
	if l.Address, err = x.localAddress(lb, "", in.Port); err != nil {
		return Listener{}, false, err
	}
	l.ARN = x.b.listenerARN(lb.ARN)
	x.addListener(lb, l)
	return l, true, nil
}

// sameSettings compares l, as asked for, with one that exists.
func (l *Listener) sameSettings(existing *Listener) bool {
	return l.Protocol == existing.Protocol && l.DefaultCertificate == existing.DefaultCertificate &&
		l.SSLPolicy == existing.SSLPolicy && reflect.DeepEqual(l.DefaultActions, existing.DefaultActions)
}

func (x *tx) addListener(lb *LoadBalancer, l Listener) {
	x.listeners.put(x, l.ARN, &l)
	rule := Rule{ARN: x.b.ruleARN(l.ARN), ListenerARN: l.ARN, Priority: defaultPriority, Actions: l.DefaultActions, IsDefault: true}
	x.rules.put(x, rule.ARN, &rule)
	x.adoptAddress(lb, l.Address.Addr())
	cause := x.event(timeline.Config, l.ARN, fmt.Sprintf("created listener on port %d of %s at %s", l.Port, lb.Name, l.Address),
		map[string]string{"address": l.Address.String()})
	x.settle(cause)
}

// adoptAddress makes the address of its first listener a load balancer's own.
func (x *tx) adoptAddress(lb *LoadBalancer, addr netip.Addr) {
	if lb.Address.IsValid() {
		return
	}
	next := *lb
	next.Address = addr
	x.loadBalancers.put(x, lb.ARN, &next)
}

func duplicateListener(lb string) error {
	return refuse("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", lb)
}

func (s state) listenerOn(lb string, port int) *Listener {
	for _, l := range s.listeners.rows {
		if l.LoadBalancerARN == lb && l.Port == port {
			return l
		}
	}
	return nil
}

// localAddress chooses where a listener listens on this machine: at its load balancer's
// address, or at the next one if another load balancer has the port there.
func (x *tx) localAddress(lb *LoadBalancer, self string, port int) (netip.AddrPort, error) {
	port += x.b.config.PortOffset
	if port < 1 || port > 65535 {
		return netip.AddrPort{}, refuse("InvalidConfigurationRequest", "Port %d, the listener's port with --port-offset %d, is not within 1 to 65535", port, x.b.config.PortOffset)
	}
	taken := map[netip.AddrPort]bool{}
	for _, l := range x.listeners.rows {
		taken[l.Address] = l.ARN != self || taken[l.Address]
	}
	first := x.b.config.Address
	candidates := []netip.Addr{first}
	if lb.Address.IsValid() {
		candidates = []netip.Addr{lb.Address, first}
	}
	for _, addr := range candidates {
		if at := netip.AddrPortFrom(addr, uint16(port)); !taken[at] {
			return at, nil
		}
	}
	for addr := first.Next(); first.IsLoopback() && addr.IsLoopback(); addr = addr.Next() {
		if at := netip.AddrPortFrom(addr, uint16(port)); !taken[at] {
			return at, nil
		}
	}
	return netip.AddrPort{}, refuse("InvalidConfigurationRequest", "Port %d of %s is in use by a listener of another load balancer; choose another port, or a loopback address for --alb-address", port, first)
}

// portTaken explains why a listener could not be opened and what to do about it.
func (b *Balancer) portTaken(l *Listener, reason error) *Error {
	port := l.Address.Port()
	switch {
	case errors.Is(reason, syscall.EACCES), errors.Is(reason, syscall.EPERM):
		return refuse("InvalidConfigurationRequest", "The listener can't be opened at %s: %v. Ports below 1024 need root: run the daemon as root, or with --port-offset 8000, which adds 8000 to every listener's port", l.Address, reason)
	default:
		return refuse("InvalidConfigurationRequest", "The listener can't be opened at %s: %v. See who has the port with \"ss -ltnp 'sport = :%d'\" and stop it, choose another port, or start the daemon with --port-offset 8000, which adds 8000 to every listener's port", l.Address, reason, port)
	}
}

// ModifyListenerInput holds what ModifyListener takes. Zero values leave a setting as it is.
type ModifyListenerInput struct {
	ListenerARN    string
	Protocol       string
	Port           int
	DefaultActions []Action
	Security       Security
}

// ModifyListener changes a listener.
func (b *Balancer) ModifyListener(ctx context.Context, in ModifyListenerInput) (Listener, error) {
	var before, after Listener
	err := b.updateListener(ctx, func(x *tx) (string, error) {
		old, err := x.listener(in.ListenerARN)
		if err != nil {
			return "", err
		}
		before = *old
		if after, err = x.modifyListener(before, in); err != nil || after.Address == before.Address {
			return "", err
		}
		return after.ARN, nil
	}, func(x *tx) error {
		x.putListener(before)
		x.settle(x.event(timeline.Config, before.ARN, "took back change of listener: its port could not be opened", nil))
		return nil
	})
	if err != nil {
		return Listener{}, err
	}
	return after, nil
}

func (x *tx) modifyListener(l Listener, in ModifyListenerInput) (Listener, error) {
	lb, err := x.loadBalancer(l.LoadBalancerARN)
	if err != nil {
		return Listener{}, err
	}
	if in.Protocol != "" {
		l.Protocol = in.Protocol
	}
	if in.Port != 0 && in.Port != l.Port {
		if x.listenerOn(l.LoadBalancerARN, in.Port) != nil {
			return Listener{}, duplicateListener(l.LoadBalancerARN)
		}
		l.Port = in.Port
		if l.Address, err = x.localAddress(lb, l.ARN, in.Port); err != nil {
			return Listener{}, err
		}
	}
	if err := checkListener(l.Protocol, l.Port); err != nil {
		return Listener{}, err
	}
	if err := x.secure(&l, in.Security); err != nil {
		return Listener{}, err
	}
	if in.DefaultActions == nil {
		in.DefaultActions = l.DefaultActions
	}
	if l.DefaultActions, err = x.resolveActions(l.scope(), in.DefaultActions); err != nil {
		return Listener{}, err
	}
	if err := x.checkRules(&l); err != nil {
		return Listener{}, err
	}
	x.putListener(l)
	x.settle(x.event(timeline.Config, l.ARN, fmt.Sprintf("modified listener on port %d of %s", l.Port, lb.Name), nil))
	return l, nil
}

// checkRules checks that a listener's rules are right for what it is about to become.
func (x *tx) checkRules(l *Listener) error {
	for _, rule := range x.rulesOf(l.ARN) {
		if rule.IsDefault {
			continue
		}
		if _, err := x.resolveActions(l.scope(), rule.Actions); err != nil {
			return err
		}
	}
	return nil
}

// putListener stores a listener and its default rule's actions.
func (x *tx) putListener(l Listener) {
	x.listeners.put(x, l.ARN, &l)
	rules := x.rulesOf(l.ARN)
	rule := *rules[len(rules)-1]
	rule.Actions = l.DefaultActions
	x.rules.put(x, rule.ARN, &rule)
}

// DescribeListeners returns the listeners of a load balancer, or those with these ARNs.
func (b *Balancer) DescribeListeners(_ context.Context, loadBalancer string, arns []string) ([]Listener, error) {
	v := b.view.Load()
	var rows []*Listener
	switch {
	case loadBalancer != "":
		if _, err := v.loadBalancer(loadBalancer); err != nil {
			return nil, err
		}
		rows = v.listenersOf(loadBalancer)
	case len(arns) == 0:
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	for _, arn := range arns {
		l, err := v.listener(arn)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(rows, l) {
			rows = append(rows, l)
		}
	}
	found := make([]Listener, 0, len(rows))
	for _, row := range rows {
		l := *row
		if err := v.problems[l.ARN]; err != nil {
			l.Problem = b.portTaken(row, err).Message
		}
		found = append(found, l)
	}
	return found, nil
}

func (s state) listener(arn string) (*Listener, error) {
	if err := checkARN("listener", arn); err != nil {
		return nil, err
	}
	if l := s.listeners.rows[arn]; l != nil {
		return l, nil
	}
	return nil, listenersNotFound()
}

// DeleteListener deletes a listener and its rules.
func (b *Balancer) DeleteListener(ctx context.Context, arn string) error {
	return b.update(ctx, func(x *tx) error {
		l, err := x.listener(arn)
		if err != nil {
			return err
		}
		cause := x.event(timeline.Config, arn, fmt.Sprintf("deleted listener on port %d", l.Port), nil)
		x.removeListener(l)
		x.settle(cause)
		return nil
	})
}

func (x *tx) removeListener(l *Listener) {
	for _, rule := range x.rulesOf(l.ARN) {
		x.rules.remove(x, rule.ARN)
	}
	x.listeners.remove(x, l.ARN)
}
