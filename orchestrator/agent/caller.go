package agent

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/netip"
	"strings"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// caller is the task that a request comes from.
type caller struct {
	task       *orchestrator.Task
	definition *taskdefs.TaskDefinition
}

// endpointID names a container in paths, in the form that Fargate has: the task's id, a hyphen
// and ten digits.
func endpointID(task, container string) string {
	return fmt.Sprintf("%s-%010d", task, crc32.ChecksumIEEE([]byte(task+"/"+container)))
}

// source is the address that a request comes from.
func source(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap()
}

// caller returns the task at the address that a request comes from; false if it is not one of ours.
func (a *Agent) caller(r *http.Request) (caller, bool) {
	t := a.taskAt(source(r))
	if t == nil {
		return caller{}, false
	}
	found, err := a.config.Definitions.Lookup(t.TaskDefinition)
	if err != nil {
		return caller{}, false
	}
	return caller{t, &found.Document.Definition}, true
}

// taskAt returns the live task at an address, nil if there is none.
func (a *Agent) taskAt(address netip.Addr) *orchestrator.Task {
	return a.config.Scheduler.TaskAt(address)
}

// named returns the caller and the container that the path's id names, if it is one of the
// caller's own.
func (a *Agent) named(r *http.Request) (caller, *orchestrator.TaskContainer, bool) {
	c, ok := a.caller(r)
	if !ok {
		return c, nil, false
	}
	for n := range c.task.Containers {
		if endpointID(c.task.ID, c.task.Containers[n].Name) == r.PathValue("id") {
			return c, &c.task.Containers[n], true
		}
	}
	return c, nil, false
}

// roleOf returns the ARN of a task's role; empty if it has none. RunTask may override it.
func (a *Agent) roleOf(t *orchestrator.Task) string {
	var over struct {
		Role string `json:"taskRoleArn"`
	}
	if json.Unmarshal(t.Overrides, &over) == nil && over.Role != "" {
		return over.Role
	}
	found, err := a.config.Definitions.Lookup(t.TaskDefinition)
	if err != nil {
		return ""
	}
	return found.Document.Definition.TaskRoleARN
}

// write answers with a JSON document.
func write(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc) // who does not wait for the answer does not get it
}

// clusterARN returns the ARN of the cluster that a task is in.
func clusterARN(t *orchestrator.Task) string {
	prefix, _, _ := strings.Cut(t.ARN, ":task/")
	return prefix + ":cluster/" + t.Cluster
}
