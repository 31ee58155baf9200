// Package logs writes what Application Load Balancers log: access logs, connection logs
// and health check logs, in AWS's formats and under AWS's file names.
//
// Words: a line is one record in the format of its log ([AppendAccess], [AppendConnection],
// [AppendHealthCheck]). A stream is one log of one load balancer. A live file is the plain
// file that a stream grows during one interval of five minutes; it can be followed with
// tail -f. Shipping a live file means to compress it to the name that AWS gives it in the
// bucket. [Delivery] does all of that; a bucket is a folder in the state directory.
//
// Recording costs the request path one look-up and one copy; formatting, writing and
// shipping happen in [Delivery.Run]. The queue between them is bounded: what does not fit,
// and what the disk does not take, is counted ([Delivery.Lost]) and never waited for.
// Where nobody wants a log, nothing is copied.
//
// Only Delivery.Run writes files. After a crash the next Run ships what live files hold.
// This package never changes a record, never decides what is logged beyond the load
// balancer's attributes, and never holds up a request.
package logs
