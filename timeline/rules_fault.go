package timeline

import (
	"slices"
	"strings"
)

// Kinds of injected faults, by the names that AWS gives them.
const (
	faultBlackhole = "network-blackhole-port"
	faultLatency   = "network-latency"
	faultLoss      = "network-packet-loss"
)

// faultsDuring returns the events that began those faults of the task that acted while the
// request did, the oldest first.
func (s *scene) faultsDuring() []Event {
	if s.life == nil {
		return nil
	}
	var acting []Event
	for _, e := range s.life.faults {
		switch {
		case e.Time.After(s.o.End.Add(skew)):
			return acting
		case e.Data["status"] == "running":
			acting = append(acting, e)
		case e.Time.Before(s.o.Start.Add(-skew)):
			acting = slices.DeleteFunc(acting, func(b Event) bool { return b.Data["what"] == e.Data["what"] })
		}
	}
	return acting
}

// faulty looks for a fault that wants accepts.
func (s *scene) faulty(c Confidence, want func(Event) bool) (finding, bool) {
	faults := s.faultsDuring()
	if n := slices.IndexFunc(faults, want); n >= 0 {
		return because(FaultInjected, c, faults[n])
	}
	return no()
}

// swallowed reports whether a fault drops every packet to the target's port.
func (s *scene) swallowed(e Event) bool {
	_, port, _ := strings.Cut(s.o.Target.Address, ":")
	return e.Data["fault"] == faultBlackhole && e.Data["trafficType"] == "ingress" && e.Data["protocol"] == "tcp" && e.Data["port"] == port
}

// faultOnTheWay: what the load balancer and the task exchange is dropped, lost or late.
func faultOnTheWay(s *scene) (finding, bool) {
	if f, ok := s.faulty(Certain, s.swallowed); ok {
		return f, ok
	}
	return s.faulty(Likely, with("fault", faultLoss, faultLatency))
}

// answeredBehindFault is faultBehind for what the target itself answered.
func answeredBehindFault(s *scene) (finding, bool) {
	if s.o.TargetStatus < 500 {
		return no()
	}
	return faultBehind(s)
}

// faultBehind: what the task needs of others to answer is dropped.
func faultBehind(s *scene) (finding, bool) {
	return s.faulty(Likely, func(e Event) bool { return e.Data["fault"] == faultBlackhole && e.Data["trafficType"] == "egress" })
}
