// Package control joins the daemon and the load balancer node, which is a process of its own.
//
// Its words:
//
//   - A [Process] is the node's side. It serves, checks health and honours drain deadlines
//     whether a daemon runs or not. One process at a time holds the lock of a state directory.
//   - A [Client] is the daemon's side. It finds the process or starts it, feeds it snapshots
//     and takes in its reports. It is an alb.Node.
//   - A [Record] is one thing that the daemon has to know. Failed outcomes and epilogues are
//     numbered and kept, within bounds, until the daemon says that it has stored them; a
//     daemon that was dead gets them when it comes back. Health states are compared instead:
//     whoever connects is told all of them first. Ordinary outcomes stay with the node, which
//     is asked for them.
//   - A hand-over gives the listening sockets from one process to the next, when the binary
//     was upgraded: both accept for a moment, nobody is refused. The predecessor retires: it
//     finishes with the connections that it has, following its successor's snapshots and
//     sending it what it finds out.
//
// The wire is HTTP on a unix socket, 0600 in a folder of 0700 in the state directory. Both
// sides are the same program, though maybe of different versions: members are only ever added.
//
// The process alone writes what is in its folder, except its log. This package decides nothing
// about requests or targets, and no request waits for it.
package control
