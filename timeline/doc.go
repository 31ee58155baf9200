// Package timeline is drydock's memory of what happened and why.
//
// Its words:
//
//   - An [Event] is one state change, API call or decision. It names its cause,
//     the sequence number of the event that led to it, so that a failed request
//     can be followed back to the call that started everything:
//     API call → deployment → scheduler decision → signal → exit → target state → request.
//   - An [Outcome] is what became of one client request at the load balancer.
//   - A [Cause] is the load balancer's own reason for a response that it wrote itself.
//
// Events are written by the room that changes the state, in the same transaction
// as the change, and appended to the [Log] once they are durable. Outcomes are
// written by the load balancer node into the [Recorder]. [Explain] turns both into
// the answer to "why": it is pure, and keeps no clock.
//
// This package imports nothing of ours, and starts nothing in the background. Nothing
// here changes an event, or an outcome beyond its epilogue, and nothing here ever holds
// up a request.
package timeline
