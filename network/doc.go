// Package network is the part of EC2 that ECS and ELB stand on: VPCs, subnets,
// elastic network interfaces and security groups. It compiles them to one [RuleSet],
// which an [Enforcer] makes true in the kernel.
//
// Its words:
//
//   - A [VPC] is one bridge network. There is one real VPC, the default one; other VPC
//     ids are names for the same network.
//   - A [Subnet] is a range of the VPC in one of three fake availability zones.
//   - An [Interface] is the address of one task, or of one load balancer in one zone.
//   - A warm interface is one that is kept ready: it belongs to no task yet and is in no group.
//   - A [SecurityGroup] is a set of rules; an interface is a member of one or more.
//   - To adopt an id is to create what it names under that very id, because users paste
//     production documents whose subnets and groups exist elsewhere.
//   - A closed interface is one whose task's containers have stopped: it resets connections.
//   - A released address is in quarantine until a deadline: nobody gets it, and packets
//     to and from it are dropped.
//
// [Network] is the only writer of this state. It keeps rows in memory behind a mutex and
// writes them through its [Store] together with the events that tell of them. It never
// runs a command, opens a socket or looks at the host: that is the business of an Enforcer.
package network
