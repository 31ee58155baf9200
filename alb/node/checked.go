package node

import "time"

// usersOf returns the ids of the load balancers whose rules forward to a target group, by
// its ARN.
func usersOf(lbs []LoadBalancer) map[string][]string {
	users := map[string][]string{}
	for i := range lbs {
		for _, arn := range forwardedTo(&lbs[i]) {
			if all := users[arn]; len(all) == 0 || all[len(all)-1] != lbs[i].ID {
				users[arn] = append(all, lbs[i].ID)
			}
		}
	}
	return users
}

// forwardedTo returns the target groups of a load balancer, some of them more than once.
func forwardedTo(lb *LoadBalancer) (arns []string) {
	for _, l := range lb.Listeners {
		for _, r := range l.Rules {
			if r.Action.Forward == nil {
				continue
			}
			for _, g := range r.Action.Forward.TargetGroups {
				arns = append(arns, g.ARN)
			}
		}
	}
	return arns
}

// tellCheck reports a health check that took from p.at until now.
func (n *Node) tellCheck(t *target, s *checkSettings, p probe) {
	c := Check{Time: p.at, LoadBalancers: s.users, TargetGroup: t.group, Registration: t.registration, Addr: s.to,
		Protocol: "HTTP", Latency: time.Since(p.at), Passed: p.ok, StatusCode: p.status}
	if s.Protocol != "" {
		c.Protocol = s.Protocol
	}
	if t.version == "GRPC" {
		c.Protocol = t.version
	}
	if !p.ok {
		c.Reason, _ = p.verdict()
	}
	n.sink.Checked(c)
}
