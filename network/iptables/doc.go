// Package iptables makes a [network.RuleSet] true with ipset and iptables.
//
// Its words:
//
//   - A set (ipset) holds addresses: all tasks, all load balancers, the closed, the
//     quarantine, the members of one security group. A task that comes or goes changes
//     sets only.
//   - A chain of ours holds rules: IN (may this reach a member?), EG (may a member send
//     this?), ACC (is anybody behind the member that this may reach?), HOLE (does an
//     injected fault swallow this?), and FWD, OUT and INP, which choose between IN and EG.
//   - A hook is the jump to FWD, OUT or INP from DOCKER-USER, OUTPUT or INPUT.
//   - An alias is a load balancer's address on the VPC's bridge.
//
// All chains are replaced in one iptables-restore transaction, so that no packet ever
// meets half a rule set. What does not pass is dropped, never rejected, as on AWS; a reset
// is only for what passes, when nobody listens (NET-042). The names of everything begin
// with the prefix of one daemon's network; nothing else is ever changed. After the first
// Apply a self-test dials between two throw-away network namespaces, because bridged
// traffic can bypass iptables without a sign.
package iptables
