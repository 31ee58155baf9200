// Package taskdefs knows ECS task definition documents: parse, validate, default, revise.
//
// It is pure: no I/O, no clock, no goroutine. The document that a user registered is
// kept verbatim; [TaskDefinition] is the typed view of the part that drydock acts on.
package taskdefs
