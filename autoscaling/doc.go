// Package autoscaling is Application Auto Scaling for the desired count of ECS services.
//
// Its words are AWS's:
//
//   - A [Target] is a service whose desired count may be scaled between a minimum and a maximum.
//   - A [Policy] says when and by how much: target tracking keeps a metric near a value, step
//     scaling changes the count by how far an alarm's metric is from its threshold.
//   - A [ScheduledAction] sets the minimum and maximum at certain times.
//   - An [Activity] is one change that was made, or could not be, with its cause.
//
// Target tracking is two alarms of CloudWatch, which this package puts and deletes; policies act
// while alarms name them among the actions of the state that they are in. [Scaler.Run] decides
// and is level-triggered: every pass looks at what is so now. What it decides is a pure function
// of the rows, the alarms, the service and the time; every delay is a time in a row. A change is
// a row and an event before it is asked of the scheduler, which alone starts and stops tasks.
package autoscaling
