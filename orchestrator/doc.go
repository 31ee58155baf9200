// Package orchestrator is ECS's scheduler: clusters, services, deployments and tasks.
//
// Its words:
//
//   - A [Service] wants a number of tasks of one task definition. A [Deployment] is one
//     revision of a service on its way in or out; the newest is PRIMARY.
//   - A [Task] is one-shot: its status only moves forward ([Task] through advance), and a
//     replacement is a new task.
//   - A [Plan] is what one pass of the loop decided: changed rows, events, actions.
//
// One loop decides everything: it observes the engine's containers and the balancer's
// target health, computes a plan with the pure function [Reconcile], makes it durable
// together with the events that say why, and only then acts. Every delay is a deadline in
// a row. The loop is the only writer of task and deployment status; API operations write
// what is desired (services, new deployments, stop requests) and poke the loop.
//
// What it never does: decide from an event alone, keep progress in a goroutine, move a
// task's status backwards, signal a task of a service before its targets are out of the
// load balancer (unless AWS would: StopTask and crashes).
package orchestrator
