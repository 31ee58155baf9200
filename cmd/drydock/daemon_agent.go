package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"

	"drydock/orchestrator"
	"drydock/orchestrator/agent"
)

// openAgent makes what serves tasks at 169.254.170.2.
func (d *daemon) openAgent(ctx context.Context) error {
	provider, err := agent.ParseProvider(d.config.Credentials)
	if err != nil {
		return err
	}
	d.agent, err = agent.New(ctx, agent.Config{
		Store: d.store, Scheduler: d.scheduler, Engine: d.engine, Definitions: d.definitions, Network: d.network,
		Balancer: d.balancer, Credentials: provider, Region: d.config.Region, Logger: d.log,
	})
	return err
}

// agentVariables tells a container where the agent is. Without root it cannot be reached: then
// programs shall not wait for it.
func (d *daemon) agentVariables(task orchestrator.Task, container string) map[string]string {
	if d.agent == nil || os.Geteuid() != 0 {
		return nil
	}
	return d.agent.Variables(task, container)
}

// taskFault is the body of POST /_drydock/faults, and what GET answers a list of.
type taskFault struct {
	agent.Fault
	Stop bool `json:"stop,omitempty"`
}

// serveFaults lists the faults that are injected into tasks.
func (d *daemon) serveFaults(w http.ResponseWriter, _ *http.Request) {
	faults := d.agent.Faults()
	if faults == nil {
		faults = []agent.Fault{}
	}
	reply(w, faults)
}

// serveTaskFault starts or stops a fault of a task. The owner of the machine may: the task
// definition's enableFaultInjection is about what tasks do to themselves.
func (d *daemon) serveTaskFault(w http.ResponseWriter, r *http.Request) {
	var in taskFault
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "the request is no JSON document: "+err.Error(), "")
		return
	}
	t := d.scheduler.Snapshot().Tasks[in.Task]
	if t == nil || t.Status == orchestrator.Stopped {
		refuse(w, http.StatusBadRequest, "there is no live task "+in.Task, "`drydock status` lists the tasks")
		return
	}
	act := d.agent.StartFault
	if in.Stop {
		act = d.agent.StopFault
	}
	err := act(r.Context(), in.Fault)
	var refusal *agent.Refusal
	switch {
	case errors.As(err, &refusal):
		refuse(w, http.StatusBadRequest, refusal.Text, "")
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error(), "")
	default:
		reply(w, in)
	}
}

// isTaskFault reports whether a word names a kind of fault that is injected into tasks.
func isTaskFault(kind string) bool { return strings.HasPrefix(kind, "network-") }
