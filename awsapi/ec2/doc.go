// Package ec2 serves the part of the Amazon EC2 API that ECS and ELB stand on: VPCs,
// subnets, zones, network interfaces and security groups.
//
// The shapes are generated; the handlers turn them into the words of package network and
// back. Every rule and all state are network's.
package ec2
