// Package logs is CloudWatch Logs: log groups, log streams and their events.
//
// Its words:
//
//   - A [Group] holds streams; a [Stream] is a sequence of [Event]s.
//   - A [Source] is the container behind a stream that the awslogs driver would write. Its events
//     are read where they are, in the container's log, and what is kept of it afterwards;
//     nothing is copied while it runs.
//   - A stream that clients write with PutLogEvents lies in a file of its own.
//   - A position is where an event stands in its stream: its time, and its number among those
//     of the same time. Tokens carry positions.
//
// [Service] is the only writer of groups and streams. It never writes to a container's log,
// and it never keeps events in the store: only groups and streams are rows.
package logs
