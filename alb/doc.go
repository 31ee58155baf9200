// Package alb is the control plane of the load balancer: ELBv2's load balancers,
// listeners, rules, target groups, targets and their health.
//
// Its words are those of Elastic Load Balancing. A load balancer has listeners; a
// listener has rules, the last of them its default rule; a rule forwards to target
// groups, redirects, or gives a fixed response. A [Target] is registered with a target
// group. Every registration has an identity of its own, which is never reused: the
// same address registered again is another registration.
//
// A [Balancer] keeps all of it in memory as immutable rows, and is the only writer of
// them. A change is made on a copy, committed to the [Store] together with its events,
// and only then published, compiled to a node.Snapshot and applied to the [Node]. The
// node reports what its health checks see; alb alone decides what that makes of a
// target's state, through one door (see advance): a draining target stays draining
// until its deadline, whatever the health checks say.
//
// A snapshot also holds what is kept elsewhere: certificates of [Certificates], and what
// targets are dialled with, of [Network]. Run applies another one when that changes.
//
// Deadlines (registration propagation, end of draining) are stored in rows. Run acts
// on those that have passed, so that a restart in the middle of a drain carries on with
// the time that remains.
//
// This package never serves a request, never checks health itself, and knows nothing
// of ECS beyond carrying the ARN of the task behind a target.
package alb
