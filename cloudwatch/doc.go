// Package cloudwatch is Amazon CloudWatch's metrics and alarms, as far as ECS users rely on
// them: what load balancers and services do as metrics, and alarms that watch them.
//
// Its words are CloudWatch's:
//
//   - A [Metric] is a namespace, a name and dimensions. Different dimensions are different
//     metrics, also where one contains the other.
//   - A [Datum] is what somebody reports about a metric. Data of the same slot, 10 seconds, are
//     added up; what is older than three hours is kept by the minute, for a day at most.
//   - A statistic makes one number of the data of a period: Sum, Average, p99.
//   - An [Alarm] compares a statistic of the last periods with a threshold, and is in one of
//     three states.
//
// Metrics live in memory and are lost with the process, as high-rate data should be; alarms
// and their history are rows. [Monitor.Run] alone moves alarms from state to state, but for
// SetAlarmState; it asks the sources for data before it does, so that an alarm sees what
// happened up to now. An alarm's state change stands on the timeline. What is to be done about
// an alarm is up to those who ask for its state: this package calls nobody.
package cloudwatch
