// Command bench measures drydock beside its peers in the same run: how long 20 tasks take to
// be healthy beside plain Docker and Docker Compose, what a pass of the planner costs, how fast
// the daemon starts and what it takes while it idles, and what a request costs in the load
// balancer beside nginx. It prints one table and, with --json, the same for programs.
//
// Words: a figure is one line of the table; a round is one measurement of ours and of the
// peer's, back to back, so that a busy machine hurts both alike; a figure's value is the median
// of its rounds, and its ratio the median of the rounds' ratios.
//
// Everything that it makes is its own: a daemon with its own state and ports, an image, a
// network and containers with its label. It removes them in the end, also after a failure or
// an interrupt. It never changes a daemon or a container that it did not start.
package main
