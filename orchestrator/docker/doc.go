// Package docker is the [orchestrator.Engine] on the Docker API, from API version 1.41 (Docker 20.10) on.
//
// A VPC is a bridge network; a task is one container on it with the task's own address, or
// several containers that share the network namespace of a pause container. Docker is the only
// memory: names are derived from the task, labels are set at creation, and so a call that was cut
// off at any point is finished by the same call again.
//
// Words: an instance is one drydock installation (8 hex digits), an owner is the container that
// owns a task's network namespace, ours is what carries the instance's label.
//
// Nothing that is not ours is ever changed, stopped or removed; a foreign container that has a
// name we need is an error that says so. The package writes no state of drydock's.
package docker
