// Package ecs serves the Amazon ECS API: clusters, task definitions, services, tasks and
// their tags.
//
// The shapes are generated; the handlers turn them into the words of the packages
// orchestrator and taskdefs and back, with the defaults that AWS fills into its answers.
// Every rule and all state are theirs: what is here are limits of single calls, filters of
// lists, and how things look.
package ecs
