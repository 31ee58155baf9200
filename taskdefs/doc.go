// Package taskdefs knows ECS task definitions: parse, validate, default, revise.
//
// Its words:
//
//   - A [Document] is what a user registered, kept verbatim, with [TaskDefinition] as its
//     typed view: the part that drydock acts on. Whatever the API doesn't know or drydock
//     ignores is named in the document's warnings.
//   - A [Registered] is a revision of a family: ACTIVE, INACTIVE or DELETE_IN_PROGRESS.
//     Its document never changes, its number is never given again.
//   - The [Catalogue] holds all revisions and is the only writer of their rows; it writes
//     through a [Store].
//
// Parsing, validating and describing are pure. The package keeps no clock, starts no
// goroutine, and never looks at tasks, services or images.
package taskdefs
