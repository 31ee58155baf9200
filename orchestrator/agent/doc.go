// Package agent is what ECS's agent serves inside of tasks, at http://169.254.170.2: metadata
// and statistics, credentials of the task role, scale-in protection, and the injection of network
// faults.
//
// Its words:
//
//   - An endpoint id names one container in the paths of metadata, protection and faults. It is
//     derived from the task and the container's name, so that a restarted daemon knows it again.
//   - The caller of a request is the task whose address it comes from. Paths of another
//     task are answered as those of a task that does not exist.
//   - A [Provider] gives credentials; without one there are none.
//   - A [Fault] is a network fault that is injected into a task, until it is stopped or its
//     task ends. Faults are rows: [Agent] alone writes them, and a restarted daemon injects
//     them again.
//
// [Agent.Run] listens on the gateway of the VPC's bridge, on a socket that hears this bridge
// only, and hangs up on everybody who is not one of our tasks: neither the host's own programs, web
// pages among them, nor other machines are answered. A rule of the firewall leads there what tasks
// send to the metadata address.
//
// What it never does: run a command, answer anybody who is not one of our tasks, write
// credentials to a log.
package agent
