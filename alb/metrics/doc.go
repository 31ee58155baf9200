// Package metrics counts what Application Load Balancers report to CloudWatch, and shows it
// to Prometheus under CloudWatch's own names: RequestCount, HTTPCode_ELB_502_Count,
// TargetResponseTime and so on, with CloudWatch's dimensions as labels, LoadBalancer
// (app/name/id), TargetGroup (targetgroup/name/id) and AvailabilityZone.
//
// Words: a cell is what is counted for one load balancer, or for the targets of one target
// group in one zone. Counters only grow: a CloudWatch Sum over a minute is Prometheus'
// increase over it. What CloudWatch publishes for several sets of dimensions is here once,
// with all labels it has; sums over labels give the others.
//
// [Metrics.Observe] and [Metrics.Connected] are called on the request path: one look-up and
// a handful of atomic additions. Everything else happens when somebody scrapes. Counters
// live as long as the process, also those of load balancers that are gone: increase and
// rate know what a restart is. This package starts no goroutine and decides nothing.
package metrics
