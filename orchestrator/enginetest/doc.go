// Package enginetest helps to test what uses an [orchestrator.Engine], and engines themselves.
//
// [Fake] is an engine in memory: containers are entries in a map that obey a [Script]. It uses
// package time alone, so that a test inside a testing/synctest bubble runs a deployment of minutes
// in no time; make it inside the bubble. [Hooks] put a server of the test behind each container.
//
// [Conformance] is the list of what every engine does. It runs against Fake and against real
// Docker, so that the fake cannot drift from what it stands for.
//
// Words: a machine is where containers live and outlives an engine value, like a Docker daemon
// outlives drydock; an instance is a drydock installation, and engines see only their own.
package enginetest
