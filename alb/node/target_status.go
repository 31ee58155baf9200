package node

import "net/netip"

// TargetStatus is what a node knows about a registration now.
type TargetStatus struct {
	TargetGroup  string         `json:"targetGroup"` // ARN
	Registration string         `json:"registration"`
	Addr         netip.AddrPort `json:"addr"`
	State        State          `json:"state"`
	Reason       string         `json:"reason,omitempty"`      // as in [HealthChange]; empty before the first change
	Description  string         `json:"description,omitempty"` // likewise
	Detail       string         `json:"detail,omitempty"`      // likewise
	Draining     bool           `json:"draining,omitempty"`
	InFlight     int            `json:"inFlight"`
}

// Targets returns the registrations of the last snapshot, and those that still have
// requests in flight, in no particular order.
func (n *Node) Targets() []TargetStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]TargetStatus, 0, len(n.targets))
	for _, t := range n.targets {
		s := TargetStatus{TargetGroup: t.group, Registration: t.registration, Addr: t.addr, State: t.stateNow(), Draining: t.draining.Load(), InFlight: int(t.inflight.Load())}
		if last := t.health.last.Load(); last != nil && last.To == s.State {
			s.Reason, s.Description, s.Detail = last.Reason, last.Description, last.Detail
		}
		all = append(all, s)
	}
	return all
}
