// Command bench measures drydock beside its peers in the same run: how long 20 tasks take to
// be healthy beside plain Docker and Docker Compose, how soon a lost task is replaced beside a
// plain container's start, what a rolling deployment takes beside the least that it could, how
// many tasks a machine holds, what a pass of the planner costs, how fast the daemon starts and
// what it takes while it idles, what a request costs in the load balancer beside nginx with
// containers behind it, and, without containers, what all kinds of requests and connections cost
// the balancer's process beside nginx and HAProxy. It prints one table and, with --json, the
// same for programs.
//
// Words: a figure is one line of the table; a round is one measurement of ours and of the
// peers', back to back, so that a busy machine hurts all alike; a figure's value is the median
// of its rounds, and its ratio the median of the rounds' ratios. A workload is one way to load
// a balancer; its figure is CPU time a request of the balancer's processes, which a busy machine
// disturbs least: the proxies have a core to themselves, the generators and backends the other
// one. An aim is what a figure or ratio is to be at most.
//
// With --beside, the section proxy compares other builds of drydock, or the floor: a proxy in Go
// that only passes messages on, the least that one can cost. Loaded at the same time (--at-once),
// two builds of drydock differ by what the builds differ by: one percent shows on a busy machine.
//
// The section proxy runs in a process and network namespace of its own; it takes root. What
// drydock cannot do yet is a line of the table too.
//
// Everything that it makes is its own: a daemon with its own state and ports, an image, a
// network and containers with its label, processes. It removes them in the end, also after a
// failure or an interrupt. It never changes a daemon or a container that it did not start.
package main
